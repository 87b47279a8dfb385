from __future__ import annotations

import json

import httpx2
import pytest

from turnkeeper.errors import Denied, Misconfigured, NotFound, Skippable, Throttled, TurnkeeperError, Unavailable
from turnkeeper.events import Noted, Retried

pytestmark = pytest.mark.anyio


def error(status: int, code: str, message: str = "no", **more: object) -> httpx2.Response:
    return httpx2.Response(status, json={"code": code, "message": message, "contextId": "ctx-1"} | more)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (error(403, "missing.permissions"), Denied, ["analytics:conversationDetail:view", "division", "ctx-1"]),
        (error(404, "not.found"), NotFound, ["not.found"]),
        (error(400, "bad.request", "inter\x1b[31mval\nbroken"), Skippable, ["bad.request", "inter [31mval broken"]),
        (httpx2.Response(502, html="<html>CloudFront</html>"), Unavailable, ["502", "8 attempts"]),
        (error(500, "internal.server.error"), Unavailable, ["internal.server.error"]),
        (httpx2.Response(500, content=b"\xff" * 99), Unavailable, ["500"]),
        (httpx2.Response(500, json=["not", "an", "object"]), Unavailable, ["500"]),
        (error(429, "too.many.requests", limit={"key": "org.app.user.rate.per.minute"}), Throttled, ["second OAuth"]),
        (
            error(429, "too.many.requests", limit={"key": "token.rate.per.minute"}),
            Throttled,
            ["token.rate", "parallel"],
        ),
        (httpx2.Response(304), Skippable, ["304"]),
    ],
)
async def test_each_refusal_is_the_right_error(
    world, answer: httpx2.Response, kind: type[TurnkeeperError], words: list[str]
) -> None:
    here = world(lambda _: answer)
    with pytest.raises(kind) as caught:
        await here.door.details("c1")
    assert type(caught.value) is kind
    assert (caught.value.operation, caught.value.key) == ("details", "c1")
    for word in words:
        assert word in str(caught.value)


async def test_the_platforms_bytes_come_unchanged(world) -> None:
    body = b'{ "conversationId" : "c1",\n "x":1.50 }'
    here = world(lambda _: httpx2.Response(200, content=body))
    with await here.door.details("c1") as spool, spool.open() as reader:
        assert reader.read() == body
    request = here.asked("/details")[0]
    assert request.headers["user-agent"].startswith("turnkeeper/")
    assert request.headers["authorization"] == "Bearer token-1"


async def test_a_body_that_breaks_off_is_asked_again(world, sent) -> None:
    answers = [sent(b"{" * 50, length=60), sent(b"{" * 50, broken=True), sent(b"{}")]
    here = world(lambda _: answers.pop(0))
    with await here.door.details("c1") as spool:
        assert spool.size == 2
    assert len([event for event in here.events if isinstance(event, Retried)]) == 2


async def test_an_hour_in_the_future_is_not_waited_for(world) -> None:
    here = world(lambda _: httpx2.Response(429, headers={"Retry-After": "3600"}))
    with pytest.raises(Throttled) as caught:
        await here.door.details("c1")
    assert caught.value.retry_after == 3600
    assert not here.clock.slept


async def test_the_bearer_follows_a_redirect_only_at_home(world) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/details"):
            return httpx2.Response(307, headers={"Location": "/api/v2/elsewhere?sig=a"})
        if request.url.path == "/api/v2/elsewhere":
            return httpx2.Response(302, headers={"Location": "https://api.mypurecloud.com:444/x?sig=b"})
        return httpx2.Response(200, json={"from": str(request.url.port)})

    here = world(answer)
    with await here.door.details("c1") as spool, spool.open() as reader:
        assert json.load(reader) == {"from": "444"}
    bearers = [(request.url.path, "authorization" in request.headers) for request in here.requests[1:]]
    assert bearers[-2:] == [("/api/v2/elsewhere", True), ("/x", False)]
    assert "sig" not in str(here.events)


async def test_a_redirect_to_no_address_is_one_of_our_errors(world) -> None:
    here = world(lambda _: httpx2.Response(302, headers={"Location": "https://[x"}))
    with pytest.raises(Unavailable, match="an address that is none"):
        await here.door.details("c1")


