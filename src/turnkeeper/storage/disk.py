"""The few calls of the operating system that make a file durable: an argument of ``FolderStore``, so that tests can
give it a disk that is full, read-only or without hard links. Also turns ``OSError`` into errors with a mend.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from turnkeeper.errors import DiskFull, NotFound, StoreRefused, TurnkeeperError, Unavailable

__all__ = ["Disk", "translated"]

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
    """The real disk. What is made on it is for its owner alone; ``shared``: for the folder's group as well."""

    shared = False

    def __init__(self, *, shared: bool = False) -> None:
        self.shared = shared

    def create(self, path: Path) -> int:
        """A descriptor of a new, empty file; never one that was there."""
        return self._opened(path, os.O_EXCL)

    def open_lock(self, path: Path) -> int:
        """A descriptor of a file that is only there to be locked."""
        return self._opened(path, os.O_NOFOLLOW)

    def _opened(self, path: Path, flags: int) -> int:
        descriptor = os.open(path, os.O_CREAT | flags | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        if self.shared and os.fstat(descriptor).st_uid == os.geteuid():
            os.fchmod(descriptor, 0o660)
        return descriptor

    def make_folder(self, folder: Path) -> None:
        """A folder, where there is none."""
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            if not folder.is_dir():
                raise
            return
        if self.shared:
            # Group ownership that is inherited (setgid) stays.
            folder.chmod(folder.stat().st_mode & 0o7000 | 0o770)

    def write(self, descriptor: int, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target)

    def replace(self, source: Path, target: Path) -> None:
        source.replace(target)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable, where the file system knows what that is."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as cause:
            if cause.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            os.close(descriptor)


def translated(cause: OSError, operation: str, key: str, folder: Path) -> TurnkeeperError:
    """The error a person can act on; ``folder`` is the archive's."""
    reason = f"{cause.strerror or type(cause).__name__} in {folder}"
    if cause.errno in _full:
        return DiskFull(
            f"no room left ({reason})", operation=operation, key=key, hint="Free some space and run the same again."
        )
    if cause.errno == errno.ENOENT and operation == "read":
        return NotFound("not in the archive", operation=operation, key=key)
    if cause.errno == errno.ENOENT and operation == "write":
        # mkdir answers so where a file system takes no new folders (/proc, a stale mount).
        hint = "Choose a folder on a disk that this user can write."
        return StoreRefused(f"{folder} cannot be made", operation=operation, key=key, hint=hint)
    if cause.errno in _hints:
        return StoreRefused(reason, operation=operation, key=key, hint=_hints[cause.errno])
    return Unavailable(reason, operation=operation, key=key, hint="Check the disk, then run the same again.")
