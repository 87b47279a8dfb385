"""The records of the domain: turns, words, participants, recordings. Independent of payloads, files and network.

Times are integer milliseconds from the conversation's start; None for digital text that has no times.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

from turnkeeper.display import html_table, one_line

__all__ = [
    "Communication",
    "Dialect",
    "Participant",
    "Pause",
    "Recording",
    "RecordingState",
    "Role",
    "Span",
    "Summary",
    "TimeBase",
    "TranscriptHeader",
    "Turn",
    "Word",
    "roles",
]

Dialect = Literal["media", "speech", "events", "legacy"]
"""The format of a transcript payload."""

Role = Literal["customer", "agent", "ivr", "acd", "bot", "system", "unknown"]
"""Who speaks, derived from intervals and channels; ``unknown`` if they do not determine it."""

roles: tuple[Role, ...] = get_args(Role)


class Word(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One word. ``end_ms`` is the platform's value, which is often too early: most words have a length of 80 ms."""

    word: str
    start_ms: int | None = None
    end_ms: int | None = None
    confidence: float | None = None


class Turn(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A stretch of speech or text by one speaker.

    ``start_ms`` and ``end_ms`` bound it half-open, from the conversation's start; both None for digital text without
    times. ``confidence`` is 0..1. ``speaker_id`` is a participant's id, None where the speaker is not known.
    ``duplicate_of`` is set on a turn that another communication already holds: ``"{communication}/{index}"``.
    ``index`` is the turn's place in its communication (phraseIndex where the platform gives one).
    ``defects`` names the fields of this turn whose value in the payload could not be right (``end_ms``, ``confidence``,
    ``turn`` for an element that is no object); such a field holds its default, the others are as the payload has them.
    ``conversation`` is set where the archive or the document names the conversation.
    """

    __repr__ = one_line
    _repr_html_ = html_table

    text: str
    role: Role
    start_ms: int | None = None
    end_ms: int | None = None
    speaker_id: str | None = None
    confidence: float | None = None
    channel: str | None = None
    communication: str | None = None
    language: str | None = None
    sentiment: float | None = None
    duplicate_of: str | None = None
    index: int = 0
    words: tuple[Word, ...] = ()
    defects: tuple[str, ...] = ()
    conversation: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Every field by its name, also those that are not set: a row of a data frame. Words are dictionaries too."""
        return {**msgspec.structs.asdict(self), "words": [msgspec.structs.asdict(word) for word in self.words]}


class Participant(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A participant: a person or a machine. ``purpose`` is the platform's word, from which ``role`` is derived."""

    __repr__ = one_line
    _repr_html_ = html_table

    id: str
    role: Role
    name: str | None = None
    purpose: str | None = None
    user_id: str | None = None
    queue_id: str | None = None
    start_ms: int | None = None
    end_ms: int | None = None


class Communication(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One leg of a conversation (the platform's sessionId). Each leg may have a transcript of its own."""

    id: str
    language: str | None = None
    start_ms: int | None = None
    duration_ms: int | None = None


class Pause(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A stretch in which recording paused or the caller was held, ``[start_ms, end_ms)`` from the recording's start on
    the wall's clock (with every earlier pause still in it). ``reason`` is Hold, SecurePause, FlowOrQueue or Pause.
    """

    start_ms: int
    end_ms: int
    reason: str = ""


class Recording(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One recording as the platform describes it. ``start`` and ``end`` are epoch milliseconds on the wall's clock,
    ``duration_ms`` is the length of the audio itself. ``media`` is ``audio`` for what can be heard, else the platform's
    word; ``state`` its fileState; ``communication`` the leg it was made on.
    """

    id: str
    media: str = "audio"
    state: str = "AVAILABLE"
    start: int | None = None
    end: int | None = None
    communication: str | None = None
    duration_ms: int | None = None
    pauses: tuple[Pause, ...] = ()


class RecordingState(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of one recording: ``done``, ``redacted`` (done, with sensitive parts silenced by the platform),
    ``incomplete`` (archived, and sound is missing in it), ``waiting``, ``archived``, ``deleted``, ``absent`` (no
    media), ``failed`` or ``unread``, and why.

    ``format`` is what it was asked for in: ``original``, or the platform's name of a format.
    """

    id: str
    state: str
    reason: str = ""
    format: str = ""


class TimeBase(msgspec.Struct, frozen=True, omit_defaults=True):
    """What time zero of a transcript is. ``epoch_ms`` is None if the payload has only relative times.

    ``offset_times`` says that phrase times were offsets (not epoch milliseconds) in the payload.
    """

    kind: Literal["analytics", "conversation", "transcript", "phrase", "relative", "none"]
    epoch_ms: int | None = None
    offset_times: bool | None = None


class TranscriptHeader(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The header of a transcript: everything in the document except its turns."""

    conversation: str
    dialect: Dialect
    status: str = "completed"
    started_at: str | None = None
    time_base: TimeBase = TimeBase(kind="none")
    media_type: str | None = None
    communications: tuple[Communication, ...] = ()
    participants: tuple[Participant, ...] = ()


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The summary of a conversation, as ``turnkeeper get`` prints it.

    ``total_duration_seconds`` is the last turn's end; ``avg_confidence`` the mean over the turns that have one, to 6
    decimals, 0.0 where none has. ``timed_turns`` have both boundaries, so they map to samples at any rate. ``roles``
    counts turns per role. ``defects`` counts the turns that name at least one defect.
    """

    __repr__ = one_line
    _repr_html_ = html_table

    interaction_id: str
    total_duration_seconds: float
    total_turns: int
    agent_turns: int
    customer_turns: int
    avg_confidence: float
    turns_with_confidence: int
    timed_turns: int
    roles: dict[str, int]
    dialect: Dialect
    duplicate_turns: int = 0
    unknown_speaker_turns: int = 0
    defects: int = 0


class Span(msgspec.Struct, frozen=True, gc=False):
    """Sample indices ``[start, end)`` at one rate. A flag says that a boundary was moved to the recording's edge."""

    start: int
    end: int
    clipped_start: bool = False
    clipped_end: bool = False
    outside: bool = False
