"""Where every body goes before anyone believes it: an unlinked temporary file with a running SHA-256.

Memory up to 1 MiB, then a file that has no name, so a crash leaves nothing behind. Knows no network and no format.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import tempfile
from abc import abstractmethod
from pathlib import Path
from typing import BinaryIO, Protocol, Self, cast

from turnkeeper.errors import DiskFull, Misconfigured

__all__ = ["BytesSource", "PositionalReader", "Source", "Spool"]

IN_MEMORY = 1 << 20


class Source(Protocol):
    """Bytes that can be read as often as needed: ``size`` in bytes, ``open`` gives an independent reader at byte 0."""

    @property
    def size(self) -> int: ...

    def open(self) -> BinaryIO: ...


class BytesSource:
    """Bytes in memory as a source."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        return len(self._data)

    def open(self) -> BinaryIO:
        return io.BytesIO(self._data)


class PositionalReader(io.RawIOBase):
    """A reader of ``size`` bytes that keeps its own place in them; ``fill`` says how bytes are had from anywhere."""

    def __init__(self, size: int) -> None:
        self._size, self._at = size, 0

    @abstractmethod
    def fill(self, view: memoryview, at: int) -> int:
        """Put bytes from ``at`` on into the view, at least one; how many."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        origin = {0: 0, 1: self._at, 2: self._size}[whence]
        self._at = max(origin + offset, 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer)).cast("B")[: max(self._size - self._at, 0)]
        count = self.fill(view, self._at) if view else 0
        self._at += count
        return count


class _Slice(PositionalReader):
    """An independent reader of a shared file: positional reads, so several readers never disturb each other."""

    def __init__(self, descriptor: int, size: int) -> None:
        super().__init__(size)
        # Its own descriptor: the spool's number may be another file's once the spool is closed.
        self._descriptor = os.dup(descriptor)

    def fill(self, view: memoryview, at: int) -> int:
        return os.preadv(self._descriptor, [view], at)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


class Spool:
    """A body on its way. Write it, ``seal`` it, then ``open`` it as often as needed; closing forgets it.

    Raises ``DiskFull`` when the spool's disk has no room (the hint names ``TMPDIR``), ``Misconfigured`` when the folder
    cannot be written, or no more files can be opened. ``withheld`` names what was taken out of the body before it was
    written.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.withheld: tuple[str, ...] = ()
        self._folder = folder
        self._memory: bytearray | None = bytearray()
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes | memoryview) -> int:
        """Append; returns the number of bytes."""
        if self._memory is not None and self._size + len(data) > IN_MEMORY:
            self._spill()
        if self._memory is not None:
            self._memory += data
        else:
            self._to_file(data)
        self._hash.update(data)
        self._size += len(data)
        return len(data)

    @property
    def size(self) -> int:
        return self._size

    @property
    def sha256(self) -> str:
        """Hex digest of what was written so far."""
        return self._hash.hexdigest()

    def seal(self) -> Self:
        """Flush, so that readers opened from now on see every byte."""
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as cause:
                raise _no_room(cause, self._where()) from cause
        return self

    def open(self) -> BinaryIO:
        """An independent reader at byte 0; several may be open at once."""
        self.seal()
        if self._memory is not None:
            return io.BytesIO(bytes(self._memory))
        assert self._file is not None, "the spool was closed"  # noqa: S101 - a programming mistake, not a user's
        try:
            part = _Slice(self._file.fileno(), self._size)
        except OSError as cause:
            raise _no_room(cause, self._where()) from cause
        return cast(BinaryIO, io.BufferedReader(part, 1 << 18))

    def close(self) -> None:
        if self._file is not None:
            # After DiskFull the rest of the buffer has nowhere to go; that was said already, and nobody wants it now.
            with contextlib.suppress(OSError):
                self._file.close()
        self._file, self._memory = None, None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _spill(self) -> None:
        try:
            file = tempfile.TemporaryFile(dir=self._folder, prefix="turnkeeper-")  # noqa: SIM115 - it lives as long as the spool
        except OSError as cause:
            raise _no_room(cause, self._where()) from cause
        self._file = cast(BinaryIO, file)
        held, self._memory = self._memory, None
        self._to_file(bytes(held or b""))

    def _to_file(self, data: bytes | memoryview) -> None:
        assert self._file is not None, "the spool was closed"  # noqa: S101
        try:
            self._file.write(data)
        except OSError as cause:
            raise _no_room(cause, self._where()) from cause

    def _where(self) -> str:
        with contextlib.suppress(OSError):
            return str(self._folder or tempfile.gettempdir())
        return "the temporary folder"


def _no_room(cause: OSError, where: str) -> DiskFull | Misconfigured:
    if cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFull(
            "no room left for a body on its way",
            operation="spool",
            key=where,
            hint="Free some space, or set TMPDIR to a folder on a larger disk.",
        )
    if cause.errno in (errno.EMFILE, errno.ENFILE):
        return Misconfigured(
            f"no more files can be opened ({cause.strerror})",
            operation="spool",
            key=where,
            hint="Allow more open files (ulimit -n), or fewer conversations at once (--concurrency).",
        )
    return Misconfigured(
        f"cannot be written ({cause.strerror})",
        operation="spool",
        key=where,
        hint="Set TMPDIR to a folder that this user can write.",
    )
