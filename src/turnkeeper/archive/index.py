"""The index of an archive: the state of every selected conversation, by day, and which time windows were listed.

A day is the UTC day on which a conversation started. Each commit writes a new generation of the day as one object,
create-only. The highest generation holds the whole day, or, for a large day, only the changes since an earlier whole
generation that it names. If two exporters commit the same day, the conditional write fails for the second one. It
merges both accounts and writes the next generation, so nothing is lost. Questions about dates are answered from the
index, never by listing manifests.
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
from turnkeeper.storage.store import Store

__all__ = [
    "AUDIO",
    "WHOLE",
    "CallState",
    "Index",
    "IndexDay",
    "LegState",
    "ListedWindow",
    "State",
    "merge_calls",
    "relevant_legs",
]

FORMAT = "turnkeeper.states/1"
CHANGES_FORMAT = "turnkeeper.states/2"
"""The format of a generation that holds only changes. Versions that know only whole days refuse it."""
WINDOW_FORMAT = "turnkeeper.window/2"
_WINDOW_FORMATS = ("turnkeeper.window/1", WINDOW_FORMAT)
UNDATED = "undated"
"""The day of conversations whose start is not known (a gateway without analytics)."""

State = Literal["pending", "done", "absent", "unread", "failed", "erased"]
"""The state of a conversation or of one leg. A leg that is ``absent`` is requested again until it is ``final``."""

AUDIO = "_audio"
"""The leg that stands for all recordings of a conversation, if recordings are exported."""
WHOLE = "_media"
"""The leg of a transcript of the whole conversation (the media dialect)."""

_ATTEMPTS = 16
_SMALL = 1 << 16
"""A day of up to so many bytes (some 150 conversations) is always written as a whole."""


class LegState(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The transcript of one communication. Times are RFC 3339; ``asks`` counts the requests so far. A ``final`` leg is
    not requested again.
    ``fallback`` legs are requested only if no likelier leg has a transcript (stored as ``spare``)."""

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
    """One conversation in the index. ``state`` summarises its legs; ``generation`` is its manifest's, 0 without one.
    ``defects`` counts the turns with a field that cannot be right."""

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


