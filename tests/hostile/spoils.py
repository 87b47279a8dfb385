"""Ways to break an answer: each takes the honest one and gives what goes out instead."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from tests.hostile.platform import Platform, Spoil
from tests.hostile.wire import Answer, Request

__all__ = [
    "another_call",
    "another_leg",
    "bomb",
    "changed",
    "chunks_cut",
    "continues",
    "dripping",
    "echo",
    "endless",
    "every",
    "first",
    "fixed",
    "headed",
    "huge",
    "moved",
    "nested_bomb",
    "shortened",
    "wrong_length",
]

MIB = 1 << 20
CHECKED = 512 * MIB


def fixed(text: str, status: int = 200, kind: str = "application/json") -> Spoil:
    """This body, whatever was asked."""
    return lambda platform, request, honest: Answer(
        status, text.encode("utf-8", "surrogatepass"), {"Content-Type": kind}
    )


def changed(change: Callable[[Any], Any]) -> Spoil:
    """The honest document, changed; ``change`` may alter it in place and give nothing."""

    def spoil(platform: Platform, request: Request, honest: Answer) -> Answer:
        document = honest.document
        other = change(document)
        return Answer.of(document if other is None else other, honest.status)

    return spoil


def headed(status: int | None = None, **headers: str) -> Spoil:
    """The honest body with other headers."""
    return lambda platform, request, honest: replace(
        honest.but(**headers), status=honest.status if status is None else status
    )


def first(times: int, spoil: Spoil) -> Spoil:
    """Only so many times; honest afterwards."""
    count = itertools.count(1)
    lock = threading.Lock()

    def some(platform: Platform, request: Request, honest: Answer) -> Answer:
        with lock:
            number = next(count)
        return spoil(platform, request, honest) if number <= times else honest

    return some


def every(number: int, spoil: Spoil) -> Spoil:
    """Only the answer to page ``number``; the others are honest."""

    def some(platform: Platform, request: Request, honest: Answer) -> Answer:
        at = request.json["paging"]["pageNumber"]
        return spoil(platform, request, honest) if at == number else honest

    return some


def moved(status: int, to: Callable[[Platform, Request], str]) -> Spoil:
    """A redirect."""
    return lambda platform, request, honest: Answer(status, b"{}", {"Location": to(platform, request)})


def wrong_length(by: int) -> Spoil:
    """Content-Length is wrong by so many bytes, and the connection is closed behind the body."""

    def spoil(platform: Platform, request: Request, honest: Answer) -> Answer:
        data = honest.packed(len(honest.body) + by)
        return Answer(raw=lambda wire: wire.sendall(data))

    return spoil


def shortened(part: float = 0.5) -> Spoil:
    """Only the first part of the body, with the length to match."""
    return lambda platform, request, honest: replace(honest, body=honest.body[: int(len(honest.body) * part)])


def chunks_cut(platform: Platform, request: Request, honest: Answer) -> Answer:
    """Chunked, and closed in the middle of the second chunk."""
    half = len(honest.body) // 2
    one, other = honest.body[:half], honest.body[half:]
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    data = head + b"%x\r\n%s\r\n%x\r\n%s" % (len(one), one, len(other), other[:-1])
    return Answer(raw=lambda wire: wire.sendall(data))


def dripping(head: bytes | None = None) -> Spoil:
    """A byte a second for ever, by the platform's own clock; a real one every few milliseconds."""

    def spoil(platform: Platform, request: Request, honest: Answer) -> Answer:
        def drip(wire: socket.socket) -> None:
            wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n" if head is None else head)
            while True:
                platform.advance(1.0)
                time.sleep(0.005)
                wire.sendall(b" ")

        return Answer(raw=drip)

    return spoil


