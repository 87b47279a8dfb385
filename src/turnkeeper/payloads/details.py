"""Read analytics conversation details: who took part, when, and on which communications.

Absent and damaged fields are left out. The sessions also tell which communications may have a transcript.
"""

from __future__ import annotations

import io
from typing import Any

import msgspec

from turnkeeper.errors import TooLarge, Unread
from turnkeeper.jsonstream.salvage import salvage_struct
from turnkeeper.jsonstream.text_reader import TextReader
from turnkeeper.payloads.times import EPOCH, LAST, Time, ms_of
from turnkeeper.spool import Source

__all__ = [
    "CONVERSATION_ID",
    "LARGEST",
    "DetailParticipant",
    "DetailSession",
    "Details",
    "conversation_id_in",
    "read_details",
]


class DetailSession(msgspec.Struct, frozen=True, kw_only=True):
    """One communication of one participant.

    ``id`` is the sessionId, which is the communicationId of transcripts. Times are epoch ms. ``recorded`` is the
    platform's own flag.
    """

    id: str
    media_type: str | None = None
    direction: str | None = None
    recorded: bool = False
    purpose: str | None = None
    participant_id: str | None = None
    user_id: str | None = None
    queue_id: str | None = None
    start: int | None = None
    end: int | None = None


class DetailParticipant(msgspec.Struct, frozen=True, kw_only=True):
    """One participant. ``start`` and ``end`` (epoch ms) span its segments; ``queue_id`` is the first of theirs."""

    id: str
    purpose: str | None = None
    name: str | None = None
    user_id: str | None = None
    queue_id: str | None = None
    external_contact_id: str | None = None
    start: int | None = None
    end: int | None = None
    sessions: tuple[DetailSession, ...] = ()


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation. Times are epoch ms; ``end`` is None while it is still open.

    ``repaired_surrogates`` counts the halves of surrogate pairs that became U+FFFD.
    """

    conversation: str
    start: int | None = None
    end: int | None = None
    direction: str | None = None
    division_ids: tuple[str, ...] = ()
    participants: tuple[DetailParticipant, ...] = ()
    wrap_up_codes: tuple[str, ...] = ()
    repaired_surrogates: int = 0

    @property
    def sessions(self) -> tuple[DetailSession, ...]:
        """All sessions, in the document's order. Several participants may have sessions with the same id."""
        return tuple(session for person in self.participants for session in person.sessions)

    @property
    def media_types(self) -> tuple[str, ...]:
        """The media types of all sessions, each once, in the document's order."""
        return _distinct(session.media_type for session in self.sessions)

    @property
    def user_ids(self) -> tuple[str, ...]:
        return _distinct(person.user_id for person in self.participants)

    @property
    def queue_ids(self) -> tuple[str, ...]:
        return _distinct(
            queue for person in self.participants for queue in (person.queue_id, *(s.queue_id for s in person.sessions))
        )

    def communications(self) -> tuple[DetailSession, ...]:
        """The sessions that may have a transcript, the likeliest first, each id once.

        First the customer's recorded voice sessions, then other recorded voice sessions, then all others. Nothing in
        analytics says which one has a transcript, and a wrong guess costs one of the 300 requests a minute.
        """
        by_id: dict[str, DetailSession] = {}
        for session in sorted(self.sessions, key=_rank):
            by_id.setdefault(session.id, session)
        return tuple(by_id.values())


class _Segment(msgspec.Struct, rename="camel"):
    segment_start: Time = None
    segment_end: Time = None
    queue_id: str | None = None
    wrap_up_code: str | None = None


class _Session(msgspec.Struct, rename="camel"):
    session_id: str | None = None
    media_type: str | None = None
    direction: str | None = None
    recording: bool | None = None
    segments: list[_Segment | None] | None = None


class _Participant(msgspec.Struct, rename="camel"):
    participant_id: str | None = None
    participant_name: str | None = None
    purpose: str | None = None
    user_id: str | None = None
    external_contact_id: str | None = None
    sessions: list[_Session | None] | None = None


class _Conversation(msgspec.Struct, rename="camel"):
    conversation_id: str | None = None
    conversation_start: Time = None
    conversation_end: Time = None
    originating_direction: str | None = None
    division_ids: list[str] | None = None
    participants: list[_Participant | None] | None = None


class _IdOnly(msgspec.Struct, rename="camel"):
    conversation_id: str


# Made while importing, by one thread: msgspec crashes when two threads first use a type at the same moment.
_DECODER = msgspec.json.Decoder(_Conversation)
_ID_DECODER = msgspec.json.Decoder(_IdOnly)

CONVERSATION_ID = "conversationId"
"""The field that names a document's conversation, in details as in transcripts."""

LARGEST = 16 << 20
OBJECTS = 200_000
VALUES = 1_000_000
"""Limits of one document, which is held in memory: decompressed bytes, objects, and values in lists and objects.

The details of a day full of transfers and conferences take some hundred kilobytes.
"""


