"""A year of ``export --follow`` on a clock that is moved by hand, against the simulator: does anything grow?

python -m tests.crash.years --calls 20000 --days 365

Some transcripts come late, some never; the archive's place fails now and then; calls are erased every week. What a day
costs is measured as the mean of the seven days before.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec

from tests.crash.truth import START, move, simulated
from turnkeeper.cli.bulk_run import limit_heaps
from turnkeeper.clock import ManualClock, rfc3339
from turnkeeper.erasure.erasable_archive import ErasableArchive
from turnkeeper.errors import Unavailable
from turnkeeper.exporter.engine import ExportSettings
from turnkeeper.exporter.ledger import Ledger
from turnkeeper.exporter.pipeline import claim_archive
from turnkeeper.exporter.range import Follow
from turnkeeper.exporter.run import Run
from turnkeeper.genesys.client import Genesys
from turnkeeper.settings import PlatformSettings
from turnkeeper.spool import Source
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.store import Store

__all__ = ["Sample", "Year", "lived", "table"]

PAGE = Path(__file__).parents[2] / "docs/export.md"
WEEK = 7
REFUSED_EVERY = 499
ERASED = 3
SHOWN = (1, 30, 180, 365)


@dataclass(frozen=True)
class Sample:
    """What the process holds after so many days, and what it has done until then."""

    day: int
    threads: int
    descriptors: int
    resident_mb: float
    requests: int
    puts: int
    lists: int
    written: int
    ledger: int
    states: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


class CountingStore:
    """A folder that counts what is written and listed, and refuses a large object now and then."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self.puts = self.lists = self.written = self.streams = 0

    @property
    def url(self) -> str:
        return self._store.url

    def put(self, key: str, data: bytes, *, content_type: str = "application/json", create: bool = False) -> None:
        self._count(len(data))
        self._store.put(key, data, content_type=content_type, create=create)

    def put_stream(self, key: str, source: Source, *, content_type: str = "application/json") -> None:
        with self._lock:
            self.streams += 1
            refused = self.streams % REFUSED_EVERY == 0
        if refused:
            raise Unavailable("the disk is tired", operation="write", key=key)
        self._count(source.size)
        self._store.put_stream(key, source, content_type=content_type)

    def delete(self, key: str) -> None:
        self._store.delete(key)

    def list(self, prefix: str) -> Iterator[str]:
        with self._lock:
            self.lists += 1
        return self._store.list(prefix)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _count(self, size: int) -> None:
        with self._lock:
            self.puts += 1
            self.written += size


class SharedClock(ManualClock):
    """Ours and the simulator's move together; at each midnight somebody is called."""

    def __init__(self, start: datetime, platform: Any, midnight: Callable[[int], Awaitable[None]]) -> None:
        super().__init__(start)
        self._start = start
        self._platform = platform
        self._midnight = midnight
        self._days = 0

    async def sleep(self, seconds: float) -> None:
        until = self.now() + timedelta(seconds=max(seconds, 0))
        while (day := self._start + timedelta(days=self._days + 1)) <= until:
            self._days += 1
            await self._to(day)
            await self._midnight(self._days)
        await self._to(until)
        await anyio.lowlevel.checkpoint()

    async def _to(self, moment: datetime) -> None:
        ahead = (moment - self.now()).total_seconds()
        if ahead > 0:
            self.advance(ahead)
            move(self._platform, until=rfc3339(self.now()))


@dataclass
class Year:
    """One process's life, sampled every day. ``stop`` ends it; ``others`` is how somebody else opens the archive."""

    door: Genesys
    others: ErasableArchive
    store: CountingStore
    ledger: Ledger
    days: int
    stop: threading.Event = field(default_factory=threading.Event)
    samples: list[Sample] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    async def midnight(self, day: int) -> None:
        self.samples.append(self._sample(day))
        if day % WEEK == 0:
            await anyio.to_thread.run_sync(self._erase)
        if day in SHOWN or day % 10 == 0:
            print(json.dumps(msgspec.to_builtins(self.samples[-1])), flush=True)
        if day >= self.days:
            self.stop.set()

    def _erase(self) -> None:
        held = islice(self.others.conversations(), 1, 2 * ERASED, 2)
        if names := list(held):
            self.others.erase(names)

    def _sample(self, day: int) -> Sample:
        gc.collect()
        return Sample(
            day,
            threads=_entries("/proc/self/task"),
            descriptors=_entries("/proc/self/fd"),
            resident_mb=_resident_mb(),
            requests=self.door.requests + self.door.downloads,
            puts=self.store.puts,
            lists=self.store.lists,
            written=self.store.written,
            ledger=sum(
                path.stat().st_size for path in self.ledger.path.parent.glob("ledger.sqlite3*") if path.is_file()
            ),
            states=self.ledger.counts(),
            seconds=round(time.monotonic() - self.began, 1),
        )


