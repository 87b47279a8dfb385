"""From the bytes of a body to the bytes of a JSON text: gzip undone, BOM dropped, UTF-8 checked, surrogates mended.

Push style, any chunking, constant memory. Knows nothing of JSON but its backslash escapes. Every step after gunzip
keeps lengths, so offsets are those of the decoded body.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterator

from turnkeeper.errors import Unread

__all__ = ["Gunzip", "Intake"]

_BOM = b"\xef\xbb\xbf"
_PIECE = 1 << 18

# A pair stays, a half becomes U+FFFD (written in six bytes, as it stood), any other escape is stepped over whole.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_HIGH = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}")
_REPLACEMENT = rb"\ufffd"


class Gunzip:
    """Gzip, several members too, told by its magic bytes; anything else passes through untouched.

    ``feed`` yields pieces of at most 256 KiB, so that a bomb never stands in memory whole. Raises ``Unread`` for a
    damaged or a cut-off stream.
    """

    def __init__(self) -> None:
        self._head = b""
        self._plain: bool | None = None
        self._member: zlib._Decompress | None = None
        self._out = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._plain is None:
            data = self._head + data
            if len(data) < 2 and b"\x1f".startswith(data):
                self._head = data
                return
            self._plain = not data.startswith(b"\x1f\x8b")
        if self._plain:
            yield data
        else:
            yield from self._inflate(data)

    def finish(self) -> Iterator[bytes]:
        """What is held back. Raises ``Unread`` where a gzip member has no end."""
        if self._plain is None and self._head:
            yield self._head
        if self._member is not None:
            raise Unread("the gzip stream ends in the middle", offset=self._out, hint="Download the body again.")

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._member is None:
                # RFC 1952 allows zero padding behind a member; tape-minded writers leave some.
                data = data.lstrip(b"\0") if self._out else data
                if not data:
                    return
                self._member = zlib.decompressobj(wbits=31)
            try:
                piece = self._member.decompress(data, _PIECE)
            except zlib.error as cause:
                raise Unread("the gzip stream is damaged", offset=self._out, hint="Download the body again.") from cause
            self._out += len(piece)
            if piece:
                yield piece
            if self._member.eof:
                data, self._member = self._member.unused_data, None
            else:
                data = self._member.unconsumed_tail


class Intake:
    """The whole way from raw bytes to checked JSON text. ``repaired`` counts the lone surrogates made U+FFFD.

    ``trusted`` skips the UTF-8 check, for a second pass over bytes that passed the first. Raises ``Unread`` with the
    offset of an invalid UTF-8 sequence.
    """

    def __init__(self, *, trusted: bool = False) -> None:
        self._gunzip = Gunzip()
        self._trusted = trusted
        self._bom = True
        self._held = b""
        self._at = 0
        self.repaired = 0

    @property
    def offset(self) -> int:
        """Bytes given out so far, the BOM counted: the place of the next byte in the decoded body."""
        return self._at

    def feed(self, data: bytes) -> bytes:
        return b"".join(self._clean(piece) for piece in self._gunzip.feed(data))

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Like ``feed``, in bounded pieces."""
        for piece in self._gunzip.feed(data):
            yield self._clean(piece)

    def finish(self) -> bytes:
        """What is held back at the end. Raises ``Unread`` for half a UTF-8 sequence."""
        rest = b"".join(self._clean(piece) for piece in self._gunzip.finish())
        held, self._held = self._held, b""
        if not self._trusted:
            self._check(held, final=True)
        return rest + self._give(held)

    def _clean(self, piece: bytes) -> bytes:
        data = self._held + piece if self._held else piece
        if self._bom:
            if len(data) < 3 and _BOM.startswith(data):
                self._held = data
                return b""
            self._bom = False
            if data.startswith(_BOM):
                data, self._at = data[3:], 3
        keep = len(data)
        if not self._trusted and not data.isascii():
            keep = self._check(data, final=False)
        keep = _whole_escapes(data, keep)
        data, self._held = (data, b"") if keep == len(data) else (data[:keep], data[keep:])
        return self._give(data)

    def _check(self, data: bytes, *, final: bool) -> int:
        try:
            return codecs.utf_8_decode(data, "strict", final)[1]
        except UnicodeDecodeError as cause:
            offset = self._at + cause.start
            raise Unread(f"invalid UTF-8 at byte {offset}", offset=offset, hint="JSON is UTF-8.") from None

    def _give(self, data: bytes) -> bytes:
        self._at += len(data)
        if b"\\" in data and (b"\\ud" in data or b"\\uD" in data):
            return _ESCAPE.sub(self._mend, data)
        return data

    def _mend(self, match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            return match[0]
        self.repaired += 1
        return _REPLACEMENT


def _starts_escape(data: bytes, at: int) -> bool:
    """Whether the backslash at ``at`` opens an escape: it does behind an even run of backslashes."""
    run = at
    while run and data[run - 1] == 0x5C:
        run -= 1
    return (at - run) % 2 == 0


def _whole_escapes(data: bytes, end: int) -> int:
    """The largest place up to ``end`` that cuts neither an escape nor a surrogate pair in two."""
    at = data.rfind(b"\\", max(end - 12, 0), end)
    if at < 0:
        return end
    if not _starts_escape(data, at):
        return end
    unicode = data[at + 1 : at + 2] == b"u"
    length = 6 if unicode or at + 1 >= end else 2
    if at + length <= end:
        return at if at + 6 == end and _HIGH.match(data, at, end) else end
    before = at - 6
    if before >= 0 and _HIGH.match(data, before, at) and _starts_escape(data, before):
        return before
    return at
