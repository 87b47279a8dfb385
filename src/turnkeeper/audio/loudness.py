"""Measure the loudness of each channel in frames of about 10 ms from a stream of samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["Loudness", "loudness"]

_BAND_HZ = (200.0, 3400.0)
_SILENCE_DB = -80.0  # below one step of u-law: digital silence and the faintest line are the same to us


class Loudness(msgspec.Struct, frozen=True):
    """``levels`` has the shape (channels, frames), in dB below full scale within the telephone band.

    Frame ``k`` is centred on ``start_s + k * hop_s`` seconds of audio.
    """

    levels: NDArray[np.float32]
    hop_s: float
    start_s: float

    @property
    def duration_s(self) -> float:
        """The length of the audio in seconds, to a frame."""
        return float(self.levels.shape[1] * self.hop_s)


def loudness(blocks: Iterable[NDArray[np.int16]], rate: int, channels: int) -> Loudness:
    """Read ``blocks`` of shape (channels, n) once.

    Memory grows by 4 bytes per frame and channel (8 h stereo: 23 MB). Windows are 20 ms long, one every 10 ms. Rates
    above 8 kHz are averaged down to between 8 and 16 kHz first.
    """
    # The measured band ends below 4 kHz, so a higher rate would only cost time.
    fewer = max(1, rate // 8000)
    hop = max(1, rate // (100 * fewer))
    parts = [
        _band_levels(samples, hop, rate / fewer) for samples in _whole_frames(_downsample(blocks, fewer, channels), hop)
    ]
    levels = np.concatenate(parts, axis=1) if parts else np.zeros((channels, 0), dtype=np.float32)
    hop_s = hop * fewer / rate
    return Loudness(levels, hop_s, hop_s)


def _downsample(blocks: Iterable[NDArray[np.int16]], fewer: int, channels: int) -> Iterator[NDArray[np.float32]]:
    rest = np.zeros((channels, 0), dtype=np.float32)
    for block in blocks:
        joined = np.concatenate([rest, block.astype(np.float32)], axis=1)
        whole = joined.shape[1] // fewer * fewer
        rest = joined[:, whole:]
        yield joined[:, :whole].reshape(channels, -1, fewer).mean(2) if fewer > 1 else joined


def _whole_frames(samples: Iterable[NDArray[np.float32]], hop: int) -> Iterator[NDArray[np.float32]]:
    """The stream in pieces whose windows of two hops follow each other without gap or repetition."""
    waiting: NDArray[np.float32] | None = None
    for piece in samples:
        waiting = piece if waiting is None else np.concatenate([waiting, piece], axis=1)
        frames = waiting.shape[1] // hop - 1
        if frames > 0:
            yield waiting[:, : (frames + 1) * hop]
            # The last hop is also the first half of the next window.
            waiting = waiting[:, frames * hop :]


def _band_levels(samples: NDArray[np.float32], hop: int, rate: float) -> NDArray[np.float32]:
    window = np.hanning(2 * hop + 1)[:-1].astype(np.float32) / np.float32(32768)
    frames = np.lib.stride_tricks.sliding_window_view(samples, 2 * hop, axis=1)[:, ::hop]
    low, high = (round(hertz * 2 * hop / rate) for hertz in _BAND_HZ)
    spectrum = np.fft.rfft(frames * window)[:, :, low : high + 1]
    # Parseval's theorem for a Hann window: its mean square is 3/8, and each bin of the half spectrum counts twice.
    power = (spectrum.real**2 + spectrum.imag**2).sum(2) * (2 / ((2 * hop) ** 2 * 0.375))
    return np.asarray(10 * np.log10(power + 10 ** (_SILENCE_DB / 10)), dtype=np.float32)
