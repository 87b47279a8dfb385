"""Clocks. Code that waits takes one as an argument, so that tests need not wait.

``SystemClock`` is the real one. ``ManualClock`` moves only in ``sleep`` and ``advance``; it is public for your own
tests. ``RemoteClock`` follows the clock of a simulator (``TURNKEEPER_CLOCK_URL``).
"""

from __future__ import annotations

import json
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Protocol

import anyio

__all__ = ["Clock", "ManualClock", "RemoteClock", "SystemClock", "rfc3339", "rfc3339_ms"]

_CACHE_SECONDS = 0.02
# The years 1 to 9999 are all that ``datetime`` can express.
_MIN_MS, _MAX_MS = -62_135_596_800_000, 253_402_300_799_000


class Clock(Protocol):
    """The interface of a clock. ``monotonic`` and ``sleep`` are in seconds; ``now`` is an aware UTC datetime."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(max(seconds, 0))


class ManualClock:
    """A clock that moves only in ``sleep`` and ``advance``. ``slept`` lists the waits, in seconds."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
        self._elapsed = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._elapsed += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(max(seconds, 0))
        # A real wait lets other tasks run; without this a loop of sleeps would never yield.
        await anyio.lowlevel.checkpoint()


class RemoteClock:
    """The clock of a simulator, over HTTP. Sleeping moves it forward instead of waiting.

    ``url`` is the simulator's ``/_sim/clock``. Parallel sleepers each send their own wake-up time. The clock never
    moves back, so the longest wait decides. The last time is cached for 20 ms, to avoid a request at every call.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._last_answer: tuple[float, datetime] | None = None
        # The clock is on loopback, which a proxy from the environment could not reach.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def now(self) -> datetime:
        said = self._last_answer
        if said is not None and time.monotonic() - said[0] < _CACHE_SECONDS:
            return said[1]
        return self._request(None)

    def monotonic(self) -> float:
        return self.now().timestamp()

    async def sleep(self, seconds: float) -> None:
        until = self.now() + timedelta(seconds=max(seconds, 0))
        # In a thread, because the request would block the event loop.
        await anyio.to_thread.run_sync(self._request, {"until": rfc3339(until)})

    def _request(self, body: dict[str, str] | None) -> datetime:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url, data=data, headers={"Content-Type": "application/json"})  # noqa: S310
        with self._opener.open(request, timeout=30) as answer:
            now = datetime.fromisoformat(json.load(answer)["now"])
        self._last_answer = time.monotonic(), now
        return now


def rfc3339(moment: datetime) -> str:
    """Format a time in UTC with milliseconds and ``Z``. A naive time is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rfc3339_ms(epoch_ms: int) -> str:
    """Format epoch milliseconds. Times before year 1 or after 9999 become the nearest valid time."""
    return rfc3339(datetime.fromtimestamp(min(max(epoch_ms, _MIN_MS), _MAX_MS) / 1000, UTC))
