"""Undo Content-Encoding piece by piece, in constant memory.

The archive holds decoded bytes, while lengths and ranges count encoded ones. The HTTP library would hide those, so it
does not decode here.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

__all__ = ["BrokenEncoding", "Decoder", "content_length"]

_PIECE = 1 << 18
_GZIP = 16 + zlib.MAX_WBITS
# zlib then detects by itself whether there is a zlib or a gzip header.
_SELF_DESCRIBING = 32 + zlib.MAX_WBITS
_PLAIN = frozenset({"", "identity", "aws-chunked"})


# A header may hold thousands of digits, which Python refuses to convert.
_MOST_DIGITS = 18


def content_length(text: str) -> int | None:
    """The number of bytes that a header announces; None where it holds no plausible one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


class BrokenEncoding(Exception):
    """The encoded bytes are damaged, or their encoding is not one that was asked for."""


class Decoder:
    """Decodes the bytes of one body into pieces of at most 256 KiB. Feed it all of them, then check ``whole``."""

    def __init__(self, encoding: str) -> None:
        names = [name.strip().lower() for name in encoding.split(",")]
        self._encodings = [name for name in names if name not in _PLAIN]
        if len(self._encodings) > 1 or any(name not in ("gzip", "x-gzip", "deflate") for name in self._encodings):
            raise BrokenEncoding(f"the body is encoded as {encoding[:40]!r}, which was not asked for")
        self._zlib = self._new_decompressor() if self._encodings else None
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The decoded pieces of the next encoded bytes. Raises ``BrokenEncoding``."""
        if self._zlib is None:
            yield data
            return
        while data:
            self._started = True
            # A gzip body may consist of several members, one after the other (RFC 1952, section 2.2).
            if self._zlib.eof:
                self._zlib = self._new_decompressor()
            try:
                piece = self._zlib.decompress(data, _PIECE)
            except zlib.error as cause:
                raise BrokenEncoding("the compressed body is damaged") from cause
            data = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail
            yield piece

    @property
    def whole(self) -> bool:
        """Whether the encoded stream has come to its own end."""
        return self._zlib is None or self._zlib.eof or not self._started

    def _new_decompressor(self) -> zlib._Decompress:
        return zlib.decompressobj(_SELF_DESCRIBING if self._encodings == ["deflate"] else _GZIP)
