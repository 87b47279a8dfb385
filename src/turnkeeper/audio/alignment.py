"""The alignment document: which samples of which recording belong to each turn.

The document is a pure function of its inputs: no clock, no file names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import IO, Any, Literal

import msgspec

from turnkeeper.audio.timeline import Segment, Timeline
from turnkeeper.errors import Misconfigured, Unread
from turnkeeper.installation import upgrade_hint
from turnkeeper.model import Span

__all__ = [
    "FORMAT",
    "AlignedPause",
    "AlignedRecording",
    "Alignment",
    "RecordingView",
    "SyncMode",
    "TurnView",
    "align_turn",
    "flags",
    "read_alignment",
    "sync_fields",
    "write_alignment",
]

FORMAT = "turnkeeper.alignment/1"

SyncMode = Literal["report", "correct", "off"]
"""What to do with a measured correction: ``report`` writes it down, ``correct`` also applies it, ``off`` measures
nothing.
"""

_BATCH = 512


class AlignedPause(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of conversation time that the platform calls a hold or a pause. ``reason`` is its word."""

    start_ms: int
    end_ms: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class AlignedRecording:
    """One recording as the alignment document describes it.

    ``timeline`` maps conversation time to samples, with the correction where one is applied; its ``frames`` are the
    decoded samples per channel. ``channel_roles`` names who is heard on each channel, in order (``customer``,
    ``agent``, ``mixed`` …). ``key`` is the archived object. ``sync`` holds the measured fields, None where nothing was
    measured. ``applied`` says whether ``timeline`` contains the correction. ``incomplete`` lists what is missing in the
    recording.
    """

    id: str
    codec: str
    channels: int
    timeline: Timeline
    channel_roles: tuple[str, ...]
    key: str | None = None
    pauses: tuple[AlignedPause, ...] = ()
    mode: SyncMode = "off"
    applied: bool = False
    sync: Mapping[str, Any] | msgspec.Struct | None = None
    notes: tuple[str, ...] = field(default=())
    incomplete: tuple[str, ...] = ()

    @property
    def rate(self) -> int:
        """The sample rate in Hz of the stored audio and of every sample index in the document."""
        return self.timeline.rate

    @property
    def duration_ms(self) -> int:
        """The recording's length in milliseconds, rounded half up."""
        return (self.timeline.frames * 2000 + self.rate) // (2 * self.rate)


class RecordingView(msgspec.Struct, frozen=True, kw_only=True):
    """A recording as it is read from an alignment document."""

    id: str
    codec: str
    rate: int
    channels: int
    frames: int
    start_ms: int
    channel_roles: tuple[str, ...]
    segments: tuple[Segment, ...]
    sync: dict[str, Any]
    key: str | None = None
    pauses: tuple[AlignedPause, ...] = ()
    notes: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()

    def timeline(self) -> Timeline:
        """The timeline that the document was made with. The gaps between the segments are its cuts."""
        cuts = tuple((segment.end_ms, following.start_ms) for segment, following in pairwise(self.segments))
        # Figures that were only reported are no part of the map.
        applied = self.sync.get("applied") is True
        offset, drift = (int(self.sync.get(name, 0)) if applied else 0 for name in ("offset_us", "drift_ppb"))
        return Timeline(self.rate, self.frames, self.start_ms, cuts, offset, drift)


class TurnView(msgspec.Struct, frozen=True, kw_only=True):
    """A turn as it is read from an alignment document."""

    index: int
    recording: str
    spans: tuple[tuple[int, int], ...]
    flags: tuple[str, ...] = ()


class Alignment(msgspec.Struct, frozen=True, kw_only=True):
    """An alignment document."""

    format: str
    conversation: str
    recordings: tuple[RecordingView, ...]
    turns: tuple[TurnView, ...]


# Made while importing, one thread at a time: msgspec crashes when two threads first use a type at the same moment.
_DECODER = msgspec.json.Decoder(Alignment)


def read_alignment(data: bytes, key: str = "") -> Alignment:
    """Read an alignment document. Unknown fields are ignored. Raises ``Unread``."""
    try:
        found = _DECODER.decode(data)
    except msgspec.DecodeError as cause:
        raise Unread(f"not an alignment ({cause})", operation="read", key=key) from None
    if found.format == FORMAT:
        return found
    raise Unread(f"has the format {found.format[:60]!a}", operation="read", key=key, hint=upgrade_hint())


