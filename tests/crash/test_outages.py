"""The archive's place fails in the middle: the server dies and comes back, the disk is full and is enlarged."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import anyio
import pytest

from tests.conftest import Cli, Platform, credentials
from tests.crash.bench import Bench, benched
from tests.crash.doors import CrashStore, Points
from tests.crash.job import Phase, opened
from tests.crash.judge import holding
from tests.crash.small_disk import SmallDisk
from turnkeeper.archive.archive import Archive
from turnkeeper.cli.local_s3 import LocalS3
from turnkeeper.clock import RemoteClock
from turnkeeper.errors import StoreRefused, Unavailable
from turnkeeper.events import Committed, Event, Noted
from turnkeeper.exporter.engine import ExportSettings
from turnkeeper.exporter.ledger import Ledger
from turnkeeper.exporter.pipeline import claim_archive
from turnkeeper.exporter.range import Follow, Range
from turnkeeper.exporter.run import Run
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.interval import Interval
from turnkeeper.settings import PlatformSettings
from turnkeeper.spool import Source
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.object_store import open_store
from turnkeeper.storage.store import Store

SINCE, UNTIL, NOW = "2026-10-05T00:00:00Z", "2026-10-07T00:00:00Z", "2026-10-09T00:00:00Z"
LATER = ("2026-10-09T00:10:00Z", "2026-10-09T02:00:00Z")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    phases = tuple(Phase(moment, SINCE, UNTIL) for moment in (NOW, *LATER))
    with benched(
        tmp_path_factory.mktemp("reference"), NOW, phases, conversations=60, per_day=30, visitors=4, commit_seconds=0.2
    ) as bench:
        yield bench


@pytest.mark.parametrize("seconds", [0.0, 8.0], ids=["at once", "after the run gave up"])
def test_the_object_store_is_killed_and_comes_back(bench: Bench, tmp_path: Path, seconds: float) -> None:
    bench.rewind()
    with LocalS3(["calls"], folder=tmp_path / "weed") as s3:
        job = bench.job("s3://calls/archive", tmp_path, s3.environment())
        child = bench.nursery.start(replace(job, phases=job.phases[:1]))
        store = opened(job.to, job.env)
        while len(list(store.list("manifests/"))) < 10:
            time.sleep(0.05)
        s3.kill()
        child.ended_within(seconds)
        s3.start()
        assert child.wait() in (0, 1)
        until_it_can_be_read(store)
        # What failed is due a little later; nothing else has to be done but to run again.
        assert bench.nursery.run(job) == 0
        # SeaweedFS does not sync each object: after SIGKILL it may have forgotten one that it acknowledged. An export
        # cannot know, but a verification names every one; nothing else may differ.
        lost = [finding.key for finding in Archive(store).verify() if finding.kind == "missing"]
        assert [one for one in bench.differences(job) if not any(key in one for key in lost)] == []


def until_it_can_be_read(store: Store) -> None:
    """A server that was killed lists at once and finds its volumes a little later."""
    for _ in range(600):
        with suppress(Unavailable):
            store.get("_turnkeeper/archive.json")
            return
        time.sleep(0.1)


SETTINGS = {"conversations": 40, "per_day": 20, "rate_limit": 100_000}


@pytest.mark.parametrize("place", ["archive", "ledger", "spool"])
def test_the_disk_is_full_and_is_enlarged(cli: Cli, platform: Platform, tmp_path: Path, place: str) -> None:
    running = platform(**SETTINGS, giant_mb=3 if place == "spool" else 0)
    archive, disk = tmp_path / "archive", tmp_path / "disk"
    env = {**credentials(running), "XDG_STATE_HOME": str(tmp_path / "state"), "GENESYS_API": "speech"}
    span = ("--since", "2026-10-05", "--until", "2026-10-12", "-q")
    alone = tmp_path / "alone"
    cli("export", "--to", str(alone), *span, env={**env, "XDG_STATE_HOME": str(tmp_path / "other")})
    sizes = {"archive": "800k", "ledger": "120k", "spool": "800k"}
    with SmallDisk(disk, sizes[place]) as small:
        env |= {"ledger": {"XDG_STATE_HOME": str(disk)}, "spool": {"TMPDIR": str(disk)}}.get(place, {})
        to = disk / "archive" if place == "archive" else archive
        command = [sys.executable, "-m", "turnkeeper", "export", "--to", str(to), *span]
        full = small.run(command, env)
        assert full.returncode == 1, full.stderr
        assert "room" in full.stderr or "full" in full.stderr
        assert "Traceback" not in full.stderr
        small.resize("100m")
        again = small.run(command, env)
        # Some are unread: 3 says it where this run met them, and they may have been met before the disk was full.
        assert again.returncode in (0, 3), again.stderr
        seen = small.seen / "archive" if place == "archive" else archive
        assert holding(FolderStore(alone)).differences(holding(FolderStore(seen))) == []
        assert sum(json.loads(again.stdout)["states"].values()) == 40 + (place == "spool")


class Refusing(CrashStore):
    """The first write is refused for one reason, all others for another."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, Points())
        self.refusals = 0

    def put_stream(self, key: str, source: Source, *, content_type: str = "application/json") -> None:
        self._refuse()

    def put(self, key: str, data: bytes, *, content_type: str = "application/json", create: bool = False) -> None:
        if not key.startswith(("_turnkeeper/archive", "_turnkeeper/probe")):
            self._refuse()
        super().put(key, data, content_type=content_type, create=create)

    def _refuse(self) -> None:
        self.refusals += 1
        raise StoreRefused("the first") if self.refusals == 1 else Unavailable("another one")


