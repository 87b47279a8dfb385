"""What SQLite says about the ledger's file, as errors that name the mend."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from turnkeeper.errors import DiskFull, Misconfigured, StoreRefused, Unavailable

__all__ = ["REMOVE", "sqlite_errors_of"]

REMOVE = "Remove the file: the next run fills a new one from the archive."
_ROOM = 1 << 17
_WHERE = "Set XDG_STATE_HOME to a folder that can be written."


@contextmanager
def sqlite_errors_of(path: Path) -> Iterator[None]:
    """Raise ``DiskFull``, ``Unavailable``, ``Misconfigured`` or ``StoreRefused`` in place of SQLite's own errors."""
    try:
        yield
    except sqlite3.OperationalError as cause:
        said = str(cause)
        # Where its shared memory finds no room, SQLite knows of an I/O error only.
        if "full" in said or ("I/O" in said and _free(path) < _ROOM):
            hint = "Make room, or set XDG_STATE_HOME to a folder with more."
            raise DiskFull(said, operation="write the ledger", key=str(path), hint=hint) from None
        if "locked" in said or "busy" in said:
            raise Unavailable(said, operation="write the ledger", key=str(path)) from None
        raise Misconfigured(said, operation="open the ledger", key=str(path), hint=_WHERE) from None
    except sqlite3.DatabaseError as cause:
        raise StoreRefused(str(cause), operation="open the ledger", key=str(path), hint=REMOVE) from None
    except OSError as cause:
        raise Misconfigured(str(cause.strerror), operation="open the ledger", key=str(path), hint=_WHERE) from None


def _free(path: Path) -> int:
    with suppress(OSError):
        return shutil.disk_usage(path.parent).free
    return _ROOM
