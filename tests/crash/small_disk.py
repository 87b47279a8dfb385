"""A real disk of a few hundred kilobytes, to be filled, enlarged and made read-only: tmpfs in an own namespace.

Nobody else sees it and no privileges are needed: a process holds the namespace, commands are run inside it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

__all__ = ["SmallDisk"]

_HOLD = 'mount -t tmpfs -o "size=$1" tmpfs "$2" && echo ready && exec cat'


class SmallDisk:
    """Mounted at a folder while the block lasts, for ``run`` alone. ``seen`` is the folder as others read it."""

    def __init__(self, folder: Path, size: str) -> None:
        self.folder = folder
        self._size = size

    @property
    def seen(self) -> Path:
        return Path(f"/proc/{self._holder.pid}/root{self.folder}")

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        hold = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _HOLD, "sh"]
        self._holder = subprocess.Popen(
            [*hold, self._size, str(self.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._holder.stdout
        if self._holder.stdout.readline() != b"ready\n":
            raise RuntimeError(
                "no user namespaces here: apt-get install util-linux; sysctl -w user.max_user_namespaces=99"
            )
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._holder.stdin
        assert self._holder.stdout
        self._holder.stdin.close()
        self._holder.wait(30)
        self._holder.stdout.close()

    def resize(self, size: str) -> None:
        """More room."""
        self._mounted(f"remount,rw,size={size}")

    def protect(self) -> None:
        """Read-only from now on."""
        self._mounted("remount,ro")

    def run(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command that sees the disk."""
        enter = ["nsenter", f"--target={self._holder.pid}", "--user", "--mount", "--preserve-credentials", "--"]
        return subprocess.run(
            [*enter, *command],
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def _mounted(self, options: str) -> None:
        done = self.run(["mount", "-o", options, str(self.folder)])
        assert done.returncode == 0, done.stderr
