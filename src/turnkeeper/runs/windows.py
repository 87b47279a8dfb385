"""Dates as people give them -> windows as the platform takes them. Pure.

The query matches conversations by the UTC day they started on, so windows end at midnight (UTC), each conversation
belongs to the one window that holds its start, and nothing comes twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from turnkeeper.genesys.interval import Interval

__all__ = ["days"]

DAY = timedelta(days=1)


def days(interval: Interval, step: int = 1) -> Iterator[Interval]:
    """The interval cut at midnights (UTC), so many days a piece; oldest first. Nothing where it is empty."""
    start = interval.start
    while start < interval.end:
        end = min(midnight(start) + step * DAY, interval.end)
        yield Interval(start, end)
        start = end


def midnight(moment: datetime) -> datetime:
    """The beginning of the UTC day that a moment lies in."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
