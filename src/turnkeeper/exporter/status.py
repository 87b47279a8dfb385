"""What the platform has, what the archive has, what is missing and why. Reads the index, never the manifests."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import get_args

import msgspec

from turnkeeper.archive import keys
from turnkeeper.archive.archive import Archive
from turnkeeper.archive.index import AUDIO, UNDATED, CallState, Index, State
from turnkeeper.clock import Clock, SystemClock, rfc3339
from turnkeeper.display import html_table, one_line
from turnkeeper.errors import TurnkeeperError, Unread
from turnkeeper.exporter.day_counts import counted_by
from turnkeeper.exporter.index_sync import epoch_ms
from turnkeeper.exporter.run_report import RunReport
from turnkeeper.portal import run
from turnkeeper.settings import PlatformSettings, StoreSettings

__all__ = ["Day", "Queue", "Status", "status"]

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


class Status(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """``done`` … ``erased`` count conversations. ``waiting`` of the absent ones are asked again, the next at
    ``next_ask``; the others are final. ``reasons`` counts why, by state, without what differs from one to the next;
    with many, the rarest are one. ``listed_until`` is the time up to which the last finished run listed;
    ``lag_seconds`` how long ago that is, or since when something overdue waits.

    ``defects`` counts turns of which a field could not be right, ``unread_recordings`` conversations with a recording
    that cannot be read. ``unindexed`` counts archived conversations that the index does not know, where no export has
    run. ``uncounted`` are days that the platform was asked about and gave no number for; ``unreadable_days``
    counts days of the index that cannot be read, and are not in the figures. ``notes`` say in words what
    the figures do not cover.
    """

    __repr__ = one_line
    _repr_html_ = html_table

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
    defects: int = 0
    unread_recordings: int = 0
    unindexed: int = 0
    uncounted: tuple[str, ...] = ()
    unreadable_days: int = 0
    notes: tuple[str, ...] = ()
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
            ("defects", "Archived turns of which a field cannot be right.", self.defects),
            ("unread_recordings", "Conversations with a recording that cannot be read.", self.unread_recordings),
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
) -> Status:
    """How complete an archive is, by day and queue, with reasons.

    ``since`` and ``until`` bound the days (UTC); without them the range is from the first day that the index knows
    until now. With ``platform`` its own counts are asked for, of every day of the range, and compared; without it,
    nothing is asked. Raises what reading the archive raises (``NotFound`` where there is none), and ``Denied`` and its
    kin where the platform was to be asked and refuses.
    """
    clock = clock or SystemClock()
    opened = Archive(archive, store, clock=clock) if isinstance(archive, str) else archive
    first = next(opened.conversations(), None)
    index = Index(opened.store)
    indexed = list(index.days())
    known = [day for day in indexed if _is_in_range(day, since, until)]
    asked = _days_of_range(known, since, until, clock.now()) if platform else []
    counted = run(lambda: counted_by(platform, clock, asked, known)) if platform and asked else {}
    unindexed = sum(1 for _ in opened.conversations()) if first is not None and not indexed else 0
    unnamed: list[TurnkeeperError] = []
    unreadable: list[Unread] = []
    names = opened.names("queues", unnamed.append)
    tally = _Tally()
    days = []
    # A day for which the platform gave no number is not a day without conversations.
    for day in sorted({*known, *(day for day in asked if counted.get(day, 1))}):
        calls = _calls_of_day(index, day, unreadable) if day in known else ()
        tally.add(calls)
        days.append(_day_status(day, calls, counted.get(day), names))
    found = tally.whole(opened, tuple(days), clock.now(), asked=bool(asked))
    uncounted = tuple(day for day in asked if day not in counted)
    ran = next(opened.store.list(keys.RUNS), None) is not None
    notes = (
        *_notes_of_status(found, unindexed, uncounted, has_calls=first is not None, ran=ran),
        *(f"a day is left out: {cause.key}: {cause.message}. {cause.hint}" for cause in unreadable),
        *(f"a list of names is left out: {cause.key}: {cause.message}" for cause in unnamed),
    )
    return msgspec.structs.replace(
        found, unindexed=unindexed, uncounted=uncounted, unreadable_days=len(unreadable), notes=notes
    )


def _calls_of_day(index: Index, day: str, unreadable: list[Unread]) -> tuple[CallState, ...]:
    try:
        return index.read(day).calls
    except Unread as cause:
        unreadable.append(cause)
        return ()


def _days_of_range(known: Sequence[str], since: datetime | None, until: datetime | None, now: datetime) -> list[str]:
    """Every day of the range, including those that the index knows nothing of; empty where the range has no start."""
    first = since.date() if since else next((date.fromisoformat(day) for day in known if day != UNDATED), None)
    if first is None:
        return []
    end = min(until, now) if until else now
    # The end is excluded: at midnight it does not touch the day that begins.
    count = (end - timedelta(microseconds=1)).date().toordinal() - first.toordinal() + 1
    return [(first + timedelta(days=number)).isoformat() for number in range(count)]


def _notes_of_status(
    found: Status, unindexed: int, uncounted: Sequence[str], *, has_calls: bool, ran: bool
) -> Iterator[str]:
    if not ran:
        yield "no export has run here, so nothing says what is missing"
    if unindexed:
        yield f"{unindexed:,} archived conversations are not in the index"
    elif not found.days and not has_calls:
        yield "the archive holds no conversation"
    if uncounted:
        yield f"the platform gave no count for {len(uncounted):,} days, the first is {uncounted[0]}"


class _Tally:
    """Sums over all days; holds one day's calls at a time, so that years fit into memory."""

    def __init__(self) -> None:
        self._states: Counter[str] = Counter()
        self._reasons: dict[str, Counter[str]] = {}
        self._waiting = 0
        self._transcripts = self._defects = self._unread_recordings = 0
        self._next_ask = ""
        self._overdue_since: int | None = None

    def add(self, calls: Iterable[CallState]) -> None:
        for call in calls:
            self._states[call.state] += 1
            self._defects += call.defects
            self._unread_recordings += any(leg.id == AUDIO and leg.state == "unread" for leg in call.legs)
            self._transcripts += sum(leg.state in ("done", "unread") and leg.id != AUDIO for leg in call.legs)
            if call.state not in ("done", "erased"):
                self._reasons.setdefault(call.state, Counter())[_general_reason(call.reason)] += 1
            asks = [leg.next_ask for leg in call.legs if leg.next_ask] if call.state == "absent" else []
            if asks:
                self._waiting += 1
                self._next_ask = min(filter(None, (self._next_ask, *asks)))
            if _is_overdue(call) and call.started_at:
                since = epoch_ms(call.ended_at or call.started_at)
                self._overdue_since = since if self._overdue_since is None else min(self._overdue_since, since)

    def whole(self, archive: Archive, days: tuple[Day, ...], now: datetime, *, asked: bool) -> Status:
        last = _last_run(archive)
        listed = last.listed_until if last else ""
        moments = [epoch_ms(listed)] if listed else []
        behind = min([*moments, *([] if self._overdue_since is None else [self._overdue_since])], default=None)
        return Status(
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
            defects=self._defects,
            unread_recordings=self._unread_recordings,
            reasons={name: _commonest_reasons(found) for name, found in sorted(self._reasons.items())},
            listed_until=listed,
            last_run=last.ended_at if last else "",
            lag_seconds=None if behind is None else max(now.timestamp() - behind / 1000, 0.0),
            platform="asked" if asked else "not asked",
            days=days,
        )


