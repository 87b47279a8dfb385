"""An analytics conversation-details document: who was there, when, on which communications. Tolerant: what is absent is
left out. Also used to choose which communications to ask transcripts of."""

from __future__ import annotations

from typing import Any

import msgspec

from turnkeeper.errors import Unread
from turnkeeper.transcript.document import Source
from turnkeeper.transcript.numbers import epoch_ms
from turnkeeper.transcript.surrogates import without_lone_surrogates

__all__ = ["DetailParticipant", "DetailSession", "Details", "read_details"]


class DetailSession(msgspec.Struct, frozen=True, kw_only=True):
    """One communication of one participant. ``id`` is the sessionId, which is the communicationId; times are epoch ms;
    ``recorded`` is the platform's own flag."""

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
    """One participant; ``start`` and ``end`` (epoch ms) span its segments, ``queue_id`` is the first among theirs."""

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
    """The conversation; times are epoch ms, ``end`` is None while it is still open."""

    conversation: str
    start: int | None = None
    end: int | None = None
    direction: str | None = None
    division_ids: tuple[str, ...] = ()
    participants: tuple[DetailParticipant, ...] = ()
    wrap_up_codes: tuple[str, ...] = ()

    @property
    def sessions(self) -> tuple[DetailSession, ...]:
        """All sessions, in file order; one id may stand under several participants."""
        return tuple(session for person in self.participants for session in person.sessions)

    @property
    def media_types(self) -> tuple[str, ...]:
        """The media of all sessions, each once, in order of appearance."""
        return _unique(session.media_type for session in self.sessions)

    @property
    def user_ids(self) -> tuple[str, ...]:
        return _unique(person.user_id for person in self.participants)

    @property
    def queue_ids(self) -> tuple[str, ...]:
        return _unique(
            queue for person in self.participants for queue in (person.queue_id, *(s.queue_id for s in person.sessions))
        )

    def communications(self) -> tuple[DetailSession, ...]:
        """The sessions to ask transcripts of, likeliest first, each id once.

        First the customer's recorded voice sessions, then other recorded voice sessions, then all others: nothing in
        analytics says which one has a transcript, and a wrong guess costs a request of the platform's 300 a minute.
        """
        found: dict[str, DetailSession] = {}
        for session in sorted(self.sessions, key=_rank):
            found.setdefault(session.id, session)
        return tuple(found.values())


class _Segment(msgspec.Struct, rename="camel"):
    segment_start: str | None = None
    segment_end: str | None = None
    queue_id: str | None = None
    wrap_up_code: str | None = None


class _Session(msgspec.Struct, rename="camel"):
    session_id: str | None = None
    media_type: str | None = None
    direction: str | None = None
    recording: bool | None = None
    segments: list[_Segment] | None = None


class _Participant(msgspec.Struct, rename="camel"):
    participant_id: str | None = None
    participant_name: str | None = None
    purpose: str | None = None
    user_id: str | None = None
    external_contact_id: str | None = None
    sessions: list[_Session] | None = None


class _Conversation(msgspec.Struct, rename="camel"):
    conversation_id: str | None = None
    conversation_start: str | None = None
    conversation_end: str | None = None
    originating_direction: str | None = None
    division_ids: list[str] | None = None
    participants: list[_Participant] | None = None


_DECODER = msgspec.json.Decoder(_Conversation)


def read_details(data: bytes | dict[str, Any] | Source) -> Details:
    """Details from JSON bytes, a source of them, or one conversation already decoded. Raises ``Unread`` naming the
    field."""
    try:
        raw = msgspec.convert(data, _Conversation) if isinstance(data, dict) else _decoded(_bytes(data))
    except RecursionError:
        raise Unread("conversation details nested too deep", operation="read details") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as cause:
        said, _, path = str(cause).replace("`", "").partition(" - at $")
        field = path.lstrip(".")
        raise Unread(f"conversation details: {said}", operation="read details", field=field) from None
    if not raw.conversation_id:
        raise Unread("conversation details without conversationId", operation="read details", field="conversationId")
    people = tuple(_participant(person, place) for place, person in enumerate(raw.participants or ()))
    segments = [segment for person in raw.participants or () for segment in _segments(person)]
    return Details(
        conversation=raw.conversation_id,
        start=epoch_ms(raw.conversation_start),
        end=epoch_ms(raw.conversation_end),
        direction=raw.originating_direction,
        division_ids=tuple(raw.division_ids or ()),
        participants=people,
        wrap_up_codes=_unique(segment.wrap_up_code for segment in segments),
    )


def _decoded(body: bytes) -> _Conversation:
    try:
        return _DECODER.decode(body)
    except ValueError:
        # Half a character in somebody's name is no reason to know nothing of the conversation.
        mended, count = without_lone_surrogates(body)
        if not count:
            raise
        return _DECODER.decode(mended)


def _bytes(data: bytes | Source) -> bytes:
    if isinstance(data, bytes):
        return data
    with data.open() as reader:
        return reader.read()


def _participant(raw: _Participant, place: int) -> DetailParticipant:
    sessions = tuple(_session(session, raw) for session in raw.sessions or () if session.session_id)
    segments = _segments(raw)
    start, end = _span(segments)
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


def _session(raw: _Session, person: _Participant) -> DetailSession:
    start, end = _span(raw.segments or [])
    return DetailSession(
        id=raw.session_id or "",
        media_type=raw.media_type,
        direction=raw.direction,
        recorded=bool(raw.recording),
        purpose=person.purpose,
        participant_id=person.participant_id,
        user_id=person.user_id,
        queue_id=next((segment.queue_id for segment in raw.segments or () if segment.queue_id), None),
        start=start,
        end=end,
    )


def _segments(person: _Participant) -> list[_Segment]:
    return [segment for session in person.sessions or () for segment in session.segments or ()]


def _span(segments: list[_Segment]) -> tuple[int | None, int | None]:
    """From the first start to the last end; the end is open while any segment is."""
    starts = [moment for segment in segments if (moment := epoch_ms(segment.segment_start)) is not None]
    ends = [epoch_ms(segment.segment_end) for segment in segments]
    known = [end for end in ends if end is not None]
    return min(starts, default=None), max(known) if known and len(known) == len(ends) else None


def _rank(session: DetailSession) -> int:
    if session.recorded and session.media_type == "voice":
        return 0 if session.purpose in ("customer", "external") else 1
    return 2


def _unique(values: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))
