"""A reader that checks the SHA-256 of the bytes it returned."""

from __future__ import annotations

import hashlib
import io
from typing import Any, BinaryIO, cast

from turnkeeper.errors import Unread

__all__ = ["HashedReader"]

BLOCK = 1 << 18


class HashedReader(io.RawIOBase):
    """Return the bytes of ``source``, and raise ``Unread`` at the end if their SHA-256 is not ``sha256``.

    Only a read of all bytes in order is checked. After a seek, bytes are returned unchecked until the reader goes back
    to the start.
    """

    def __init__(self, source: BinaryIO, sha256: str, key: str, hint: str) -> None:
        self._source, self._sha256, self._key, self._hint = source, sha256, key, hint
        self._digest = hashlib.sha256()
        self._hashed: int | None = 0
        """How many bytes from the start are in the digest; None after some were skipped."""

    @classmethod
    def buffered(cls, source: BinaryIO, sha256: str, key: str, hint: str) -> BinaryIO:
        """A buffered ``HashedReader``."""
        return cast(BinaryIO, io.BufferedReader(cls(source, sha256, key, hint), BLOCK))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        place = self._source.seek(offset, whence)
        if place == 0:
            self._digest, self._hashed = hashlib.sha256(), 0
        elif place != self._hashed:
            self._hashed = None
        return place

    def tell(self) -> int:
        return self._source.tell()

    def readinto(self, buffer: Any, /) -> int:
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        if self._hashed is not None:
            self._digest.update(data)
            self._hashed += len(data)
            # Into an empty buffer nothing is read before the end either.
            if not data and len(buffer) and self._digest.hexdigest() != self._sha256:
                words = "its bytes are not the ones that the manifest names"
                raise Unread(words, operation="read", key=self._key, hint=self._hint)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()
