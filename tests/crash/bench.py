"""A platform whose clock can be set back, a nursery, and the archive that an uninterrupted run makes of it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from tests.conftest import credentials
from tests.crash.job import Job, Phase, opened
from tests.crash.judge import Holding, holding
from tests.crash.nursery import Nursery
from turnkeeper.simulator import Running, Simulation, serve

__all__ = ["Bench", "benched"]


@dataclass(frozen=True)
class Bench:
    """``before`` is the simulated time at which every job begins."""

    running: Running
    nursery: Nursery
    phases: tuple[Phase, ...]
    before: str
    visitors: int = 1
    commit_seconds: float = 0.0
    reference: Holding = field(default_factory=lambda: Holding({}, {}, {}))
    met: Mapping[str, int] = field(default_factory=dict)

    def job(self, to: str, folder: Path, store: Mapping[str, str] | None = None) -> Job:
        """An export to there, whose ledgers stand in a folder. ``store`` has the variables of an object store."""
        state = folder / "state"
        env = {**credentials(self.running), "GENESYS_API": "speech", "XDG_STATE_HOME": str(state), **(store or {})}
        return Job(to, str(state), env, self.phases, visitors=self.visitors, commit_seconds=self.commit_seconds)

    def rewind(self) -> None:
        """The clock before the first phase: what one job spent is not the next one's."""
        body = json.dumps({"set": self.before}).encode()
        urllib.request.urlopen(urllib.request.Request(self.running.clock_url, data=body)).close()

    def differences(self, job: Job) -> list[str]:
        """What is not as an uninterrupted run leaves it."""
        return self.reference.differences(holding(opened(job.to, job.env)))


@contextmanager
def benched(
    folder: Path,
    before: str,
    phases: tuple[Phase, ...],
    *,
    conversations: int,
    per_day: int,
    faults: frozenset[str] = frozenset(),
    visitors: int = 1,
    commit_seconds: float = 0.0,
) -> Iterator[Bench]:
    """Start all of it, and run once without an interruption."""
    simulation = Simulation(
        seed=7,
        conversations=conversations,
        per_day=per_day,
        rate_limit=1_000_000,
        faults=faults,
        now=datetime.fromisoformat(before),
    )
    with ExitStack() as stack:
        running, nursery = stack.enter_context(serve(simulation)), stack.enter_context(Nursery())
        dry = Bench(running, nursery, phases, before, visitors, commit_seconds)
        seen = folder / "seen.json"
        job = replace(dry.job(str(folder / "reference"), folder), seen=str(seen))
        assert nursery.run(job) == 0
        yield replace(dry, reference=holding(opened(job.to, job.env)), met=json.loads(seen.read_text()))
