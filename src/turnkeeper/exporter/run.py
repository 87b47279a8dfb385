"""A bulk run over one archive, once or for years: list what is asked for, process what is due, publish the results."""

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
from turnkeeper.exporter.feed import PAGE, WindowBatch, failure_of_malformed_id, failure_of_rejected, paged
from turnkeeper.exporter.filter_names import resolve_names
from turnkeeper.exporter.ledger import Ledger, Outstanding
from turnkeeper.exporter.publication import Publication
from turnkeeper.exporter.range import Follow, Range
from turnkeeper.exporter.run_report import RunReport
from turnkeeper.exporter.shutdown import GRACE_S, POLL_S, stoppable, stopped
from turnkeeper.exporter.windows import midnight
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.interval import Interval
from turnkeeper.ids import is_id

__all__ = ["Run", "by_id"]

T = TypeVar("T")
_DIRECTORY_AGE = timedelta(minutes=15)
"""A run that follows fetches the names of people and queues no more often, and only when it archives something."""


async def by_id(platform: Genesys, asked: Range, listener: Listener) -> Range:
    """The same range with the ids of the queues and users that its filters name."""
    return replace(asked, filters=await resolve_names(platform, asked.filters, listener)) if asked.filters else asked


@dataclass
class Run:
    """One process's work on one archive, with a platform and an archive that are open already.

    ``grace`` and ``poll`` say how ``stop`` ends it (``stoppable``).
    """

    platform: Genesys
    archive: Archive
    ledger: Ledger
    settings: ExportSettings
    clock: Clock
    listener: Listener = silent
    stop: threading.Event = field(default_factory=threading.Event)
    grace: float = GRACE_S
    poll: float = POLL_S

    def __post_init__(self) -> None:
        self._directory = DirectoryCache(self.platform)
        self._directory_until = self.clock.now()

    async def once(self, wanted: Range) -> RunReport:
        """One pass over what is asked for, and over everything that is due. Raises what ``export`` raises."""
        asked = await self._until_stopped(partial(by_id, self.platform, wanted, self.listener))
        if asked is None:
            return RunReport(ended="interrupted")
        publication = self._new_publication(self.settings.commit_seconds, concerns=asked.concerns)

        async def work() -> None:
            await self._restore_ledger(publication)
            await self._run_pass(asked, publication)

        return await self._to_its_end(work, publication)

    async def follow(self, follow: Follow) -> RunReport:
        """Pass after pass, until ``stop`` is set. A platform or a store that is down for a while is waited for. The
        archive's index is brought up to date every ``follow_seconds``, and at the end."""

        async def named() -> Follow:
            days = await by_id(self.platform, Range(filters=follow.filters), self.listener)
            first = follow.first and await by_id(self.platform, follow.first, self.listener)
            return replace(follow, first=first, filters=days.filters)

        asked = await self._until_stopped(named)
        if asked is None:
            return RunReport(ended="interrupted")
        publication = self._new_publication(self.settings.follow_seconds, follows=True)
        report = await self._to_its_end(partial(self._follow_passes, asked, publication), publication)
        report.ended = "interrupted"
        return report

    async def _until_stopped(self, work: Callable[[], Awaitable[T]]) -> T | None:
        return await stoppable(work, self.stop, grace=self.grace, poll=self.poll, heartbeat=self._say_alive)

    async def _to_its_end(self, work: Callable[[], Awaitable[None]], publication: Publication) -> RunReport:
        try:
            async with publication.until_the_end(self.stop):
                await self._until_stopped(work)
                if self.stop.is_set():
                    self._say_alive()  # the index is written now, which may take a moment
        finally:
            self._directory.close()
        return publication.report

    def _say_alive(self) -> None:
        self.listener(Alive(stopping=self.stop.is_set()))

    async def _follow_passes(self, follow: Follow, publication: Publication) -> None:
        await self._restore_ledger(publication)
        wanted, turn = follow.first, self.clock.now()
        while not self.stop.is_set():
            now = self.clock.now()
            # A conversation may be due before the next listing is: then nothing is listed.
            asked = Range()
            if wanted is not None or now >= turn:
                turn = now + follow.every
                # Whole days: those that are settled are not listed again.
                asked = wanted or Range(Interval(midnight(now - follow.last), now), follow.filters)
            if await self._unless_down(partial(self._run_pass, asked, publication)):
                # Dropped only when its pass succeeded: after a failure the first range is asked for again.
                wanted = None if asked is wanted else wanted
            await self._unless_down(partial(self._after_pass, publication))
            await self._wait_for_next_pass(turn)

    async def _unless_down(self, step: Callable[[], Awaitable[None]]) -> bool:
        """Whether a step succeeded. Where the platform or the store is down, the next pass tries again."""
        try:
            await step()
        except Retriable as cause:
            self.listener(Noted(note=f"the next turn tries again: {cause}"))
            return False
        return True

    async def _after_pass(self, publication: Publication) -> None:
        if await publication.pass_ended():
            await anyio.to_thread.run_sync(partial(self._forget_erased, every=True))

    async def _wait_for_next_pass(self, turn: datetime) -> None:
        """Wait until the next listing, until a conversation is due, or until ``stop`` is set."""
        due = await anyio.to_thread.run_sync(self.ledger.next_due)
        turn_ms = int(turn.timestamp() * 1000)
        until_ms = turn_ms if due is None else min(turn_ms, due)
        self.listener(Paused(until=rfc3339_ms(until_ms)))
        await self.platform.rest()
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                await stopped(self.stop, self.poll)
                tasks.cancel_scope.cancel()

            tasks.start_soon(watch)
            # At least a second: the time may have passed, and passes without anything to do would spin.
            await self.clock.sleep(max(until_ms / 1000 - self.clock.now().timestamp(), 1))
            tasks.cancel_scope.cancel()

    async def _restore_ledger(self, publication: Publication) -> None:
        damaged: list[Unread] = []
        index = Index(self.archive.store)
        taken = await anyio.to_thread.run_sync(index_sync.restore, self.ledger, index, damaged.append, self.stop.is_set)
        publication.report.unreadable_days = len(damaged)
        for cause in damaged:
            publication.failed(failure_of("", cause, f"{cause.key}: "))
            self.listener(Noted(note=str(cause)))
        if taken:
            self.listener(Noted(note=f"{taken:,} conversations were known to the archive already"))
        await anyio.to_thread.run_sync(partial(self._forget_erased, every=taken > 0))

    def _forget_erased(self, *, every: bool) -> None:
        """Remove from the queue what was erased. Where there are many tombstones, they are listed for a new queue and
        once a day; in between, a call is looked up when it is due."""
        stones = Tombstones(self.archive.store)
        few = stones.all_if_few()
        if few is None and not (every or self.ledger.is_first("tombstones", self.clock.now().date().isoformat())):
            return
        erased = iter(stones.all() if few is None else few)
        while not self.stop.is_set() and (batch := list(islice(erased, PAGE))):
            self.ledger.erase(batch)

    def _new_publication(
        self, every: float, *, follows: bool = False, concerns: Callable[[Outstanding], bool] | None = None
    ) -> Publication:
        return Publication(
            self.platform,
            self.archive,
            self.ledger,
            self.clock,
            every=every,
            follows=follows,
            listener=self.listener,
            concerns=concerns,
        )

    async def _run_pass(self, wanted: Range, publication: Publication) -> None:
        now = self.clock.now()
        if now >= self._directory_until:
            # Only between passes: a worker may be reading the lists during one.
            self._directory.close()
            self._directory_until = now + _DIRECTORY_AGE
        exporter = Exporter(
            self.platform,
            self.archive,
            self.ledger,
            publication,
            clock=self.clock,
            settings=self.settings,
            window_name=wanted.name,
            listener=self.listener,
            stop=self.stop,
            directory=self._directory,
        )
        if wanted.interval is not None and not wanted.filters:
            # With filters the listing says nothing of other conversations, and in the future nothing is listed.
            exporter.listed_until = rfc3339(min(wanted.interval.end, now))
        await exporter.process_all(lambda: self._window_batches(wanted, exporter))

    async def _window_batches(self, wanted: Range, exporter: Exporter) -> AsyncGenerator[WindowBatch]:
        if wanted.interval is None:
            yield WindowBatch(
                "", "", refused=tuple(failure_of_malformed_id(one) for one in wanted.ids if not is_id(one))
            )
            async for batch in paged(self._discovered_by_id([one for one in wanted.ids if is_id(one)])):
                yield batch
            return
        for window in await planned(self.platform, wanted.interval, by=wanted.by, clock=self.clock):
            start, stop = rfc3339(window.interval.start), rfc3339(window.interval.end)
            if (start, stop) in exporter.left_out or self.ledger.window_closed(wanted.name, start, stop):
                continue
            # The window is named before anything of it is listed: a failure is then known to be this window's.
            yield WindowBatch(start, stop)
            result, sum_of_batches = ListingResult(), 0
            found = discover_window(self.platform, window, wanted.filters, listener=self.listener, result=result)
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
                refused=tuple(failure_of_rejected(element) for element in result.rejected),
            )

    async def _discovered_by_id(self, ids: Sequence[str]) -> AsyncGenerator[Discovered | Unknown]:
        async with aclosing(discover_ids(self.platform, ids, listener=self.listener)) as found:
            async for one in found:
                yield one
