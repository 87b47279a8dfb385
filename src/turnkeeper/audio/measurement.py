"""Measure offset, drift and cuts: every turn start that can be heard against every onset of speech. Judges nothing."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from turnkeeper.audio.activity import Activity
from turnkeeper.audio.clock_line import ClockLine, fit_clock_line
from turnkeeper.audio.correlation import Position, position
from turnkeeper.audio.onsets import onsets
from turnkeeper.audio.turn_arrays import TurnArrays
from turnkeeper.audio.turn_shifts import turn_shifts

__all__ = ["Measurement", "measure"]

Values = NDArray[np.float64]
Groups = NDArray[np.int64]

# Each window is wider than the error that the step before leaves; too wide a window pairs with neighbouring words.
_WINDOWS_S = (0.6, 0.3, 0.25)
_QUIET_S = 0.3
_LEAST_IN_SEGMENT = 2
# On shorter calls a drift cannot be told from the error of a few onsets.
_DRIFT_FROM_S, _DRIFT_FROM_TURNS = 150.0, 20
_SPREAD_S = 0.008
_AROUND_S = 2.0


class Measurement(msgspec.Struct, frozen=True):
    """The measured figures.

    ``line`` gives the shift in seconds over nominal seconds, with one level for each segment between cuts. ``segment``
    is each turn's segment. ``heard`` marks the turns whose start can be heard at all, ``used`` those whose start was
    found near the line. ``score`` is the correlation of sides and channels with every turn in its place. ``own_share``
    is the share of speech on the speaker's own channel while one side speaks alone.
    """

    position: Position
    line: ClockLine
    segment: Groups
    heard: NDArray[np.bool_]
    used: NDArray[np.bool_]
    score: float
    own_share: float

    @property
    def mono(self) -> bool:
        """Whether both sides are in one channel, or in two channels that carry the same sound."""
        return self.position.channels[0] == self.position.channels[1]


def measure(audio: Activity, turns: TurnArrays) -> Measurement:
    """Find where ``turns`` lies in ``audio``. Both contain speech; ``audio`` has one or two channels."""
    rough = position(audio, turns)
    begins = _channel_onsets(audio, rough)
    shift, segment = turn_shifts(audio, turns, begins, rough.channels, rough.offset_s)
    # Without a cut, the straight line of the rough position is better than the grid's steps.
    if segment[-1] == 0:
        shift = rough.offset_s + rough.drift * turns.start
    free = turns.free(_QUIET_S)
    length = audio.loudness.duration_s
    line, used = _refine_line(turns, shift, segment, begins, free)
    there = turns.start + line.at(turns.start, segment)
    # Near the edges of the audio the quiet before an onset cannot be seen.
    heard = free & (there > _QUIET_S) & (there < length - _QUIET_S)
    score, own_share = _agreement_scores(audio, turns, there, rough)
    return Measurement(rough, line, segment, heard, used & heard, score, own_share)


def _channel_onsets(audio: Activity, rough: Position) -> tuple[Values, Values]:
    customer, agent = rough.channels
    first = onsets(audio, customer)
    return first, first if customer == agent else onsets(audio, agent)


def _refine_line(
    turns: TurnArrays, shift: Values, segment: Groups, begins: tuple[Values, Values], free: NDArray[np.bool_]
) -> tuple[ClockLine, NDArray[np.bool_]]:
    """Pair each start with the nearest onset on its channel, fit a line, and pair again within a narrower window."""
    segments = int(segment[-1]) + 1
    line = ClockLine(
        np.array([np.median(shift[segment == one]) for one in range(segments)]), 0.0, np.zeros(segments),
        0.0, 0.0, np.zeros(0),
    )  # fmt: skip
    near = np.zeros(len(turns), dtype=bool)
    for window in _WINDOWS_S:
        away = _nearest_onset(turns, turns.start + shift, begins)
        near = free & (np.abs(away) < window)
        counts = np.bincount(segment[near], minlength=segments)
        if near.sum() < 3 or (counts < _LEAST_IN_SEGMENT).any():
            return line, np.zeros(len(turns), dtype=bool)
        x, y = turns.start[near], (shift + away)[near]
        sloped = len(x) >= _DRIFT_FROM_TURNS and float(np.ptp(x)) >= _DRIFT_FROM_S
        line = fit_clock_line(x, y, segment[near], segments, sloped=sloped, spread=_SPREAD_S)
        shift = line.at(turns.start, segment)
    return line, near


def _nearest_onset(turns: TurnArrays, there: Values, begins: tuple[Values, Values]) -> Values:
    """Seconds from each predicted start to the nearest onset on its side's channel; infinite where there is none."""
    away = np.full(len(there), np.inf)
    for side, times in enumerate(begins):
        own = np.flatnonzero(turns.side == side)
        if not len(times) or not len(own):
            continue
        # ``searchsorted`` gives the onset behind the prediction; the one before it may be nearer.
        after = np.clip(np.searchsorted(times, there[own]), 1, len(times)) if len(times) > 1 else np.ones(len(own), int)
        late = times[np.minimum(after, len(times) - 1)] - there[own]
        early = times[after - 1] - there[own]
        away[own] = np.where(np.abs(late) < np.abs(early), late, early)
    return away


def _agreement_scores(audio: Activity, turns: TurnArrays, there: Values, rough: Position) -> tuple[float, float]:
    """With every turn in its place: the mean correlation of sides and channels, and the share of speech on the own
    channel.
    """
    hop, first_s = audio.loudness.hop_s, audio.loudness.start_s
    moved = TurnArrays(there, there + turns.end - turns.start, turns.side)
    low, high = (
        int((at - first_s) / hop) for at in (float(there.min()) - _AROUND_S, float(moved.end.max()) + _AROUND_S)
    )
    window = slice(max(0, low), max(0, high))
    speaks = moved.masks(first_s, hop, audio.mask.shape[1], 1.0)[:, window]
    sound = audio.mask[list(rough.channels), window]
    # Only where one side speaks alone does the loudness say on which channel that side is.
    alone = speaks * (1 - speaks[::-1])
    own, cross = float((alone * sound).sum()), float((alone * sound[::-1]).sum())
    if rough.channels[0] == rough.channels[1]:
        return _pearson_correlation(speaks.max(0), sound[0]), 1.0
    scores = [_pearson_correlation(speaks[side], sound[side]) for side in (0, 1) if speaks[side].any()]
    return float(np.mean(scores or [0.0])), own / (own + cross) if own + cross > 0 else 0.0


def _pearson_correlation(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    if not one.size or one.std() < 1e-6 or two.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(one, two)[0, 1])
