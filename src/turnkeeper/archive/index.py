"""The index of an archive: what is known of every conversation wanted, by day, and which windows were looked through.

One object per UTC day of conversation start and generation, written create-only: the highest generation is the whole
day, or of a large one what changed since the whole one that it names. Two exporters that commit the same day meet on
the conditional write; the second merges and writes the next one, so neither forgets what the other knows. Questions
about dates are answered from here, never by listing manifests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Literal, TypeVar

import msgspec

from turnkeeper.archive import keys
from turnkeeper.errors import Conflict, Misconfigured, NotFound, StoreRefused, Unavailable, Unread
from turnkeeper.installation import upgrade_hint
from turnkeeper.storage.contract import Store

__all__ = [
    "AUDIO",
    "WHOLE",
    "CallState",
    "DayStates",
    "Index",
    "LegState",
    "ListedWindow",
    "State",
    "counting",
    "merged",
]

FORMAT = "turnkeeper.states/1"
CHANGES_FORMAT = "turnkeeper.states/2"
"""Of a generation that is no whole day: versions that would take it for one refuse it."""
WINDOW_FORMAT = "turnkeeper.window/2"
_WINDOW_FORMATS = ("turnkeeper.window/1", WINDOW_FORMAT)
UNDATED = "undated"
"""The day of conversations whose start nobody told (a gateway without analytics)."""

State = Literal["pending", "done", "absent", "unread", "failed", "erased"]
"""What a conversation or a leg of it has come to; ``absent`` is asked again until it is final."""

AUDIO = "_audio"
"""The leg that stands for all recordings of a conversation, where they are wanted."""
WHOLE = "_media"
"""The leg of a transcript that is of the whole conversation (the media dialect)."""

_ATTEMPTS = 16
_SMALL = 1 << 16
"""A day of so many bytes (some 150 conversations) is always written as a whole."""


class LegState(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One communication's transcript. Times are RFC 3339; ``asks`` counts the answers so far, ``final`` ends them.
    ``fallback`` says that it is asked for only where the likelier ones gave nothing (stored as ``spare``)."""

    id: str
    state: State
    reason: str = ""
    first_asked: str = ""
    last_asked: str = ""
    next_ask: str = ""
    asks: int = 0
    final: bool = False
    fallback: bool = msgspec.field(default=False, name="spare")


