"""The phrases of the ``speech`` dialect: their types, and the turns that are made of them.

Words are most of a file's bytes. Where they are not needed, phrases that have times of their own are read by columns.
With words, or where a time has to be taken from them, phrases are read one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import add, sub
from typing import Any

import msgspec

from turnkeeper.jsonstream.native import ColumnReader, Columns, Field
from turnkeeper.jsonstream.salvage import Flaw
from turnkeeper.jsonstream.stream import Batch
from turnkeeper.model import Turn, Word
from turnkeeper.payloads.dialect import Context, Defects
from turnkeeper.payloads.dialects.fields import bounds, fractions
from turnkeeper.payloads.times import EPOCH, LONGEST, SECONDS, Time, ms_of
from turnkeeper.payloads.turn_batch import TurnBatch
from turnkeeper.speakers import Attribution, Speakers

__all__ = ["STARTS", "TURNS", "Brief", "Duration", "Part", "Phrase", "PhraseProbe", "columns_of", "length_of"]

WORDS = ("words", "decoratedWords")


class Duration(msgspec.Struct, gc=False):
    """A length, under one of two names."""

    milliseconds: Time = None
    total: Time = msgspec.field(default=None, name="totalMilliseconds")


class _Word(msgspec.Struct, gc=False, rename="camel"):
    word: str | None = None
    confidence: float | None = None
    start_time_ms: Time = None
    duration: Duration | None = None


class PhraseProbe(msgspec.Struct, gc=False):
    """The start of a phrase."""

    start_ms: Time = msgspec.field(default=None, name="startTimeMs")


class Phrase(msgspec.Struct, rename="camel"):
    """A phrase with its words. Any field may be missing."""

    phrase_index: int | None = None
    participant_purpose: str | None = None
    text: str | None = None
    decorated_text: str | None = None
    confidence: float | None = None
    start_ms: Time = msgspec.field(default=None, name="startTimeMs")
    duration: Duration | None = None
    words: list[_Word] | None = None
    decorated_words: list[_Word] | None = None


class Brief(msgspec.Struct, rename="camel", gc=False):
    """A phrase without its words, which must have times of its own."""

    start_ms: int = msgspec.field(name="startTimeMs")
    duration: Duration
    phrase_index: int | None = None
    participant_purpose: str | None = None
    text: str | None = None
    decorated_text: str | None = None
    confidence: float | None = None

    @property
    def words(self) -> None:
        """None are read."""

    @property
    def decorated_words(self) -> None:
        """None are read."""


_PLACES = {
    "phraseIndex": "index",
    "participantPurpose": "channel",
    "text": "text",
    "decoratedText": "text",
    "confidence": "confidence",
    "startTimeMs": "start_ms",
    "duration": "end_ms",
    "words": "words",
    "decoratedWords": "words",
}
TURNS = ColumnReader(
    Field("startTimeMs", "whole"),
    Field("duration", "length", inner="milliseconds"),
    Field("text", "text"),
    Field("decoratedText", "text", nullable=True, absent=None),
    Field("participantPurpose", "name", nullable=True, absent=None),
    Field("confidence", "fraction", nullable=True, absent=None),
    Field("phraseIndex", "whole", nullable=True, absent=None),
    unread=WORDS,
)
STARTS = ColumnReader(Field("startTimeMs", "whole", nullable=True, absent=None), unread=WORDS)


class Part(msgspec.Struct):
    """What phrases need of their ``transcripts[]`` element. ``origin`` is the epoch ms from which offsets count."""

    language: str | None = None
    origin: int | None = None
    sentiment: dict[int | None, float] = msgspec.field(default_factory=dict)


def columns_of(batch: Batch, part: Part, context: Context) -> TurnBatch:
    """The turns of a batch of phrases, by columns. Raises ``WrongTurn`` where the reading is exact."""
    items: Any = batch.items
    if isinstance(items, Columns):
        turns_by_column = _batch_of_columns(items, batch, part, context)
        if turns_by_column is not None:
            return turns_by_column
        items = [_phrase_of_row(row) for row in items]
    turns = [_phrase_turn(one, n, batch.flaws.get(n, ()), batch, part, context) for n, one in enumerate(items)]
    return TurnBatch.of(batch.first, turns)


def length_of(duration: Duration | None) -> int | None:
    """A length in whole milliseconds. Raises ``ValueError`` for anything else."""
    if duration is None:
        return None
    return ms_of(duration.milliseconds if duration.milliseconds is not None else duration.total)


def _offset_shift(part: Part, context: Context) -> int:
    """What is added to an offset from the transcript's start to make it an offset from time zero."""
    return 0 if part.origin is None else part.origin - context.base


def _starts_from_time_zero(given: list[Any], part: Part, context: Context) -> list[Any]:
    base, shift = context.base, _offset_shift(part, context)
    return [start - base if start > EPOCH else start + shift for start in given]


def _communication_of(context: Context) -> str | None:
    return context.facts.communication or context.communication


