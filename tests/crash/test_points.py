"""Killed once at every point where something changes, then run again: nothing lost, nothing doubled."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest

from tests.conftest import credentials
from tests.crash.job import Job, Phase, opened
from tests.crash.judge import Holding, holding
from tests.crash.nursery import Nursery
from turnkeeper.cli.local_s3 import LocalS3
from turnkeeper.simulator import Running, Simulation, serve

STEPS = (
    *(f"put {what}" for what in ("archive", "probe", "directory", "conversation", "raw", "transcripts", "summaries")),
    *(f"put {what}" for what in ("manifests", "states", "windows", "runs")),
    "delete states",
    *(f"ledger {what}" for what in ("open", "add", "take", "settle", "renew", "committed", "restore", "erase")),
    *(f"ledger {what}" for what in ("close window", "close")),
)
DISK = tuple(f"disk {what}" for what in ("create", "write", "sync", "link", "replace", "sync folder"))


def both(*steps: str) -> list[str]:
    return [f"{side} {step}" for step in steps for side in ("before", "after")]


POINTS = ["after spool", *both(*STEPS)]
"""Every point of an export. What is met and does not stand here, or the other way round, fails."""

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


@dataclass(frozen=True)
class Bench:
    """A platform whose clock can be set back, a nursery, and the archive that an uninterrupted run makes."""

    running: Running
    nursery: Nursery
    reference: Holding
    met: Mapping[str, int]

    def job(self, to: str, folder: Path, store: Mapping[str, str]) -> Job:
        state = folder / "state"
        env = {**credentials(self.running), "GENESYS_API": "speech", "XDG_STATE_HOME": str(state), **store}
        return Job(to, str(state), env, PHASES)

    def rewind(self) -> None:
        """The clock before the first phase: what one test spent is not the next one's."""
        body = json.dumps({"set": BEFORE}).encode()
        urllib.request.urlopen(urllib.request.Request(self.running.clock_url, data=body)).close()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    simulation = Simulation(
        seed=7,
        conversations=25,
        per_day=25,
        rate_limit=1_000_000,
        faults={"late-second-leg"},
        link_seconds=10**9,
        now=datetime.fromisoformat(BEFORE),
    )
    with ExitStack() as stack:
        running = stack.enter_context(serve(simulation))
        dry = Bench(running, stack.enter_context(Nursery()), Holding({}, {}), {})
        folder = tmp_path_factory.mktemp("reference")
        seen = folder / "seen.json"
        dry.rewind()
        job = replace(dry.job(str(folder / "archive"), folder, {}), seen=str(seen))
        assert dry.nursery.run(job) == 0
        yield replace(dry, reference=holding(opened(job.to, job.env)), met=json.loads(seen.read_text()))


def test_the_uninterrupted_run_meets_every_point_that_has_a_name_and_no_other(bench: Bench) -> None:
    assert set(bench.met) == {*POINTS, *both(*DISK)}


def test_the_uninterrupted_run_is_worth_interrupting(bench: Bench) -> None:
    outcomes = [outcome[0] for outcome in bench.reference.outcomes.values()]
    assert {name: outcomes.count(name) for name in outcomes} == {"done": 5, "absent": 1, "unread": 2}
    assert any(key.endswith("/000002.json") for key in bench.reference.objects)


@pytest.mark.parametrize("point", [*POINTS, *both(*DISK)])
def test_killed_there_and_run_again_a_folder_is_the_same(bench: Bench, tmp_path: Path, point: str) -> None:
    killed_and_run_again(bench, bench.job(str(tmp_path / "archive"), tmp_path, {}), point)


@pytest.mark.parametrize("point", POINTS)
def test_killed_there_and_run_again_a_bucket_is_the_same(bench: Bench, s3: LocalS3, tmp_path: Path, point: str) -> None:
    killed_and_run_again(bench, bench.job(f"s3://calls/{tmp_path.name}", tmp_path, s3.environment()), point)


def killed_and_run_again(bench: Bench, job: Job, point: str) -> None:
    bench.rewind()
    # Somewhere in the middle of them: something is there already, something is still missing.
    assert bench.nursery.run(replace(job, fatal=point, nth=(bench.met[point] + 1) // 2)) == -9
    assert bench.nursery.run(job) == 0
    assert bench.reference.differences(holding(opened(job.to, job.env))) == []
