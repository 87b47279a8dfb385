"""An archive in a folder: every object is written to ``_turnkeeper/incoming``, synced, and appears whole or not at all.

A name appears by ``link`` (which fails where one exists: create-only) or ``rename`` (which replaces), then its folder
is synced. A crash leaves at most a file in ``incoming``, which is swept at the next start. Knows no object store.

Only folders and regular files count. A symbolic link inside the archive leads out of it, and a pipe or a device may
never answer: none is followed, opened, swept or listed. The archive's own folder may be a link.
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
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from turnkeeper.errors import Conflict, Incomplete, NotFound, StoreRefused, Unavailable, Unread
from turnkeeper.spool import Source
from turnkeeper.storage.disk import Disk, translated
from turnkeeper.storage.keys import INCOMING, LOCK, check_key, is_key

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
        with self._told("open the archive", ""):
            is_other = self._root.exists() and not self._root.is_dir()
        if is_other:
            raise StoreRefused(
                "is a file, not a folder", operation="open the archive", key=str(root), hint="Name a folder."
            )
        self._sweep(now())

    @property
    def url(self) -> str:
        return self._root.as_uri()

    def put(self, key: str, data: bytes, *, content_type: str = "application/json", create: bool = False) -> None:  # noqa: ARG002 - files have no type
        target = self._path(key, write=True)
        with self._told("write", key), self._temporary(iter([data])) as temporary:
            if create:
                self._create(temporary, target, data, key)
            else:
                self._in_place(target, lambda: self._disk.replace(temporary, target))
            self._disk.sync_folder(target.parent)

    def put_stream(self, key: str, source: Source, *, content_type: str = "application/json") -> None:  # noqa: ARG002 - files have no type
        target = self._path(key, write=True)
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
            if not stat.S_ISREG(path.lstat().st_mode):
                raise NotFound("not in the archive", operation="read", key=key)
            return io.BufferedReader(_Told(path, lambda: self._told("read", key)), READ)

    def size(self, key: str) -> int | None:
        with self._told("look for", key):
            try:
                found = self._path(key).lstat()
            except (FileNotFoundError, NotADirectoryError, Unread):
                return None
            return found.st_size if stat.S_ISREG(found.st_mode) else None

    def list(self, prefix: str) -> Iterator[str]:
        folder = prefix.rstrip("/")
        start = self._path(folder) if folder else self._root
        with self._told("list", prefix):
            if not start.is_symlink() or start == self._root:
                yield from (key for key, is_file in self._walk(start, folder) if is_file and is_key(key))

    def folders(self, prefix: str = "") -> Sequence[str]:
        name = prefix.rstrip("/")
        path = self._path(name) if name else self._root
        with self._told("list", prefix):
            try:
                with os.scandir(path) as scanned:
                    names = sorted(entry.name for entry in scanned if _kind(entry) == "folder")
            except OSError as cause:
                _raise_unless_absent(cause)
                return []
        return [f"{name}/{one}" if name else one for one in names]

    def links(self, place: str = "") -> Iterator[str]:
        """Where a link, a pipe or a device stands at a key, or below a folder (empty: in all of the archive)."""
        name = place.rstrip("/")
        path = self._path(name) if name else self._root
        with self._told("list", place):
            if name and path.is_symlink():
                yield name
            elif path.is_dir():
                yield from (key for key, is_file in self._walk(path, name) if not is_file)

    def drop_links(self, place: str) -> int:
        """Remove them, and nothing that they lead to. Returns how many."""
        found = list(self.links(place))
        with self._told("delete", place):
            for name in found:
                (self._root / name).unlink(missing_ok=True)
        return len(found)

    def delete(self, key: str) -> None:
        """As every store does. Of a link, the link goes, and nothing behind it."""
        path = self._path(key)
        with self._told("delete", key):
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError):
                return
            self._disk.sync_folder(path.parent)

    def leftovers(self) -> Iterator[str]:
        """The files in ``incoming`` whose writers are gone: they were never objects, and hold what one was to hold."""
        with self._told("list", INCOMING), contextlib.suppress(FileNotFoundError):
            for path in sorted(self._incoming_files()):
                if self._is_orphan(path.name):
                    yield f"{INCOMING}/{path.name}"

    def drop_leftovers(self) -> int:
        """Remove them now, however young they are. Returns how many."""
        found = list(self.leftovers())
        with self._told("delete", INCOMING):
            for name in found:
                (self._root / name).unlink(missing_ok=True)
        return len(found)

    def unclaimed(self) -> Iterator[str]:
        """The files in ``incoming`` that no writer holds a lock on and that are no leftover either: their writers are
        on other machines or in other containers, or of an earlier version, and nobody here knows whether they live."""
        with self._told("list", INCOMING), contextlib.suppress(FileNotFoundError):
            for path in sorted(self._incoming_files()):
                if not self._is_being_written(path.name):
                    yield f"{INCOMING}/{path.name}"

    def prune(self, folder: str) -> None:
        """Remove a folder of objects, and those inside, where they are empty."""
        path = self._path(folder.rstrip("/"))
        with self._told("delete", folder):
            if path.is_symlink():
                return
            for inside, _, _ in os.walk(path, topdown=False, onerror=_raise_unless_absent):
                try:
                    Path(inside).rmdir()
                except OSError as cause:
                    if cause.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                        raise

    def _path(self, key: str, *, write: bool = False) -> Path:
        """Where an object stands. Raises ``Unread`` where a link leads out of the archive, or ``StoreRefused`` where no
        conversation could be written for it."""
        path = self._root / check_key(key)
        for folder in path.parents:
            if folder == self._root:
                return path
            if folder.is_symlink():
                name = folder.relative_to(self._root).as_posix()
                words = f"{name} is a link, and links inside an archive are not followed"
                hint = "Put the folder itself there, or mount it there."
                of_all = "/" not in name or name.startswith("_turnkeeper/")
                raise (StoreRefused if write and of_all else Unread)(words, operation="open", key=key, hint=hint)
        return path

    def _walk(self, folder: Path, prefix: str) -> Iterator[tuple[str, bool]]:
        """Everything in a folder but folders, in the order of the keys, and whether it is a regular file."""
        try:
            with os.scandir(folder) as scanned:
                entries = [(entry.name, _kind(entry)) for entry in scanned]
        except OSError as cause:
            return _raise_unless_absent(cause)
        # As keys are ordered: a folder's name counts with its slash.
        for name, kind in sorted(entries, key=lambda entry: f"{entry[0]}/" if entry[1] == "folder" else entry[0]):
            key = f"{prefix}/{name}" if prefix else name
            if kind != "folder":
                yield key, kind == "file"
            elif key != INCOMING:
                yield from self._walk(folder / name, key)

    def _incoming_files(self) -> Iterator[Path]:
        """The regular files of writers. Behind a link there are none of ours."""
        incoming = self._root / INCOMING
        if not incoming.is_symlink() and not incoming.parent.is_symlink():
            yield from (path for path in incoming.iterdir() if path.is_file() and not path.is_symlink())

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
        incoming = self._path(f"{INCOMING}/new", write=True).parent
        self._make(incoming)
        path = incoming / f"{self._host}.{os.getpid()}.{secrets.token_hex(8)}"
        descriptor = self._disk.create(path)
        try:
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for block in blocks:
                self._disk.write(descriptor, block)
            self._disk.sync(descriptor)
            yield path
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)

    def _create(self, temporary: Path, target: Path, data: bytes, key: str) -> None:
        for _ in range(TRIES):
            if self._in_place(target, lambda: self._appear(temporary, target)):
                return
            # Whoever was first may have removed it again: then the name is free.
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISREG(target.lstat().st_mode) and target.read_bytes() == data:
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
        path = self._root / LOCK
        with os.fdopen(self._disk.open_lock(path), "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if target.exists() or target.is_symlink():
                return False
            self._disk.replace(temporary, target)
            return True

    def _make(self, folder: Path) -> None:
        """Create the folder and, before it, those above; each new name is made durable."""
        if folder.is_dir():
            return
        if folder != self._root:
            self._make(folder.parent)
        else:
            folder.parent.mkdir(parents=True, exist_ok=True)
        self._disk.make_folder(folder)
        self._disk.sync_folder(folder.parent)

    def _sweep(self, now: float) -> None:
        """Remove what earlier crashes left in ``incoming``, and nothing that a living writer may still be writing."""
        with contextlib.suppress(OSError):
            for path in self._incoming_files():
                age = now - path.stat().st_mtime
                if age > STALE_SECONDS or (age > FRESH_SECONDS and self._is_orphan(path.name)):
                    path.unlink(missing_ok=True)

    def _is_orphan(self, name: str) -> bool:
        host, _, rest = name.partition(".")
        process = rest.partition(".")[0]
        if host != self._host or not process.isdigit() or _is_alive(int(process)):
            return False
        # A container that shares the host's name counts its processes anew, so the number alone proves nothing.
        return not self._is_being_written(name)

    def _is_being_written(self, name: str) -> bool:
        """Whether a writer holds its lock on a file of ``incoming``: as far as the file system tells other machines."""
        try:
            descriptor = os.open(self._root / INCOMING / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False  # no locks here
        finally:
            os.close(descriptor)
        return False


class _Told(io.FileIO):
    """A file of the archive: what goes wrong while it is read is told as what goes wrong while it is opened."""

    def __init__(self, path: Path, told: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        super().__init__(path, opener=_open_regular)
        self._told = told

    def readinto(self, buffer: Any, /) -> int:
        with self._told():
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with self._told():
            return super().readall()


def _open_regular(path: str, flags: int) -> int:
    """Open without following a link and without waiting for whoever is at the other end of a pipe."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "not a regular file", path)
    return descriptor


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_dir(follow_symlinks=False):
        return "folder"
    return "file" if entry.is_file(follow_symlinks=False) else "other"


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
