"""The recordings of a conversation as its alignment view describes them: audio, peaks, and the map between times."""

from __future__ import annotations

import msgspec

from turnkeeper.archive import keys
from turnkeeper.archive.bundle import Archive
from turnkeeper.archive.manifest import Manifest
from turnkeeper.errors import NotFound, Unread

__all__ = ["AlignedTurn", "Alignment", "Recording", "Segment", "audio_keys", "media_type", "read_alignment"]

FORMAT = "turnkeeper.alignment/1"

_TYPES = {
    "aac": "audio/aac",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "mp4": "audio/mp4",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
    "webm": "audio/webm",
}


class Segment(msgspec.Struct, frozen=True):
    """``[start_ms, end_ms)`` of the conversation is ``[start_sample, end_sample)`` of the recording."""

    start_ms: int
    end_ms: int
    start_sample: int
    end_sample: int


class Pause(msgspec.Struct, frozen=True):
    """A stretch of the conversation that the audio lacks."""

    start_ms: int
    end_ms: int
    reason: str = ""


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """One recording; ``channel_roles`` in the order of its channels."""

    id: str
    rate: int
    frames: int
    key: str = ""
    codec: str = ""
    channels: int = 1
    channel_roles: tuple[str, ...] = ()
    pauses: tuple[Pause, ...] = ()
    segments: tuple[Segment, ...] = ()
    sync: dict[str, object] | None = None
    notes: tuple[str, ...] = ()


class AlignedTurn(msgspec.Struct, frozen=True, kw_only=True):
    """Where a turn lies in a recording; ``index`` is its place in the transcript."""

    index: int
    recording: str
    spans: tuple[tuple[int, int], ...] = ()
    flags: tuple[str, ...] = ()


class Alignment(msgspec.Struct, frozen=True, kw_only=True):
    """The view ``alignment/{conversation}.json``."""

    format: str
    conversation: str
    recordings: tuple[Recording, ...] = ()
    turns: tuple[AlignedTurn, ...] = ()


# Made while importing, one thread at a time: msgspec crashes when two threads first use a type at the same moment.
_ALIGNMENT = msgspec.json.Decoder(Alignment)


def read_alignment(archive: Archive, conversation: str) -> Alignment | None:
    """The alignment view; None where the archive has none. Raises ``Unread`` for another format."""
    key = keys.alignment(conversation)
    try:
        found = _ALIGNMENT.decode(archive.store.get(key))
    except NotFound:
        return None
    except msgspec.DecodeError as cause:
        raise Unread(f"not an alignment ({cause})", operation="read", key=key, hint="Run turnkeeper reread.") from None
    if found.format != FORMAT:
        raise Unread(
            f"has the format {found.format[:60]!a}",
            operation="read",
            key=key,
            hint="Upgrade turnkeeper.",
        )
    return found


def audio_keys(manifest: Manifest, recording: Recording) -> list[str]:
    """Where the recording's bytes are, in the order of its parts: two where each side has a file of its own."""
    prefix = f"audio/{manifest.conversation}/{recording.id}."
    parts = sorted((taken.source, taken.key) for taken in manifest.inputs if taken.key.startswith(prefix))
    return [key for _, key in parts]


def media_type(key: str) -> str:
    """The media type a browser is told, by the key's extension."""
    return _TYPES.get(key.rpartition(".")[2].lower(), "application/octet-stream")
