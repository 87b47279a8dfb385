"""Two real processes use up the quotas of their tokens; one process is measured in simulated time (``tests/unit``)."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio
import pytest

from tests.contract.quota import used
from tests.contract.test_genesys_faults import SimulatedClock
from turnkeeper.genesys.client import Genesys
from turnkeeper.settings import PlatformSettings
from turnkeeper.simulator import Simulation, serve

NOW = datetime(2026, 12, 24, 12, 0, tzinfo=UTC)


@pytest.mark.slow
def test_two_processes_use_their_tokens_quotas_and_never_overstep_them() -> None:
    found = used(2, limit=300, window=6.0, workers=6)
    assert found.refused == 0
    assert found.share >= 0.90, found


def test_one_process_by_the_simulators_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    simulation = Simulation(conversations=1, now=NOW, rate_limit=100, rate_window=20.0)
    clock = SimulatedClock(simulation)

    async def ask() -> None:
        async def work() -> None:
            while len(next(iter(simulation.quota.windows().values()), [])) < 4:
                await door.organisation()

        async with Genesys(settings, clock=clock) as door, anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(work)

    with serve(simulation) as running:
        settings = PlatformSettings(
            client_id=running.client_id, client_secret=running.client_secret, base_url=running.base_url
        )
        anyio.run(ask)
    (windows,) = simulation.quota.windows().values()
    elapsed = (windows[3][0] - windows[0][0]) / 1000
    assert sum(count for _, count in windows[:3]) / (100 * elapsed / 20) >= 0.95
    assert simulation.counts.snapshot().get("refused_429", 0) == 0
