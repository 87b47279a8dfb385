"""An archive in a folder: every object is written to ``_turnkeeper/incoming``, synced, and appears whole or not at all.

A name appears by ``link`` (which fails where one exists: create-only) or ``rename`` (which replaces), then its folder
is synced. A crash leaves at most a file in ``incoming``, which is swept at the next start. Knows no object store.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from turnkeeper.archive import keys
from turnkeeper.archive.contract import Source
from turnkeeper.archive.disk import Disk, translated
from turnkeeper.errors import Conflict, Incomplete, NotFound, StoreRefused, Unavailable

__all__ = ["FolderStore"]

BLOCK = 1 << 20
READ = 1 << 18
TRIES = 3
FRESH_SECONDS = 600.0
STALE_SECONDS = 86_400.0
T = TypeVar("T")
_no_links = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class FolderStore:
    """A ``Store`` over one folder, which is made when the first object is put.

    ``now`` (seconds since the epoch) and ``disk`` are arguments for tests. Raises ``StoreRefused`` when the path is a
    file, or cannot be read or written by this user; ``DiskFull`` when there is no room (nothing is half-written).
    """

    def __init__(self, root: Path, *, disk: Disk | None = None, now: Callable[[], float] = time.time) -> None:
        self._root = root.absolute()
        self._disk = disk or Disk()
        self._host = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
        if self._root.exists() and not self._root.is_dir():
            raise StoreRefused(
                "is a file, not a folder", operation="open the archive", key=str(root), hint="Name a folder."
            )
        self._sweep(now())

    @property
    def url(self) -> str:
        return self._root.as_uri()

    def put(self, key: str, data: bytes, *, content_type: str = "application/json", create: bool = False) -> None:  # noqa: ARG002 - files have no type
        target = self._path(key)
        with self._told("write", key), self._temporary(iter([data])) as temporary:
            if create:
                self._create(temporary, target, data, key)
            else:
                self._in_place(target, lambda: self._disk.replace(temporary, target))
            self._disk.sync_folder(target.parent)

    def put_stream(self, key: str, source: Source, *, content_type: str = "application/json") -> None:  # noqa: ARG002 - files have no type
        target = self._path(key)
        with self._told("write", key), source.open() as body, self._temporary(_blocks(body)) as temporary:
            if temporary.stat().st_size != source.size:
                raise Incomplete("the body ended early on its way to the archive", operation="write", key=key)
            self._in_place(target, lambda: self._disk.replace(temporary, target))
            self._disk.sync_folder(target.parent)

    def get(self, key: str) -> bytes:
        with self.open(key) as body:
            return body.read()

    def open(self, key: str) -> BinaryIO:
        path = self._path(key)
        with self._told("read", key):
            if path.is_dir():
                raise NotFound("not in the archive", operation="read", key=key)
            return io.BufferedReader(_Told(path, lambda: self._told("read", key)), READ)

    def size(self, key: str) -> int | None:
        with self._told("look for", key):
            try:
                found = self._path(key).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            return found.st_size

    def list(self, prefix: str) -> Iterator[str]:
        start = self._path(prefix.rstrip("/")) if prefix else self._root
        with self._told("list", prefix):
            for folder, folders, files in os.walk(start, onerror=_raise_unless_absent):
                folders.sort()
                inside = Path(folder).relative_to(self._root)
                if inside.as_posix() != keys.INCOMING:
                    yield from filter(keys.is_key, ((inside / name).as_posix() for name in sorted(files)))

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._told("delete", key):
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError):
                return
            self._disk.sync_folder(path.parent)

    def leftovers(self) -> Iterator[str]:
        """The files in ``incoming`` whose writers are gone: they were never objects, and hold what one was to hold."""
        with self._told("list", keys.INCOMING), contextlib.suppress(FileNotFoundError):
            for path in sorted((self._root / keys.INCOMING).iterdir()):
                if self._is_orphan(path.name):
                    yield f"{keys.INCOMING}/{path.name}"

    def drop_leftovers(self) -> int:
        """Remove them now, however young they are. Returns how many."""
        found = list(self.leftovers())
        with self._told("delete", keys.INCOMING):
            for name in found:
                (self._root / name).unlink(missing_ok=True)
        return len(found)

    def prune(self, folder: str) -> None:
        """Remove a folder of objects, and those inside, where they are empty."""
        with self._told("delete", folder):
            for inside, _, _ in os.walk(self._path(folder.rstrip("/")), topdown=False, onerror=_raise_unless_absent):
                try:
                    Path(inside).rmdir()
                except OSError as cause:
                    if cause.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                        raise

    def _path(self, key: str) -> Path:
        return self._root / keys.check_key(key)

    @contextlib.contextmanager
    def _told(self, operation: str, key: str) -> Iterator[None]:
        """Errors of the disk as errors a person can act on, naming the folder."""
        try:
            yield
        except OSError as cause:
            raise translated(cause, operation, key, self._root) from cause

    @contextlib.contextmanager
    def _temporary(self, blocks: Iterator[bytes]) -> Iterator[Path]:
        """A synced file in ``incoming`` that holds the blocks; gone afterwards, whatever happens."""
        incoming = self._root / keys.INCOMING
        self._make(incoming)
        path = incoming / f"{self._host}.{os.getpid()}.{secrets.token_hex(8)}"
        descriptor = self._disk.create(path)
        try:
            try:
                for block in blocks:
                    self._disk.write(descriptor, block)
                self._disk.sync(descriptor)
            finally:
                os.close(descriptor)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _create(self, temporary: Path, target: Path, data: bytes, key: str) -> None:
        for _ in range(TRIES):
            if self._in_place(target, lambda: self._appear(temporary, target)):
                return
            # Whoever was first may have removed it again: then the name is free.
            with contextlib.suppress(FileNotFoundError):
                if target.read_bytes() == data:
                    return
                raise Conflict("stored with different content by another writer", operation="create", key=key)
        raise Unavailable("another writer holds it and shows nothing", operation="create", key=key)

    def _in_place(self, target: Path, put: Callable[[], T]) -> T:
        """Put something into a folder, which is made for it. An erasure removes those that are empty: one that was just
        made may be gone again."""
        for _ in range(TRIES):
            self._make(target.parent)
            with contextlib.suppress(FileNotFoundError):
                return put()
        return put()

    def _appear(self, temporary: Path, target: Path) -> bool:
        """Give the file its name if nobody has it; False if somebody has."""
        try:
            self._disk.link(temporary, target)
        except FileExistsError:
            return False
        except OSError as cause:
            if cause.errno not in _no_links:
                raise
            return self._appear_locked(temporary, target)
        return True

    def _appear_locked(self, temporary: Path, target: Path) -> bool:
        # FAT, some network and FUSE file systems have no hard links. A lock that dies with its process stands in:
        # every writer of such a folder comes this way, so look-then-rename under it is create-only too.
        with (self._root / keys.LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if target.exists():
                return False
            self._disk.replace(temporary, target)
            return True

    def _make(self, folder: Path) -> None:
        """Create the folder and, before it, those above; each new name is made durable."""
        if folder.is_dir():
            return
        if folder != self._root:
            self._make(folder.parent)
        folder.mkdir(parents=True, exist_ok=True)
        self._disk.sync_folder(folder.parent)

    def _sweep(self, now: float) -> None:
        """Remove what earlier crashes left in ``incoming``, and nothing that a living writer may still be writing."""
        with contextlib.suppress(OSError):
            for path in (self._root / keys.INCOMING).iterdir():
                age = now - path.stat().st_mtime
                if age > STALE_SECONDS or (age > FRESH_SECONDS and self._is_orphan(path.name)):
                    path.unlink(missing_ok=True)

    def _is_orphan(self, name: str) -> bool:
        host, _, rest = name.partition(".")
        process = rest.partition(".")[0]
        return host == self._host and process.isdigit() and not _is_alive(int(process))


class _Told(io.FileIO):
    """A file of the archive: what goes wrong while it is read is told as what goes wrong while it is opened."""

    def __init__(self, path: Path, told: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        super().__init__(path)
        self._told = told

    def readinto(self, buffer: Any, /) -> int:
        with self._told():
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with self._told():
            return super().readall()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _blocks(body: BinaryIO) -> Iterator[bytes]:
    while block := body.read(BLOCK):
        yield block


def _raise_unless_absent(cause: OSError) -> None:
    if not isinstance(cause, FileNotFoundError | NotADirectoryError):
        raise cause
