"""The verb ``export``: a range of conversations, or a list of them, into an archive, once or for years."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.to_thread

from turnkeeper.archive.bundle import Archive
from turnkeeper.archive.keys import check_id
from turnkeeper.archive.states import CallState
from turnkeeper.clock import Clock, SystemClock, rfc3339
from turnkeeper.events import Listener, Noted, silent
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval
from turnkeeper.genesys.platform import Genesys
from turnkeeper.runs import index
from turnkeeper.runs.discovery import Discovered, discover
from turnkeeper.runs.exporter import Batch, Exporter, ExportSettings
from turnkeeper.runs.ledger import Ledger, Wanted
from turnkeeper.runs.portal import run
from turnkeeper.runs.report import Report
from turnkeeper.runs.visit import described
from turnkeeper.runs.windows import days
from turnkeeper.settings import PlatformSettings, StoreSettings, state_folder

__all__ = ["Follow", "Range", "export", "ledger_path"]

_PAGE = 100
_SETTLED = timedelta(hours=24)
"""A window so long past is complete: the platform adds no conversations to it."""


@dataclass(frozen=True)
class Range:
    """What to export: the conversations that started in ``interval`` and pass ``filters``, or those in ``ids``."""

    interval: Interval | None = None
    filters: Filters = field(default_factory=Filters)
    ids: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The filters as a slug: windows that were listed with others say nothing of these."""
        return hashlib.sha256(self.filters.text.encode()).hexdigest()[:16] if self.filters else "all"


@dataclass(frozen=True)
class Follow:
    """Go on until stopped: list the last ``last`` again every ``every``, and ask for late transcripts when due."""

    every: timedelta = timedelta(minutes=15)
    last: timedelta = timedelta(days=2)


def export(
    wanted: Range | Follow,
    *,
    to: str,
    platform: PlatformSettings | None = None,
    store: StoreSettings | None = None,
    settings: ExportSettings | None = None,
    ledger: Path | None = None,
    clock: Clock | None = None,
    listener: Listener = silent,
    stop: threading.Event | None = None,
) -> Report:
    """Export everything wanted into the archive at ``to``; what is there already costs nothing.

    Transcripts that are not there yet are asked for again by later runs (or by this one, with ``Follow``) on a growing
    schedule. ``ledger`` is the local queue's file (default: below ``$XDG_STATE_HOME/turnkeeper``). ``stop`` ends the
    run politely: what is under way is finished.

    Raises ``Denied``, ``Misconfigured``, ``StoreRefused``, ``DiskFull`` where nothing can go on. What is the matter
    with single conversations is in the report.
    """
    clock = clock or SystemClock()
    settings = settings or ExportSettings()
    stop = stop or threading.Event()
    archive = Archive(to, store, clock=clock, listener=silent, spool_folder=settings.spool_folder)

    async def verb() -> Report:
        door = Genesys(platform, clock=clock, listener=listener, spool_folder=settings.spool_folder)
        async with door:
            await door.token_probe()
            await anyio.to_thread.run_sync(archive.prepare)
            book = await anyio.to_thread.run_sync(Ledger, ledger or ledger_path(archive.url), clock)
            try:
                run_ = _Run(door, archive, book, settings, clock, listener, stop)
                return await (run_.follow(wanted) if isinstance(wanted, Follow) else run_.once(wanted))
            finally:
                book.close()

    return run(verb)


def ledger_path(archive_url: str) -> Path:
    """Where the queue of an archive stands on this machine."""
    return state_folder() / f"{hashlib.sha256(archive_url.encode()).hexdigest()[:16]}.sqlite3"


@dataclass
class _Run:
    """One process's work on one archive."""

    door: Genesys
    archive: Archive
    ledger: Ledger
    settings: ExportSettings
    clock: Clock
    listener: Listener
    stop: threading.Event

    async def once(self, wanted: Range) -> Report:
        await self._restored()
        return await self._pass(wanted)

    async def follow(self, follow: Follow) -> Report:
        await self._restored()
        while True:
            now = self.clock.now()
            report = await self._pass(Range(Interval(now - follow.last, now)))
            if self.stop.is_set():
                return report
            await self._pause(follow)

    async def _pause(self, follow: Follow) -> None:
        """Until the next listing, or until something is due."""
        now = self.clock.now().timestamp()
        due = self.ledger.due().next_ms
        until = min(now + follow.every.total_seconds(), due / 1000 if due is not None else float("inf"))
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                await anyio.to_thread.run_sync(self.stop.wait, abandon_on_cancel=True)
                tasks.cancel_scope.cancel()

            tasks.start_soon(watch)
            await self.clock.sleep(max(until - now, 1))
            tasks.cancel_scope.cancel()

    async def _restored(self) -> None:
        from turnkeeper.archive.states import States

        taken = await anyio.to_thread.run_sync(index.restore, self.ledger, States(self.archive.store))
        if taken:
            self.listener(Noted(note=f"{taken:,} conversations were known to the archive already"))

    async def _pass(self, wanted: Range) -> Report:
        exporter = Exporter(
            self.door,
            self.archive,
            self.ledger,
            clock=self.clock,
            settings=self.settings,
            window_name=wanted.name,
            listener=self.listener,
            stop=self.stop,
        )
        return await exporter.run(self._feed(wanted), ([], []))

    def _feed(self, wanted: Range) -> Callable[[], AsyncGenerator[Batch]]:
        return lambda: self._batches(wanted)

    async def _batches(self, wanted: Range) -> AsyncGenerator[Batch]:
        if wanted.ids:
            yield Batch(
                "", "", tuple(Wanted(CallState(conversation=check_id(one), state="pending")) for one in wanted.ids)
            )
            return
        for window in self._windows(wanted):
            start, stop = rfc3339(window.start), rfc3339(window.end)
            if self.ledger.window_closed(wanted.name, start, stop):
                continue
            complete = self.clock.now() - window.end > _SETTLED
            batch: list[Wanted] = []
            found = discover(self.door, window, wanted.filters, clock=self.clock, listener=self.listener)
            async with aclosing(found) as conversations:
                async for one in conversations:
                    batch.append(_wanted(one))
                    if len(batch) == _PAGE:
                        yield Batch(start, stop, tuple(batch))
                        batch.clear()
            yield Batch(start, stop, tuple(batch), last=True, complete=complete)

    def _windows(self, wanted: Range) -> Iterator[Interval]:
        """Day by day, up to now: nothing has started in the future."""
        if wanted.interval is not None:
            now = self.clock.now()
            start = min(wanted.interval.start, now)
            yield from days(Interval(start, min(max(wanted.interval.end, start), now)))


def _wanted(one: Discovered) -> Wanted:
    call = described(CallState(conversation=one.conversation, state="pending"), one.details)
    return Wanted(call, one.body, one.listed)
