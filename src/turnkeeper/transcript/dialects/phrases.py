"""The phrases of the ``speech`` dialect: their types, and turns of them.

A file's words are most of its bytes. Without them a phrase with its own times is decoded straight into the places of a
``Turn`` (``Brief``) and mended where it lies; with words, or where a time has to be sought, as ``Phrase``.
"""

from __future__ import annotations

from functools import cached_property
from operator import add
from typing import Any

import msgspec

from turnkeeper.model import Role, Turn, Word
from turnkeeper.transcript.columns import TurnBatch
from turnkeeper.transcript.dialect import EPOCH, Context, WrongTurn
from turnkeeper.transcript.dialects.reading import finish, ours, whole_ms
from turnkeeper.transcript.numbers import LONGEST
from turnkeeper.transcript.rows import Columns, Field, Rows, objects
from turnkeeper.transcript.stream import Batch
from turnkeeper.transcript.voices import Answer

__all__ = [
    "BY_COLUMNS",
    "STARTS",
    "TURNS",
    "WORDS",
    "Brief",
    "Duration",
    "Number",
    "Part",
    "Phrase",
    "Probe",
    "columns_of",
    "length_of",
    "turns_of",
]

Number = int | float | None
_FAR = int(LONGEST)
_EPOCH = int(EPOCH)
_FOREVER = 1 << 62
WORDS = ("words", "decoratedWords")


class Duration(msgspec.Struct, gc=False):
    """A length, under either of two names."""

    milliseconds: Number = None
    total: Number = msgspec.field(default=None, name="totalMilliseconds")


class _Word(msgspec.Struct, gc=False, rename="camel"):
    word: str | None = None
    confidence: float | None = None
    start_time_ms: Number = None
    duration: Duration | None = None


class Probe(msgspec.Struct, gc=False):
    """What a first look wants of a phrase."""

    start_ms: Number = msgspec.field(default=None, name="startTimeMs")


class Phrase(msgspec.Struct, rename="camel"):
    """A phrase with everything; anything may be missing."""

    phrase_index: int | None = None
    participant_purpose: str | None = None
    text: str | None = None
    decorated_text: str | None = None
    confidence: float | None = None
    start_ms: Number = msgspec.field(default=None, name="startTimeMs")
    duration: Duration | None = None
    words: list[_Word] | None = None
    decorated_words: list[_Word] | None = None


class _Length(msgspec.Struct, gc=False):
    milliseconds: int


class Brief(Turn, frozen=False, kw_only=True, gc=False):  # type: ignore[misc] # a Turn in the making
    """A phrase without its words but with its own times, in the places of a ``Turn`` (see ``reading.ours``)."""

    text: str = ""
    duplicate_of: str | None = msgspec.field(default=None, name="decoratedText")
    start_ms: int = msgspec.field(name="startTimeMs")
    end_ms: _Length = msgspec.field(name="duration")  # type: ignore[assignment]
    channel: str | None = msgspec.field(default=None, name="participantPurpose")
    index: int | None = msgspec.field(default=None, name="phraseIndex")  # type: ignore[assignment]
    role: Role = ours("unknown", "role")
    speaker_id: str | None = ours(None, "speaker_id")
    communication: str | None = ours(None, "communication")
    language: str | None = ours(None, "language")
    sentiment: float | None = ours(None, "sentiment")
    words: tuple[Word, ...] = ours((), "words")
    defects: tuple[str, ...] = ours((), "defects")
    conversation: str | None = ours(None, "conversation")


# Read natively, a phrase is a ``Turn`` whose end is still a length, its text in two places, its speaker to be found.
_FIELDS = (
    Field("startTimeMs", "start_ms", "whole"),
    Field("duration", "end_ms", "length", inner="milliseconds"),
    Field("text", "text", "text", absent=""),
    Field("decoratedText", "duplicate_of", "text", nullable=True, absent=None),
    Field("participantPurpose", "channel", "name", nullable=True, absent=None),
    Field("confidence", "confidence", "fraction", nullable=True, absent=None),
    Field("phraseIndex", "index", "whole", nullable=True, absent=None),
)
_REST = {
    "role": "unknown",
    "speaker_id": None,
    "communication": None,
    "language": None,
    "sentiment": None,
    "words": (),
    "defects": (),
    "conversation": None,
}
TURNS = Rows(Turn, _FIELDS, _REST, unread=WORDS)
BY_COLUMNS = Rows(Turn, _FIELDS, _REST, unread=WORDS, columns=True)
STARTS = Rows(Probe, (Field("startTimeMs", "start_ms", "whole", nullable=True, absent=None),), unread=WORDS)


