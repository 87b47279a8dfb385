"""Read a body of several JSON documents: one per line (NDJSON), or simply one after another. Memory is constant."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from turnkeeper.errors import Unread
from turnkeeper.jsonstream.decoders import decoder_for
from turnkeeper.jsonstream.errors import byte_offset, not_json, not_utf8, too_deep, too_large, truncated
from turnkeeper.jsonstream.limits import Limits
from turnkeeper.jsonstream.salvage import salvage_struct
from turnkeeper.jsonstream.scan import closing_quote
from turnkeeper.jsonstream.stream import Batch
from turnkeeper.jsonstream.text_reader import TextReader

__all__ = ["DocumentStream"]

_BETWEEN = b" \t\r\n\0\x1a"
_TOKEN = re.compile(rb'"(?:[^"\\]*")?|[{}\[\]]')
_SOLID = re.compile(rb"[^ \t\r\n\0\x1a]")


class DocumentStream:
    """A push parser of documents that follow one another.

    ``feed`` gives one batch per document. Its path and parents are empty; ``first`` counts the documents. Raises
    ``Unread`` and ``TooLarge`` with the offset in the body.
    """

    def __init__(self, kind: Any, limits: Limits | None = None, *, strict: bool = True, salvage: bool = False) -> None:
        self._decoder = decoder_for(kind)
        self._kind, self._salvage = kind, salvage
        self._limits = limits or Limits()
        self._reader = TextReader(strict=strict)
        self._text = bytearray()
        self._origin = 0
        self._at = self._depth = 0
        self._in_string = False
        self._count = 0

    @property
    def repaired(self) -> int:
        """How many lone surrogates became U+FFFD so far."""
        return self._reader.repaired

    @property
    def size(self) -> int:
        """Bytes of the decompressed body so far."""
        return self._reader.offset

    def feed(self, data: bytes) -> list[Batch]:
        """The documents that end in ``data``."""
        return self._documents_in(self._reader.feed(data))

    batches = feed

    def finish(self) -> list[Batch]:
        """End the body. Raises ``Unread`` where the last document is truncated."""
        batches = self._documents_in(self._reader.finish())
        if self._depth or self._in_string or _SOLID.search(self._text):
            raise truncated(self._reader.offset)
        return batches

    def _documents_in(self, data: bytes) -> list[Batch]:
        if not self._text:
            # Taken from the reader, because offsets count a byte order mark, which is not in the text.
            self._origin = self._reader.offset - len(data)
        self._text += data
        batches = []
        begin = 0
        while (end := self._next_end()) >= 0:
            batches.append(self._document_batch(begin, end))
            begin = end
        # Only the unfinished document stays, so memory is bounded by the largest one.
        del self._text[:begin]
        self._at -= begin
        self._origin += begin
        if len(self._text) > self._limits.element:
            raise too_large("document", self._origin, self._limits.element)
        return batches

    def _document_batch(self, begin: int, end: int) -> Batch:
        solid = _SOLID.search(self._text, begin)
        offset = self._origin + (solid.start() if solid else begin)
        try:
            # The decoder refuses NUL and ^Z, which some writers leave between documents.
            item = self._decode_document(bytes(self._text[begin:end]).lstrip(_BETWEEN))
        except RecursionError:
            raise too_deep(offset, self._limits.nesting) from None
        except msgspec.ValidationError as cause:
            message = str(cause).replace("`", "").replace("Expected", "expected")
            raise Unread(f"document {self._count}: {message}, at byte {offset}", offset=offset) from None
        except msgspec.DecodeError as cause:
            raise not_json(offset + (byte_offset(cause) or 0)) from None
        except UnicodeDecodeError:
            raise not_utf8(self._text[begin:end], self._origin + begin) from None
        self._count += 1
        return Batch((), (), self._count - 1, offset, [item])

    def _decode_document(self, text: bytes) -> Any:
        try:
            return self._decoder.decode(text)
        except msgspec.ValidationError:
            if not self._salvage:
                raise
            return salvage_struct(msgspec.json.decode(text), self._kind, [])

    def _next_end(self) -> int:
        """The offset behind the current document; -1 while its end is not in the buffer."""
        text = self._text
        while self._at < len(text):
            if self._in_string:
                quote = closing_quote(text, self._at)
                self._in_string = quote < 0
                self._at = len(text) if quote < 0 else quote + 1
                continue
            match = _TOKEN.search(text, self._at)
            if match is None:
                self._at = len(text)
                break
            self._at = match.end()
            if match.end() - match.start() == 1 and self._closes_document(text[match.start()], match.start()):
                return self._at
        return -1

    def _closes_document(self, byte: int, at: int) -> bool:
        if byte == 0x22:
            self._in_string = True
        elif byte in b"{[":
            self._depth += 1
            if self._depth > self._limits.nesting:
                raise too_deep(self._origin + at, self._limits.nesting)
        else:
            self._depth -= 1
            # A stray closing bracket ends a document too, which the decoder then refuses.
            return self._depth <= 0
        return False
