"""The verb ``export``: a range of conversations, or a list of them, into an archive, once or for years."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import anyio
import anyio.to_thread

from turnkeeper.archive import keys
from turnkeeper.archive.audit import Action
from turnkeeper.archive.bundle import Archive
from turnkeeper.archive.states import AUDIO, CallState, States
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.clock import Clock, SystemClock, rfc3339
from turnkeeper.display import html_table, one_line
from turnkeeper.errors import Misconfigured, Retriable, Unread, foreign_as_defect
from turnkeeper.events import Listener, Noted, silent
from turnkeeper.genesys.conversations import is_id
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval
from turnkeeper.genesys.platform import Genesys
from turnkeeper.runs import index
from turnkeeper.runs.discovery import (
    Discovered,
    ListingResult,
    RejectedElement,
    Unknown,
    discover_ids,
    discover_window,
    planned,
)
from turnkeeper.runs.estimate import Estimate, estimate
from turnkeeper.runs.exporter import Exporter, ExportSettings
from turnkeeper.runs.failures import failure_of
from turnkeeper.runs.feed import Batch
from turnkeeper.runs.filter_names import resolved
from turnkeeper.runs.index import epoch_ms
from turnkeeper.runs.ledger import Ledger, Outstanding, Wanted
from turnkeeper.runs.names import names_of
from turnkeeper.runs.portal import run
from turnkeeper.runs.report import Failure, RunReport
from turnkeeper.runs.visit import described
from turnkeeper.runs.windows import By, midnight, range_of
from turnkeeper.settings import PlatformSettings, StoreSettings, ledger_path

__all__ = ["Follow", "Foreseen", "Range", "Run", "claimed", "export", "foresee"]

_PAGE = 100
_EXPORT: tuple[Action, Action] = ("export begun", "export")
_RETRY: tuple[Action, Action] = ("retry begun", "retry")
_USUAL_QUOTA = 300.0
"""Requests a token may make a minute where the platform has not said so (client.credentials.token.rate.per.minute)."""


@dataclass(frozen=True)
class Range:
    """What to export: the conversations that started in ``interval`` and pass ``filters``, or those in ``ids``."""

    interval: Interval | None = None
    filters: Filters = field(default_factory=Filters)
    ids: Sequence[str] = ()
    by: By = "auto"

    @classmethod
    def of(
        cls,
        now: datetime,
        *,
        since: str = "",
        until: str = "",
        last: str = "",
        ids: Sequence[str] = (),
        filters: Filters | None = None,
        by: By = "auto",
    ) -> Self | None:
        """The range in words, as the command line has them; None where nothing was asked for.

        ``since`` and ``until`` are dates, times (UTC unless they say otherwise) or so long ago (``2d``); ``last`` is
        short for ``since`` so long ago. Raises ``Misconfigured`` for what is none of these, and for ids among other
        choices.
        """
        if ids:
            if since or until or last or filters:
                hint = "Ids say exactly which; leave out --since, --until, --last and the filters."
                raise Misconfigured("ids were given together with other choices", hint=hint)
            return cls(ids=tuple(ids))
        if not (since or until or last):
            return None
        return cls(range_of(now, since=since, until=until, last=last), filters or Filters(), by=by)

    @property
    def name(self) -> str:
        """The filters as a slug: windows that were listed with others say nothing of these."""
        return hashlib.sha256(self.filters.text.encode()).hexdigest()[:16] if self.filters else "all"

    def concerns(self, one: Outstanding) -> bool:
        """Whether a conversation that stands failed or unread is among what is asked for, as far as is known of it.

        A range of nothing (``retry``) asks for everything.
        """
        call = one.call
        if self.ids:
            return call.conversation in self.ids
        if self.interval is None:
            return True
        if call.started_at and not self.interval.holds(epoch_ms(call.started_at)):
            return False
        filters = self.filters
        pairs = [
            (filters.queues, call.queues),
            (filters.media_types, (call.media_type,)),
            (filters.directions, (call.direction,)),
        ]
        return all(not wanted or not any(known) or set(wanted) & set(known) for wanted, known in pairs)


@dataclass(frozen=True)
class Foreseen:
    """``requests`` count against the quota; ``hours`` is how long they take at ``requests_per_minute``."""

    __repr__ = one_line
    _repr_html_ = html_table

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


_Asked = TypeVar("_Asked", bound=Range | Follow)
_NOTHING = "Give since (and until), last or ids, or a Follow."


def export(
    wanted: Range | Follow | None = None,
    *,
    to: str,
    since: str = "",
    until: str = "",
    last: str = "",
    ids: Sequence[str] = (),
    filters: Filters | None = None,
    platform: PlatformSettings | None = None,
    store: StoreSettings | None = None,
    settings: ExportSettings | None = None,
    ledger: Path | None = None,
    clock: Clock | None = None,
    listener: Listener = silent,
    stop: threading.Event | None = None,
    retry: bool = False,
) -> RunReport:
    """Export everything wanted into the archive at ``to``; what is there already costs nothing.

    What is wanted is said in words (``since`` … ``filters``, as in ``Range.of``), or is a ``Range`` or a ``Follow``.

    Transcripts that are not there yet are asked for again by later runs (or by this one, with ``Follow``) on a growing
    schedule. ``ledger`` is the local queue's file (default: below ``$XDG_STATE_HOME/turnkeeper``). ``stop`` ends the
    run politely: what is under way is finished. ``retry`` makes everything that failed due at once; alone, it looks for
    nothing new, and raises ``NotFound`` where there is no archive.

    Raises ``Denied``, ``Misconfigured``, ``StoreRefused``, ``DiskFull`` where nothing can go on. What is the matter
    with single conversations is in the report.
    """
    clock = clock or SystemClock()
    asked = _asked(wanted, Range.of(clock.now(), since=since, until=until, last=last, ids=ids, filters=filters))
    if asked is None and not retry:
        raise Misconfigured("nothing was asked for", hint=_NOTHING)
    settings = settings or ExportSettings()
    stop = stop or threading.Event()
    archive = Archive(to, store, clock=clock, listener=silent, spool_folder=settings.spool_folder)
    if settings.audio is not None and settings.audio.source is not None:
        settings.audio.source.require()
    if retry and asked in (None, Range()):
        archive.require()

    async def verb() -> RunReport:
        door = Genesys(platform, clock=clock, listener=listener, spool_folder=settings.spool_folder)
        async with door:
            await claimed(door, archive)
            begun, ended = _RETRY if retry else _EXPORT
            await anyio.to_thread.run_sync(partial(archive.audit.record, begun, **_what(asked)))
            book = await anyio.to_thread.run_sync(Ledger, ledger or ledger_path(archive.url), clock)
            try:
                if retry:
                    await anyio.to_thread.run_sync(book.retry)
                if settings.audio is not None:
                    await anyio.to_thread.run_sync(book.reopen, AUDIO)
                run_ = Run(door, archive, book, settings, clock, listener, stop)
                report = await (run_.follow(asked) if isinstance(asked, Follow) else run_.once(asked or Range()))
            finally:
                book.close()
            await anyio.to_thread.run_sync(partial(archive.audit.record, ended, **_came_of(asked, report)))
            return report

    with foreign_as_defect("export", ""):
        return run(verb)


def foresee(
    wanted: Range | None = None,
    *,
    since: str = "",
    until: str = "",
    last: str = "",
    ids: Sequence[str] = (),
    filters: Filters | None = None,
    platform: PlatformSettings | None = None,
    clock: Clock | None = None,
    listener: Listener = silent,
) -> Foreseen:
    """What an export of the same would cost: a few requests, and nothing is written.

    Raises what asking the platform raises.
    """
    clock = clock or SystemClock()
    asked = _asked(wanted, Range.of(clock.now(), since=since, until=until, last=last, ids=ids, filters=filters))
    if asked is None:
        raise Misconfigured("nothing was asked for", hint=_NOTHING)

    async def verb() -> Foreseen:
        async with Genesys(platform, clock=clock, listener=listener) as door:
            await door.token_probe()
            wanted = await _by_id(door, asked, listener)
            if wanted.interval is None:
                # Each id is asked for in vain at worst; a hundred details cost one request.
                found = Estimate(len(wanted.ids), -(-len(wanted.ids) // 100), len(wanted.ids), 1.0, 0)
            else:
                filters, by = wanted.filters, wanted.by
                found = await estimate(door, wanted.interval, filters, by=by, clock=clock, listener=listener)
            quota = door.quota
            per_minute = quota.allowed / quota.seconds * 60 if quota else _USUAL_QUOTA
            return Foreseen(found.conversations, found.requests, per_minute, round(found.hours(per_minute), 2))

    with foreign_as_defect("export", ""):
        return run(verb)


def _what(asked: Range | Follow | None) -> dict[str, Any]:
    """What the audit says of a run that begins: never the words of a filter."""
    if isinstance(asked, Follow):
        return {"follow": True, "filtered": bool(asked.filters)}
    if asked is None or (asked.interval is None and not asked.ids):
        return {}
    if asked.interval is None:
        return {"conversations": asked.ids}
    stretch = {"since": rfc3339(asked.interval.start), "until": rfc3339(asked.interval.end)}
    return stretch | {"filtered": bool(asked.filters)}


def _came_of(asked: Range | Follow | None, report: RunReport) -> dict[str, Any]:
    """What the audit says at the end: the run's report, and its counts. One that followed has many reports."""
    if isinstance(asked, Follow):
        return {"follow": True, "ended": report.ended}
    counts = {name: getattr(report, name) for name in ("found", "visited", "done", "unread", "absent", "failed")}
    return {"run": keys.run(report.started_at, report.ended_at), "ended": report.ended} | counts


