"""Ranges of time, cut into what the platform takes: nothing lost, nothing twice, for every range."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeeper.errors import Misconfigured
from turnkeeper.exporter.windows import Rules, Window, days, midnight, plan, range_of
from turnkeeper.genesys.interval import Interval, moment_of

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
DAY = timedelta(days=1)

moments = st.builds(
    lambda seconds, zone: datetime.fromtimestamp(seconds, zone),
    st.floats(1.5e9, 1.9e9),
    st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
)
intervals = st.tuples(moments, st.timedeltas(timedelta(0), timedelta(days=200))).map(
    lambda pair: Interval(pair[0], pair[0] + pair[1])
)


def joined(parts: list[Interval], whole: Interval) -> None:
    """The parts are the whole: in order, without gap and without overlap."""
    if not whole:
        assert parts == []
        return
    assert (parts[0].start, parts[-1].end) == (whole.start, whole.end)
    assert all(before.end == after.start for before, after in pairwise(parts))
    assert all(part.start < part.end for part in parts)


@given(intervals, st.integers(1, 31))
def test_days_cover_an_interval_once_and_end_at_midnight(interval: Interval, step: int) -> None:
    parts = list(days(interval, step))
    joined(parts, interval)
    assert all(part.end == midnight(part.end) for part in parts[:-1])
    assert all(part.end - part.start <= step * DAY for part in parts)


@given(intervals, st.timedeltas(timedelta(0), timedelta(days=60)), st.integers(1, 31))
def test_a_range_that_moves_keeps_its_pieces_between_its_ends(interval: Interval, by: timedelta, step: int) -> None:
    later = Interval(interval.start + by, interval.end + by)
    before, after = set(list(days(interval, step))[1:-1]), set(list(days(later, step))[1:-1])
    assert {part for part in before if part.start >= later.start} - after <= set(days(later, step))
    assert {part for part in after if part.end <= interval.end} - before <= set(days(interval, step))


@given(intervals, moments, st.sampled_from(["auto", "query", "jobs"]), st.none() | moments)
def test_a_plan_is_the_range_without_what_has_not_begun(
    interval: Interval, now: datetime, by: str, available: datetime | None
) -> None:
    windows: list[Window] = list(plan(interval, now, by=by, available=available))  # type: ignore[arg-type]
    begun = [part for part in days(interval) if part.start <= now]
    if available is None or available <= now:
        end = begun[-1].end if begun else interval.start
        joined([window.interval for window in windows], Interval(interval.start, end))
    rules = Rules()
    for window in windows:
        length = window.interval.end - window.interval.start
        if window.by == "jobs":
            assert available is not None
            assert window.interval.end <= available - rules.job_margin
            assert length <= timedelta(days=31)
        else:
            # The query matches whole days: a window of two would find some conversations twice.
            assert midnight(window.interval.end - timedelta(microseconds=1)) == midnight(window.interval.start)
            assert window.settled == (window.interval.end <= now - rules.grace_period)


def test_a_long_backfill_goes_by_job_up_to_a_day_before_the_watermark_and_by_query_after_it() -> None:
    year = Interval(NOW - timedelta(days=365), NOW)
    windows = list(plan(year, NOW, available=NOW - timedelta(hours=6)))
    assert [window.by for window in windows] == ["jobs"] * 53 + ["query"] * 2
    assert windows[52].interval.end == datetime(2026, 11, 21, tzinfo=UTC)
    assert [window.settled for window in windows[-2:]] == [True, False]


def test_a_short_range_goes_by_query_unless_jobs_are_wanted() -> None:
    week = Interval(NOW - timedelta(days=7), NOW)
    assert {window.by for window in plan(week, NOW, available=NOW)} == {"query"}
    assert [window.by for window in plan(week, NOW, by="jobs", available=NOW)] == ["jobs", "query", "query"]


@given(intervals, st.integers(1_500_000_000_000, 1_900_000_000_000))
def test_an_interval_holds_its_start_and_not_its_end(interval: Interval, ms: int) -> None:
    assert interval.holds(ms) == (interval.start <= moment_of(ms) < interval.end)


def at(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("said", "start", "end"),
    [
        ({"last": "2d"}, NOW - 2 * DAY, NOW),
        ({"last": "6h"}, NOW - timedelta(hours=6), NOW),
        ({"last": "30m"}, NOW - timedelta(minutes=30), NOW),
        ({"last": "1w"}, NOW - 7 * DAY, NOW),
        ({"since": "2026-11-01"}, at(2026, 11, 1), NOW),
        ({"since": "2026-11-01", "until": "2026-11-02T06:30"}, at(2026, 11, 1), at(2026, 11, 2, 6, 30)),
        ({"since": "2026-11-01T00:00+02:00", "until": "now"}, at(2026, 10, 31, 22), NOW),
        ({"since": "3d", "until": "1d"}, NOW - 3 * DAY, NOW - DAY),
        ({"since": "2026-11-01T10:00:00.250Z"}, at(2026, 11, 1, 10, 0, 0, 250_000), NOW),
    ],
)
def test_a_range_reads_what_people_write(said: dict[str, str], start: datetime, end: datetime) -> None:
    assert range_of(NOW, **said) == Interval(start, end)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"until": "now"},
        {"last": "2d", "since": "2026-11-01"},
        {"last": "2026-11-01"},
        {"last": "999999999w"},
        {"since": "yesterday"},
        {"since": "2026-13-01"},
        {"since": "0001-01-01T00:00+14:00"},
        {"since": "2026-11-02", "until": "2026-11-01"},
        {"since": "2027-01-01"},
    ],
)
def test_a_range_that_means_nothing_is_refused_with_the_mend(said: dict[str, str]) -> None:
    with pytest.raises(Misconfigured) as refused:
        range_of(NOW, **said)
    assert refused.value.hint


def test_the_end_of_time_is_no_trap() -> None:
    last = Interval(datetime(9999, 12, 30, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC))
    joined(list(days(last, 31)), last)
