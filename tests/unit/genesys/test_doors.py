"""The door lets out our own errors only: each builtin exception, raised at each await behind it, becomes one."""

from __future__ import annotations

import builtins
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any

import httpx2
import pytest

from turnkeeper.clock import ManualClock
from turnkeeper.errors import Denied, Fatal, TurnkeeperError
from turnkeeper.events import silent
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval
from turnkeeper.payloads.details import DetailParticipant, Details, DetailSession
from turnkeeper.settings import PlatformSettings, RetrySettings

pytestmark = pytest.mark.anyio
NOW = datetime.fromisoformat("2026-11-02T09:00:00+00:00")
DAY = Interval(datetime.fromisoformat("2026-11-01T00:00:00+00:00"), datetime.fromisoformat("2026-11-02T00:00:00+00:00"))
SESSION = DetailSession(id="leg", media_type="voice", recorded=True, purpose="customer")
DETAILS = Details(
    conversation="c1",
    start=0,
    end=1,
    participants=(DetailParticipant(id="p", purpose="customer", sessions=(SESSION,)),),
)


def made(kind: type[Exception]) -> Exception | None:
    """An exception of this kind; None for one that cannot be made."""
    odd: dict[type[Exception], tuple[Any, ...]] = {
        UnicodeDecodeError: ("utf-8", b"\xff", 0, 1, "hush-hush"),
        UnicodeEncodeError: ("utf-8", "\ud800", 0, 1, "hush-hush"),
        UnicodeTranslateError: ("x", 0, 1, "hush-hush"),
        ExceptionGroup: ("hush-hush", [ValueError("hush-hush")]),
    }
    try:
        return kind(*odd.get(kind, ("hush-hush",)))
    except TypeError:
        return None


KINDS = [
    kind
    for kind in vars(builtins).values()
    if isinstance(kind, type) and issubclass(kind, Exception) and made(kind) is not None
]


class Broken(httpx2.AsyncBaseTransport):
    """Answers as a platform does, but raises at the awaits of one place: in sending, in the body, or in closing it."""

    def __init__(self, kind: type[Exception], place: str, path: str) -> None:
        self.kind, self.place, self.path = kind, place, path
        self.raised = 0

    def burst(self, place: str) -> None:
        if place == self.place:
            self.raised += 1
            error = made(self.kind)
            assert error is not None
            raise error

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        is_here = self.path in str(request.url)
        if is_here:
            self.burst("send")
        return httpx2.Response(200, stream=Body(self, json.dumps(answer_to(request)).encode(), is_here=is_here))


class Body(httpx2.AsyncByteStream):
    def __init__(self, transport: Broken, data: bytes, *, is_here: bool) -> None:
        self.transport, self.data, self.is_here = transport, data, is_here

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self.is_here:
            self.transport.burst("read")
        yield self.data[:3]
        if self.is_here:
            self.transport.burst("read on")
        yield self.data[3:]

    async def aclose(self) -> None:
        if self.is_here:
            self.transport.burst("close")


def answer_to(request: httpx2.Request) -> Any:
    path = request.url.path
    table = {
        "/oauth/token": {"access_token": "token-of-a-test", "expires_in": 86_400},
        "/details/query": {"conversations": [], "totalHits": 0},
        "/details/jobs": {"jobId": "j1"},
        "/jobs/j1": {"state": "FULFILLED"},
        "/results": {"conversations": [], "dataAvailabilityDate": "2026-11-20T00:00:00Z"},
        "/availability": {"dataAvailabilityDate": "2026-11-20T00:00:00Z"},
        "/conversations/details": {"conversations": []},
        "/transcripts/search": {"total": 0, "results": []},
        "/transcripturl": {"url": "https://store.example/file?sig=1"},
        "/file": {"transcripts": [{"phrases": []}]},
        "/transcripts": {"transcript": [{"text": "x"}]},
        "/recordingmetadata": [{"id": "r1", "media": "audio"}],
        "/recordings": [{"id": "r1", "media": "audio", "mediaUris": {"S": {"mediaUri": "https://store.example/a"}}}],
        "/batchrequests": {"id": "b1"},
        "/batchrequests/b1": {
            "status": "Completed",
            "results": [{"conversationId": "c1", "recordingId": "r1", "resultUrl": "https://store.example/a"}],
        },
        "/organizations/me": {"id": "org-1"},
        "/users": {"entities": [], "pageCount": 1},
        "/a": [],
    }
    return next((value for name, value in table.items() if path.endswith(name)), {})


