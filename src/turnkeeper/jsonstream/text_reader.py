"""From the bytes of a body to the bytes of a JSON text: unpacked, BOM dropped, UTF-8 checked, surrogates mended.

Push style, any chunking, constant memory. Knows nothing of JSON but its backslash escapes. Every step after that
keeps lengths, so offsets are those of the decoded body.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from turnkeeper.errors import Misconfigured, Unread
from turnkeeper.installation import install_hint
from turnkeeper.jsonstream.native import native

__all__ = ["Decompressor", "TextReader", "may_have_lone_surrogates", "not_utf8"]

_BOM = b"\xef\xbb\xbf"
_PIECE = 1 << 18
MOST_LAYERS = 2
_ARCHIVES = {
    b"PK\x03\x04": "a zip archive",
    b"BZh": "a file packed with bzip2",
    b"\xfd7zXZ\0": "a file packed with xz",
    b"7z\xbc\xaf": "a 7-Zip archive",
}
_WIDE = {b"{\0", b"[\0", b"\0{", b"\0["}

# A pair stays, a half becomes U+FFFD (written in six bytes, as it stood), any other escape is stepped over whole.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_HIGH = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}")
_REPLACEMENT = rb"\ufffd"


class Decompressor:
    """Gzip and zstd, several members too, told by their magic bytes; anything else passes through untouched.

    ``feed`` yields pieces of at most 256 KiB, so that a bomb never stands in memory whole. A body that was packed twice
    is unpacked twice. Raises ``Unread`` for a damaged or a cut-off stream, for other bytes behind it and for more than
    two layers, ``Misconfigured`` where zstd needs a package that is not there.
    """

    def __init__(self, layer: int = 1) -> None:
        self._head = b""
        self._layer = layer
        self._inner: Decompressor | None = None
        self._compression: _Compression | None = None
        self._known = False
        self._member: Any = None
        self._out = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        if not self._known:
            data = self._head + data
            if any(len(data) < len(magic) and magic.startswith(data) for magic in _COMPRESSIONS):
                self._head = data
                return
            self._compression = next((found for magic, found in _COMPRESSIONS.items() if data.startswith(magic)), None)
            self._known = True
            if self._compression and self._layer > MOST_LAYERS:
                raise Unread(f"packed more than {MOST_LAYERS} times", hint="Unpack it before.")
            self._inner = Decompressor(self._layer + 1) if self._compression else None
        if self._compression is None or self._inner is None:
            yield data
        else:
            for piece in self._decompress(data, self._compression):
                yield from self._inner.feed(piece)

    def finish(self) -> Iterator[bytes]:
        """What is held back. Raises ``Unread`` where a member has no end."""
        if not self._known and self._head:
            yield self._head
        if self._member is not None and self._compression is not None:
            name = self._compression.name
            raise Unread(f"the {name} stream ends in the middle", offset=self._out, hint="Download the body again.")
        if self._inner is not None:
            yield from self._inner.finish()

    def _decompress(self, data: bytes, packing: _Compression) -> Iterator[bytes]:
        waiting = True
        while data or waiting:
            if self._member is None:
                # RFC 1952 allows zero padding behind a member; tape-minded writers leave some.
                data = data.lstrip(b"\0") if self._out else data
                if not data:
                    return
                if self._out and not packing.magic.startswith(data[: len(packing.magic)]):
                    hint = "Cut off what follows, or download the body again."
                    raise Unread(f"other bytes stand behind the end of the {packing.name} stream", hint=hint)
                self._member = packing.begin()
            try:
                piece = self._member.decompress(data, _PIECE)
            except packing.errors() as cause:
                hint = "Download the body again."
                raise Unread(f"the {packing.name} stream is damaged", offset=self._out, hint=hint) from cause
            self._out += len(piece)
            if piece:
                yield piece
            if self._member.eof:
                data, self._member = self._member.unused_data, None
                waiting = False
            else:
                data, waiting = packing.rest(self._member)


@dataclass(frozen=True)
class _Compression:
    """One way to pack a body. ``rest`` is the input that a member gave back, and whether it has more to give."""

    name: str
    magic: bytes
    begin: Callable[[], Any]
    errors: Callable[[], tuple[type[Exception], ...]]
    rest: Callable[[Any], tuple[bytes, bool]]


def _import_zlib() -> Any:
    """isal where it is installed: the same calls, faster."""
    try:
        return import_module("isal.isal_zlib")
    except ImportError:
        return zlib


def _import_zstd() -> Any:
    """Part of Python from 3.14 on; before that a package of the same interface."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ImportError:
            continue
    raise Misconfigured(
        "the body is packed with zstd, which this Python cannot unpack",
        hint=f"{install_hint('zstd')} Python 3.14 brings it.",
    )


