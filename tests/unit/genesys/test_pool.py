"""Several OAuth clients as one pool: who is asked with, who is put aside, and when it ends."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import anyio
import httpx2
import pytest

from turnkeeper.clock import ManualClock
from turnkeeper.errors import Denied, StoreRefused, Throttled, Unavailable
from turnkeeper.events import Event, Noted, Renewed
from turnkeeper.exporter.get import get
from turnkeeper.genesys.client import Genesys
from turnkeeper.settings import ClientSettings, PlatformSettings, StoreSettings

pytestmark = pytest.mark.anyio
WINDOW = 60.0


class Platform:
    """Tokens named after their clients; a window of so many requests for each; secrets that may change."""

    def __init__(self, clock: ManualClock, allowed: int = 100, **secrets: str) -> None:
        self.clock, self.allowed, self.secrets = clock, allowed, secrets
        self.began: dict[str, float] = {}
        self.count: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self.dead: set[str] = set()
        self.refused = 0
        self.answer: Callable[[str], httpx2.Response | None] = lambda _: None

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/oauth/token"):
            return self.token(request)
        bearer = request.headers["authorization"].removeprefix("Bearer ")
        client = bearer.partition(":")[0]
        if bearer in self.dead:
            return httpx2.Response(401, json={"code": "bad.credentials"})
        self.asked[client] += 1
        return self.answer(client) or self.counted(bearer)

    def token(self, request: httpx2.Request) -> httpx2.Response:
        pair = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        client, _, secret = pair.partition(":")
        if self.secrets.get(client) != secret:
            return httpx2.Response(401, json={"error": "invalid_client", "description": "authentication failed"})
        self.tokens[client] += 1
        return httpx2.Response(200, json={"access_token": f"{client}:{self.tokens[client]}", "expires_in": 86_400})

    def counted(self, bearer: str) -> httpx2.Response:
        now = self.clock.monotonic()
        if now >= self.began.get(bearer, -WINDOW) + WINDOW:
            self.began[bearer], self.count[bearer] = now, 0
        self.count[bearer] += 1
        self.refused += self.count[bearer] > self.allowed
        left = int(self.began[bearer] + WINDOW - now)
        told = {"count": self.count[bearer], "allowed": self.allowed, "reset": left}
        return httpx2.Response(
            200, json={"id": "org-1"}, headers={f"inin-ratelimit-{name}": str(value) for name, value in told.items()}
        )


def door(platform: Platform, events: list[Event], **changes: object) -> Genesys:
    first, *more = [ClientSettings(client, secret) for client, secret in platform.secrets.items()]
    settings = PlatformSettings(client_id=first.client_id, client_secret=first.client_secret, clients=tuple(more))
    return Genesys(
        settings.but(region="us-east-1", **changes),
        transport=httpx2.MockTransport(platform),
        clock=platform.clock,
        listener=events.append,
    )


async def test_three_clients_have_three_budgets(clock: ManualClock) -> None:
    platform = Platform(clock, a="1", b="2", c="3")
    async with door(platform, []) as genesys:
        for _ in range(290):
            await genesys.organisation()
        assert clock.monotonic() < 2
        assert platform.refused == 0
        assert min(platform.asked.values()) > 80
        quota = genesys.quota
        assert quota is not None
        assert (quota.allowed, quota.left, round(quota.seconds)) == (300, 10, 60)


async def test_a_second_client_is_not_bothered_for_little(clock: ManualClock) -> None:
    platform = Platform(clock, a="1", b="2")
    async with door(platform, []) as genesys:
        for _ in range(20):
            await genesys.organisation()
    assert platform.tokens == {"a": 1}


async def test_a_client_with_a_wrong_secret_is_put_aside_and_comes_back(clock: ManualClock) -> None:
    platform, events = Platform(clock, a="1", b="2"), []
    genesys = door(platform, events)
    platform.secrets["a"] = "changed"
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(genesys.organisation)
    assert platform.asked == {"b": 20}
    notes = [event.note for event in events if isinstance(event, Noted)]
    assert len(notes) == 1
    assert "OAuth client a is put aside" in notes[0]
    platform.secrets["a"] = "1"
    clock.advance(901)
    for _ in range(60):
        await genesys.organisation()
    assert platform.asked["a"] > 0
    assert len([event for event in events if isinstance(event, Noted)]) == 1


async def test_a_client_whose_tokens_are_refused_is_put_aside(clock: ManualClock) -> None:
    platform, events = Platform(clock, a="1", b="2"), []
    platform.dead = {f"a:{number}" for number in range(9)}
    async with door(platform, events) as genesys:
        for _ in range(5):
            assert await genesys.organisation() == "org-1"
    assert platform.asked == {"b": 5}
    assert platform.tokens["a"] == 2
    assert len([event for event in events if isinstance(event, Noted)]) == 1


async def test_it_fails_only_when_nobody_is_left(clock: ManualClock) -> None:
    platform, events = Platform(clock, a="1", b="2"), []
    genesys = door(platform, events)
    platform.secrets["a"] = "changed"
    await genesys.details("c1")
    platform.secrets["b"] = "changed"
    platform.dead.add("b:1")
    with pytest.raises(Denied, match="authentication failed"):
        await genesys.details("c1")


async def test_an_organisations_limit_stops_everybody_a_tokens_limit_one(clock: ManualClock) -> None:
    platform = Platform(clock, a="1", b="2")
    key = ["client.credentials.token.rate.per.minute"]

    def throttled(client: str) -> httpx2.Response | None:
        if client != "a":
            return None
        body = {"code": "too.many.requests", "limit": {"key": key[0]}}
        return httpx2.Response(429, json=body, headers={"Retry-After": "30"})

    genesys = door(platform, [])
    await genesys.token_probe()
    platform.answer = throttled
    with pytest.raises(Throttled):
        await door(platform, [], retry=PlatformSettings().retry.__class__(attempts=1)).details("c1")
    assert clock.monotonic() == 0

    one = door(platform, [], retry=PlatformSettings().retry.__class__(attempts=1))
    with pytest.raises(Throttled):
        await one.details("c1")
    await one.details("c2")
    assert clock.monotonic() == 0
    assert platform.asked["b"] == 1

    key[0] = "org.app.user.rate.per.minute"
    other = door(platform, [], retry=PlatformSettings().retry.__class__(attempts=1))
    with pytest.raises(Throttled):
        await other.details("c1")
    platform.answer = lambda _: None
    await other.details("c2")
    assert clock.monotonic() == 30


@pytest.mark.parametrize("revoked", [True, False])
async def test_a_secret_that_was_replaced_is_read_again(clock: ManualClock, tmp_path: Path, revoked: bool) -> None:
    file = tmp_path / "client-secret"
    file.write_text("old")
    platform, events = Platform(clock, a="old"), []
    variables = {"GENESYS_CLIENT_ID": "a", "GENESYS_CLIENT_SECRET_FILE": str(file), "GENESYS_REGION": "us-east-1"}
    settings = PlatformSettings.from_environment(variables)
    genesys = Genesys(settings, transport=httpx2.MockTransport(platform), clock=clock, listener=events.append)
    await genesys.details("c1")
    file.write_text("new\n")
    platform.secrets["a"] = "new"
    if revoked:
        platform.dead.add("a:1")
    else:
        clock.advance(86_400)
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(genesys.details, "c1")
    assert platform.tokens["a"] == 2
    assert len([event for event in events if isinstance(event, Renewed) and event.what == "credentials"]) == 1
    file.unlink()
    platform.secrets["a"] = "newer"
    platform.dead.add("a:2")
    with pytest.raises(Denied, match="rotation"):
        await genesys.details("c1")


async def test_the_organisation_is_empty_where_a_gateway_does_not_say(clock: ManualClock) -> None:
    platform = Platform(clock, a="1")
    for answer, found in (
        (httpx2.Response(404), ""),
        (httpx2.Response(403), ""),
        (httpx2.Response(200, json={"id": "7f3e-1"}), "7f3e-1"),
    ):
        platform.answer = lambda _, answer=answer: answer
        assert await door(platform, []).organisation() == found


@pytest.mark.parametrize("answer", [{}, {"id": "../x"}, ["x"], {"status": "maintenance"}])
async def test_an_answer_that_names_no_organisation_is_none(clock: ManualClock, answer: object) -> None:
    """K8: any JSON with status 200 passes for an answer."""
    platform = Platform(clock, a="1")
    platform.answer = lambda _: httpx2.Response(200, json=answer)
    with pytest.raises(Unavailable, match="names no organisation"):
        await door(platform, []).organisation()


def test_an_archive_is_one_organisations(platform: object, tmp_path: Path) -> None:
    start = platform
    one, other = start(seed=1), start(seed=2)  # type: ignore[operator]
    to = str(tmp_path / "archive")
    for running, mine in ((one, True), (other, False)):
        settings = PlatformSettings(
            client_id=running.client_id, client_secret=running.client_secret, base_url=running.base_url
        )
        if mine:
            get(running.conversation_ids[0], to=to, platform=settings, store=StoreSettings())
            continue
        with pytest.raises(StoreRefused, match="One organisation, one archive"):
            get(running.conversation_ids[0], to=to, platform=settings, store=StoreSettings())
