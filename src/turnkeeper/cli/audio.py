"""``turnkeeper audio``: facts about a recording, its waveform, and whether it fits its transcript."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from turnkeeper.cli.console import show
from turnkeeper.errors import Misconfigured
from turnkeeper.runs.audio import audio_facts, write_lhotse, write_peaks

__all__ = ["audio"]


def audio(
    recording: Path,
    /,
    *,
    second: Path | None = None,
    peaks: Path | None = None,
    samples_per_pixel: int = 256,
    bits: Literal[8, 16] = 8,
    mono: Annotated[bool, Parameter(negative="")] = False,
    transcript: str = "",
    lhotse: Path | None = None,
    recording_start: float = 0.0,
) -> int:
    """Facts about a recording, and its waveform; prints JSON.

    Reads WAV (PCM, u-law, A-law), FLAC, Ogg Opus and Vorbis, MP3, WebM and MP4, whatever the file's name says.

        turnkeeper audio call.wav
        turnkeeper audio call.opus --peaks call.dat --samples-per-pixel 256 --bits 8
        turnkeeper audio call.wav --transcript call.json --lhotse manifests/

    Parameters
    ----------
    recording
        The recording.
    second
        The second of two mono files of one call.
    peaks
        Write the waveform here, in the format of audiowaveform 2: .dat or .json. Each channel by itself.
    samples_per_pixel
        How many samples one pair of minimum and maximum stands for.
    bits
        8 or 16.
    mono
        One waveform of all channels together.
    transcript
        The recording's transcript, in any dialect.
    lhotse
        Write recordings.jsonl and supervisions.jsonl for lhotse into this folder (needs --transcript).
    recording_start
        Second of the conversation at which the recording begins.
    """
    facts = asdict(audio_facts(recording, second=second))
    if peaks is not None:
        pixels = write_peaks(
            recording,
            peaks,
            second=second,
            samples_per_pixel=samples_per_pixel,
            bits=bits,
            mono=mono,
        )
        facts["peaks"] = {"path": str(peaks), "pixels": pixels, "samples_per_pixel": samples_per_pixel}
    if lhotse is not None:
        if not transcript:
            raise Misconfigured("needs the transcript", key="--lhotse", hint="Add --transcript.")
        start = round(recording_start * 1000)
        count = write_lhotse(recording, transcript, lhotse, second=second, recording_start_ms=start)
        facts["lhotse"] = {"folder": str(lhotse), "supervisions": count}
    show(facts)
    return 0
