"""The ``legacy`` dialect: older and home-made forms of a flat list of turns.

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

The speaker's id is also taken for a role where it is a role's word ("agent") and not the id of a participant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from turnkeeper.jsonstream.outline import Path
from turnkeeper.jsonstream.salvage import Flaw, salvage_struct
from turnkeeper.jsonstream.stream import Batch
from turnkeeper.model import Dialect, Role, Turn
from turnkeeper.payloads.dialect import Context, Defects, DocumentFacts, Person, Survey, WrongTurn
from turnkeeper.payloads.dialects.fields import bounds, placed, read_part
from turnkeeper.payloads.times import Time, ms_of, seconds_of
from turnkeeper.speakers import role_of

__all__ = ["LegacyDialect"]

T = TypeVar("T")
Name = str | int | None


class _Turn(msgspec.Struct):
    start_time: Time = None
    start_time_camel: Time = msgspec.field(default=None, name="startTime")
    start: Time = None
    begin: Time = None
    start_ms: Time = None
    start_ms_camel: Time = msgspec.field(default=None, name="startMs")
    start_time_ms: Time = msgspec.field(default=None, name="startTimeMs")
    offset_ms: Time = msgspec.field(default=None, name="offsetMs")
    end_time: Time = None
    end_time_camel: Time = msgspec.field(default=None, name="endTime")
    end: Time = None
    end_ms: Time = None
    end_ms_camel: Time = msgspec.field(default=None, name="endMs")
    end_time_ms: Time = msgspec.field(default=None, name="endTimeMs")
    duration: Time = None
    duration_ms: Time = msgspec.field(default=None, name="durationMs")
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
        return _first_given(self.text, self.transcript, self.content, self.utterance, self.message, self.body)

    def begins(self, defects: Defects) -> int | None:
        ms = _first_given(self.start_ms, self.start_ms_camel, self.start_time_ms, self.offset_ms)
        seconds = _first_given(self.start_time, self.start_time_camel, self.start, self.begin)
        return _time_of(ms, seconds, defects, "start_ms", "start")

    def ends(self, start: int | None, defects: Defects) -> int | None:
        ms = _first_given(self.end_ms, self.end_ms_camel, self.end_time_ms)
        seconds = _first_given(self.end_time, self.end_time_camel, self.end)
        end = _time_of(ms, seconds, defects, "end_ms", "end")
        if end is not None or start is None:
            return end
        length = _time_of(self.duration_ms, self.duration, defects, "end_ms", "duration")
        return None if length is None else start + length

    def who(self) -> str | None:
        name = _first_given(
            self.speaker_id, self.speaker_id_camel, self.speaker, self.participant_id, self.participant, self.channel
        )
        return None if name is None else str(name)

    def part(self) -> str | None:
        return _first_given(self.role, self.speaker_role, self.participant_purpose, self.purpose)


_DECODER = msgspec.json.Decoder(_Turn)
_PLACES: tuple[Path, ...] = ((), ("turns",), ("utterances",), ("segments",), ("messages",), ("results",))
_TEXTS = frozenset({"text", "transcript", "content", "utterance", "message", "body"})
LOOKED_AT = 50
_GROUPS = {
    "start_ms": ("start_time", "startTime", "start", "begin", "start_ms", "startMs", "startTimeMs", "offsetMs"),
    "end_ms": ("end_time", "endTime", "end", "end_ms", "endMs", "endTimeMs", "duration", "durationMs"),
    "text": tuple(_TEXTS),
    "speaker_id": ("speaker_id", "speakerId", "speaker", "participantId", "participant", "channel"),
    "role": ("role", "speakerRole", "participantPurpose", "purpose"),
    "confidence": ("confidence", "score"),
}
_MEANING = {key: name for name, keys in _GROUPS.items() for key in keys}


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


class LegacyDialect:
    """A flat list of turns under one of a few keys (see the table in this module)."""

    name: Dialect = "legacy"
    # Raw, because any document may have an array of anything under one of these names.
    targets: Mapping[Path, tuple[Any, Any]] = dict.fromkeys(_PLACES, (msgspec.Raw, msgspec.Raw))
    record = None

    def survey(self, survey: Survey, batch: Batch) -> None:
        chosen = survey.notes.setdefault("path", batch.path)
        if chosen == batch.path:
            if batch.first == 0:
                survey.notes["turns"] = any(map(_is_turn, batch.items[:LOOKED_AT]))
            survey.starts(batch, [_survey_start(raw) for raw in batch.items])

    def matches(self, survey: Survey) -> bool:
        if survey.records:
            return False
        if "turns" in survey.notes:
            return bool(survey.notes["turns"])
        skeleton = survey.skeleton
        lists = [skeleton] + (
            [skeleton.get(path[0]) for path in self.targets if path] if isinstance(skeleton, dict) else []
        )
        return any(one == [] for one in lists)

    def facts(self, survey: Survey) -> DocumentFacts:
        document = (
            _Document()
            if isinstance(survey.skeleton, list)
            else read_part(survey.skeleton, _Document, exact=survey.exact)
        )
        # In a document with offsets, a few large numbers are not epoch times but another kind of number.
        epochs = survey.earliest is not None and not survey.offset_times
        return DocumentFacts(
            dialect="legacy",
            conversation=document.conversation or document.conversation_id,
            status=document.status or "completed",
            people=tuple(_person_of(person) for person in document.participants or ()),
            first_phrase=round(survey.earliest) if epochs and survey.earliest is not None else None,
            last_phrase=round(survey.latest) if epochs and survey.latest is not None else None,
            offset_times=survey.offset_times,
            relative=not epochs,
            private=survey.notes.get("path"),
        )

    def turns(self, batch: Batch, context: Context) -> list[Turn]:
        if batch.path != context.facts.private:
            return []
        return [_turn_of(raw, batch, index, context) for index, raw in enumerate(batch.items)]


def _turn_of(data: msgspec.Raw, batch: Batch, index: int, context: Context) -> Turn:
    defects = Defects(index, exact=context.exact)
    raw = _decoded_element(data, index, defects, exact=context.exact)
    start = placed(raw.begins(defects), context)
    end = placed(raw.ends(start, defects), context)
    start, end = bounds(start, end, defects, "start", "end")
    text = raw.said()
    if text is None and not context.exact:
        defects.note("text", "text", "is missing")
    speaker = raw.who()
    return Turn(
        text=text or "",
        role=_role_of_turn(raw, speaker, context.cast.roles),
        start_ms=start,
        end_ms=end,
        speaker_id=speaker,
        confidence=defects.confidence(_first_given(raw.confidence, raw.score)),
        communication=context.communication,
        index=batch.first + index,
        defects=defects.names,
        conversation=context.conversation,
    )


def _decoded_element(data: msgspec.Raw, index: int, defects: Defects, *, exact: bool) -> _Turn:
    try:
        # The decoder skips fields that the type does not have, so a damaged key would pass for one of them.
        str(data, "utf-8")
        return _DECODER.decode(data)
    except msgspec.ValidationError as cause:
        if exact:
            said, _, path = str(cause).replace("`", "").partition(" - at $")
            raise WrongTurn(index, path.lstrip("."), said.replace("Expected", "expected")) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as cause:
        raise WrongTurn(index, "", "not JSON" if isinstance(cause, msgspec.DecodeError) else "not UTF-8") from None
    flaws: list[Flaw] = []
    raw = salvage_struct(msgspec.json.decode(data), _Turn, flaws)
    defects.take(flaws, _MEANING)
    return raw


def _is_turn(data: msgspec.Raw) -> bool:
    """Whether an element has a text: arrays of other things have these names, too."""
    try:
        element = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(element, dict) and any(isinstance(element.get(key), str) for key in _TEXTS)


def _role_of_turn(raw: _Turn, speaker: str | None, known: Mapping[str, Role]) -> Role:
    if speaker is not None and speaker in known:
        return known[speaker]
    return role_of(raw.part() or speaker)


def _person_of(raw: _Person) -> Person:
    key = _first_given(raw.id, raw.participant_id)
    return Person(
        id=None if key is None else str(key),
        purpose=_first_given(raw.purpose, raw.participant_purpose, raw.role),
        name=raw.name,
        user_id=raw.user_id,
    )


def _survey_start(data: msgspec.Raw) -> int | None:
    try:
        return _DECODER.decode(data).begins(Defects(0))
    except (ValueError, RecursionError):
        return None  # the pass over the turns reports what is wrong


def _time_of(ms: Any, seconds: Any, defects: Defects, name: str, field: str) -> int | None:
    """Milliseconds of a time given in milliseconds, else of one given in seconds."""
    if ms is not None:
        return defects.time(ms_of, ms, name, field)
    return defects.time(seconds_of, seconds, name, field)


def _first_given(*values: T | None) -> T | None:
    return next((value for value in values if value is not None), None)
