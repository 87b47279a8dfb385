"""Which inputs a new generation stands on: what arrived now, and what still holds from before. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from turnkeeper.archive import keys
from turnkeeper.archive.manifest import CommunicationState, Input
from turnkeeper.audio.media_types import extension
from turnkeeper.model import RecordingState
from turnkeeper.spool import Source

__all__ = [
    "CONVERSATION",
    "RECORDINGS",
    "Back",
    "audio_keys",
    "communication_of",
    "compose",
    "has_remarks",
    "is_companion",
    "is_directory",
    "is_transcript",
    "key_of",
    "merge_recordings",
    "merge_states",
    "recording_of",
]

Back = Callable[[Input], Source]
"""Gives the archived bytes of an input. Raises ``Unread`` where they are gone or changed."""

CONVERSATION = "conversation"
METADATA = "media/metadata"
RECORDINGS = "recordings"
_KEPT = "kept from before"
_HELD = ("done", "redacted")
_WHOLE = ("done", "redacted", "incomplete")
_AUDIO = "audio"


def key_of(conversation: str, source: str, communication: str | None, sha256: str, head_bytes: bytes = b"") -> str:
    """Where an input goes; audio's extension comes from its first bytes. Raises ``Misconfigured`` for ids that cannot
    become keys."""
    head, _, rest = source.partition("/")
    if head == _AUDIO:
        return keys.audio(conversation, rest.partition("/")[0], sha256, extension(head_bytes))
    if head == "directory":
        return keys.directory(rest, sha256)
    return keys.raw(conversation, communication or f"_{head}", sha256)


def is_directory(source: str) -> bool:
    return source.startswith("directory/")


def is_transcript(source: str) -> bool:
    """Whether turns come from it (details, names, audio and the media dialect's metadata only accompany them)."""
    return not is_companion(source) and source != METADATA


def is_companion(source: str) -> bool:
    """Whether it belongs to a conversation in whatever dialect its transcript comes."""
    return is_directory(source) or source in (CONVERSATION, RECORDINGS) or recording_of(source) is not None


def recording_of(source: str) -> str | None:
    """The recording whose audio it is (``audio/{recording}/{part}``); None for everything else."""
    head, _, rest = source.partition("/")
    return rest.partition("/")[0] if head == _AUDIO else None


def communication_of(taken: Input) -> str | None:
    """The communication a body belongs to; None for bodies of the whole conversation."""
    placed = keys.parse_raw(taken.key)
    return placed[1] if placed and not placed[1].startswith("_") else None


def audio_keys(inputs: Iterable[Input]) -> dict[str, tuple[str, ...]]:
    """The keys of the audio by recording, its files in channel order."""
    found: dict[str, tuple[str, ...]] = {}
    for taken in sorted(inputs, key=lambda one: one.source):
        if recording := recording_of(taken.source):
            found[recording] = (*found.get(recording, ()), taken.key)
    return found


def compose(earlier: Iterable[Input], arrived: Sequence[Input]) -> tuple[Input, ...]:
    """The newest input of each source, in the order of the sources.

    Carried over: details, names and recordings that are absent now, and transcripts of communications that did not
    arrive this time (a second leg comes later; an older one was purged upstream) as long as the dialect is the same. A
    fetch in another dialect, and a new body of the whole conversation, replace all transcripts before; a recording's
    files are replaced together.
    """
    newest = {taken.source: taken for taken in arrived}
    dialects = {_dialect(source) for source in newest if not is_companion(source)}
    again = {recording for source in newest if (recording := recording_of(source))}
    for taken in earlier:
        replaced = taken.source in newest or recording_of(taken.source) in again
        if not replaced and _still_holds(taken, dialects):
            newest[taken.source] = taken
    return tuple(newest[source] for source in sorted(newest))


def merge_states(
    earlier: Iterable[CommunicationState], given: Iterable[CommunicationState], inputs: Iterable[Input]
) -> tuple[CommunicationState, ...]:
    """The states by communication: what was said now over what was said before.

    A transcript that the platform no longer has, or does not give now, stays done: the archive holds it.
    """
    held = {communication for taken in inputs if (communication := communication_of(taken))}
    states = {communication: CommunicationState(communication, "done") for communication in held}
    states |= {state.id: state for state in earlier} | {state.id: state for state in given}
    return tuple(
        CommunicationState(name, "done", f"kept from before; now {state.state}{_because(state)}")
        if name in held and state.state != "done"
        else state
        for name, state in sorted(states.items())
    )


def merge_recordings(
    earlier: Iterable[RecordingState],
    given: Iterable[RecordingState],
    inputs: Iterable[Input],
    unread: Mapping[str, str] | None,
    remarks: Mapping[str, str],
    incomplete: Mapping[str, str] | None = None,
) -> tuple[RecordingState, ...]:
    """The states by recording: now over before, ``unread`` (with the reason) over both; None where nobody looked.
    ``remarks`` are the reason of a recording that is done all the same, ``incomplete`` says of one what is missing in
    its sound.

    A recording that the platform no longer gives stays done, as long as the archive holds its audio.
    """
    held = {recording for taken in inputs if (recording := recording_of(taken.source))}
    before = {state.id: state for state in earlier}
    states = before | {state.id: state for state in given}
    merged = [_recording(name, states[name], before.get(name), held, unread) for name in sorted(states)]
    lacking = incomplete or {}
    return tuple(
        RecordingState(one.id, "incomplete", lacking[one.id], one.format)
        if one.state in _WHOLE and one.id in lacking
        else RecordingState(one.id, one.state, remarks[one.id], one.format)
        if one.state == "done" and one.id in remarks
        else one
        for one in merged
    )


def has_remarks(states: Iterable[RecordingState], inputs: Iterable[Input]) -> bool:
    """Whether reading the archived audio told something that only reading it again would tell again."""
    held = audio_keys(inputs)
    return any(
        one.state in ("unread", "incomplete")
        or (one.state == "done" and one.reason and not one.reason.startswith(_KEPT))
        for one in states
        if one.id in held
    )


def _recording(
    name: str, now: RecordingState, before: RecordingState | None, held: set[str], unread: Mapping[str, str] | None
) -> RecordingState:
    form = now.format or (before.format if before else "")
    if name not in held:
        return now
    if unread and name in unread:
        return RecordingState(name, "unread", unread[name], form)
    if now.state == "unread" and unread is None:
        return now
    if now.state == "unread" or (now.state == "incomplete" and unread is not None):
        return RecordingState(name, "done", "", form)  # read again, so that is not known any more
    if now.state not in _WHOLE:
        reason = now.reason if now.reason.startswith(_KEPT) else f"{_KEPT}; now {now.state}: {now.reason}"
        return RecordingState(name, "done", reason, before.format if before else form)
    return now


def _because(state: CommunicationState) -> str:
    return f": {state.reason}" if state.reason else ""


def _dialect(source: str) -> str:
    return source.partition("/")[0]


def _still_holds(taken: Input, dialects: set[str]) -> bool:
    if is_companion(taken.source) or not dialects:
        return True
    return _dialect(taken.source) in dialects and communication_of(taken) is not None
