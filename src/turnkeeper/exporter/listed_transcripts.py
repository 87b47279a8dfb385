"""The transcripts that the platform lists, by day, asked for once for all conversations of a day that wait for one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import anyio

from turnkeeper.archive.index import CallState
from turnkeeper.genesys.endpoints.transcript_search import TranscriptListing
from turnkeeper.genesys.interval import Interval

__all__ = ["Listings"]

Ask = Callable[[Interval, int], Awaitable[TranscriptListing | None]]

_DAYS = 4
_PAGES = 1000


class Listings:
    """A cache of the searches of the last few days asked for."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._days: OrderedDict[str, TranscriptListing | None] = OrderedDict()
        self._lock = anyio.Lock()

    async def of(self, call: CallState) -> frozenset[str] | None:
        """The call's communications that have a transcript by now; None where nothing is listed for anybody."""
        if not call.started_at:
            return None
        day = call.started_at[:10]
        async with self._lock:
            if day not in self._days:
                start = datetime.fromisoformat(day).replace(tzinfo=UTC)
                # All conversations of the day share the answer, so it is worth many pages.
                self._days[day] = await self._ask(Interval(start, start + timedelta(days=1)), _PAGES)
                while len(self._days) > _DAYS:
                    self._days.popitem(last=False)
        listed = self._days.get(day)
        return listed.of(call.conversation) if listed is not None and listed.complete else None
