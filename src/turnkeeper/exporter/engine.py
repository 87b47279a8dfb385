"""Bulk export: list conversations, process those that are due, and leave an index that says what is missing and why.

The listing fills the ledger while workers empty it. The ledger is on disk, so neither waits for the other in memory.
Whatever ends the run (an interrupt, an error, a power cut), the next one goes on from the ledger, or from the archive.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections import deque
from contextlib import aclosing
from dataclasses import KW_ONLY, InitVar, dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread

from turnkeeper.archive.archive import Archive
from turnkeeper.archive.index import WINDOW_FORMAT, Index, ListedWindow
from turnkeeper.clock import Clock, rfc3339_ms
from turnkeeper.errors import Defect, Denied, Misconfigured, Retriable, TurnkeeperError, Unavailable
from turnkeeper.events import Listed, Listener, Noted, Settled, silent
from turnkeeper.exporter.directories import DirectoryCache
from turnkeeper.exporter.failures import failure_of
from turnkeeper.exporter.feed import Feed, ListingProgress, WindowBatch
from turnkeeper.exporter.ledger import DueConversation, GroupCommit, Ledger, Settlement
from turnkeeper.exporter.listed_transcripts import Listings
from turnkeeper.exporter.pipeline import Pipeline
from turnkeeper.exporter.publication import Publication
from turnkeeper.exporter.recordings import RecordingOptions
from turnkeeper.exporter.run_report import Failure
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
    """``concurrency`` conversations are under way at once; ``writers`` of them may be writing to the archive. The
    archive's index is brought up to date every ``commit_seconds``, by a run that follows every ``follow_seconds``.
    ``audio`` says that the recordings are wanted too.

    ``visitors`` is the former name of ``concurrency``; it goes with the next release.
    """

    concurrency: int = 24
    writers: int = 8
    commit_seconds: float = 60.0
    follow_seconds: float = 900.0
    schedule: Schedule = field(default_factory=Schedule)
    audio: RecordingOptions | None = None
    spool_folder: Path | None = None
    _: KW_ONLY
    visitors: InitVar[int | None] = None

    def __post_init__(self, visitors: int | None) -> None:
        if visitors is not None:
            message = "ExportSettings(visitors=…) is now concurrency=…; the old name goes with the next release"
            warnings.warn(message, DeprecationWarning, stacklevel=3)
            object.__setattr__(self, "concurrency", visitors)


# The former name can be read too. In the class body a property would become the default of the parameter.
ExportSettings.visitors = property(lambda settings: settings.concurrency)  # type: ignore[attr-defined]


@dataclass
class _Pass:
    """The state of one pass: conversations ``taken`` from the ledger and not begun, and how many are under way.

    ``feeding`` says that the listing goes on, ``over`` that nothing is left. ``nothing_since`` is the wake-up event
    that stood when the ledger last had nothing due. ``denials`` counts those in a row, ``transcripts`` what was
    archived so far, ``refused`` is the newest denial.
    """

    taken: deque[DueConversation] = field(default_factory=deque)
    under_way: int = 0
    feeding: bool = True
    over: bool = False
    nothing_since: anyio.Event | None = None
    denials: int = 0
    transcripts: int = 0
    refused: Denied | Misconfigured | None = None


class Exporter:
    """One pass over one archive. ``window_name`` is the slug of what is asked for; ``stop`` ends the pass politely.

    ``publication`` is that of the whole run. ``directory`` holds the platform's lists of names; without it, each
    conversation's own names are asked for.
    """

    def __init__(
        self,
        platform: Genesys,
        archive: Archive,
        ledger: Ledger,
        publication: Publication,
        *,
        clock: Clock,
        settings: ExportSettings | None = None,
        window_name: str = "all",
        listener: Listener = silent,
        stop: threading.Event | None = None,
        directory: DirectoryCache | None = None,
    ) -> None:
        self._ledger = ledger
        self._index = Index(archive.store)
        self._clock = clock
        self._settings = settings or ExportSettings()
        self._window_name = window_name
        self._listener = listener
        self._stop = stop or threading.Event()
        self.publication = publication
        pipeline = Pipeline(
            platform,
            archive,
            directory,
            self._settings.audio,
            listener,
            anyio.CapacityLimiter(self._settings.writers),
            self._settings.spool_folder,
        )
        self._worker = Worker(pipeline, self._settings.schedule, clock, Listings(platform.listed).of)
        self._group_commit = GroupCommit(ledger)
        self._wake = anyio.Event()
        self._taking = anyio.Lock()
        self._listing = ListingProgress()
        self.listed_until = ""

    async def process_all(self, feed: Feed) -> None:
        """Process everything that the feed lists, and everything that is due, once.

        Raises ``Denied`` where the platform refuses everything, and any other ``Fatal`` error. What was taken from the
        ledger and not begun is given back then.
        """
        state = _Pass()
        try:
            await self._list_and_process(feed, state)
        finally:
            # Shielded: in a cancelled task every await fails, and these would stay taken until the lease ends. The
            # error that ended the run is the one to report, so none of the ledger may replace it.
            with anyio.CancelScope(shield=True), contextlib.suppress(TurnkeeperError):
                while state.taken:
                    await anyio.to_thread.run_sync(self._ledger.give_back, state.taken.popleft())
        if self.listed_until and not self._stop.is_set():
            self.publication.report.listed_until = self.listed_until

    async def _list_and_process(self, feed: Feed, state: _Pass) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._list_all, feed, state)
                for _ in range(self._settings.concurrency):
                    tasks.start_soon(self._process_due, state)
        except BaseExceptionGroup as group:
            # Callers catch our own errors by their class, which a group would hide.
            raise first_of(group) from None

    @property
    def left_out(self) -> frozenset[tuple[str, str]]:
        """The windows (start, stop) that could not be listed in this run: a feed passes over them."""
        return frozenset(self._listing.left_out)

    async def _list_all(self, feed: Feed, state: _Pass) -> None:
        """List. Where the platform fails for longer than one request can wait, list again from the window that was
        begun.

        A window that fails alone is left out, stays open, and is named in the report. Two in a row, or all there are,
        mean that the platform is down, and end the run.
        """
        listing = self._listing
        try:
            while True:
                try:
                    await self._list_windows(feed)
                except Retriable as cause:
                    await self._after_failure(cause)
                else:
                    break
            if listing.cause is not None and not listing.ended:
                raise listing.cause
        except TurnkeeperError:
            raise
        except Exception as cause:
            # The conversations found so far are processed all the same; the window that was begun stays open.
            self._cannot_list(Defect.of(cause, operation="list conversations"))
        finally:
            # Whatever ended the listing, tasks that wait for more of it would wait for ever.
            state.feeding = False
            self._wake_all()

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
        # A list of ids has no windows, and neither has a listing that fails while it is planned.
        if not listing.window[0] or listing.cause is not None:
            raise cause
        listing.left_out[listing.window] = None
        listing.cause = cause
        self._cannot_list(cause)

    def _cannot_list(self, cause: TurnkeeperError) -> None:
        start, stop = self._listing.window
        self.publication.report.unlisted += 1
        if self.listed_until and start:
            # What lies behind the gap must not count as listed, because status measures its lag from there.
            self.listed_until = min(self.listed_until, start)
        stretch = f"{start} to {stop} was not listed in full: " if start else ""
        self.publication.failed(failure_of("", cause, stretch))

    async def _list_windows(self, feed: Feed) -> None:
        settled = self.publication.report.found
        async with aclosing(feed()) as batches:  # type: ignore[type-var]
            try:
                async for batch in batches:
                    if self._stop.is_set():
                        return
                    self._listing.window = (batch.start, batch.stop)
                    await self._add_batch(batch)
                    if batch.last:
                        self._listing.ends()
                    if batch.last and batch.complete:
                        settled = self.publication.report.found
            except Retriable:
                # Windows that are not closed are listed again, and counted then.
                self.publication.report.found = settled
                raise

    async def _add_batch(self, batch: WindowBatch) -> None:
        new = 0
        if batch.wanted or batch.last:
            new = await anyio.to_thread.run_sync(self._ledger.add, batch.wanted)
        self.publication.report.found += len(batch.wanted)
        self.publication.report.new += new
        for one in batch.refused:
            self._note_refused(one)
        if batch.missing:
            hint = "The stretch stays open: the next run lists it again."
            why = f"the platform counts {batch.missing:,} conversations more than it gave"
            self._cannot_list(Unavailable(why, hint=hint))
        # After the ledger has all of it: a crash before this lists the window again, and loses nothing.
        if batch.last:
            await anyio.to_thread.run_sync(self._close_window, batch)
        if batch.wanted or batch.last:
            self._listener(Listed(start=batch.start, stop=batch.stop, found=len(batch.wanted), new=new))
        self._wake_all()

    def _note_refused(self, one: Failure) -> None:
        """List what cannot be asked for, once, however often a listing names it."""
        if one not in self.publication.report.failures:
            self.publication.report.refused += 1
            self.publication.failed(one)

    def _close_window(self, batch: WindowBatch) -> None:
        if batch.complete:
            # The archive before the ledger: what the ledger calls closed is not listed again, and would not be written.
            self._index.commit_window(
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

    async def _process_due(self, state: _Pass) -> None:
        """One of the ``concurrency`` tasks: process what is due until nothing is left."""
        while (due := await self._next_due(state)) is not None:
            state.under_way += 1
            try:
                await self._process(due, state)
            finally:
                # The last one that ends finishes the pass, and the tasks that wait have to notice.
                state.under_way -= 1
                self._wake_all()
            await self.publication.tick()

    async def _process(self, due: DueConversation, state: _Pass) -> None:
        try:
            outcome = await self._worker.process(due)
            state.denials = 0
        except RefusedConversation as refused:
            outcome = refused.outcome
            # One that was denied before says nothing new: a handful of foreign ones must not end every run to come.
            state.denials += due.tries == 0
            state.refused = refused.cause
        except BaseException:
            with anyio.CancelScope(shield=True):
                # Without this the conversation would stay taken until the lease ends.
                await anyio.to_thread.run_sync(self._ledger.give_back, due)
            raise
        settlement = Settlement(due, outcome.call, outcome.due, outcome.error is not None)
        with anyio.CancelScope(shield=True):
            # The ledger learns what was archived, whatever ends the run.
            await self._group_commit.settle(settlement)
        state.transcripts += outcome.transcripts
        self._count_outcome(outcome)
        if state.denials >= _DENIALS and state.transcripts == 0 and state.refused is not None:
            raise state.refused

    async def _next_due(self, state: _Pass) -> DueConversation | None:
        """The next conversation that is due; None where there is none left, or the run is to end."""
        while not (self._stop.is_set() or state.over):
            # Looked at before the ledger is: what is added in between must not be slept over.
            wake, feeding = self._wake, state.feeding
            async with self._taking:
                # Two dozen tasks need not each ask the ledger that nothing is due.
                if not state.taken and state.nothing_since is not wake:
                    most = self._settings.concurrency * 2
                    state.taken.extend(await anyio.to_thread.run_sync(self._ledger.take, most))
                    state.nothing_since = None if state.taken else wake
            if state.taken:
                return state.taken.popleft()
            if not feeding and not state.under_way:
                state.over = True
                self._wake_all()
                return None
            await wake.wait()
        return None

    def _count_outcome(self, outcome: Outcome) -> None:
        report, state = self.publication.report, outcome.call.state
        report.visited += 1
        report.transcripts += outcome.transcripts
        report.defects += outcome.defects
        report.empty += outcome.empty
        if outcome.transcripts:
            self.publication.archived(outcome.call.conversation)
        if outcome.error is not None:
            report.failed += 1
            self.publication.failed(failure_of(outcome.call.conversation, outcome.error))
        else:
            self.publication.recovered(outcome.call.conversation)
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

    def _wake_all(self) -> None:
        # An event stays set, so those that wait from now on need a new one.
        self._wake.set()
        self._wake = anyio.Event()
