"""The ``speech`` dialect: the file behind a transcripturl, with several transcripts of phrases (vendor's schema, B3).

Field names are those of the vendor's transcript schema and of what its users found in files. The phrases themselves are
read by ``phrases``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from turnkeeper.jsonstream.native import Columns
from turnkeeper.jsonstream.outline import Path
from turnkeeper.jsonstream.stream import Batch, ElementType
from turnkeeper.model import Dialect, Turn
from turnkeeper.payloads.dialect import Context, DocumentFacts, DocumentLeg, Mode, Person, Survey
from turnkeeper.payloads.dialects.fields import moment_of, read_part
from turnkeeper.payloads.dialects.phrases import (
    STARTS,
    TURNS,
    Brief,
    Duration,
    Part,
    Phrase,
    PhraseProbe,
    columns_of,
    length_of,
)
from turnkeeper.payloads.times import EPOCH, LAST, Time
from turnkeeper.payloads.turn_batch import TurnBatch
from turnkeeper.payloads.whole_document import Small

__all__ = ["SpeechDialect"]

_PATH: Path = ("transcripts", "[]", "phrases")
_WITH_WORDS, _BRIEFLY = ElementType(Phrase), ElementType(Brief, Phrase, table=TURNS)


class _Sentiment(msgspec.Struct, rename="camel"):
    phrase_index: int | None = None
    sentiment: float | None = None


class _Analytics(msgspec.Struct):
    sentiment: list[_Sentiment] | None = None


class _Transcript(msgspec.Struct, rename="camel"):
    transcript_id: str | None = None
    language: str | None = None
    start_time: Time = None
    duration: Duration | None = None
    analytics: _Analytics | None = None


class _FullTranscript(_Transcript, rename="camel"):
    phrases: list[Phrase] | None = None


class _BriefTranscript(_Transcript, rename="camel"):
    phrases: list[Brief] | None = None


class _Person(Person, frozen=True):
    """A participant under the file's own names."""

    purpose: str | None = msgspec.field(default=None, name="participantPurpose")
    user_id: str | None = msgspec.field(default=None, name="userId")
    queue_id: str | None = msgspec.field(default=None, name="queueId")
    start: Time = msgspec.field(default=None, name="startTimeMs")  # type: ignore[assignment] # until `_person` read it
    end: Time = msgspec.field(default=None, name="endTimeMs")  # type: ignore[assignment]


class _Document(msgspec.Struct, rename="camel"):
    conversation_id: str | None = None
    communication_id: str | None = None
    media_type: str | None = None
    conversation_start_time: Time = None
    start_time: Time = None
    duration: Duration | None = None
    participants: list[_Person | None] | None = None
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


class SpeechDialect:
    """``{conversationId, communicationId, mediaType, conversationStartTime, startTime, participants[],
    transcripts[{language, startTime, phrases[{participantPurpose, text, decoratedText, startTimeMs, duration, words}],
    analytics}]}``. All ``transcripts[]`` are read. ``startTimeMs`` above 1e11 is epoch ms, else an offset from the
    start of its transcript."""

    name: Dialect = "speech"
    targets: Mapping[Path, tuple[Any, Any]] = {_PATH: (ElementType(PhraseProbe, table=STARTS), _WITH_WORDS)}
    record = None

    def kinds(self, mode: Mode) -> Mapping[Path, Any]:
        return {_PATH: _WITH_WORDS if mode.words else _BRIEFLY}

    def small(self, mode: Mode) -> Small:
        return _SMALL if mode.words else _SMALL_BRIEF

    def survey(self, survey: Survey, batch: Batch) -> None:
        items = batch.items
        starts = items.lists[0] if isinstance(items, Columns) else [phrase.start_ms for phrase in items]
        # Whole epoch milliseconds stay as they are; the others may be seconds, text or nothing.
        if not isinstance(items, Columns) or None in starts or min(starts, default=0) <= EPOCH:
            starts = [moment_of(start) for start in starts]
        survey.starts(batch, starts, strict=True)

    def matches(self, survey: Survey) -> bool:
        skeleton = survey.skeleton
        if not isinstance(skeleton, dict) or not isinstance(skeleton.get("transcripts"), list | None):
            return False
        if _is_message(skeleton):
            return False
        return "transcripts" in skeleton or {"conversationId", "communicationId", "participants"} <= skeleton.keys()

    def facts(self, survey: Survey) -> DocumentFacts:
        found = _facts(read_part(survey.skeleton, _Document, exact=survey.exact), survey)
        return msgspec.structs.replace(found, left_out=_without_list(survey.skeleton))

    def turns(self, batch: Batch, context: Context) -> list[Turn]:
        return self.columns(batch, context).turns

    def columns(self, batch: Batch, context: Context) -> TurnBatch:
        """The turns by columns."""
        return columns_of(batch, _part_of(batch, context), context)


