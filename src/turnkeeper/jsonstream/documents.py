"""Split a body that holds several JSON documents, one after another or in one array, into sources of their own."""

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
"""Bytes that may stand between two documents: white space, an array's comma, padding, a byte order mark."""


class _UnnamedFile:
    """A temporary file without a name. It is closed when the last part that refers to it is gone."""

    def __init__(self) -> None:
        self.fd, name = tempfile.mkstemp(prefix="turnkeeper-")
        Path(name).unlink()
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        self.size += len(view)
        while view:
            # ``write`` may take less than it is given.
            view = view[os.write(self.fd, view) :]

    def __del__(self) -> None:
        os.close(self.fd)


class DocumentPart:
    """A byte range of an unnamed file, readable as a source."""

    def __init__(self, file: _UnnamedFile, begin: int, end: int) -> None:
        self._file, self._begin, self._end = file, begin, end

    @property
    def size(self) -> int:
        """The length in bytes."""
        return self._end - self._begin

    def open(self) -> BinaryIO:
        """A new reader, at the beginning of the part."""
        return io.BufferedReader(_PartReader(self._file, self._begin, self._end), _BLOCK)


class _PartReader(io.RawIOBase):
    def __init__(self, file: _UnnamedFile, begin: int, end: int) -> None:
        self._file, self._at, self._end = file, begin, end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override] # any buffer
        data = os.pread(self._file.fd, min(len(buffer), self._end - self._at), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class _BoundaryScan:
    """Find where objects and arrays begin and end that stand ``level`` brackets deep. Exact, with constant memory."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._depth = 0
        self._in_string = self._escaped = False
        self.odd = False

    def edges(self, data: bytes) -> Iterator[int]:
        """The offsets in ``data`` where such a document begins (at its bracket) or ends (behind it), alternating.

        ``odd`` becomes True where something else stands between the documents.
        """
        # The last piece ended within an escape, whose second byte is the first one here.
        at, size = (1, len(data)) if self._escaped else (0, len(data))
        self._escaped = False
        while at < size:
            match = (_INSIDE if self._in_string else _OUTSIDE).search(data, at)
            # Text between two documents, or between two tokens of the array around them.
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
        """Whether every bracket and string is closed."""
        return self._depth == 0 and not self._in_string


def split_documents(body: object, *, array: bool = False) -> tuple[DocumentPart, list[DocumentPart]] | None:
    """The documents of a body, first all of them one after another, then each one by itself.

    With ``array`` the body is one array and its elements are the documents. Returns None where something else stands
    between them, or where the last one is truncated. ``body`` is a source. Memory is constant: the documents are copied
    to an unnamed temporary file. Raises ``Unread`` for more than 10,000 documents.
    """
    file, scan, spans = _UnnamedFile(), _BoundaryScan(1 if array else 0), list[tuple[int, int]]()
    begin = -1
    for data in _clean_pieces(body):
        done = 0
        for edge in scan.edges(data):
            if begin < 0:
                begin, done = file.size, edge
                continue
            file.write(memoryview(data)[done:edge])
            spans.append((begin, file.size))
            file.write(b"\n")
            begin, done = -1, edge
            if len(spans) > MAX_DOCUMENTS:
                hint = "Split the body into files."
                raise Unread(f"more than {MAX_DOCUMENTS:,} documents in one body", hint=hint)
        if begin >= 0:
            file.write(memoryview(data)[done:])
    if scan.odd or not scan.whole or not spans:
        return None
    return DocumentPart(file, 0, file.size), [DocumentPart(file, start, end) for start, end in spans]


def _clean_pieces(body: object) -> Iterator[bytes]:
    text = TextReader(strict=False)
    with body.open() as reader:  # type: ignore[attr-defined]
        while data := reader.read(_BLOCK):
            yield from text.pieces(data)
    yield text.finish()