def read_details(data: bytes | dict[str, Any] | Source, *, largest: int = LARGEST) -> Details:
    """Read details from JSON bytes, from a source of them, or from one conversation already decoded.

    A field of another type is left out. Half a surrogate pair becomes U+FFFD, and is counted. Raises ``Unread`` for
    any other document, and ``TooLarge`` for more than ``largest`` bytes or more objects than a conversation has;
    reading takes at most some ten times ``largest`` of memory.
    """
    text, repaired = (b"", 0) if isinstance(data, dict) else _bounded_text(data, largest)
    try:
        raw = _decode_details(data if isinstance(data, dict) else text)
    except RecursionError:
        raise Unread("conversation details nested too deep", operation="read details") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as cause:
        said = "not UTF-8" if isinstance(cause, UnicodeDecodeError) else str(cause).replace("`", "")
        raise Unread(f"conversation details: {said}", operation="read details") from None
    if not raw.conversation_id:
        raise Unread(f"conversation details without {CONVERSATION_ID}", operation="read details", field=CONVERSATION_ID)
    people = [person for person in raw.participants or () if person is not None]
    segments = [segment for person in people for segment in _segments_of(person)]
    return Details(
        conversation=raw.conversation_id,
        start=_epoch(raw.conversation_start),
        end=_epoch(raw.conversation_end),
        direction=raw.originating_direction,
        division_ids=tuple(raw.division_ids or ()),
        participants=tuple(_participant_of(person, place) for place, person in enumerate(people)),
        wrap_up_codes=_distinct(segment.wrap_up_code for segment in segments),
        repaired_surrogates=repaired,
    )


def conversation_id_in(data: bytes) -> str:
    """The id of the conversation that a document names, whatever else it holds; empty where it names none."""
    try:
        return _ID_DECODER.decode(data).conversation_id
    except (ValueError, RecursionError):
        return ""


def _decode_details(data: bytes | dict[str, Any]) -> _Conversation:
    try:
        return msgspec.convert(data, _Conversation) if isinstance(data, dict) else _DECODER.decode(data)
    except msgspec.ValidationError:
        # Most documents have no damaged field, so only the others are decoded twice.
        document = data if isinstance(data, dict) else msgspec.json.decode(data)
        if not isinstance(document, dict):
            raise
        return salvage_struct(document, _Conversation, [])


def _bounded_text(data: bytes | Source, largest: int) -> tuple[bytes, int]:
    """The decompressed text, and how many halves of surrogate pairs were replaced in it."""
    decoder, text = TextReader(strict=False), bytearray()
    with io.BytesIO(data) if isinstance(data, bytes) else data.open() as reader:
        while block := reader.read(1 << 18):
            for piece in decoder.pieces(block):
                text += piece
                # Checked piece by piece, because a small compressed body may decompress without end.
                _refuse_over(len(text), largest, "bytes")
    text += decoder.finish()
    # Counted before they are decoded: braces and commas in strings only make the estimate too high.
    _refuse_over(text.count(b"{"), OBJECTS, "objects")
    _refuse_over(text.count(b","), VALUES, "values")
    return bytes(text), decoder.repaired


def _refuse_over(size: int, most: int, what: str) -> None:
    if size > most:
        hint = "Such a document does not come from the platform."
        raise TooLarge(f"conversation details of more than {most:,} {what}", operation="read details", hint=hint)


def _epoch(value: Time) -> int | None:
    """Epoch milliseconds of a time in any form; None for anything before 1973 or after the year 9999."""
    try:
        moment = ms_of(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment is not None and EPOCH < moment < LAST else None


def _participant_of(raw: _Participant, place: int) -> DetailParticipant:
    sessions = tuple(_session_of(session, raw) for session in raw.sessions or () if session and session.session_id)
    segments = _segments_of(raw)
    start, end = _span_of(segments)
    return DetailParticipant(
        id=raw.participant_id or f"{raw.purpose or 'participant'}-{place + 1}",
        purpose=raw.purpose,
        name=raw.participant_name,
        user_id=raw.user_id,
        queue_id=next((segment.queue_id for segment in segments if segment.queue_id), None),
        external_contact_id=raw.external_contact_id,
        start=start,
        end=end,
        sessions=sessions,
    )


def _session_of(raw: _Session, person: _Participant) -> DetailSession:
    start, end = _span_of([segment for segment in raw.segments or () if segment])
    return DetailSession(
        id=raw.session_id or "",
        media_type=raw.media_type,
        direction=raw.direction,
        recorded=bool(raw.recording),
        purpose=person.purpose,
        participant_id=person.participant_id,
        user_id=person.user_id,
        queue_id=next((segment.queue_id for segment in raw.segments or () if segment and segment.queue_id), None),
        start=start,
        end=end,
    )


def _segments_of(person: _Participant) -> list[_Segment]:
    return [
        segment
        for session in person.sessions or ()
        if session
        for segment in session.segments or ()
        if segment is not None
    ]


def _span_of(segments: list[_Segment]) -> tuple[int | None, int | None]:
    """From the first start to the last end; the end is open while any segment is."""
    starts = [moment for segment in segments if (moment := _epoch(segment.segment_start)) is not None]
    ends = [_epoch(segment.segment_end) for segment in segments]
    known = [end for end in ends if end is not None]
    return min(starts, default=None), max(known) if known and len(known) == len(ends) else None


def _rank(session: DetailSession) -> int:
    if session.recorded and session.media_type == "voice":
        return 0 if session.purpose in ("customer", "external") else 1
    return 2


def _distinct(values: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))
