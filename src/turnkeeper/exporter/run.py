"""A bulk run over one archive, once or for years: it lists what is wanted, visits what is due, tells the archive."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import TypeVar

import anyio
import anyio.to_thread

from turnkeeper.archive.archive import Archive
from turnkeeper.archive.index import Index
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.clock import Clock, rfc3339, rfc3339_ms
from turnkeeper.errors import Retriable, Unread
from turnkeeper.events import Alive, Listener, Noted, Paused, silent
from turnkeeper.exporter import index_sync
from turnkeeper.exporter.directories import DirectoryCache
from turnkeeper.exporter.discovery import Discovered, ListingResult, Unknown, discover_ids, discover_window, planned
from turnkeeper.exporter.engine import Exporter, ExportSettings
from turnkeeper.exporter.failures import failure_of
from turnkeeper.exporter.feed import PAGE, WindowBatch, no_id, paged, rejected
from turnkeeper.exporter.filter_names import resolved
from turnkeeper.exporter.ledger import Ledger, Outstanding
from turnkeeper.exporter.publication import Publication
from turnkeeper.exporter.range import Follow, Range
from turnkeeper.exporter.run_report import RunReport
from turnkeeper.exporter.shutdown import GRACE_S, LOOK_S, stoppable, stopped
from turnkeeper.exporter.windows import midnight
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.interval import Interval
from turnkeeper.ids import is_id

__all__ = ["Run", "by_id", "claimed"]

T = TypeVar("T")
_NAMES_HELD = timedelta(minutes=15)
"""A run that follows asks for the names of people and queues no more often, and only where something is to be kept."""


async def by_id(door: Genesys, asked: Range, listener: Listener) -> Range:
    """The same range with the ids of the queues and users that its filters name."""
    return replace(asked, filters=await resolved(door, asked.filters, listener)) if asked.filters else asked


async def claimed(door: Genesys, archive: Archive) -> str:
    """Make sure that the platform lets us in, and that the archive is this organisation's, whose id is given back.

    Raises ``Denied`` or ``Misconfigured``, and ``StoreRefused`` for another organisation's archive.
    """
    await door.token_probe()
    organisation = await door.organisation()
    await anyio.to_thread.run_sync(archive.claim, organisation)
    return organisation


@dataclass
class Run:
    """One process's work on one archive, through doors that are open already: ``export`` opens the usual ones.

    ``grace`` and ``look`` say how ``stop`` ends it (``stoppable``).
    """

    door: Genesys
    archive: Archive
    ledger: Ledger
    settings: ExportSettings
    clock: Clock
    listener: Listener = silent
    stop: threading.Event = field(default_factory=threading.Event)
    grace: float = GRACE_S
    look: float = LOOK_S

    def __post_init__(self) -> None:
        self._names = DirectoryCache(self.door)
        self._names_until = self.clock.now()

    async def once(self, wanted: Range) -> RunReport:
        """One pass over what is wanted, and over everything that is due. Raises what ``export`` raises."""
        asked = await self._until_stopped(partial(by_id, self.door, wanted, self.listener))
        if asked is None:
            return RunReport(ended="interrupted")
        upkeep = self._upkeep(self.settings.commit_seconds, concerns=asked.concerns)

        async def work() -> None:
            await self._restored(upkeep)
            await self._pass(asked, upkeep)

        return await self._to_its_end(work, upkeep)

    async def follow(self, follow: Follow) -> RunReport:
        """Pass after pass, until ``stop`` is set. A platform or a store that is down for a while is waited for. The
        archive is told what came of them every ``follow_seconds``, and at the end."""

        async def named() -> Follow:
            days = await by_id(self.door, Range(filters=follow.filters), self.listener)
            first = follow.first and await by_id(self.door, follow.first, self.listener)
            return replace(follow, first=first, filters=days.filters)

        asked = await self._until_stopped(named)
        if asked is None:
            return RunReport(ended="interrupted")
        upkeep = self._upkeep(self.settings.follow_seconds, follows=True)
        report = await self._to_its_end(partial(self._passes, asked, upkeep), upkeep)
        report.ended = "interrupted"
        return report

    async def _until_stopped(self, work: Callable[[], Awaitable[T]]) -> T | None:
        return await stoppable(work, self.stop, grace=self.grace, look=self.look, beat=self._beat)

    async def _to_its_end(self, work: Callable[[], Awaitable[None]], upkeep: Publication) -> RunReport:
        try:
            async with upkeep.until_the_end(self.stop):
                await self._until_stopped(work)
                if self.stop.is_set():
                    self._beat()  # the archive is told now, which may take a moment
        finally:
            self._names.close()
        return upkeep.report

    def _beat(self) -> None:
        self.listener(Alive(stopping=self.stop.is_set()))

    async def _passes(self, follow: Follow, upkeep: Publication) -> None:
        await self._restored(upkeep)
        wanted, turn = follow.first, self.clock.now()
        while not self.stop.is_set():
            now = self.clock.now()
            # Something may be due before its turn: what there is was listed a moment ago.
            asked = Range()
            if wanted is not None or now >= turn:
                turn = now + follow.every
                # Whole days: those that are settled are not listed again.
                asked = wanted or Range(Interval(midnight(now - follow.last), now), follow.filters)
            if await self._unless_down(partial(self._pass, asked, upkeep)):
                wanted = None if asked is wanted else wanted
            await self._unless_down(partial(self._between, upkeep))
            await self._pause(turn)

    async def _unless_down(self, step: Callable[[], Awaitable[None]]) -> bool:
        """Whether a step was done; where the platform or the store is down, the next turn tries again."""
        try:
            await step()
        except Retriable as cause:
            self.listener(Noted(note=f"the next turn tries again: {cause}"))
            return False
        return True

    async def _between(self, upkeep: Publication) -> None:
        if await upkeep.pass_ended():
            await anyio.to_thread.run_sync(partial(self._forget_erased, every=True))

    async def _pause(self, turn: datetime) -> None:
        """Until the next listing's turn, until something is due, or until ``stop`` is set."""
        due = await anyio.to_thread.run_sync(self.ledger.next_due)
        turn_ms = int(turn.timestamp() * 1000)
        until_ms = turn_ms if due is None else min(turn_ms, due)
        self.listener(Paused(until=rfc3339_ms(until_ms)))
        await self.door.rest()
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                await stopped(self.stop, self.look)
                tasks.cancel_scope.cancel()

            tasks.start_soon(watch)
            await self.clock.sleep(max(until_ms / 1000 - self.clock.now().timestamp(), 1))
            tasks.cancel_scope.cancel()

    async def _restored(self, upkeep: Publication) -> None:
        damaged: list[Unread] = []
        states = Index(self.archive.store)
        taken = await anyio.to_thread.run_sync(
            index_sync.restore, self.ledger, states, damaged.append, self.stop.is_set
        )
        upkeep.report.unreadable_days = len(damaged)
        for cause in damaged:
            upkeep.failed(failure_of("", cause, f"{cause.key}: "))
            self.listener(Noted(note=str(cause)))
        if taken:
            self.listener(Noted(note=f"{taken:,} conversations were known to the archive already"))
        await anyio.to_thread.run_sync(partial(self._forget_erased, every=taken > 0))

    def _forget_erased(self, *, every: bool) -> None:
        """The queue keeps nothing of what was erased. Where tombstones are many, they are listed for a new queue and
        once a day; until then a call is looked up when it is due."""
        stones = Tombstones(self.archive.store)
        few = stones.few()
        if few is None and not (every or self.ledger.is_first("tombstones", self.clock.now().date().isoformat())):
            return
        erased = iter(stones.all() if few is None else few)
        while not self.stop.is_set() and (batch := list(islice(erased, PAGE))):
            self.ledger.erase(batch)

    def _upkeep(
        self, every: float, *, follows: bool = False, concerns: Callable[[Outstanding], bool] | None = None
    ) -> Publication:
        return Publication(
            self.door,
            self.archive,
            self.ledger,
            self.clock,
            every=every,
            follows=follows,
            listener=self.listener,
            concerns=concerns,
        )

    async def _pass(self, wanted: Range, upkeep: Publication) -> None:
        now = self.clock.now()
        if now >= self._names_until:
            # Between passes: nobody is reading them.
            self._names.close()
            self._names_until = now + _NAMES_HELD
        exporter = Exporter(
            self.door,
            self.archive,
            self.ledger,
            clock=self.clock,
            settings=self.settings,
            window_name=wanted.name,
            listener=self.listener,
            stop=self.stop,
            upkeep=upkeep,
            names=self._names.get,
        )
        if wanted.interval is not None and not wanted.filters:
            exporter.listed_until = rfc3339(min(wanted.interval.end, now))
        await exporter.visit_all(lambda: self._batches(wanted, exporter))

    async def _batches(self, wanted: Range, exporter: Exporter) -> AsyncGenerator[WindowBatch]:
        if wanted.interval is None:
            yield WindowBatch("", "", refused=tuple(no_id(one) for one in wanted.ids if not is_id(one)))
            async for batch in paged(self._named([one for one in wanted.ids if is_id(one)])):
                yield batch
            return
        for window in await planned(self.door, wanted.interval, by=wanted.by, clock=self.clock):
            start, stop = rfc3339(window.interval.start), rfc3339(window.interval.end)
            if (start, stop) in exporter.left_out or self.ledger.window_closed(wanted.name, start, stop):
                continue
            # Named before anything of it is listed: a failure is then known to be this window's.
            yield WindowBatch(start, stop)
            result, sum_of_batches = ListingResult(), 0
            found = discover_window(self.door, window, wanted.filters, listener=self.listener, result=result)
            async for batch in paged(found, start, stop):
                sum_of_batches += len(batch.wanted)
                yield batch
            yield WindowBatch(
                start,
                stop,
                last=True,
                complete=window.settled and result.proven,
                found=sum_of_batches,
                # A day that goes on may count ahead of what it gives.
                missing=result.missing if window.settled else 0,
                refused=tuple(rejected(one) for one in result.rejected),
            )

    async def _named(self, ids: Sequence[str]) -> AsyncGenerator[Discovered | Unknown]:
        async with aclosing(discover_ids(self.door, ids, listener=self.listener)) as found:
            async for one in found:
                yield one
