"""The inputs of a generation: what each is, and which of the earlier ones still count beside the new ones. Pure."""

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
    "ReadBack",
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

ReadBack = Callable[[Input], Source]
"""Reads the archived bytes of an input back. Raises ``Unread`` if they are gone or changed."""

CONVERSATION = "conversation"
METADATA = "media/metadata"
RECORDINGS = "recordings"
_KEPT = "kept from before"
_WITH_AUDIO = ("done", "redacted", "incomplete")
"""The states of a recording whose audio was fetched."""
_AUDIO = "audio"


def key_of(conversation: str, source: str, communication: str | None, sha256: str, head_bytes: bytes = b"") -> str:
    """The key of an input. An audio file's extension comes from its first bytes. Raises ``Misconfigured`` for ids that
    cannot become keys."""
    head, _, rest = source.partition("/")
    if head == _AUDIO:
        return keys.audio(conversation, rest.partition("/")[0], sha256, extension(head_bytes))
    if head == "directory":
        return keys.directory(rest, sha256)
    return keys.raw(conversation, communication or f"_{head}", sha256)


def is_directory(source: str) -> bool:
    return source.startswith("directory/")


def is_transcript(source: str) -> bool:
    """Whether turns are read from it. Details, names, audio and the media dialect's metadata only accompany them."""
    return not is_companion(source) and source != METADATA


def is_companion(source: str) -> bool:
    """Whether it belongs to a conversation whatever the dialect of its transcript."""
    return is_directory(source) or source in (CONVERSATION, RECORDINGS) or recording_of(source) is not None


def recording_of(source: str) -> str | None:
    """The recording whose audio it is (``audio/{recording}/{part}``); None for other inputs."""
    head, _, rest = source.partition("/")
    return rest.partition("/")[0] if head == _AUDIO else None


def communication_of(body: Input) -> str | None:
    """The communication a body belongs to; None for bodies of the whole conversation."""
    placed = keys.parse_raw(body.key)
    return placed[1] if placed and not placed[1].startswith("_") else None


def audio_keys(inputs: Iterable[Input]) -> dict[str, tuple[str, ...]]:
    """The keys of the audio files by recording, in the order of their channels."""
    files: dict[str, tuple[str, ...]] = {}
    for body in sorted(inputs, key=lambda body: body.source):
        if recording := recording_of(body.source):
            files[recording] = (*files.get(recording, ()), body.key)
    return files


def compose(earlier: Iterable[Input], arrived: Sequence[Input]) -> tuple[Input, ...]:
    """The newest input of each source, in the order of the sources.

    Earlier details, names and recordings still count if no new ones arrived. So do earlier transcripts of
    communications that did not arrive this time, if the dialect is the same: a second leg may come later, and the
    platform may have deleted an older one. A fetch in another dialect, or a new body of the whole conversation,
    replaces all earlier transcripts. The files of one recording are replaced together.
    """
    newest = {body.source: body for body in arrived}
    dialects = {_dialect(source) for source in newest if not is_companion(source)}
    new_recordings = {recording for source in newest if (recording := recording_of(source))}
    for body in earlier:
        is_replaced = body.source in newest or recording_of(body.source) in new_recordings
        if not is_replaced and _still_counts(body, dialects):
            newest[body.source] = body
    return tuple(newest[source] for source in sorted(newest))


def merge_states(
    earlier: Iterable[CommunicationState], given: Iterable[CommunicationState], inputs: Iterable[Input]
) -> tuple[CommunicationState, ...]:
    """Merge the states of communications: the ones given now replace earlier ones.

    A transcript that the platform no longer has, or does not give now, stays ``done``, because the archive holds it.
    """
    held = {communication for body in inputs if (communication := communication_of(body))}
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
    """Merge the states of recordings: the ones given now replace earlier ones, and what reading the audio showed
    replaces both.

    By recording, ``unread`` is why its audio cannot be read (None if no audio was read), ``remarks`` what is odd about
    audio that can be read, and ``incomplete`` what its sound lacks. A recording that the platform no longer gives stays
    ``done``, as long as the archive holds its audio.
    """
    held = {recording for body in inputs if (recording := recording_of(body.source))}
    before = {state.id: state for state in earlier}
    states = before | {state.id: state for state in given}
    merged = [_merge_recording(name, states[name], before.get(name), held, unread) for name in sorted(states)]
    gaps = incomplete or {}
    return tuple(
        RecordingState(state.id, "incomplete", gaps[state.id], state.format)
        if state.state in _WITH_AUDIO and state.id in gaps
        else RecordingState(state.id, state.state, remarks[state.id], state.format)
        if state.state == "done" and state.id in remarks
        else state
        for state in merged
    )


def has_remarks(states: Iterable[RecordingState], inputs: Iterable[Input]) -> bool:
    """Whether a state says something that was found by reading the audio, and could only be found again that way."""
    held = audio_keys(inputs)
    return any(
        state.state in ("unread", "incomplete")
        or (state.state == "done" and state.reason and not state.reason.startswith(_KEPT))
        for state in states
        if state.id in held
    )


def _merge_recording(
    name: str, now: RecordingState, before: RecordingState | None, held: set[str], unread: Mapping[str, str] | None
) -> RecordingState:
    form = now.format or (before.format if before else "")
    if name not in held:
        return now
    if unread and name in unread:
        return RecordingState(name, "unread", unread[name], form)
    # The audio was not read this time, so the earlier finding stands.
    if now.state == "unread" and unread is None:
        return now
    if now.state == "unread" or (now.state == "incomplete" and unread is not None):
        return RecordingState(name, "done", "", form)  # the audio was read again, so the earlier finding is void
    if now.state not in _WITH_AUDIO:
        reason = now.reason if now.reason.startswith(_KEPT) else f"{_KEPT}; now {now.state}: {now.reason}"
        return RecordingState(name, "done", reason, before.format if before else form)
    return now


def _because(state: CommunicationState) -> str:
    return f": {state.reason}" if state.reason else ""


def _dialect(source: str) -> str:
    return source.partition("/")[0]


def _still_counts(body: Input, dialects: set[str]) -> bool:
    if is_companion(body.source) or not dialects:
        return True
    return _dialect(body.source) in dialects and communication_of(body) is not None
