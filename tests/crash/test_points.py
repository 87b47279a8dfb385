"""Killed once at every point where something changes, then run again: nothing lost, nothing doubled."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash.bench import Bench, benched
from tests.crash.job import Job, Phase
from turnkeeper.cli.local_s3 import LocalS3

STEPS = (
    *(f"put {what}" for what in ("archive", "probe", "directory", "conversation", "raw", "transcripts", "summaries")),
    *(f"put {what}" for what in ("manifests", "states", "windows", "runs")),
    "delete states",
    *("put superseded", "delete transcripts", "delete summaries", "delete superseded"),
    *(f"ledger {what}" for what in ("open", "add", "take", "settle", "renew", "committed", "restore", "erase")),
    *(f"ledger {what}" for what in ("close window", "close")),
)
DISK = tuple(f"disk {what}" for what in ("create", "write", "sync", "link", "replace", "sync folder"))


def both(*steps: str) -> list[str]:
    return [f"{side} {step}" for step in steps for side in ("before", "after")]


POINTS = ["after spool", *both(*STEPS)]
"""Every point of an export. What is met and does not stand here, or the other way round, fails."""

SOME = both("put raw", "put manifests", "put states", "delete states", "ledger settle")
"""Where a bucket differs from a folder; ``python -m tests.crash.test_points`` kills at every point."""

# Eight conversations of one afternoon: duplicated legs, a long one, late ones, absent, unread, abandoned ones.
BEFORE = "2026-10-05T14:40:00Z"
SINCE, UNTIL = "2026-10-05T14:00:00Z", "2026-10-05T18:00:00Z"
PHASES = (
    # The second leg of the first call is not ready.
    Phase("2026-10-05T14:50:00Z", SINCE, "2026-10-05T14:30:00Z"),
    # It is; another call's transcript is not.
    Phase("2026-10-05T17:59:00Z", SINCE, UNTIL),
    # Another machine, after the absent window.
    Phase("2026-10-14T00:00:00Z", SINCE, UNTIL, ledger="other.sqlite3"),
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("reference")
    with benched(folder, BEFORE, PHASES, conversations=25, per_day=25, faults=frozenset({"late-second-leg"})) as bench:
        yield bench


def test_the_uninterrupted_run_meets_every_point_that_has_a_name_and_no_other(bench: Bench) -> None:
    assert set(bench.met) == {*POINTS, *both(*DISK)}


def test_the_uninterrupted_run_is_worth_interrupting(bench: Bench) -> None:
    outcomes = [outcome[0] for outcome in bench.reference.outcomes.values()]
    assert {name: outcomes.count(name) for name in outcomes} == {"done": 6, "absent": 1, "unread": 1}
    assert any(key.endswith("/000002.json") for key in bench.reference.objects)


@pytest.mark.parametrize("point", [*POINTS, *both(*DISK)])
def test_killed_there_and_run_again_a_folder_is_the_same(bench: Bench, tmp_path: Path, point: str) -> None:
    killed_and_run_again(bench, bench.job(str(tmp_path / "archive"), tmp_path), point)


@pytest.mark.parametrize("point", SOME)
def test_killed_there_and_run_again_a_bucket_is_the_same(bench: Bench, s3: LocalS3, tmp_path: Path, point: str) -> None:
    killed_and_run_again(bench, bench.job(f"s3://calls/{tmp_path.name}", tmp_path, s3.environment()), point)


def killed_and_run_again(bench: Bench, job: Job, point: str) -> None:
    bench.rewind()
    # Somewhere in the middle of them: something is there already, something is still missing.
    assert bench.nursery.run(replace(job, fatal=point, nth=(bench.met[point] + 1) // 2)) == -9
    assert bench.nursery.run(job) == 0
    assert bench.differences(job) == []


def main() -> None:
    """Every point on SeaweedFS."""
    with tempfile.TemporaryDirectory(prefix="turnkeeper-crash-") as name, LocalS3(["calls"]) as s3:
        folder = Path(name)
        faults = frozenset({"late-second-leg"})
        with benched(folder, BEFORE, PHASES, conversations=25, per_day=25, faults=faults) as bench:
            for number, point in enumerate(POINTS):
                state = folder / str(number)
                killed_and_run_again(bench, bench.job(f"s3://calls/{number}", state, s3.environment()), point)
                print(f"{point}: the same after another run", flush=True)
    print(f"{len(POINTS)} points, nothing lost, nothing doubled")


if __name__ == "__main__":
    main()
