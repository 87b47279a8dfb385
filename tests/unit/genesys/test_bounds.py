"""Deadlines and sizes: what drips, never ends or is too large costs its own conversation and nothing else."""

from __future__ import annotations

import gzip
import resource
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx2
import pytest
from anyio.abc import SocketAttribute, SocketStream

from turnkeeper.cli.options import PlatformOptions, platform_settings
from turnkeeper.clock import ManualClock
from turnkeeper.errors import Incomplete, Misconfigured, TooLarge, TurnkeeperError, Unavailable
from turnkeeper.events import silent
from turnkeeper.genesys.download import Downloads
from turnkeeper.genesys.http import Http
from turnkeeper.genesys.retry import RetryPolicy
from turnkeeper.settings import BodyLimits, PlatformSettings, RetrySettings

pytestmark = pytest.mark.anyio
World = Any


class Endless(httpx2.AsyncByteStream):
    """A body without an end; each piece of it takes a second of the time that it is given."""

    def __init__(self, tick: Callable[[], None], piece: bytes = b"x") -> None:
        self.tick, self.piece, self.given = tick, piece, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.tick()
            self.given += 1
            yield self.piece


async def download(stream: Endless, limits: BodyLimits, now: Callable[[], float] = lambda: 0.0, **headers: str) -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, stream=stream, headers=headers))
    http = Http(PlatformSettings(body=limits), transport, now=now)
    clock, retry = ManualClock(), RetrySettings()
    downloads = Downloads(http, RetryPolicy(retry, clock, silent), retry, clock, silent, body=limits)

    async def renew() -> str:
        return "https://store.example/again"

    (await downloads.fetch("https://store.example/x?sig=1", renew, key="c1")).close()


async def test_one_byte_a_second_ends_with_the_deadline() -> None:
    """K8: one byte a second for ever."""
    clock = ManualClock()
    stream = Endless(lambda: clock.advance(1))
    with pytest.raises(Incomplete, match="deadline") as caught:
        await download(stream, BodyLimits(seconds=600), clock.monotonic)
    assert "TURNKEEPER_BODY_TIMEOUT" in caught.value.hint
    assert stream.given <= 601


async def test_a_body_without_an_end_stops_at_its_limit() -> None:
    """K8: an endless body fills the disk and ends every run."""
    stream = Endless(lambda: None, bytes(1 << 16))
    with pytest.raises(TooLarge, match=str(1 << 20)) as caught:
        await download(stream, BodyLimits(size=1 << 20))
    assert "TURNKEEPER_MAX_BODY" in caught.value.hint
    assert stream.given <= 17


async def test_a_bomb_is_measured_unpacked() -> None:
    """K8: a body of which little travels and much comes out."""
    bomb = gzip.compress(bytes(8 << 20))
    stream = Endless(lambda: None, bomb)
    with pytest.raises(TooLarge):
        await download(stream, BodyLimits(size=1 << 20), **{"Content-Encoding": "gzip"})
    assert stream.given == 1


async def test_a_body_of_an_error_is_not_waited_for_either() -> None:
    """K8: the same in the body of a refusal."""
    clock = ManualClock()
    stream = Endless(lambda: clock.advance(1))
    transport = httpx2.MockTransport(lambda _: httpx2.Response(403, stream=stream))
    http = Http(PlatformSettings(), transport, now=clock.monotonic)
    async with http.send("GET", "https://api.example/x") as answer:
        assert len(await answer.text(1 << 16)) < 400
    assert clock.monotonic() < 400


@pytest.mark.parametrize("head", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"])
async def test_interim_answers_without_an_end_do_not_hold_anybody(head: bytes) -> None:
    """K8: endless ``100 Continue``."""

    async def flood(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            try:
                while True:
                    await stream.send(head * 50)
            except anyio.BrokenResourceError:
                pass

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, flood)
        port = listener.extra(SocketAttribute.local_port)
        http = Http(PlatformSettings(body=BodyLimits(seconds=0.2)))
        with pytest.raises(Unavailable, match="no answer began"):
            async with http.send("GET", f"http://127.0.0.1:{port}/"):
                pass
        await http.close()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("ask", ["details", "recordings", "users", "query"])
async def test_an_answer_of_a_gigabyte_is_refused_in_little_memory(world: Callable[..., World], ask: str) -> None:
    """K8: details or recording metadata of 1 GB (1 MB gzipped): bounded like every other answer."""
    member = gzip.compress(b" " * (64 << 20), 1)

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"Content-Encoding": "gzip"}, stream=Endless(lambda: None, member))

    here = world(answer)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error: TurnkeeperError | None = None
    try:
        if ask == "details":
            await here.door.details("c1")
        elif ask == "recordings":
            await here.door.recordings.fetch("c1")
        elif ask == "users":
            assert "missing" in (await here.door.directory("users")).note
        else:
            await here.door.several(["c1"])
    except TooLarge as caught:
        error = caught
    assert ask == "users" or error is not None
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / (
        1 if sys.platform == "darwin" else 1 / 1024
    )
    assert grown < 300 << 20


async def test_an_answer_that_storage_gives_in_the_apis_place_has_the_same_limit(world: Callable[..., World]) -> None:
    """K8: the same behind a redirect of the API to storage."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "api.mypurecloud.com":
            return httpx2.Response(302, headers={"Location": "https://store.example/x?sig=1"})
        return httpx2.Response(200, stream=Endless(lambda: None, bytes(1 << 20)))

    with pytest.raises(TooLarge):
        await world(answer).door.details("c1")


def test_limits_come_from_the_options_or_the_environment() -> None:
    found = PlatformSettings.from_environment({"TURNKEEPER_MAX_BODY": "500M", "TURNKEEPER_BODY_TIMEOUT": "60"})
    assert found.body == BodyLimits(60.0, 500 << 20)
    assert PlatformSettings.from_environment({}).body == BodyLimits(3600.0, 4 << 30)
    assert platform_settings(PlatformOptions(max_body="8GiB", body_timeout=5)).body == BodyLimits(5.0, 8 << 30)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TURNKEEPER_MAX_BODY", "much"),
        ("TURNKEEPER_MAX_BODY", "0"),
        ("TURNKEEPER_BODY_TIMEOUT", "inf"),
        ("TURNKEEPER_BODY_TIMEOUT", "-1"),
        ("TURNKEEPER_BODY_TIMEOUT", "x"),
    ],
)
def test_a_limit_that_is_none_is_named(name: str, value: str) -> None:
    with pytest.raises(Misconfigured, match=name):
        PlatformSettings.from_environment({name: value})
