"""How much of the quota is used, by real processes against the simulator, in real time.

``python -m tests.contract.quota`` prints the figures: windows of 20 seconds, 300 requests each, three of them.
``python -m tests.contract.quota ask WORKERS SECONDS`` is one such process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.rate_limit import RateLimiter

WINDOWS = 3


@dataclass(frozen=True)
class Used:
    """What some processes did in three windows each: requests, answers 429, and the smallest share of a quota used."""

    windows: list[int]
    refused: int
    share: float

    def __str__(self) -> str:
        return f"{self.share:6.1%} of the quota   429s: {self.refused}   requests per window: {self.windows}"


async def _ask(workers: int, seconds: float) -> None:
    async def work(door: Genesys) -> None:
        while time.monotonic() < over:
            await door.organisation()

    async with Genesys() as door:
        await door.token_probe()
        over = time.monotonic() + seconds
        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as tasks:
                for _ in range(workers):
                    tasks.start_soon(work, door)


@contextmanager
def simulated(limit: int, window: float) -> Iterator[dict[str, Any]]:
    """A platform in a process of its own, which gives each process that asks a token of its own."""
    command = [sys.executable, "-m", "turnkeeper", "simulate", "--conversations", "1"]
    command += ["--rate-limit", str(limit), "--rate-window", str(window)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def control(platform: dict[str, Any], path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(f"{platform['base_url']}/_sim/{path}", data), timeout=20) as answer:
        return json.load(answer)


@contextmanager
def asking(platform: dict[str, Any], processes: int, workers: int, seconds: float) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as state:
        given = {"GENESYS_BASE_URL": platform["base_url"], "GENESYS_CLIENT_ID": platform["client_id"]}
        given |= {"GENESYS_CLIENT_SECRET": platform["client_secret"], "XDG_STATE_HOME": state, "NO_PROXY": "*"}
        command = [sys.executable, "-m", "tests.contract.quota", "ask", str(workers), str(seconds)]
        started = [
            subprocess.Popen(command, env={**os.environ, **given}, cwd=Path(__file__).parents[2])
            for _ in range(processes)
        ]
        yield
        assert [process.wait(timeout=seconds + 60) for process in started] == [0] * processes


def used(processes: int, *, limit: int, window: float, workers: int = 8) -> Used:
    """Three whole windows of each token, from its first request to the one that opens the fourth."""
    with simulated(limit, window) as platform:
        with asking(platform, processes, workers, (WINDOWS + 0.3) * window + 2 * (processes - 1)):
            pass
        tokens = list(control(platform, "pace")["windows"].values())
        refused = control(platform, "requests").get("refused_429", 0)
    assert len(tokens) == processes, "each process has a token of its own"
    shares = [
        sum(count for _, count in windows[:WINDOWS]) / (limit * (windows[WINDOWS][0] - windows[0][0]) / 1000 / window)
        for windows in tokens
    ]
    return Used([count for windows in tokens for _, count in windows[:WINDOWS]], refused, min(shares))


def lowered(*, limit: int, to: int, window: float, workers: int) -> Used:
    """The limit falls in the middle of the second window, when more than it allows is used already."""
    with simulated(limit, window) as platform:
        with asking(platform, 1, workers, 3 * window + 1):
            while (seen := list(control(platform, "pace")["windows"].values())) == [] or not (
                len(seen[0]) == 2 and seen[0][1][1] > to
            ):
                time.sleep(0.002)
            control(platform, "pace", {"allowed": to})
        (windows,) = control(platform, "pace")["windows"].values()
        refused = control(platform, "requests").get("refused_429", 0)
    return Used([count for _, count in windows], refused, windows[2][1] / to)


def cost(requests: int = 20_000) -> float:
    """Microseconds of CPU for planning one request."""
    pacer = RateLimiter()
    began = time.process_time()
    for number in range(requests):
        now = number / 1000
        told = {"count": number % 50_000 + 1, "allowed": 60_000, "reset": 60 - int(now % 60)}
        while pacer.wait(now) > 0:
            now += 0.05
        headers = {f"inin-ratelimit-{name}": str(value) for name, value in told.items()}
        pacer.answered(pacer.claim(now), headers, now)
    return (time.process_time() - began) / requests * 1e6


def main(window: float = 20.0, limit: int = 300) -> None:
    print(f"windows of {window:.0f} s, {limit} requests each; three whole windows, by the clock")
    print(f"one process                 {used(1, limit=limit, window=window)}")
    print(f"two processes, two tokens   {used(2, limit=limit, window=window)}")
    fallen = lowered(limit=limit, to=100, window=window, workers=8)
    print(f"lowered to 100, 8 in flight {fallen}  (the share is of the third window)")
    print(f"CPU of planning, a request  {cost():.1f} µs")


if __name__ == "__main__":
    if sys.argv[1:2] == ["ask"]:
        anyio.run(_ask, int(sys.argv[2]), float(sys.argv[3]))
    else:
        main(*(float(text) for text in sys.argv[1:2]))
