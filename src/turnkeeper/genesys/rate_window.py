"""What is known of one token's present rate window, from whole seconds and answers that overtake each other. Pure.

``inin-ratelimit-reset`` is in whole seconds, and nobody says how it is rounded. An answer to a request that was sent at
``s`` and answered at ``r`` therefore places the window's end after ``s + reset - 1``, and before ``r + reset`` if the
platform rounds up, a second later if it rounds down. Many answers together narrow that to milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

__all__ = ["LONGEST_USUAL", "ROUNDING", "Figures", "RateWindow", "figures"]

ROUNDING = 1.02
"""The second that rounding may hide, and what two clocks drift apart in a minute."""
LONGEST_USUAL = 66.0
"""Seconds within which a window ends, rounding included, where no longer one was seen; the platform names 60 and 61."""
_LONGEST = 600.0
_RESERVED_FROM = 50
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Figures:
    """One answer's headers: requests counted in this window, requests allowed in it, seconds that are left of it."""

    count: int
    allowed: int
    reset: float


@dataclass(slots=True)
class RateWindow:
    """``allowed`` requests of which ``count`` are counted (0 allowed: nothing is known yet).

    It ends between ``lo`` and ``hi`` on a monotonic clock, or up to a second later. ``hi`` is ``assumed`` where no
    answer says it. ``span`` is the longest ``reset`` seen. Until ``blocked`` nothing may be asked at all.
    """

    allowed: int = 0
    count: int = 0
    lo: float = -inf
    hi: float = inf
    span: float = 0.0
    blocked: float = -inf
    assumed: bool = False

    def learn(self, sent: float, received: float, seen: Figures) -> bool | None:
        """Take in one answer: whether a new window began; None where the answer was too slow to say which it is of."""
        self.span = max(self.span, seen.reset)
        if self.allowed and self.hi < inf and received - sent > max(self.span, 3.0) / 3:
            return None
        return self._merge(seen, sent + seen.reset - 1, received + seen.reset)

    def _merge(self, seen: Figures, lo: float, hi: float) -> bool:
        """Take in one answer that places the window's end between ``lo`` and ``hi``; whether it is a newer window."""
        if hi + ROUNDING <= self.lo:
            return False
        newer = not self.allowed or lo > self.hi + ROUNDING
        # Answers overtake each other: within one window the largest count is the newest.
        if newer or seen.count >= self.count:
            self.allowed, self.count = seen.allowed, seen.count
        if newer:
            self.lo, self.hi = lo, hi
        else:
            # An assumed end bounds only requests that were lost; whoever counts this one knows better.
            self.lo, self.hi = max(self.lo, lo), hi if self.assumed else min(self.hi, hi)
        self.assumed = False
        return newer

    def roll(self, now: float) -> bool:
        """Begin a new window, of an unknown end, where the old one has certainly ended."""
        if now < self.hi + ROUNDING:
            return False
        # Windows are equally long: so late answers of the old one are not taken for the new one's.
        self.count, self.lo, self.hi = 0, max(now, self.lo + self.span - 2), inf
        self.assumed = False
        return True

    def bound(self, now: float) -> None:
        """A request was counted before now, and nothing says when its window ends: it cannot last longer than usual.

        ``span`` may be too short: whoever joins a window late has not seen a whole one.
        """
        if self.hi == inf:
            self.hi, self.assumed = now + max(self.span + ROUNDING, LONGEST_USUAL), True

    def room(self, now: float) -> int:
        """How many more requests fit in.

        One is kept until the end is near: sent then, it shows whether the new window has begun, and cannot be refused.
        """
        reserve = 1 if now < self.hi and self.allowed >= _RESERVED_FROM else 0
        return self.allowed - self.count - reserve

    def left(self, now: float) -> float:
        """Seconds until it is worth asking again: to the likely end, and from there to the certain one."""
        return (self.hi if now < self.hi else self.hi + ROUNDING) - now


def figures(headers: Mapping[str, str]) -> Figures | None:
    """The rate limit's headers (lower-case names); None where they are missing or senseless."""
    count, allowed, reset = (
        _number(headers.get(f"inin-ratelimit-{name}", "")) for name in ("count", "allowed", "reset")
    )
    if count is None or not allowed or reset is None:
        return None
    return Figures(count, allowed, min(reset, _LONGEST))


def _number(text: str) -> int | None:
    """A count that can be: no sign, and few enough digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None
