"""How many conversations the platform counts on each day of a range."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

import anyio

from turnkeeper.archive.index import UNDATED
from turnkeeper.clock import Clock
from turnkeeper.errors import TurnkeeperError
from turnkeeper.exporter.windows import DAY
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.endpoints.details_query import LONGEST_DAYS
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval
from turnkeeper.settings import PlatformSettings

__all__ = ["counted_by"]

_AT_ONCE = 8
_Item = TypeVar("_Item")


async def counted_by(
    settings: PlatformSettings, clock: Clock, days: Sequence[str], known: Sequence[str]
) -> dict[str, int]:
    """Day -> count, for the days that the platform gives a number for.

    One request for each day; stretches of days that are not ``known`` cost one request for up to 31 of them, where the
    platform has nothing there. Raises what asking the platform raises.
    """
    counted: dict[str, int] = {}
    expected = set(known)
    asked = [day for day in days if day != UNDATED]
    async with Genesys(settings, clock=clock) as client:

        async def count(day: str) -> None:
            total = await _count_between(client, day, day)
            if total is not None:
                counted[day] = total

        async def count_stretch(stretch: Sequence[str]) -> None:
            total = await _count_between(client, stretch[0], stretch[-1]) if len(stretch) > 1 else None
            if total == 0:
                counted.update(dict.fromkeys(stretch, 0))
            else:
                for day in stretch:
                    await count(day)

        stretches = list(_consecutive_days([day for day in asked if day not in expected]))
        await _ask_about_each(count, [day for day in asked if day in expected])
        await _ask_about_each(count_stretch, stretches)
    return counted


async def _ask_about_each(ask: Callable[[_Item], Awaitable[None]], items: Sequence[_Item]) -> None:
    """Ask about all of them, a few at once. Raises the first error of ours as it is."""
    limit = anyio.CapacityLimiter(_AT_ONCE)

    async def one(item: _Item) -> None:
        async with limit:
            await ask(item)

    try:
        async with anyio.create_task_group() as tasks:
            for item in items:
                tasks.start_soon(one, item)
    except BaseExceptionGroup as group:
        ours, _ = group.split(TurnkeeperError)
        raise (ours.exceptions[0] if ours else group) from None


async def _count_between(client: Genesys, first: str, last: str) -> int | None:
    """How many conversations began on these days (both included); None where the platform gives no total."""
    interval = Interval(_midnight_of(first), _midnight_of(last) + DAY)
    return (await client.conversation_page(interval, Filters(), 1)).total


def _consecutive_days(days: Sequence[str]) -> Iterator[list[str]]:
    """Days that follow one another, at most as many as one query may cover."""
    stretch: list[str] = []
    for day in days:
        follows = stretch and date.fromisoformat(day) - date.fromisoformat(stretch[-1]) == timedelta(days=1)
        if stretch and (not follows or len(stretch) == LONGEST_DAYS):
            yield stretch
            stretch = []
        stretch.append(day)
    if stretch:
        yield stretch


def _midnight_of(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)
