"""The ``speech`` dialect: the file behind a transcripturl, with several transcripts of phrases (vendor's schema, B3).

Field names are those of the vendor's transcript schema and of what its users found in files. Tolerant on purpose: only
a value of a wrong type, or a phrase that ends before it starts, makes the file unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from turnkeeper.model import Dialect, Turn, Word
from turnkeeper.transcript.dialects.reading import read_part, whole_ms
from turnkeeper.transcript.document import EPOCH, Context, Facts, Leg, Person, Survey, WrongTurn
from turnkeeper.transcript.numbers import LONGEST
from turnkeeper.transcript.skeleton import Path
from turnkeeper.transcript.stream import Batch

__all__ = ["Speech"]

Number = int | float | None


class _Duration(msgspec.Struct, gc=False):
    milliseconds: Number = None
    total: Number = msgspec.field(default=None, name="totalMilliseconds")


class _Word(msgspec.Struct, gc=False, rename="camel"):
    word: str | None = None
    confidence: float | None = None
    start_time_ms: Number = None
    duration: _Duration | None = None


class _Probe(msgspec.Struct, gc=False, rename="camel"):
    start_time_ms: Number = None


class _Phrase(msgspec.Struct, rename="camel"):
    phrase_index: int | None = None
    participant_purpose: str | None = None
    text: str | None = None
    decorated_text: str | None = None
    confidence: float | None = None
    start_time_ms: Number = None
    duration: _Duration | None = None
    words: list[_Word] | None = None
    decorated_words: list[_Word] | None = None


class _Sentiment(msgspec.Struct, rename="camel"):
    phrase_index: int | None = None
    sentiment: float | None = None


class _Analytics(msgspec.Struct):
    sentiment: list[_Sentiment] | None = None


class _Transcript(msgspec.Struct, rename="camel"):
    transcript_id: str | None = None
    language: str | None = None
    start_time: Number = None
    duration: _Duration | None = None
    analytics: _Analytics | None = None


class _Person(msgspec.Struct, rename="camel"):
    participant_purpose: str | None = None
    user_id: str | None = None
    queue_id: str | None = None
    start_time_ms: Number = None
    end_time_ms: Number = None


class _Document(msgspec.Struct, rename="camel"):
    conversation_id: str | None = None
    communication_id: str | None = None
    media_type: str | None = None
    conversation_start_time: Number = None
    start_time: Number = None
    duration: _Duration | None = None
    participants: list[_Person] | None = None
    transcripts: list[_Transcript | None] | None = None


@dataclass(frozen=True)
class _Part:
    """One of ``transcripts[]``: what its phrases need. ``origin`` is the epoch ms that offsets count from."""

    language: str | None
    origin: int | None
    sentiment: Mapping[int, float] = field(default_factory=dict)


class Speech:
    """``{conversationId, communicationId, mediaType, conversationStartTime, startTime, participants[],
    transcripts[{language, startTime, phrases[{participantPurpose, text, decoratedText, startTimeMs, duration, words}],
    analytics}]}``. All ``transcripts[]`` are read. ``startTimeMs`` above 1e11 is epoch ms, else an offset from the
    start of its transcript."""

    name: Dialect = "speech"
    targets: Mapping[Path, tuple[Any, Any]] = {("transcripts", "[]", "phrases"): (_Probe, _Phrase)}
    record = None

    def survey(self, survey: Survey, batch: Batch) -> None:
        survey.starts(batch, [phrase.start_time_ms for phrase in batch.items], strict=True)

    def matches(self, survey: Survey) -> bool:
        skeleton = survey.skeleton
        if not isinstance(skeleton, dict) or not isinstance(skeleton.get("transcripts"), list | None):
            return False
        if "transcriptionStartTimeMs" in skeleton:
            return False
        return "transcripts" in skeleton or {"conversationId", "communicationId", "participants"} <= skeleton.keys()

    def facts(self, survey: Survey) -> Facts:
        document = read_part(survey.skeleton, _Document)
        transcripts = document.transcripts or []
        conversation_start = _epoch(document.conversation_start_time)
        parts = tuple(_part(one or _Transcript(), document) for one in transcripts)
        starts = [start for part in transcripts if part and (start := _epoch(part.start_time)) is not None]
        start = _epoch(document.start_time)
        starts += [] if start is None else [start]
        return Facts(
            dialect="speech",
            conversation=document.conversation_id,
            communication=document.communication_id,
            media_type=_media_type(document.media_type),
            people=tuple(_person(person) for person in document.participants or ()),
            legs=_legs(document, parts),
            conversation_start=conversation_start,
            transcript_start=min(starts, default=None),
            first_phrase=whole_ms(survey.earliest),
            offset_times=survey.offset_times,
            private=parts,
        )

    def turns(self, batch: Batch, context: Context) -> list[Turn]:
        facts = context.facts
        part: _Part = facts.private[batch.parents[0]] if batch.parents[0] < len(facts.private) else _Part(None, None)
        shift = (part.origin - context.base) if part.origin is not None else 0
        turns = []
        for index, phrase in enumerate(batch.items):
            start, end, words = self._times(phrase, index, context.base, shift)
            channel = phrase.participant_purpose.lower() if phrase.participant_purpose else None
            role, speaker = context.cast.speaks(channel, start, end)
            number = batch.first + index if phrase.phrase_index is None else phrase.phrase_index
            turns.append(
                Turn(
                    text=phrase.decorated_text or phrase.text or "",
                    role=role,
                    start_ms=start,
                    end_ms=end,
                    speaker_id=speaker,
                    confidence=phrase.confidence,
                    channel=channel,
                    communication=facts.communication or context.communication,
                    language=part.language,
                    sentiment=part.sentiment.get(number),
                    index=number,
                    words=words,
                )
            )
        return turns

    def _times(
        self, phrase: _Phrase, index: int, base: int, shift: int
    ) -> tuple[int | None, int | None, tuple[Word, ...]]:
        raw = phrase.decorated_words if phrase.decorated_text and phrase.decorated_words else phrase.words
        words = tuple(_word(word, base, shift) for word in raw or ())
        start = _moment(phrase.start_time_ms, base, shift)
        if start is None:
            start = words[0].start_ms if words else None
        if start is None:
            return None, None, words
        if abs(start) > LONGEST:
            raise WrongTurn(index, "startTimeMs", "too far from the conversation's start")
        length = _length(phrase.duration)
        end = start + length if length is not None else (words[-1].end_ms if words else None)
        if end is None:
            end = start
        if end < start:
            raise WrongTurn(index, "duration.milliseconds", "ends before it starts")
        return start, end, words


def _word(word: _Word, base: int, shift: int) -> Word:
    start, length = _moment(word.start_time_ms, base, shift), _length(word.duration)
    end = None if start is None else start + (length or 0)
    return Word(word.word or "", start, end, word.confidence)


def _moment(value: Number, base: int, shift: int) -> int | None:
    if value is None:
        return None
    whole = value if isinstance(value, int) else round(value)
    return whole - base if whole > EPOCH else whole + shift


def _length(duration: _Duration | None) -> int | None:
    if duration is None:
        return None
    return whole_ms(duration.milliseconds if duration.milliseconds is not None else duration.total)


def _epoch(value: Number) -> int | None:
    return whole_ms(value) if value is not None and value > EPOCH else None


def _part(transcript: _Transcript, document: _Document) -> _Part:
    start = next(
        (
            whole_ms(value)
            for value in (transcript.start_time, document.start_time, document.conversation_start_time)
            if value is not None and value > EPOCH
        ),
        None,
    )
    found = (transcript.analytics.sentiment if transcript.analytics else None) or []
    sentiment = {
        one.phrase_index: one.sentiment for one in found if one.phrase_index is not None and one.sentiment is not None
    }
    return _Part(transcript.language, start, sentiment)


def _person(raw: _Person) -> Person:
    return Person(
        purpose=raw.participant_purpose,
        user_id=raw.user_id,
        queue_id=raw.queue_id,
        start=whole_ms(raw.start_time_ms),
        end=whole_ms(raw.end_time_ms),
    )


def _legs(document: _Document, parts: tuple[_Part, ...]) -> tuple[Leg, ...]:
    languages = {part.language for part in parts if part.language}
    # A communication in several languages says so turn by turn.
    language = languages.pop() if len(languages) == 1 else None
    return (Leg(document.communication_id, language, _epoch(document.start_time), _length(document.duration)),)


def _media_type(word: str | None) -> str | None:
    """``voice`` for the vendor's two words for a call (both occur); other words as they are, in lower case."""
    lower = word.lower() if word else None
    return "voice" if lower == "call" else lower
