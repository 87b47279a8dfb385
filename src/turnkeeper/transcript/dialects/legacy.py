"""The ``legacy`` dialect: older and home-made shapes of a flat list of turns.

| where the turns stand | as |
| --- | --- |
| the document itself | a bare array |
| `turns`, `utterances`, `segments`, `messages`, `results` | an array under that key |

| meaning | keys read, the first that is there |
| --- | --- |
| start, decimal seconds | `start_time`, `startTime`, `start`, `begin` |
| start, milliseconds | `start_ms`, `startMs`, `startTimeMs`, `offsetMs` |
| end, decimal seconds | `end_time`, `endTime`, `end` |
| end, milliseconds | `end_ms`, `endMs`, `endTimeMs` |
| length | `duration` (seconds), `durationMs` |
| text | `text`, `transcript`, `content`, `utterance`, `message`, `body` |
| speaker | `speaker_id`, `speakerId`, `speaker`, `participantId`, `participant`, `channel` |
| role | `role`, `speakerRole`, `participantPurpose`, `purpose` |
| confidence | `confidence`, `score` |

The speaker's id is itself taken as a role word where it is one ("agent") and no participant bears it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from turnkeeper.model import Dialect, Role, Turn
from turnkeeper.transcript.dialect import EPOCH, Context, Facts, Person, Survey, WrongTurn
from turnkeeper.transcript.dialects.reading import point, read_part
from turnkeeper.transcript.numbers import milliseconds
from turnkeeper.transcript.roles import role_of
from turnkeeper.transcript.skeleton import Path
from turnkeeper.transcript.stream import Batch

__all__ = ["Legacy"]

T = TypeVar("T")
Number = int | float | None
Name = str | int | None


class _Turn(msgspec.Struct):
    start_time: Number = None
    start_time_camel: Number = msgspec.field(default=None, name="startTime")
    start: Number = None
    begin: Number = None
    start_ms: Number = None
    start_ms_camel: Number = msgspec.field(default=None, name="startMs")
    start_time_ms: Number = msgspec.field(default=None, name="startTimeMs")
    offset_ms: Number = msgspec.field(default=None, name="offsetMs")
    end_time: Number = None
    end_time_camel: Number = msgspec.field(default=None, name="endTime")
    end: Number = None
    end_ms: Number = None
    end_ms_camel: Number = msgspec.field(default=None, name="endMs")
    end_time_ms: Number = msgspec.field(default=None, name="endTimeMs")
    duration: Number = None
    duration_ms: Number = msgspec.field(default=None, name="durationMs")
    text: str | None = None
    transcript: str | None = None
    content: str | None = None
    utterance: str | None = None
    message: str | None = None
    body: str | None = None
    speaker_id: Name = None
    speaker_id_camel: Name = msgspec.field(default=None, name="speakerId")
    speaker: Name = None
    participant_id: Name = msgspec.field(default=None, name="participantId")
    participant: Name = None
    channel: Name = None
    role: str | None = None
    speaker_role: str | None = msgspec.field(default=None, name="speakerRole")
    participant_purpose: str | None = msgspec.field(default=None, name="participantPurpose")
    purpose: str | None = None
    confidence: float | None = None
    score: float | None = None

    def said(self) -> str | None:
        return _first(self.text, self.transcript, self.content, self.utterance, self.message, self.body)

    def begins(self) -> int | None:
        seconds = _first(self.start_time, self.start_time_camel, self.start, self.begin)
        return _ms(seconds, _first(self.start_ms, self.start_ms_camel, self.start_time_ms, self.offset_ms))

    def ends(self) -> int | None:
        end = _ms(
            _first(self.end_time, self.end_time_camel, self.end),
            _first(self.end_ms, self.end_ms_camel, self.end_time_ms),
        )
        start, length = self.begins(), _ms(self.duration, self.duration_ms)
        return start + length if end is None and start is not None and length is not None else end

    def who(self) -> str | None:
        name = _first(
            self.speaker_id, self.speaker_id_camel, self.speaker, self.participant_id, self.participant, self.channel
        )
        return None if name is None else str(name)

    def part(self) -> str | None:
        return _first(self.role, self.speaker_role, self.participant_purpose, self.purpose)


_DECODER = msgspec.json.Decoder(_Turn)
_PLACES: tuple[Path, ...] = ((), ("turns",), ("utterances",), ("segments",), ("messages",), ("results",))
_TEXTS = frozenset({"text", "transcript", "content", "utterance", "message", "body"})


class _Person(msgspec.Struct):
    id: Name = None
    participant_id: Name = msgspec.field(default=None, name="participantId")
    name: str | None = None
    role: str | None = None
    purpose: str | None = None
    participant_purpose: str | None = msgspec.field(default=None, name="participantPurpose")
    user_id: str | None = msgspec.field(default=None, name="userId")


class _Document(msgspec.Struct):
    conversation: str | None = None
    conversation_id: str | None = msgspec.field(default=None, name="conversationId")
    status: str | None = None
    participants: list[_Person] | None = None


class Legacy:
    """A flat list of turns under one of a few keys (see the table in this module)."""

    name: Dialect = "legacy"
    # Raw: any document may have an array under one of these names, and must not be refused for what is in it.
    targets: Mapping[Path, tuple[Any, Any]] = dict.fromkeys(_PLACES, (msgspec.Raw, msgspec.Raw))
    record = None

    def survey(self, survey: Survey, batch: Batch) -> None:
        chosen = survey.notes.setdefault("path", batch.path)
        if batch.first == 0 and chosen == batch.path:
            survey.notes["keys"] = _keys(batch.items[0])
        if chosen == batch.path:
            survey.starts(batch, [_survey_start(raw) for raw in batch.items])

    def matches(self, survey: Survey) -> bool:
        if survey.records:
            return False
        if "keys" in survey.notes:
            return bool(_TEXTS & survey.notes["keys"])
        skeleton = survey.skeleton
        lists = [skeleton] + (
            [skeleton.get(path[0]) for path in self.targets if path] if isinstance(skeleton, dict) else []
        )
        return any(one == [] for one in lists)

    def facts(self, survey: Survey) -> Facts:
        document = _Document() if isinstance(survey.skeleton, list) else read_part(survey.skeleton, _Document)
        return Facts(
            dialect="legacy",
            conversation=document.conversation or document.conversation_id,
            status=document.status or "completed",
            people=tuple(_person(person) for person in document.participants or ()),
            first_phrase=None if survey.earliest is None else round(survey.earliest),
            offset_times=survey.offset_times,
            relative=survey.earliest is None,
            private=survey.notes.get("path"),
        )

    def turns(self, batch: Batch, context: Context) -> list[Turn]:
        if batch.path != context.facts.private:
            return []
        return [_turn(raw, batch, index, context) for index, raw in enumerate(batch.items)]


def _turn(data: msgspec.Raw, batch: Batch, index: int, context: Context) -> Turn:
    try:
        raw = _DECODER.decode(data)
        start, end = point(raw.begins(), raw.ends())
    except msgspec.ValidationError as cause:
        said, _, path = str(cause).replace("`", "").partition(" - at $")
        raise WrongTurn(index, path.lstrip("."), said.replace("Expected", "expected")) from None
    except ValueError as wrong:
        raise WrongTurn(index, "start", str(wrong)) from None
    if start is not None and end is not None and end < start:
        raise WrongTurn(index, "end", "ends before it starts")
    if context.facts.first_phrase is not None and start is not None and end is not None:
        start, end = start - context.base, end - context.base
    speaker = raw.who()
    return Turn(
        text=raw.said() or "",
        role=_role(raw, speaker, context.cast.roles),
        start_ms=start,
        end_ms=end,
        speaker_id=speaker,
        confidence=_first(raw.confidence, raw.score),
        communication=context.communication,
        index=batch.first + index,
    )


def _keys(data: msgspec.Raw) -> set[str]:
    try:
        return set(msgspec.json.decode(data, type=dict[str, msgspec.Raw]))
    except msgspec.ValidationError:
        return set()


def _role(raw: _Turn, speaker: str | None, known: Mapping[str, Role]) -> Role:
    if speaker is not None and speaker in known:
        return known[speaker]
    return role_of(raw.part() or speaker)


def _person(raw: _Person) -> Person:
    key = _first(raw.id, raw.participant_id)
    return Person(
        id=None if key is None else str(key),
        purpose=_first(raw.purpose, raw.participant_purpose, raw.role),
        name=raw.name,
        user_id=raw.user_id,
    )


def _survey_start(data: msgspec.Raw) -> float | None:
    try:
        return _DECODER.decode(data).begins()
    except ValueError:
        return None  # the pass over the turns will say what is wrong


def _ms(seconds: Number, ms: Number) -> int | None:
    """Milliseconds from either; a number of "seconds" past ``EPOCH`` is epoch milliseconds under a careless name."""
    if ms is not None:
        return round(ms)
    if seconds is None:
        return None
    return round(seconds) if seconds > EPOCH else milliseconds(seconds)


def _first(*values: T | None) -> T | None:
    return next((value for value in values if value is not None), None)