def _is_message(skeleton: dict[str, Any]) -> bool:
    """Whether it is a live message, whose utterances stand under ``transcripts``, too."""
    if "transcriptionStartTimeMs" in skeleton or "sessionStartTimeMs" in skeleton:
        return True
    found = skeleton.get("transcripts") or ()
    return any(isinstance(one, dict) and "alternatives" in one and "phrases" not in one for one in found)


def _without_list(skeleton: dict[str, Any]) -> tuple[str, ...]:
    """A sentence where the phrases of some transcript are no list: they are in no turn."""
    parts = [one for one in skeleton.get("transcripts") or () if isinstance(one, dict)]
    count = sum(not isinstance(one.get("phrases"), list | None) for one in parts)
    return (f"the phrases of {count} of {len(parts)} transcripts are no list",) if count else ()


def _part_of(batch: Batch, context: Context) -> Part:
    parts: tuple[Part, ...] = context.facts.private
    at = batch.parents[0]
    return parts[at] if at < len(parts) else Part()


def _facts(document: _Document, survey: Survey) -> DocumentFacts:
    conversation_start, start = _epoch(document.conversation_start_time), _epoch(document.start_time)
    parts: list[Part] = []
    starts = [] if start is None else [start]
    for one in document.transcripts or ():
        since = _epoch(one.start_time) if one else None
        starts += [] if since is None else [since]
        origin = since or start or conversation_start
        parts.append(Part(one.language, origin, _sentiment(one)) if one else Part(None, origin))
    return DocumentFacts(
        dialect="speech",
        conversation=document.conversation_id,
        communication=document.communication_id,
        media_type=_media_type(document.media_type),
        people=tuple([_person(one) for one in document.participants or () if one is not None]),
        legs=(DocumentLeg(document.communication_id, _language(parts), start, _length(document.duration)),),
        conversation_start=conversation_start,
        transcript_start=min(starts, default=None),
        first_phrase=None if survey.earliest is None else round(survey.earliest),
        offset_times=survey.offset_times,
        private=tuple(parts),
        notes=_notes(document, conversation_start),
    )


def _notes(document: _Document, start: int | None) -> tuple[str, ...]:
    if start is not None or not document.conversation_start_time:
        return ()
    return ("conversationStartTime is no time: times count from another start",)


def _batches(document: _Full, arrays: list[Any] | None) -> list[Batch] | None:
    foreign = (document.transcript, document.download_url, document.status, document.conversation)
    if foreign != _ABSENT or document.transcription_start_time_ms is not msgspec.UNSET or document.transcripts is None:
        return None  # another shape's, or perhaps: let the whole skeleton decide
    found = [(place, one.phrases) for place, one in enumerate(document.transcripts) if one and one.phrases is not None]
    if arrays is not None:
        if len(found) != len(arrays) or any(phrases for _, phrases in found):
            return None
        found = [(place, phrases) for (place, _), phrases in zip(found, arrays, strict=True)]
    # Without any phrase the whole skeleton decides whose it is.
    return [Batch(_PATH, (place,), 0, -1, phrases) for place, phrases in found if phrases] or None


def _epoch(value: Time) -> int | None:
    moment = value if type(value) is int and value > EPOCH else moment_of(value)
    return moment if moment is not None and EPOCH < moment < LAST else None


def _person(raw: _Person) -> Person:
    """A participant whose times are numbers."""
    if isinstance(raw.start, str) or isinstance(raw.end, str):
        return msgspec.structs.replace(raw, start=moment_of(raw.start), end=moment_of(raw.end))
    return raw


def _length(duration: Duration | None) -> int | None:
    try:
        return length_of(duration)
    except (ValueError, OverflowError):
        return None


def _sentiment(transcript: _Transcript) -> dict[int | None, float]:
    found = (transcript.analytics.sentiment if transcript.analytics else None) or []
    return {one.phrase_index: one.sentiment for one in found if one.sentiment is not None}


def _language(parts: list[Part]) -> str | None:
    """A communication in several languages says so turn by turn."""
    languages = {part.language for part in parts if part.language}
    return languages.pop() if len(languages) == 1 else None


def _media_type(word: str | None) -> str | None:
    """``voice`` for the vendor's two words for a call (both occur); other words as they are, in lower case."""
    lower = word.lower() if word else None
    return "voice" if lower == "call" else lower


_ABSENT = (msgspec.UNSET,) * 4
_SMALL = Small(_Full, b'"transcripts"', _batches, _facts)
_SMALL_BRIEF = Small(_Short, b'"transcripts"', _batches, _facts, TURNS, b'"phrases"')
