"""Several documents in one body, one behind the other or in one array, as bodies of their own. Knows no vendor."""

from __future__ import annotations

import io
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from turnkeeper.errors import Unread
from turnkeeper.jsonstream.text_reader import TextReader

__all__ = ["DocumentPart", "split_documents"]

MAX_DOCUMENTS = 10_000
_BLOCK = 1 << 18
_OUTSIDE = re.compile(rb'["{}\[\]]')
_INSIDE = re.compile(rb'["\\]')
_NOTHING = b" \t\r\n,\0\x1a\xef\xbb\xbf"
"""What may stand between two documents: white space, a comma of the array, padding, a byte order mark."""


class _UnnamedFile:
    """A nameless file, closed with the last of its parts."""

    def __init__(self) -> None:
        self.fd, name = tempfile.mkstemp(prefix="turnkeeper-")
        Path(name).unlink()
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        self.size += len(view)
        while view:
            view = view[os.write(self.fd, view) :]

    def __del__(self) -> None:
        os.close(self.fd)


class DocumentPart:
    """A stretch of a nameless file as a source."""

    def __init__(self, scratch: _UnnamedFile, begin: int, end: int) -> None:
        self._file, self._begin, self._end = scratch, begin, end

    @property
    def size(self) -> int:
        return self._end - self._begin

    def open(self) -> BinaryIO:
        return io.BufferedReader(_PartReader(self._file, self._begin, self._end), _BLOCK)


class _PartReader(io.RawIOBase):
    def __init__(self, scratch: _UnnamedFile, begin: int, end: int) -> None:
        self._file, self._at, self._end = scratch, begin, end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override] # any buffer
        data = os.pread(self._file.fd, min(len(buffer), self._end - self._at), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class _BoundaryScan:
    """Where objects and arrays begin and end that stand ``level`` brackets deep. Constant memory, exact."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._depth = 0
        self._in_string = self._escaped = False
        self.odd = False

    def edges(self, data: bytes) -> Iterator[int]:
        """The places in ``data`` where such a document begins (at its bracket) or ends (behind it), in turn. ``odd`` is
        set where something else stands between them."""
        at, size = (1, len(data)) if self._escaped else (0, len(data))
        self._escaped = False
        while at < size:
            match = (_INSIDE if self._in_string else _OUTSIDE).search(data, at)
            if not self._in_string and self._depth <= self._level:
                self.odd = self.odd or bool(data[at : match.start() if match else size].strip(_NOTHING))
            if match is None:
                return
            at = match.end()
            byte = data[match.start()]
            if byte == 0x5C:
                self._escaped = at == size
                at += 1
            elif byte == 0x22:
                self.odd = self.odd or self._depth <= self._level
                self._in_string = not self._in_string
            elif byte in b"{[":
                if self._depth == self._level:
                    yield match.start()
                self._depth += 1
            else:
                self._depth -= 1
                if self._depth == self._level:
                    yield at

    @property
    def whole(self) -> bool:
        return self._depth == 0 and not self._in_string


def split_documents(body: object, *, array: bool = False) -> tuple[DocumentPart, list[DocumentPart]] | None:
    """The documents of a body (with ``array`` the elements of the array that it is): all of them one behind the other,
    and each for itself. None where there is something else between them, or the last is cut off.

    ``body`` is a source. Constant memory: the documents go to a nameless file.
    """
    scratch, scan, spans = _UnnamedFile(), _BoundaryScan(1 if array else 0), list[tuple[int, int]]()
    begin = -1
    for data in _clean_pieces(body):
        done = 0
        for edge in scan.edges(data):
            if begin < 0:
                begin, done = scratch.size, edge
                continue
            scratch.write(memoryview(data)[done:edge])
            spans.append((begin, scratch.size))
            scratch.write(b"\n")
            begin, done = -1, edge
            if len(spans) > MAX_DOCUMENTS:
                hint = "Split the body into files."
                raise Unread(f"more than {MAX_DOCUMENTS:,} documents in one body", hint=hint)
        if begin >= 0:
            scratch.write(memoryview(data)[done:])
    if scan.odd or not scan.whole or not spans:
        return None
    return DocumentPart(scratch, 0, scratch.size), [DocumentPart(scratch, start, end) for start, end in spans]


def _clean_pieces(body: object) -> Iterator[bytes]:
    intake = TextReader(strict=False)
    with body.open() as reader:  # type: ignore[attr-defined]
        while data := reader.read(_BLOCK):
            yield from intake.pieces(data)
    yield intake.finish()
