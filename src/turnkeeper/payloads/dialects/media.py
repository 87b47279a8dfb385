"""The ``media`` dialect: one document with participants and a flat transcript, times in decimal seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import lt
from typing import Any

import msgspec

from turnkeeper.jsonstream.native import ColumnReader, Columns, Field
from turnkeeper.jsonstream.outline import Path
from turnkeeper.jsonstream.salvage import Flaw
from turnkeeper.jsonstream.stream import Batch, ElementType
from turnkeeper.model import Dialect, Role, Turn
from turnkeeper.payloads.dialect import Context, Defects, DocumentFacts, Mode, Person, Survey
from turnkeeper.payloads.dialects.fields import bounds, fractions, placed, read_part
from turnkeeper.payloads.document import unknown_shape
from turnkeeper.payloads.times import LONGEST, Time, seconds_of
from turnkeeper.payloads.turn_batch import TurnBatch
from turnkeeper.payloads.whole_document import WholeType

__all__ = ["MediaDialect"]

_OURS = frozenset({"transcript", "participants", "downloadUrl", "status", "conversation"})
_OTHERS = ("transcripts", "turns", "utterances", "segments", "messages", "results")
_PATH: Path = ("transcript",)
_UNKNOWN: Role = "unknown"
Name = str | int | None


class _Probe(msgspec.Struct, gc=False):
    """The start of an element, under either name."""

    start_time: Time = None
    start_older: Time = msgspec.field(default=None, name="startTime")

    text: Any = None

    @property
    def start(self) -> Time:
        return self.start_older if self.start_time is None else self.start_time


class _Row(_Probe, gc=False):
    """An element. Older gateways write its names in camel case.

    The ``other_`` fields are names of other formats. They are not read, but mark the turn where its own are missing.
    """

    end_time: Time = None
    end_older: Time = msgspec.field(default=None, name="endTime")
    text: str | None = None
    # A null under the new name means nobody. The older name counts only where the new one is absent.
    speaker_snake: Name | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="speaker_id")
    speaker_older: Name = msgspec.field(default=None, name="speakerId")
    confidence: float | None = None
    other_start: Any = msgspec.field(default=None, name="start")
    other_end: Any = msgspec.field(default=None, name="end")
    other_speaker: Any = msgspec.field(default=None, name="speaker")

    @property
    def end(self) -> Time:
        return self.end_older if self.end_time is None else self.end_time

    @property
    def speaker(self) -> str | None:
        name = self.speaker_older if self.speaker_snake is msgspec.UNSET else self.speaker_snake
        return None if name is None else str(name)


_PLACES = {
    "start_time": "start_ms",
    "startTime": "start_ms",
    "end_time": "end_ms",
    "endTime": "end_ms",
    "text": "text",
    "speaker_id": "speaker_id",
    "speakerId": "speaker_id",
    "confidence": "confidence",
}
FARTHEST = 1e10
"""The largest offset in milliseconds (115 days). A larger one was probably not given in seconds."""
_OTHER_NAMES = {"start_ms": "start", "end_ms": "end", "speaker_id": "speaker"}
_TURNS = ColumnReader(
    Field("start_time", "millis"),
    Field("end_time", "millis"),
    Field("text", "text"),
    Field("speaker_id", "name", nullable=True),
    Field("confidence", "fraction", nullable=True, absent=None),
)
_STARTS = ColumnReader(Field("start_time", "millis"))


class _Person(msgspec.Struct):
    id: Name = None
    name: str | None = None
    role: str | None = None


class _Document(msgspec.Struct):
    conversation: str | None = None
    conversation_id: str | None = msgspec.field(default=None, name="conversationId")
    status: str | None = None
    participants: list[_Person | None] | None = None


class _Whole(_Document):
    """A small document in one piece."""

    transcript: list[_Row] | msgspec.UnsetType | None = msgspec.UNSET
    format: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class MediaDialect:
    """``{self, conversation, status, downloadUrl, participants[{id, name, role}], transcript[{start_time, end_time,
    text, speaker_id, confidence}]}``; ``status`` absent means completed."""

    name: Dialect = "media"
    targets: Mapping[Path, tuple[Any, Any]] = {
        _PATH: (ElementType(_Probe, table=_STARTS), ElementType(_Row, table=_TURNS))
    }
    record = None

    def whole(self, mode: Mode) -> WholeType:  # noqa: ARG002 - there are no words
        return _WHOLE

    def survey(self, survey: Survey, batch: Batch) -> None:
        survey.starts(batch, _batch_starts(batch.items))
        survey.notes["ours"] = survey.notes.get("ours", False) or _is_ours(batch)

    def matches(self, survey: Survey) -> bool:
        skeleton = survey.skeleton
        if not isinstance(skeleton, dict) or "format" in skeleton:
            return False
        if not isinstance(skeleton.get("transcript"), list | None):
            return False
        if "transcript" in skeleton:
            return True
        # Without turns. A document with an array under another shape's name is of that shape.
        others = any(isinstance(skeleton.get(key), list) for key in _OTHERS)
        return not others and len(_OURS & skeleton.keys()) > 1

    def facts(self, survey: Survey) -> DocumentFacts:
        return _facts_of(read_part(survey.skeleton, _Document, exact=survey.exact), survey)

    def turns(self, batch: Batch, context: Context) -> list[Turn]:
        return self.columns(batch, context).turns

    def columns(self, batch: Batch, context: Context) -> TurnBatch:
        """The batch by columns."""
        items = batch.items
        if isinstance(items, Columns) and _all_plain(items):
            start, end, text, speaker, confidence = items.lists
            return TurnBatch(
                batch.first,
                start_ms=start,
                end_ms=end,
                text=text,
                role=_roles_of(speaker, context.cast.roles),
                speaker_id=speaker,
                confidence=confidence,
                communication=context.communication,
                conversation=context.conversation,
            )
        made = _turn_of_columns if isinstance(items, Columns) else _turn_of_row
        turns = [made(one, n, batch.flaws.get(n, ()), batch, context) for n, one in enumerate(items)]
        return TurnBatch.of(batch.first, turns)


def _batch_starts(items: Sequence[Any]) -> list[Any]:
    if isinstance(items, Columns):
        return items.lists[0]
    return [_start_ms(row.start) for row in items]


def _is_ours(batch: Batch) -> bool:
    """Whether some element has a time or a text, or is damaged: other arrays are called transcript, too."""
    if batch.flaws or isinstance(batch.items, Columns):
        return True
    return any(row.start is not None or row.text is not None for row in batch.items)


def _start_ms(value: Time) -> int | None:
    try:
        return seconds_of(value)
    except (ValueError, OverflowError):
        return None


def _all_plain(columns: Columns) -> bool:
    """Whether all times are plausible offsets in order, and all confidences lie between 0 and 1."""
    start, end, _, _, confidence = columns.lists
    if max(start, default=0) > FARTHEST or max(end, default=0) > FARTHEST or any(map(lt, end, start)):
        return False
    return fractions(confidence)


def _roles_of(speakers: list[str | None], known: Mapping[str, Role]) -> list[Role]:
    # The usual case needs no call per turn: a dictionary that has every id, and None for a turn without one.
    roles: dict[str | None, Role] = {None: _UNKNOWN}
    roles.update(known)
    try:
        return [roles[speaker] for speaker in speakers]
    except KeyError:
        return [roles.get(speaker, _UNKNOWN) for speaker in speakers]


def _turn_of_columns(row: Any, number: int, flaws: Sequence[Flaw], batch: Batch, context: Context) -> Turn:  # noqa: ARG001
    start, end, text, speaker, confidence = row
    defects = Defects(number, exact=context.exact)
    return _turn_with((start, end), text, speaker, confidence, defects, batch.first + number, context)


def _turn_of_row(row: _Row, number: int, flaws: Sequence[Flaw], batch: Batch, context: Context) -> Turn:
    defects = Defects(number, exact=context.exact)
    defects.take(flaws, _PLACES)
    if row.text is None and not context.exact:
        defects.note("text", "text", "is missing")
    for name, given, other in (
        ("start_ms", row.start, row.other_start),
        ("end_ms", row.end, row.other_end),
        ("speaker_id", row.speaker, row.other_speaker),
    ):
        if given is None and other is not None:
            defects.note(name, _OTHER_NAMES[name], "stands under a name of another format")
    times = (
        defects.time(seconds_of, row.start, "start_ms", "start_time"),
        defects.time(seconds_of, row.end, "end_ms", "end_time"),
    )
    return _turn_with(times, row.text or "", row.speaker, row.confidence, defects, batch.first + number, context)


def _turn_with(
    times: tuple[int | None, int | None],
    text: str,
    speaker: str | None,
    confidence: float | None,
    defects: Defects,
    index: int,
    context: Context,
) -> Turn:
    longest = FARTHEST if context.facts.relative else LONGEST
    start, end = placed(times[0], context), placed(times[1], context)
    start, end = bounds(start, end, defects, "start_time", "end_time", longest)
    return Turn(
        text=text,
        role=_UNKNOWN if speaker is None else context.cast.roles.get(speaker, _UNKNOWN),
        start_ms=start,
        end_ms=end,
        speaker_id=speaker,
        confidence=defects.confidence(confidence),
        communication=context.communication,
        index=index,
        defects=defects.names,
        conversation=context.conversation,
    )


def _facts_of(document: _Document, survey: Survey) -> DocumentFacts:
    if survey.count and not survey.notes.get("ours"):
        # The array called transcript has neither times nor texts. It may hold the messages of a chat.
        raise unknown_shape(survey.skeleton)
    people = tuple(
        Person(id=None if person.id is None else str(person.id), purpose=person.role, name=person.name)
        for person in document.participants or ()
        if person is not None
    )
    # In a document with offsets, which this dialect writes, larger numbers are not epoch times.
    epochs = survey.earliest is not None and not survey.offset_times
    return DocumentFacts(
        dialect="media",
        conversation=document.conversation or document.conversation_id,
        status=document.status or "completed",
        people=people,
        first_phrase=round(survey.earliest) if epochs and survey.earliest is not None else None,
        last_phrase=round(survey.latest) if epochs and survey.latest is not None else None,
        offset_times=False if epochs else None,
        relative=not epochs,
    )


def _whole_batches(document: _Whole, arrays: list[Any] | None) -> list[Batch] | None:
    found: Any = document.transcript
    if document.format is not msgspec.UNSET or found is msgspec.UNSET:
        return None
    if arrays is not None:
        if found != [] or len(arrays) > 1:
            return None
        found = arrays[0]
    # A document without turns is left to the streamed way, whose skeleton may say why there are none.
    return [Batch(_PATH, (), 0, -1, found)] if found else None


_WHOLE = WholeType(_Whole, b'"transcript"', _whole_batches, _facts_of, _TURNS)
