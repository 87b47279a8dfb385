"""A store in a folder. Objects are written to ``_turnkeeper/incoming``, synced, and appear whole or not at all.

A name appears by ``link``, which fails if it exists (create-only), or by ``rename``, which replaces. Then its folder is
synced. A crash leaves at most a file in ``incoming``, which is deleted when the store is opened again.

Only folders and regular files count. A symbolic link inside the archive leads out of it, and a pipe or a device may
block for ever: none of them is followed, opened, listed, or deleted in a sweep. The archive's own folder may be a link.
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
from turnkeeper.storage.disk import Disk, disk_error
from turnkeeper.storage.key_rules import INCOMING, LOCK, check_key, is_key

__all__ = ["FolderStore"]

BLOCK = 1 << 20
READ = 1 << 18
TRIES = 3
FRESH_SECONDS = 600.0
"""The age up to which no file in ``incoming`` is swept."""
STALE_SECONDS = 86_400.0
"""The age from which every file in ``incoming`` is swept, whoever wrote it."""
T = TypeVar("T")
_no_links = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class FolderStore:
    """A ``Store`` over one folder, which is created with the first object.

    ``now`` (seconds since the epoch) and ``disk`` are arguments for tests. Raises ``StoreRefused`` if the path is a
    file, or this user cannot read or write it; ``DiskFull`` if there is no room (no object is written in part).
    """

    def __init__(self, root: Path, *, disk: Disk | None = None, now: Callable[[], float] = time.time) -> None:
        # A later change of the working folder must not move the archive.
        self._root = root.absolute()
        self._disk = disk or Disk()
        # In the names of files in incoming, so that a process judges only the files of its own host.
        self._host = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
        with self._translated_errors("open the archive", ""):
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
        target = self._path_of(key, write=True)
        with self._translated_errors("write", key), self._temporary(iter([data])) as temporary:
            if create:
                self._create(temporary, target, data, key)
            else:
                self._with_parents(target, lambda: self._disk.replace(temporary, target))
            # The file was synced before it got its name. The name is durable only after its folder is synced too.
            self._disk.sync_folder(target.parent)

    def put_stream(self, key: str, source: Source, *, content_type: str = "application/json") -> None:  # noqa: ARG002 - files have no type
        target = self._path_of(key, write=True)
        with self._translated_errors("write", key), source.open() as body, self._temporary(_blocks(body)) as temporary:
            # A reader can end early without an error, for example when a spool's file was cut.
            if temporary.stat().st_size != source.size:
                raise Incomplete("the body ended early on its way to the archive", operation="write", key=key)
            self._with_parents(target, lambda: self._disk.replace(temporary, target))
            self._disk.sync_folder(target.parent)

    def get(self, key: str) -> bytes:
        with self.open(key) as body:
            return body.read()

    def open(self, key: str) -> BinaryIO:
        path = self._path_of(key)
        with self._translated_errors("read", key):
            # lstat, because stat would follow a link.
            if not stat.S_ISREG(path.lstat().st_mode):
                raise NotFound("not in the archive", operation="read", key=key)
            # The opener checks once more, because a link may take the file's place in between.
            return io.BufferedReader(_ObjectFile(path, lambda: self._translated_errors("read", key)), READ)

    def size(self, key: str) -> int | None:
        with self._translated_errors("look for", key):
            try:
                status = self._path_of(key).lstat()
            except (FileNotFoundError, NotADirectoryError, Unread):
                return None
            return status.st_size if stat.S_ISREG(status.st_mode) else None

    def list(self, prefix: str) -> Iterator[str]:
        folder = prefix.rstrip("/")
        start = self._path_of(folder) if folder else self._root
        with self._translated_errors("list", prefix):
            if not start.is_symlink() or start == self._root:
                yield from (key for key, is_file in self._entries(start, folder) if is_file and is_key(key))

    def folders(self, prefix: str = "") -> Sequence[str]:
        name = prefix.rstrip("/")
        path = self._path_of(name) if name else self._root
        with self._translated_errors("list", prefix):
            try:
                with os.scandir(path) as scanned:
                    names = sorted(entry.name for entry in scanned if _kind(entry) == "folder")
            except OSError as cause:
                _raise_unless_absent(cause)
                return []
        return [f"{name}/{child}" if name else child for child in names]

    def links(self, place: str = "") -> Iterator[str]:
        """The links, pipes and devices at a key, or below a folder (empty: in the whole archive), as keys."""
        name = place.rstrip("/")
        path = self._path_of(name) if name else self._root
        with self._translated_errors("list", place):
            if name and path.is_symlink():
                yield name
            elif path.is_dir():
                yield from (key for key, is_file in self._entries(path, name) if not is_file)

    def drop_links(self, place: str) -> int:
        """Delete what ``links`` finds, but not what the links lead to. Returns the number deleted."""
        links = list(self.links(place))
        with self._translated_errors("delete", place):
            for name in links:
                (self._root / name).unlink(missing_ok=True)
        return len(links)

    def delete(self, key: str) -> None:
        """Remove the object, or a link at its key, but not what the link leads to."""
        path = self._path_of(key)
        with self._translated_errors("delete", key):
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError):
                return
            # Otherwise a crash could bring an erased object back.
            self._disk.sync_folder(path.parent)

    def leftovers(self) -> Iterator[str]:
        """The files in ``incoming`` whose writers have ended. Each has content that was never stored as an object."""
        with self._translated_errors("list", INCOMING), contextlib.suppress(FileNotFoundError):
            for path in sorted(self._incoming_files()):
                if self._is_orphan(path.name):
                    yield f"{INCOMING}/{path.name}"

    def drop_leftovers(self) -> int:
        """Delete what ``leftovers`` finds, whatever its age. Returns the number deleted."""
        leftovers = list(self.leftovers())
        with self._translated_errors("delete", INCOMING):
            for name in leftovers:
                (self._root / name).unlink(missing_ok=True)
        return len(leftovers)

    def unclaimed(self) -> Iterator[str]:
        """The files in ``incoming`` on which no writer holds a lock, other than ``leftovers``.

        They were written by other machines or containers, or by an earlier version. Whether their writers are running
        cannot be known here.
        """
        with self._translated_errors("list", INCOMING), contextlib.suppress(FileNotFoundError):
            for path in sorted(self._incoming_files()):
                if not self._is_being_written(path.name):
                    yield f"{INCOMING}/{path.name}"

    def prune(self, folder: str) -> None:
        """Remove a folder of objects and the folders inside it, as far as they are empty."""
        path = self._path_of(folder.rstrip("/"))
        with self._translated_errors("delete", folder):
            if path.is_symlink():
                return
            # Innermost folders first. One that is not empty, or gets a new object meanwhile, stays.
            for inside, _, _ in os.walk(path, topdown=False, onerror=_raise_unless_absent):
                try:
                    Path(inside).rmdir()
                except OSError as cause:
                    if cause.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                        raise

    def _path_of(self, key: str, *, write: bool = False) -> Path:
        """The path of an object. Raises ``Unread`` if a folder on it is a link, or ``StoreRefused`` if that link stops
        writes for every conversation."""
        path = self._root / check_key(key)
        for folder in path.parents:
            if folder == self._root:
                return path
            if folder.is_symlink():
                name = folder.relative_to(self._root).as_posix()
                words = f"{name} is a link, and links inside an archive are not followed"
                hint = "Put the folder itself there, or mount it there."
                is_shared = "/" not in name or name.startswith("_turnkeeper/")
                raise (StoreRefused if write and is_shared else Unread)(words, operation="open", key=key, hint=hint)
        return path

    def _entries(self, folder: Path, prefix: str) -> Iterator[tuple[str, bool]]:
        """The key of everything below a folder except folders, in key order, and whether it is a regular file."""
        try:
            with os.scandir(folder) as scanned:
                entries = [(entry.name, _kind(entry)) for entry in scanned]
        except OSError as cause:
            return _raise_unless_absent(cause)
        # In the order of keys, a folder's name is compared with its slash: "a.json" comes before "a/b".
        for name, kind in sorted(entries, key=lambda entry: f"{entry[0]}/" if entry[1] == "folder" else entry[0]):
            key = f"{prefix}/{name}" if prefix else name
            if kind != "folder":
                yield key, kind == "file"
            # A file in incoming is not an object yet.
            elif key != INCOMING:
                yield from self._entries(folder / name, key)

    def _incoming_files(self) -> Iterator[Path]:
        """The regular files in ``incoming``. If that folder is a link, its files are not ours."""
        incoming = self._root / INCOMING
        if not incoming.is_symlink() and not incoming.parent.is_symlink():
            yield from (path for path in incoming.iterdir() if path.is_file() and not path.is_symlink())

    @contextlib.contextmanager
    def _translated_errors(self, operation: str, key: str) -> Iterator[None]:
        """Translate the disk's errors into ours, which name the folder."""
        try:
            yield
        except OSError as cause:
            raise disk_error(cause, operation, key, self._root) from cause

    @contextlib.contextmanager
    def _temporary(self, blocks: Iterator[bytes]) -> Iterator[Path]:
        """Write the blocks to a file in ``incoming`` and sync it. The file is deleted at the end of the block."""
        incoming = self._path_of(f"{INCOMING}/new", write=True).parent
        self._make_folders(incoming)
        # Host and process are in the name, so that another process can tell whether this writer is running.
        path = incoming / f"{self._host}.{os.getpid()}.{secrets.token_hex(8)}"
        descriptor = self._disk.create(path)
        try:
            # The lock tells other processes that this writer is alive. Some file systems have no locks.
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for block in blocks:
                self._disk.write(descriptor, block)
            self._disk.sync(descriptor)
            yield path
        finally:
            os.close(descriptor)
            # After a rename this name is gone. After a link it is a second name of the object.
            path.unlink(missing_ok=True)

    def _create(self, temporary: Path, target: Path, data: bytes, key: str) -> None:
        for _ in range(TRIES):
            if self._with_parents(target, lambda: self._link_new(temporary, target)):
                return
            # The other writer may have deleted its object again. Then the name is free: try again.
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISREG(target.lstat().st_mode) and target.read_bytes() == data:
                    return
                raise Conflict("stored with different content by another writer", operation="create", key=key)
        raise Unavailable("another writer holds it and shows nothing", operation="create", key=key)

    def _with_parents(self, target: Path, put: Callable[[], T]) -> T:
        """Create the folders above ``target`` and call ``put``. An erasure in another process removes empty folders, so
        a folder may be gone again right after it was created: then create it again."""
        for _ in range(TRIES):
            self._make_folders(target.parent)
            with contextlib.suppress(FileNotFoundError):
                return put()
        return put()

    def _link_new(self, temporary: Path, target: Path) -> bool:
        """Give the file its name; False if the name exists."""
        try:
            self._disk.link(temporary, target)
        except FileExistsError:
            return False
        except OSError as cause:
            if cause.errno not in _no_links:
                raise
            return self._rename_new(temporary, target)
        return True

    def _rename_new(self, temporary: Path, target: Path) -> bool:
        # FAT and some network and FUSE file systems have no hard links. There, all writers take this lock, which ends
        # with its process. Under it, a check followed by a rename is create-only too.
        path = self._root / LOCK
        with os.fdopen(self._disk.open_lock(path), "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # For a link that leads nowhere, exists() is False.
            if target.exists() or target.is_symlink():
                return False
            self._disk.replace(temporary, target)
            return True

    def _make_folders(self, folder: Path) -> None:
        """Create a folder and those above it. Each new name is synced, so that it survives a crash."""
        if folder.is_dir():
            return
        if folder != self._root:
            self._make_folders(folder.parent)
        else:
            folder.parent.mkdir(parents=True, exist_ok=True)
        self._disk.make_folder(folder)
        # Without this, a crash could lose the folder although the objects in it were synced.
        self._disk.sync_folder(folder.parent)

    def _sweep(self, now: float) -> None:
        """Delete what earlier crashes left in ``incoming``, but no file that a running writer may be using."""
        # The folder may not exist yet, or this user may only read the archive. Neither prevents its use.
        with contextlib.suppress(OSError):
            for path in self._incoming_files():
                age = now - path.stat().st_mtime
                if age > STALE_SECONDS or (age > FRESH_SECONDS and self._is_orphan(path.name)):
                    path.unlink(missing_ok=True)

    def _is_orphan(self, name: str) -> bool:
        """Whether a file was written by a process of this host that has ended."""
        host, _, rest = name.partition(".")
        process = rest.partition(".")[0]
        if host != self._host or not process.isdigit() or _is_alive(int(process)):
            return False
        # A container may have the host's name and its own process numbers, so the number alone proves nothing.
        return not self._is_being_written(name)

    def _is_being_written(self, name: str) -> bool:
        """Whether a writer holds a lock on a file in ``incoming``, as far as the file system shows other machines'
        locks."""
        try:
            descriptor = os.open(self._root / INCOMING / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False  # this file system has no locks
        finally:
            os.close(descriptor)
        return False


class _ObjectFile(io.FileIO):
    """A file of the archive whose errors are translated while it is read, as they are while it is opened."""

    def __init__(self, path: Path, translated_errors: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        super().__init__(path, opener=_open_regular)
        self._translated_errors = translated_errors

    def readinto(self, buffer: Any, /) -> int:
        with self._translated_errors():
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with self._translated_errors():
            return super().readall()


def _open_regular(path: str, flags: int) -> int:
    """Open a regular file. Does not follow a link, and does not wait for the other end of a pipe."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    # The descriptor is asked, because the name may lead to another file by now.
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
        return True  # it is another user's
    return True


def _blocks(body: BinaryIO) -> Iterator[bytes]:
    while block := body.read(BLOCK):
        yield block


def _raise_unless_absent(cause: OSError) -> None:
    if not isinstance(cause, FileNotFoundError | NotADirectoryError):
        raise cause
