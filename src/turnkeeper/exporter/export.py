"""The verb ``export``: a range of conversations, or a list of them, into an archive, once or for years."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from turnkeeper.archive import keys
from turnkeeper.archive.archive import Archive
from turnkeeper.archive.audit import Action
from turnkeeper.clock import Clock, SystemClock, rfc3339
from turnkeeper.display import html_table, one_line
from turnkeeper.errors import Misconfigured, foreign_as_defect
from turnkeeper.events import Listener, silent
from turnkeeper.exporter.engine import ExportSettings
from turnkeeper.exporter.estimate import RequestEstimate, estimate_requests
from turnkeeper.exporter.ledger import Ledger, ledger_path
from turnkeeper.exporter.pipeline import claim_archive
from turnkeeper.exporter.range import Follow, Range
from turnkeeper.exporter.run import Run, by_id
from turnkeeper.exporter.run_report import RunReport
from turnkeeper.exporter.shutdown import stoppable
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.filters import Filters
from turnkeeper.portal import run
from turnkeeper.settings import PlatformSettings, StoreSettings

__all__ = ["Estimate", "estimate", "export"]

_EXPORT: tuple[Action, Action] = ("export begun", "export")
_RETRY: tuple[Action, Action] = ("retry begun", "retry")
_USUAL_QUOTA = 300.0
"""Requests a minute and token where the platform names no limit (client.credentials.token.rate.per.minute)."""


@dataclass(frozen=True)
class Estimate:
    """``requests`` count against the quota; ``hours`` is how long they take at ``requests_per_minute``."""

    __repr__ = one_line
    _repr_html_ = html_table

    conversations: int
    requests: int
    requests_per_minute: float
    hours: float


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
    """Export conversations into the archive at ``to``. What the archive holds already costs nothing.

    The conversations are given in words (``since`` … ``filters``, as in ``Range.of``), or as a ``Range`` or ``Follow``.

    Transcripts that are not there yet are asked for again by later runs (or by this one, with ``Follow``) on a growing
    schedule. ``ledger`` is the local queue's file (default: below ``$XDG_STATE_HOME/turnkeeper``). ``stop`` ends the
    run politely: what is under way is finished first. ``retry`` makes everything that failed due at once; alone, it
    looks for nothing new, and raises ``NotFound`` where there is no archive.

    Raises ``Denied``, ``Misconfigured``, ``StoreRefused``, ``DiskFull`` where nothing can go on. What is the matter
    with single conversations is in the report.
    """
    clock = clock or SystemClock()
    asked = _single_range(wanted, Range.of(clock.now(), since=since, until=until, last=last, ids=ids, filters=filters))
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
        client = Genesys(platform, clock=clock, listener=listener, spool_folder=settings.spool_folder)
        async with client:
            if await stoppable(partial(claim_archive, client, archive), stop) is None:
                return RunReport(ended="interrupted")
            begun, ended = _RETRY if retry else _EXPORT
            await anyio.to_thread.run_sync(partial(archive.audit.record, begun, **_audit_of_request(asked)))
            book = await anyio.to_thread.run_sync(Ledger, ledger or ledger_path(archive.url), clock)
            try:
                if retry:
                    await anyio.to_thread.run_sync(book.retry)
                if settings.audio is not None:
                    await anyio.to_thread.run_sync(book.reopen_audio)
                run_ = Run(client, archive, book, settings, clock, listener, stop)
                report = await (run_.follow(asked) if isinstance(asked, Follow) else run_.once(asked or Range()))
            finally:
                book.close()
            await anyio.to_thread.run_sync(partial(archive.audit.record, ended, **_audit_of_result(asked, report)))
            return report

    with foreign_as_defect("export", ""):
        return run(verb)


def estimate(
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
) -> Estimate:
    """What an export of the same would cost: a few requests, and nothing is written.

    Raises what asking the platform raises.
    """
    clock = clock or SystemClock()
    asked = _single_range(wanted, Range.of(clock.now(), since=since, until=until, last=last, ids=ids, filters=filters))
    if asked is None:
        raise Misconfigured("nothing was asked for", hint=_NOTHING)

    async def verb() -> Estimate:
        async with Genesys(platform, clock=clock, listener=listener) as client:
            await client.token_probe()
            wanted = await by_id(client, asked, listener)
            if wanted.interval is None:
                # At worst each id costs one ask without a result. The details of a hundred cost one request.
                found = RequestEstimate(len(wanted.ids), -(-len(wanted.ids) // 100), len(wanted.ids), 1.0, 0)
            else:
                filters, by = wanted.filters, wanted.by
                found = await estimate_requests(client, wanted.interval, filters, by=by, clock=clock, listener=listener)
            quota = client.quota
            per_minute = quota.allowed / quota.seconds * 60 if quota else _USUAL_QUOTA
            return Estimate(found.conversations, found.requests, per_minute, round(found.hours(per_minute), 2))

    with foreign_as_defect("export", ""):
        return run(verb)


def _audit_of_request(asked: Range | Follow | None) -> dict[str, Any]:
    """The audit's facts of a run that begins. They never hold the words of a filter."""
    if isinstance(asked, Follow):
        return {"follow": True, "filtered": bool(asked.filters)}
    if asked is None or (asked.interval is None and not asked.ids):
        return {}
    if asked.interval is None:
        return {"conversations": asked.ids}
    stretch = {"since": rfc3339(asked.interval.start), "until": rfc3339(asked.interval.end)}
    return stretch | {"filtered": bool(asked.filters)}


def _audit_of_result(asked: Range | Follow | None, report: RunReport) -> dict[str, Any]:
    """The audit's facts at the end: the run's report and its counts. A run that followed has many reports."""
    if isinstance(asked, Follow):
        return {"follow": True, "ended": report.ended}
    counts = {name: getattr(report, name) for name in ("found", "visited", "done", "unread", "absent", "failed")}
    return {"run": keys.run(report.started_at, report.ended_at), "ended": report.ended} | counts


def _single_range(wanted: _Asked | None, in_words: Range | None) -> _Asked | Range | None:
    if wanted is not None and in_words is not None:
        hint = "Leave out since, until, last and ids, or the Range."
        raise Misconfigured("a range was given twice", hint=hint)
    return wanted or in_words
