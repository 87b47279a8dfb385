"""A file that takes its place only when it is complete."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from turnkeeper.errors import DiskFull, Misconfigured

__all__ = ["written"]


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """Write beside ``path``, and move there at the end. Raises ``DiskFull``, or ``Misconfigured`` for a bad folder."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except OSError as cause:
        part.unlink(missing_ok=True)
        if cause.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull("no room left", operation="write", key=str(path), hint="Free some space.") from None
        said = f"cannot be written ({cause.strerror})"
        raise Misconfigured(said, operation="write", key=str(path), hint="Check the folder.") from None
    except BaseException:
        part.unlink(missing_ok=True)
        raise
