"""The ``events`` dialect: live transcription messages, from EventBridge or the notification socket, one or many.

Times are offsets from ``transcriptionStartTimeMs`` (unlike the file, which has epoch times). Utterances of the two
channels overlap and arrive out of order; only final ones count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from turnkeeper.errors import Unread, WrongConversation
from turnkeeper.model import Dialect, Turn, Word
from turnkeeper.transcript.dialect import Context, Facts, Leg, Survey, WrongTurn
from turnkeeper.transcript.dialects.reading import read_part, whole_ms
from turnkeeper.transcript.skeleton import Path
from turnkeeper.transcript.stream import Batch
from turnkeeper.transcript.typed import converted

__all__ = ["Events"]

Number = int | float | None


class _Word(msgspec.Struct, gc=False, rename="camel"):
    word: str | None = None
    confidence: float | None = None
    offset_ms: Number = None
    duration_ms: Number = None


class _Alternative(msgspec.Struct, rename="camel"):
    confidence: float | None = None
    offset_ms: Number = None
    duration_ms: Number = None
    transcript: str | None = None
    decorated_transcript: str | None = None
    words: list[_Word] | None = None
    decorated_words: list[_Word] | None = None


class _Utterance(msgspec.Struct, rename="camel"):
    utterance_id: str | None = None
    is_final: bool | None = None
    channel: str | None = None
    dialect: str | None = None
    alternatives: list[_Alternative] | None = None


class _Message(msgspec.Struct, rename="camel"):
    conversation_id: str | None = None
    communication_id: str | None = None
    session_start_time_ms: Number = None
    transcription_start_time_ms: Number = None
    transcripts: list[_Utterance] | None = None


class _Detail(msgspec.Struct):
    event_body: _Message | None = msgspec.field(default=None, name="eventBody")


class _Event(msgspec.Struct, rename="camel"):
    """Any of the three wrappings: EventBridge (``detail.eventBody``), socket frame (``eventBody``), bare message."""

    detail: _Detail | None = None
    event_body: _Message | None = None
    conversation_id: str | None = None
    communication_id: str | None = None
    session_start_time_ms: Number = None
    transcription_start_time_ms: Number = None
    transcripts: list[_Utterance] | None = None


class Events:
    """``TranscriptionMessage``: JSON lines or one object, bare, as a socket frame or in EventBridge's envelope.

    A turn's index is 1000 times the place of its message plus its place in it: unique, and the same in every pass.
    """

    name: Dialect = "events"
    targets: Mapping[Path, tuple[Any, Any]] = {}
    record = _Event

    def survey(self, survey: Survey, batch: Batch) -> None:
        for event in batch.items:
            message = _message(event)
            if message is None or message.conversation_id is None:
                survey.notes["strange"] = True
                continue
            legs = survey.notes.setdefault(message.conversation_id, {})
            start = _start(message)
            known = legs.get(message.communication_id, (None, None))
            language = known[1] or next((one.dialect for one in message.transcripts or () if one.dialect), None)
            legs[message.communication_id] = (start if known[0] is None else known[0], language)
        # Lines arrive as they were sent, not as they were spoken.
        survey.ordered = False

    def matches(self, survey: Survey) -> bool:
        if survey.records:
            return bool(survey.notes) and not survey.notes.get("strange")
        try:
            message = _message(converted(survey.skeleton, _Event))
        except msgspec.ValidationError:
            return _looks(survey.skeleton)
        return message is not None and message.conversation_id is not None and _looks(survey.skeleton)

    def facts(self, survey: Survey) -> Facts:
        if not survey.records:
            survey.within = [Batch((), (), 0, 0, [read_part(survey.skeleton, _Event)])]
            self.survey(survey, survey.within[0])
        chosen = _choose([key for key in survey.notes if key != "strange"], survey.asked)
        legs = tuple(
            Leg(communication, language.lower() if language else None, start)
            for communication, (start, language) in survey.notes.get(chosen or "", {}).items()
            if communication is not None
        )
        starts = [leg.start for leg in legs if leg.start is not None]
        return Facts(
            dialect="events",
            conversation=chosen,
            communication=legs[0].id if len(legs) == 1 else None,
            media_type="voice",
            legs=legs,
            transcript_start=min(starts, default=None),
            offset_times=True,
            private={},
        )

    def turns(self, batch: Batch, context: Context) -> list[Turn]:
        turns = []
        for index, event in enumerate(batch.items):
            message = _message(event)
            if message is None or message.conversation_id != context.facts.conversation:
                continue
            shift = (_start(message) or context.base) - context.base
            for number, (utterance, said) in enumerate(_final(message)):
                try:
                    turns.append(_turn(message, utterance, said, shift, context, batch.first * 1000 + number))
                except ValueError as wrong:
                    raise WrongTurn(index, "durationMs", str(wrong)) from None
        return turns


def _turn(
    message: _Message, utterance: _Utterance, said: _Alternative, shift: int, context: Context, index: int
) -> Turn:
    raw = said.decorated_words if said.decorated_transcript and said.decorated_words else said.words
    words = tuple(_word(word, shift) for word in raw or ())
    start = _shifted(said.offset_ms, shift)
    length = whole_ms(said.duration_ms)
    end = None if start is None else start + length if length is not None else words[-1].end_ms if words else start
    if start is not None and end is not None and end < start:
        raise ValueError("ends before it starts")
    channel = utterance.channel.lower() if utterance.channel else None
    role, speaker = context.cast.speaks(channel, start, end)
    return Turn(
        text=said.decorated_transcript or said.transcript or "",
        role=role,
        start_ms=start,
        end_ms=end if end is not None else start,
        speaker_id=speaker,
        confidence=said.confidence,
        channel=channel,
        communication=message.communication_id or context.communication,
        language=utterance.dialect.lower() if utterance.dialect else None,
        index=index,
        words=words,
    )


def _final(message: _Message) -> Iterator[tuple[_Utterance, _Alternative]]:
    for utterance in message.transcripts or ():
        # The platform sends one alternative only; of several, the first is the likeliest.
        if utterance.is_final is not False and utterance.alternatives:
            yield utterance, utterance.alternatives[0]


def _word(word: _Word, shift: int) -> Word:
    start = _shifted(word.offset_ms, shift)
    end = None if start is None else start + (whole_ms(word.duration_ms) or 0)
    return Word(word.word or "", start, end, word.confidence)


def _shifted(value: Number, shift: int) -> int | None:
    whole = whole_ms(value)
    return None if whole is None else whole + shift


def _start(message: _Message) -> int | None:
    start = message.transcription_start_time_ms
    return whole_ms(start if start is not None else message.session_start_time_ms)


def _message(event: _Event) -> _Message | None:
    if event.detail is not None:
        return event.detail.event_body
    if event.event_body is not None:
        return event.event_body
    if event.conversation_id is None:
        return None
    return _Message(
        event.conversation_id,
        event.communication_id,
        event.session_start_time_ms,
        event.transcription_start_time_ms,
        event.transcripts,
    )


def _looks(skeleton: object) -> bool:
    """Whether an object has the marks of a transcription message, whatever its fields' types."""
    for _ in range(3):
        if not isinstance(skeleton, dict):
            return False
        if "transcriptionStartTimeMs" in skeleton or {"conversationId", "sessionStartTimeMs"} <= skeleton.keys():
            return True
        skeleton = skeleton["detail"] if "detail" in skeleton else skeleton.get("eventBody")
    return False


def _choose(found: list[str], asked: str | None) -> str | None:
    if asked is not None:
        same = [key for key in found if key.casefold() == asked.casefold()]
        if not same:
            raise WrongConversation(
                f"none of its {len(found)} conversations is the one asked for",
                field="conversationId",
                hint="Ask by the conversation's own id.",
            )
        return same[0]
    if len(found) > 1:
        raise Unread(
            f"the events of {len(found)} conversations in one body",
            field="conversationId",
            hint="Name the conversation to read.",
        )
    return found[0] if found else None