def write_alignment(
    conversation: str,
    recordings: Sequence[AlignedRecording],
    turns: Iterable[tuple[int | None, int | None]],
    out: IO[bytes],
) -> int:
    """Write a document of the format ``turnkeeper.alignment/1`` in one pass and constant memory.

    ``turns`` are pairs of start and end in conversation milliseconds, in the order of the transcript. Turns without
    times are left out and keep their index. The output is UTF-8 on one line with a newline at its end; the same
    arguments give the same bytes. Returns how many turns have samples. Raises ``Misconfigured`` where two recordings
    have the same id.
    """
    if len({recording.id for recording in recordings}) < len(recordings):
        raise Misconfigured("two recordings have the same id", operation="align", key=conversation)
    encode = msgspec.json.Encoder().encode
    head = {
        "format": FORMAT,
        "conversation": conversation,
        "recordings": [_recording_document(recording) for recording in recordings],
    }
    out.write(encode(head)[:-1] + b',"turns":[')
    rows = _turn_rows(recordings, turns) if recordings else iter(())
    count = 0
    while batch := list(islice(rows, _BATCH)):
        out.write((b"," if count else b"") + encode(batch)[1:-1])
        count += len(batch)
    out.write(b"]}\n")
    return count


def align_turn(recordings: Sequence[AlignedRecording], start_ms: int, end_ms: int) -> tuple[int, tuple[Span, ...]]:
    """Choose the recording that holds most of a turn. Returns its index in ``recordings`` and the turn's samples in it.

    Of two recordings that hold equally much the earlier one is chosen. A turn that no recording holds goes to the
    nearest one, with a span that is marked ``outside``. Raises ``Misconfigured`` where there is no recording.
    """
    if not recordings:
        raise Misconfigured("no recording to align with", operation="align")
    best, found = 0, recordings[0].timeline.spans(start_ms, end_ms)
    for number, recording in enumerate(recordings[1:], 1):
        spans = recording.timeline.spans(start_ms, end_ms)
        # In seconds, because the recordings may have different rates.
        held, most = _seconds_held(spans, recording.rate), _seconds_held(found, recordings[best].rate)
        nearer = held == most == 0 and _gap_ms(recording, start_ms, end_ms) < _gap_ms(
            recordings[best], start_ms, end_ms
        )
        if held > most or nearer:
            best, found = number, spans
    return best, found


def flags(spans: tuple[Span, ...]) -> tuple[str, ...]:
    """What the spans of a turn say about its edges: ``outside``, or ``clipped_start`` and ``clipped_end``."""
    if spans[0].outside:
        return ("outside",)
    edges = {"clipped_start": spans[0].clipped_start, "clipped_end": spans[-1].clipped_end}
    return tuple(name for name, true in edges.items() if true)


def _seconds_held(spans: tuple[Span, ...], rate: int) -> float:
    return sum(span.end - span.start for span in spans) / rate


def _gap_ms(recording: AlignedRecording, start_ms: int, end_ms: int) -> int:
    """Milliseconds between a turn and a recording, 0 where they overlap."""
    timeline = recording.timeline
    return max(0, timeline.moment(0) - end_ms, start_ms - timeline.moment(timeline.frames))


def _turn_rows(
    recordings: Sequence[AlignedRecording], turns: Iterable[tuple[int | None, int | None]]
) -> Iterator[dict[str, Any]]:
    for index, (start, end) in enumerate(turns):
        if start is None or end is None:
            continue
        number, spans = align_turn(recordings, start, end)
        row: dict[str, Any] = {"index": index, "recording": recordings[number].id}
        row["spans"] = [[span.start, span.end] for span in spans]
        if edges := flags(spans):
            row["flags"] = edges
        yield row


def _recording_document(recording: AlignedRecording) -> dict[str, Any]:
    document: dict[str, Any] = {"id": recording.id} | ({"key": recording.key} if recording.key is not None else {})
    document |= {
        "codec": recording.codec,
        "rate": recording.rate,
        "channels": recording.channels,
        "frames": recording.timeline.frames,
        "start_ms": recording.timeline.start_ms,
        "duration_ms": recording.duration_ms,
        "channel_roles": list(recording.channel_roles),
        "pauses": [msgspec.to_builtins(pause) for pause in recording.pauses],
        "segments": [vars(segment) for segment in recording.timeline.segments],
        "sync": {"mode": recording.mode, "applied": recording.applied} | sync_fields(recording.sync),
        "notes": list(recording.notes),
    }
    return document | ({"incomplete": list(recording.incomplete)} if recording.incomplete else {})


def sync_fields(sync: Mapping[str, Any] | msgspec.Struct | None) -> dict[str, Any]:
    """Measured fields as plain data. None is left out at every depth; zero is written."""
    named = msgspec.structs.asdict(sync) if isinstance(sync, msgspec.Struct) else dict(sync or {})
    return {
        name: sync_fields(value) if isinstance(value, msgspec.Struct | Mapping) else msgspec.to_builtins(value)
        for name, value in named.items()
        if value is not None
    }
