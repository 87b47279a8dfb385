"""Find cuts that the platform does not list: the shift of every turn, by dynamic programming (Viterbi's algorithm).

Each turn is tried at every shift on a grid. Between turns the shift may move by one step for free (drift, jitter), or
fall at once (something was cut out) at a price, by no more than the transcript is silent there. It never jumps up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from turnkeeper.audio.activity import Activity
from turnkeeper.audio.turn_arrays import TurnArrays

__all__ = ["turn_shifts"]

Values = NDArray[np.float64]

# 20 ms is finer than any cut that matters, and the refinement afterwards does not depend on the grid.
_GRID_S = 0.02
_REACH_S = 150.0
# About what three turns gain by an onset in the right place: less would invent cuts, more would miss short ones.
_PRICE = 5.0
# Smaller changes of the shift are left to the free steps between turns.
_LEAST_CUT_S = 1.0
# Ends of turns are not exact, so a cut may be a little longer than the silence that the transcript shows.
_SLACK_S = 0.4
_ONSET_S = 0.06
# Origins of 256 turns at a time: 256 x 15,000 places x 4 bytes are 15 MB.
_BLOCK = 256


def turn_shifts(
    audio: Activity, turns: TurnArrays, begins: tuple[Values, Values], channels: tuple[int, int], offset_s: float
) -> tuple[Values, NDArray[np.int64]]:
    """Each turn's shift (audio minus nominal seconds), and the number of cuts before it.

    ``begins`` holds the onsets on the customer's and on the agent's channel. ``offset_s`` is the shift that fits most
    turns.
    """
    room = float(np.minimum(np.maximum(turns.gaps()[1:], 0), _REACH_S).sum()) if len(turns) > 1 else 0.0
    # Cuts cannot be longer than the silences of the transcript altogether; 2 s more for drift and jitter.
    reach = min(_REACH_S, room + 2.0)
    grid = np.arange(round((offset_s - reach) / _GRID_S), round((offset_s + reach) / _GRID_S) + 1)
    fits = _Fit(audio, begins, channels, turns)
    path = _best_path(fits, turns, grid)
    fallen = np.concatenate([[0], (path[:-1] - path[1:]) * _GRID_S >= _LEAST_CUT_S])
    return np.asarray(grid[path] * _GRID_S, dtype=np.float64), np.cumsum(fallen).astype(np.int64)


def _best_path(fits: _Fit, turns: TurnArrays, grid: NDArray[np.int64]) -> NDArray[np.int64]:
    """The best place on ``grid`` for each turn.

    The origin of each step is held for one block of turns at a time, and computed again on the way back. So a day of
    turns needs no more memory than ten minutes.
    """
    blocks = [(first, min(first + _BLOCK, len(turns))) for first in range(1, len(turns), _BLOCK)]
    before = [fits.score(turns, 0, grid)]
    back = np.empty((0, len(grid)), dtype=np.int32)
    for block in blocks:
        value, back = _walk_block(fits, turns, grid, before[-1], block)
        before.append(value)
    path = np.zeros(len(turns), dtype=np.int64)
    path[-1] = int(before[-1].argmax())
    for number in reversed(range(len(blocks))):
        first, last = blocks[number]
        if number < len(blocks) - 1:
            _, back = _walk_block(fits, turns, grid, before[number], blocks[number])
        for turn in reversed(range(first, last)):
            path[turn - 1] = back[turn - first][path[turn]]
    return path


def _walk_block(
    fits: _Fit, turns: TurnArrays, grid: NDArray[np.int64], value: Values, block: tuple[int, int]
) -> tuple[Values, NDArray[np.int32]]:
    """From the values at the turn before ``block`` to those at its last turn, with the origin of each step."""
    first, last = block
    gaps = turns.gaps()
    back = np.empty((last - first, len(grid)), dtype=np.int32)
    for turn in range(first, last):
        value, back[turn - first] = _best_step(value, float(gaps[turn]))
        value = value + fits.score(turns, turn, grid)
    return value, back


def _best_step(value: Values, gap_s: float) -> tuple[Values, NDArray[np.int32]]:
    """The best way to each shift from the turn before, and its origin."""
    here = np.arange(len(value), dtype=np.int32)
    best, source = value.copy(), here.copy()
    for move in (-1, 1):
        moved = np.roll(value, move)
        moved[-1 if move < 0 else 0] = -np.inf
        # A margin, so that of two equal ways the one without a move wins whatever the rounding.
        better = moved > best + 1e-9
        best[better], source[better] = moved[better], here[better] - move
    low, high = round(_LEAST_CUT_S / _GRID_S), int((gap_s + _SLACK_S) / _GRID_S) if np.isfinite(gap_s) else 0
    if high > low:
        top, where = _highest_above(value, low, min(high, len(value) - 1))
        # Several cuts in one silence are one cut, so the price is paid once whatever its length.
        better = top - _PRICE > best
        best[better], source[better] = top[better] - _PRICE, where[better]
    return best, source


def _highest_above(value: Values, low: int, high: int) -> tuple[Values, NDArray[np.int32]]:
    """For each place, the highest value ``low`` to ``high`` places above it, and its place.

    Windows are doubled, as in a sparse table for range maxima, so the cost is O(n log n) and not O(n * width).
    """
    width = high - low + 1
    padded = np.concatenate([value, np.full(high + 1, -np.inf)])
    where = np.arange(len(padded), dtype=np.int32)
    span = 1
    while span * 2 <= width:
        where = _higher_place(padded, where, np.concatenate([where[span:], where[:span]]))
        span *= 2
    first = where[low : low + len(value)]
    second = where[low + width - span : low + width - span + len(value)]
    best = _higher_place(padded, first, second)
    return padded[best], best


def _higher_place(value: Values, first: NDArray[np.int32], second: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.where(value[second] > value[first], second, first)


class _Fit:
    """How well one turn fits at a shift: speech during it, quiet before it, the other side quiet, an onset at its
    start.
    """

    def __init__(
        self, audio: Activity, begins: tuple[Values, Values], channels: tuple[int, int], turns: TurnArrays
    ) -> None:
        self.channels = channels
        self.length = (
            int(audio.loudness.duration_s / _GRID_S) + round(float(np.max(turns.end - turns.start)) / _GRID_S) + 10
        )
        times = audio.loudness.start_s + np.arange(audio.mask.shape[1]) * audio.loudness.hop_s
        places = np.clip((times / _GRID_S).astype(int), 0, self.length - 1)
        weight = audio.loudness.hop_s / _GRID_S
        self.sums = []
        for channel in audio.mask:
            binned = np.bincount(places, channel * weight, self.length)[: self.length]
            self.sums.append(np.concatenate([[0.0], np.cumsum(np.minimum(binned, 1))]))
        self.near = [self._onset_track(times_) for times_ in begins]
        self.heard_until = float(audio.loudness.duration_s)

    def _onset_track(self, begins: Values) -> Values:
        track = np.zeros(self.length)
        reach = round(3 * _ONSET_S / _GRID_S)
        bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) * _GRID_S / _ONSET_S) ** 2)
        for place in (begins / _GRID_S).astype(int):
            low, high = max(0, place - reach), min(self.length, place + reach + 1)
            part = bell[low - place + reach : high - place + reach]
            np.maximum(track[low:high], part, out=track[low:high])
        return track

    def score(self, turns: TurnArrays, turn: int, grid: NDArray[np.int64]) -> Values:
        start, end, side = float(turns.start[turn]), float(turns.end[turn]), int(turns.side[turn])
        own, other = self.sums[self.channels[side]], self.sums[self.channels[1 - side]]
        first, last = round(start / _GRID_S), round(end / _GRID_S)
        at = grid + first
        # Running sums make the mean of any window two look-ups, for the whole grid at once.
        during = self._window_mean(own, at, at + (last - first))
        # 60 to 360 ms before the start: close enough to belong to it, and clear of the onset itself.
        before = self._window_mean(own, at - 18, at - 3)
        elsewhere = self._window_mean(other, at, at + (last - first)) if own is not other else 0.0
        near = self.near[side][np.clip(at, 0, self.length - 1)]
        # A long turn must not outweigh all the others: what is heard after 2.5 s adds nothing to the certainty of its
        # place.
        sure = min(end - start, 2.5)
        # A turn gains where more than 35 % of its frames are active. An onset in place (1.5) weighs as much as 2.3 s of
        # continuous speech.
        value = sure * (during - 0.4 * elsewhere - 0.35) - 0.4 * before + 1.5 * near
        # A turn outside the audio costs a little: it may well lie there, but that must not be free.
        outside = (at < 0) | (at * _GRID_S > self.heard_until)
        return np.where(outside, -0.3, value)

    def _window_mean(self, sums: Values, low: NDArray[np.int64], high: NDArray[np.int64]) -> Values:
        low, high = (np.clip(edge, 0, self.length) for edge in (low, high))
        return np.asarray((sums[high] - sums[low]) / np.maximum(high - low, 1), dtype=np.float64)