def endless(status: int = 200, piece: bytes = b" " * 65_536, head: bytes = b"") -> Spoil:
    """A body without an end, as fast as it is read."""

    def spoil(platform: Platform, request: Request, honest: Answer) -> Answer:
        def pour(wire: socket.socket) -> None:
            wire.sendall(b"HTTP/1.1 %d Fine\r\nContent-Type: application/json\r\n%s\r\n" % (status, head))
            while True:
                wire.sendall(piece)

        return Answer(raw=pour)

    return spoil


def continues(platform: Platform, request: Request, honest: Answer) -> Answer:
    """100 Continue, again and again."""

    def pour(wire: socket.socket) -> None:
        while True:
            wire.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 64)
            platform.advance(1.0)
            time.sleep(0.005)

    return Answer(raw=pour)


def bomb(mib: int, status: int = 200) -> Spoil:
    """So many MiB of spaces, packed a thousand to one."""
    return lambda platform, request, honest: Answer(status, _spaces(mib), {"Content-Encoding": "gzip"})


def nested_bomb(mib: int) -> Spoil:
    """A bomb inside a gzip file that is itself sent packed."""
    return lambda platform, request, honest: Answer(200, gzip.compress(_spaces(mib)), {"Content-Encoding": "gzip"})


@lru_cache
def _spaces(mib: int) -> bytes:
    return packed(itertools.repeat(b" " * MIB, mib))


def huge(wrap: Callable[[Any], tuple[str, Any, str]]) -> Spoil:
    """About a GiB of JSON, a MiB on the wire: ``wrap`` splits the honest document into head, element and tail."""

    def spoil(platform: Platform, request: Request, honest: Answer) -> Answer:
        if honest.document == {"conversations": [], "totalHits": 0}:
            return honest  # a day without calls has nothing to be multiplied
        head, element, tail = wrap(honest.document)
        one = json.dumps(element).encode() + b","
        block = one * (MIB // len(one) + 1)
        pieces = itertools.chain([head.encode()], itertools.repeat(block, 1000), [one[:-1] + tail.encode()])
        return Answer(200, packed(pieces), {"Content-Encoding": "gzip", "Content-Type": "application/json"})

    return spoil


def echo(status: int, shape: Callable[[str], bytes], kind: str = "application/json") -> Spoil:
    """An error whose body repeats the request: its address, headers and body."""

    def spoil(platform: Platform, request: Request, honest: Answer) -> Answer:
        said = f"{request.method} {request.target} {request.headers} {request.body.decode(errors='replace')}"
        return Answer(status, shape(said), {"Content-Type": kind})

    return spoil


def packed(pieces: Iterator[bytes]) -> bytes:
    """A gzip file of the pieces. One that comes again is copied, not packed again: each stands for itself.

    Beyond 512 MiB its checksum is wrong, because it takes seconds and nobody should get there.
    """
    known: dict[bytes, bytes] = {}
    out, check, size = [b"\x1f\x8b\x08" + bytes(5) + b"\x00\xff"], 0, 0
    for piece in pieces:
        if piece not in known:
            pack = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
            known[piece] = pack.compress(piece) + pack.flush(zlib.Z_FULL_FLUSH)
        out.append(known[piece])
        size += len(piece)
        check = zlib.crc32(piece, check) if size <= CHECKED else 0
    end = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS).flush()
    return b"".join(out) + end + (check & 0xFFFFFFFF).to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")


def another_leg(platform: Platform, request: Request, honest: Answer) -> Answer:
    """Of a call with several legs always the first one's file."""
    call = next(one for one in platform.calls if one.id in request.path)
    return Answer.of(call.file(call.legs[0]))


def another_call(what: str) -> Spoil:
    """What belongs to another call than was asked for: its ``details``, its ``media`` or what was ``recorded``."""

    def spoil(platform: Platform, request: Request, honest: Answer) -> Answer:
        other = next(one for one in platform.calls if one.id not in request.path)
        document = getattr(other, what)()
        return Answer.of([document] if what == "recorded" else document)

    return spoil
