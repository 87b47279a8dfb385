"""Recordings of any length for the benchmarks, made once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE = 8_000
FORMATS = {
    "u-law WAV": ("ulaw.wav", {"format": "WAV", "subtype": "ULAW"}),
    "PCM WAV": ("pcm.wav", {"format": "WAV", "subtype": "PCM_16"}),
    "FLAC": ("flac.flac", {"format": "FLAC", "subtype": "PCM_16"}),
    "Ogg Vorbis": ("vorbis.ogg", {"format": "OGG", "subtype": "VORBIS"}),
    "Ogg Opus": ("opus.opus", {"format": "OGG", "subtype": "OPUS"}),
}


def recording(folder: Path, name: str, minutes: int) -> Path:
    """A stereo recording at 8 kHz: noise in turns on two channels, the same in every format."""
    file, how = FORMATS[name]
    path = folder / f"{minutes}min-{file}"
    if not path.exists():
        with soundfile.SoundFile(path, "w", RATE, 2, **how) as out:
            for minute in range(minutes):
                out.write(_minute(minute % 7))
    return path


def _minute(seed: int) -> np.ndarray:
    random, count = np.random.default_rng(seed), RATE * 60
    speaks = np.sin(2 * np.pi * 0.2 * np.arange(count) / RATE) > 0
    noise = random.standard_normal((count, 2)) * 3000
    return (noise * np.stack((speaks, ~speaks), axis=1)).astype(np.int16)
