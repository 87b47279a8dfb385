"""The ``media`` dialect: one document with participants and a flat transcript, times in decimal seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from turnkeeper.errors import Unread
from turnkeeper.model import Dialect, Role, Turn
from turnkeeper.transcript.dialects.reading import point, read_part
from turnkeeper.transcript.document import Context, Facts, Person, Survey, WrongTurn
from turnkeeper.transcript.numbers import LONGEST, milliseconds
from turnkeeper.transcript.skeleton import Path
from turnkeeper.transcript.stream import Batch

__all__ = ["Media"]

_FAR = int(LONGEST * 1000)
_OURS = frozenset({"transcript", "participants", "downloadUrl", "status", "conversation"})


class _Probe(msgspec.Struct, gc=False):
    start_time: float | None = None


class _Turn(msgspec.Struct, gc=False):
    start_time: float | None = None
    end_time: float | None = None
    text: str | None = None
    speaker_id: str | None = None
    confidence: float | None = None


class _Person(msgspec.Struct):
    id: str | int | None = None
    name: str | None = None
    role: str | None = None


class _Document(msgspec.Struct):
    conversation: str | None = None
    conversation_id: str | None = msgspec.field(default=None, name="conversationId")
    status: str | None = None
    participants: list[_Person | None] | None = None


class Media:
    """``{self, conversation, status, downloadUrl, participants[{id, name, role}], transcript[{start_time, end_time,
    text, speaker_id, confidence}]}``; ``status`` absent means completed."""

    name: Dialect = "media"
    targets: Mapping[Path, tuple[Any, Any]] = {("transcript",): (_Probe, _Turn)}
    record = None

    def survey(self, survey: Survey, batch: Batch) -> None:
        survey.starts(batch, [turn.start_time for turn in batch.items])

    def matches(self, survey: Survey) -> bool:
        skeleton = survey.skeleton
        if not isinstance(skeleton, dict) or "format" in skeleton:
            return False
        return "transcript" in skeleton or len(_OURS & skeleton.keys()) > 1

    def facts(self, survey: Survey) -> Facts:
        if not isinstance(survey.skeleton.get("transcript") or [], list):
            raise Unread("transcript is not an array", field="transcript")
        document = read_part(survey.skeleton, _Document)
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

    def turns(self, batch: Batch, context: Context) -> list[Turn]:
        roles, communication, index = context.cast.roles, context.communication, batch.first
        unknown: Role = "unknown"
        turns = []
        start: int | None
        end: int | None
        for raw in batch.items:
            # The common case inline: whole milliseconds, checked by the division (see ``milliseconds``).
            try:
                start, end = int(raw.start_time * 1000 + 0.5), int(raw.end_time * 1000 + 0.5)
                usual = start / 1000 == raw.start_time and end / 1000 == raw.end_time and -_FAR <= start <= end <= _FAR
            except (TypeError, OverflowError):
                usual = False
            if not usual:
                start, end = _times(raw, index - batch.first)
            speaker = raw.speaker_id
            turns.append(
                Turn(
                    text=raw.text or "",
                    role=roles.get(speaker, unknown),
                    start_ms=start,
                    end_ms=end,
                    speaker_id=speaker,
                    confidence=raw.confidence,
                    communication=communication,
                    index=index,
                )
            )
            index += 1
        return turns


def _times(raw: _Turn, index: int) -> tuple[int | None, int | None]:
    field = "start_time"
    try:
        start = None if raw.start_time is None else milliseconds(raw.start_time)
        field = "end_time"
        end = None if raw.end_time is None else milliseconds(raw.end_time)
    except ValueError as wrong:
        raise WrongTurn(index, field, str(wrong)) from None
    if start is not None and end is not None and end < start:
        raise WrongTurn(index, "end_time", "ends before it starts")
    return point(start, end)
