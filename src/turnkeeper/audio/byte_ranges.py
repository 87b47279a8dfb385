"""A file made of byte ranges of another file, so that a decoder can read a damaged container as a whole one."""

from __future__ import annotations

import io
from bisect import bisect_right
from itertools import accumulate
from typing import Any, BinaryIO

__all__ = ["ByteRange", "ByteRanges", "skip_id3_tags"]

ByteRange = tuple[int, int]
"""Bytes ``[start, end)`` of the underlying file."""

_ID3_HEADER = 10
_MOST_TAGS = 16


class ByteRanges(io.RawIOBase):
    """Read ``head`` and then the ranges of ``file``, one after another.

    Each read sets the position of ``file`` first, so several ``ByteRanges`` can share one file within one thread.
    Closing leaves ``file`` open unless ``owns`` is True.
    """

    def __init__(self, file: BinaryIO, regions: list[ByteRange], head: bytes = b"", *, owns: bool = False) -> None:
        super().__init__()
        self._file, self._regions, self._head, self._owns = file, regions, head, owns
        sizes = [len(head), *(end - start for start, end in regions)]
        self._starts = [0, *accumulate(sizes)]
        self._at = 0

    @property
    def size(self) -> int:
        """The length in bytes."""
        return self._starts[-1]

    def close(self) -> None:
        super().close()
        if self._owns:
            self._file.close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {0: 0, 1: self._at, 2: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = self._read_within_range(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """Read as many bytes as requested, unless the end comes first.

        Decoders take a short read for the end of the file.
        """
        left = max(0, self.size - self._at) if size < 0 else size
        pieces = []
        while left and (data := self._read_within_range(left)):
            pieces.append(data)
            left -= len(data)
        return b"".join(pieces)

    def _read_within_range(self, size: int) -> bytes:
        if self._at >= self.size:
            return b""
        place = bisect_right(self._starts, self._at) - 1
        offset = self._at - self._starts[place]
        size = min(size, self._starts[place + 1] - self._at)
        if place == 0:
            data = self._head[offset : offset + size]
        else:
            # Others may have moved the file's position since the last read.
            self._file.seek(self._regions[place - 1][0] + offset)
            data = self._file.read(size)
        self._at += len(data)
        return data


def skip_id3_tags(file: BinaryIO) -> int:
    """The offset behind any ID3v2 tags at the beginning of the file. Some tools put them in front of every format.

    The size of a tag is four bytes of seven bits each (ID3v2.4.0, section 3.1). A footer adds ten bytes.
    """
    at = 0
    for _ in range(_MOST_TAGS):
        file.seek(at)
        head = file.read(_ID3_HEADER)
        # A size byte with its top bit set shows that this is no tag.
        if len(head) < _ID3_HEADER or head[:3] != b"ID3" or max(head[6:10]) > 0x7F:
            break
        size = sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        at += _ID3_HEADER + size + (_ID3_HEADER if head[5] & 0x10 else 0)
    return at
