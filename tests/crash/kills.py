"""kill -9 at random instants, again and again, until the export is through: the archive must be the same as without.

python -m tests.crash.kills --kills 200 --runs 20 --conversations 300 --to folder     (or: --to s3)
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.bench import Bench, benched
from tests.crash.job import Job, Phase
from turnkeeper.cli.local_s3 import LocalS3

__all__ = ["Killer", "kill_bench"]

BEFORE = "2026-10-08T00:30:00Z"
SINCE, UNTIL = "2026-10-05T00:00:00Z", "2026-10-08T00:00:00Z"


@contextmanager
def kill_bench(folder: Path, conversations: int) -> Iterator[Bench]:
    """Three days of calls, exported when second legs and late transcripts are missing, and again after the window."""
    phases = (Phase(BEFORE, SINCE, UNTIL), Phase("2026-10-20T00:00:00Z", SINCE, UNTIL))
    with benched(
        folder,
        BEFORE,
        phases,
        conversations=conversations,
        per_day=-(-conversations // 3),
        faults=frozenset({"late-second-leg"}),
        visitors=24,
        commit_seconds=0.2,
    ) as bench:
        yield bench


@dataclass
class Killer:
    """Kills a bench's jobs at instants drawn from a seed. ``landed`` counts the kills that met a living process."""

    bench: Bench
    dice: random.Random
    seconds: float = 0.0
    landed: int = 0
    late: int = field(default=0)

    def measure(self, job: Job) -> None:
        """How long a run takes to this store when nobody disturbs it, so that instants fall into all of it."""
        self.bench.rewind()
        began = time.monotonic()
        assert self.bench.nursery.run(job) == 0
        self.seconds = time.monotonic() - began
        assert self.bench.differences(job) == []

    def run(self, job: Job, kills: int) -> list[str]:
        """One export with so many kills, then to its end; what is not as it should be."""
        self.bench.rewind()
        left, longest = kills, 2.5 * self.seconds / kills
        while left:
            child = self.bench.nursery.start(job)
            if child.ended_within(self.dice.uniform(0, longest)):
                # It was through already. What is killed next finds everything done: that must change nothing.
                self.late += 1
                longest /= 2
            else:
                child.kill()
                self.landed += 1
                left -= 1
            assert child.wait() in (0, -9)
        assert self.bench.nursery.run(job) == 0
        return self.bench.differences(job)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--conversations", type=int, default=300)
    parser.add_argument("--to", choices=("folder", "s3"), default="folder")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    wrong = 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="turnkeeper-kills-")))
        s3 = stack.enter_context(LocalS3(["calls"])) if given.to == "s3" else None
        store = s3.environment() if s3 else {}
        killer = Killer(stack.enter_context(kill_bench(folder, given.conversations)), random.Random(given.seed))

        def job(name: str) -> Job:
            return killer.bench.job(
                f"s3://calls/{name}" if s3 else str(folder / name / "archive"), folder / name, store
            )

        killer.measure(job("measured"))
        print(f"one run takes {killer.seconds:.1f} s to a {given.to}", flush=True)
        for number in range(given.runs):
            kills = given.kills // given.runs + (number < given.kills % given.runs)
            found = killer.run(job(f"run-{number}"), kills)
            wrong += bool(found)
            print(f"run {number + 1}: {kills} kills, {found[:5] or 'the same as without'}", flush=True)
    print(f"{killer.landed} kills landed ({killer.late} came too late), {given.runs} runs, {wrong} of them different")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
