"""A file that takes its place only when it is complete."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from turnkeeper.errors import DiskFull, Misconfigured
from turnkeeper.outfile import outfile

__all__ = ["written"]


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """Write beside ``path``, and move there at the end.

    Raises ``DiskFull``, or ``Misconfigured`` for a bad folder and for what ``outfile`` refuses.
    """
    try:
        place = outfile(path)
    except OSError as cause:
        raise _refused(cause, path) from None
    part = place.with_name(place.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(place)
    except OSError as cause:
        part.unlink(missing_ok=True)
        raise _refused(cause, path) from None
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _refused(cause: OSError, path: Path) -> DiskFull | Misconfigured:
    if cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("no room left", operation="write", key=str(path), hint="Free some space.")
    said = f"cannot be written ({cause.strerror})"
    return Misconfigured(said, operation="write", key=str(path), hint="Check the folder.")
