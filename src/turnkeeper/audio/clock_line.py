"""Fit a line through points of which some are wrong: Theil-Sen first, then Tukey's biweight.

Theil-Sen (Sen, 1968) takes the median of the slopes of pairs and tolerates 29 % of wrong points. It gives the start for
iteratively reweighted least squares with Tukey's biweight (Beaton and Tukey, 1974), which is more precise.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["ClockLine", "fit_clock_line"]

Values = NDArray[np.float64]

_TUKEY = 4.685  # the tuning constant that gives 95 % efficiency on normal residuals
_ROUNDS = 12
_PAIRS = 600


class ClockLine(msgspec.Struct, frozen=True):
    """The line ``y = levels[group] + slope * x``.

    ``level_errors`` and ``slope_error`` are standard errors. ``scale`` is the robust spread of the residuals, in the
    unit of ``y``.
    """

    levels: Values
    slope: float
    level_errors: Values
    slope_error: float
    scale: float
    weights: Values

    def at(self, x: Values, group: NDArray[np.int64]) -> Values:
        """The values of the line at ``x``."""
        return np.asarray(self.levels[group] + self.slope * x, dtype=np.float64)


def fit_clock_line(
    x: Values, y: Values, group: NDArray[np.int64], groups: int, *, sloped: bool, spread: float
) -> ClockLine:
    """Fit one slope (0 unless ``sloped``) and one level for each of ``groups`` groups.

    Every group has at least one point. ``spread`` is the least spread of the residuals that is assumed, so that a few
    points that agree by chance do not outvote the rest.
    """
    slope = _median_slope(x, y, group) if sloped else 0.0
    levels = np.array([np.median((y - slope * x)[group == number]) for number in range(groups)])
    weights = np.ones_like(y)
    scale = spread
    for _ in range(_ROUNDS):
        residual = y - levels[group] - slope * x
        # 1.4826 times the median absolute deviation estimates the standard deviation of normal residuals.
        scale = max(spread, 1.4826 * float(np.median(np.abs(residual))))
        # The biweight falls to exactly 0 beyond 4.685 spreads: gross errors have no influence at all.
        weights = np.clip(1 - (residual / (_TUKEY * scale)) ** 2, 0, None) ** 2
        levels, slope = _weighted_fit(x, y, group, levels, slope, weights, sloped=sloped)
    return _with_errors(x, group, levels, slope, weights, scale, sloped=sloped)


def _median_slope(x: Values, y: Values, group: NDArray[np.int64]) -> float:
    """The median slope over pairs of points of one group.

    At most 600 points, evenly spaced, enter: pairs grow with the square.
    """
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), _PAIRS)).astype(int))
    x, y, group = x[chosen], y[chosen], group[chosen]
    first, second = np.triu_indices(len(x), 1)
    # Close pairs are left out: their slopes are mostly noise.
    far = (group[first] == group[second]) & (np.abs(x[second] - x[first]) > (x.max() - x.min()) / 10)
    if not far.any():
        return 0.0
    return float(np.median((y[second] - y[first])[far] / (x[second] - x[first])[far]))


def _weighted_fit(
    x: Values, y: Values, group: NDArray[np.int64], levels: Values, slope: float, weights: Values, *, sloped: bool
) -> tuple[Values, float]:
    total = np.bincount(group, weights, len(levels))
    safe = np.maximum(total, 1e-9)
    mean_x, mean_y = (np.bincount(group, weights * v, len(levels)) / safe for v in (x, y))
    if sloped:
        apart = x - mean_x[group]
        spread = float((weights * apart**2).sum())
        slope = float((weights * apart * (y - mean_y[group])).sum() / spread) if spread > 0 else slope
    return np.where(total > 1e-6, mean_y - slope * mean_x, levels), slope


def _with_errors(
    x: Values, group: NDArray[np.int64], levels: Values, slope: float, weights: Values, scale: float, *, sloped: bool
) -> ClockLine:  # fmt: skip
    total = np.maximum(np.bincount(group, weights, len(levels)), 1e-9)
    mean_x = np.bincount(group, weights * x, len(levels)) / total
    apart = float((weights * (x - mean_x[group]) ** 2).sum())
    slope_error = scale / np.sqrt(apart) if sloped and apart > 0 else 0.0
    # The level is the line at x = 0, so the error of the slope adds to it with the distance of the points.
    level_errors = np.sqrt(scale**2 / total + (slope_error * mean_x) ** 2)
    return ClockLine(levels, slope, level_errors, float(slope_error), scale, weights)
