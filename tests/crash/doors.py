"""Doors that end the process at a named point, as a power cut would: around every call that changes anything."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from turnkeeper.archive import keys
from turnkeeper.archive.index import CallState
from turnkeeper.clock import Clock
from turnkeeper.events import Event, Fetched
from turnkeeper.exporter.ledger import DueConversation, Ledger, NewConversation, Settlement
from turnkeeper.spool import Source
from turnkeeper.storage.disk import Disk
from turnkeeper.storage.store import Store

__all__ = ["CrashDisk", "CrashLedger", "CrashStore", "Points"]


class Points:
    """Counts the points met; at the ``nth`` time of the one named ``fatal`` the process is killed."""

    def __init__(self, fatal: str = "", nth: int = 1) -> None:
        self.met: Counter[str] = Counter()
        self._fatal = fatal
        self._nth = nth
        self._lock = threading.Lock()

    def meet(self, name: str) -> None:
        with self._lock:
            self.met[name] += 1
            if name == self._fatal and self.met[name] == self._nth:
                os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def around(self, step: str) -> Iterator[None]:
        self.meet(f"before {step}")
        yield
        self.meet(f"after {step}")

    def listener(self, event: Event) -> None:
        """A body arrived whole: it stands in its spool, and nowhere else."""
        if isinstance(event, Fetched):
            self.meet("after spool")


def _named(key: str) -> str:
    """What a key holds, in the words of the table of points. A kind of key nobody thought of shows up by itself."""
    raw = keys.parse_raw(key)
    if raw:
        return "conversation" if raw[1] == "_conversation" else "raw"
    segments = key.split("/")
    return segments[1].removesuffix(".json") if segments[0] == "_turnkeeper" else segments[0]


class CrashStore:
    """A store with a point before and after every change."""

    def __init__(self, store: Store, points: Points) -> None:
        self._store = store
        self._points = points

    @property
    def url(self) -> str:
        return self._store.url

    def put(self, key: str, data: bytes, *, content_type: str = "application/json", create: bool = False) -> None:
        with self._points.around(f"put {_named(key)}"):
            self._store.put(key, data, content_type=content_type, create=create)

    def put_stream(self, key: str, source: Source, *, content_type: str = "application/json") -> None:
        with self._points.around(f"put {_named(key)}"):
            self._store.put_stream(key, source, content_type=content_type)

    def delete(self, key: str) -> None:
        with self._points.around(f"delete {_named(key)}"):
            self._store.delete(key)

    def get(self, key: str) -> bytes:
        return self._store.get(key)

    def open(self, key: str) -> BinaryIO:
        return self._store.open(key)

    def size(self, key: str) -> int | None:
        return self._store.size(key)

    def list(self, prefix: str) -> Iterator[str]:
        return self._store.list(prefix)


class CrashDisk(Disk):
    """A disk with a point around each call that an object in a folder is made of."""

    def __init__(self, points: Points) -> None:
        self._points = points

    def create(self, path: Path) -> int:
        with self._points.around("disk create"):
            return super().create(path)

    def write(self, descriptor: int, data: bytes | memoryview) -> None:
        with self._points.around("disk write"):
            super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        with self._points.around("disk sync"):
            super().sync(descriptor)

    def link(self, source: Path, target: Path) -> None:
        with self._points.around("disk link"):
            super().link(source, target)

    def replace(self, source: Path, target: Path) -> None:
        with self._points.around("disk replace"):
            super().replace(source, target)

    def sync_folder(self, folder: Path) -> None:
        with self._points.around("disk sync folder"):
            super().sync_folder(folder)


class CrashLedger(Ledger):
    """A ledger with a point before and after every change."""

    def __init__(self, path: Path, clock: Clock, points: Points) -> None:
        self._points = points
        with points.around("ledger open"):
            super().__init__(path, clock)

    def add(self, wanted: Iterable[NewConversation]) -> int:
        with self._points.around("ledger add"):
            return super().add(wanted)

    def take(self, most: int) -> list[DueConversation]:
        with self._points.around("ledger take"):
            return super().take(most)

    def settle(self, settlements: Sequence[Settlement]) -> int:
        with self._points.around("ledger settle"):
            return super().settle(settlements)

    def renew(self) -> None:
        with self._points.around("ledger renew"):
            super().renew()

    def committed(self, day: str, calls: Sequence[CallState]) -> None:
        with self._points.around("ledger committed"):
            super().committed(day, calls)

    def restore(self, day: str, calls: Iterable[tuple[CallState, int | None]]) -> None:
        with self._points.around("ledger restore"):
            super().restore(day, calls)

    def erase(self, conversations: Iterable[str]) -> None:
        with self._points.around("ledger erase"):
            super().erase(conversations)

    def close_window(self, name: str, start: str, stop: str) -> None:
        with self._points.around("ledger close window"):
            super().close_window(name, start, stop)

    def close(self) -> None:
        with self._points.around("ledger close"):
            super().close()
