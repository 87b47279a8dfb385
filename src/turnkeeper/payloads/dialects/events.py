"""The ``events`` dialect: live transcription messages, from EventBridge or the notification socket, one or many.

Times are offsets from ``transcriptionStartTimeMs``, else from ``sessionStartTimeMs`` (the file behind a transcripturl
has epoch times). Utterances of the two channels overlap and arrive out of order, and only final ones count. A queue
delivers a message at least once, so an utterance with the same id and content counts once.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from turnkeeper.errors import Unread, WrongConversation
from turnkeeper.jsonstream.decoders import convert
from turnkeeper.jsonstream.outline import Path
from turnkeeper.jsonstream.salvage import Flaw, salvage_struct
from turnkeeper.jsonstream.stream import Batch
from turnkeeper.model import Dialect, Turn, Word
from turnkeeper.payloads.details import CONVERSATION_ID
from turnkeeper.payloads.dialect import Context, Defects, DocumentFacts, DocumentLeg, Survey
from turnkeeper.payloads.dialects.fields import bounds, moment_of, read_part
from turnkeeper.payloads.times import EPOCH, LAST, Time, ms_of

__all__ = ["EventsDialect"]

_HEARTBEAT = "channel.metadata"
"""The topic of a notification socket's own messages: heartbeats, and that it is about to close."""
REMEMBERED = 50_000
"""How many ids of utterances are remembered to recognise a second delivery, which follows soon after the first."""

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class _Word(msgspec.Struct, gc=False, rename="camel"):
    word: str | None = None
    confidence: float | None = None
    offset_ms: Time = None
    duration_ms: Time = None


class _Alternative(msgspec.Struct, rename="camel"):
    confidence: float | None = None
    offset_ms: Time = None
    duration_ms: Time = None
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
    """A message. Its utterances are decoded one by one later, so that damage in one costs no other."""

    conversation_id: Any = None
    communication_id: str | None = None
    session_start_time_ms: Time = None
    transcription_start_time_ms: Time = None
    transcripts: Any = None
    transcript: Any = None
    session_status: Any = msgspec.field(default=None, name="status")


class _Detail(msgspec.Struct):
    event_body: _Message | None = msgspec.field(default=None, name="eventBody")


class _Event(_Message, rename="camel"):
    """A message in any of three forms: EventBridge (``detail.eventBody``), socket frame (``eventBody``), or bare."""

    topic_name: Any = None
    detail: _Detail | None = None
    event_body: _Message | None = None


_PLACES = {
    "channel": "channel",
    "dialect": "language",
    "utteranceId": "",
    "isFinal": "",
    "confidence": "confidence",
    "offsetMs": "start_ms",
    "durationMs": "end_ms",
    "transcript": "text",
    "decoratedTranscript": "text",
    "words": "words",
    "decoratedWords": "words",
}


