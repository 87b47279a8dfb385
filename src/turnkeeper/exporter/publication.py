"""What a run keeps up in the archive while it goes on: the index, and a report of what it did.

Each is written anew as a whole, so neither is written more often than ``every`` so many seconds, and at the end.
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
from turnkeeper.exporter.failures import earlier_failure, unreadable
from turnkeeper.exporter.ledger import Ledger, Outstanding
from turnkeeper.exporter.run_report import Failure, RunReport
from turnkeeper.genesys.client import Genesys

__all__ = ["Publication"]

_FAILURES_LISTED = 1000
_RENEWED_S = 60.0
_SLACK_S = 30.0
"""A turn that comes a little early counts, or every second one would tell the archive nothing."""


class Publication:
    """Used by the tasks of one run, or of all passes of one that follows (``follows``): that has one report a day,
    rewritten under one key.

    ``concerns`` says of a conversation that failed in an earlier run whether it belongs to what this run is asked for
    (None: every one does); the report counts those.
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
        self._states = Index(archive.store)
        self._tombstones = Tombstones(archive.store)
        self._clock = clock
        self._every = every
        self._follows = follows
        self._listener = listener
        self._concerns = concerns
        self._kept: list[str] = []
        self._shown = 0.0
        self._renewed = self._committed = self._finished = clock.monotonic()
        self._before = (0, 0)
        self.report = RunReport(started_at=rfc3339(clock.now()))

    def kept(self, conversation: str) -> None:
        """A transcript was archived: somebody may have erased the conversation meanwhile."""
        self._kept.append(conversation)

    def failed(self, failure: Failure) -> None:
        """List a failure once, in its newest words."""
        if failure.conversation:
            self.mended(failure.conversation)
        failures = self.report.failures
        if failure not in failures and len(failures) < _FAILURES_LISTED:
            failures.append(failure)

    def mended(self, conversation: str) -> None:
        """What an earlier pass listed of a conversation is no longer so."""
        failures = self.report.failures
        if any(one.conversation == conversation for one in failures):
            self.report.failures = [one for one in failures if one.conversation != conversation]

    async def tick(self) -> None:
        """Now and then: a word about how it goes, the lease, the archive's index."""
        now = self._clock.monotonic()
        if now - self._shown >= 1:
            self._shown = now
            self._listener(await anyio.to_thread.run_sync(self._progress))
        if now - self._renewed >= min(_RENEWED_S, self._every):
            self._renewed = now
            await anyio.to_thread.run_sync(self._ledger.renew)
            await self.take_back()
        if now - self._committed >= self._every:
            # A day of the index that cannot be read is said when the run ends.
            with suppress(Unread):
                await self.commit()

    async def take_back(self) -> None:
        """What was erased while it was being kept does not stay."""
        kept, self._kept = self._kept, []
        try:
            await anyio.to_thread.run_sync(self._taken_back, kept)
        except BaseException:
            self._kept[:0] = kept  # nobody has looked: the next time, or the end of the run, has to
            raise

    async def commit(self) -> None:
        """Tell the archive's index what came of conversations since the last time."""
        self._committed = self._clock.monotonic()
        await self.take_back()
        told = await anyio.to_thread.run_sync(index_sync.commit, self._ledger, self._states)
        if told:
            self._listener(Committed(calls=told))

    async def pass_ended(self) -> bool:
        """Between the passes of a run that follows: finish where it is time, and begin a new report with a new day.
        Whether there is a new day."""
        await self.take_back()
        is_new_day = self._clock.now().date().isoformat() != self.report.started_at[:10]
        if is_new_day or self._clock.monotonic() - self._finished >= self._every - _SLACK_S:
            await self.finish("done")
        if is_new_day:
            started = rfc3339(self._clock.now())
            self.report = RunReport(
                started_at=started,
                listed_until=self.report.listed_until,
                unreadable_days=self.report.unreadable_days,
            )
            self._before = self._platform.requests, self._platform.downloads
        return is_new_day

    @asynccontextmanager
    async def until_the_end(self, stop: threading.Event) -> AsyncIterator[None]:
        """Finish whatever happens within. What ended a run is what its user must hear; what cannot be said to the
        archive then, the ledger keeps."""
        try:
            yield
        except BaseException as cause:
            with anyio.CancelScope(shield=True), suppress(TurnkeeperError):
                await self.finish(type(cause).__name__)
            raise
        await self.finish("interrupted" if stop.is_set() else "done")

    async def finish(self, ended: str) -> None:
        """The index says what is known, and the report is kept, with how the run ``ended``."""
        self._finished = self._clock.monotonic()
        self.report.ended = ended
        await self.commit()
        await anyio.to_thread.run_sync(self._keep_report)
        if ended in ("done", "interrupted"):
            # What cannot be swept now (this identity may not delete, say) is swept by a later run.
            with suppress(TurnkeeperError):
                await anyio.to_thread.run_sync(self._archive.sweep)

    def _taken_back(self, kept: Collection[str]) -> None:
        erased = self._tombstones.among(kept)
        for conversation in erased:
            with suppress(Erased):
                self._archive.undo_if_erased(conversation)
        self._ledger.erase(erased)

    def _keep_report(self) -> None:
        report = self.report
        due = self._ledger.due()
        report.waiting, report.completing = due.now + due.later - due.archived, due.archived
        report.next_due = rfc3339_ms(due.next_ms) if due.next_ms else ""
        report.states = self._ledger.counts()
        self._count_outstanding()
        report.requests = self._platform.requests - self._before[0]
        report.downloads = self._platform.downloads - self._before[1]
        report.requests_per_transcript = round(report.requests / report.transcripts, 2) if report.transcripts else 0.0
        report.ended_at = rfc3339(self._clock.now())
        key = keys.followed(report.started_at) if self._follows else keys.run(report.started_at, report.ended_at)
        self._archive.store.put(key, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")

    def _count_outstanding(self) -> None:
        """Count what stands failed or unread of what was asked for, and list what this run did not list yet."""
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
                report.unreadable.append(unreadable(one))

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
