"""Publish the results of a run to the archive while it goes on: its index, and a report of the run.

Each object is rewritten as a whole, so neither is written more often than every so many seconds, and at the end.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress

import anyio
import anyio.to_thread
import msgspec

from turnkeeper.archive import keys
from turnkeeper.archive.archive import Archive
from turnkeeper.archive.index import Index
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.clock import Clock, rfc3339, rfc3339_ms
from turnkeeper.errors import Erased, TurnkeeperError, Unread
from turnkeeper.events import Committed, Listener, Progressed, silent
from turnkeeper.exporter import index_sync
from turnkeeper.exporter.failures import earlier_failure, unreadable_failure
from turnkeeper.exporter.ledger import Ledger, Outstanding
from turnkeeper.exporter.run_report import Failure, RunReport
from turnkeeper.genesys.client import Genesys

__all__ = ["Publication"]

_FAILURES_LISTED = 1000
# A tenth of the lease, because a renewal waits for the next conversation to end.
_RENEWED_S = 60.0
_SLACK_S = 30.0
"""A pass that ends a little early counts as on time, or every second one would publish nothing."""


class Publication:
    """The publication of one run, shared by its tasks and its passes. A run that ``follows`` has one report a day,
    which is rewritten under one key.

    ``every`` is the least number of seconds between two writes of the index. ``concerns`` says of a conversation that
    failed in an earlier run whether it belongs to what this run is asked for (None: every one does); the report counts
    those.
    """

    def __init__(
        self,
        platform: Genesys,
        archive: Archive,
        ledger: Ledger,
        clock: Clock,
        *,
        every: float,
        follows: bool = False,
        listener: Listener = silent,
        concerns: Callable[[Outstanding], bool] | None = None,
    ) -> None:
        self._platform = platform
        self._archive = archive
        self._ledger = ledger
        self._index = Index(archive.store)
        self._tombstones = Tombstones(archive.store)
        self._clock = clock
        self._every = every
        self._follows = follows
        self._listener = listener
        self._concerns = concerns
        self._unchecked: list[str] = []
        self._shown_at = 0.0
        self._renewed_at = self._committed_at = self._finished_at = clock.monotonic()
        self._requests_before = self._downloads_before = 0
        self.report = RunReport(started_at=rfc3339(clock.now()))

    def archived(self, conversation: str) -> None:
        """Note that a conversation was archived: somebody may have erased it meanwhile."""
        self._unchecked.append(conversation)

    def failed(self, failure: Failure) -> None:
        """List a failure once, with its newest message."""
        if failure.conversation:
            self.recovered(failure.conversation)
        failures = self.report.failures
        if failure not in failures and len(failures) < _FAILURES_LISTED:
            failures.append(failure)

    def recovered(self, conversation: str) -> None:
        """Remove what an earlier pass listed of a conversation."""
        failures = self.report.failures
        if any(one.conversation == conversation for one in failures):
            self.report.failures = [one for one in failures if one.conversation != conversation]

    async def tick(self) -> None:
        """Report progress, renew the lease and update the archive's index, each when it is time."""
        now = self._clock.monotonic()
        if now - self._shown_at >= 1:
            self._shown_at = now
            self._listener(await anyio.to_thread.run_sync(self._progress_event))
        if now - self._renewed_at >= min(_RENEWED_S, self._every):
            # Noted before the await, or every task that ends meanwhile would do the same.
            self._renewed_at = now
            await anyio.to_thread.run_sync(self._ledger.renew)
            await self.undo_erased()
        if now - self._committed_at >= self._every:
            # A day of the index that cannot be read is reported when the run ends.
            with suppress(Unread):
                await self.commit()

    async def undo_erased(self) -> None:
        """Remove what was erased while it was being archived."""
        # Taken before the await: what is archived meanwhile belongs to the next check.
        conversations, self._unchecked = self._unchecked, []
        try:
            await anyio.to_thread.run_sync(self._undo_erased, conversations)
        except BaseException:
            self._unchecked[:0] = conversations  # they were not checked: the next call, or the end of the run, has to
            raise

    async def commit(self) -> None:
        """Write to the archive's index what has changed since the last time."""
        # Before the work, or a second task would begin another commit meanwhile.
        self._committed_at = self._clock.monotonic()
        # First, so that the index does not name what was erased meanwhile.
        await self.undo_erased()
        changed = await anyio.to_thread.run_sync(index_sync.commit, self._ledger, self._index)
        if changed:
            self._listener(Committed(calls=changed))

    async def pass_ended(self) -> bool:
        """Between the passes of a run that follows: publish where it is time, and begin a new report with a new day.
        Returns whether there is a new day."""
        await self.undo_erased()
        is_new_day = self._clock.now().date().isoformat() != self.report.started_at[:10]
        if is_new_day or self._clock.monotonic() - self._finished_at >= self._every - _SLACK_S:
            await self.finish("done")
        if is_new_day:
            started = rfc3339(self._clock.now())
            self.report = RunReport(
                started_at=started,
                listed_until=self.report.listed_until,
                unreadable_days=self.report.unreadable_days,
            )
            self._requests_before, self._downloads_before = self._platform.requests, self._platform.downloads
        return is_new_day

    @asynccontextmanager
    async def until_the_end(self, stop: threading.Event) -> AsyncIterator[None]:
        """Publish at the end, whatever happens within. The error that ended the run is the one that its user must see;
        what cannot be published then stays in the ledger."""
        try:
            yield
        except BaseException as cause:
            with anyio.CancelScope(shield=True), suppress(TurnkeeperError):
                await self.finish(type(cause).__name__)
            raise
        await self.finish("interrupted" if stop.is_set() else "done")

    async def finish(self, ended: str) -> None:
        """Write the index and the report, which says how the run ``ended``."""
        self._finished_at = self._clock.monotonic()
        self.report.ended = ended
        await self.commit()
        await anyio.to_thread.run_sync(self._write_report)
        if ended in ("done", "interrupted"):
            # What cannot be swept now (this identity may not delete, say) is swept by a later run.
            with suppress(TurnkeeperError):
                await anyio.to_thread.run_sync(self._archive.sweep)

    def _undo_erased(self, conversations: Collection[str]) -> None:
        erased = self._tombstones.erased_among(conversations)
        for conversation in erased:
            with suppress(Erased):
                self._archive.undo_if_erased(conversation)
        # Last: where the archive fails, the conversations are checked once more.
        self._ledger.erase(erased)

    def _write_report(self) -> None:
        report = self.report
        due = self._ledger.due()
        report.waiting, report.completing = due.now + due.later - due.archived, due.archived
        report.next_due = rfc3339_ms(due.next_ms) if due.next_ms else ""
        report.states = self._ledger.counts()
        self._count_outstanding()
        report.requests = self._platform.requests - self._requests_before
        report.downloads = self._platform.downloads - self._downloads_before
        report.requests_per_transcript = round(report.requests / report.transcripts, 2) if report.transcripts else 0.0
        report.ended_at = rfc3339(self._clock.now())
        key = keys.followed(report.started_at) if self._follows else keys.run(report.started_at, report.ended_at)
        self._archive.store.put(key, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")

    def _count_outstanding(self) -> None:
        """Count the failed and unread conversations among what was asked for; list those that are not listed yet."""
        report = self.report
        report.outstanding_failed = report.outstanding_unread = report.outstanding_recordings = 0
        report.unreadable = []
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
                report.unreadable.append(unreadable_failure(one))

    def _progress_event(self) -> Progressed:
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
