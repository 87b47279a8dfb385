"""A robust line: exact on exact points, unmoved by wrong ones; and the arrays it is fitted to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeeper.audio.clock_line import fit_clock_line
from turnkeeper.audio.loudness import loudness
from turnkeeper.audio.turn_arrays import turn_arrays

NUMBERS = st.floats(-50, 50, allow_nan=False)


@given(level=NUMBERS, slope=st.floats(-0.002, 0.002), fall=st.floats(0, 50), count=st.integers(12, 80))
def test_exact_points_give_the_line_they_lie_on(level: float, slope: float, fall: float, count: int) -> None:
    x = np.linspace(0, 900, count)
    group = (x > 450).astype(np.int64)
    line = fit_clock_line(x, level - fall * group + slope * x, group, 2, sloped=True, spread=0.008)
    assert line.slope == pytest.approx(slope, abs=1e-9)
    assert line.levels == pytest.approx([level, level - fall], abs=1e-6)


@given(seed=st.integers(0, 1000), wrong=st.floats(0.2, 0.6))
def test_a_quarter_of_wrong_points_moves_little(seed: int, wrong: float) -> None:
    source = np.random.default_rng(seed)
    x = np.sort(source.uniform(0, 900, 80))
    y = 1.5 + 1e-4 * x + source.normal(0, 0.02, 80)
    y[source.choice(80, 20, replace=False)] += wrong
    line = fit_clock_line(x, y, np.zeros(80, dtype=np.int64), 1, sloped=True, spread=0.008)
    assert abs(line.levels[0] + line.slope * 450 - 1.545) < 0.02


def test_without_a_slope_the_level_is_fitted_alone() -> None:
    x = np.arange(20.0)
    line = fit_clock_line(x, 3 + 0.5 * x, np.zeros(20, dtype=np.int64), 1, sloped=False, spread=0.008)
    assert line.slope == 0
    assert line.slope_error == 0


@given(sizes=st.lists(st.integers(1, 700), min_size=1, max_size=12), rate=st.sampled_from([8000, 11025, 16000, 44100]))
def test_loudness_does_not_depend_on_the_blocks(sizes: list[int], rate: int) -> None:
    total = sum(sizes)
    audio = np.random.default_rng(total).integers(-3000, 3000, (2, total)).astype(np.int16)
    pieces = [audio[:, end - size : end] for size, end in zip(sizes, np.cumsum(sizes), strict=True)]
    whole, parted = loudness([audio], rate, 2), loudness(pieces, rate, 2)
    assert np.allclose(whole.levels, parted.levels, atol=1e-3)


def test_loudness_of_a_tone_is_its_power() -> None:
    seconds = np.arange(8000) / 8000
    tone = (np.sin(2 * np.pi * 1000 * seconds) * 3276.8).astype(np.int16)
    heard = loudness([np.stack([tone, np.zeros_like(tone)])], 8000, 2)
    assert np.median(heard.levels[0]) == pytest.approx(-23.0, abs=0.1)
    assert np.median(heard.levels[1]) == pytest.approx(-80.0, abs=0.1)


def test_parts_are_in_order_and_masks_are_where_they_speak() -> None:
    said = turn_arrays([(2000, 3000, "agent"), (0, 1000, "customer"), (1500, 1500, "agent"), (3100, 4000, "agent")])
    assert said.start.tolist() == [0, 2, 3.1]
    assert said.side.tolist() == [0, 1, 1]
    assert said.free(0.3).tolist() == [True, True, False]
    assert said.gaps()[1:] == pytest.approx([1.0, 0.1])
    masks = said.masks(-1.0, 0.1, 60, 1.0)
    assert masks[0].nonzero()[0].tolist() == list(range(10, 20))
    assert masks[1].sum() == 10 + 9
