"""Recordings made for the tests: the same noise bursts in every format that calls come in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 8_000
_WRITTEN = 1 << 19  # frames at a time: libvorbis lays what it is given on the stack
Samples = NDArray[np.int16]


def bursts(seconds: float = 4, channels: int = 2, rate: int = RATE, seed: int = 7) -> Samples:
    """Two people taking turns, as band-limited noise: shape ``(channels, n)``."""
    random, count = np.random.default_rng(seed), int(seconds * rate)
    speaks = np.sin(2 * np.pi * 0.7 * np.arange(count) / rate) > 0
    voices = [np.convolve(random.standard_normal(count), np.hanning(9) / 4, "same") for _ in range(channels)]
    loud = [voice * (speaks if number % 2 else ~speaks) * 6000 for number, voice in enumerate(voices)]
    return np.stack(loud).astype(np.int16)


def write_sound(path: Path, samples: Samples, *, rate: int = RATE, **how: Any) -> Path:
    """Through libsndfile, in the format of ``how`` or of the file's name."""
    with soundfile.SoundFile(path, "w", rate, len(samples), **how) as out:
        for at in range(0, samples.shape[1], _WRITTEN):
            out.write(samples.T[at : at + _WRITTEN])
    return path


def write_media(
    path: Path,
    samples: Samples,
    codec: str,
    *,
    out_rate: int,
    options: dict[str, str] | None = None,
    layout: str = "stereo",
) -> Path:
    """Through FFmpeg: WebM, MP4, and MP3 without a header."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream: Any = container.add_stream(codec, rate=out_rate, layout=layout)
        resampler = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=out_rate)
        interleaved = np.ascontiguousarray(samples.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(interleaved, format="s16", layout="stereo")
        frame.rate, frame.pts = RATE, 0
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def lag(found: Samples, wanted: Samples) -> int:
    """By how many samples ``found`` is later than ``wanted``: the peak of their cross-correlation."""
    size = 1 << (len(found) + len(wanted)).bit_length()
    spectrum = np.fft.rfft(found.astype(float), size) * np.conj(np.fft.rfft(wanted.astype(float), size))
    peak = int(np.fft.irfft(spectrum).argmax())
    return peak if peak < size // 2 else peak - size
