"""The length of a sound against what the platform says of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeeper.audio.durations import format_duration, lengths_differ, tolerance_ms
from turnkeeper.audio.platform_duration import check_duration
from turnkeeper.model import Pause, Recording

START = 1_791_180_000_000
SECURE, HOLD = (
    Pause(start_ms=5_000, end_ms=15_000, reason="SecurePause"),
    Pause(start_ms=30_000, end_ms=50_000, reason="Hold"),
)


def told(lasts: int | None = None, *pauses: Pause, wall: int | None = 100_000) -> Recording:
    end = None if wall is None else START + wall
    return Recording(id="r", start=START, end=end, duration_ms=lasts, pauses=pauses)


@pytest.mark.parametrize(
    ("recording", "lasts_ms", "cuts", "lost"),
    [
        (told(), 100_000, 0, False),
        (told(), 99_600, 0, False),
        (told(), 99_400, 0, True),
        (told(), 100_600, 0, True),
        (told(None, SECURE), 90_000, 1, False),
        (told(None, SECURE), 100_000, 0, False),
        (told(None, SECURE, HOLD), 90_000, 1, False),  # the organisation records holds
        (told(None, SECURE, HOLD), 70_000, 2, False),  # it does not
        (told(None, SECURE, HOLD), 45_000, 1, True),
        (told(90_000, SECURE), 90_000, 1, False),
        (told(100_000), 50_000, 0, True),
        (told(50_000), 50_000, 0, True),  # the platform's own two accounts differ
        (told(50_000, wall=None), 50_000, 0, False),
        (told(wall=None), 50_000, 0, False),
    ],
)
def test_a_length_is_held_against_start_end_pauses_and_output(
    recording: Recording, lasts_ms: int, cuts: int, lost: bool
) -> None:
    """K4, guard: less announced pauses, and holds where the organisation does not record them: both work."""
    found = check_duration(recording, lasts_ms)
    assert len(found.cuts) == cuts
    assert bool(found.losses()) == lost
    assert all("the sound lasts" in words for words in found.losses())


def test_a_cut_that_was_measured_explains_a_difference_only_where_the_output_confirms_the_length() -> None:
    assert check_duration(told(60_000), 60_000).losses(40_000) == ()
    assert check_duration(told(60_000), 60_000).losses(20_000)
    assert check_duration(told(), 60_000).losses(40_000)


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_lengths_apart(one: float, two: float) -> None:
    assert 100 <= tolerance_ms(one) <= 500
    assert lengths_differ(one, two) == lengths_differ(two, one)
    assert not lengths_differ(one, one)
    assert lengths_differ(one, one + 501)


@pytest.mark.parametrize(
    ("ms", "words"), [(170, "170 ms"), (4_200, "4.2 s"), (65_000, "1:05"), (197_000, "3:17"), (3_723_000, "1:02:03")]
)
def test_durations_are_written_in_one_way(ms: int, words: str) -> None:
    assert format_duration(ms) == words