class Part(msgspec.Struct, eq=False):
    """One of ``transcripts[]``: what its phrases need. ``origin`` is the epoch ms that offsets count from."""

    language: str | None = None
    origin: int | None = None
    sentiment: dict[int, float] = msgspec.field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        # Sentiment stands behind the phrases in every file seen: one pass over a large one does without it.
        return isinstance(other, Part) and (self.language, self.origin) == (other.language, other.origin)

    __hash__ = None  # type: ignore[assignment]


def turns_of(batch: Batch, part: Part, context: Context) -> list[Turn]:
    """The turns of some phrases, of either type. Raises ``WrongTurn``."""
    phrases = objects(batch.items)
    if type(phrases[0]) is Turn:
        return _finished(phrases, batch, part, context)
    if isinstance(phrases[0], Brief):
        return _mended(batch, part, context)
    return [_turn(phrase, number, batch, part, context) for number, phrase in enumerate(phrases)]


def columns_of(batch: Batch, part: Part, context: Context) -> TurnBatch:
    """The same by columns."""
    if isinstance(batch.items, Columns):
        return _columns_of_lists(batch.items, batch, part, context)
    return TurnBatch.of(batch.first, turns_of(batch, part, context))


def length_of(duration: Duration | None) -> int | None:
    """Whole milliseconds."""
    if duration is None:
        return None
    return whole_ms(duration.milliseconds if duration.milliseconds is not None else duration.total)


def _shift(part: Part, context: Context) -> int:
    """What is added to an offset to make it count from time zero."""
    return 0 if part.origin is None else part.origin - context.base


def _communication(context: Context) -> str | None:
    return context.facts.communication or context.communication


def _finished(turns: list[Turn], batch: Batch, part: Part, context: Context) -> list[Turn]:
    """Phrases that were read natively, made whole: stretch by stretch, and alone whatever crosses the end of one."""
    assert finish is not None  # noqa: S101 - somebody read these turns natively
    base, shift, voices = context.base, _shift(part, context), context.voices
    said = _communication(context), part.language, part.sentiment
    since, until, answers = voices.stretch(0)
    at, count = 0, len(turns)
    while at < count:
        at = finish.voiced(turns, at, count, (batch.first, base, shift, since, until), answers, *said)
        if at == count:
            break
        phrase: Any = turns[at]
        start = phrase.start_ms - base if phrase.start_ms > _EPOCH else phrase.start_ms + shift
        end = start + phrase.end_ms
        if not -_FAR <= start <= end or start > _FAR:
            raise _wrong(at, start)
        if not since <= start < until:
            since, until, answers = voices.stretch(start)
            if end <= until and phrase.channel in answers:
                continue
        known = voices.on(phrase.channel, start, end)
        if end <= until:
            answers[phrase.channel] = known
        else:
            alone = (batch.first, base, shift, -_FOREVER, _FOREVER)
            at = finish.voiced(turns, at, at + 1, alone, {phrase.channel: known}, *said)
    return turns


def _mended(batch: Batch, part: Part, context: Context) -> list[Turn]:
    """Brief phrases made turns where they lie."""
    base, shift, voices = context.base, _shift(part, context), context.voices
    communication, language, sentiment = _communication(context), part.language, part.sentiment
    since, until, answers = voices.stretch(0)
    phrases: list[Any] = list(batch.items)
    for place, phrase in enumerate(phrases, batch.first):
        start: int = phrase.start_ms
        start = start - base if start > _EPOCH else start + shift
        end = start + phrase.end_ms.milliseconds
        if not -_FAR <= start <= end or start > _FAR:
            raise _wrong(place - batch.first, start)
        if not since <= start < until:
            since, until, answers = voices.stretch(start)
        known = answers.get(phrase.channel) if end <= until else None
        if known is None:
            known = voices.on(phrase.channel, start, end)
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
        phrase.__class__ = Turn
    return phrases


def _wrong(index: int, start: int) -> WrongTurn:
    if abs(start) > _FAR:
        return WrongTurn(index, "startTimeMs", "too far from the conversation's start")
    return WrongTurn(index, "duration.milliseconds", "ends before it starts")


