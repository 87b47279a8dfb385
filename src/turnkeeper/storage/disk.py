"""The calls of the operating system that make a file durable, and the meaning of their errors.

``Disk`` is an argument of ``FolderStore``, so that tests can pass a disk that is full, read-only or without hard links.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from turnkeeper.errors import DiskFull, NotFound, StoreRefused, TurnkeeperError, Unavailable

__all__ = ["Disk", "disk_error"]

_full = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_hints = {
    errno.EROFS: "The file system is mounted read-only: choose another folder or mount it writable.",
    errno.EACCES: "This user may not write there: choose another folder or change its owner or mode.",
    errno.EPERM: "This user may not write there: choose another folder or change its owner or mode.",
    errno.ENOTDIR: "Part of the path is a file, not a folder: choose another folder.",
    errno.EISDIR: "A folder stands where a file should be: choose an empty folder.",
    errno.EEXIST: "A file stands where a folder should be: choose another folder.",
    errno.ENAMETOOLONG: "This file system does not take names that long: choose another.",
    errno.ELOOP: "The path's symbolic links go round in a circle.",
}


class Disk:
    """The real disk. New files and folders are for their owner alone; with ``shared``, for the folder's group too."""

    shared = False

    def __init__(self, *, shared: bool = False) -> None:
        self.shared = shared

    def create(self, path: Path) -> int:
        """Create a file and return its descriptor. Raises ``FileExistsError`` if there is one already."""
        return self._open_file(path, os.O_EXCL)

    def open_lock(self, path: Path) -> int:
        """Open, or create, a file that exists only to be locked, and return its descriptor."""
        return self._open_file(path, os.O_NOFOLLOW)

    def _open_file(self, path: Path, flags: int) -> int:
        descriptor = os.open(path, os.O_CREAT | flags | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        # Another user's lock file has its group rights already, and only its owner may set them.
        if self.shared and os.fstat(descriptor).st_uid == os.geteuid():
            os.fchmod(descriptor, 0o660)
        return descriptor

    def make_folder(self, folder: Path) -> None:
        """Create a folder if it does not exist."""
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            # Another writer may create the folder at the same moment.
            if not folder.is_dir():
                raise
            return
        if self.shared:
            # Keep the setgid bit: with it, new files inherit the folder's group.
            folder.chmod(folder.stat().st_mode & 0o7000 | 0o770)

    def write(self, descriptor: int, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        # The system may write only a part of the bytes.
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target)

    def replace(self, source: Path, target: Path) -> None:
        source.replace(target)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable. Does nothing on a file system that cannot sync a folder."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as cause:
            if cause.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            os.close(descriptor)


def disk_error(cause: OSError, operation: str, key: str, folder: Path) -> TurnkeeperError:
    """Translate an ``OSError`` into an error that says how to fix the problem; ``folder`` is the archive's."""
    reason = f"{cause.strerror or type(cause).__name__} in {folder}"
    if cause.errno in _full:
        return DiskFull(
            f"no room left ({reason})", operation=operation, key=key, hint="Free some space and run the same again."
        )
    if cause.errno == errno.ENOENT and operation == "read":
        return NotFound("not in the archive", operation=operation, key=key)
    if cause.errno == errno.ENOENT and operation == "write":
        # mkdir fails with ENOENT where a file system does not accept new folders (/proc, a stale mount).
        hint = "Choose a folder on a disk that this user can write."
        return StoreRefused(f"{folder} cannot be made", operation=operation, key=key, hint=hint)
    if cause.errno in _hints:
        return StoreRefused(reason, operation=operation, key=key, hint=_hints[cause.errno])
    return Unavailable(reason, operation=operation, key=key, hint="Check the disk, then run the same again.")
