"""What the platform has, what the archive has, what is missing and why. Reads the index, never the manifests."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import get_args

import anyio
import msgspec

from turnkeeper.archive import keys
from turnkeeper.archive.bundle import Archive
from turnkeeper.archive.states import AUDIO, UNDATED, CallState, State
from turnkeeper.archive.states import States as Index
from turnkeeper.clock import Clock, SystemClock, rfc3339
from turnkeeper.errors import TurnkeeperError
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval
from turnkeeper.genesys.platform import Genesys
from turnkeeper.runs.index import epoch_ms
from turnkeeper.runs.portal import run
from turnkeeper.runs.report import RunReport
from turnkeeper.settings import PlatformSettings, StoreSettings

__all__ = ["Completeness", "Day", "Queue", "status"]

FORMAT = "turnkeeper.status/1"
_REASONS = 50
_PLACE = re.compile(r"(\[|byte )\d+")
_CONTEXT = re.compile(r"; context [0-9A-Za-z-]+")
_STATES: tuple[State, ...] = get_args(State)


class Queue(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The conversations of one day that came through one queue; one may come through several."""

    id: str
    name: str = ""
    states: dict[str, int] = {}


class Day(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One UTC day of conversation starts. ``platform`` is how many the platform counts, where it was asked;
    ``missing`` how many of those the index does not know; ``archived`` how many have a manifest."""

    day: str
    states: dict[str, int]
    archived: int
    platform: int | None = None
    missing: int = 0
    queues: tuple[Queue, ...] = ()


class Completeness(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """``done`` … ``erased`` count conversations. ``waiting`` of the absent ones are asked again, the next at
    ``next_ask``; the others are final. ``reasons`` counts why, by state, without what differs from one to the next;
    with many, the rarest are one. ``listed_until`` is the time up to which the last finished run listed;
    ``lag_seconds`` how long ago that is, or since when something overdue waits.
    """

    format: str = FORMAT
    archive: str = ""
    as_of: str = ""
    done: int = 0
    absent: int = 0
    unread: int = 0
    failed: int = 0
    pending: int = 0
    erased: int = 0
    waiting: int = 0
    next_ask: str = ""
    missing: int = 0
    transcripts: int = 0
    reasons: dict[str, dict[str, int]] = {}
    listed_until: str = ""
    last_run: str = ""
    lag_seconds: float | None = None
    platform: str = ""
    days: tuple[Day, ...] = ()

    def openmetrics(self) -> str:
        """The same as OpenMetrics text: gauges for a node exporter's textfile collector."""
        lines = ["# TYPE turnkeeper_conversations gauge", "# HELP turnkeeper_conversations Conversations by state."]
        lines += [f'turnkeeper_conversations{{state="{state}"}} {getattr(self, state)}' for state in _STATES]
        for name, said, value in (
            ("waiting", "Absent conversations that are asked again.", self.waiting),
            ("missing", "Conversations that the platform counts and the index does not know.", self.missing),
            ("transcripts", "Transcripts archived.", self.transcripts),
            ("lag_seconds", "Age of what was listed last, or of what is overdue.", self.lag_seconds),
        ):
            if value is not None:
                lines += [f"# TYPE turnkeeper_{name} gauge", f"# HELP turnkeeper_{name} {said}"]
                lines.append(f"turnkeeper_{name} {value:.0f}")
        return "\n".join([*lines, "# EOF", ""])


def status(
    archive: str | Archive,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    store: StoreSettings | None = None,
    platform: PlatformSettings | None = None,
    clock: Clock | None = None,
) -> Completeness:
    """How complete an archive is, by day and queue, with reasons.

    ``since`` and ``until`` bound the days (UTC). With ``platform`` its own counts are asked for (one request a day)
    and compared; without it, nothing is asked. Raises what reading the archive raises, and ``Denied`` and its kin
    where the platform was to be asked and refuses.
    """
    clock = clock or SystemClock()
    opened = Archive(archive, store, clock=clock) if isinstance(archive, str) else archive
    index = Index(opened.store)
    chosen = [day for day in index.days() if _inside(day, since, until)]
    counted = run(lambda: _counted(platform, clock, chosen)) if platform and chosen else {}
    names = opened.names("queues")
    tally = _Tally()
    days = []
    for day in chosen:
        calls = index.read(day).calls
        tally.add(calls)
        days.append(_day(day, calls, counted.get(day), names))
    return tally.whole(opened, tuple(days), clock.now(), asked=bool(platform))


class _Tally:
    """Sums over all days; holds one day's calls at a time, so that years fit into memory."""

    def __init__(self) -> None:
        self._states: Counter[str] = Counter()
        self._reasons: dict[str, Counter[str]] = {}
        self._waiting = 0
        self._transcripts = 0
        self._next_ask = ""
        self._overdue: int | None = None

    def add(self, calls: Iterable[CallState]) -> None:
        for call in calls:
            self._states[call.state] += 1
            self._transcripts += sum(leg.state in ("done", "unread") and leg.id != AUDIO for leg in call.legs)
            if call.state not in ("done", "erased"):
                self._reasons.setdefault(call.state, Counter())[_kind(call.reason)] += 1
            asks = [leg.next_ask for leg in call.legs if leg.next_ask] if call.state == "absent" else []
            if asks:
                self._waiting += 1
                self._next_ask = min(filter(None, (self._next_ask, *asks)))
            if _overdue(call) and call.started_at:
                since = epoch_ms(call.ended_at or call.started_at)
                self._overdue = since if self._overdue is None else min(self._overdue, since)

    def whole(self, archive: Archive, days: tuple[Day, ...], now: datetime, *, asked: bool) -> Completeness:
        last = _last_run(archive)
        listed = last.listed_until if last else ""
        moments = [epoch_ms(listed)] if listed else []
        behind = min([*moments, *([] if self._overdue is None else [self._overdue])], default=None)
        return Completeness(
            archive=archive.url,
            as_of=rfc3339(now),
            done=self._states["done"],
            absent=self._states["absent"],
            unread=self._states["unread"],
            failed=self._states["failed"],
            pending=self._states["pending"],
            erased=self._states["erased"],
            waiting=self._waiting,
            next_ask=self._next_ask,
            missing=sum(day.missing for day in days),
            transcripts=self._transcripts,
            reasons={name: _commonest(found) for name, found in sorted(self._reasons.items())},
            listed_until=listed,
            last_run=last.ended_at if last else "",
            lag_seconds=None if behind is None else max(now.timestamp() - behind / 1000, 0.0),
            platform="asked" if asked else "not asked",
            days=days,
        )


def _kind(reason: str) -> str:
    """A reason without what only this one conversation knows: the byte, the turn, the answer's id."""
    return _PLACE.sub(lambda found: found[1] + "…", _CONTEXT.sub("", reason)) or "not visited yet"


def _commonest(reasons: Counter[str]) -> dict[str, int]:
    """The commonest ones, and all the others as one: together they are everybody."""
    told = dict(reasons.most_common(_REASONS))
    rest = reasons.total() - sum(told.values())
    return told | ({"other reasons": rest} if rest else {})


def _overdue(call: CallState) -> bool:
    """Ended, wanted, and neither archived nor known to be absent."""
    return call.state == "failed" or (call.state == "pending" and bool(call.ended_at))


def _day(day: str, calls: Iterable[CallState], platform: int | None, names: Mapping[str, str]) -> Day:
    calls = list(calls)
    queues: dict[str, Counter[str]] = {}
    for call in calls:
        for queue in call.queues:
            queues.setdefault(queue, Counter())[call.state] += 1
    return Day(
        day=day,
        states=dict(sorted(Counter(call.state for call in calls).items())),
        archived=sum(call.generation > 0 for call in calls),
        platform=platform,
        missing=max((platform or 0) - len(calls), 0),
        queues=tuple(
            Queue(id=queue, name=names.get(queue, ""), states=dict(sorted(found.items())))
            for queue, found in sorted(queues.items())
        ),
    )


async def _counted(settings: PlatformSettings, clock: Clock, days: Iterable[str]) -> dict[str, int]:
    """How many conversations the platform counts a day: one request each."""
    counted: dict[str, int] = {}
    async with Genesys(settings, clock=clock) as door:
        limit = anyio.CapacityLimiter(8)

        async def count(day: str) -> None:
            async with limit:
                start = datetime.fromisoformat(day).replace(tzinfo=UTC)
                page = await door.conversation_page(Interval(start, start + timedelta(days=1)), Filters(), 1)
                if page.total is not None:
                    counted[day] = page.total

        try:
            async with anyio.create_task_group() as tasks:
                for day in days:
                    if day != UNDATED:
                        tasks.start_soon(count, day)
        except BaseExceptionGroup as group:
            known, _ = group.split(TurnkeeperError)
            raise (known.exceptions[0] if known else group) from None
    return counted


_REPORT = msgspec.json.Decoder(RunReport)


def _last_run(archive: Archive) -> RunReport | None:
    """The report of the finished run that listed furthest: mostly the last, unless that one filled in older days."""
    best: RunReport | None = None
    for key in reversed(list(archive.store.list(keys.RUNS))):
        if best is not None and key < keys.run(best.listed_until, ""):
            break  # no run lists beyond its own start
        try:
            report = _REPORT.decode(archive.store.get(key))
        except msgspec.DecodeError:
            continue
        if report.ended == "done" and report.listed_until > (best.listed_until if best else ""):
            best = report
    return best


def _inside(day: str, since: datetime | None, until: datetime | None) -> bool:
    if day == UNDATED:
        return since is None and until is None
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return (since is None or start + timedelta(days=1) > since) and (until is None or start < until)
