"""A stop ends a run that follows wherever it waits, and nothing that it had in hand is lost."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import anyio
import httpx2
import pytest
from tests.unit.exporter.test_worker import Here, Platform

from turnkeeper.archive import keys
from turnkeeper.archive.index import Index
from turnkeeper.clock import ManualClock
from turnkeeper.events import Alive, Event
from turnkeeper.exporter.engine import ExportSettings
from turnkeeper.exporter.ledger import Ledger
from turnkeeper.exporter.pipeline import claim_archive
from turnkeeper.exporter.range import Follow, Range
from turnkeeper.exporter.run import Run
from turnkeeper.exporter.shutdown import stoppable
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.interval import Interval
from turnkeeper.settings import PlatformSettings

pytestmark = pytest.mark.anyio
HOUR = timedelta(hours=1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Points:
    """Counts the places where a run waits for others; at the ``nth`` it is asked to stop, and that wait never ends."""

    def __init__(self, nth: int, stop: threading.Event) -> None:
        self.nth, self.stop = nth, stop
        self.met = 0

    async def meet(self) -> None:
        self.met += 1
        if self.met == self.nth:
            self.stop.set()
            await anyio.sleep_forever()


class SleepyClock(ManualClock):
    """Each sleep is such a place; after some hours the run is asked to stop by itself."""

    points: Points
    threads = 0

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        for _ in range(5):  # as long as a thread needs to be started beside
            await anyio.lowlevel.checkpoint()
        self.threads = max(self.threads, threading.active_count())
        await self.points.meet()
        if self.monotonic() > 6 * 3600:
            self.points.stop.set()


async def followed(nth: int, folder: Path) -> tuple[Points, Here, Ledger]:
    """Follow a platform that fails at first; the ledger is open still."""
    stop, clock = threading.Event(), SleepyClock()
    points = clock.points = Points(nth, stop)
    here = Here(Platform({"a": True, "b": True}, {"a"}), clock)
    failures = iter(range(3))

    async def answer(request: httpx2.Request) -> httpx2.Response:
        await points.meet()
        if request.url.path.endswith("/transcripturl") and next(failures, None) is not None:
            return httpx2.Response(503)
        return here.platform(request)

    settings = PlatformSettings(client_id="id", client_secret="hush", region="us-east-1")
    door = Genesys(settings, transport=httpx2.MockTransport(answer), clock=clock)
    ledger = Ledger(folder / f"{nth}.sqlite3", clock)
    run = Run(door, here.archive, ledger, ExportSettings(concurrency=2), clock, stop=stop, grace=0, poll=0.001)
    now = clock.now()
    with anyio.fail_after(60):
        report = await run.follow(Follow(every=HOUR, first=Range(Interval(now - 24 * HOUR, now))))
    assert report.ended == "interrupted"
    return points, here, ledger


@pytest.mark.slow
async def test_a_stop_ends_it_at_every_await(tmp_path: Path) -> None:
    """K6: a polite stop waits out sleeps of 30, 120, 600 s."""
    nth, points = 0, None
    while points is None or points.met >= points.nth:
        nth += 1
        points, here, ledger = await followed(nth, tmp_path)
        with closing(ledger):
            # Nobody holds anything any more, and the archive has been told what is known.
            assert ledger.dirty() == []
            assert sum(ledger.counts().values()) == sum(
                len(Index(here.archive.store).read(day).calls) for day in Index(here.archive.store).days()
            )
            ledger.retry()
            due = ledger.due().now
            assert len(ledger.take(10)) == due
            assert len(list(here.archive.store.list(keys.RUNS))) == 1
    assert nth > 20


async def test_a_stop_ends_the_wait_for_a_platform_that_is_down() -> None:
    stop, clock = threading.Event(), SleepyClock()
    clock.points = Points(3, stop)
    here = Here(Platform({"a": True}), clock)
    door = Genesys(
        PlatformSettings(client_id="id", client_secret="hush", region="us-east-1"),
        transport=httpx2.MockTransport(lambda _: httpx2.Response(503)),
        clock=clock,
    )
    with anyio.fail_after(60):
        assert await stoppable(lambda: claim_archive(door, here.archive), stop, grace=0, poll=0.001) is None


async def test_what_is_under_way_gets_a_moment() -> None:
    stop = threading.Event()

    async def work() -> str:
        stop.set()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        return "done"

    assert await stoppable(work, stop, grace=60, poll=0.001) == "done"


async def test_errors_come_through_as_they_are() -> None:
    async def work() -> None:
        raise ValueError("as it is")

    with pytest.raises(ValueError, match="as it is"):
        await stoppable(work, threading.Event())


@pytest.mark.slow
async def test_no_thread_stays_behind_a_pause_and_the_archive_is_told_four_times_an_hour(tmp_path: Path) -> None:
    """K6: --follow leaks a thread at every pause, and each wake-up writes a report and the day's whole index."""
    stop, clock = threading.Event(), SleepyClock()
    points = clock.points = Points(0, stop)
    here = Here(Platform({"a": True}), clock)
    heard: list[Event] = []
    with closing(Ledger(tmp_path / "ledger.sqlite3", clock)) as ledger:
        run = Run(here.door, here.archive, ledger, ExportSettings(), clock, heard.append, stop)
        before = threading.active_count()
        await run.follow(Follow(every=timedelta(minutes=1), last=timedelta(0)))
    assert points.met > 350
    assert clock.threads - before < 10
    assert Alive() in heard
    assert Alive(stopping=True) in heard
    # One report a day, and no name was asked for: nothing was kept.
    assert len(list(here.archive.store.list(keys.RUNS))) == 1
    generations = list(here.archive.store.list(keys.STATES))
    assert max(int(key.rpartition("/")[2].removesuffix(".json")) for key in generations) <= 4 * 6 + 1
    assert not [path for path in here.platform.asked if path.startswith(("/api/v2/users", "/api/v2/routing"))]
