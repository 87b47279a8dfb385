"""Bulk export: find what is wanted, visit what is due, and leave an index that says what is missing and why.

Discovery fills the ledger while visitors empty it; the ledger is on disk, so neither waits for the other in memory.
Whatever ends the run (an interrupt, an error, a power cut), the next one goes on from the ledger, or from the archive.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec

from turnkeeper.archive import keys
from turnkeeper.archive.bundle import Archive, Arrived
from turnkeeper.archive.states import WINDOW_FORMAT, States, Window
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.clock import Clock, rfc3339, rfc3339_ms
from turnkeeper.errors import Defect, Denied, Erased, Misconfigured, Retriable, TurnkeeperError, Unavailable, Unread
from turnkeeper.events import Committed, Listed, Listener, Noted, Progressed, Settled, silent
from turnkeeper.genesys.platform import Genesys
from turnkeeper.runs import index
from turnkeeper.runs.failures import earlier_failure, failure_of, unreadable
from turnkeeper.runs.feed import Batch, Feed, ListingProgress
from turnkeeper.runs.ledger import Ledger, Outstanding, Settlement, Taken
from turnkeeper.runs.listings import Listings
from turnkeeper.runs.report import Failure, RunReport
from turnkeeper.runs.schedule import Schedule
from turnkeeper.runs.settling import Settling
from turnkeeper.runs.sound import AudioWanted
from turnkeeper.runs.visit import Outcome, Refused, Visitor

__all__ = ["Batch", "ExportSettings", "Exporter", "Feed"]

_FAILURES_LISTED = 1000
_DENIALS = 5
"""So many denials in a row, none of them known before, and no transcript at all: a role is missing, and asking on would
only spend the quota."""


@dataclass(frozen=True)
class ExportSettings:
    """``visitors`` conversations are under way at once; ``writers`` of them may be writing. The archive's index is
    brought up to date every ``commit_seconds``. ``audio`` says that the recordings are wanted too."""

    visitors: int = 24
    writers: int = 8
    commit_seconds: float = 60.0
    schedule: Schedule = field(default_factory=Schedule)
    audio: AudioWanted | None = None
    spool_folder: Path | None = None


@dataclass
class _Under:
    """What is under way in one pass."""

    queue: deque[Taken] = field(default_factory=deque)
    flying: int = 0
    feeding: bool = True
    denials: int = 0
    refused: Denied | Misconfigured | None = None


class Exporter:
    """One run over one archive. ``window_name`` is the slug of what is wanted; ``stop`` ends the run politely.

    ``concerns`` says of a conversation that failed in an earlier run whether it belongs to what this run is asked for
    (None: every one does); the report counts those.
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
        concerns: Callable[[Outstanding], bool] | None = None,
    ) -> None:
        self._platform = platform
        self._archive = archive
        self._ledger = ledger
        self._states = States(archive.store)
        self._clock = clock
        self._settings = settings or ExportSettings()
        self._window_name = window_name
        self._listener = listener
        self._stop = stop or threading.Event()
        self._listings = Listings(platform.listed)
        self._threads = anyio.CapacityLimiter(self._settings.writers)
        self._settling = Settling(ledger)
        self._wake = anyio.Event()
        self._taking = anyio.Lock()
        self._committed = clock.monotonic()
        self._kept: list[str] = []
        self._concerns = concerns
        self._listing = ListingProgress()
        self._told = 0.0
        self.report = RunReport(started_at=rfc3339(clock.now()))

    async def run(self, feed: Feed, names: tuple[list[Arrived], list[str]] = ([], [])) -> RunReport:
        """One pass: everything found, and everything due, is visited once; then the index is committed.

        Raises ``Denied`` where the platform refuses everything, and any other ``Fatal``; what was done until then is
        committed all the same.
        """
        self._listings.forget()
        visitor = Visitor(
            self._platform,
            self._archive,
            self._settings.schedule,
            self._clock,
            self._listings.of,
            names=names[0],
            notes=names[1],
            audio=self._settings.audio,
            listener=self._listener,
            threads=self._threads,
            spool_folder=self._settings.spool_folder,
        )
        under = _Under()
        try:
            await self._both(feed, visitor, under)
        except BaseException as cause:
            self.report.ended = type(cause).__name__
            # What ended the run is what its user must hear; what cannot be said to the archive now, the ledger keeps.
            with anyio.CancelScope(shield=True), contextlib.suppress(TurnkeeperError):
                await self._put_back(under)
                await self._finish()
            raise
        await self._put_back(under)
        self.report.ended = "interrupted" if self._stop.is_set() else "done"
        await self._finish()
        # What cannot be swept now (this identity may not delete, say) is swept by a later run.
        with contextlib.suppress(TurnkeeperError):
            await anyio.to_thread.run_sync(self._archive.sweep)
        return self.report

    async def _both(self, feed: Feed, visitor: Visitor, under: _Under) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._feed, feed, under)
                for _ in range(self._settings.visitors):
                    tasks.start_soon(self._visits, visitor, under)
        except BaseExceptionGroup as group:
            raise _first(group) from None

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
        report = self.report
        report.unlisted += 1
        if report.listed_until and start:
            report.listed_until = min(report.listed_until, start)
        stretch = f"{start} to {stop} was not listed in full: " if start else ""
        report.failures.append(failure_of("", cause, stretch))

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

    async def _add(self, batch: Batch) -> None:
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
            if len(self.report.failures) < _FAILURES_LISTED:
                self.report.failures.append(one)

    def _close_window(self, batch: Batch) -> None:
        if batch.complete:
            self._states.commit_window(
                Window(
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

    async def _visits(self, visitor: Visitor, under: _Under) -> None:
        while (taken := await self._next(under)) is not None:
            under.flying += 1
            try:
                await self._visit(visitor, taken, under)
            finally:
                under.flying -= 1
                self._woken()
            await self._upkeep()

    async def _visit(self, visitor: Visitor, taken: Taken, under: _Under) -> None:
        try:
            outcome = await visitor.visit(taken)
            under.denials = 0
        except Refused as refused:
            outcome = refused.outcome
            # One that was denied before says nothing new: a handful of foreign ones must not end every run to come.
            under.denials += taken.tries == 0
            under.refused = refused.cause
        except BaseException:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._ledger.give_back, taken)
            raise
        failed = outcome.error is not None
        await self._settling.settle(Settlement(taken, outcome.call, outcome.due, failed))
        self._count(outcome)
        if under.denials >= _DENIALS and self.report.transcripts == 0 and under.refused is not None:
            raise under.refused

    async def _next(self, under: _Under) -> Taken | None:
        """The next conversation that is due; None when there is none left, or the run is to end."""
        while not self._stop.is_set():
            # Looked at before the ledger is: what is added while we look must not be slept over.
            wake, feeding = self._wake, under.feeding
            async with self._taking:
                if not under.queue:
                    most = self._settings.visitors * 2
                    under.queue.extend(await anyio.to_thread.run_sync(self._ledger.take, most))
            if under.queue:
                return under.queue.popleft()
            if not feeding and not under.flying:
                self._woken()
                return None
            await wake.wait()
        return None

    async def _upkeep(self) -> None:
        """Now and then: the archive's index, the lease, a word about how it goes."""
        now = self._clock.monotonic()
        if now - self._told >= 1:
            self._told = now
            self._listener(await anyio.to_thread.run_sync(self._progress))
        if now - self._committed >= self._settings.commit_seconds:
            self._committed = now
            await anyio.to_thread.run_sync(self._ledger.renew)
            # A day of the index that cannot be read is said when the run ends.
            with contextlib.suppress(Unread):
                await self._commit()

    async def _commit(self) -> None:
        kept, self._kept = self._kept, []
        try:
            await anyio.to_thread.run_sync(self._take_back, kept)
        except BaseException:
            self._kept[:0] = kept  # nobody has looked: the next commit, or the last one of the run, has to
            raise
        told = await anyio.to_thread.run_sync(index.commit, self._ledger, self._states)
        if told:
            self._listener(Committed(calls=told))

    def _take_back(self, kept: Sequence[str]) -> None:
        """What was erased while it was being kept does not stay: one list tells for all of them."""
        erased = set(kept).intersection(Tombstones(self._archive.store).all()) if kept else ()
        for conversation in erased:
            with suppress(Erased):
                self._archive.undo_if_erased(conversation)
        self._ledger.erase(erased)

    async def _put_back(self, under: _Under) -> None:
        while under.queue:
            await anyio.to_thread.run_sync(self._ledger.give_back, under.queue.popleft())

    async def _finish(self) -> None:
        """Whatever happened: the index says what is known, and the report is kept."""
        await self._commit()
        report = self.report
        due = self._ledger.due()
        report.waiting, report.completing = due.now + due.later - due.archived, due.archived
        report.next_due = rfc3339_ms(due.next_ms) if due.next_ms else ""
        report.states = self._ledger.counts()
        await anyio.to_thread.run_sync(self._outstanding)
        report.requests, report.downloads = self._platform.requests, self._platform.downloads
        report.requests_per_transcript = round(report.requests / report.transcripts, 2) if report.transcripts else 0.0
        report.ended_at = rfc3339(self._clock.now())
        await anyio.to_thread.run_sync(self._keep_report)

    def _outstanding(self) -> None:
        """Count what stands failed or unread of what was asked for, and list what this run did not list yet."""
        report = self.report
        listed = {one.conversation for one in report.failures}
        for one in self._ledger.outstanding():
            if self._concerns is not None and not self._concerns(one):
                continue
            report.outstanding_failed += one.failed
            report.outstanding_unread += one.call.state == "unread"
            report.outstanding_recordings += one.unread_audio
            if one.failed and one.call.conversation not in listed and len(report.failures) < _FAILURES_LISTED:
                report.failures.append(earlier_failure(one))
            if (one.unread_audio or one.call.state == "unread") and len(report.unreadable) < _FAILURES_LISTED:
                report.unreadable.append(unreadable(one))

    def _keep_report(self) -> None:
        key = keys.run(self.report.started_at, self.report.ended_at)
        self._archive.store.put(key, msgspec.json.format(msgspec.json.encode(self.report), indent=2) + b"\n")

    def _count(self, outcome: Outcome) -> None:
        report, state = self.report, outcome.call.state
        report.visited += 1
        report.transcripts += outcome.arrived
        report.defects += outcome.defects
        report.empty += outcome.empty
        if outcome.arrived:
            self._kept.append(outcome.call.conversation)
        if outcome.error is not None:
            report.failed += 1
            if len(report.failures) < _FAILURES_LISTED:
                report.failures.append(failure_of(outcome.call.conversation, outcome.error))
        elif state == "pending":
            report.open += 1
        else:
            setattr(report, state, getattr(report, state) + 1)
        self._listener(
            Settled(
                conversation=outcome.call.conversation,
                state="failed" if outcome.error else state,
                reason=outcome.call.reason or (outcome.error.message if outcome.error else ""),
                due=rfc3339_ms(outcome.due) if outcome.due is not None else "",
            )
        )

    def _progress(self) -> Progressed:
        due = self._ledger.due()
        report = self.report
        quota = self._platform.quota
        return Progressed(
            visited=report.visited,
            left=due.now,
            waiting=due.later,
            transcripts=report.transcripts,
            failed=report.failed,
            requests=self._platform.requests,
            quota=1 - quota.left / quota.allowed if quota and quota.allowed else 0.0,
        )

    def _woken(self) -> None:
        self._wake.set()
        self._wake = anyio.Event()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The exception that ended the run; its fellows were only cancelled by it."""
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            return _first(one)
        return one
    return group