async def drain(pages: Any) -> None:
    async for _ in pages:
        pass


Ask = Callable[[Genesys], Awaitable[Any]]
ASKS: dict[str, tuple[str, Ask]] = {
    "token": ("/oauth/token", lambda door: door.token_probe()),
    "token on the way": ("/oauth/token", lambda door: door.details("c1")),
    "organisation": ("/organizations/me", lambda door: door.organisation()),
    "details": ("/c1/details", lambda door: door.details("c1")),
    "query": ("/details/query", lambda door: drain(door.conversations(DAY, Filters()))),
    "page": ("/details/query", lambda door: door.conversation_page(DAY, Filters(), 1)),
    "job": ("/details/jobs", lambda door: drain(door.job(DAY, Filters()))),
    "state": ("/jobs/j1", lambda door: drain(door.job(DAY, Filters()))),
    "results": ("/results", lambda door: drain(door.job(DAY, Filters()))),
    "availability": ("/availability", lambda door: door.available()),
    "ids": ("/conversations/details", lambda door: door.several(["c1"])),
    "search": ("/transcripts/search", lambda door: door.listed(Interval(NOW, NOW), 5)),
    "link": ("/transcripturl", lambda door: door.transcripts("c1", DETAILS, api="speech")),
    "file": ("store.example", lambda door: door.transcripts("c1", DETAILS, api="speech")),
    "ask": ("/transcripturl", lambda door: door.ask("c1", DETAILS)),
    "media": ("/conversations/media/", lambda door: door.transcripts("c1", None, api="media")),
    "recordings": ("/recordings", lambda door: door.recordings.fetch("c1", format="WAV")),
    "metadata": ("/recordingmetadata", lambda door: door.recordings.fetch("c1")),
    "batch": ("/batchrequests", lambda door: door.recordings.fetch("c1")),
    "audio": ("store.example", lambda door: door.recordings.fetch("c1")),
    "names": ("/users", lambda door: door.names("users", ["u1"])),
    "directory": ("/users", lambda door: door.directory("users")),
    "probe": ("/api/v2/users", lambda door: door.probe("/api/v2/users")),
}


def door_with(transport: httpx2.AsyncBaseTransport, clock: Any) -> Genesys:
    settings = PlatformSettings(
        client_id="id", client_secret="hush-hush", region="us-east-1", retry=RetrySettings(attempts=2)
    )
    return Genesys(settings, transport=transport, clock=clock, listener=silent)


async def only_ours(asking: Awaitable[Any]) -> TurnkeeperError | None:
    """Our error, if one came; any other exception fails the test."""
    try:
        await asking
    except TurnkeeperError as error:
        return error
    return None


@pytest.mark.parametrize("place", ["send", "read", "read on", "close"])
@pytest.mark.parametrize("name", ASKS)
async def test_each_builtin_exception_of_the_wire_becomes_one_of_ours(name: str, place: str) -> None:
    """K8: foreign exceptions become ours at every door: each builtin exception at every await."""
    path, ask = ASKS[name]
    for kind in KINDS:
        transport = Broken(kind, place, path)
        error = await only_ours(ask(door_with(transport, ManualClock(NOW))))
        unread = name == "probe" and place.startswith("read")  # a probe has no use for the body of a success
        assert transport.raised or unread, (kind, "was never raised: the test proves nothing")
        # A broken connection is nobody's fault that would end a run.
        assert not isinstance(error, Fatal) or isinstance(error, Denied), (kind, error)
        assert "hush-hush" not in str(error)


class BrokenClock(ManualClock):
    """A clock on which nobody can sleep."""

    def __init__(self, kind: type[Exception]) -> None:
        super().__init__(NOW)
        self.kind = kind

    async def sleep(self, seconds: float) -> None:
        error = made(self.kind)
        assert error is not None
        raise error


@pytest.mark.parametrize("name", ASKS)
async def test_each_builtin_exception_of_the_clock_becomes_one_of_ours(name: str) -> None:
    """K8: the same at the awaits on the clock."""
    path, ask = ASKS[name]
    for kind in KINDS:
        door = door_with(Broken(ConnectionError, "send", path), BrokenClock(kind))
        error = await only_ours(ask(door))
        assert not isinstance(error, Fatal), (kind, error)


@pytest.mark.parametrize("name", ASKS)
async def test_the_asks_of_this_file_succeed_where_nothing_is_broken(name: str) -> None:
    transport = Broken(ValueError, "nowhere", "")
    assert await only_ours(ASKS[name][1](door_with(transport, ManualClock(NOW)))) is None
