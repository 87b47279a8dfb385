"""The ``speech`` dialect: the file behind a transcripturl, with several transcripts of phrases (vendor's schema, B3).

Field names are those of the vendor's transcript schema and of what its users found in files. Tolerant on purpose: only
a value of a wrong type, or a phrase that ends before it starts, makes the file unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from turnkeeper.model import Dialect, Role, Turn, Word
from turnkeeper.transcript.dialects.reading import ours, read_part, whole_ms
from turnkeeper.transcript.document import EPOCH, Context, Facts, Leg, Person, Survey, WrongTurn
from turnkeeper.transcript.numbers import LONGEST
from turnkeeper.transcript.skeleton import Path
from turnkeeper.transcript.small import Small
from turnkeeper.transcript.stream import Batch, Brief

__all__ = ["Speech"]

Number = int | float | None
_PATH: Path = ("transcripts", "[]", "phrases")


class _Duration(msgspec.Struct, gc=False):
    milliseconds: Number = None
    total: Number = msgspec.field(default=None, name="totalMilliseconds")


class _Word(msgspec.Struct, gc=False, rename="camel"):
    word: str | None = None
    confidence: float | None = None
    start_time_ms: Number = None
    duration: _Duration | None = None


class _Probe(msgspec.Struct, gc=False):
    start_ms: Number = msgspec.field(default=None, name="startTimeMs")


class _Phrase(msgspec.Struct, rename="camel"):
    phrase_index: int | None = None
    participant_purpose: str | None = None
    text: str | None = None
    decorated_text: str | None = None
    confidence: float | None = None
    start_ms: Number = msgspec.field(default=None, name="startTimeMs")
    duration: _Duration | None = None
    words: list[_Word] | None = None
    decorated_words: list[_Word] | None = None


class _Brief(Turn, frozen=False, kw_only=True, gc=False):  # type: ignore[misc] # a Turn in the making
    """A phrase without its words, which are most of a file, in the places of a ``Turn`` (see ``reading.ours``)."""

    text: str = ""
    duplicate_of: str | None = msgspec.field(default=None, name="decoratedText")
    start_ms: int | None = msgspec.field(default=None, name="startTimeMs")
    end_ms: _Duration | None = msgspec.field(default=None, name="duration")  # type: ignore[assignment]
    channel: str | None = msgspec.field(default=None, name="participantPurpose")
    index: int | None = msgspec.field(default=None, name="phraseIndex")  # type: ignore[assignment]
    role: Role = ours("unknown", "role")
    speaker_id: str | None = ours(None, "speaker_id")
    communication: str | None = ours(None, "communication")
    language: str | None = ours(None, "language")
    sentiment: float | None = ours(None, "sentiment")
    words: tuple[Word, ...] = ours((), "words")


def _timed(phrases: list[Any]) -> bool:
    """Whether every phrase has its own times: where one has not, those of its words are asked."""
    try:
        return None not in [phrase.end_ms.milliseconds for phrase in phrases] and None not in [
            phrase.start_ms for phrase in phrases
        ]
    except AttributeError:
        return False


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


class _FullTranscript(_Transcript, rename="camel"):
    phrases: list[_Phrase] | None = None


class _BriefTranscript(_Transcript, rename="camel"):
    phrases: list[_Brief] | None = None


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


class _Full(_Document, rename="camel"):
    """A small document in one piece. What is ``Raw`` only says by its presence that the document is another shape's."""

    transcripts: list[_FullTranscript | None] | None = None  # type: ignore[assignment] # a narrower list
    transcript: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    download_url: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    status: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    conversation: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    transcription_start_time_ms: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Short(_Full, rename="camel"):
    transcripts: list[_BriefTranscript | None] | None = None  # type: ignore[assignment] # the same without words


class _Part(msgspec.Struct, eq=False):
    """One of ``transcripts[]``: what its phrases need. ``origin`` is the epoch ms that offsets count from."""

    language: str | None
    origin: int | None
    sentiment: Mapping[int, float] = msgspec.field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        # Sentiment stands behind the phrases in every file seen: one pass over a large one does without it.
        return isinstance(other, _Part) and (self.language, self.origin) == (other.language, other.origin)

    __hash__ = None  # type: ignore[assignment]