class EventsDialect:
    """``TranscriptionMessage``: JSON lines or one object, bare, as a socket frame or in EventBridge's envelope.

    A message may also have a single utterance, under ``transcript``. A turn's index is 1000 times the place of its
    message plus its place in the message, which is unique and the same in every pass.
    """

    name: Dialect = "events"
    targets: Mapping[Path, tuple[Any, Any]] = {}
    record = _Event

    def survey(self, survey: Survey, batch: Batch) -> None:
        for event in batch.items:
            message = _message_in(event)
            if message is None or not isinstance(message.transcripts, list | None):
                if event.topic_name != _HEARTBEAT:
                    survey.foreign.append(batch.first)
                if message is None:
                    continue
            legs = survey.notes.setdefault(_conversation_id(message) or "", {})
            start = _message_start(message)
            known = legs.get(message.communication_id, (None, None))
            language = known[1]
            for number, utterance in enumerate(_utterances_of(message)):
                interim = isinstance(utterance, dict) and utterance.get("isFinal") is False
                survey.count += not interim
                survey.interim += interim
                spoken = utterance.get("dialect") if isinstance(utterance, dict) else None
                language = language or (spoken if isinstance(spoken, str) else None)
                self._note_repeat(survey, message, utterance, batch.first * 1000 + number)
            legs[message.communication_id] = (start if known[0] is None else known[0], language)
        # Lines are in the order of sending, not of speaking.
        survey.ordered = False

    def _note_repeat(self, survey: Survey, message: _Message, utterance: Any, index: int) -> None:
        """Note whether an utterance came before.

        ``survey.again`` then maps its index to None where the content is the same, else to the place of the first one.
        """
        key = utterance.get("utteranceId") if isinstance(utterance, dict) else None
        if not isinstance(key, str) or utterance.get("isFinal") is False:
            return
        # A checksum instead of the content, because many thousand utterances are remembered.
        content = zlib.crc32(msgspec.json.encode(utterance))
        seen = survey.seen.setdefault((message.communication_id, key), (index, content))
        if seen[0] != index:
            place = None if seen[1] == content else f"{message.communication_id or ''}/{seen[0]}"
            survey.again[index] = place
        if len(survey.seen) > REMEMBERED:
            survey.seen.pop(next(iter(survey.seen)))

    def matches(self, survey: Survey) -> bool:
        if survey.records:
            return bool(survey.notes)
        return _message_in(_event_of(survey.skeleton)) is not None

    def facts(self, survey: Survey) -> DocumentFacts:
        if not survey.records:
            survey.within = [Batch((), (), 0, 0, [read_part(survey.skeleton, _Event, exact=survey.exact)])]
            self.survey(survey, survey.within[0])
        # Messages whose conversation id is damaged belong to the only conversation of the body, if there is only one.
        nameless = survey.notes.pop("", {})
        chosen = _chosen_conversation(list(survey.notes), survey.asked)
        known = survey.notes.get(chosen or "", {}) | (nameless if len(survey.notes) < 2 else {})
        legs = tuple(
            DocumentLeg(communication, language.lower() if language else None, start)
            for communication, (start, language) in known.items()
            if communication is not None
        )
        starts = [start for start, _ in known.values() if start is not None]
        return DocumentFacts(
            dialect="events",
            conversation=chosen,
            communication=legs[0].id if len(legs) == 1 else None,
            status="interim" if survey.interim and not survey.count else "completed",
            media_type="voice",
            legs=legs,
            transcript_start=min(starts, default=None),
            offset_times=True,
            private=(survey.again, len(survey.notes) < 2),
            left_out=_foreign_note(survey.foreign),
        )

    def turns(self, batch: Batch, context: Context) -> list[Turn]:
        again, alone = context.facts.private
        ours = {context.facts.conversation, None} if alone else {context.facts.conversation}
        turns = []
        for place, event in enumerate(batch.items):
            message = _message_in(event)
            if message is None or _conversation_id(message) not in ours:
                continue
            start = _message_start(message)
            shift = 0 if start is None else start - context.base
            for number, raw in enumerate(_utterances_of(message)):
                index = batch.first * 1000 + number
                first = again.get(index, "")
                defects = Defects(place, exact=context.exact)
                turn = None if first is None else _utterance_turn(message, raw, shift, defects, context)
                if turn is not None:
                    turns.append(msgspec.structs.replace(turn, index=index, duplicate_of=first or None))
        return turns


def _utterance_turn(message: _Message, raw: Any, shift: int, defects: Defects, context: Context) -> Turn | None:
    """The turn of one utterance; None where it is not final."""
    flaws: list[Flaw] = []
    try:
        utterance = convert(raw, _Utterance)
    except msgspec.ValidationError:
        utterance = salvage_struct(raw, _Utterance, flaws)
    if utterance.is_final is False:
        return None
    # The platform sends one alternative. Of several, the first would be the likeliest.
    if not utterance.alternatives and context.exact:
        return None
    alternative = utterance.alternatives[0] if utterance.alternatives else _Alternative()
    first = "alternatives[0]."
    defects.take(
        [Flaw(flaw.field.removeprefix(first), flaw.said) for flaw in flaws], {**_PLACES, "alternatives": "text"}
    )
    words, start, end = _utterance_times(alternative, defects, context.base, shift)
    if alternative.transcript is None and alternative.decorated_transcript is None and not context.exact:
        defects.note("text", "transcript", "is missing")
    role, speaker, channel = context.cast.speaker_at(utterance.channel, start, end)
    return Turn(
        text=alternative.decorated_transcript or alternative.transcript or "",
        role=role,
        start_ms=start,
        end_ms=end,
        speaker_id=speaker,
        confidence=defects.confidence(alternative.confidence),
        channel=channel,
        communication=message.communication_id or context.communication,
        language=utterance.dialect.lower() if utterance.dialect else None,
        words=words,
        defects=defects.names,
        conversation=context.conversation,
    )


