"""A week of following: whatever it costs, it costs the same on the last day as on the first."""

from __future__ import annotations

from pathlib import Path

from tests.crash.years import lived, table


def test_a_week_leaves_nothing_behind(tmp_path: Path) -> None:
    days = lived(tmp_path, calls=20, days=8, every=240)
    first, last = days[1], days[-1]
    assert [one.day for one in days] == list(range(1, 9))
    assert last.threads <= first.threads + 3
    assert last.descriptors <= first.descriptors + 3
    # Two days on which nobody calls: some late transcripts, and what each turn costs.
    saturday, sunday = (days[n].written - days[n - 1].written for n in (5, 6))
    assert sunday <= saturday * 1.5
    assert days[6].requests - days[5].requests < days[2].requests - days[1].requests
    assert last.states.get("erased", 0) > 0
    assert sum(last.states.values()) >= 20
    reports = list((tmp_path / "archive/_turnkeeper/runs").iterdir())
    assert len(reports) == 9
    assert table(days, (1, 8)).count("\n") == 3
