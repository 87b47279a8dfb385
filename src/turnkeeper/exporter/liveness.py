"""Which exporters on this machine are alive: each holds a lock on a file, and the system releases the lock of a process
that ends.

A process id would not do: the system uses it again, and in containers every first process has the same one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path

__all__ = ["Liveness"]


class Liveness:
    """This process's lock file in a folder. ``name`` is new each time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._file = (folder / self.name).open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def alive(self, name: str) -> bool:
        """Whether the process with that name still runs. Files that no process holds are deleted."""
        if name == self.name:
            return True
        path = self._folder / name
        try:
            with path.open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def close(self) -> None:
        """Release the lock and delete the file."""
        with contextlib.suppress(OSError):
            (self._folder / self.name).unlink(missing_ok=True)
        self._file.close()
