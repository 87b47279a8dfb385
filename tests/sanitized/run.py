"""Builds the part in C with gcc's AddressSanitizer and UndefinedBehaviorSanitizer, and starts the attack on it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Outcome", "attacked"]

ROOT = Path(__file__).parents[2]

# Some Pythons are built with -fwrapv, which would make every overflow of a signed number right.
FLAGS = (
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=undefined",
    "-fno-wrapv",
    "-fno-omit-frame-pointer",
    "-O1",
    "-g",
)

OPTIONS = {
    "PYTHONMALLOC": "malloc",  # each object in a piece of memory of its own, so that no step beside one goes unseen
    "ASAN_OPTIONS": "detect_leaks=0:strict_string_checks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


@dataclass(frozen=True)
class Outcome:
    """How an attack ended, and what was said: counts of the cases, or the report."""

    sound: bool
    said: str


def attacked(count: int, seed: str, sources: Path = ROOT / "native") -> Outcome:
    """``count`` hostile arrays through a module built from ``sources``. Raises ``CalledProcessError`` where that cannot
    be built: it takes gcc and Python's headers."""
    with tempfile.TemporaryDirectory() as folder:
        module = _built(sources, Path(folder))
        note = Path(folder) / "note"
        done = subprocess.run(
            [sys.executable, "-m", "tests.sanitized.attack", str(module), str(count), seed, str(note)],
            cwd=ROOT,
            env=os.environ | OPTIONS | {"LD_PRELOAD": _runtime()},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode == 0 and not done.stderr:
            return Outcome(sound=True, said=done.stdout.strip())
        at = note.read_text().strip() if note.exists() else "none"
        told = f"exit {done.returncode}, document {at} of seed {seed}"
        return Outcome(sound=False, said=f"{done.stdout}\n{done.stderr}\n{told}".strip())


def _built(sources: Path, folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, str(sources / "build.py"), "--into", str(folder), *FLAGS],
        env=os.environ | {"CC": "gcc"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Path(done.stdout.splitlines()[-1])


def _runtime() -> str:
    """AddressSanitizer has to be there before Python is."""
    command = ["gcc", "-print-file-name=libasan.so"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
