"""Describe one recording: facts, waveform, alignment with its transcript, manifests for lhotse."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from turnkeeper.atomic_file import write_atomically
from turnkeeper.audio.alignment import AlignedRecording, Alignment, SyncMode, read_alignment, write_alignment
from turnkeeper.audio.decode import open_audio
from turnkeeper.audio.peaks import Bits, build_peaks
from turnkeeper.calls.call import Call, header_of, local_call, turns_of
from turnkeeper.calls.transcripts import Place
from turnkeeper.errors import Misconfigured, Unread
from turnkeeper.model import Span
from turnkeeper.transcript.lhotse import recording_manifest, supervisions

if TYPE_CHECKING:
    from turnkeeper.audio.sync import Sync

__all__ = ["AudioFacts", "align", "audio_facts", "write_lhotse", "write_local_alignment", "write_peaks"]


@dataclass(frozen=True)
class AudioFacts:
    """Facts about a recording.

    ``rate`` is in Hz, ``frames`` counts the decoded samples per channel, ``duration_ms`` is rounded half up.
    ``notes`` are remarks for a person; ``incomplete`` are those of them that say that sound is missing.
    """

    codec: str
    rate: int
    channels: int
    frames: int
    duration_ms: int
    notes: tuple[str, ...]
    incomplete: tuple[str, ...] = ()


def audio_facts(audio: Path, *, second: Path | None = None) -> AudioFacts:
    """Decode a recording (or two mono files of one call) and return its facts. Raises what ``open_audio`` raises."""
    with open_audio(audio, second=second) as opened:
        frames = opened.count()
        if not frames:
            raise Unread("; ".join(["holds no samples", *opened.notes]), operation="decode audio", key=str(audio))
        duration_ms = (frames * 2000 + opened.rate) // (2 * opened.rate)
        return AudioFacts(opened.codec, opened.rate, opened.channels, frames, duration_ms, opened.notes, opened.losses)


def align(
    audio: str | Path,
    transcript: Place,
    *,
    sync: SyncMode = "report",
    second: str | Path | None = None,
    recording_start_ms: int = 0,
) -> Alignment:
    """Find the samples of each turn in a recording, and whether recording and transcript belong together.

    ``audio`` is a file, with ``second`` two mono files of one call; ``recording_start_ms`` is the conversation time of
    its first sample, as far as it is known. ``sync="report"`` measures offset, drift, channels and cuts and leaves the
    samples where the metadata has them; ``"correct"`` puts them where the turns are heard, if the verdict is
    ``corrected``; ``"off"`` measures nothing. The result is what an archive keeps as its alignment document:
    ``.recordings[0].sync`` has the verdict and its evidence, ``.turns`` the spans.

    Raises what ``open_audio`` and ``read_turns`` raise.
    """
    second_path = Path(second) if second else None
    call = local_call(Path(audio), transcript, second=second_path, recording_start_ms=recording_start_ms, sync=sync)
    document = io.BytesIO()
    _write_alignment_of(call, transcript, sync, document)
    return read_alignment(document.getvalue())


def write_local_alignment(
    audio: Path,
    transcript: Place,
    out: Path | None,
    *,
    sync: SyncMode = "report",
    second: Path | None = None,
    recording_start_ms: int = 0,
) -> Sync | None:
    """Write the document of ``align`` to ``out`` unless it is None. Return what was measured, None with ``"off"``."""
    call = local_call(audio, transcript, second=second, recording_start_ms=recording_start_ms, sync=sync)
    if out is not None:
        with write_atomically(out) as file:
            _write_alignment_of(call, transcript, sync, file)
    matched = call.recordings[0].matched
    return matched.sync if matched else None


def _write_alignment_of(call: Call, transcript: Place, mode: SyncMode, out: IO[bytes]) -> None:
    recording = call.recordings[0]
    matched = recording.matched
    aligned = AlignedRecording(
        id=recording.id,
        codec=recording.codec,
        channels=len(recording.channel_roles),
        timeline=recording.timeline,
        channel_roles=recording.channel_roles,
        mode=mode,
        applied=matched is not None and matched.applied,
        sync=matched.sync if matched else None,
        notes=recording.notes,
        incomplete=recording.losses,
    )
    times = ((turn.start_ms, turn.end_ms) for turn in turns_of(transcript))
    write_alignment(header_of(transcript).conversation, [aligned], times, out)


def write_peaks(
    audio: Path,
    out: Path,
    *,
    second: Path | None = None,
    samples_per_pixel: int = 256,
    bits: Bits = 8,
    mono: bool = False,
) -> int:
    """Write a recording's waveform as audiowaveform data, version 2. Return the number of its pixels.

    ``out`` ends in ``.dat`` (binary) or ``.json``. Channels are kept apart unless ``mono``. Raises ``Misconfigured``
    for another ending or fewer than 2 samples per pixel, and what ``open_audio`` raises.
    """
    if out.suffix not in (".dat", ".json"):
        hint = "Give a name that ends in .dat or .json."
        raise Misconfigured(f"{out.suffix or 'no extension'} is not a format for peaks", key=str(out), hint=hint)
    with (
        open_audio(audio, second=second) as opened,
        build_peaks(opened.blocks(), opened.rate, opened.channels, zooms=[samples_per_pixel], mono=mono) as peaks,
        write_atomically(out) as file,
    ):
        write = peaks.write_dat if out.suffix == ".dat" else peaks.write_json
        write(file, samples_per_pixel, bits)
        return peaks.length(samples_per_pixel)


def write_lhotse(
    audio: Path,
    transcript: Place,
    folder: Path,
    *,
    second: Path | None = None,
    recording_start_ms: int = 0,
    sync: SyncMode = "off",
) -> int:
    """Write ``recordings.jsonl`` and ``supervisions.jsonl`` for lhotse. Return the number of supervisions.

    A turn that a cut divides becomes two supervisions. A turn outside the recording becomes none. The customer is on
    channel 0 of a stereo recording and everybody else on channel 1, as the platform records it, unless
    ``sync="correct"`` finds them exchanged.
    """
    call = local_call(audio, transcript, second=second, recording_start_ms=recording_start_ms, sync=sync)
    recording = call.recordings[0]
    timeline, channels = recording.timeline, len(recording.channel_roles)
    sources = [str(path) for path in (audio, second) if path is not None]
    name, count = audio.stem, 0
    manifest = recording_manifest(name, sources, rate=timeline.rate, frames=timeline.frames, channels=channels)
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomically(folder / "recordings.jsonl") as file:
        file.write(_json_line(manifest))
    with write_atomically(folder / "supervisions.jsonl") as file:
        for timed in call.timed_turns():
            spans = [Span(start, end) for start, end in timed.spans]
            channel = _channel(timed.turn.role, recording.channel_roles)
            for line in supervisions(name, timed.index, timed.turn, spans, rate=timeline.rate, channel=channel):
                file.write(_json_line(line))
                count += 1
    return count


def _channel(role: str, roles: tuple[str, ...]) -> int | list[int]:
    if len(roles) == 1:
        return 0
    side = "customer" if role == "customer" else "agent"
    if side not in roles or role == "unknown":
        # The words may be on any channel; lhotse takes a list of channels then.
        return list(range(len(roles)))
    return roles.index(side)


def _json_line(document: dict[str, object]) -> bytes:
    # Python reads bytes of a path that are not UTF-8 as lone surrogates, which UTF-8 cannot encode.
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
