"""One body on its way, perhaps in several pieces: what came, and whether it may be gone on with.

Ranges speak of encoded bytes, the spool holds decoded ones; the decoder lives here so that it survives a break. Knows
header names and no network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from turnkeeper.genesys.content_encoding import BrokenEncoding, Decoder, announced
from turnkeeper.spool import Spool

__all__ = ["Partial"]

_GOOD_STRETCH = 1 << 20
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


class Partial:
    """The state of one download. ``received`` counts encoded bytes; ``restarts`` and ``breaks`` bound the effort.

    What passes ``limit`` bytes, encoded or decoded, is ``too_large``, and nothing more of it is kept.
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
        self._mark = 0
        self._decoder: Decoder | None = None
        self._damage = ""
        self._total: int | None = None
        self._etag = ""
        self._encoding = ""

    @property
    def resumable(self) -> bool:
        """Whether storage named a strong ETag, so that "the same" can be proved."""
        return self.received > 0 and self._etag.startswith('"') and not self._damage

    @property
    def request_headers(self) -> dict[str, str]:
        """What the next request asks for: everything, or the rest."""
        return {"Range": f"bytes={self.received}-", "If-Range": self._etag} if self.resumable else {}

    def accepts(self, status: int, headers: Mapping[str, str]) -> bool:
        """Take note of an answer's head; False where it neither begins the body nor goes on where it stopped."""
        if status == 206:
            return self._continues(headers)
        if status == 200:
            # Storage sends everything: the document changed, or it knows no ranges.
            if self.received:
                self.restart()
            return self._begins(headers)
        return True

    def add(self, chunk: bytes) -> None:
        """Decode and keep the next encoded bytes."""
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
            self._damage = str(cause)

    @property
    def wanting(self) -> str:
        """Why the body is not whole; empty where it is."""
        if self._total is not None and self.received != self._total:
            return f"{self.received} of {self._total} bytes came"
        if self._damage:
            return self._damage
        if self._decoder is not None and not self._decoder.whole:
            # The transport was content, so asking for "the rest" would get nothing.
            self.forget()
            return "the compressed body ended early"
        return ""

    def broke(self) -> None:
        """The body broke off: be ready to go on or to begin again. A good stretch in between starts the count anew."""
        self.breaks = 1 if self.received - self._mark >= _GOOD_STRETCH else self.breaks + 1
        self._mark = self.received
        if not self.resumable:
            self.restart()

    def forget(self) -> None:
        """What came cannot be gone on with."""
        self._etag = ""

    def restart(self) -> None:
        """Throw away what came and begin again in a fresh spool."""
        self.spool.close()
        self.spool = Spool(self._folder)
        self.restarts += 1
        self._reset()

    def _begins(self, headers: Mapping[str, str]) -> bool:
        self._encoding = headers.get("content-encoding", "")
        self._etag = headers.get("etag", "")
        self._total = announced(headers.get("content-length", ""))
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
        same = headers.get("etag", self._etag) == self._etag
        same = same and headers.get("content-encoding", self._encoding) == self._encoding
        if not same or (self._total is not None and total is not None and total != self._total):
            return False
        self._total = total if self._total is None else self._total
        return True
