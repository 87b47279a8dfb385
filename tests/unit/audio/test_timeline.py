"""Milliseconds to samples against exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkeeper.audio.timeline import Timeline, sample, span
from turnkeeper.errors import Misconfigured

RATES = (8_000, 11_025, 16_000, 44_100, 48_000)
HOUR = 3_600_000

rates = st.sampled_from(RATES)
offsets = st.integers(-90_000_000, 90_000_000)
drifts = st.integers(-5_000_000, 5_000_000)


@st.composite
def cut_lists(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    """Up to four stretches, in any order, some of them touching or overlapping."""
    pairs = draw(st.lists(st.tuples(st.integers(-2_000, 100_000), st.integers(0, 30_000)), max_size=4))
    return tuple((start, start + length) for start, length in pairs)


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    rate = draw(rates)
    return Timeline(
        rate=rate,
        frames=draw(st.integers(1, 120 * rate)),
        start_ms=draw(st.integers(-500, 5_000)),
        cuts=draw(cut_lists()),
        offset_us=draw(st.sampled_from([0, 1_730_000]) | offsets),
        drift_ppb=draw(st.sampled_from([0, 180_000]) | drifts),
    )


def half_up(value: Fraction) -> int:
    return (value + Fraction(1, 2)).__floor__()


def kept(timeline: Timeline, ms: int) -> int:
    """The milliseconds of audio before a moment, counted by looking at every cut as a set of milliseconds."""
    gone = {at for start, end in timeline.cuts for at in range(start, min(end, ms))}
    return ms - timeline.start_ms - len(gone)


@pytest.mark.parametrize("rate", RATES)
def test_every_millisecond_of_an_hour_is_exact(rate: int) -> None:
    timeline = Timeline(rate=rate, frames=sample(HOUR, rate))
    # Half-up of ms * rate / 1000 by quotient and remainder, whole numbers all the way.
    quotient, remainder = np.divmod(np.arange(HOUR + 1, dtype=np.int64) * rate, 1000)
    assert np.array_equal(sample(np.arange(HOUR + 1, dtype=np.int64), rate), quotient + (remainder >= 500))
    for ms in range(0, HOUR + 1, 997):
        assert timeline.sample(ms) == sample(ms, rate) == half_up(Fraction(ms * rate, 1000))


@settings(deadline=None)
@given(timelines(), st.integers(-5_000, 150_000))
def test_samples_are_the_exact_rational_rounded_once(timeline: Timeline, ms: int) -> None:
    nominal = Fraction(kept(timeline, ms), 1000)
    exact = nominal * (1 + Fraction(timeline.drift_ppb, 10**9)) + Fraction(timeline.offset_us, 10**6)
    assert timeline.sample(ms) == half_up(exact * timeline.rate)


@settings(deadline=None)
@given(rates, st.integers(-5_000, 10**8))
def test_without_a_correction_it_is_the_plain_formula(rate: int, ms: int) -> None:
    assert Timeline(rate=rate, frames=1).sample(ms) == (ms * rate + 500) // 1000


@settings(deadline=None)
@given(timelines(), st.integers(-5_000, 150_000), st.integers(0, 5_000))
def test_it_is_monotone(timeline: Timeline, ms: int, later: int) -> None:
    assert timeline.sample(ms) <= timeline.sample(ms + later)
    assert timeline.moment(timeline.sample(ms)) <= timeline.moment(timeline.sample(ms + later))


@settings(deadline=None)
@given(timelines(), st.integers(-5_000, 150_000))
def test_a_millisecond_comes_back(timeline: Timeline, ms: int) -> None:
    behind = next((end for start, end in timeline.cuts if start <= ms < end), ms)
    assert timeline.moment(timeline.sample(ms)) == behind


@settings(deadline=None)
@given(timelines(), st.integers(-(10**6), 10**7))
def test_a_sample_comes_back_within_half_a_millisecond(timeline: Timeline, index: int) -> None:
    speed = 1 + abs(Fraction(timeline.drift_ppb, 10**9))
    assert abs(timeline.sample(timeline.moment(index)) - index) <= timeline.rate * speed / 2000 + Fraction(1, 2)


@settings(deadline=None)
@given(timelines(), st.lists(st.integers(-3_000, 150_000), min_size=2, max_size=12))
def test_adjacent_turns_sum_to_the_whole(timeline: Timeline, marks: list[int]) -> None:
    marks.sort()
    turns = [timeline.spans(start, end) for start, end in pairwise(marks)]
    total = sum(one.end - one.start for spans in turns for one in spans)
    first, last = (min(max(timeline.sample(ms), 0), timeline.frames) for ms in (marks[0], marks[-1]))
    assert total == last - first == sum(one.end - one.start for one in timeline.spans(marks[0], marks[-1]))


@settings(deadline=None)
@given(timelines(), st.integers(-3_000, 150_000), st.integers(0, 20_000))
def test_spans_stay_inside_and_say_what_was_cut(timeline: Timeline, start: int, length: int) -> None:
    spans = timeline.spans(start, start + length)
    assert spans
    assert all(0 <= one.start <= one.end <= timeline.frames for one in spans)
    assert all(one.end <= after.start for one, after in pairwise(spans))
    assert not any(one.clipped_start for one in spans[1:])
    assert not any(one.clipped_end for one in spans[:-1])
    if not length:
        return
    inside = [ms for cut in timeline.cuts for ms in range(max(cut[0], start), min(cut[1], start + length))]
    before = timeline.sample(start) < 0 or start in inside
    assert spans[0].clipped_start or not before
    if len(inside) == length:
        assert spans[0].outside
    if spans[0].outside:
        assert all(one.start == one.end for one in spans)


@settings(deadline=None)
@given(timelines())
def test_segments_tile_the_recording(timeline: Timeline) -> None:
    segments = timeline.segments
    assert all(one.end_sample == after.start_sample for one, after in pairwise(segments))
    assert all(one.end_ms < after.start_ms for one, after in pairwise(segments))
    assert all(one.start_sample < one.end_sample for one in segments)
    if segments:
        assert (segments[0].start_sample, segments[-1].end_sample) == (0, timeline.frames)


def test_a_turn_across_a_secure_pause_has_two_spans() -> None:
    timeline = Timeline(rate=8_000, frames=8_000 * 20, start_ms=37, cuts=((5_037, 15_037),))
    first, second = timeline.spans(4_037, 16_037)
    assert (first.start, first.end, second.start, second.end) == (32_000, 40_000, 40_000, 48_000)
    assert (first.clipped_start, second.clipped_end) == (False, False)
    (hidden,) = timeline.spans(6_000, 7_000)
    assert (hidden.start, hidden.end, hidden.outside) == (40_000, 40_000, True)
    (half,) = timeline.spans(15_000, 16_037)
    assert (half.start, half.end, half.clipped_start, half.clipped_end) == (40_000, 48_000, True, False)
    assert [(one.start_ms, one.end_ms, one.start_sample, one.end_sample) for one in timeline.segments] == [
        (37, 5_037, 0, 40_000),
        (15_037, 30_037, 40_000, 160_000),
    ]


def test_a_correction_moves_what_the_platform_said() -> None:
    late = Timeline(rate=8_000, frames=80_000_000, offset_us=1_730_000, drift_ppb=180_000)
    assert late.sample(0) == 13_840
    assert late.sample(1_000_000) == 13_840 + 8_000_000 + 1_440
    assert late.nominal(1_000) == 1_000


def test_the_edges_of_a_recording() -> None:
    timeline = Timeline(rate=8_000, frames=8_000, start_ms=100)
    (early,) = timeline.spans(0, 200)
    assert (early.start, early.end, early.clipped_start, early.clipped_end, early.outside) == (
        0,
        800,
        True,
        False,
        False,
    )
    (late,) = timeline.spans(1_000, 2_000)
    assert (late.start, late.end, late.clipped_start, late.clipped_end) == (7_200, 8_000, False, True)
    (never,) = timeline.spans(5_000, 6_000)
    assert (never.start, never.end, never.outside) == (8_000, 8_000, True)


@settings(deadline=None)
@given(st.integers(-1_000, 5_000), st.integers(0, 5_000), st.integers(1, 3_000))
def test_a_timeline_without_anything_is_the_public_span(start: int, length: int, total: int) -> None:
    assert Timeline(rate=1_000, frames=total).spans(start, start + length) == (
        span(start, start + length, 1_000, length=total),
    )


@pytest.mark.parametrize(
    ("wrong", "named"), [({"rate": 0}, "0 Hz"), ({"drift_ppb": -(10**9)}, "back"), ({"cuts": ((5, 4),)}, "ends before")]
)
def test_what_cannot_be_is_refused(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(Misconfigured, match=named):
        Timeline(**{"rate": 8_000, "frames": 1, **wrong})  # type: ignore[arg-type]
