"""The file of the ledger: opening it, its schema, transactions, and SQLite's errors as ours."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from turnkeeper.errors import DiskFull, Misconfigured, StoreRefused, Unavailable
from turnkeeper.exporter.ledger_schema import STEPS

__all__ = ["LedgerFile", "sqlite_errors_of"]

_REMOVE = "Remove the file: the next run fills a new one from the archive."
_ROOM = 1 << 17
_WHERE = "Set XDG_STATE_HOME to a folder that can be written."


class LedgerFile:
    """A SQLite file in WAL mode that several processes on one machine share.

    The version of a file (``PRAGMA user_version``) counts the ``steps`` it has taken. A new file takes all of them, an
    older one those that it lacks. A step never changes once it was released. ``functions`` are SQL functions of one
    argument that the steps use.

    Raises ``StoreRefused`` for a file of a newer version and for one that is no ledger, ``DiskFull``, ``Unavailable``
    and ``Misconfigured`` for SQLite's own errors.
    """

    steps: ClassVar[tuple[str, ...]] = STEPS
    functions: ClassVar[Mapping[str, Callable[[bytes], str]]] = {}

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        with sqlite_errors_of(path), ExitStack() as opened:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite's other files get the same permissions
            # Transactions begin by our own statement, and calls come from any thread, one at a time under the lock.
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            opened.callback(self._db.close)
            self._prepare()
            opened.pop_all()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _prepare(self) -> None:
        newest = len(self.steps)
        found = self._version()
        if found == 0:
            self._refuse_strangers()
            self._db.execute("PRAGMA journal_mode = WAL")
        if found < newest:
            for name, function in self.functions.items():
                self._db.create_function(name, 1, function, deterministic=True)
            with self._transaction() as db:
                # Another process may have taken them since the version was read.
                for step in self.steps[self._version() :]:
                    for statement in filter(str.strip, step.split(";")):
                        db.execute(statement)
                db.execute(f"PRAGMA user_version = {max(newest, self._version())}")
        elif found > newest:
            hint = "Upgrade turnkeeper, or remove the file: the next run fills a new one from the archive."
            raise self._refused_file(f"is of version {found}, this turnkeeper knows {newest}", hint)
        # The archive is the truth: a commit that a power cut takes back is done again.
        self._db.execute("PRAGMA synchronous = NORMAL")
        # What is deleted or replaced is overwritten: details of a call name the customer.
        self._db.execute("PRAGMA secure_delete = ON")

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def _refuse_strangers(self) -> None:
        """Tables without a version are another program's. The tables are counted first: a ledger that another process
        is just making gets its tables and its version in one transaction."""
        if self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] and self._version() == 0:
            raise self._refused_file("is a database, and no ledger of turnkeeper", _REMOVE)

    def _refused_file(self, why: str, hint: str) -> StoreRefused:
        return StoreRefused(why, operation="open the ledger", key=str(self.path), hint=hint)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, sqlite_errors_of(self.path):
            # A transaction that begins by reading fails at once where another process writes. This one waits.
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                # Where the disk is full, SQLite has rolled back already.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._lock, sqlite_errors_of(self.path):
            yield self._db


@contextmanager
def sqlite_errors_of(path: Path) -> Iterator[None]:
    """Raise ``DiskFull``, ``Unavailable``, ``Misconfigured`` or ``StoreRefused`` in place of SQLite's own errors."""
    try:
        yield
    except sqlite3.OperationalError as cause:
        message = str(cause)
        # Where its shared memory finds no room, SQLite knows of an I/O error only.
        if "full" in message or ("I/O" in message and _free(path) < _ROOM):
            hint = "Make room, or set XDG_STATE_HOME to a folder with more."
            raise DiskFull(message, operation="write the ledger", key=str(path), hint=hint) from None
        if "locked" in message or "busy" in message:
            raise Unavailable(message, operation="write the ledger", key=str(path)) from None
        raise Misconfigured(message, operation="open the ledger", key=str(path), hint=_WHERE) from None
    except sqlite3.DatabaseError as cause:
        raise StoreRefused(str(cause), operation="open the ledger", key=str(path), hint=_REMOVE) from None
    except OSError as cause:
        raise Misconfigured(str(cause.strerror), operation="open the ledger", key=str(path), hint=_WHERE) from None


def _free(path: Path) -> int:
    with suppress(OSError):
        return shutil.disk_usage(path.parent).free
    return _ROOM
