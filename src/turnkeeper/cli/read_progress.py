"""Show the progress of reading a large file: one terminal line, rewritten at most ten times a second."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from turnkeeper.cli.console import fit_to_terminal
from turnkeeper.storage.address import local_path

__all__ = ["ReadProgress"]

_LARGE = 16 << 20


class ReadProgress:
    """Wraps a large file as a ``Source`` that shows how much was read. Other places are returned unchanged."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._path = local_path(place) or Path()
        self._shown = 0.0
        self._passes = 0

    def __enter__(self) -> Self | str:
        large = os.path.isfile(self._path)  # noqa: PTH113 - of a name that is too long, Path.is_file raises
        large = large and self._path.stat().st_size >= _LARGE
        return self if large else self._place

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    @property
    def size(self) -> int:
        return self._path.stat().st_size

    def open(self) -> BinaryIO:
        self._passes += 1
        return cast(BinaryIO, _Counted(self._path.open("rb"), self))

    def report(self, done: int) -> None:
        now = time.monotonic()
        if now - self._shown < 0.1:
            return
        self._shown = now
        doing = "looking" if self._passes < 3 else "reading"
        sys.stderr.write("\r\x1b[K" + fit_to_terminal(f"{doing} {done / 1e6:,.0f} of {self.size / 1e6:,.0f} MB"))
        sys.stderr.flush()


class _Counted:
    """A reader that reports its position after each block."""

    def __init__(self, reader: BinaryIO, progress: ReadProgress) -> None:
        self._reader, self._progress = reader, progress

    def read(self, size: int = -1) -> bytes:
        data = self._reader.read(size)
        self._progress.report(self._reader.tell())
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._reader.close()
