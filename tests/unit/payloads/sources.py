"""Bodies for tests: bytes, files, and streams that are made up while they are read."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from turnkeeper.transcript.assemble import Assembly, Body, assemble
from turnkeeper.transcript.formats import write_transcript

DATA = Path(__file__).parent / "data"


class Bytes:
    """Bytes as a source. ``size`` may be told otherwise, to take the way of large bodies."""

    def __init__(self, data: bytes, size: int | None = None) -> None:
        self.data, self.size = data, len(data) if size is None else size

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data)


class Made(io.RawIOBase):
    def __init__(self, parts: Iterator[bytes]) -> None:
        self.parts, self.rest = parts, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.rest = self.rest or next(self.parts, b"")
        count = min(len(buffer), len(self.rest))
        buffer[:count], self.rest = self.rest[:count], self.rest[count:]
        return count


class Endless:
    """A large body that exists only while it is read."""

    def __init__(self, parts: Callable[[], Iterator[bytes]], size: int = 1 << 30) -> None:
        self.parts, self.size = parts, size

    def open(self) -> BinaryIO:
        return io.BufferedReader(Made(self.parts()), 1 << 18)  # type: ignore[return-value]


def data(name: str) -> bytes:
    return (DATA / name).read_bytes()


def body(document: Any, communication: str | None = None, *, large: bool = False, metadata: bool = False) -> Body:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Body(Bytes(raw, 1 << 30 if large else None), communication, metadata)


def read(*documents: Any, **options: Any) -> Assembly:
    return assemble([one if isinstance(one, Body) else body(one) for one in documents], **options)


def written(assembly: Assembly) -> bytes:
    out = io.BytesIO()
    write_transcript(assembly, out)
    return out.getvalue()
