"""One run of the command line: what was printed, how it ended, how long it took, and how much memory it held."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Ran", "run"]

LONGEST = 60.0
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    """What a command did. ``code`` is None where it had to be killed; ``mb`` is its largest resident set."""

    code: int | None
    out: str
    err: str
    seconds: float
    mb: int

    @property
    def words(self) -> str:
        return self.out + self.err


def run(arguments: Sequence[str], env: Mapping[str, str], folder: Path, longest: float = LONGEST) -> Ran:
    """Run ``turnkeeper`` in a process of its own; its output stays in ``folder`` for the secret scan."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{len(list(folder.iterdir())):03}"
    out, err = place.with_suffix(".out"), place.with_suffix(".err")
    began = time.monotonic()
    asked = {"arguments": list(arguments), "environment": {**os.environ, **env}}
    code, kib = _forks().run(asked | {"folder": str(folder), "out": str(out), "err": str(err)}, longest)
    seconds = time.monotonic() - began
    return Ran(code, out.read_text(errors="replace"), err.read_text(errors="replace"), seconds, kib // 1024)


class _Forks:
    """The process that forks; one per thread, since it waits for its child."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.forks"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self.close)

    def run(self, asked: Mapping[str, Any], longest: float) -> tuple[int | None, int]:
        """Exit code (None where it had to be killed) and largest resident set in KiB."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        child = json.loads(self._process.stdout.readline())
        hung = threading.Event()
        alarm = threading.Timer(longest, lambda: (hung.set(), os.kill(child, signal.SIGKILL)))
        alarm.start()
        code, kib = json.loads(self._process.stdout.readline())
        alarm.cancel()
        return (None if hung.is_set() else code), kib

    def close(self) -> None:
        """End it; its standard input does."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


_of_thread = threading.local()


def _forks() -> _Forks:
    """This thread's."""
    if not hasattr(_of_thread, "forks"):
        _of_thread.forks = _Forks()
    forks: _Forks = _of_thread.forks
    return forks
