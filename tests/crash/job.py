"""One export as plain data, so that another process can do it; and how that process does it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import anyio

from tests.crash.doors import CrashDisk, CrashLedger, CrashStore, Points
from turnkeeper.archive.archive import Archive
from turnkeeper.clock import Clock, RemoteClock
from turnkeeper.exporter.engine import ExportSettings
from turnkeeper.exporter.pipeline import claim_archive
from turnkeeper.exporter.range import Range
from turnkeeper.exporter.run import Run
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.interval import Interval
from turnkeeper.settings import PlatformSettings, StoreSettings
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.object_store import open_store
from turnkeeper.storage.store import Store

__all__ = ["Job", "Phase", "opened"]


@dataclass(frozen=True)
class Phase:
    """One run: at a moment of the simulated clock, over a range, with a ledger (a new name is a new machine)."""

    moment: str
    since: str
    until: str
    ledger: str = "ledger.sqlite3"


@dataclass(frozen=True)
class Job:
    """Runs one after the other into one archive. ``fatal`` names the point that kills; ``seen`` takes what was met."""

    to: str
    state: str
    env: Mapping[str, str]
    phases: tuple[Phase, ...]
    visitors: int = 1
    commit_seconds: float = 0.0
    fatal: str = ""
    nth: int = 1
    seen: str = ""

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Job:
        told = json.loads(text)
        return cls(**(told | {"phases": tuple(Phase(**phase) for phase in told["phases"])}))

    def work(self) -> None:
        """Do it, in this process."""
        Path(self.state).mkdir(parents=True, exist_ok=True)
        points = Points(self.fatal, self.nth)
        for phase in self.phases:
            anyio.run(self._phase, phase, points)
        if self.seen:
            Path(self.seen).write_text(json.dumps(points.met))

    async def _phase(self, phase: Phase, points: Points) -> None:
        clock = _Clock(self.env["TURNKEEPER_CLOCK_URL"])
        # Forward, never back: a job that is done again does not return to what lies behind it.
        ahead = datetime.fromisoformat(phase.moment) - clock.now()
        await clock.sleep(ahead.total_seconds())
        folder = Path(self.state)
        archive = Archive(CrashStore(_store(self.to, self.env, points), points), clock=clock)
        platform = PlatformSettings.from_environment(self.env)
        async with Genesys(platform, clock=clock, listener=points.listener) as door:
            await claim_archive(door, archive)
            ledger = await anyio.to_thread.run_sync(CrashLedger, folder / phase.ledger, clock, points)
            try:
                await self._run(door, archive, ledger, clock).once(_range(phase))
            finally:
                ledger.close()

    def _run(self, door: Genesys, archive: Archive, ledger: CrashLedger, clock: Clock) -> Run:
        settings = ExportSettings(
            concurrency=self.visitors, writers=min(self.visitors, 8), commit_seconds=self.commit_seconds
        )
        return Run(door, archive, ledger, settings, clock, stop=threading.Event())


class _Clock(RemoteClock):
    """The simulated time; but what is done every so many seconds is done by real ones, since simulated time stands."""

    def monotonic(self) -> float:
        return time.monotonic()


def opened(to: str, env: Mapping[str, str]) -> Store:
    """The archive's store, as anybody opens it."""
    return open_store(to, StoreSettings.from_environment(env))


def _store(to: str, env: Mapping[str, str], points: Points) -> Store:
    return opened(to, env) if "://" in to else FolderStore(Path(to), disk=CrashDisk(points))


def _range(phase: Phase) -> Range:
    since, until = (datetime.fromisoformat(text) for text in (phase.since, phase.until))
    return Range(Interval(since, until))
