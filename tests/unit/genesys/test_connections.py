"""Connections are used again: as many stay open as requests were under way, and the last one used is the next."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import httpx2
from anyio.abc import SocketAttribute, SocketStream

from turnkeeper.genesys.http import Http
from turnkeeper.settings import PlatformSettings


@dataclass
class Server:
    """Answers on loopback and notes which connection each request came by; ``gate`` holds answers back."""

    url: str = ""
    came: list[int] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    gate: anyio.Event = field(default_factory=anyio.Event)
    open: int = 0

    async def serve(self, stream: SocketStream) -> None:
        async with stream:
            name = stream.extra(SocketAttribute.remote_port)
            self.open += 1
            while head := await _head(stream):
                self.came.append(int(name))
                self.heads.append(head)
                await self.gate.wait()
                await stream.send(b"HTTP/1.1 200 OK\r\nX-Two: a\r\nx-two: b\r\nContent-Length: 2\r\n\r\nok")
        self.open -= 1


async def _head(stream: SocketStream) -> bytes:
    found = b""
    while not found.endswith(b"\r\n\r\n"):
        try:
            found += await stream.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            return b""
    return found


@asynccontextmanager
async def serving(now: Callable[[], float] = time.monotonic) -> AsyncIterator[tuple[Server, Http]]:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        port = listener.extra(SocketAttribute.local_port)
        server, http = Server(f"http://127.0.0.1:{port}/"), Http(PlatformSettings(), now=now)
        tasks.start_soon(listener.serve, server.serve)
        yield server, http
        await http.close()
        tasks.cancel_scope.cancel()


async def body(http: Http, url: str) -> bytes:
    async with http.send("GET", url, {"Accept": "application/json"}) as answer:
        assert answer.headers["x-two"] == "a, b"
        return await answer.text(100)


def test_one_after_the_other_by_one_connection() -> None:
    async def main() -> None:
        async with serving() as (server, http):
            server.gate.set()
            assert [await body(http, server.url) for _ in range(5)] == [b"ok"] * 5
            assert len(set(server.came)) == 1
            assert len(re.findall(rb"(?im)^accept:", server.heads[0])) == 1

    anyio.run(main)


def test_five_at_once_by_five_and_then_by_one_of_them() -> None:
    async def main() -> None:
        async with serving() as (server, http):
            async with anyio.create_task_group() as tasks:
                for _ in range(5):
                    tasks.start_soon(body, http, server.url)
                while len(server.came) < 5:
                    await anyio.lowlevel.checkpoint()
                server.gate.set()
            first = set(server.came)
            assert len(first) == 5
            for _ in range(10):
                await body(http, server.url)
            assert len(set(server.came[5:])) == 1
            assert set(server.came[5:]) <= first

    anyio.run(main)


def test_connections_that_nobody_uses_are_closed() -> None:
    """K6: idle connections stay in CLOSE_WAIT."""
    moments = [0.0]

    async def main() -> None:
        async with serving(lambda: moments[0]) as (server, http):
            async with anyio.create_task_group() as tasks:
                for _ in range(5):
                    tasks.start_soon(body, http, server.url)
                while len(server.came) < 5:
                    await anyio.lowlevel.checkpoint()
                server.gate.set()
            moments[0] = 20
            await body(http, server.url)
            assert server.open == 5
            # With the next request those go that nobody has used for half a minute.
            moments[0] = 40
            await body(http, server.url)
            await left(server, 1)
            await http.close_idle()
            await left(server, 0)
            await body(http, server.url)

    anyio.run(main)


async def left(server: Server, count: int) -> None:
    with anyio.fail_after(30):
        while server.open != count:
            await anyio.lowlevel.checkpoint()


def test_a_transport_that_was_given_is_not_closed_while_it_is_used() -> None:
    class Given(httpx2.MockTransport):
        closed = 0

        async def aclose(self) -> None:
            self.closed += 1

    async def main() -> None:
        given = Given(lambda _: httpx2.Response(200, headers=[("X-Two", "a"), ("x-two", "b")]))
        http = Http(PlatformSettings(), given)
        await body(http, "https://one/")
        await http.close_idle()
        assert given.closed == 0
        await http.close()
        assert given.closed == 1

    anyio.run(main)
