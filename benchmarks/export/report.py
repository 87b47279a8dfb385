"""Runs the export and the bare loop in turn against one simulator and one SeaweedFS, and writes the section."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from turnkeeper.cli.local_s3 import LocalS3
from turnkeeper.environment import environment

CONVERSATIONS, ROUNDS = 2000, 3
COMMAND = "python -m benchmarks export"


def run(conversations: int = CONVERSATIONS, rounds: int = ROUNDS) -> str:
    """The section of this suite, also printed."""
    with tempfile.TemporaryDirectory() as place, simulator(conversations) as platform:
        folder = Path(place)
        with LocalS3(buckets=["bench"], folder=folder / "s3") as s3:
            env = {**environment(), **platform, **s3.environment()}
            like = child("ours", str(folder / "like"), str(folder / "like.sqlite3"), env=env)
            ours, bare = [], []
            for number in range(rounds):
                ours.append(child("ours", f"s3://bench/ours{number}", str(folder / f"{number}.sqlite3"), env=env))
                bare.append(child("bare", f"s3://bench/bare{number}", str(folder / "like"), env=env))
    text = _section(conversations, ours, bare, like)
    print(text)
    return text


@contextmanager
def simulator(conversations: int, *more: str) -> Iterator[dict[str, str]]:
    """A simulator in a process of its own, with a quota that nobody meets; the environment of its user."""
    command = [sys.executable, "-m", "turnkeeper", "simulate", "--port", "0", "--rate-limit", "100000000"]
    process = subprocess.Popen([*command, "--conversations", str(conversations), *more], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield {
            "GENESYS_BASE_URL": told["base_url"],
            "GENESYS_CLIENT_ID": told["client_id"],
            "GENESYS_CLIENT_SECRET": told["client_secret"],
            "GENESYS_API": "speech",
        }
    finally:
        process.terminate()
        process.wait()


def child(name: str, *arguments: str, env: dict[str, str]) -> dict[str, Any]:
    """One contender in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.export.{name}", *arguments]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _section(conversations: int, ours: list[dict[str, Any]], bare: list[dict[str, Any]], like: dict[str, Any]) -> str:
    def cost(runs: list[dict[str, Any]]) -> float:
        return median(run["cpu"] for run in runs) / conversations * 1000

    def peak(runs: list[dict[str, Any]]) -> float:
        return median(run["mb"] for run in runs)

    rows = [
        ("turnkeeper export", cost(ours), cost(ours) / cost(bare), peak(ours)),
        ("bare loop: httpx2 and obstore", cost(bare), 1.0, peak(bare)),
    ]
    folder = like["cpu"] / conversations * 1000
    said = (
        f"`{COMMAND}`: {conversations:,} conversations from the simulator into SeaweedFS, {len(ours)} runs in turn,"
        " medians. The bare loop asks the same and puts the same bytes; it parses, checks and remembers nothing."
        f" {ours[0]['done']:,} of {ours[0]['visited']:,} had a transcript. Machine: {os.cpu_count()} CPUs.\n"
    )
    lines = [
        "## Bulk export\n",
        said,
        "| | CPU per conversation | ratio | peak memory |",
        "| --- | --- | --- | --- |",
        *(f"| {name} | {ms:.1f} ms | {ratio:.2f} | {mb:.0f} MB |" for name, ms, ratio, mb in rows),
        f"\nInto a folder: {folder:.1f} ms per conversation, every object synced to disk.\n",
    ]
    return "\n".join(lines)