class IndexDay(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One generation of a day, sorted by conversation: the whole day, or the changes since generation ``since``."""

    format: str
    day: str
    since: int = 0
    calls: tuple[CallState, ...] = ()


class ListedWindow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A window of time that was listed to its end. ``complete`` is False if the platform may still add to it.

    ``found`` counts the conversations that were listed. ``proven`` says that this number was compared with the total
    that the platform gave for the window, or that the platform's job was read to its end. Documents of
    ``turnkeeper.window/1`` do not have that field: the versions that wrote them closed a window after any response, so
    it has to be listed again.
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


class _RawDay(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An ``IndexDay`` whose calls are not decoded. A day of thousands is committed again and again during an export,
    and most of its calls only have to be copied."""

    format: str
    day: str
    since: int = 0
    calls: tuple[msgspec.Raw, ...] = ()


class _ConversationField(msgspec.Struct):
    conversation: str


def _ignore(_: Unread) -> None: ...


D = TypeVar("D", IndexDay, _RawDay)

# Made while importing, one thread at a time: msgspec crashes when two threads first use a type at the same moment.
_DAY = msgspec.json.Decoder(IndexDay)
_RAW_DAY = msgspec.json.Decoder(_RawDay)
_CONVERSATION = msgspec.json.Decoder(_ConversationField)
_CALL = msgspec.json.Decoder(CallState)
_WINDOW = msgspec.json.Decoder(ListedWindow)
_ENCODER = msgspec.json.Encoder()

_day_key = re.compile(rf"_turnkeeper/states/([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}|{UNDATED})/([0-9]{{6,}})\.json")


class Index:
    """The index in a store. Every method may raise what the store raises. Safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def days(self) -> Iterator[str]:
        """The days that the index has, sorted."""
        last = ""
        for key in self._store.list(keys.STATES):
            match = _day_key.fullmatch(key)
            # A stray object of the same form, whose name is no date, must not end the loops over all days.
            if match and match[1] != last and _is_day(match[1]):
                last = match[1]
                yield last

    def read(self, day: str) -> IndexDay:
        """The whole day; empty if the index does not have it. Raises ``Unread`` if it is damaged, ``StoreRefused`` for
        a newer format."""
        _, layers = self._layers(day, _DAY)
        if len(layers) == 1:
            return layers[0]
        calls = {call.conversation: call for layer in layers for call in layer.calls}
        return IndexDay(format=FORMAT, day=_check_day(day), calls=tuple(calls[name] for name in sorted(calls)))

    def commit(
        self,
        day: str,
        calls: Iterable[CallState],
        *,
        combine: Callable[[CallState, CallState], CallState] | None = None,
    ) -> int:
        """Merge these calls into the day, and return how many of them changed it. Writes nothing if none does.

        ``combine`` merges the call in the index with the new one (default: ``merge_calls``).
        """
        new_calls = {call.conversation: call for call in calls}
        changed = 0
        # Each attempt reads the day again, because another exporter may have written it since.
        for _ in range(_ATTEMPTS):
            generation, layers = self._layers(day, _RAW_DAY)
            try:
                known, changed_before = _by_conversation(layers), _by_conversation(layers[1:])
                changes = dict(_changes(known, new_calls, combine or merge_calls))
            # Calls stay encoded until they are compared, so damage inside one shows only here.
            except msgspec.DecodeError:
                raise _damaged(_key(day, generation)) from None
            if not changes:
                return changed
            changed = len(changes)
            raw = {name: msgspec.Raw(_ENCODER.encode(call)) for name, call in changes.items()}
            # Changes always refer to the last whole generation, so a reader never needs more than two objects.
            since = (layers[-1].since or generation) if layers else 0
            # After an erasure the whole generation that changes refer to must not stay: it names the erased call.
            is_erasure = any(call.state == "erased" for call in changes.values())
            if is_erasure or _should_write_whole(known | raw, changed_before | raw, generation + 1 - since):
                written = self._write_generation(day, generation, known | raw)
            else:
                written = self._write_generation(day, generation, changed_before | raw, since)
            if written:
                return changed
        raise Unavailable(f"{_ATTEMPTS} times another writer was first", operation="commit states", key=day)

    def mark_erased(self, day: str, conversations: Collection[str]) -> int:
        """Replace these conversations by an entry that only says ``erased``, and delete all other generations of the
        day. Returns how many of them the day has."""
        known = [call.conversation for call in self.read(day).calls if call.conversation in conversations]
        erased = [CallState(conversation=name, state="erased") for name in known]
        # An erasure goes through all days. Most have none of its conversations, and are not written again.
        if known:
            self.commit(day, erased, combine=lambda _, entry: entry)
            # The earlier generations still have the whole entries.
            self._prune(day, max(self._generations(day)))
        return len(known)

    def reset(self, day: str) -> None:
        """Start a day again from nothing, because its newest generation cannot be read."""
        for _ in range(_ATTEMPTS):
            if self._write_generation(day, max(self._generations(day), default=0), {}):
                return
        raise Unavailable(f"{_ATTEMPTS} times another writer was first", operation="commit states", key=day)

    def _write_generation(self, day: str, generation: int, raw: Mapping[str, msgspec.Raw], since: int = 0) -> bool:
        """Write the generation after this one; False if another exporter was first."""
        calls = tuple(raw[name] for name in sorted(raw))
        form = CHANGES_FORMAT if since else FORMAT
        layer = _RawDay(format=form, day=_check_day(day), since=since, calls=calls)
        # Create-only: of two exporters that read the same generation, only one may write the next one.
        try:
            self._store.put(_key(day, generation + 1), _ENCODER.encode(layer) + b"\n", create=True)
        except Conflict:
            return False
        # While this writer was busy, others may have written later generations and pruned this number again. Then the
        # write succeeds although nobody reads it: merge with the newest generation instead.
        return self._prune(day, generation, since) <= generation + 1

    def windows(self, damaged: Callable[[Unread], None] = _ignore) -> Iterator[ListedWindow]:
        """Every window that was listed, in the order of their keys.

        One that cannot be read (damaged, or of a newer format) is passed to ``damaged`` and left out. Its time counts
        as not listed, so the next listing replaces it.
        """
        for key in self._store.list(keys.WINDOWS):
            try:
                window = _WINDOW.decode(self._store.get(key))
            except NotFound:
                continue
            except msgspec.DecodeError:
                damaged(Unread("not a window", operation="read states", key=key, hint=_LISTED_AGAIN))
                continue
            if window.format in _WINDOW_FORMATS:
                yield window
            else:
                reason = f"has the format {window.format[:60]!a}"
                damaged(Unread(reason, operation="read states", key=key, hint="Upgrade turnkeeper."))

    def commit_window(self, window: ListedWindow, name: str) -> None:
        """Record that a window was listed; ``name`` is its filter's slug."""
        key = keys.window(name, window.start, window.end)
        self._store.put(key, _ENCODER.encode(window) + b"\n")

    def _layers(self, day: str, decoder: msgspec.json.Decoder[D]) -> tuple[int, list[D]]:
        """The newest generation of a day, and the one or two objects it consists of: the whole day, then changes."""
        for _ in range(_ATTEMPTS):
            generation = max(self._generations(day), default=0)
            if generation == 0:
                return 0, []
            try:
                newest = self._read_generation(_key(day, generation), day, decoder)
                if not newest.since:
                    return generation, [newest]
                return generation, [self._read_generation(_key(day, newest.since), day, decoder), newest]
            except NotFound:
                continue  # deleted between the requests, because there is a newer generation
        hint = "Run turnkeeper verify on the archive."
        raise Unavailable("is listed and not there", operation="read states", key=_key(day, generation), hint=hint)

    def _read_generation(self, key: str, day: str, decoder: msgspec.json.Decoder[D]) -> D:
        try:
            layer = decoder.decode(self._store.get(key))
        except msgspec.DecodeError:
            raise _damaged(key) from None
        if layer.format != (CHANGES_FORMAT if layer.since else FORMAT):
            raise StoreRefused(
                f"has the format {layer.format[:60]!a}", operation="read states", key=key, hint=upgrade_hint()
            )
        if layer.day != day:
            # The next commit would carry on another day's calls, and lose this day's.
            raise _damaged(key)
        return layer

    def _generations(self, day: str) -> Sequence[int]:
        listed = self._store.list(f"{keys.STATES}{_check_day(day)}/")
        return [int(match[2]) for key in listed if (match := _day_key.fullmatch(key))]

    def _prune(self, day: str, newest: int, since: int = 0) -> int:
        """Delete the generations before ``newest``, except ``since``, which changes refer to. Returns the highest one.

        A writer calls this with the number before its own, so that another process can finish reading that one.
        """
        generations = self._generations(day)
        for generation in generations:
            if generation < newest and generation != since:
                self._store.delete(_key(day, generation))
        return max(generations, default=newest)


_RANK: dict[str, int] = {"pending": 0, "failed": 1, "absent": 2, "unread": 3, "done": 4, "erased": 5}
_ARRIVED: dict[str, int] = {"unread": 1, "done": 2}
_LISTED_AGAIN = "The next export of that time lists it again and replaces the object."
_DAMAGED = "Run turnkeeper reindex on the archive: it builds the day again from the manifests."


def _damaged(key: str) -> Unread:
    return Unread("not a day of states", operation="read states", key=key, hint=_DAMAGED)


def _by_conversation(layers: Iterable[_RawDay]) -> dict[str, msgspec.Raw]:
    """Each encoded call by its conversation; a later layer replaces an earlier one. Raises ``DecodeError``."""
    return {_CONVERSATION.decode(raw).conversation: raw for layer in layers for raw in layer.calls}


def _should_write_whole(whole: Mapping[str, msgspec.Raw], changes: Mapping[str, msgspec.Raw], generations: int) -> bool:
    """Whether to write the whole day instead of the changes.

    The changes grow with each generation. Once their generations together have cost as many bytes as the whole day, the
    whole day is written. So the bytes written depend on what changes in a day, not on how many calls it has.
    """
    whole_size, changes_size = (sum(memoryview(raw).nbytes for raw in calls.values()) for calls in (whole, changes))
    return whole_size <= _SMALL or changes_size * generations > whole_size


def _changes(
    known: Mapping[str, msgspec.Raw],
    new_calls: Mapping[str, CallState],
    combine: Callable[[CallState, CallState], CallState],
) -> Iterator[tuple[str, CallState]]:
    """Each new call that changes the day, merged with the day's entry of it."""
    for name, call in new_calls.items():
        before = _CALL.decode(known[name]) if name in known else None
        after = call if before is None else combine(before, call)
        if after != before:
            yield name, after


def merge_calls(first: CallState, second: CallState) -> CallState:
    """Merge two accounts of one conversation. ``erased`` wins; of a leg, ``done`` wins, then the newer answer.

    Commutative, so that two exporters leave the same index in whichever order they commit.
    """
    # An exporter that has not heard of an erasure must not bring the call back.
    if "erased" in (first.state, second.state):
        return first if first.state == "erased" else second
    legs = {leg.id: leg for leg in first.legs}
    for leg in second.legs:
        legs[leg.id] = _newer_leg(legs[leg.id], leg) if leg.id in legs else leg
    newer = max(first, second, key=_call_rank)
    return msgspec.structs.replace(newer, legs=relevant_legs(legs))


def relevant_legs(legs: Mapping[str, LegState]) -> tuple[LegState, ...]:
    """The legs that belong into the index, sorted by id.

    Once a likely leg has a transcript, a fallback leg without one is left out: whether it was ever requested depends on
    which exporter found the call first, and it is not requested again. Once one dialect has a transcript, the legs of
    the other without one are left out: before that, it was not known which dialect the call has.
    """
    archived = [leg for leg in legs.values() if _is_archived(leg) and leg.id != AUDIO]
    has_likely = any(not leg.fallback for leg in archived)
    # Whether the archived transcripts are of the whole conversation (media dialect), or of legs.
    dialects = {leg.id == WHOLE for leg in archived}

    def is_relevant(leg: LegState) -> bool:
        if _is_archived(leg) or leg.id == AUDIO:
            return True
        if dialects and leg.id == WHOLE:
            return dialects == {True}
        return not (has_likely and leg.fallback) and dialects != {True}

    return tuple(legs[name] for name in sorted(legs) if is_relevant(legs[name]))


def _is_archived(leg: LegState) -> bool:
    return leg.state in ("done", "unread")


def _call_rank(call: CallState) -> tuple[int, bool, int, bytes]:
    # The encoded call comes last: it decides between equal accounts, so that merging is commutative.
    return call.generation, bool(call.ended_at), _RANK[call.state], _ENCODER.encode(call)


def _newer_leg(first: LegState, second: LegState) -> LegState:
    """Merge two accounts of a leg: ``done`` before ``unread``, then the newer answer.

    It is a fallback only if both accounts say so: an exporter that knew more of the call requests it as a likely one.
    """
    newer = max(first, second, key=_leg_rank)
    return msgspec.structs.replace(newer, fallback=first.fallback and second.fallback)


def _leg_rank(leg: LegState) -> tuple[int, str, int, int, bytes]:
    return _ARRIVED.get(leg.state, 0), leg.last_asked, leg.asks, _RANK[leg.state], _ENCODER.encode(leg)


def _key(day: str, generation: int) -> str:
    return f"{keys.STATES}{day}/{generation:06d}.json"


def _check_day(day: str) -> str:
    if _is_day(day):
        return day
    raise Misconfigured(f"{day[:20]!a} is not a day", operation="commit states", hint="YYYY-MM-DD.")


def _is_day(day: str) -> bool:
    if day == UNDATED:
        return True
    try:
        return date.fromisoformat(day).isoformat() == day
    except ValueError:
        return False
