"""Where a finished file may be put: on nothing or on a regular file, outside any archive. And how it gets there."""

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

_ARCHIVE = Path("_turnkeeper/archive.json")


def output_path(path: Path) -> Path:
    """The path that a finished file is moved to: ``path``, or what a link there points to.

    A move onto a device, a pipe or a socket would replace it for every program. A file inside an archive is one that
    the archive does not know. Raises ``Misconfigured`` for both. A folder is let through, since no move replaces one.
    """
    place = Path(os.path.realpath(path)) if path.is_symlink() else path
    for folder in Path(os.path.realpath(place)).parents:
        if (folder / _ARCHIVE).is_file():
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
    """A file to write beside ``path`` that takes its place when the block ends, and is removed when it fails.

    Raises ``DiskFull`` where there is no room, ``Misconfigured`` for a bad folder and for what ``output_path`` refuses.
    """
    part: Path | None = None
    try:
        place = output_path(path)
        part = place.with_name(place.name + ".part")
        yield part
        part.replace(place)
    except BaseException as cause:
        if part is not None:
            with suppress(OSError):  # not even its folder may be there
                part.unlink()
        if isinstance(cause, OSError):
            raise _refused(cause, path, operation) from None
        raise


@contextmanager
def write_atomically(path: Path, operation: str = "write") -> Iterator[BinaryIO]:
    """Write beside ``path``, and move there at the end if the file then holds as many bytes as were written.

    Raises what ``replace_atomically`` raises.
    """
    with replace_atomically(path, operation) as part:
        with part.open("wb") as file:
            yield file
            size = file.tell()
        if (held := part.stat().st_size) != size:
            raise disk_full(path, operation, f"holds {held} bytes of the {size} that were written")


def disk_full(path: Path, operation: str, message: str = "no room left") -> DiskFull:
    """The error for a file that could not be written to its end."""
    return DiskFull(message, operation=operation, key=str(path), hint="Free some space, or write to another disk.")


def _refused(cause: OSError, path: Path, operation: str) -> DiskFull | Misconfigured:
    if cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return disk_full(path, operation)
    said = f"cannot be written ({cause.strerror})"
    return Misconfigured(said, operation=operation, key=str(path), hint="Check the folder.")
