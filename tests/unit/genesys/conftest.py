"""A door whose sockets are a function, and answers whose bodies come in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

import httpx2
import pytest

from turnkeeper.clock import ManualClock
from turnkeeper.events import Event
from turnkeeper.genesys.client import Genesys
from turnkeeper.settings import PlatformSettings

TOKEN = {"access_token": "token-1", "token_type": "bearer", "expires_in": 86399}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


class Pieces(httpx2.AsyncByteStream):
    """A body on the wire; ``broken`` ends it with a lost connection."""

    def __init__(self, pieces: Iterable[bytes], *, broken: bool = False) -> None:
        self._pieces, self._broken = list(pieces), broken

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._broken:
            raise httpx2.ReadError("lost")


@pytest.fixture
def sent() -> Callable[..., httpx2.Response]:
    def make(
        body: bytes,
        *,
        status: int = 200,
        length: int | None = None,
        broken: bool = False,
        step: int = 1000,
        **headers: str,
    ) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Content-Length"] = str(len(body) if length is None else length)
        pieces = [body[at : at + step] for at in range(0, len(body), step)]
        return httpx2.Response(status, headers=named, stream=Pieces(pieces, broken=broken))

    return make


class World:
    """One door, the requests it sent, the events it told, the clock it lived by."""

    def __init__(self, door: Genesys, requests: list[httpx2.Request], events: list[Event], clock: ManualClock) -> None:
        self.door, self.requests, self.events, self.clock = door, requests, events, clock

    def asked(self, host_or_path: str) -> list[httpx2.Request]:
        return [request for request in self.requests if host_or_path in str(request.url)]


@pytest.fixture
def world(clock: ManualClock) -> Callable[..., World]:
    def make(answer: Callable[[httpx2.Request], httpx2.Response], **changes: object) -> World:
        requests: list[httpx2.Request] = []
        events: list[Event] = []

        def handle(request: httpx2.Request) -> httpx2.Response:
            requests.append(request)
            if request.url.path.endswith("/oauth/token") and not changes.get("own_tokens"):
                return httpx2.Response(200, json=TOKEN)
            return answer(request)

        own = {name: value for name, value in changes.items() if name != "own_tokens"}
        settings = PlatformSettings(client_id="id", client_secret="hush-hush", region="us-east-1").but(**own)
        door = Genesys(settings, transport=httpx2.MockTransport(handle), clock=clock, listener=events.append)
        return World(door, requests, events, clock)

    return make