class CallState(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One conversation. ``state`` sums its legs up; ``generation`` is its manifest's, 0 where there is none.
    ``defects`` counts the turns of which a field could not be right."""

    conversation: str
    state: State
    started_at: str = ""
    ended_at: str = ""
    queues: tuple[str, ...] = ()
    media_type: str = ""
    direction: str = ""
    generation: int = 0
    reason: str = ""
    legs: tuple[LegState, ...] = ()
    defects: int = 0


class DayStates(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """All that is known of one day, sorted by conversation; or, where ``since`` names a generation, what has changed
    since that one."""

    format: str
    day: str
    since: int = 0
    calls: tuple[CallState, ...] = ()


class ListedWindow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A stretch of time that was listed to its end. ``complete`` is False where the platform may still add to it.

    ``found`` counts the conversations that were listed. ``proven`` says that this number was compared with the total
    that the platform gave for the stretch, or that its job was read to the end. Documents of ``turnkeeper.window/1``
    have no such field: the versions that wrote them closed a window on any answer, so it has to be listed again.
    """

    format: str
    start: str
    end: str
    filter: str = ""
    found: int = 0
    complete: bool = True
    proven: bool = False
    watermark: str = ""
    committed_at: str = ""


class _DayTexts(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """``DayStates`` whose calls nobody has looked into."""

    format: str
    day: str
    since: int = 0
    calls: tuple[msgspec.Raw, ...] = ()


class _Named(msgspec.Struct):
    conversation: str


def _ignore(_: Unread) -> None: ...


D = TypeVar("D", DayStates, _DayTexts)

# Made while importing, one thread at a time: msgspec crashes when two threads first use a type at the same moment.
_DAY = msgspec.json.Decoder(DayStates)
_TEXTS = msgspec.json.Decoder(_DayTexts)
_NAMED = msgspec.json.Decoder(_Named)
_CALL = msgspec.json.Decoder(CallState)
_WINDOW = msgspec.json.Decoder(ListedWindow)
_ENCODER = msgspec.json.Encoder()

_day_key = re.compile(rf"_turnkeeper/states/([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}|{UNDATED})/([0-9]{{6,}})\.json")


class Index:
    """The index in a store. Every call may raise what the store raises; safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def days(self) -> Iterator[str]:
        """The days something is known of, sorted."""
        last = ""
        for key in self._store.list(keys.STATES):
            found = _day_key.fullmatch(key)
            if found and found[1] != last:
                last = found[1]
                yield last

    def read(self, day: str) -> DayStates:
        """What is known of a day; empty where nothing is. Raises ``Unread`` or ``StoreRefused`` for what is no day."""
        _, layers = self._layers(day, _DAY)
        if len(layers) == 1:
            return layers[0]
        calls = {call.conversation: call for layer in layers for call in layer.calls}
        return DayStates(format=FORMAT, day=_checked(day), calls=tuple(calls[name] for name in sorted(calls)))

    def commit(
        self,
        day: str,
        calls: Iterable[CallState],
        *,
        combine: Callable[[CallState, CallState], CallState] | None = None,
    ) -> int:
        """Merge these calls into the day; how many of them changed it. Writes nothing where the day says so already.

        ``combine`` makes one account of what the day says and what is told (``merged`` where none is given). What
        nothing is told of stays text: a day of thousands is committed again and again while it is exported.
        """
        told = {call.conversation: call for call in calls}
        for _ in range(_ATTEMPTS):
            generation, layers = self._layers(day, _TEXTS)
            try:
                known, changed = _named(layers), _named(layers[1:])
                news = dict(_news(known, told, combine or merged))
            except msgspec.DecodeError:
                raise _damaged(_key(day, generation)) from None
            if not news:
                return 0
            texts = {name: msgspec.Raw(_ENCODER.encode(call)) for name, call in news.items()}
            since = (layers[-1].since or generation) if layers else 0
            # Nothing of a call that was erased may stand in a generation that stays.
            anew = any(call.state == "erased" for call in news.values())
            if anew or _is_worth(known | texts, changed | texts, generation + 1 - since):
                written = self._write(day, generation, known | texts)
            else:
                written = self._write(day, generation, changed | texts, since)
            if written:
                return len(news)
        raise Unavailable(f"{_ATTEMPTS} times another writer was first", operation="commit states", key=day)

    def forget(self, day: str, conversations: Collection[str]) -> int:
        """Say that these are erased, and nothing else of them, in no generation of the day; how many it names."""
        known = [call.conversation for call in self.read(day).calls if call.conversation in conversations]
        erased = [CallState(conversation=name, state="erased") for name in known]
        if known:
            self.commit(day, erased, combine=lambda _, told: told)
            self._prune(day, max(self._generations(day)))
        return len(known)

    def reset(self, day: str) -> None:
        """Begin a day anew whose newest generation cannot be read: nothing is known of it from now on."""
        for _ in range(_ATTEMPTS):
            if self._write(day, max(self._generations(day), default=0), {}):
                return
        raise Unavailable(f"{_ATTEMPTS} times another writer was first", operation="commit states", key=day)

    def _write(self, day: str, generation: int, texts: Mapping[str, msgspec.Raw], since: int = 0) -> bool:
        """Write the generation after this one; False where another exporter was first."""
        calls = tuple(texts[name] for name in sorted(texts))
        form = CHANGES_FORMAT if since else FORMAT
        layer = _DayTexts(format=form, day=_checked(day), since=since, calls=calls)
        try:
            self._store.put(_key(day, generation + 1), _ENCODER.encode(layer) + b"\n", create=True)
        except Conflict:
            return False
        self._prune(day, generation, since)
        return True

    def windows(self, damaged: Callable[[Unread], None] = _ignore) -> Iterator[ListedWindow]:
        """Every window that was listed, in the order of their keys.

        One that cannot be read (damaged, or of a newer format) is passed to ``damaged`` and left out: its stretch
        counts as open, so the next listing replaces it.
        """
        for key in self._store.list(keys.WINDOWS):
            try:
                found = _WINDOW.decode(self._store.get(key))
            except NotFound:
                continue
            except msgspec.DecodeError:
                damaged(Unread("not a window", operation="read states", key=key, hint=_LISTED_AGAIN))
                continue
            if found.format in _WINDOW_FORMATS:
                yield found
            else:
                why = f"has the format {found.format[:60]!a}"
                damaged(Unread(why, operation="read states", key=key, hint="Upgrade turnkeeper."))

    def commit_window(self, window: ListedWindow, name: str) -> None:
        """Say that a window was listed; ``name`` tells its filter from others (a slug)."""
        key = keys.window(name, window.start, window.end)
        self._store.put(key, _ENCODER.encode(window) + b"\n")

    def _layers(self, day: str, decoder: msgspec.json.Decoder[D]) -> tuple[int, list[D]]:
        """The newest generation of a day, and what it consists of: the whole day, and what changed since."""
        for _ in range(_ATTEMPTS):
            generation = max(self._generations(day), default=0)
            if generation == 0:
                return 0, []
            try:
                newest = self._decoded(_key(day, generation), day, decoder)
                if not newest.since:
                    return generation, [newest]
                return generation, [self._decoded(_key(day, newest.since), day, decoder), newest]
            except NotFound:
                continue  # pruned between the requests: a newer one stands there
        hint = "Run turnkeeper verify on the archive."
        raise Unavailable("is listed and not there", operation="read states", key=_key(day, generation), hint=hint)

    def _decoded(self, key: str, day: str, decoder: msgspec.json.Decoder[D]) -> D:
        try:
            found = decoder.decode(self._store.get(key))
        except msgspec.DecodeError:
            raise _damaged(key) from None
        if found.format != (CHANGES_FORMAT if found.since else FORMAT):
            raise StoreRefused(
                f"has the format {found.format[:60]!a}", operation="read states", key=key, hint=upgrade_hint()
            )
        if found.day != day:
            # Whoever went on from another day's calls would forget this day's.
            raise _damaged(key)
        return found

    def _generations(self, day: str) -> Sequence[int]:
        listed = self._store.list(f"{keys.STATES}{_checked(day)}/")
        return [int(found[2]) for key in listed if (found := _day_key.fullmatch(key))]

    def _prune(self, day: str, newest: int, since: int = 0) -> None:
        """Older generations go; the last but one stays for whoever is reading it, and the whole day that the newest one
        adds to."""
        for generation in self._generations(day):
            if generation < newest and generation != since:
                self._store.delete(_key(day, generation))


_RANK: dict[str, int] = {"pending": 0, "failed": 1, "absent": 2, "unread": 3, "done": 4, "erased": 5}
_ARRIVED: dict[str, int] = {"unread": 1, "done": 2}
_LISTED_AGAIN = "The next export of that time lists it again and replaces the object."
_DAMAGED = "Run turnkeeper reindex on the archive: it builds the day again from the manifests."


def _damaged(key: str) -> Unread:
    return Unread("not a day of states", operation="read states", key=key, hint=_DAMAGED)


def _named(layers: Iterable[_DayTexts]) -> dict[str, msgspec.Raw]:
    """Each call as it is written, by its conversation; what changed last counts. Raises ``DecodeError``."""
    return {_NAMED.decode(text).conversation: text for layer in layers for text in layer.calls}


def _is_worth(whole: Mapping[str, msgspec.Raw], changed: Mapping[str, msgspec.Raw], generations: int) -> bool:
    """Whether the whole day is to be written: once the changes written since come to as much. So a day is written for
    what changes in it, not for how much it holds."""
    sizes = [sum(memoryview(text).nbytes for text in texts.values()) for texts in (whole, changed)]
    return sizes[0] <= _SMALL or sizes[1] * generations > sizes[0]


def _news(
    known: Mapping[str, msgspec.Raw],
    told: Mapping[str, CallState],
    combine: Callable[[CallState, CallState], CallState],
) -> Iterator[tuple[str, CallState]]:
    """Each call that is told something the day does not say yet, merged with what it says."""
    for name, call in told.items():
        before = _CALL.decode(known[name]) if name in known else None
        after = call if before is None else combine(before, call)
        if after != before:
            yield name, after


def merged(known: CallState, told: CallState) -> CallState:
    """Two accounts of one conversation as one: a leg's newer answer wins, what is done stays done, erased wins always.

    Commutative, so two exporters that commit in any order leave the same index.
    """
    if "erased" in (known.state, told.state):
        return known if known.state == "erased" else told
    legs = {leg.id: leg for leg in known.legs}
    for leg in told.legs:
        legs[leg.id] = _later(legs[leg.id], leg) if leg.id in legs else leg
    newer = max(known, told, key=_standing)
    return msgspec.structs.replace(newer, legs=counting(legs))


def counting(legs: Mapping[str, LegState]) -> tuple[LegState, ...]:
    """The legs that count, sorted. A fallback leg that is absent does no more once a likely one is there: whether it
    was ever asked for depends on who came upon the call first, and nobody will ask again. Nor does one of the other
    dialect than the one that answered: until one did, nobody could know which it would be."""
    there = [leg for leg in legs.values() if not _is_open(leg) and leg.id != AUDIO]
    likely = any(not leg.fallback for leg in there)
    spoken = {leg.id == WHOLE for leg in there}

    def counts(leg: LegState) -> bool:
        if not _is_open(leg) or leg.id == AUDIO:
            return True
        if spoken and leg.id == WHOLE:
            return spoken == {True}
        return not (likely and leg.fallback) and spoken != {True}

    return tuple(legs[name] for name in sorted(legs) if counts(legs[name]))


def _is_open(leg: LegState) -> bool:
    return leg.state not in ("done", "unread")


def _standing(call: CallState) -> tuple[int, bool, int, bytes]:
    return call.generation, bool(call.ended_at), _RANK[call.state], _ENCODER.encode(call)


def _later(one: LegState, other: LegState) -> LegState:
    """What arrived stays, read before unread; else the newer answer. The leg is a fallback only where both accounts say
    so: whoever knew more of the call counts it."""
    newer = max(one, other, key=_weight)
    return msgspec.structs.replace(newer, fallback=one.fallback and other.fallback)


def _weight(leg: LegState) -> tuple[int, str, int, int, bytes]:
    return _ARRIVED.get(leg.state, 0), leg.last_asked, leg.asks, _RANK[leg.state], _ENCODER.encode(leg)


def _key(day: str, generation: int) -> str:
    return f"{keys.STATES}{day}/{generation:06d}.json"


def _checked(day: str) -> str:
    if day == UNDATED:
        return day
    try:
        return date.fromisoformat(day).isoformat()
    except ValueError:
        raise Misconfigured(f"{day[:20]!a} is not a day", operation="commit states", hint="YYYY-MM-DD.") from None
