"""How fast one token may ask, learnt from the platform's own headers, so that no 429 happens.

``inin-ratelimit-count``, ``-allowed`` and ``-reset`` (seconds left in the window) stand on every API answer. Downloads
from storage do not count against the limit and are not paced. One process; knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping

from turnkeeper.clock import Clock

__all__ = ["TENANT_LIMIT_HINT", "Pacer", "is_tenant_limit"]

_WINDOW = 60.0
# "reset" is in whole seconds, so the window may last almost a second longer than it says.
_ROUNDING = 1.0
# Two answers of one window may name its end up to this many seconds apart.
_SAME_WINDOW = 3.0
_GLANCE = 0.2

TENANT_LIMIT_HINT = (
    "This limit is the whole organisation's: a second OAuth client does not help; spread the work over time, "
    "or ask the vendor to raise it."
)


class Pacer:
    """One token's budget. ``take`` before each request, then ``answered`` or ``lost`` exactly once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._allowed: int | None = None
        self._used = 0
        self._flying = 0
        self._ends = 0.0
        self._blocked = 0.0

    @property
    def remaining(self) -> int | None:
        """Requests left in this window as far as is known; None before the first answer."""
        return None if self._allowed is None else max(self._allowed - self._used - self._flying, 0)

    async def take(self) -> None:
        """Wait until one more request fits into the window, then claim it."""
        while (wait := self._wait(self._clock.monotonic())) > 0:
            await self._clock.sleep(wait)
        self._flying += 1

    def answered(self, headers: Mapping[str, str]) -> None:
        """An answer came; its headers (lower-case names) are the truth about the window."""
        self._flying -= 1
        figures = _figures(headers)
        if figures is None:
            self._used += 1
        else:
            self._learn(*figures)

    def lost(self) -> None:
        """No answer came: the platform may have counted the request all the same."""
        self._flying -= 1
        self._used += 1

    def block(self, seconds: float) -> None:
        """A 429 asked everybody to wait so many seconds."""
        self._blocked = max(self._blocked, self._clock.monotonic() + seconds)

    def _wait(self, now: float) -> float:
        if now >= self._ends:
            self._used, self._ends = 0, now + _WINDOW
        full = self._allowed is not None and self._used + self._flying >= self._allowed
        left = self._ends - now
        # Requests in flight may be in the platform's count already, so the next answer may show that there is room.
        return max(self._blocked - now, (min(left, _GLANCE) if self._flying else left) if full else 0.0)

    def _learn(self, count: int, allowed: int, reset: float) -> None:
        ends = self._clock.monotonic() + reset + _ROUNDING
        # Answers overtake each other: within one window the largest count is the newest.
        self._used = count if ends > self._ends + _SAME_WINDOW else max(self._used, count)
        self._allowed, self._ends = max(allowed, 1), ends


def is_tenant_limit(key: str) -> bool:
    """Whether a limit's key (``org.app.user.rate.per.minute``) counts the whole organisation, not one client."""
    return key.startswith("org.")


def _figures(headers: Mapping[str, str]) -> tuple[int, int, float] | None:
    try:
        count, allowed, reset = (int(headers[f"inin-ratelimit-{name}"]) for name in ("count", "allowed", "reset"))
    except (KeyError, ValueError):
        return None
    return (count, allowed, min(max(reset, 0), 600.0)) if allowed > 0 else None