_COMPRESSIONS = {
    b"\x1f\x8b": _Compression(
        "gzip",
        b"\x1f\x8b",
        lambda: _import_zlib().decompressobj(wbits=31),
        lambda: (zlib.error, _import_zlib().error),
        lambda member: (member.unconsumed_tail, False),
    ),
    b"\x28\xb5\x2f\xfd": _Compression(
        "zstd",
        b"",  # frames that hold nothing may stand between the others
        lambda: _import_zstd().ZstdDecompressor(),
        lambda: (_import_zstd().ZstdError, EOFError),
        lambda member: (b"", not member.needs_input),
    ),
}


class TextReader:
    """The whole way from raw bytes to checked JSON text. ``repaired`` counts the lone surrogates made U+FFFD.

    Without ``strict`` UTF-8 is left to whoever decodes the text. Raises ``Unread`` with the offset of an invalid UTF-8
    sequence.
    """

    def __init__(self, *, strict: bool = True) -> None:
        self._unpacked = Decompressor()
        self._strict = strict
        self._bom = True
        self._held = b""
        self._at = 0
        self.repaired = 0

    @property
    def offset(self) -> int:
        """Bytes given out so far, the BOM counted: the place of the next byte in the decoded body."""
        return self._at

    def feed(self, data: bytes) -> bytes:
        return b"".join(self._clean_piece(piece) for piece in self._unpacked.feed(data))

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Like ``feed``, in bounded pieces."""
        for piece in self._unpacked.feed(data):
            yield self._clean_piece(piece)

    def finish(self) -> bytes:
        """What is held back at the end. Raises ``Unread`` for half a UTF-8 sequence."""
        rest = b"".join(self._clean_piece(piece) for piece in self._unpacked.finish())
        held, self._held = self._held, b""
        if self._strict:
            self._check_utf8(held, final=True)
        return rest + self._emit(held)

    def _clean_piece(self, piece: bytes) -> bytes:
        data = self._held + piece if self._held else piece
        if self._bom:
            if len(data) < 3 and _BOM.startswith(data):
                self._held = data
                return b""
            self._bom = False
            _refuse_utf16(data)
            _refuse_archive(data)
            if data.startswith(_BOM):
                data, self._at = data[3:], 3
        keep = len(data)
        if self._strict and not data.isascii():
            keep = self._check_utf8(data, final=False)
        keep = _whole_escapes(data, keep)
        data, self._held = (data, b"") if keep == len(data) else (data[:keep], data[keep:])
        return self._emit(data)

    def _check_utf8(self, data: bytes, *, final: bool) -> int:
        try:
            return codecs.utf_8_decode(data, "strict", final)[1]
        except UnicodeDecodeError as cause:
            raise _not_utf8(self._at + cause.start) from None

    def _emit(self, data: bytes) -> bytes:
        self._at += len(data)
        if b"\\" in data and may_have_lone_surrogates(data):
            return _ESCAPE.sub(self._mend, data)
        return data

    def _mend(self, match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            return match[0]
        self.repaired += 1
        return _REPLACEMENT


def may_have_lone_surrogates(data: bytes) -> bool:
    """False where every escaped surrogate certainly stands in a pair; C sees that without an object for each."""
    return not native.paired(data) if native else b"\\ud" in data or b"\\uD" in data


def not_utf8(text: bytes | bytearray, origin: int) -> Unread:
    """The refusal of a text, ``origin`` bytes into the body, in which a decoder met something that is no UTF-8."""
    try:
        text.decode()
    except UnicodeDecodeError as cause:
        return _not_utf8(origin + cause.start)
    return _not_utf8(origin)


def _not_utf8(offset: int) -> Unread:
    return Unread(f"invalid UTF-8 at byte {offset}", offset=offset, hint="JSON is UTF-8.")


def _refuse_utf16(head: bytes) -> None:
    """Name a text for what it is: the first characters of UTF-16 and UTF-32 say so, with or without a mark."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")) or head[:2] in _WIDE or head[:4] == b"\0\0\0{":
        raise Unread("UTF-16 or UTF-32, not UTF-8", offset=0, hint="Save it as UTF-8.")


def _refuse_archive(head: bytes) -> None:
    """Name a file that is no text and no single packed body. What was unpacked is looked at, too: a tar within gzip."""
    name = next((name for magic, name in _ARCHIVES.items() if head.startswith(magic)), "")
    name = "a tar archive" if head[257:262] == b"ustar" else name
    if name:
        raise Unread(f"this is {name}, not JSON", offset=0, hint="Unpack it, and give the transcript itself.")


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
