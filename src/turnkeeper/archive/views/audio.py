"""The views of a conversation's audio: a waveform per recording, and which samples each turn is.

Audio that cannot be read costs its own views and nothing else: the reason is given back.
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

__all__ = ["PEAKS_ZOOM", "AudioViews", "Task", "build_sound"]

PEAKS_ZOOM = 256
"""Samples per pixel of the stored waveform: 32 ms at 8 kHz."""

View = Callable[[str], AbstractContextManager[BinaryIO]]


@dataclass(frozen=True)
class Task:
    """What to build from. ``files`` are the audio inputs by recording, in channel order; ``told`` what the platform
    says of the recordings; ``turns`` gives the transcript afresh; ``base`` is its time zero in epoch milliseconds.
    """

    conversation: str
    files: Mapping[str, Sequence[tuple[Input, Source]]]
    told: Mapping[str, Recording]
    turns: Callable[[], Iterator[Turn]]
    base: int | None
    mode: SyncMode


@dataclass
class AudioViews:
    """What came of it, by recording: the compact verdict for the manifest, why it could not be read, remarks about a
    file that could, and ``incomplete``: what is missing in its sound."""

    sync: dict[str, dict[str, object]] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    incomplete: dict[str, str] = field(default_factory=dict)


def build_sound(task: Task, view: View) -> AudioViews:
    """Write ``peaks/…`` of every recording that can be read, and ``alignment/…`` over all of them."""
    sound = AudioViews()
    aligned = []
    for recording in _in_time(task):
        try:
            aligned.append(_one(task, recording, sound, view))
        except (Unread, Misconfigured) as cause:
            sound.unread[recording] = f"{cause.message}. {cause.hint}" if cause.hint else cause.message
        except (TurnkeeperError, OSError, MemoryError):
            raise
        except Exception as defect:
            # A decoder or a measurement that breaks must not cost the transcript, nor the other recordings.
            said_so = f"{type(defect).__name__}: {str(defect)[:200]}"
            sound.unread[recording] = f"turnkeeper broke while reading it ({said_so}); please report this"
    if aligned:
        times = ((turn.start_ms, turn.end_ms) for turn in task.turns())
        with view(keys.alignment(task.conversation)) as out:
            write_alignment(task.conversation, aligned, times, out)
    return sound


def _in_time(task: Task) -> list[str]:
    """The recordings in the order of their start, so that the document does not depend on the platform's order."""
    return sorted(task.files, key=lambda name: (task.told.get(name, Recording(id=name)).start or 0, name))


def _one(task: Task, name: str, sound: AudioViews, view: View) -> AlignedRecording:
    files = task.files[name]
    told = task.told.get(name, Recording(id=name))
    with _opened(name, files) as audio:
        mode: SyncMode = task.mode if audio.channels <= 2 else "off"
        pyramid, heard = _listened(audio, mode)
        with pyramid:
            frames = pyramid.frames
            if not frames:
                raise Unread("; ".join(["it holds no samples", *audio.notes]), operation="decode audio", key=name)
            with view(keys.peaks(task.conversation, name)) as out:
                pyramid.write_dat(out, PEAKS_ZOOM, 8)
        said = check_duration(told, frames * 1000 / audio.rate)
        notes = [*audio.notes, *said.notes]
        if told.start is None or task.base is None:
            notes.append("when it starts is not known: taken as the conversation's start")
        timeline = _timeline(told, task.base, audio.rate, frames, said.cuts)
        if mode != task.mode:
            notes.append(f"not compared with the transcript: {audio.channels} channels")

        def losses(sync: Sync | None = None) -> tuple[str, ...]:
            cut = sum(one.end_ms - one.start_ms for one in sync.cuts) if sync else 0
            return (*audio.losses, *said.losses(cut))

        found = match_transcript(audio, timeline, task.turns(), mode, loudness=heard, losses=losses)
        incomplete = found.sync.incomplete if found.sync else losses()
        if incomplete:
            sound.incomplete[name] = "; ".join(dict.fromkeys([*incomplete, *audio.notes]))
        elif audio.notes:
            sound.remarks[name] = "; ".join(audio.notes)
        if found.sync is not None:
            sound.sync[name] = _compact(found.sync, applied=found.applied)
        return AlignedRecording(
            id=name,
            codec=audio.codec,
            channels=audio.channels,
            timeline=found.timeline,
            channel_roles=found.channel_roles,
            key=files[0][0].key,
            pauses=_announced(told, timeline.start_ms),
            mode=task.mode,
            applied=found.applied,
            sync=found.sync,
            notes=tuple(dict.fromkeys(notes)),
            incomplete=incomplete,
        )


def _listened(audio: Audio, mode: SyncMode) -> tuple[Pyramid, Loudness | None]:
    """The waveform and, where it is to be compared, the loudness: both while the audio is decoded once."""
    drawing = PeakBuilder(audio.rate, audio.channels, zooms=(PEAKS_ZOOM,))
    pass_through = drawing.pass_through(audio.blocks())
    if mode != "off":
        heard = loudness(pass_through, audio.rate, audio.channels)
        return drawing.finish(), heard
    for _ in pass_through:
        pass
    return drawing.finish(), None


def _opened(name: str, files: Sequence[tuple[Input, Source]]) -> Audio:
    if len(files) > 2:
        raise Unread(f"it consists of {len(files)} files", operation="decode audio", key=name)
    opened = [source.open() for _, source in files]
    return open_audio(opened[0], second=opened[1] if len(opened) == 2 else None)


def _timeline(told: Recording, base: int | None, rate: int, frames: int, cut_out: Sequence[Pause]) -> Timeline:
    start = told.start - base if told.start is not None and base is not None else 0
    cuts = tuple((start + one.start_ms, start + one.end_ms) for one in cut_out)
    return Timeline(rate, frames, start, cuts)


def _announced(told: Recording, start_ms: int) -> tuple[Announced, ...]:
    return tuple(
        Announced(start_ms=start_ms + one.start_ms, end_ms=start_ms + one.end_ms, reason=one.reason)
        for one in told.pauses
    )


def _compact(sync: Sync, *, applied: bool) -> dict[str, object]:
    told: dict[str, object] = {
        "verdict": sync.verdict,
        "offset_ms": sync.offset_ms,
        "drift_ppm": sync.drift_ppm,
        "confidence": sync.confidence,
        "applied": applied,
    }
    if sync.incomplete:
        told["incomplete"] = list(sync.incomplete)
    return told | ({"swapped": True} if sync.swapped else {}) | ({"cuts": len(sync.cuts)} if sync.cuts else {})
