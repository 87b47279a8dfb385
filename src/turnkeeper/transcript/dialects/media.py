"""The ``media`` dialect: one document with participants and a flat transcript, times in decimal seconds.

The fast way of this package: an element is decoded straight into the places of a ``Turn``, the two times are turned
into milliseconds where they lie, and the object becomes a ``Turn`` by changing its class. Nothing is built twice. What
is not of the usual form (a key missing or in camel case, no time, a time beyond all bounds) is read as ``_Older``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import floor
from typing import Annotated, Any

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
    defects: tuple[str, ...] = ours((), "defects")
    conversation: str | None = ours(None, "conversation")


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
    "defects": (),
    "conversation": None,
}
_TURNS = Rows(Turn, _FIELDS, _REST, rising=(0, 1))
_COLUMNS = Rows(Turn, _FIELDS, _REST, rising=(0, 1), columns=True)
_STARTS = Rows(_Probe, (Field("start_time", "start_ms", "fraction"),))


_PLAIN = Kind(_Turn, _Older, rows=_TURNS)
_BY_COLUMNS = Kind(_Turn, _Older, rows=_COLUMNS)


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

    def kinds(self, mode: Mode, facts: Facts | None) -> Mapping[Path, Any]:  # noqa: ARG002 - whatever the file says
        return {_PATH: _BY_COLUMNS if mode.columns else _PLAIN}

    def small(self, mode: Mode) -> Small:
        return _SMALL_COLUMNS if mode.columns else _SMALL

    def survey(self, survey: Survey, batch: Batch) -> None:
        survey.starts(batch, _starts(batch.items))

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
        """The batch by columns."""
        if isinstance(batch.items, Columns):
            return _Columns(batch.first, batch.items, context)
        return TurnBatch.of(batch.first, self.turns(batch, context))


def _starts(items: Sequence[Any]) -> list[Any]:
    """Start times to be compared: where some turns of a document are read natively, all are in milliseconds."""
    if isinstance(items, Columns):
        return items.lists[0]
    starts = [turn.start_ms for turn in items]
    if isinstance(items[0], _Turn | _Older):
        return [None if start is None else start * 1000 for start in starts]
    return starts


class _Columns(TurnBatch):
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
        # Who is not known by an id is known by none.
        roles: dict[str | None, Role] = {None: _UNKNOWN}
        roles.update(self._context.cast.roles)
        try:
            return [roles[speaker] for speaker in self.speaker_id]
        except KeyError:
            return [roles.get(speaker, _UNKNOWN) for speaker in self.speaker_id]


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


def _built(raw: _Older, number: int, batch: Batch, context: Context) -> Turn:
    start, end = _times(raw.start_ms, raw.end_ms, number)
    return Turn(
        text=raw.text or "",
        role=_UNKNOWN if raw.speaker_id is None else context.cast.roles.get(raw.speaker_id, _UNKNOWN),
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
