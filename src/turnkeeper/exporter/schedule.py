"""When to ask again for transcripts that are absent, and for conversations that failed. Pure.

Transcripts come minutes, hours or days after a call, and the platform never says that there will be none. So an absent
one is asked for again, at growing distances, until a window has passed since the call's end, or since the first ask
where that was later. The last ask falls on the window's end.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Schedule"]

_MINUTE = 60_000
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


@dataclass(frozen=True)
class Schedule:
    """Times are epoch milliseconds, distances milliseconds.

    ``window`` is how long an absent transcript is asked for; ``open_every`` how often a call that is
    still going on is looked at.
    """

    window: int = 7 * _DAY
    first: int = 5 * _MINUTE
    longest: int = _DAY
    open_every: int = 15 * _MINUTE
    failed_first: int = _MINUTE
    failed_longest: int = 6 * _HOUR
    failed_tries: int = 12

    def absent(self, now: int, since: int, asks: int) -> int | None:
        """When to ask again after ``asks`` asks without a result; None when this was the last."""
        deadline = since + self.window
        if now >= deadline:
            return None
        distance: int = min(self.first * 2 ** min(max(asks - 1, 0), 30), self.longest)
        return min(now + distance, deadline)

    def failed(self, now: int, tries: int) -> int | None:
        """When to try again after ``tries`` failures in a row; None when only ``retry`` brings it back."""
        if tries >= self.failed_tries:
            return None
        distance: int = min(self.failed_first * 4 ** min(max(tries - 1, 0), 20), self.failed_longest)
        return now + distance

    def still_open(self, now: int, started: int) -> int:
        """When to look again at a call that has not ended: the longer it lasts, the less often."""
        return now + min(max((now - started) // 8, self.open_every), self.longest)
