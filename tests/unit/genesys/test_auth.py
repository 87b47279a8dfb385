from __future__ import annotations

import base64
import json
import logging
from urllib.parse import parse_qs

import anyio
import httpx2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwt
from joserfc.jwk import import_key

from turnkeeper.errors import Denied, Misconfigured, Unavailable
from turnkeeper.events import Renewed
from turnkeeper.settings import JwtSettings

pytestmark = pytest.mark.anyio
DETAILS = "/api/v2/analytics/conversations/c1/details"


def token(number: int, life: object = 86399) -> httpx2.Response:
    return httpx2.Response(200, json={"access_token": f"token-{number}", "token_type": "bearer", "expires_in": life})


class Platform:
    """Issues numbered tokens and believes only the newest."""

    def __init__(self, life: object = 86399, dead: bool = False) -> None:
        self.life, self.dead, self.issued, self.forms = life, dead, 0, []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/oauth/token"):
            self.forms.append((request.headers, parse_qs(request.content.decode())))
            self.issued += 1
            return token(self.issued, self.life)
        newest = f"Bearer token-{self.issued}"
        if self.dead or request.headers["authorization"] != newest:
            return httpx2.Response(
                401, json={"code": "credentials.expired", "message": "expired", "contextId": "ctx-9"}
            )
        return httpx2.Response(200, json={"ok": True})


async def test_fifty_callers_make_one_token(world) -> None:
    platform = Platform()
    here = world(platform, own_tokens=True)
    async with here.door as door, anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(door.details, "c1")
    assert platform.issued == 1
    assert len(here.asked("/details")) == 50
    headers, form = platform.forms[0]
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")) == b"id:hush-hush"
    assert form == {"grant_type": ["client_credentials"]}


async def test_fifty_callers_share_one_refusal(world) -> None:
    refusal = {"error": "invalid_client", "error_description": "authentication failed"}
    here = world(lambda _: httpx2.Response(401, json=refusal), own_tokens=True, region="eu_west_1")
    failures: list[str] = []

    async def ask() -> None:
        with pytest.raises(Denied) as caught:
            await here.door.details("c1")
        failures.append(str(caught.value))

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(ask)
    assert len(here.requests) == 1
    assert len(set(failures)) == 1
    for word in ("wrong region", "eu-west-1", "mypurecloud.ie", "GENESYS_REGION", "authentication failed", "rotation"):
        assert word in failures[0]
    assert "hush-hush" not in failures[0]


async def test_a_token_is_renewed_before_it_ends(world) -> None:
    platform = Platform(life=600)
    here = world(platform, own_tokens=True)
    await here.door.details("c1")
    here.clock.advance(539)
    await here.door.details("c1")
    assert platform.issued == 1
    here.clock.advance(2)
    await here.door.details("c1")
    assert platform.issued == 2
    assert len(here.asked("/details")) == 3
    assert [event for event in here.events if isinstance(event, Renewed)] == [
        Renewed(what="token", reason="end of life")
    ]


@pytest.mark.parametrize("life", [30, None, "soon", -1])
async def test_a_strange_life_is_survived(world, life: object) -> None:
    platform = Platform(life=life)
    here = world(platform, own_tokens=True)
    for _ in range(3):
        await here.door.details("c1")
    assert platform.issued == 1