class Speech:
    """``{conversationId, communicationId, mediaType, conversationStartTime, startTime, participants[],
    transcripts[{language, startTime, phrases[{participantPurpose, text, decoratedText, startTimeMs, duration, words}],
    analytics}]}``. All ``transcripts[]`` are read. ``startTimeMs`` above 1e11 is epoch ms, else an offset from the
    start of its transcript."""

    name: Dialect = "speech"
    targets: Mapping[Path, tuple[Any, Any]] = {_PATH: (_Probe, _Phrase)}
    brief: Mapping[Path, Any] = {_PATH: Brief(_Brief, _Phrase, _timed)}
    record = None

    def small(self, *, words: bool) -> Small:
        return _SMALL if words else _SMALL_BRIEF

    def survey(self, survey: Survey, batch: Batch) -> None:
        survey.starts(batch, [phrase.start_ms for phrase in batch.items], strict=True)

    def matches(self, survey: Survey) -> bool:
        skeleton = survey.skeleton
        if not isinstance(skeleton, dict) or not isinstance(skeleton.get("transcripts"), list | None):
            return False
        if "transcriptionStartTimeMs" in skeleton:
            return False
        return "transcripts" in skeleton or {"conversationId", "communicationId", "participants"} <= skeleton.keys()

    def ready(self, survey: Survey) -> bool:
        """Whether what stands before these phrases is all that they need (but their sentiment)."""
        document = read_part(survey.skeleton, _Document)
        last = (document.transcripts or [None])[-1]
        known = document.communication_id and document.conversation_start_time and document.participants
        return bool(known and last and last.language and last.start_time)

    def facts(self, survey: Survey) -> Facts:
        return _facts(read_part(survey.skeleton, _Document), survey)

    def turns(self, batch: Batch, context: Context) -> list[Turn]:
        facts = context.facts
        part: _Part = facts.private[batch.parents[0]] if batch.parents[0] < len(facts.private) else _Part(None, None)
        shift = (part.origin - context.base) if part.origin is not None else 0
        communication = facts.communication or context.communication
        if _is_brief(batch.items):
            return _mended(batch, context, part, shift, communication)
        return [
            self._turn(phrase, batch.first + number, number, part, context, shift, communication)
            for number, phrase in enumerate(batch.items)
        ]

    def _turn(
        self,
        phrase: _Phrase,
        place: int,
        number: int,
        part: _Part,
        context: Context,
        shift: int,
        communication: str | None,
    ) -> Turn:
        start, end, words = self._times(phrase, number, context.base, shift)
        channel = phrase.participant_purpose.lower() if phrase.participant_purpose else None
        role, speaker = context.voices.speaks(channel, start, end)
        index = place if phrase.phrase_index is None else phrase.phrase_index
        return Turn(
            text=phrase.decorated_text or phrase.text or "",
            role=role,
            start_ms=start,
            end_ms=end,
            speaker_id=speaker,
            confidence=phrase.confidence,
            channel=channel,
            communication=communication,
            language=part.language,
            sentiment=part.sentiment.get(index),
            index=index,
            words=words,
        )

    def _times(
        self, phrase: _Phrase, index: int, base: int, shift: int
    ) -> tuple[int | None, int | None, tuple[Word, ...]]:
        raw = phrase.decorated_words if phrase.decorated_text and phrase.decorated_words else phrase.words
        words = tuple(_word(word, base, shift) for word in raw or ())
        start = _moment(phrase.start_ms, base, shift)
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


def _is_brief(phrases: list[Any]) -> bool:
    return bool(phrases) and isinstance(phrases[0], _Brief)


def _mended(batch: Batch, context: Context, part: _Part, shift: int, communication: str | None) -> list[Turn]:
    """Brief phrases made turns where they lie. Each has its own times: ``_timed`` saw to that."""
    base, language, sentiment, ours = context.base, part.language, part.sentiment, Turn
    voices, far, split = context.voices, int(LONGEST), EPOCH
    place = batch.first
    since, until, answers = voices.stretch(0)
    phrases: list[Any] = batch.items
    for phrase in phrases:
        start: int = phrase.start_ms
        start = start - base if start > split else start + shift
        length = phrase.end_ms.milliseconds
        end = start + (length if length.__class__ is int else round(length))
        if not -far <= start <= end or start > far:
            raise _wrong(place - batch.first, start, far)
        if not since <= start < until:
            since, until, answers = voices.stretch(start)
        known = answers.get(phrase.channel) if end <= until else None
        if known is None:
            channel = phrase.channel.lower() if phrase.channel else None
            known = (*voices.speaks(channel, start, end), channel)
            if end <= until:
                answers[phrase.channel] = known
        phrase.role, phrase.speaker_id, phrase.channel = known
        phrase.start_ms, phrase.end_ms = start, end
        if phrase.duplicate_of is not None:
            phrase.text, phrase.duplicate_of = phrase.duplicate_of or phrase.text, None
        if phrase.index is None:
            phrase.index = place
        if sentiment:
            phrase.sentiment = sentiment.get(phrase.index)
        phrase.communication, phrase.language = communication, language
        phrase.__class__ = ours
        place += 1
    return phrases


def _wrong(index: int, start: int, far: int) -> WrongTurn:
    if abs(start) > far:
        return WrongTurn(index, "startTimeMs", "too far from the conversation's start")
    return WrongTurn(index, "duration.milliseconds", "ends before it starts")


def _facts(document: _Document, survey: Survey) -> Facts:
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


def _batches(document: _Full) -> list[Batch] | None:
    media = (document.transcript, document.download_url, document.status, document.conversation)
    given = [one for one in media if one is not msgspec.UNSET]
    if document.transcript is not msgspec.UNSET or document.transcription_start_time_ms is not msgspec.UNSET:
        return None
    if given or document.transcripts is None:
        return None  # perhaps the media dialect's: let the whole skeleton decide
    if any(not _timed(one.phrases) for one in document.transcripts if one and one.phrases and _is_brief(one.phrases)):
        return None
    arrays = [(place, one.phrases) for place, one in enumerate(document.transcripts) if one and one.phrases]
    return [Batch(_PATH, (place,), 0, -1, phrases) for place, phrases in arrays]


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


_SMALL = Small(_Full, b'"transcripts"', _batches, _facts)
_SMALL_BRIEF = Small(_Short, b'"transcripts"', _batches, _facts)
