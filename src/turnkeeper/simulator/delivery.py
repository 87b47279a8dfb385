"""Deliver a range of a body in pieces, slowly or cut short if a fault says so."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from turnkeeper.simulator.bodies import SimulatedBody

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_DRIP_PIECES = 24
_DRIP_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class ByteSpan:
    """A response's status and half-open byte range. The status is 416 if the range cannot be served."""

    status: int
    start: int
    stop: int


def span_of(headers: Mapping[str, str], body: SimulatedBody) -> ByteSpan:
    """Return the part of a body that a request asks for. Anything but a single range means the whole body."""
    whole = ByteSpan(200, 0, body.size)
    found = _RANGE.fullmatch(headers.get("range", ""))
    if found is None or found[0] == "bytes=-" or headers.get("if-range", body.tag) != body.tag:
        return whole
    if not found[1]:
        start, stop = max(0, body.size - int(found[2])), body.size
    else:
        start, stop = int(found[1]), min(body.size, int(found[2] or body.size - 1) + 1)
    if start >= body.size or (found[2] and found[1] and int(found[2]) < start):
        return ByteSpan(416, 0, 0)
    return ByteSpan(206, start, stop)


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """How a body is delivered. ``cut`` ends it in the middle, ``slow`` sends small pieces with pauses."""

    ranges: bool = True
    cut: bool = False
    slow: bool = False
    encoding: str | None = None
    content_type: str = "application/json"


class Delivery:
    """An ASGI response that sends one range of a body."""

    def __init__(self, body: SimulatedBody, span: ByteSpan, manner: DeliveryOptions) -> None:
        self._body = body
        self._span = span
        self._manner = manner

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Send head and pieces. Returning before the end makes the server drop the connection."""
        start = {"type": "http.response.start", "status": self._span.status, "headers": self._headers()}
        await send(start)
        if scope["method"] != "HEAD":
            for piece in self._body_pieces():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                if self._manner.slow:
                    await asyncio.sleep(_DRIP_SECONDS)
            if self._manner.cut:
                return
        await send({"type": "http.response.body", "body": b""})

    def _body_pieces(self) -> Iterator[bytes]:
        start, stop = self._span.start, self._span.stop
        if self._manner.cut:
            stop = start + (stop - start) // 2
        pieces = self._body.read(start, stop)
        if not self._manner.slow:
            return pieces
        return (drop for piece in pieces for drop in _small_pieces(piece))

    def _headers(self) -> list[tuple[bytes, bytes]]:
        span, size = self._span, self._body.size
        headers = {
            "content-type": self._manner.content_type,
            "content-length": str(span.stop - span.start),
            "etag": self._body.tag,
            "x-amz-request-id": "SIMULATED0000001",
        }
        if self._manner.ranges:
            headers["accept-ranges"] = "bytes"
        if self._manner.encoding:
            headers["content-encoding"] = self._manner.encoding
        if span.status == 206:
            headers["content-range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
        if span.status == 416:
            headers["content-range"] = f"bytes */{size}"
        return [(name.encode(), value.encode()) for name, value in headers.items()]


def _small_pieces(piece: bytes) -> Iterator[bytes]:
    width = max(1, -(-len(piece) // _DRIP_PIECES))
    for at in range(0, len(piece), width):
        yield piece[at : at + width]
