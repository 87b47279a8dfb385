"""How patiently one request is repeated: full jitter doubling to a cap, the other side's own wish where it named one.

Bounded in attempts and in total time; all waiting is done on the clock that was given.
"""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from turnkeeper.clock import Clock
from turnkeeper.errors import Retriable, Throttled, Unavailable
from turnkeeper.events import Listener, Retried
from turnkeeper.genesys.redaction import where
from turnkeeper.settings import RetrySettings

__all__ = ["RetryPolicy", "retry_after"]

_YEAR = 366 * 86400.0
_SECONDS = re.compile(r"([0-9]{1,400})(?:\.([0-9]{1,9}))?[0-9]*", re.ASCII)

T = TypeVar("T")


class RetryPolicy:
    """Repeats what fails with ``Throttled`` or ``Unavailable``; everything else passes through at once."""

    def __init__(self, settings: RetrySettings, clock: Clock, listener: Listener) -> None:
        self._settings = settings
        self._clock = clock
        self._listener = listener
        self._backoff = wait_random_exponential(multiplier=1, max=settings.max_wait)

    async def run(self, attempt: Callable[[], Awaitable[T]], url: str) -> T:
        """The attempt's result. ``url`` is shown without its query in the events.

        Raises the last ``Throttled`` or ``Unavailable`` when attempts or time are used up, or when the other side asks
        for a longer wait than the time that is left.
        """
        started = self._clock.monotonic()
        try:
            return await attempt()
        except (Throttled, Unavailable) as error:
            # Most requests succeed at once: only the others pay for what repeats them.
            failed: Throttled | Unavailable | None = error
        tries = 0

        async def once() -> T:
            nonlocal tries, failed
            tries += 1
            if failed is not None:
                first, failed = failed, None
                raise first
            return await attempt()

        retrying = AsyncRetrying(
            sleep=self._clock.sleep,
            # tenacity's own stop_before_delay looks at the machine's clock.
            stop=lambda state: self._exhausted(state, started),
            wait=self._wait,
            retry=retry_if_exception_type((Throttled, Unavailable)),
            before_sleep=lambda state: self._tell(state, where(url)),
            reraise=True,
        )
        try:
            return await retrying(once)
        except (Throttled, Unavailable) as error:
            if tries > 1:
                error.message += f" ({tries} attempts in {self._clock.monotonic() - started:.0f} s)"
            raise

    async def back_off(self, attempt: int, at: str, reason: str) -> None:
        """Wait before going on with a broken transfer: full jitter, doubling with the attempt's number from 1."""
        wait = random.uniform(0, min(self._settings.max_wait, 2.0 ** min(attempt - 1, 30)))
        self._listener(Retried(where=at, reason=reason, attempt=attempt, wait=wait))
        await self._clock.sleep(wait)

    def _exhausted(self, state: RetryCallState, started: float) -> bool:
        spent = self._clock.monotonic() - started
        late = spent + state.upcoming_sleep > self._settings.total_seconds
        return late or state.attempt_number >= self._settings.attempts

    def _wait(self, state: RetryCallState) -> float:
        wished = _error(state).retry_after
        return self._backoff(state) if wished is None else wished

    def _tell(self, state: RetryCallState, at: str) -> None:
        error = _error(state)
        limit = error.limit_key if isinstance(error, Throttled) else ""
        told = Retried(
            where=at,
            reason=error.message,
            attempt=state.attempt_number,
            wait=state.upcoming_sleep,
            limit_key=limit,
        )
        self._listener(told)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that ``Retry-After`` (a number, or an HTTP date) asks for; None where it is absent or senseless."""
    text = headers.get("retry-after", "").strip()
    if found := _SECONDS.fullmatch(text):
        return min(float(f"{found[1][:12]}.{found[2] or 0}"), _YEAR)
    moment = _moment(text)
    if moment is None:
        return None
    # Their clock and ours may differ: the answer's own Date header, where there is one, is the truer "now".
    return min(max((moment - (_moment(headers.get("date", "")) or now)).total_seconds(), 0.0), _YEAR)


def _moment(text: str) -> datetime | None:
    """An HTTP date; None for anything else. Python's own parser raises what it likes for years that cannot be."""
    try:
        moment = parsedate_to_datetime(text[:64])
        # In UTC already, because a date at the calendar's end with an offset is none.
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, LookupError, ArithmeticError):
        return None


def _error(state: RetryCallState) -> Retriable:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, Retriable) else Unavailable("")