def _utterance_times(
    alternative: _Alternative, defects: Defects, base: int, shift: int
) -> tuple[tuple[Word, ...], int | None, int | None]:
    raw = (
        alternative.decorated_words
        if alternative.decorated_transcript and alternative.decorated_words
        else alternative.words
    )
    words = tuple([_word_of(word, defects, base, shift) for word in raw or ()])
    start = _from_time_zero(defects.time(ms_of, alternative.offset_ms, "start_ms", "offsetMs"), base, shift)
    if start is None and words:
        start = words[0].start_ms
    length = defects.time(ms_of, alternative.duration_ms, "end_ms", "durationMs")
    end = None
    if start is not None:
        end = start + length if length is not None else words[-1].end_ms if words else start
    return (words, *bounds(start, end, defects, "offsetMs", "durationMs"))


def _word_of(word: _Word, defects: Defects, base: int, shift: int) -> Word:
    start = _from_time_zero(defects.time(ms_of, word.offset_ms, "words", "words.offsetMs"), base, shift)
    length = defects.time(ms_of, word.duration_ms, "words", "words.durationMs")
    return Word(word.word or "", start, None if start is None else start + (length or 0), word.confidence)


def _from_time_zero(value: int | None, base: int, shift: int) -> int | None:
    if value is None:
        return None
    return value - base if value > EPOCH else value + shift


def _message_start(message: _Message) -> int | None:
    for value in (message.transcription_start_time_ms, message.session_start_time_ms):
        start = moment_of(value)
        if start is not None and abs(start) < LAST:
            return start
    return None


def _foreign_note(foreign: list[int]) -> tuple[str, ...]:
    if not foreign:
        return ()
    places = ", ".join(str(place + 1) for place in foreign[:5])
    more = f" and {len(foreign) - 5} more" if len(foreign) > 5 else ""
    return (f"{len(foreign)} documents of the body are no transcription events: number {places}{more}",)


def _event_of(skeleton: object) -> _Event:
    return read_part(skeleton, _Event) if isinstance(skeleton, dict) else _Event()


def _message_in(event: _Event) -> _Message | None:
    """The message of a record; None where it is not a transcription event."""
    inside = event.detail.event_body if event.detail is not None else event.event_body
    message: _Message = event if inside is None else inside
    # An event about the session (``SESSION_ENDED``) has no utterances. Without an envelope, its start identifies it.
    known = inside is not None or message.session_start_time_ms or message.transcription_start_time_ms
    return message if (known and message.conversation_id) or _utterances_of(message) else None


def _conversation_id(message: _Message) -> str | None:
    """The id of the message's conversation; None where it is absent or damaged."""
    key = message.conversation_id
    return key if isinstance(key, str) and _ID.fullmatch(key) else None


def _utterances_of(message: _Message) -> list[Any]:
    if isinstance(message.transcripts, list):
        # An element with phrases is a whole transcript of the ``speech`` dialect.
        return [item for item in message.transcripts if not (isinstance(item, dict) and "phrases" in item)]
    utterance = message.transcript
    return [utterance] if isinstance(utterance, dict) and "alternatives" in utterance else []


def _chosen_conversation(found: list[str], asked: str | None) -> str | None:
    if asked is not None:
        same = [key for key in found if key.casefold() == asked.casefold()]
        if not same:
            raise WrongConversation(
                f"none of its {len(found)} conversations is the one asked for",
                field=CONVERSATION_ID,
                hint="Ask by the conversation's own id.",
            )
        return same[0]
    if len(found) > 1:
        raise Unread(
            f"the events of {len(found)} conversations in one body",
            field=CONVERSATION_ID,
            hint="Name the conversation to read.",
        )
    return found[0] if found else None