def _usual(
    given: list[int], lengths: list[int], channels: list[str | None], part: Part, context: Context
) -> tuple[tuple[list[int], list[int]], list[Answer]] | None:
    """Starts and ends from time zero, and who speaks. None where a time is wrong, epochs and offsets are mixed, or
    somebody comes or goes among these phrases."""
    first, last = min(given), max(given)
    if (first > _EPOCH) != (last > _EPOCH) or min(lengths) < 0:
        return None
    shift = -context.base if first > _EPOCH else _shift(part, context)
    if not -_FAR <= first + shift <= last + shift <= _FAR:
        return None
    starts = [start + shift for start in given]
    ends = list(map(add, starts, lengths))
    _, until, answers = context.voices.stretch(first + shift)
    if last + shift >= until or max(ends) > until:
        return None
    for channel in set(channels) - answers.keys():
        answers[channel] = context.voices.on(channel, starts[0], ends[0])
    return (starts, ends), [answers[channel] for channel in channels]


def _columns_of_lists(columns: Columns, batch: Batch, part: Part, context: Context) -> TurnBatch:
    starts, lengths, _, _, channels, _, _ = columns.lists
    usual = _usual(starts, lengths, channels, part, context)
    if usual is None:
        return TurnBatch.of(batch.first, _finished(columns.objects(), batch, part, context))
    return _Columns(columns, batch, part, context, *usual)


class _Columns(TurnBatch):
    """Columns that were read as such, of phrases among which nobody comes or goes."""

    def __init__(
        self,
        columns: Columns,
        batch: Batch,
        part: Part,
        context: Context,
        times: tuple[list[int], list[int]],
        answers: list[Answer],
    ) -> None:
        super().__init__(batch.first, len(columns))
        self._columns, self._batch, self._part, self._context, self._answers = columns, batch, part, context, answers
        self.__dict__["start_ms"], self.__dict__["end_ms"] = times
        self.confidence = columns.lists[5]

    @cached_property
    def turns(self) -> list[Turn]:
        return _finished(self._columns.objects(), self._batch, self._part, self._context)

    @cached_property
    def text(self) -> list[str]:
        texts, decorated = self._columns.lists[2:4]
        return [better or text for text, better in zip(texts, decorated, strict=True)]

    @cached_property
    def role(self) -> list[Role]:
        return [answer[0] for answer in self._answers]

    @cached_property
    def speaker_id(self) -> list[str | None]:
        return [answer[1] for answer in self._answers]


def _turn(phrase: Phrase, number: int, batch: Batch, part: Part, context: Context) -> Turn:
    start, end, words = _times(phrase, number, context.base, _shift(part, context))
    role, speaker, channel = context.voices.on(phrase.participant_purpose, start, end)
    index = batch.first + number if phrase.phrase_index is None else phrase.phrase_index
    return Turn(
        text=phrase.decorated_text or phrase.text or "",
        role=role,
        start_ms=start,
        end_ms=end,
        speaker_id=speaker,
        confidence=phrase.confidence,
        channel=channel,
        communication=_communication(context),
        language=part.language,
        sentiment=part.sentiment.get(index),
        index=index,
        words=words,
    )


def _times(phrase: Phrase, number: int, base: int, shift: int) -> tuple[int | None, int | None, tuple[Word, ...]]:
    """Start, end and words; a time that the phrase has not is that of its words."""
    raw = phrase.decorated_words if phrase.decorated_text and phrase.decorated_words else phrase.words
    words = tuple(_word(word, base, shift) for word in raw or ())
    start = _moment(phrase.start_ms, base, shift)
    if start is None:
        start = words[0].start_ms if words else None
    if start is None:
        return None, None, words
    length = length_of(phrase.duration)
    end = start + length if length is not None else (words[-1].end_ms if words else None)
    if end is None:
        end = start
    if end < start or abs(start) > _FAR:
        raise _wrong(number, start)
    return start, end, words


def _word(word: _Word, base: int, shift: int) -> Word:
    start, length = _moment(word.start_time_ms, base, shift), length_of(word.duration)
    end = None if start is None else start + (length or 0)
    return Word(word.word or "", start, end, word.confidence)


def _moment(value: Number, base: int, shift: int) -> int | None:
    if value is None:
        return None
    whole = value if isinstance(value, int) else round(value)
    return whole - base if whole > _EPOCH else whole + shift
