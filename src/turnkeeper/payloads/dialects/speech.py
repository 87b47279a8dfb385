"""The ``speech`` dialect: the file behind a transcripturl, with several transcripts of phrases (vendor-facts B3).

Field names are those of the vendor's transcript schema, and those that its users found in files. ``phrases`` reads the
phrases themselves.
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
from turnkeeper.payloads.whole_document import WholeType

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
    start: Time = msgspec.field(default=None, name="startTimeMs")  # type: ignore[assignment] # until `_person_with_times` read it
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
    """A small document in one piece. A ``Raw`` field that is present shows that the document is of another shape."""

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

    def whole(self, mode: Mode) -> WholeType:
        return _WHOLE if mode.words else _WHOLE_BRIEF

    def survey(self, survey: Survey, batch: Batch) -> None:
        items = batch.items
        starts = items.lists[0] if isinstance(items, Columns) else [phrase.start_ms for phrase in items]
        # Whole epoch milliseconds stay as they are. Other starts may be seconds, text or missing.
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
        found = _facts_of(read_part(survey.skeleton, _Document, exact=survey.exact), survey)
        return msgspec.structs.replace(found, left_out=_without_list(survey.skeleton))

    def turns(self, batch: Batch, context: Context) -> list[Turn]:
        return self.columns(batch, context).turns

    def columns(self, batch: Batch, context: Context) -> TurnBatch:
        """The turns by columns."""
        return columns_of(batch, _part_of(batch, context), context)


def _is_message(skeleton: dict[str, Any]) -> bool:
    """Whether the document is a live message, which also has an array under ``transcripts``: its utterances."""
    if "transcriptionStartTimeMs" in skeleton or "sessionStartTimeMs" in skeleton:
        return True
    items = skeleton.get("transcripts") or ()
    return any(isinstance(item, dict) and "alternatives" in item and "phrases" not in item for item in items)


def _without_list(skeleton: dict[str, Any]) -> tuple[str, ...]:
    """A sentence where the phrases of some transcript are not a list, so that they are in no turn."""
    parts = [part for part in skeleton.get("transcripts") or () if isinstance(part, dict)]
    count = sum(not isinstance(part.get("phrases"), list | None) for part in parts)
    return (f"the phrases of {count} of {len(parts)} transcripts are no list",) if count else ()


def _part_of(batch: Batch, context: Context) -> Part:
    parts: tuple[Part, ...] = context.facts.private
    at = batch.parents[0]
    return parts[at] if at < len(parts) else Part()


def _facts_of(document: _Document, survey: Survey) -> DocumentFacts:
    conversation_start, start = _epoch(document.conversation_start_time), _epoch(document.start_time)
    parts: list[Part] = []
    starts = [] if start is None else [start]
    for transcript in document.transcripts or ():
        since = _epoch(transcript.start_time) if transcript else None
        starts += [] if since is None else [since]
        origin = since or start or conversation_start
        part = (
            Part(transcript.language, origin, _sentiments_by_phrase(transcript)) if transcript else Part(None, origin)
        )
        parts.append(part)
    return DocumentFacts(
        dialect="speech",
        conversation=document.conversation_id,
        communication=document.communication_id,
        media_type=_media_type(document.media_type),
        people=tuple([_person_with_times(one) for one in document.participants or () if one is not None]),
        legs=(
            DocumentLeg(document.communication_id, _common_language(parts), start, _length_or_none(document.duration)),
        ),
        conversation_start=conversation_start,
        transcript_start=min(starts, default=None),
        first_phrase=None if survey.earliest is None else round(survey.earliest),
        last_phrase=None if survey.latest is None else round(survey.latest),
        offset_times=survey.offset_times,
        private=tuple(parts),
        notes=_notes_about(document, conversation_start),
    )


def _notes_about(document: _Document, start: int | None) -> tuple[str, ...]:
    if start is not None or not document.conversation_start_time:
        return ()
    return ("conversationStartTime is no time: times count from another start",)


def _whole_batches(document: _Full, arrays: list[Any] | None) -> list[Batch] | None:
    foreign = (document.transcript, document.download_url, document.status, document.conversation)
    if foreign != _ABSENT or document.transcription_start_time_ms is not msgspec.UNSET or document.transcripts is None:
        return None  # perhaps of another shape: the streamed way decides by the whole skeleton
    found = [(place, one.phrases) for place, one in enumerate(document.transcripts) if one and one.phrases is not None]
    if arrays is not None:
        if len(found) != len(arrays) or any(phrases for _, phrases in found):
            return None
        found = [(place, phrases) for (place, _), phrases in zip(found, arrays, strict=True)]
    # A document without any phrase is left to the streamed way, which decides by the whole skeleton.
    return [Batch(_PATH, (place,), 0, -1, phrases) for place, phrases in found if phrases] or None


def _epoch(value: Time) -> int | None:
    moment = value if type(value) is int and value > EPOCH else moment_of(value)
    return moment if moment is not None and EPOCH < moment < LAST else None


def _person_with_times(raw: _Person) -> Person:
    """The participant with times as numbers."""
    if isinstance(raw.start, str) or isinstance(raw.end, str):
        return msgspec.structs.replace(raw, start=moment_of(raw.start), end=moment_of(raw.end))
    return raw


def _length_or_none(duration: Duration | None) -> int | None:
    try:
        return length_of(duration)
    except (ValueError, OverflowError):
        return None


def _sentiments_by_phrase(transcript: _Transcript) -> dict[int | None, float]:
    found = (transcript.analytics.sentiment if transcript.analytics else None) or []
    return {one.phrase_index: one.sentiment for one in found if one.sentiment is not None}


def _common_language(parts: list[Part]) -> str | None:
    """The language of all transcripts; None where they differ, since each turn has its own."""
    languages = {part.language for part in parts if part.language}
    return languages.pop() if len(languages) == 1 else None


def _media_type(word: str | None) -> str | None:
    """``voice`` for the vendor's two words for a call, which both occur; other words in lower case."""
    lower = word.lower() if word else None
    return "voice" if lower == "call" else lower


_ABSENT = (msgspec.UNSET,) * 4
_WHOLE = WholeType(_Full, b'"transcripts"', _whole_batches, _facts_of)
_WHOLE_BRIEF = WholeType(_Short, b'"transcripts"', _whole_batches, _facts_of, TURNS, b'"phrases"')
