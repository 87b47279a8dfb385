"""Find when speech begins on a channel, to a few milliseconds.

An onset is the moment at which the loudness, after at least 0.2 s of quiet, comes within 30 dB of the loudest frame of
the following 0.6 s. Where noise or crosstalk is above that level, the rise is seen later. The mean delay is known and
subtracted (``_LATE_S``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from turnkeeper.audio.activity import Activity

__all__ = ["onsets"]

_QUIET_S, _SPEECH_S, _PEAK_S = 0.20, 0.12, 0.6
_BELOW_PEAK_DB = 30.0
# How late an onset is seen (s) when the threshold is raised by so many dB. Means over 3,000 onsets of people and of
# espeak-ng at 8 to 32 dB over noise; the two agree within 5 ms.
_RAISED_DB = (0.0, 4.0, 8.0, 12.0, 16.0, 20.0)
_LATE_S = (-0.0023, -0.0018, 0.001, 0.009, 0.024, 0.044)


def onsets(audio: Activity, channel: int) -> NDArray[np.float64]:
    """Seconds of audio at which speech begins on ``channel``, ascending."""
    hop = audio.loudness.hop_s
    level, least = audio.loudness.levels[channel], audio.least[channel]
    speech = level > least
    quiet, some, ahead = (round(seconds / hop) for seconds in (_QUIET_S, _SPEECH_S, _PEAK_S))
    before = np.concatenate([[0], np.cumsum(speech)])
    rises = np.flatnonzero(speech & ~np.concatenate([[False], speech[:-1]]))
    # A single loud frame in the quiet before (a click) does not make the rise part of what came before.
    rises = rises[before[rises] - before[np.maximum(rises - quiet, 0)] <= 1]
    # At least half of the following 0.12 s is speech: a single click or a pop of the line is no onset.
    rises = rises[before[np.minimum(rises + some, len(speech))] - before[rises] >= some // 2]
    found = [
        (rise - 1 + frames) * hop - late
        for rise in rises[rises > 0]
        for frames, late in [_threshold_crossing(level[rise - 1 : rise + ahead], least[rise - 1 : rise + ahead])]
    ]
    return audio.loudness.start_s + np.array(found, dtype=np.float64)


def _threshold_crossing(level: NDArray[np.float32], least: NDArray[np.float32]) -> tuple[float, float]:
    """Frames after the first of ``level`` at which it passes its threshold, and the usual delay of that in seconds."""
    least_level = float(level.max()) - _BELOW_PEAK_DB
    threshold = np.maximum(least, least_level)
    # The threshold is where a person hears the onset, or the noise where that is higher.
    above = np.flatnonzero(level > threshold)
    at = int(above[0])
    late = float(np.interp(float(threshold[at]) - least_level, _RAISED_DB, _LATE_S))
    if at == 0:
        return 0.0, late
    # Interpolate between the two frames: the frames are 10 ms apart, and the onset is wanted more exactly.
    step = float(level[at] - level[at - 1])
    part = float(threshold[at] - level[at - 1]) / step if step > 0 else 1.0
    return at - 1 + min(max(part, 0.0), 1.0), late
