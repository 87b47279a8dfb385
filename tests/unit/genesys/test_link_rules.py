"""Where links may lead: not to plain http, and not into the network that this runs in, unless the base is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from turnkeeper.cli.options import PlatformOptions, platform_settings
from turnkeeper.errors import Unavailable
from turnkeeper.events import Noted
from turnkeeper.genesys.link_rules import LinkRules, is_loopback
from turnkeeper.payloads.details import DetailParticipant, Details, DetailSession
from turnkeeper.settings import PlatformSettings

pytestmark = pytest.mark.anyio
World = Any
PUBLIC = [
    "https://bucket.s3.amazonaws.com/x?sig=1",
    "https://api-downloads.mypurecloud.ie/x",
    "https://8.8.8.8/x",
    "https://[2606:4700::1111]/x",
]
NEAR = [
    "https://127.0.0.1/x", "https://127.1/x", "https://2130706433/x", "https://0x7f.1/x", "https://127.0.0.1./x",
    "https://127\u30020\u30020\u30021/x", "https://localhost/x", "https://a.localhost/x", "https://LOCALHOST./x",
    "https://10.1.2.3/x", "https://192.168.0.1/x", "https://172.16.0.1/x", "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/x", "https://0.0.0.0/x", "https://[::1]/x", "https://[::]/x", "https://[fe80::1%25eth0]/x",
    "https://[fd00::1]/x", "https://[::ffff:127.0.0.1]/x", "https://[64:ff9b::7f00:1]/x",
    "https://good.example\\@127.0.0.1/x", "https://user@127.0.0.1/x", "https://127.0.0.1:8443/x",
]  # fmt: skip
NO_ADDRESS = [
    "https://host:99999/x",
    "https://host:0/x",
    "https://0177.0.0.1/x",
    "https:///x",
    "ftp://host/x",
    "https://h\n/x",
    "//host/x",
    "",
]


@pytest.mark.parametrize("url", PUBLIC)
def test_storage_on_the_internet_is_fetched(url: str) -> None:
    assert LinkRules("https://api.mypurecloud.com").refusal(url) is None


@pytest.mark.parametrize("url", NEAR)
def test_private_addresses_in_any_spelling_are_not(url: str) -> None:
    """K8: a link to a private, loopback or link-local address."""
    refusal = LinkRules("https://api.mypurecloud.com").refusal(url)
    assert refusal is not None
    assert "--allow-host" in refusal[1]
    assert "GENESYS_ALLOW_HOST" in refusal[1]


@pytest.mark.parametrize("url", NEAR)
def test_they_are_where_the_base_is_one(url: str) -> None:
    assert LinkRules("http://127.0.0.1:8080").refusal(url) is None


@pytest.mark.parametrize("url", NO_ADDRESS)
def test_what_is_no_address_is_not_fetched(url: str) -> None:
    """K8: port 99999 in a link."""
    assert LinkRules("http://127.0.0.1:8080").refusal(url) == ("the platform gave a link that is no address", "")


def test_plain_http_only_where_the_base_is_plain() -> None:
    """K8: a link to any plain-http host while the platform is https."""
    refusal = LinkRules("https://api.mypurecloud.com").refusal("http://bucket.example/x?sig=secret")
    assert refusal is not None
    assert "plain http" in refusal[0]
    assert "secret" not in refusal[0]
    assert LinkRules("http://gateway.example").refusal("http://bucket.example/x") is None
    # A plain base does not open the private network behind it.
    assert LinkRules("http://gateway.example").refusal("http://10.0.0.1/x") is not None


def test_a_host_that_is_named_is_allowed_however_it_is_reached() -> None:
    rules = LinkRules("https://api.mypurecloud.com", ("10.1.2.3", "Store.Internal", "[::1]"))
    assert [rules.refusal(url) for url in ("http://10.1.2.3:9000/x", "http://store.internal/x", "https://[::1]/x")] == [
        None
    ] * 3
    assert rules.refusal("https://10.1.2.4/x") is not None


def test_the_names_come_from_the_option_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PlatformSettings.from_environment({"GENESYS_ALLOW_HOST": "a.example, 10.0.0.1"}).allow_hosts == (
        "a.example",
        "10.0.0.1",
    )
    assert platform_settings(PlatformOptions(allow_host=("x.example,y.example",))).allow_hosts == (
        "x.example",
        "y.example",
    )


def details() -> Details:
    session = DetailSession(id="leg", media_type="voice", recorded=True, purpose="customer")
    return Details(
        conversation="c1",
        start=0,
        end=1,
        participants=(DetailParticipant(id="p", purpose="customer", sessions=(session,)),),
    )


@pytest.mark.parametrize(
    "place", ["http://127.0.0.1:9/admin", "https://169.254.169.254/latest", "https://store.example:99999/x"]
)
@pytest.mark.parametrize("redirected", [False, True])
async def test_a_link_that_leads_there_fails_its_conversation_at_once(
    world: Callable[..., World], place: str, redirected: bool
) -> None:
    """K8: ``http://127.0.0.1:PORT/`` as a link, or behind a redirect of storage, is fetched and archived."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "store.example" and request.url.port is None:
            return httpx2.Response(302, headers={"Location": place})
        return httpx2.Response(200, json={"url": "https://store.example/x?sig=1" if redirected else place})

    here = world(answer)
    with pytest.raises(Unavailable, match=r"not fetched|no address"):
        await here.door.transcripts("c1", details(), api="speech")
    assert not here.clock.slept
    assert {request.url.host for request in here.requests} <= {
        "login.mypurecloud.com",
        "api.mypurecloud.com",
        "store.example",
    }


async def test_an_api_answer_that_redirects_there_is_not_followed(world: Callable[..., World]) -> None:
    """K8: the same for a redirect of the API itself."""
    here = world(lambda _: httpx2.Response(302, headers={"Location": "https://10.0.0.1/x"}))
    with pytest.raises(Unavailable, match="private network"):
        await here.door.details("c1")
    assert "10.0.0.1" not in {request.url.host for request in here.requests}


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("http://gate.example", 1),
        ("http://10.0.0.5:8080", 1),
        ("http://127.0.0.1:80", 0),
        ("http://localhost", 0),
        ("https://gate.example", 0),
    ],
)
def test_plain_http_to_another_machine_is_said_once(world: Callable[..., World], base: str, said: int) -> None:
    """K8: plain-http base to another machine: secret in clear without a word."""
    here = world(lambda _: httpx2.Response(200, json={}), base_url=base)
    notes = [event.note for event in here.events if isinstance(event, Noted) and "plain http" in event.note]
    assert len(notes) == said


def test_loopback_is_this_machine() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "10.0.0.1", "example.org")] == [
        True,
        True,
        True,
        False,
        False,
    ]