def _asked(wanted: _Asked | None, said: Range | None) -> _Asked | Range | None:
    if wanted is not None and said is not None:
        hint = "Leave out since, until, last and ids, or the Range."
        raise Misconfigured("a range was given twice", hint=hint)
    return wanted or said


async def _by_id(door: Genesys, asked: Range, listener: Listener) -> Range:
    """The same range with the ids of the queues and users that its filters name."""
    return replace(asked, filters=await resolved(door, asked.filters, listener)) if asked.filters else asked


async def claimed(door: Genesys, archive: Archive) -> None:
    """Make sure that the platform lets us in, and that the archive is this organisation's.

    Raises ``Denied`` or ``Misconfigured``, and ``StoreRefused`` for another organisation's archive.
    """
    await door.token_probe()
    organisation = await door.organisation()
    await anyio.to_thread.run_sync(archive.claim, organisation)


@dataclass
class Run:
    """One process's work on one archive, through doors that are open already: ``export`` opens the usual ones."""

    door: Genesys
    archive: Archive
    ledger: Ledger
    settings: ExportSettings
    clock: Clock
    listener: Listener = silent
    stop: threading.Event = field(default_factory=threading.Event)
    _unreadable: list[Unread] = field(default_factory=list)

    async def once(self, wanted: Range) -> RunReport:
        """One pass over what is wanted, and over everything that is due. Raises what ``export`` raises."""
        wanted = await _by_id(self.door, wanted, self.listener)
        await self._restored()
        return await self._pass(wanted)

    async def follow(self, follow: Follow) -> RunReport:
        """Pass after pass, until ``stop`` is set. A platform or a store that is down for a while is waited for."""
        wanted = follow.first and await _by_id(self.door, follow.first, self.listener)
        filters = (await _by_id(self.door, Range(filters=follow.filters), self.listener)).filters
        await self._restored()
        report, turn = RunReport(), self.clock.now()
        while True:
            now = self.clock.now()
            lists = wanted is not None or now >= turn
            turn = now + follow.every if lists else turn
            try:
                if lists:
                    # Whole days: those that are settled are not listed again.
                    days = Range(Interval(midnight(now - follow.last), now), filters)
                    report = await self._pass(wanted or days)
                    wanted = None
                else:
                    # Something is due before its turn: what there is was listed a moment ago.
                    report = await self._pass(Range(), report.listed_until)
            except Retriable as cause:
                self.listener(Noted(note=f"the next turn tries again: {cause}"))
            if not self.stop.is_set():
                await self._pause(turn)
            if self.stop.is_set():
                report.ended = "interrupted"
                return report

    async def _pause(self, turn: datetime) -> None:
        """Until the next listing's turn, or until something is due."""
        now = self.clock.now().timestamp()
        due = self.ledger.due().next_ms
        until = min(turn.timestamp(), due / 1000 if due is not None else float("inf"))
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                await anyio.to_thread.run_sync(self.stop.wait, abandon_on_cancel=True)
                tasks.cancel_scope.cancel()

            tasks.start_soon(watch)
            await self.clock.sleep(max(until - now, 1))
            tasks.cancel_scope.cancel()

    async def _restored(self) -> None:
        states = States(self.archive.store)
        taken = await anyio.to_thread.run_sync(index.restore, self.ledger, states, self._unreadable.append)
        for cause in self._unreadable:
            self.listener(Noted(note=str(cause)))
        if taken:
            self.listener(Noted(note=f"{taken:,} conversations were known to the archive already"))
        stones = Tombstones(self.archive.store)
        await anyio.to_thread.run_sync(lambda: self.ledger.erase(stones.all()))

    async def _pass(self, wanted: Range, listed_until: str = "") -> RunReport:
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
            concerns=wanted.concerns,
        )
        exporter.report.listed_until = listed_until
        exporter.report.unreadable_days = len(self._unreadable)
        exporter.report.failures += [failure_of("", cause, f"{cause.key}: ") for cause in self._unreadable]
        with ExitStack() as spools:
            if wanted.interval is not None and not wanted.filters:
                exporter.report.listed_until = rfc3339(min(wanted.interval.end, now))
            return await exporter.run(lambda: self._batches(wanted, exporter), await names_of(self.door, None, spools))

    async def _batches(self, wanted: Range, exporter: Exporter) -> AsyncGenerator[Batch]:
        if wanted.interval is None:
            yield Batch("", "", refused=tuple(_no_id(one) for one in wanted.ids if not is_id(one)))
            async for batch in _paged(self._named([one for one in wanted.ids if is_id(one)])):
                yield batch
            return
        for window in await planned(self.door, wanted.interval, by=wanted.by, clock=self.clock):
            start, stop = rfc3339(window.interval.start), rfc3339(window.interval.end)
            if (start, stop) in exporter.left_out or self.ledger.window_closed(wanted.name, start, stop):
                continue
            # Named before anything of it is listed: a failure is then known to be this window's.
            yield Batch(start, stop)
            result, sum_of_batches = ListingResult(), 0
            found = discover_window(self.door, window, wanted.filters, listener=self.listener, result=result)
            async for batch in _paged(found, start, stop):
                sum_of_batches += len(batch.wanted)
                yield batch
            yield Batch(
                start,
                stop,
                last=True,
                complete=window.settled and result.proven,
                found=sum_of_batches,
                # A day that goes on may count ahead of what it gives.
                missing=result.missing if window.settled else 0,
                refused=tuple(_rejected(one) for one in result.rejected),
            )

    async def _named(self, ids: Sequence[str]) -> AsyncGenerator[Discovered | Unknown]:
        async with aclosing(discover_ids(self.door, ids, listener=self.listener)) as found:
            async for one in found:
                yield one


