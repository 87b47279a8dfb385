"""One run of the command line: what was printed, how it ended, how long it took, and how much memory it held."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ran", "run"]

LONGEST = 60.0


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
    """Run ``turnkeeper`` as a process of its own; its output stays in ``folder`` for the secret scan."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{len(list(folder.iterdir())):03}"
    with place.with_suffix(".out").open("wb") as out, place.with_suffix(".err").open("wb") as err:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "turnkeeper", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=folder,
            env={**os.environ, **env},
        )
        ended: list[tuple[int, int]] = []
        waiting = threading.Thread(target=lambda: ended.append(_waited(process.pid)), daemon=True)
        waiting.start()
        waiting.join(longest)
        hung = waiting.is_alive()
        if hung:
            process.kill()
            waiting.join()
        process.returncode = ended[0][0]  # it was waited for here, since only wait4 tells of its memory
    return Ran(
        None if hung else ended[0][0],
        place.with_suffix(".out").read_text(errors="replace"),
        place.with_suffix(".err").read_text(errors="replace"),
        time.monotonic() - began,
        ended[0][1],
    )


def _waited(process: int) -> tuple[int, int]:
    _, status, usage = os.wait4(process, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss // 1024
