"""The ``media`` dialect: one document with participants and a flat transcript, times in decimal seconds.

The fast way of this package: an element is decoded straight into the places of a ``Turn``, the two times are turned
into milliseconds where they lie, and the object becomes a ``Turn`` by changing its class. Nothing is built twice. What
is not of the usual form (a key missing or in camel case, no time, a time beyond all bounds) is read as ``_Older``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import dist, floor
from operator import le
from typing import Annotated, Any, Literal

import msgspec

from turnkeeper.errors import Unread
from turnkeeper.model import Dialect, Role, Turn, Word
from turnkeeper.transcript.columns import TurnBatch
from turnkeeper.transcript.dialect import Context, Facts, Mode, Person, Survey, WrongTurn
from turnkeeper.transcript.dialects.reading import finish, ours, point, read_part
from turnkeeper.transcript.numbers import LONGEST, milliseconds
from turnkeeper.transcript.rows import Columns, Field, Rows, objects
from turnkeeper.transcript.skeleton import Path
from turnkeeper.transcript.small import Small
from turnkeeper.transcript.stream import Batch, Kind

__all__ = ["Media"]

_OURS = frozenset({"transcript", "participants", "downloadUrl", "status", "conversation"})
_PATH: Path = ("transcript",)
_UNKNOWN: Role = "unknown"
_FEW = 100
"""Speakers that are worth a type of their own."""

Seconds = Annotated[float, msgspec.Meta(ge=-LONGEST, le=LONGEST)]


class _Turn(Turn, frozen=False, kw_only=True, gc=False):  # type: ignore[misc] # a Turn in the making
    """An element with the very fields of ``Turn``, in other clothes: its times hold seconds until they are mended."""

    text: str = ""
    role: Role = ours(_UNKNOWN, "role")
    start_ms: Seconds = msgspec.field(name="start_time")  # type: ignore[assignment]
    end_ms: Seconds = msgspec.field(name="end_time")  # type: ignore[assignment]
    speaker_id: str | None
    channel: str | None = ours(None, "channel")
    communication: str | None = ours(None, "communication")
    language: str | None = ours(None, "language")
    sentiment: float | None = ours(None, "sentiment")
    duplicate_of: str | None = ours(None, "duplicate_of")
    index: int = ours(0, "index")
    words: tuple[Word, ...] = ours((), "words")


class _Row(msgspec.Struct, gc=False, kw_only=True):
    """The same for columns, where no ``Turn`` is to come of it: half the size."""

    start_ms: Seconds = msgspec.field(name="start_time")
    end_ms: Seconds = msgspec.field(name="end_time")
    text: str = ""
    speaker_id: str | None
    confidence: float | None = None


class _Older(msgspec.Struct, gc=False):
    """Whatever may be missing, and the camel case of older gateways, which mean the same fields."""

    start_time: float | None = None
    start_older: float | None = msgspec.field(default=None, name="startTime")
    end_time: float | None = None
    end_older: float | None = msgspec.field(default=None, name="endTime")
    text: str | None = None
    speaker: str | None = msgspec.field(default=None, name="speaker_id")
    speaker_older: str | None = msgspec.field(default=None, name="speakerId")
    confidence: float | None = None

    @property
    def start_ms(self) -> float | None:
        return self.start_older if self.start_time is None else self.start_time

    @property
    def end_ms(self) -> float | None:
        return self.end_older if self.end_time is None else self.end_time

    @property
    def speaker_id(self) -> str | None:
        return self.speaker_older if self.speaker is None else self.speaker


class _Probe(msgspec.Struct, gc=False):
    start_ms: float = msgspec.field(name="start_time")


class _OlderProbe(msgspec.Struct, gc=False):
    start_time: float | None = None
    start_older: float | None = msgspec.field(default=None, name="startTime")

    @property
    def start_ms(self) -> float | None:
        return self.start_older if self.start_time is None else self.start_time


_FIELDS = (
    Field("start_time", "start_ms", "millis"),
    Field("end_time", "end_ms", "millis"),
    Field("text", "text", "text", absent=""),
    Field("speaker_id", "speaker_id", "name", nullable=True),
    Field("confidence", "confidence", "fraction", nullable=True, absent=None),
)
_REST = {
    "role": _UNKNOWN,
    "channel": None,
    "communication": None,
    "language": None,
    "sentiment": None,
    "duplicate_of": None,
    "index": 0,
    "words": (),
}
_TURNS = Rows(Turn, _FIELDS, _REST, rising=(0, 1))
_COLUMNS = Rows(Turn, _FIELDS, _REST, rising=(0, 1), columns=True)
_STARTS = Rows(_Probe, (Field("start_time", "start_ms", "fraction"),))


def _spoken_by(people: tuple[Person, ...]) -> type[msgspec.Struct] | None:
    """``_Turn`` where the speakers are known: an id is then looked up as it lies in the text, and no string made of it,
    which is worth a tenth. (Columns gain nothing by it.) None where there are no speakers, or many."""
    known = tuple({person.id for person in people if person.id is not None})
    if not 0 < len(known) <= _FEW:
        return None
    speaker = ("speaker_id", Literal[known] | None)
    return msgspec.defstruct(_Turn.__name__, [speaker], bases=(_Turn,), kw_only=True, gc=False)


_PLAIN = Kind(_Turn, _Older, rows=_TURNS)
_BY_COLUMNS = Kind(_Row, _Older, rows=_COLUMNS)


class _Person(msgspec.Struct):
    id: str | int | None = None
    name: str | None = None
    role: str | None = None


class _Document(msgspec.Struct):
    conversation: str | None = None
    conversation_id: str | None = msgspec.field(default=None, name="conversationId")
    status: str | None = None
    participants: list[_Person | None] | None = None


class _Whole(_Document):
    """A small document in one piece."""

    transcript: list[_Turn] | msgspec.UnsetType | None = msgspec.UNSET
    format: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Media:
    """``{self, conversation, status, downloadUrl, participants[{id, name, role}], transcript[{start_time, end_time,
    text, speaker_id, confidence}]}``; ``status`` absent means completed. Older gateways write camel case."""

    name: Dialect = "media"
    targets: Mapping[Path, tuple[Any, Any]] = {_PATH: (Kind(_Probe, _OlderProbe, rows=_STARTS), _PLAIN)}
    record = None

    def kinds(self, mode: Mode, facts: Facts | None) -> Mapping[Path, Any]:
        if mode.columns:
            return {_PATH: _BY_COLUMNS}
        known = _spoken_by(facts.people) if facts and not _TURNS.native else None
        return {_PATH: Kind(known, _Older, lasting=False) if known else _PLAIN}

    def small(self, mode: Mode) -> Small:
        return _SMALL_COLUMNS if mode.columns else _SMALL

    def survey(self, survey: Survey, batch: Batch) -> None:
        items = batch.items
        starts = items.lists[0] if isinstance(items, Columns) else [turn.start_ms for turn in items]
        if _TURNS.native and isinstance(items[0], _Turn | _Row | _Older):
            # Of batches that were read natively these are in seconds, the others in milliseconds.
            starts = [None if start is None else start * 1000 for start in starts]
        survey.starts(batch, starts)

    def matches(self, survey: Survey) -> bool:
        skeleton = survey.skeleton
        if not isinstance(skeleton, dict) or "format" in skeleton:
            return False
        return "transcript" in skeleton or len(_OURS & skeleton.keys()) > 1

    def ready(self, survey: Survey) -> bool:
        """Whether what stands before the turns is all that they need."""
        return bool(survey.skeleton.get("participants"))

    def facts(self, survey: Survey) -> Facts:
        if not isinstance(survey.skeleton.get("transcript") or [], list):
            raise Unread("transcript is not an array", field="transcript")
        return _facts(read_part(survey.skeleton, _Document))

    def turns(self, batch: Batch, context: Context) -> list[Turn]:
        turns = objects(batch.items)
        if turns and finish is not None and type(turns[0]) is Turn:
            finish.named(turns, batch.first, context.cast.roles, _UNKNOWN, context.communication)
            return turns
        if turns and not isinstance(turns[0], _Turn):
            return [_built(raw, number, batch, context) for number, raw in enumerate(turns)]
        roles, index = context.cast.roles.copy(), batch.first
        if context.communication is not None:
            for turn in turns:
                turn.communication = context.communication
        for turn in turns:
            seconds, until = turn.start_ms, turn.end_ms
            # The usual case inline: whole milliseconds, proved by the division (see ``milliseconds``).
            turn.start_ms = start = floor(seconds * 1000.0 + 0.5)
            turn.end_ms = end = floor(until * 1000.0 + 0.5)
            if start / 1000 != seconds or end / 1000 != until or start > end:
                turn.start_ms, turn.end_ms = _times(seconds, until, index - batch.first)
            try:
                turn.role = roles[turn.speaker_id]
            except KeyError:
                roles[turn.speaker_id] = _UNKNOWN
            turn.index = index
            turn.__class__ = Turn
            index += 1
        return turns

    def columns(self, batch: Batch, context: Context) -> TurnBatch:
        """The batch by columns: times checked here, the rest made where it is asked for."""
        if isinstance(batch.items, Columns):
            return _Native(batch.first, batch.items, context)
        times = None if type(batch.items[0]) is Turn else _columns_of_times(batch.items)
        return _Columns(self, batch, context, times) if times else TurnBatch.of(batch.first, self.turns(batch, context))


def _columns_of_times(items: Sequence[Any]) -> tuple[list[int], list[int]] | None:
    """Starts and ends in milliseconds; None where one of them has to be looked at more closely."""
    if isinstance(items[0], _Older):
        return None
    started = [turn.start_ms * 1000.0 for turn in items]
    ended = [turn.end_ms * 1000.0 for turn in items]
    starts, ends = [floor(one + 0.5) for one in started], [floor(one + 0.5) for one in ended]
    # All together no further from whole milliseconds than a quarter: then no single one is near the half that decides
    # which way a time with more decimals goes.
    near = dist(started, starts) < 0.25 and dist(ended, ends) < 0.25
    return (starts, ends) if near and all(map(le, starts, ends)) else None


class _Native(TurnBatch):
    """Columns that were read as such."""

    def __init__(self, first: int, columns: Columns, context: Context) -> None:
        super().__init__(first, len(columns))
        self._columns, self._context = columns, context
        self.start_ms, self.end_ms, self.text, self.speaker_id, self.confidence = columns.lists

    @cached_property
    def turns(self) -> list[Turn]:
        turns: list[Turn] = self._columns.objects()
        if finish is not None:
            finish.named(turns, self.first, self._context.cast.roles, _UNKNOWN, self._context.communication)
        return turns

    @cached_property
    def role(self) -> list[Role]:
        roles = self._context.cast.roles
        try:
            return [roles[speaker] for speaker in self.speaker_id]  # type: ignore[index] # None is in no dict
        except KeyError:
            return [roles.get(speaker or "", _UNKNOWN) for speaker in self.speaker_id]


class _Columns(TurnBatch):
    """Columns of elements that are not ``Turn``s yet."""

    def __init__(self, shape: Media, batch: Batch, context: Context, times: tuple[list[int], list[int]]) -> None:
        super().__init__(batch.first, len(batch.items))
        self._shape, self._batch, self._context = shape, batch, context
        self.__dict__["start_ms"], self.__dict__["end_ms"] = times

    @cached_property
    def turns(self) -> list[Turn]:
        # The other columns read the elements as they were decoded: they come first.
        _ = self.text, self.role, self.speaker_id, self.confidence
        return self._shape.turns(self._batch, self._context)

    @cached_property
    def text(self) -> list[str]:
        return [turn.text for turn in self._batch.items]

    @cached_property
    def role(self) -> list[Role]:
        roles, items = self._context.cast.roles, self._batch.items
        try:
            return [roles[turn.speaker_id] for turn in items]
        except KeyError:
            return [roles.get(turn.speaker_id, _UNKNOWN) for turn in items]

    @cached_property
    def speaker_id(self) -> list[str | None]:
        return [turn.speaker_id for turn in self._batch.items]

    @cached_property
    def confidence(self) -> list[float | None]:
        return [turn.confidence for turn in self._batch.items]


def _facts(document: _Document) -> Facts:
    people = tuple(
        Person(id=None if person.id is None else str(person.id), purpose=person.role, name=person.name)
        for person in document.participants or ()
        if person is not None
    )
    return Facts(
        dialect="media",
        conversation=document.conversation or document.conversation_id,
        status=document.status or "completed",
        people=people,
        relative=True,
    )


def _built(raw: _Older | _Row, number: int, batch: Batch, context: Context) -> Turn:
    start, end = _times(raw.start_ms, raw.end_ms, number)
    return Turn(
        text=raw.text or "",
        role=context.cast.roles.get(raw.speaker_id or "", _UNKNOWN),
        start_ms=start,
        end_ms=end,
        speaker_id=raw.speaker_id,
        confidence=raw.confidence,
        communication=context.communication,
        index=batch.first + number,
    )


def _times(seconds: float | None, until: float | None, index: int) -> tuple[int | None, int | None]:
    field = "start_time"
    try:
        start = None if seconds is None else milliseconds(seconds)
        field = "end_time"
        end = None if until is None else milliseconds(until)
    except ValueError as wrong:
        raise WrongTurn(index, field, str(wrong)) from None
    if start is not None and end is not None and end < start:
        raise WrongTurn(index, "end_time", "ends before it starts")
    return point(start, end)


def _batches(document: _Whole) -> list[Batch] | None:
    found = document.transcript
    if document.format is not msgspec.UNSET or found is msgspec.UNSET:
        return None
    return [Batch(_PATH, (), 0, -1, found)] if found else []


def _fill(document: _Whole, arrays: list[Any]) -> bool:
    if document.transcript != [] or len(arrays) > 1:
        return False
    document.transcript = arrays[0]
    return True


def _small(rows: Rows) -> Small:
    return Small(
        _Whole,
        b'"transcript"',
        _batches,
        lambda document, _: _facts(document),
        rows=rows,
        key=b'"transcript"',
        fill=_fill,
    )


_SMALL, _SMALL_COLUMNS = _small(_TURNS), _small(_COLUMNS)