@pytest.mark.parametrize("life", ["1" + "0" * 400, "1e999", "-1e400", "99999999999999999999", "true", '"soon"'])
async def test_a_life_that_cannot_be_is_an_hour(world, life: str) -> None:
    """K8: ``expires_in`` beyond a float."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/oauth/token"):
            return httpx2.Response(200, text=f'{{"access_token":"token-of-a-test","expires_in":{life}}}')
        return httpx2.Response(200, json={"ok": True})

    here = world(answer, own_tokens=True)
    await here.door.details("c1")
    here.clock.advance(3500)
    await here.door.details("c1")
    assert len(here.asked("/oauth/token")) == 1
    here.clock.advance(100)
    await here.door.details("c1")
    assert len(here.asked("/oauth/token")) == 2


async def test_an_expired_token_is_renewed_once_and_silently(world) -> None:
    platform = Platform()
    here = world(platform, own_tokens=True)
    await here.door.details("c1")
    platform.issued += 1  # what we hold is no longer the newest
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(here.door.details, "c1")
    assert len(platform.forms) == 2
    assert [event.reason for event in here.events if isinstance(event, Renewed)] == ["credentials.expired"]


async def test_a_fresh_token_refused_too_is_denied_and_explained(world) -> None:
    platform = Platform(dead=True)
    here = world(platform, own_tokens=True)
    with pytest.raises(Denied) as caught:
        await here.door.details("c1")
    assert platform.issued == 2
    assert len(here.asked("/details")) == 2
    for word in ("401", "credentials.expired", "ctx-9", "role", "interaction:read", "rotation"):
        assert word in str(caught.value)
    assert "token-" not in str(caught.value)


async def test_a_gateways_second_address_is_found_and_remembered(world) -> None:
    platform = Platform()

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(404) if request.url.path == "/gate/oauth/token" else platform(request)

    here = world(answer, own_tokens=True, base_url="http://gate.local/gate")
    await here.door.details("c1")
    platform.issued += 1
    await here.door.details("c1")
    paths = [request.url.path for request in here.asked("oauth")]
    assert paths == ["/gate/oauth/token", "/gate/login/oauth/token", "/gate/login/oauth/token"]


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(404),
        httpx2.Response(302, headers={"Location": "https://sso.example.com/?state=secret"}),
        httpx2.Response(200, text="<html>sign in</html>"),
        httpx2.Response(200, json={"token": "x"}),
        httpx2.Response(200, json={"access_token": "a\nb"}),
    ],
)
async def test_what_is_no_token_endpoint_is_a_wrong_setting(world, answer: httpx2.Response) -> None:
    here = world(lambda _: answer, own_tokens=True)
    with pytest.raises(Misconfigured, match="GENESYS_REGION") as caught:
        await here.door.token_probe()
    assert "secret" not in str(caught.value)


async def test_a_token_endpoint_that_stumbles_is_asked_again(world) -> None:
    answers = [httpx2.Response(503, text="<html>"), httpx2.Response(429, headers={"Retry-After": "3"}), token(1)]
    here = world(lambda _: answers.pop(0), own_tokens=True)
    await here.door.token_probe()
    assert here.clock.slept[1] == 3


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"client_id": ""}, "GENESYS_CLIENT_ID not set"),
        ({"client_secret": ""}, "GENESYS_CLIENT_SECRET not set"),
        ({"client_secret": "geh\u20acim"}, "cannot be sent"),
        ({"jwt": JwtSettings(private_key="-----BEGIN nonsense")}, "GENESYS_PRIVATE_KEY"),
        ({"jwt": JwtSettings(private_key="x", alg="HS256")}, "no signature of a key pair"),
    ],
)
async def test_unusable_credentials_are_named_and_not_shown(world, changes: dict[str, object], named: str) -> None:
    here = world(Platform(), own_tokens=True, **changes)
    with pytest.raises(Misconfigured, match=named) as caught:
        await here.door.token_probe()
    assert not here.requests
    assert "nonsense" not in str(caught.value)
    assert "geh" not in str(caught.value)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    form, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize(("alg", "kind"), [("RS256", "RSA"), ("PS256", "RSA"), ("ES256", "EC")])
async def test_a_signed_assertion_says_what_rfc_7523_wants(
    world, rsa_key: rsa.RSAPrivateKey, alg: str, kind: str
) -> None:
    key = rsa_key if kind == "RSA" else ec.generate_private_key(ec.SECP256R1())
    platform = Platform()
    config = JwtSettings(private_key=pem(key), client_id="key-client", alg=alg, kid="k1", expires_in=120)
    here = world(platform, own_tokens=True, jwt=config)
    await here.door.details("c1")
    platform.issued += 1
    await here.door.details("c1")
    seen = set()
    for headers, form in platform.forms:
        assert "authorization" not in headers
        assert form["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
        signed = jwt.decode(form["client_assertion"][0], import_key(pem(key), kind), algorithms=[alg])
        assert signed.header["kid"] == "k1"
        claims = signed.claims
        assert claims["iss"] == claims["sub"] == "key-client"
        assert claims["aud"] == "https://login.mypurecloud.com/oauth/token"
        assert claims["iat"] == int(here.clock.now().timestamp())
        assert claims["exp"] - claims["iat"] == 120
        seen.add(claims["jti"])
    assert len(seen) == 2


async def test_a_key_that_does_not_fit_its_algorithm_is_named(world, rsa_key: rsa.RSAPrivateKey) -> None:
    here = world(Platform(), own_tokens=True, jwt=JwtSettings(private_key=pem(rsa_key), alg="ES256"))
    with pytest.raises(Misconfigured, match="ES256"):
        await here.door.token_probe()


async def test_no_log_record_holds_a_secret(world, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    here = world(Platform(), own_tokens=True)
    await here.door.probe("/api/v2/users?pageSize=1&id=whoever")
    assert "mypurecloud.com/api/v2/users" in caplog.text
    assert "whoever" not in caplog.text
    assert "token-1" not in caplog.text
    assert "hush" not in json.dumps([str(record.__dict__) for record in caplog.records])


async def test_a_network_that_fails_is_told_without_its_secrets(world) -> None:
    def lost(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("no route to https://id:hush-hush@host/?sig=1", request=request)

    here = world(lost, own_tokens=True)
    with pytest.raises(Unavailable, match="8 attempts") as caught:
        await here.door.details("c1")
    assert "hush" not in str(caught.value)
    assert "sig" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert len(here.requests) == 8
