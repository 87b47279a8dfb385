"""The ``media`` dialect: one document with participants and a flat transcript, times in decimal seconds.

The fast way of this package: an element is decoded straight into the places of a ``Turn``, the two times are turned
into milliseconds where they lie, and the object becomes a ``Turn`` by changing its class. Nothing is built twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from math import floor
from operator import le
from typing import Any

import msgspec

from turnkeeper.errors import Unread
from turnkeeper.model import Dialect, Role, Turn, Word
from turnkeeper.transcript.columns import TurnBatch
from turnkeeper.transcript.dialects.reading import ours, point, read_part
from turnkeeper.transcript.document import Context, Facts, Person, Survey, WrongTurn
from turnkeeper.transcript.numbers import LONGEST, milliseconds
from turnkeeper.transcript.skeleton import Path
from turnkeeper.transcript.small import Small
from turnkeeper.transcript.stream import Batch, Brief

__all__ = ["Media"]

_FAR = int(LONGEST * 1000)
_OURS = frozenset({"transcript", "participants", "downloadUrl", "status", "conversation"})
_PATH: Path = ("transcript",)
_UNKNOWN: Role = "unknown"


class _Turn(Turn, frozen=False, kw_only=True, gc=False):  # type: ignore[misc] # a Turn in the making
    """An element with the very fields of ``Turn``, in other clothes: its times hold seconds until they are mended."""

    text: str = ""
    role: Role = ours(_UNKNOWN, "role")
    start_ms: float | None = msgspec.field(default=None, name="start_time")  # type: ignore[assignment]
    end_ms: float | None = msgspec.field(default=None, name="end_time")  # type: ignore[assignment]
    channel: str | None = ours(None, "channel")
    communication: str | None = ours(None, "communication")
    language: str | None = ours(None, "language")
    sentiment: float | None = ours(None, "sentiment")
    duplicate_of: str | None = ours(None, "duplicate_of")
    index: int = ours(0, "index")
    words: tuple[Word, ...] = ours((), "words")


class _Row(msgspec.Struct, gc=False):
    """The same for columns, where no ``Turn`` is to come of it: half the size."""

    start_ms: float | None = msgspec.field(default=None, name="start_time")
    end_ms: float | None = msgspec.field(default=None, name="end_time")
    text: str = ""
    speaker_id: str | None = None
    confidence: float | None = None


class _Older(msgspec.Struct, gc=False):
    """The same in the camel case of older gateways, which mean the same fields."""

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
    start_ms: float | None = msgspec.field(default=None, name="start_time")


class _OlderProbe(msgspec.Struct, gc=False):
    start_time: float | None = None
    start_older: float | None = msgspec.field(default=None, name="startTime")

    @property
    def start_ms(self) -> float | None:
        return self.start_older if self.start_time is None else self.start_time


def _timed(items: list[Any]) -> bool:
    """Whether a batch is in today's spelling. Digital text without times is read again too; it is short."""
    return not items or (items[0].start_ms is not None and items[-1].start_ms is not None)


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
    targets: Mapping[Path, tuple[Any, Any]] = {
        _PATH: (Brief(_Probe, _OlderProbe, _timed), Brief(_Turn, _Older, _timed))
    }
    rows: Mapping[Path, Any] = {_PATH: Brief(_Row, _Older, _timed)}
    record = None

    def small(self, *, words: bool) -> Small:  # noqa: ARG002 - there are none, or they are part of a turn
        return _SMALL

    def survey(self, survey: Survey, batch: Batch) -> None:
        survey.starts(batch, [turn.start_ms for turn in batch.items])

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
        turns: list[Any] = batch.items
        if turns and not isinstance(turns[0], _Turn):
            return [_built(raw, number, batch, context) for number, raw in enumerate(turns)]
        roles, index = context.cast.roles.copy(), batch.first
        if context.communication is not None:
            for turn in turns:
                turn.communication = context.communication
        whole, kind = floor, Turn
        for turn in turns:
            seconds, until = turn.start_ms, turn.end_ms
            # The usual case inline: whole milliseconds, proved by the division (see ``milliseconds``).
            try:
                turn.start_ms = start = whole(seconds * 1000 + 0.5)
                turn.end_ms = end = whole(until * 1000 + 0.5)
                if start / 1000 != seconds or end / 1000 != until or not 0 <= start <= end <= _FAR:
                    raise ValueError
            except (TypeError, ValueError, OverflowError):
                turn.start_ms, turn.end_ms = _times(seconds, until, index - batch.first)
            try:
                turn.role = roles[turn.speaker_id]
            except KeyError:
                roles[turn.speaker_id] = _UNKNOWN
            turn.index = index
            turn.__class__ = kind
            index += 1
        return turns

    def columns(self, batch: Batch, context: Context) -> TurnBatch:
        """The batch by columns: checked here, built where they are asked for."""
        if batch.items and isinstance(batch.items[0], _Older):
            return TurnBatch.of(batch.first, self.turns(batch, context))
        try:
            return _Columns(self, batch, context)
        except (TypeError, ValueError, OverflowError):
            return TurnBatch.of(batch.first, self.turns(batch, context))


class _Columns(TurnBatch):
    """Columns of elements that are not ``Turn``s yet. Raises ``ValueError`` and its kin for times that are unusual."""

    def __init__(self, shape: Media, batch: Batch, context: Context) -> None:
        super().__init__(batch.first, len(batch.items))
        self._made = shape, batch, context
        items, whole = batch.items, floor
        seconds, until = [turn.start_ms for turn in items], [turn.end_ms for turn in items]
        starts, ends = [whole(one * 1000 + 0.5) for one in seconds], [whole(one * 1000 + 0.5) for one in until]
        exact = [ms / 1000 for ms in starts] == seconds and [ms / 1000 for ms in ends] == until
        if not (exact and min(starts, default=0) >= 0 and max(ends, default=0) <= _FAR and all(map(le, starts, ends))):
            raise ValueError
        self.__dict__ |= {"start_ms": starts, "end_ms": ends}

    @cached_property
    def turns(self) -> list[Turn]:
        shape, batch, context = self._made
        # The other columns read the elements as they were decoded: they come first.
        _ = self.text, self.role, self.speaker_id, self.confidence
        return shape.turns(batch, context)

    @cached_property
    def text(self) -> list[str]:
        return [turn.text for turn in self._made[1].items]

    @cached_property
    def role(self) -> list[Role]:
        roles, items = self._made[2].cast.roles, self._made[1].items
        try:
            return [roles[turn.speaker_id] for turn in items]
        except KeyError:
            return [roles.get(turn.speaker_id, _UNKNOWN) for turn in items]

    @cached_property
    def speaker_id(self) -> list[str | None]:
        return [turn.speaker_id for turn in self._made[1].items]

    @cached_property
    def confidence(self) -> list[float | None]:
        return [turn.confidence for turn in self._made[1].items]


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
    if document.format is not msgspec.UNSET or found is msgspec.UNSET or (found and not _timed(found)):
        return None
    return [Batch(_PATH, (), 0, -1, found)] if found else []


_SMALL = Small(_Whole, b'"transcript"', _batches, lambda document, _: _facts(document))
