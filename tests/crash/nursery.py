"""Processes that may die: forked from one that has loaded everything, because most of a start is imports.

with Nursery() as nursery:
    status = nursery.start(job).wait()      # 0, or minus the signal's number
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Self

from tests.crash.job import Job

__all__ = ["Child", "Nursery"]

ROOT = Path(__file__).parents[2]


class Child:
    """A job under way. ``pid`` is its process."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self._nursery = nursery

    def wait(self) -> int:
        """Its exit status; minus a signal's number where one ended it."""
        return self._nursery.line()["status"]

    def ended_within(self, seconds: float) -> bool:
        """Whether it ended by itself so soon."""
        return self._nursery.hears_within(seconds)

    def kill(self) -> None:
        """At once, wherever it is."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class Nursery:
    """One job at a time, each in a process of its own."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.nursery"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def start(self, job: Job) -> Child:
        """Begin; the child runs when this returns."""
        assert self._process.stdin
        self._process.stdin.write(job.text().encode() + b"\n")
        return Child(self, self.line()["pid"])

    def run(self, job: Job) -> int:
        """Begin and wait."""
        return self.start(job).wait()

    def line(self) -> dict[str, int]:
        assert self._process.stdout
        found: dict[str, int] = json.loads(self._process.stdout.readline())
        return found

    def hears_within(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        return bool(ready)


def main() -> None:
    """Read jobs, one a line; fork; say how it ended."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _be_the_child(line)
        print(json.dumps({"pid": pid}), flush=True)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)


def _be_the_child(line: str) -> None:
    os.dup2(2, 1)
    status = 1
    try:
        Job.parse(line).work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    # Loaded before the first fork: what doors load lazily when they are opened.
    import obstore.store  # noqa: F401

    main()
