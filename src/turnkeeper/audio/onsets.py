"""When speech begins on a channel: rises out of quiet, to a few milliseconds.

An onset is the moment at which the loudness, after at least 0.2 s of quiet, comes within 30 dB of the loudest frame of the
following 0.6 s. Where noise or leakage is higher than that, the rise is seen later; how much later is known on average
and taken off (``_LATE_MS``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from turnkeeper.audio.activity import Activity

__all__ = ["onsets"]

_QUIET_S, _SPEECH_S, _PEAK_S = 0.20, 0.12, 0.6
_BELOW_PEAK_DB = 30.0
_RAISED_DB = (0.0, 5.0, 10.0, 15.0, 20.0)
_LATE_MS = (0.0, 0.0, 0.0, 0.0, 0.0)


def onsets(heard: Activity, channel: int) -> NDArray[np.float64]:
    """Seconds of audio at which speech begins on ``channel``, ascending."""
    hop = heard.loudness.hop_s
    level, least = heard.loudness.levels[channel], heard.least[channel]
    speech = level > least
    quiet, some, ahead = (round(seconds / hop) for seconds in (_QUIET_S, _SPEECH_S, _PEAK_S))
    before = np.concatenate([[0], np.cumsum(speech)])
    rises = np.flatnonzero(speech & ~np.concatenate([[False], speech[:-1]]))
    # A single loud frame in the quiet before (a click) does not make the rise part of what came before.
    rises = rises[before[rises] - before[np.maximum(rises - quiet, 0)] <= 1]
    rises = rises[before[np.minimum(rises + some, len(speech))] - before[rises] >= some // 2]
    times = [_moment(level[rise - 1 : rise + ahead], least[rise - 1 : rise + ahead]) for rise in rises if rise > 0]
    begin = np.array([rise - 1 for rise in rises if rise > 0], dtype=np.float64)
    return np.asarray(heard.loudness.start_s + (begin + times) * hop, dtype=np.float64) if len(times) else begin


def _moment(level: NDArray[np.float32], least: NDArray[np.float32]) -> float:
    """Frames after the first of ``level`` at which it passes its threshold."""
    wanted = float(level.max()) - _BELOW_PEAK_DB
    passed = np.maximum(least, wanted)
    above = np.flatnonzero(level > passed)
    at = int(above[0])
    raised = float(passed[at]) - wanted
    late_ms = float(np.interp(raised, _RAISED_DB, _LATE_MS))
    if at == 0:
        return -late_ms / 10
    step = float(level[at] - level[at - 1])
    part = float(passed[at] - level[at - 1]) / step if step > 0 else 1.0
    return at - 1 + min(max(part, 0.0), 1.0) - late_ms / 10
