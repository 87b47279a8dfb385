"""Find the rough position of a transcript in its audio: the shift, stretch and channel order that explain the activity
best.

The measure is Pearson's correlation between "this side speaks" and "this channel is active". It is computed for every
shift within 90 s by FFT, for a grid of stretches where the call is long enough to show one, and for both orders of the
channels.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from turnkeeper.audio.activity import Activity
from turnkeeper.audio.turn_arrays import TurnArrays

__all__ = ["REACH_S", "Position", "position"]

Values = NDArray[np.float64]

REACH_S = 90.0
_LEAST_OVERLAP = 0.4
_STRETCHED_FROM_S = 180.0
_AROUND_S = 2.0


class Position(msgspec.Struct, frozen=True):
    """The rough position: ``audio = offset_s + (1 + drift) * nominal``.

    ``channels`` is the channel of the customer's side and that of the agent's side. ``score`` is the mean correlation
    there. ``margin`` is how much better it is than the best score with the channels exchanged, 0 for one channel.
    ``rival`` is the best score more than 2 s away.
    """

    offset_s: float
    drift: float
    channels: tuple[int, int]
    score: float
    margin: float
    rival: float


def position(audio: Activity, turns: TurnArrays) -> Position:
    """Search for the position. ``turns`` has at least one turn; ``audio`` has one or two channels."""
    mono = len(audio.mask) == 1 or audio.alike
    span_s = max(audio.loudness.duration_s, float(turns.end.max() - turns.start.min()))
    frame_s, active = _coarse_activity(audio, span_s)
    best: dict[tuple[int, int], tuple[float, Values, float]] = {}
    orders = [(0, 0)] if mono else [(0, 1), (1, 0)]
    lags = np.arange(-round(REACH_S / frame_s), round(REACH_S / frame_s) + 1)
    search = _Search(active[:1] if mono else active, lags, mono=mono)
    for drift in _drift_grid(span_s):
        first_s = float(turns.start.min()) * (1 + drift) - _AROUND_S
        count = int((float(turns.end.max()) * (1 + drift) + _AROUND_S - first_s) / frame_s) + 1
        shift = first_s / frame_s
        scores = search.scores(turns.masks(first_s, frame_s, count, 1 + drift), shift, orders)
        for order, score in scores.items():
            if order not in best or score.max() > best[order][0]:
                best[order] = (float(score.max()), score, drift)
    winner = max(best, key=lambda order: best[order][0])
    top, score, drift = best[winner]
    at = float(lags[int(score.argmax())] * frame_s)
    far = score[np.abs(lags * frame_s - at) > _AROUND_S]
    other = [value[0] for order, value in best.items() if order != winner]
    margin = top - other[0] if other else 0.0
    return Position(at, drift, winner, top, margin, float(far.max()) if far.size else 0.0)


def _coarse_activity(audio: Activity, span_s: float) -> tuple[float, NDArray[np.float32]]:
    hop = audio.loudness.hop_s
    # Longer calls get coarser frames, so that the transforms stay small; the rough position is refined afterwards.
    together = 4 if span_s < 1200 else 8 if span_s < 5400 else 16
    count = audio.mask.shape[1] // together
    active = audio.mask[:, : count * together].reshape(len(audio.mask), count, together).mean(2)
    return hop * together, active


def _drift_grid(duration_s: float) -> Values:
    """Drifts to try, so close together that for one of them both ends of the call are within 0.15 s."""
    if duration_s < _STRETCHED_FROM_S:
        return np.zeros(1)
    # A long call needs a finer grid, so a narrower range is tried: the number of stretches stays small.
    widest = 2500e-6 if duration_s < 5400 else 500e-6
    steps = int(np.ceil(widest / (0.6 / duration_s)))
    return np.linspace(-widest, widest, 2 * steps + 1)


class _Search:
    """The transforms of the audio's side, used again for every stretch."""

    def __init__(self, active: NDArray[np.float32], lags: NDArray[np.int64], *, mono: bool) -> None:
        self.active, self.lags, self.mono = active.astype(np.float64), lags, mono
        self.size = 0

    def scores(self, masks: NDArray[np.float32], shift: float, orders: list[tuple[int, int]]) -> dict[
        tuple[int, int], Values
    ]:  # fmt: skip
        """For each order of channels, the score at each lag. ``shift`` is the mask's first frame in nominal time."""
        masks = masks.max(0, keepdims=True) if self.mono else masks
        self._transform_audio(masks.shape[1] + self.active.shape[1])
        places = self.lags + round(shift)
        table = self._pearson_scores(masks, places % self.size)
        # The FFT's correlation is circular: shifts beyond the overlap wrap around and mean nothing.
        table[..., (places <= -masks.shape[1]) | (places >= self.active.shape[1])] = -1.0  # no overlap: the index wraps
        spoken = [side for side in range(len(masks)) if masks[side].any()]
        return {order: np.mean([table[side, order[side]] for side in spoken], axis=0) for order in orders}

    def _transform_audio(self, least: int) -> None:
        size = 1 << (least - 1).bit_length()
        if size == self.size:
            return
        self.size = size
        self.sound = np.fft.rfft(self.active, size)
        self.square = np.fft.rfft(self.active**2, size)
        self.ones = np.fft.rfft(np.ones(self.active.shape[1]), size)

    def _pearson_scores(self, masks: NDArray[np.float32], places: NDArray[np.int64]) -> Values:
        def slide(one: NDArray[np.complex128], two: NDArray[np.complex128]) -> Values:
            return np.asarray(np.fft.irfft(np.conj(one) * two, self.size)[..., places], dtype=np.float64)

        inside = np.fft.rfft(np.ones(masks.shape[1]), self.size)
        spoken = np.fft.rfft(masks.astype(np.float64), self.size)
        count = slide(inside, self.ones)
        speech, sound, square = slide(spoken, self.ones), slide(inside, self.sound), slide(inside, self.square)
        both = slide(spoken[:, None], self.sound[None])
        apart = count * both - speech[:, None] * sound[None]
        spread = (count * speech - speech**2)[:, None] * (count * square - sound**2)[None]
        score = np.where(spread > 1e-3, apart / np.sqrt(np.maximum(spread, 1e-3)), 0.0)
        share = np.minimum(count / (0.9 * min(masks.shape[1], self.active.shape[1])), 1)
        # A short overlap agrees by chance more easily: the spread of a chance score falls with its root.
        return np.where(share >= _LEAST_OVERLAP, score * np.sqrt(np.maximum(share, 0)), -1.0)
