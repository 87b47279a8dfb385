"""Write a file so that it appears complete or not at all, and only where a file may be replaced."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from turnkeeper.errors import DiskFull, Misconfigured

__all__ = ["disk_full", "output_path", "replace_atomically", "write_atomically"]

_ARCHIVE_MARKER = Path("_turnkeeper/archive.json")
"""The file in a folder that shows that it is an archive."""


def output_path(path: Path) -> Path:
    """The path that a finished file is moved to: ``path``, or what a link there points to.

    Raises ``Misconfigured`` for a device, a pipe or a socket, because the move would replace it for every program, and
    for a path inside an archive, which would not know the file. A folder is accepted here, since no move replaces one.
    """
    place = Path(os.path.realpath(path)) if path.is_symlink() else path
    # The real path, because a link on the way may lead into an archive.
    for folder in Path(os.path.realpath(place)).parents:
        if (folder / _ARCHIVE_MARKER).is_file():
            hint = "Choose a place outside the archive."
            raise Misconfigured("is inside an archive", operation="write", key=str(path), hint=hint)
    try:
        mode = place.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return place
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        hint = "Name a regular file, or one that does not exist yet."
        raise Misconfigured("is a device, a pipe or a socket", operation="write", key=str(path), hint=hint)
    return place


@contextmanager
def replace_atomically(path: Path, operation: str) -> Iterator[Path]:
    """The path of a temporary file beside ``path``. It replaces ``path`` at the end of the block, or is deleted if the
    block raises.

    Raises ``DiskFull`` if there is no room, ``Misconfigured`` for a bad folder and for what ``output_path`` refuses.
    """
    part: Path | None = None
    try:
        place = output_path(path)
        # In the same folder, because a rename works only within one file system.
        part = place.with_name(place.name + ".part")
        yield part
        part.replace(place)
    # An interrupt must not leave a half-written file either.
    except BaseException as cause:
        if part is not None:
            with suppress(OSError):  # its folder may not exist
                part.unlink()
        if isinstance(cause, OSError):
            raise _write_error(cause, path, operation) from None
        raise


@contextmanager
def write_atomically(path: Path, operation: str = "write") -> Iterator[BinaryIO]:
    """Write a file beside ``path``, and move it there at the end if it then has as many bytes as were written.

    Raises what ``replace_atomically`` raises.
    """
    with replace_atomically(path, operation) as part:
        with part.open("wb") as file:
            yield file
            size = file.tell()
        # Some network file systems report a full disk only by a file that is too short.
        if (stored := part.stat().st_size) != size:
            raise disk_full(path, operation, f"holds {stored} bytes of the {size} that were written")


def disk_full(path: Path, operation: str, message: str = "no room left") -> DiskFull:
    """The error for a file that could not be written completely."""
    return DiskFull(message, operation=operation, key=str(path), hint="Free some space, or write to another disk.")


def _write_error(cause: OSError, path: Path, operation: str) -> DiskFull | Misconfigured:
    # EFBIG is the largest file of a file system (4 GiB on FAT) or of ``ulimit -f``.
    if cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return disk_full(path, operation)
    message = f"cannot be written ({cause.strerror})"
    return Misconfigured(message, operation=operation, key=str(path), hint="Check the folder.")
