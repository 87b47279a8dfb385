"""One body that arrives in one or several requests: its bytes so far, and whether a request for the rest may resume it.

Ranges count encoded bytes and the spool holds decoded ones, so the decoder stands here, where it survives a broken
connection. This module knows header names and no network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from turnkeeper.genesys.content_encoding import BrokenEncoding, Decoder, content_length
from turnkeeper.spool import Spool

__all__ = ["ResumableBody"]

_PROGRESS = 1 << 20
# A header may hold thousands of digits, which Python refuses to convert.
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


class ResumableBody:
    """The state of one download.

    ``received`` counts encoded bytes. ``restarts`` and ``breaks`` count what the caller limits. A body over ``limit``
    bytes, encoded or decoded, is ``too_large``, and no more of it is stored.
    """

    def __init__(self, folder: Path | None, limit: int = 1 << 62) -> None:
        self._folder = folder
        self.limit = limit
        self.too_large = False
        self.spool = Spool(folder)
        self.restarts = 0
        self.breaks = 0
        self._reset()

    def _reset(self) -> None:
        self.received = 0
        self._received_at_break = 0
        self._decoder: Decoder | None = None
        self._damage = ""
        self._total: int | None = None
        self._etag = ""
        self._encoding = ""

    @property
    def resumable(self) -> bool:
        """Whether storage named a strong ETag, which proves that the rest belongs to the same document."""
        return self.received > 0 and self._etag.startswith('"') and not self._damage

    @property
    def request_headers(self) -> dict[str, str]:
        """Headers of the next request: none for the whole body, a range for the rest."""
        return {"Range": f"bytes={self.received}-", "If-Range": self._etag} if self.resumable else {}

    def accepts(self, status: int, headers: Mapping[str, str]) -> bool:
        """Take in an answer's headers; False where it neither begins the body nor continues it where it stopped."""
        if status == 206:
            return self._continues(headers)
        if status == 200:
            # Storage sends the whole body: the document has changed, or the server knows no ranges.
            if self.received:
                self.restart()
            return self._begins(headers)
        # Other statuses are errors, which the caller explains.
        return True

    def add(self, chunk: bytes) -> None:
        """Decode and store the next encoded bytes."""
        self.received += len(chunk)
        self.too_large = self.too_large or self.received > self.limit
        if self._damage or self._decoder is None or self.too_large:
            return
        try:
            for piece in self._decoder.feed(chunk):
                if self.spool.size + len(piece) > self.limit:
                    self.too_large = True
                    return
                self.spool.write(piece)
        except BrokenEncoding as cause:
            # Kept for ``missing``: a damaged body is begun again, like one that broke off.
            self._damage = str(cause)

    @property
    def missing(self) -> str:
        """Why the body is not whole; empty where it is."""
        if self._total is not None and self.received != self._total:
            return f"{self.received} of {self._total} bytes came"
        if self._damage:
            return self._damage
        if self._decoder is not None and not self._decoder.whole:
            # All announced bytes came, so a request for the rest would get nothing.
            self.refuse_resuming()
            return "the compressed body ended early"
        return ""

    def after_break(self) -> None:
        """Count a broken connection, and prepare to resume or to restart.

        The count begins again after each megabyte, so that a slow network does not fail a large body.
        """
        self.breaks = 1 if self.received - self._received_at_break >= _PROGRESS else self.breaks + 1
        self._received_at_break = self.received
        if not self.resumable:
            self.restart()

    def refuse_resuming(self) -> None:
        """Let the next attempt begin again."""
        self._etag = ""

    def restart(self) -> None:
        """Throw away the bytes so far, and begin again in a new spool."""
        self.spool.close()
        self.spool = Spool(self._folder)
        self.restarts += 1
        self._reset()

    def _begins(self, headers: Mapping[str, str]) -> bool:
        self._encoding = headers.get("content-encoding", "")
        self._etag = headers.get("etag", "")
        self._total = content_length(headers.get("content-length", ""))
        try:
            self._decoder = Decoder(self._encoding)
        except BrokenEncoding as cause:
            self._damage = str(cause)
        return True

    def _continues(self, headers: Mapping[str, str]) -> bool:
        match = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
        if match is None or not self.received or int(match[1]) != self.received:
            return False
        total = None if match[3] == "*" else int(match[3])
        same_tag = headers.get("etag", self._etag) == self._etag
        same_encoding = headers.get("content-encoding", self._encoding) == self._encoding
        # A server that ignores If-Range goes on with a document that has changed meanwhile.
        if not (same_tag and same_encoding) or (self._total is not None and total is not None and total != self._total):
            return False
        self._total = total if self._total is None else self._total
        return True
