"""Bulk export: find what is wanted, visit what is due, and leave an index that says what is missing and why.

Discovery fills the ledger while visitors empty it; the ledger is on disk, so neither waits for the other in memory.
Whatever ends the run (an interrupt, an error, a power cut), the next one goes on from the ledger, or from the archive.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread

from turnkeeper.archive.archive import Archive
from turnkeeper.archive.index import WINDOW_FORMAT, Index, ListedWindow
from turnkeeper.clock import Clock, rfc3339_ms
from turnkeeper.errors import Defect, Denied, Misconfigured, Retriable, TurnkeeperError, Unavailable
from turnkeeper.events import Listed, Listener, Noted, Settled, silent
from turnkeeper.exporter.directories import Names, no_names
from turnkeeper.exporter.failures import failure_of
from turnkeeper.exporter.feed import Feed, ListingProgress, WindowBatch
from turnkeeper.exporter.group_commit import GroupCommit
from turnkeeper.exporter.ledger import DueConversation, Ledger, Settlement
from turnkeeper.exporter.listed_transcripts import Listings
from turnkeeper.exporter.publication import Publication
from turnkeeper.exporter.recordings import RecordingOptions
from turnkeeper.exporter.run_report import Failure, RunReport
from turnkeeper.exporter.schedule import Schedule
from turnkeeper.exporter.shutdown import first_of
from turnkeeper.exporter.worker import Outcome, RefusedConversation, Worker
from turnkeeper.genesys.client import Genesys

__all__ = ["ExportSettings", "Exporter", "Feed", "WindowBatch"]

_DENIALS = 5
"""So many denials in a row, none of them known before, and no transcript at all: a role is missing, and asking on would
only spend the quota."""


@dataclass(frozen=True)
class ExportSettings:
    """``visitors`` conversations are under way at once; ``writers`` of them may be writing. The archive's index is
    brought up to date every ``commit_seconds``, by a run that follows every ``follow_seconds``. ``audio`` says that the
    recordings are wanted too."""

    visitors: int = 24
    writers: int = 8
    commit_seconds: float = 60.0
    follow_seconds: float = 900.0
    schedule: Schedule = field(default_factory=Schedule)
    audio: RecordingOptions | None = None
    spool_folder: Path | None = None


@dataclass
class _Under:
    """What is under way in one pass."""

    queue: deque[DueConversation] = field(default_factory=deque)
    flying: int = 0
    feeding: bool = True
    over: bool = False
    nothing_since: anyio.Event | None = None
    denials: int = 0
    arrived: int = 0
    refused: Denied | Misconfigured | None = None


class Exporter:
    """One pass over one archive. ``window_name`` is the slug of what is wanted; ``stop`` ends the pass politely.

    ``upkeep`` is that of the whole run (one of its own where none is given, which tells the archive every
    ``commit_seconds``), ``names`` gives the platform's directories.
    """

    def __init__(
        self,
        platform: Genesys,
        archive: Archive,
        ledger: Ledger,
        *,
        clock: Clock,
        settings: ExportSettings | None = None,
        window_name: str = "all",
        listener: Listener = silent,
        stop: threading.Event | None = None,
        upkeep: Publication | None = None,
        names: Callable[[], Awaitable[Names]] = no_names,
    ) -> None:
        self._ledger = ledger
        self._states = Index(archive.store)
        self._clock = clock
        self._settings = settings or ExportSettings()
        self._window_name = window_name
        self._listener = listener
        self._stop = stop or threading.Event()
        every = self._settings.commit_seconds
        self._upkeep = upkeep or Publication(platform, archive, ledger, clock, every=every, listener=listener)
        self._visitor = Worker(
            platform,
            archive,
            self._settings.schedule,
            clock,
            Listings(platform.listed).of,
            names=names,
            audio=self._settings.audio,
            listener=listener,
            threads=anyio.CapacityLimiter(self._settings.writers),
            spool_folder=self._settings.spool_folder,
        )
        self._settling = GroupCommit(ledger)
        self._wake = anyio.Event()
        self._taking = anyio.Lock()
        self._listing = ListingProgress()
        self.listed_until = ""

    @property
    def report(self) -> RunReport:
        """What the run has done so far."""
        return self._upkeep.report

    async def run(self, feed: Feed) -> RunReport:
        """One pass as a whole run: then the index is committed, and the report kept.

        Raises ``Denied`` where the platform refuses everything, and any other ``Fatal``; what was done until then is
        committed all the same.
        """
        async with self._upkeep.until_the_end(self._stop):
            await self.visit_all(feed)
        return self.report

    async def visit_all(self, feed: Feed) -> None:
        """Everything found, and everything due, is visited once. Raises as ``run`` does."""
        under = _Under()
        try:
            await self._both(feed, under)
        finally:
            with anyio.CancelScope(shield=True), contextlib.suppress(TurnkeeperError):
                await self._put_back(under)
        if self.listed_until and not self._stop.is_set():
            self.report.listed_until = self.listed_until

    async def _both(self, feed: Feed, under: _Under) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._feed, feed, under)
                for _ in range(self._settings.visitors):
                    tasks.start_soon(self._visits, under)
        except BaseExceptionGroup as group:
            raise first_of(group) from None

    @property
    def left_out(self) -> frozenset[tuple[str, str]]:
        """The windows (start, stop) that could not be listed in this run: a feed passes over them."""
        return frozenset(self._listing.left_out)

    async def _feed(self, feed: Feed, under: _Under) -> None:
        """List; where the platform fails for longer than one request can wait, again from the window that was begun.

        A window that fails alone is left out, stays open, and is named in the report. Two in a row, or all there are,
        mean that the platform is down, and end the run.
        """
        listing = self._listing
        try:
            while True:
                try:
                    await self._listed(feed)
                except Retriable as cause:
                    await self._after_failure(cause)
                else:
                    break
            if listing.cause is not None and not listing.ended:
                raise listing.cause
        except TurnkeeperError:
            raise
        except Exception as cause:
            # What was found is visited all the same; the window that was begun stays open.
            self._cannot_list(Defect.of(cause, operation="list conversations"))
        finally:
            under.feeding = False
            self._woken()

    async def _after_failure(self, cause: Retriable) -> None:
        """Wait before the listing goes on, or leave its window out. Raises the cause where the run has to end."""
        listing = self._listing
        if self._stop.is_set():
            raise cause
        if listing.waits:
            wait = listing.waits.pop(0)
            self._listener(Noted(note=f"listing goes on in {wait:g} s: {cause}"))
            await self._clock.sleep(wait)
            return
        if not listing.window[0] or listing.cause is not None:
            raise cause
        listing.left_out[listing.window] = None
        listing.cause = cause
        self._cannot_list(cause)

    def _cannot_list(self, cause: TurnkeeperError) -> None:
        start, stop = self._listing.window
        self.report.unlisted += 1
        if self.listed_until and start:
            self.listed_until = min(self.listed_until, start)
        stretch = f"{start} to {stop} was not listed in full: " if start else ""
        self._upkeep.failed(failure_of("", cause, stretch))

    async def _listed(self, feed: Feed) -> None:
        settled = self.report.found
        async with aclosing(feed()) as batches:  # type: ignore[type-var]
            try:
                async for batch in batches:
                    if self._stop.is_set():
                        return
                    self._listing.window = (batch.start, batch.stop)
                    await self._add(batch)
                    if batch.last:
                        self._listing.ends()
                    if batch.last and batch.complete:
                        settled = self.report.found
            except Retriable:
                # Windows that are not closed are listed again, and counted then.
                self.report.found = settled
                raise

    async def _add(self, batch: WindowBatch) -> None:
        new = 0
        if batch.wanted or batch.last:
            new = await anyio.to_thread.run_sync(self._ledger.add, batch.wanted)
        self.report.found += len(batch.wanted)
        self.report.new += new
        for one in batch.refused:
            self._refuse(one)
        if batch.missing:
            hint = "The stretch stays open: the next run lists it again."
            why = f"the platform counts {batch.missing:,} conversations more than it gave"
            self._cannot_list(Unavailable(why, hint=hint))
        if batch.last:
            await anyio.to_thread.run_sync(self._close_window, batch)
        if batch.wanted or batch.last:
            self._listener(Listed(start=batch.start, stop=batch.stop, found=len(batch.wanted), new=new))
        self._woken()

    def _refuse(self, one: Failure) -> None:
        """List what cannot be asked for, once, however often a listing names it."""
        if one not in self.report.failures:
            self.report.refused += 1
            self._upkeep.failed(one)

    def _close_window(self, batch: WindowBatch) -> None:
        if batch.complete:
            self._states.commit_window(
                ListedWindow(
                    format=WINDOW_FORMAT,
                    start=batch.start,
                    end=batch.stop,
                    filter=self._window_name,
                    found=batch.found,
                    proven=True,
                ),
                self._window_name,
            )
            self._ledger.close_window(self._window_name, batch.start, batch.stop)

    async def _visits(self, under: _Under) -> None:
        while (taken := await self._next(under)) is not None:
            under.flying += 1
            try:
                await self._visit(taken, under)
            finally:
                under.flying -= 1
                self._woken()
            await self._upkeep.tick()

    async def _visit(self, taken: DueConversation, under: _Under) -> None:
        try:
            outcome = await self._visitor.visit(taken)
            under.denials = 0
        except RefusedConversation as refused:
            outcome = refused.outcome
            # One that was denied before says nothing new: a handful of foreign ones must not end every run to come.
            under.denials += taken.tries == 0
            under.refused = refused.cause
        except BaseException:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._ledger.give_back, taken)
            raise
        failed = outcome.error is not None
        with anyio.CancelScope(shield=True):
            # What was kept is known to be, whatever ends the run.
            await self._settling.settle(Settlement(taken, outcome.call, outcome.due, failed))
        under.arrived += outcome.arrived
        self._count(outcome)
        if under.denials >= _DENIALS and under.arrived == 0 and under.refused is not None:
            raise under.refused

    async def _next(self, under: _Under) -> DueConversation | None:
        """The next conversation that is due; None when there is none left, or the run is to end."""
        while not (self._stop.is_set() or under.over):
            # Looked at before the ledger is: what is added while we look must not be slept over.
            wake, feeding = self._wake, under.feeding
            async with self._taking:
                # Two dozen visitors need not each hear that nothing is due.
                if not under.queue and under.nothing_since is not wake:
                    most = self._settings.visitors * 2
                    under.queue.extend(await anyio.to_thread.run_sync(self._ledger.take, most))
                    under.nothing_since = None if under.queue else wake
            if under.queue:
                return under.queue.popleft()
            if not feeding and not under.flying:
                under.over = True
                self._woken()
                return None
            await wake.wait()
        return None

    async def _put_back(self, under: _Under) -> None:
        while under.queue:
            await anyio.to_thread.run_sync(self._ledger.give_back, under.queue.popleft())

    def _count(self, outcome: Outcome) -> None:
        report, state = self.report, outcome.call.state
        report.visited += 1
        report.transcripts += outcome.arrived
        report.defects += outcome.defects
        report.empty += outcome.empty
        if outcome.arrived:
            self._upkeep.kept(outcome.call.conversation)
        if outcome.error is not None:
            report.failed += 1
            self._upkeep.failed(failure_of(outcome.call.conversation, outcome.error))
        else:
            self._upkeep.mended(outcome.call.conversation)
            name = "open" if state == "pending" else state
            setattr(report, name, getattr(report, name) + 1)
        self._listener(
            Settled(
                conversation=outcome.call.conversation,
                state="failed" if outcome.error else state,
                reason=outcome.call.reason or (outcome.error.message if outcome.error else ""),
                due=rfc3339_ms(outcome.due) if outcome.due is not None else "",
            )
        )

    def _woken(self) -> None:
        self._wake.set()
        self._wake = anyio.Event()