def test_what_ends_a_run_is_what_its_user_hears(platform: Platform, tmp_path: Path) -> None:
    running = platform(**SETTINGS)
    env = {**credentials(running), "GENESYS_API": "speech", "XDG_STATE_HOME": str(tmp_path)}
    store = Refusing(open_store("memory://"))

    async def export() -> None:
        clock = RemoteClock(running.clock_url)
        archive = Archive(store, clock=clock)
        async with Genesys(PlatformSettings.from_environment(env), clock=clock) as door:
            await claim_archive(door, archive)
            interval = Interval(datetime.fromisoformat(SINCE), datetime.fromisoformat(UNTIL))
            with closing(Ledger(tmp_path / "ledger.sqlite3", clock)) as ledger:
                await Run(door, archive, ledger, ExportSettings(), clock).once(Range(interval))

    with pytest.raises(StoreRefused, match="the first"):
        anyio.run(export)
    assert store.refusals > 1


def test_a_ledger_without_room_for_its_shared_memory_says_so(tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "disk", "24k") as small:
        code = "import sys; from pathlib import Path; from turnkeeper.clock import SystemClock\n"
        code += "from turnkeeper.exporter.ledger import Ledger\n"
        code += f"Ledger(Path({str(small.folder / 'ledger.sqlite3')!r}), SystemClock())"
        ran = small.run([sys.executable, "-c", code])
    assert "turnkeeper.errors.DiskFull: " in ran.stderr


def test_following_goes_on_when_the_store_was_down_for_a_turn(platform: Platform, tmp_path: Path) -> None:
    running = platform(**SETTINGS, now=datetime.fromisoformat(NOW))
    env = {**credentials(running), "GENESYS_API": "speech", "XDG_STATE_HOME": str(tmp_path)}
    store = Down(open_store("memory://"))
    stop = threading.Event()
    notes: list[str] = []

    def listener(event: Event) -> None:
        if isinstance(event, Noted):
            notes.append(event.note)
            store.down = store.down and "the next turn" not in event.note
        if isinstance(event, Committed):
            stop.set()

    async def follow() -> None:
        clock = RemoteClock(running.clock_url)
        archive = Archive(store, clock=clock)
        async with Genesys(PlatformSettings.from_environment(env), clock=clock) as door:
            await claim_archive(door, archive)
            with closing(Ledger(tmp_path / "ledger.sqlite3", clock)) as ledger:
                run = Run(door, archive, ledger, ExportSettings(), clock, listener=listener, stop=stop)
                interval = Interval(datetime.fromisoformat(SINCE), datetime.fromisoformat(UNTIL))
                store.down = True
                await run.follow(Follow(first=Range(interval)))

    anyio.run(follow)
    assert [note[:21] for note in notes].count("listing goes on in 30") == 1
    assert [note[:21] for note in notes].count("the next turn tries a") == 1
    assert len(list(store.list("_turnkeeper/states/"))) >= 2


class Down(CrashStore):
    """Nothing of the index can be written while it is ``down``."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, Points())
        self.down = False

    def put(self, key: str, data: bytes, *, content_type: str = "application/json", create: bool = False) -> None:
        if self.down:
            raise Unavailable("down", operation="write", key=key)
        super().put(key, data, content_type=content_type, create=create)
