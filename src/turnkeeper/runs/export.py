"""The verb ``export``: a range of conversations, or a list of them, into an archive, once or for years."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.to_thread

from turnkeeper.archive.bundle import Archive, Arrived
from turnkeeper.archive.states import CallState, States
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.clock import Clock, SystemClock, rfc3339
from turnkeeper.events import Listener, Noted, silent
from turnkeeper.genesys.conversations import Kind
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval
from turnkeeper.genesys.platform import Genesys
from turnkeeper.runs import index
from turnkeeper.runs.discovery import Discovered, Unknown, discover_ids, discover_window, planned
from turnkeeper.runs.estimate import Estimate, estimate
from turnkeeper.runs.exporter import Batch, Exporter, ExportSettings
from turnkeeper.runs.ledger import Ledger, Wanted
from turnkeeper.runs.portal import run
from turnkeeper.runs.report import Report
from turnkeeper.runs.visit import described
from turnkeeper.runs.windows import By, midnight
from turnkeeper.settings import PlatformSettings, StoreSettings, state_folder
from turnkeeper.spool import Spool

__all__ = ["Follow", "Foreseen", "Range", "export", "foresee", "ledger_path"]

_PAGE = 100
_USUAL_QUOTA = 300.0
"""Requests a token may make a minute where the platform has not said so (client.credentials.token.rate.per.minute)."""
KINDS: tuple[Kind, ...] = ("users", "queues", "wrapups")


@dataclass(frozen=True)
class Range:
    """What to export: the conversations that started in ``interval`` and pass ``filters``, or those in ``ids``."""

    interval: Interval | None = None
    filters: Filters = field(default_factory=Filters)
    ids: Sequence[str] = ()
    by: By = "auto"

    @property
    def name(self) -> str:
        """The filters as a slug: windows that were listed with others say nothing of these."""
        return hashlib.sha256(self.filters.text.encode()).hexdigest()[:16] if self.filters else "all"


@dataclass(frozen=True)
class Foreseen:
    """``requests`` count against the quota; ``hours`` is how long they take at ``requests_per_minute``."""

    conversations: int
    requests: int
    requests_per_minute: float
    hours: float


@dataclass(frozen=True)
class Follow:
    """Go on until stopped: list the last ``last`` (whole days, UTC) again every ``every``, and ask for late transcripts
    when they are due. ``first`` is done before anything else."""

    every: timedelta = timedelta(minutes=15)
    last: timedelta = timedelta(days=2)
    first: Range | None = None
    filters: Filters = field(default_factory=Filters)


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
    retry: bool = False,
) -> Report:
    """Export everything wanted into the archive at ``to``; what is there already costs nothing.

    Transcripts that are not there yet are asked for again by later runs (or by this one, with ``Follow``) on a growing
    schedule. ``ledger`` is the local queue's file (default: below ``$XDG_STATE_HOME/turnkeeper``). ``stop`` ends the
    run politely: what is under way is finished. ``retry`` makes everything that failed due at once.

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
            organisation = await door.organisation()
            await anyio.to_thread.run_sync(archive.claim, organisation)
            book = await anyio.to_thread.run_sync(Ledger, ledger or ledger_path(archive.url), clock)
            try:
                if retry:
                    await anyio.to_thread.run_sync(book.retry)
                run_ = _Run(door, archive, book, settings, clock, listener, stop)
                return await (run_.follow(wanted) if isinstance(wanted, Follow) else run_.once(wanted))
            finally:
                book.close()

    return run(verb)


def foresee(
    wanted: Range, *, platform: PlatformSettings | None = None, clock: Clock | None = None, listener: Listener = silent
) -> Foreseen:
    """What an export would cost: a few requests, and nothing is written. Raises what asking the platform raises."""
    clock = clock or SystemClock()

    async def verb() -> Foreseen:
        async with Genesys(platform, clock=clock, listener=listener) as door:
            await door.token_probe()
            if wanted.interval is None:
                # Each id is asked for in vain at worst; a hundred details cost one request.
                found = Estimate(len(wanted.ids), -(-len(wanted.ids) // 100), len(wanted.ids), 1.0, 0)
            else:
                filters, by = wanted.filters, wanted.by
                found = await estimate(door, wanted.interval, filters, by=by, clock=clock, listener=listener)
            quota = door.quota
            per_minute = quota.allowed / quota.seconds * 60 if quota else _USUAL_QUOTA
            return Foreseen(found.conversations, found.requests, per_minute, round(found.hours(per_minute), 2))

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
        wanted = follow.first
        while True:
            now = self.clock.now()
            # Whole days: those that are settled are not listed again.
            report = await self._pass(wanted or Range(Interval(midnight(now - follow.last), now), follow.filters))
            wanted = None
            if not self.stop.is_set():
                await self._pause(follow)
            if self.stop.is_set():
                report.ended = "interrupted"
                return report

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
        taken = await anyio.to_thread.run_sync(index.restore, self.ledger, States(self.archive.store))
        if taken:
            self.listener(Noted(note=f"{taken:,} conversations were known to the archive already"))
        stones = Tombstones(self.archive.store)
        await anyio.to_thread.run_sync(lambda: self.ledger.erase(stones.all()))

    async def _pass(self, wanted: Range) -> Report:
        now = self.clock.now()
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
        with ExitStack() as spools:
            if wanted.interval is not None and not wanted.filters:
                exporter.report.listed_until = rfc3339(min(wanted.interval.end, now))
            return await exporter.run(lambda: self._batches(wanted), await self._names(spools))

    async def _names(self, spools: ExitStack) -> tuple[list[Arrived], list[str]]:
        """The whole directory, once for all: asking for the names of each call would double the requests."""
        arrived: list[Arrived] = []
        notes: list[str] = []
        for kind in KINDS:
            listing = await self.door.directory(kind)
            if listing.note:
                notes.append(listing.note)
            if listing.body:
                spool = spools.enter_context(Spool())
                spool.write(listing.body)
                arrived.append(Arrived(spool.seal(), f"directory/{kind}"))
        return arrived, notes

    async def _batches(self, wanted: Range) -> AsyncGenerator[Batch]:
        if wanted.interval is None:
            async for batch in _paged(self._named(wanted.ids)):
                yield batch
            return
        for window in await planned(self.door, wanted.interval, by=wanted.by, clock=self.clock):
            start, stop = rfc3339(window.interval.start), rfc3339(window.interval.end)
            if self.ledger.window_closed(wanted.name, start, stop):
                continue
            found = discover_window(self.door, window, wanted.filters, listener=self.listener)
            async for batch in _paged(found, start, stop):
                yield batch
            yield Batch(start, stop, last=True, complete=window.settled)

    async def _named(self, ids: Sequence[str]) -> AsyncGenerator[Discovered | Unknown]:
        async with aclosing(discover_ids(self.door, ids, listener=self.listener)) as found:
            async for one in found:
                yield one


async def _paged(
    found: AsyncGenerator[Discovered | Unknown] | AsyncGenerator[Discovered], start: str = "", stop: str = ""
) -> AsyncGenerator[Batch]:
    batch: list[Wanted] = []
    async with aclosing(found):
        async for one in found:
            batch.append(_wanted(one))
            if len(batch) == _PAGE:
                yield Batch(start, stop, tuple(batch))
                batch.clear()
    if batch:
        yield Batch(start, stop, tuple(batch))


def _wanted(one: Discovered | Unknown) -> Wanted:
    call = CallState(conversation=one.conversation, state="pending")
    return Wanted(described(call, one.details), one.body, one.listed) if isinstance(one, Discovered) else Wanted(call)