def _entries(folder: str) -> int:
    return sum(1 for _ in Path(folder).iterdir())


def _resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise RuntimeError("/proc/self/status has no VmRSS")


def lived(
    folder: Path, calls: int, days: int, *, every: float = 15, faults: str = "live,late-second-leg"
) -> list[Sample]:
    """Follow for so many days, in this process; a sample for each."""
    per_day = max(1, round(calls / max(days * 5 / 7, 1)))
    with simulated(calls, per_day, faults) as platform:
        return anyio.run(_lived, folder, platform, days, timedelta(minutes=every))


async def _lived(folder: Path, platform: Any, days: int, every: timedelta) -> list[Sample]:
    env = {"GENESYS_BASE_URL": platform["base_url"], "GENESYS_CLIENT_ID": platform["client_id"]}
    env |= {"GENESYS_CLIENT_SECRET": platform["client_secret"], "GENESYS_API": "speech"}
    store = CountingStore(FolderStore(folder / "archive"))
    year: Year

    async def midnight(day: int) -> None:
        await year.midnight(day)

    clock = SharedClock(datetime.fromisoformat(START), platform, midnight)
    archive = ErasableArchive(store, clock=clock)
    async with Genesys(PlatformSettings.from_environment(env), clock=clock) as door:
        await claim_archive(door, archive)
        with closing(Ledger(folder / "ledger.sqlite3", clock)) as ledger:
            others = ErasableArchive(FolderStore(folder / "archive"), clock=clock)
            year = Year(door, others, store, ledger, days)
            run = Run(door, archive, ledger, ExportSettings(), clock, stop=year.stop, poll=0.05)
            await run.follow(Follow(every=every))
    return year.samples


def table(samples: Sequence[Sample], shown: Sequence[int] = SHOWN) -> str:
    """The days that are shown, in Markdown."""
    by_day = {0: Sample(0, 0, 0, 0, 0, 0, 0, 0, 0)} | {one.day: one for one in samples}
    lines = [
        "| day | calls | threads | descriptors | memory | requests a day | lists a day | objects a day | bytes a day |"
    ]
    lines.append("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for day in sorted({*shown, samples[-1].day}):
        if day in by_day:
            one, before = by_day[day], by_day[max(day - WEEK, 0)]
            span = day - before.day
            cells = (
                str(day),
                f"{sum(one.states.values()):,}",
                str(one.threads),
                str(one.descriptors),
                f"{one.resident_mb:.0f} MB",
                f"{(one.requests - before.requests) / span:,.0f}",
                f"{(one.lists - before.lists) / span:,.0f}",
                f"{(one.puts - before.puts) / span:,.0f}",
                f"{(one.written - before.written) / span / 1e6:,.1f} MB",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--every", type=float, default=15, help="minutes between two listings")
    parser.add_argument("--write", action="store_true", help="put the table into docs/export.md")
    given = parser.parse_args()
    limit_heaps()  # as the command line does
    with tempfile.TemporaryDirectory(prefix="turnkeeper-years-") as name:
        samples = lived(Path(name), given.calls, given.days, every=given.every)
    found = table(samples)
    print(found)
    if given.write:
        before, begun, rest = PAGE.read_text().partition("<!-- a year: ")
        head, _, _ = rest.partition("\n")
        _, over, after = rest.partition("<!-- end of a year -->")
        PAGE.write_text(f"{before}{begun}{head}\n\n{found}\n\n{over}{after}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
