"""Build the views of a conversation's audio: a waveform for each recording, and the samples of each turn.

Audio that cannot be read costs its own views and nothing else. The result says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from turnkeeper.archive import keys
from turnkeeper.archive.manifest import Input, SyncMode
from turnkeeper.audio.alignment import AlignedPause as Announced
from turnkeeper.audio.alignment import AlignedRecording, write_alignment
from turnkeeper.audio.decode import Audio, open_audio
from turnkeeper.audio.loudness import Loudness, loudness
from turnkeeper.audio.match import match_transcript
from turnkeeper.audio.peaks import PeakBuilder, Pyramid
from turnkeeper.audio.platform_duration import check_duration
from turnkeeper.audio.timeline import Timeline
from turnkeeper.errors import Misconfigured, TurnkeeperError, Unread
from turnkeeper.model import Pause, Recording, Turn
from turnkeeper.spool import Source

if TYPE_CHECKING:
    from turnkeeper.audio.sync import Sync

__all__ = ["PEAKS_ZOOM", "AudioTask", "AudioViews", "build_audio_views"]

PEAKS_ZOOM = 256
"""Samples per pixel of the stored waveform: 32 ms at 8 kHz."""

OpenView = Callable[[str], AbstractContextManager[BinaryIO]]
"""Opens a view of this name for writing."""


@dataclass(frozen=True)
class AudioTask:
    """What to build from. ``files`` are the audio inputs by recording, in channel order; ``recordings`` are the
    platform's entries of the recordings; ``turns`` iterates over the transcript from its start; ``base`` is its time
    zero in epoch milliseconds.
    """

    conversation: str
    files: Mapping[str, Sequence[tuple[Input, Source]]]
    recordings: Mapping[str, Recording]
    turns: Callable[[], Iterator[Turn]]
    base: int | None
    mode: SyncMode


@dataclass
class AudioViews:
    """The results by recording: ``sync`` is the short verdict for the manifest, ``unread`` why it cannot be read,
    ``remarks`` what is odd about it, and ``incomplete`` what its sound lacks."""

    sync: dict[str, dict[str, object]] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    incomplete: dict[str, str] = field(default_factory=dict)


def build_audio_views(task: AudioTask, view: OpenView) -> AudioViews:
    """Write ``peaks/…`` of every recording that can be read, and ``alignment/…`` over all of them."""
    result = AudioViews()
    aligned = []
    for recording in _by_start(task):
        try:
            aligned.append(_build_recording(task, recording, result, view))
        except (Unread, Misconfigured) as cause:
            result.unread[recording] = f"{cause.message}. {cause.hint}" if cause.hint else cause.message
        except (TurnkeeperError, OSError, MemoryError):
            raise
        except Exception as defect:
            # A bug in a decoder or a measurement must not cost the transcript, nor the other recordings.
            reason = f"{type(defect).__name__}: {str(defect)[:200]}"
            result.unread[recording] = f"turnkeeper broke while reading it ({reason}); please report this"
    if aligned:
        times = ((turn.start_ms, turn.end_ms) for turn in task.turns())
        with view(keys.alignment(task.conversation)) as out:
            write_alignment(task.conversation, aligned, times, out)
    return result


def _by_start(task: AudioTask) -> list[str]:
    """The recordings in the order of their start, so that the views do not depend on the order of the platform."""
    return sorted(task.files, key=lambda name: (task.recordings.get(name, Recording(id=name)).start or 0, name))


def _build_recording(task: AudioTask, name: str, result: AudioViews, view: OpenView) -> AlignedRecording:
    files = task.files[name]
    recording = task.recordings.get(name, Recording(id=name))
    with _open_recording(name, files) as audio:
        # Sync compares at most two channels with the speakers of the transcript.
        mode: SyncMode = task.mode if audio.channels <= 2 else "off"
        pyramid, loudness_curve = _measure(audio, mode)
        with pyramid:
            frames = pyramid.frames
            if not frames:
                raise Unread("; ".join(["it holds no samples", *audio.notes]), operation="decode audio", key=name)
            with view(keys.peaks(task.conversation, name)) as out:
                pyramid.write_dat(out, PEAKS_ZOOM, 8)
        expected = check_duration(recording, frames * 1000 / audio.rate)
        notes = [*audio.notes, *expected.notes]
        if recording.start is None or task.base is None:
            notes.append("when it starts is not known: taken as the conversation's start")
        timeline = _make_timeline(recording, task.base, audio.rate, frames, expected.cuts)
        if mode != task.mode:
            notes.append(f"not compared with the transcript: {audio.channels} channels")

        def losses(sync: Sync | None = None) -> tuple[str, ...]:
            cut_ms = sum(cut.end_ms - cut.start_ms for cut in sync.cuts) if sync else 0
            return (*audio.losses, *expected.losses(cut_ms))

        matched = match_transcript(audio, timeline, task.turns(), mode, loudness=loudness_curve, losses=losses)
        incomplete = matched.sync.incomplete if matched.sync else losses()
        if incomplete:
            result.incomplete[name] = "; ".join(dict.fromkeys([*incomplete, *audio.notes]))
        elif audio.notes:
            result.remarks[name] = "; ".join(audio.notes)
        if matched.sync is not None:
            result.sync[name] = _sync_verdict(matched.sync, applied=matched.applied)
        return AlignedRecording(
            id=name,
            codec=audio.codec,
            channels=audio.channels,
            timeline=matched.timeline,
            channel_roles=matched.channel_roles,
            key=files[0][0].key,
            pauses=_announced_pauses(recording, timeline.start_ms),
            mode=task.mode,
            applied=matched.applied,
            sync=matched.sync,
            notes=tuple(dict.fromkeys(notes)),
            incomplete=incomplete,
        )


def _measure(audio: Audio, mode: SyncMode) -> tuple[Pyramid, Loudness | None]:
    """Draw the waveform and, unless ``mode`` is ``off``, measure the loudness, while the audio is decoded once."""
    drawing = PeakBuilder(audio.rate, audio.channels, zooms=(PEAKS_ZOOM,))
    blocks = drawing.pass_through(audio.blocks())
    if mode != "off":
        curve = loudness(blocks, audio.rate, audio.channels)
        return drawing.finish(), curve
    for _ in blocks:
        pass
    return drawing.finish(), None


def _open_recording(name: str, files: Sequence[tuple[Input, Source]]) -> Audio:
    if len(files) > 2:
        raise Unread(f"it consists of {len(files)} files", operation="decode audio", key=name)
    readers = [source.open() for _, source in files]
    return open_audio(readers[0], second=readers[1] if len(readers) == 2 else None)


def _make_timeline(recording: Recording, base: int | None, rate: int, frames: int, pauses: Sequence[Pause]) -> Timeline:
    start = recording.start - base if recording.start is not None and base is not None else 0
    cuts = tuple((start + pause.start_ms, start + pause.end_ms) for pause in pauses)
    return Timeline(rate, frames, start, cuts)


def _announced_pauses(recording: Recording, start_ms: int) -> tuple[Announced, ...]:
    return tuple(
        Announced(start_ms=start_ms + pause.start_ms, end_ms=start_ms + pause.end_ms, reason=pause.reason)
        for pause in recording.pauses
    )


def _sync_verdict(sync: Sync, *, applied: bool) -> dict[str, object]:
    """The timing of a recording as the manifest stores it, without the fields that are empty."""
    verdict: dict[str, object] = {
        "verdict": sync.verdict,
        "offset_ms": sync.offset_ms,
        "drift_ppm": sync.drift_ppm,
        "confidence": sync.confidence,
        "applied": applied,
    }
    if sync.incomplete:
        verdict["incomplete"] = list(sync.incomplete)
    return verdict | ({"swapped": True} if sync.swapped else {}) | ({"cuts": len(sync.cuts)} if sync.cuts else {})
