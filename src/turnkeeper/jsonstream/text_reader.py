"""Turn the bytes of a body into a clean JSON text: decompressed, without a BOM, UTF-8 checked, lone surrogates
replaced.

Bytes are pushed in, in any chunks, and memory is constant. Of JSON only the backslash escapes matter here. Every step
after decompression keeps lengths, so offsets are those of the decompressed body.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from turnkeeper.errors import Unread
from turnkeeper.jsonstream.decompress import Decompressor
from turnkeeper.jsonstream.errors import not_utf8
from turnkeeper.jsonstream.surrogates import may_have_lone_surrogates, replace_lone_surrogates

__all__ = ["TextReader"]

_BOM = b"\xef\xbb\xbf"
_ARCHIVES = {
    b"PK\x03\x04": "a zip archive",
    b"BZh": "a file packed with bzip2",
    b"\xfd7zXZ\0": "a file packed with xz",
    b"7z\xbc\xaf": "a 7-Zip archive",
}
_WIDE = {b"{\0", b"[\0", b"\0{", b"\0["}
_HIGH = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}")


class TextReader:
    """The whole way from raw bytes to checked JSON text. ``repaired`` counts the lone surrogates that became U+FFFD.

    Without ``strict`` UTF-8 is left to the decoder of the text. Raises ``Unread`` with the offset of
    an invalid UTF-8 sequence, and for UTF-16, UTF-32 and archives.
    """

    def __init__(self, *, strict: bool = True) -> None:
        self._unpacked = Decompressor()
        self._strict = strict
        self._bom = True
        self._tail = b""
        self._at = 0
        self.repaired = 0

    @property
    def offset(self) -> int:
        """The number of bytes given out so far, the BOM included: the offset of the next byte in the body."""
        return self._at

    def feed(self, data: bytes) -> bytes:
        """The text of these bytes, as far as it is complete."""
        return b"".join(self._clean_piece(piece) for piece in self._unpacked.feed(data))

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Like ``feed``, in pieces of bounded size."""
        for piece in self._unpacked.feed(data):
            yield self._clean_piece(piece)

    def finish(self) -> bytes:
        """The rest of the text. Raises ``Unread`` where it ends within a UTF-8 sequence."""
        rest = b"".join(self._clean_piece(piece) for piece in self._unpacked.finish())
        tail, self._tail = self._tail, b""
        if self._strict:
            self._check_utf8(tail, final=True)
        return rest + self._emit(tail)

    def _clean_piece(self, piece: bytes) -> bytes:
        data = self._tail + piece if self._tail else piece
        if self._bom:
            # Perhaps the beginning of a BOM: wait for the rest.
            if len(data) < 3 and _BOM.startswith(data):
                self._tail = data
                return b""
            self._bom = False
            _refuse_utf16(data)
            _refuse_archive(data)
            if data.startswith(_BOM):
                data, self._at = data[3:], 3
        keep = len(data)
        if self._strict and not data.isascii():
            keep = self._check_utf8(data, final=False)
        # A piece must not end within an escape: half of a pair would look like a lone surrogate.
        keep = _whole_escapes(data, keep)
        data, self._tail = (data, b"") if keep == len(data) else (data[:keep], data[keep:])
        return self._emit(data)

    def _check_utf8(self, data: bytes, *, final: bool) -> int:
        try:
            return codecs.utf_8_decode(data, "strict", final)[1]
        except UnicodeDecodeError as cause:
            raise not_utf8(b"", self._at + cause.start) from None

    def _emit(self, data: bytes) -> bytes:
        self._at += len(data)
        if b"\\" not in data or not may_have_lone_surrogates(data):
            return data
        data, count = replace_lone_surrogates(data)
        self.repaired += count
        return data


def _refuse_utf16(head: bytes) -> None:
    """Refuse UTF-16 and UTF-32, which their first bytes betray with or without a byte order mark."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")) or head[:2] in _WIDE or head[:4] == b"\0\0\0{":
        raise Unread("UTF-16 or UTF-32, not UTF-8", offset=0, hint="Save it as UTF-8.")


def _refuse_archive(head: bytes) -> None:
    """Refuse archives by their magic bytes. This also sees what decompression revealed: a tar archive within gzip."""
    name = next((name for magic, name in _ARCHIVES.items() if head.startswith(magic)), "")
    name = "a tar archive" if head[257:262] == b"ustar" else name
    if name:
        raise Unread(f"this is {name}, not JSON", offset=0, hint="Unpack it, and give the transcript itself.")


def _starts_escape(data: bytes, at: int) -> bool:
    """Whether the backslash at ``at`` opens an escape. It does behind an even number of backslashes."""
    run = at
    while run and data[run - 1] == 0x5C:
        run -= 1
    return (at - run) % 2 == 0


def _whole_escapes(data: bytes, end: int) -> int:
    """The largest offset up to ``end`` that cuts neither an escape nor a surrogate pair in two."""
    # A surrogate pair is twelve bytes long, so nothing before that can be cut.
    at = data.rfind(b"\\", max(end - 12, 0), end)
    if at < 0:
        return end
    if not _starts_escape(data, at):
        return end
    unicode = data[at + 1 : at + 2] == b"u"
    # ``\uXXXX`` has six bytes, every other escape two. A lone backslash at the end may become either.
    length = 6 if unicode or at + 1 >= end else 2
    if at + length <= end:
        return at if at + 6 == end and _HIGH.match(data, at, end) else end
    # The cut escape may be the low half of a pair: then the high half has to wait as well.
    before = at - 6
    if before >= 0 and _HIGH.match(data, before, at) and _starts_escape(data, before):
        return before
    return at
