"""Repeat requests that fail: exponential backoff with full jitter, or the wait that ``Retry-After`` names.

Attempts and total time are limited. All waiting goes through the clock that was given.
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

_YEAR_S = 366 * 86400.0
_SECONDS = re.compile(r"([0-9]{1,400})(?:\.([0-9]{1,9}))?[0-9]*", re.ASCII)

T = TypeVar("T")


class RetryPolicy:
    """Repeats attempts that raise ``Throttled`` or ``Unavailable``; every other error passes through at once."""

    def __init__(self, settings: RetrySettings, clock: Clock, listener: Listener) -> None:
        self._settings = settings
        self._clock = clock
        self._listener = listener
        self._backoff = wait_random_exponential(multiplier=1, max=settings.max_wait)

    async def run(self, attempt: Callable[[], Awaitable[T]], url: str) -> T:
        """Run an attempt until it succeeds, and return its result. Events show ``url`` without its query.

        Raises the last ``Throttled`` or ``Unavailable`` when attempts or time are used up, or when the server asks for
        a longer wait than the time that is left.
        """
        started = self._clock.monotonic()
        try:
            return await attempt()
        except (Throttled, Unavailable) as error:
            # tenacity costs more than a request on loopback, so it is set up only for requests that failed.
            failed: Throttled | Unavailable | None = error
        tries = 0

        async def next_attempt() -> T:
            nonlocal tries, failed
            tries += 1
            if failed is not None:
                # The first attempt was made above: tenacity only has to learn of its error.
                first, failed = failed, None
                raise first
            return await attempt()

        retrying = AsyncRetrying(
            sleep=self._clock.sleep,
            # tenacity's own stop_before_delay reads the machine's clock.
            stop=lambda state: self._exhausted(state, started),
            wait=self._wait,
            retry=retry_if_exception_type((Throttled, Unavailable)),
            before_sleep=lambda state: self._report(state, where(url)),
            reraise=True,
        )
        try:
            return await retrying(next_attempt)
        except (Throttled, Unavailable) as error:
            if tries > 1:
                error.message += f" ({tries} attempts in {self._clock.monotonic() - started:.0f} s)"
            raise

    async def back_off(self, attempt: int, at: str, reason: str) -> None:
        """Wait before resuming a broken transfer: full jitter, doubling with the attempt's number (from 1)."""
        wait = random.uniform(0, min(self._settings.max_wait, 2.0 ** min(attempt - 1, 30)))
        self._listener(Retried(where=at, reason=reason, attempt=attempt, wait=wait))
        await self._clock.sleep(wait)

    def _exhausted(self, state: RetryCallState, started: float) -> bool:
        spent = self._clock.monotonic() - started
        too_late = spent + state.upcoming_sleep > self._settings.total_seconds
        return too_late or state.attempt_number >= self._settings.attempts

    def _wait(self, state: RetryCallState) -> float:
        wait = _error_of(state).retry_after
        return self._backoff(state) if wait is None else wait

    def _report(self, state: RetryCallState, at: str) -> None:
        error = _error_of(state)
        limit = error.limit_key if isinstance(error, Throttled) else ""
        attempt, wait = state.attempt_number, state.upcoming_sleep
        self._listener(Retried(where=at, reason=error.message, attempt=attempt, wait=wait, limit_key=limit))


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that ``Retry-After`` (a number, or an HTTP date) asks for; None where it is absent or senseless."""
    text = headers.get("retry-after", "").strip()
    if match := _SECONDS.fullmatch(text):
        return min(float(f"{match[1][:12]}.{match[2] or 0}"), _YEAR_S)
    moment = _http_date(text)
    if moment is None:
        return None
    # The server's clock and ours may differ, so the answer's own Date header counts as "now" where there is one.
    return min(max((moment - (_http_date(headers.get("date", "")) or now)).total_seconds(), 0.0), _YEAR_S)


def _http_date(text: str) -> datetime | None:
    """An HTTP date as an aware time; None for anything else."""
    try:
        moment = parsedate_to_datetime(text[:64])
        # Converted here, because for a date near the year 1 or 9999 this may raise as well.
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    # Python's parser lets many kinds of exceptions pass for impossible years and zones.
    except (ValueError, TypeError, LookupError, ArithmeticError):
        return None


def _error_of(state: RetryCallState) -> Retriable:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, Retriable) else Unavailable("")