def _general_reason(reason: str) -> str:
    """A reason without what differs from one conversation to the next: the byte, the turn, the answer's id."""
    return _PLACE.sub(lambda found: found[1] + "…", _CONTEXT.sub("", reason)) or "not visited yet"


def _commonest_reasons(reasons: Counter[str]) -> dict[str, int]:
    """The most common reasons, and all others as one, so that the counts add up to all conversations."""
    common = dict(reasons.most_common(_REASONS))
    rest = reasons.total() - sum(common.values())
    return common | ({"other reasons": rest} if rest else {})


def _is_overdue(call: CallState) -> bool:
    """Whether the call has ended and is neither archived nor known to have no transcript."""
    return call.state == "failed" or (call.state == "pending" and bool(call.ended_at))


def _day_status(day: str, calls: Iterable[CallState], platform: int | None, names: Mapping[str, str]) -> Day:
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


_REPORT = msgspec.json.Decoder(RunReport)


def _last_run(archive: Archive) -> RunReport | None:
    """The report of the finished run that listed furthest: mostly the last, unless that one filled in older days.

    Reports of runs that follow say only what was listed to its end, however the run ended.
    """
    best: RunReport | None = None
    for key in reversed(list(archive.store.list(keys.RUNS))):
        if best is not None and key < keys.run(_a_day_before(best.listed_until), ""):
            break  # no report lists beyond its own start but for one of a day
        try:
            report = _REPORT.decode(archive.store.get(key))
        except msgspec.DecodeError:
            continue
        is_final = report.ended == "done" or key == keys.followed(report.started_at)
        if is_final and report.listed_until > (best.listed_until if best else ""):
            best = report
    return best


def _a_day_before(moment: str) -> str:
    return rfc3339(datetime.fromisoformat(moment) - timedelta(days=1))


def _is_in_range(day: str, since: datetime | None, until: datetime | None) -> bool:
    if day == UNDATED:
        return since is None and until is None
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return (since is None or start + timedelta(days=1) > since) and (until is None or start < until)