async def _paged(
    found: AsyncGenerator[Discovered | Unknown] | AsyncGenerator[Discovered], start: str = "", stop: str = ""
) -> AsyncGenerator[Batch]:
    batch: list[Wanted] = []
    refused: list[Failure] = []
    async with aclosing(found):
        async for one in found:
            if is_id(one.conversation):
                batch.append(_wanted(one))
            else:
                refused.append(_no_id(one.conversation))
            if len(batch) == _PAGE:
                yield Batch(start, stop, tuple(batch))
                batch.clear()
    if batch or refused:
        yield Batch(start, stop, tuple(batch), refused=tuple(refused))


def _no_id(text: str) -> Failure:
    """A conversation that cannot be asked for: its id would become part of addresses and keys."""
    shown = ascii(text[:40])[1:-1] + ("…" if len(text) > 40 else "")
    hint = "Ids are letters, digits, '.', '_' and '-', at most 128 of them; the others were exported."
    return Failure(conversation=shown, error="Refused", message="is not an id", hint=hint)


def _rejected(element: RejectedElement) -> Failure:
    """An element of a listing that is no conversation."""
    hint = "The others of the listing were exported; tell the platform's support."
    return Failure(conversation=element.shown, error="Refused", message=element.reason, hint=hint)


def _wanted(one: Discovered | Unknown) -> Wanted:
    call = CallState(conversation=one.conversation, state="pending")
    return Wanted(described(call, one.details), one.body, one.listed) if isinstance(one, Discovered) else Wanted(call)