def _batch_of_columns(columns: Columns, batch: Batch, part: Part, context: Context) -> TurnBatch | None:
    """The turns of columns; None where a time or a confidence may be wrong, so that each phrase must be examined."""
    given, lengths, texts, decorated, channels, confidence, indices = columns.lists
    # With a function in C where all times are of one kind.
    starts = (
        list(map(sub, given, repeat(context.base)))
        if min(given) > EPOCH
        else _starts_from_time_zero(given, part, context)
    )
    earliest, latest = min(starts), max(starts)
    # A length as large as an epoch time in seconds is not a length, and the phrase must be marked for it.
    if not -LONGEST <= earliest <= latest < SECONDS or max(lengths) >= SECONDS or not fractions(confidence):
        return None
    ends = list(map(add, starts, lengths))
    # A stretch of time in which the channels' speakers stay the same, which usually is the whole call.
    stretch = context.cast.interval_at(earliest)
    one_stretch = latest < stretch.until and max(ends) <= stretch.until
    answers = map(stretch.__getitem__, channels) if one_stretch else _speakers_of(channels, starts, ends, context.cast)
    role, speaker, channel = zip(*answers, strict=True)
    index = indices
    if None in indices:
        index = [batch.first + n if one is None else one for n, one in enumerate(indices)]
    return TurnBatch(
        batch.first,
        start_ms=starts,
        end_ms=ends,
        text=decorated if all(decorated) else [better or text for text, better in zip(texts, decorated, strict=True)],
        role=list(role),
        speaker_id=list(speaker),
        confidence=confidence,
        channel=channel,
        communication=_communication_of(context),
        language=part.language,
        sentiment=map(part.sentiment.get, index) if part.sentiment else repeat(None),
        index=index,
        conversation=context.conversation,
    )


def _speakers_of(
    channels: list[str | None], starts: list[int], ends: list[int], cast: Speakers
) -> Iterable[Attribution]:
    """The speaker of each turn."""
    stretch, answers = cast.interval_at(starts[0]), []
    for channel, start, end in zip(channels, starts, ends, strict=True):
        if not stretch.since <= start < stretch.until:
            stretch = cast.interval_at(start)
        answers.append(stretch[channel] if end <= stretch.until else cast.speaker_at(channel, start, end))
    return answers


def _phrase_of_row(row: tuple[Any, ...]) -> Phrase:
    start, length, text, decorated, channel, confidence, index = row
    return Phrase(index, channel, text, decorated, confidence, start, Duration(length))


def _phrase_turn(
    phrase: Phrase | Brief, number: int, flaws: Sequence[Flaw], batch: Batch, part: Part, context: Context
) -> Turn:
    defects = Defects(number, exact=context.exact)
    defects.take(flaws, _PLACES)
    start, end, words = _phrase_times(phrase, defects, context.base, _offset_shift(part, context))
    if phrase.text is None and phrase.decorated_text is None and not context.exact:
        defects.note("text", "text", "is missing")
    role, speaker, channel = context.cast.speaker_at(phrase.participant_purpose, start, end)
    index = batch.first + number if phrase.phrase_index is None else phrase.phrase_index
    return Turn(
        text=phrase.decorated_text or phrase.text or "",
        role=role,
        start_ms=start,
        end_ms=end,
        speaker_id=speaker,
        confidence=defects.confidence(phrase.confidence),
        channel=channel,
        communication=_communication_of(context),
        language=part.language,
        sentiment=part.sentiment.get(index),
        index=index,
        words=words,
        defects=defects.names,
        conversation=context.conversation,
    )


def _phrase_times(
    phrase: Phrase | Brief, defects: Defects, base: int, shift: int
) -> tuple[int | None, int | None, tuple[Word, ...]]:
    """Start, end and words. A time that the phrase does not have is taken from its words."""
    raw = phrase.decorated_words if phrase.decorated_text and phrase.decorated_words else phrase.words
    words = tuple([_word_of(word, defects, base, shift) for word in raw or ()])
    start = _from_time_zero(defects.time(ms_of, phrase.start_ms, "start_ms", "startTimeMs"), base, shift)
    if start is None:
        start = words[0].start_ms if words else None
    try:
        length = length_of(phrase.duration)
    except (ValueError, OverflowError) as wrong:
        defects.note("end_ms", "duration.milliseconds", str(wrong))
        length = None
    end = None
    if start is not None:
        end = start + length if length is not None else (words[-1].end_ms if words else None)
    start, end = bounds(start, end, defects, "startTimeMs", "duration.milliseconds")
    return start, end, words


def _word_of(word: _Word, defects: Defects, base: int, shift: int) -> Word:
    start = _from_time_zero(defects.time(ms_of, word.start_time_ms, "words", "words.startTimeMs"), base, shift)
    try:
        length = length_of(word.duration)
    except (ValueError, OverflowError) as wrong:
        defects.note("words", "words.duration", str(wrong))
        length = None
    end = None if start is None else start + (length or 0)
    return Word(word.word or "", start, end, word.confidence)


def _from_time_zero(value: int | None, base: int, shift: int) -> int | None:
    if value is None:
        return None
    return value - base if value > EPOCH else value + shift
