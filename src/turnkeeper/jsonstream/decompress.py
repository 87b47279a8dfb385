"""Decompress gzip and zstd as bytes are pushed in, in bounded pieces."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from turnkeeper.errors import Misconfigured, Unread
from turnkeeper.installation import install_hint

__all__ = ["Decompressor"]

_PIECE = 1 << 18
MAX_LAYERS = 2


class Decompressor:
    """Decompress gzip and zstd, recognised by their magic bytes. Anything else passes through unchanged.

    ``feed`` yields pieces of at most 256 KiB, so that a decompression bomb never stands in memory as a whole. Bodies of
    several members are read to the end, and a body that was compressed twice is decompressed twice. Raises ``Unread``
    for a damaged or truncated stream, for other bytes behind it, and for more than two layers. Raises ``Misconfigured``
    where zstd needs a package that is not installed.
    """

    def __init__(self, layer: int = 1) -> None:
        self._head = b""
        self._layer = layer
        self._inner: Decompressor | None = None
        self._compression: _Compression | None = None
        self._recognised = False
        self._member: Any = None
        self._out = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The decompressed bytes of ``data``, as far as they are complete."""
        if not self._recognised:
            data = self._head + data
            # Fewer bytes than a magic number, which they may begin: wait for more.
            if any(len(data) < len(magic) and magic.startswith(data) for magic in _COMPRESSIONS):
                self._head = data
                return
            self._compression = next((found for magic, found in _COMPRESSIONS.items() if data.startswith(magic)), None)
            self._recognised = True
            if self._compression and self._layer > MAX_LAYERS:
                raise Unread(f"packed more than {MAX_LAYERS} times", hint="Unpack it before.")
            self._inner = Decompressor(self._layer + 1) if self._compression else None
        if self._compression is None or self._inner is None:
            yield data
        else:
            for piece in self._decompress(data, self._compression):
                yield from self._inner.feed(piece)

    def finish(self) -> Iterator[bytes]:
        """The rest of the bytes. Raises ``Unread`` where a stream has no end."""
        if not self._recognised and self._head:
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
    """One compression format.

    ``rest`` gives the input that a finished step left over, and whether the member has more output.
    """

    name: str
    magic: bytes
    begin: Callable[[], Any]
    errors: Callable[[], tuple[type[Exception], ...]]
    rest: Callable[[Any], tuple[bytes, bool]]


def _import_zlib() -> Any:
    """isal where it is installed, which has the same interface and is faster; else zlib."""
    try:
        return import_module("isal.isal_zlib")
    except ImportError:
        return zlib


def _import_zstd() -> Any:
    """The zstd module of Python 3.14 and later, or its backport. Raises ``Misconfigured`` where there is neither."""
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
        # 31 is a gzip wrapper (16) and the largest window (15).
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
