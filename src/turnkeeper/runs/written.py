"""A file that takes its place only when it is complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from turnkeeper.outfile import emerging, no_room

__all__ = ["written"]


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """Write beside ``path``, and move there at the end if the file then holds as many bytes as were written.

    Raises what ``emerging`` raises.
    """
    with emerging(path, "write") as part:
        with part.open("wb") as file:
            yield file
            size = file.tell()
        if (held := part.stat().st_size) != size:
            raise no_room(path, "write", f"holds {held} bytes of the {size} that were written")
