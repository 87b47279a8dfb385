"""Bodies that can be served by range. They have a size, a strong entity tag, and any range of bytes.

A body is in memory, or consists of rows of one fixed width that are made while they are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Protocol

PIECE = 64 * 1024


class SimulatedBody(Protocol):
    """A body to deliver."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    @property
    def tag(self) -> str:
        """A strong entity tag, quotes included."""

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes of the half-open range, in pieces."""


class BytesBody:
    """A body in memory."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)
        self.tag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes of the half-open range, in pieces."""
        for at in range(start, stop, PIECE):
            yield self.content[at : min(at + PIECE, stop)]


class RowsBody:
    """A prefix, many rows of one width, and a suffix. Because of the fixed width, size and ranges need no search."""

    def __init__(self, prefix: bytes, row: Callable[[int], bytes], count: int, suffix: bytes) -> None:
        self._parts = (prefix, row, suffix)
        self._width = len(row(0))
        self._count = count
        self.size = len(prefix) + count * self._width + len(suffix)
        sample = prefix + row(0) + row(count - 1) + suffix + str(count).encode()
        self.tag = f'"{hashlib.md5(sample, usedforsecurity=False).hexdigest()}-{count}"'

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes of the half-open range, in pieces."""
        per_piece = max(1, PIECE // self._width)
        prefix, _, suffix = self._parts
        yield from _slice(prefix, start, stop)
        first = max(0, (start - len(prefix)) // self._width)
        for number in range(first, self._count, per_piece):
            at = len(prefix) + number * self._width
            if at >= stop:
                return
            piece = self._row_bytes(number, min(self._count, number + per_piece))
            yield from _slice(piece, start - at, stop - at)
        at = self.size - len(suffix)
        yield from _slice(suffix, start - at, stop - at)

    def _row_bytes(self, first: int, last: int) -> bytes:
        row = self._parts[1]
        return b"".join(row(number) for number in range(first, last))


def _slice(piece: bytes, start: int, stop: int) -> Iterator[bytes]:
    kept = piece[max(0, start) : max(0, min(stop, len(piece)))]
    if kept:
        yield kept