@pytest.mark.parametrize("place", ["https://api.mypurecloud.com:8443/x", "https://evil.example/x", "//evil.example/x"])
async def test_any_other_origin_sees_no_token(world, place: str) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        at_home = request.url.host == "api.mypurecloud.com" and request.url.port is None
        return httpx2.Response(302, headers={"Location": place}) if at_home else httpx2.Response(200, json={})

    here = world(answer)
    (await here.door.details("c1")).close()
    assert "authorization" not in here.requests[-1].headers
    assert "cookie" not in here.requests[-1].headers


async def test_circles_end(world) -> None:
    here = world(lambda _: httpx2.Response(302, headers={"Location": "/api/v2/again"}))
    with pytest.raises(Unavailable, match="circles"):
        await here.door.details("c1")


async def test_a_probe_tells_and_never_judges(world) -> None:
    headers = {"Date": "Mon, 02 Nov 2026 09:00:00 GMT", "inin-ratelimit-allowed": "300", "Set-Cookie": "a=b"}
    answers = [
        httpx2.Response(403, json={"code": "missing.permissions", "message": "no"}, headers=headers),
        httpx2.Response(429, json={"code": "too.many.requests", "limit": {"key": "org.x"}}),
        httpx2.Response(401, json={"code": "bad.credentials"}),
        httpx2.Response(500),
    ]
    here = world(lambda _: answers.pop(0))
    probe = await here.door.probe("/api/v2/users")
    assert (probe.status, probe.code, probe.message) == (403, "missing.permissions", "no")
    assert probe.headers == {"date": headers["Date"], "inin-ratelimit-allowed": "300"}
    assert (await here.door.probe("/api/v2/users")).limit_key == "org.x"
    assert (await here.door.probe("/api/v2/users")).status == 401
    assert (await here.door.probe("/api/v2/users", "POST", {"a": 1})).status == 500
    assert here.requests[-1].method == "POST"
    assert here.requests[-1].content == b'{"a":1}'
    assert not here.clock.slept


@pytest.mark.parametrize("bad", ["", "a/b", "../x", "a..b", "c1?x=1", "-a", "x" * 129, "a b", "c1\n"])
async def test_malformed_ids_are_refused_before_any_request(world, bad: str) -> None:
    here = world(lambda _: httpx2.Response(200, json={}))
    with pytest.raises(Misconfigured):
        await here.door.details(bad)
    with pytest.raises(Misconfigured):
        await here.door.transcripts(bad)
    assert not here.requests


async def test_names_come_in_hundreds_and_include_people_who_left(world) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        ids = request.url.params["id"].split(",")
        return httpx2.Response(200, json={"entities": [{"id": one, "name": one.upper()} for one in ids] + [7, {}]})

    here = world(answer)
    wanted = [f"u{number}" for number in range(250)]
    names = await here.door.names("users", [*wanted, "not an id"])
    assert names.names == {one: one.upper() for one in wanted}
    with names.body as body, body.open() as reader:
        assert [len(page["entities"]) for page in json.load(reader)] == [102, 102, 52]
    assert {request.url.params["state"] for request in here.asked("/users")} == {"any"}
    one = await here.door.names("queues", ["q1"])
    with one.body.open() as reader:
        assert json.load(reader)["entities"][0] == {"id": "q1", "name": "Q1"}


async def test_a_missing_permission_on_names_says_which(world) -> None:
    here = world(lambda _: error(403, "missing.permissions"))
    with pytest.raises(Denied, match="routing:queue:view"):
        await here.door.names("queues", ["q1"])


async def test_the_default_region_is_said_once(world) -> None:
    here = world(lambda _: httpx2.Response(200, json={}), region="")
    await here.door.details("c1")
    assert [event.note for event in here.events if isinstance(event, Noted)] == [
        "no region was named: using us-east-1 (set GENESYS_REGION or --region)"
    ]


async def test_everything_sent_is_counted(world) -> None:
    here = world(lambda _: httpx2.Response(200, json={}))
    await here.door.details("c1")
    assert here.door.requests == len(here.requests) == 2
