"""The token endpoint: secrets, wrong ones, and signed assertions."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

if TYPE_CHECKING:
    from tests.contract.simulator.conftest import Reply, Start, Wire

NOW = datetime(2026, 11, 2, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def test_both_addresses_give_different_tokens(wire: Wire) -> None:
    grants = [wire.token(path=path).json for path in ("/oauth/token", "/login/oauth/token")]
    assert [(one["token_type"], one["expires_in"]) for one in grants] == [("bearer", 86_399)] * 2
    assert grants[0]["access_token"] != grants[1]["access_token"]


def test_refusals_are_oauth_shaped(wire: Wire) -> None:
    unknown = wire.token(client="8f7a2c1e-0000-4000-8000-000000000000")
    assert unknown.status == 400
    assert unknown.json == {
        "error": "invalid_client",
        "description": "client not found",
        "error_description": "client not found",
    }
    wrong = wire.token(secret="guess")
    assert (wrong.status, wrong.json["description"]) == (401, "authentication failed")
    assert wire.form({"grant_type": "client_credentials"}).json["description"] == "client not found"
    assert wire.form({"grant_type": "password"}).json["error"] == "unsupported_grant_type"


def sealed(text: str, pem: str) -> bytes:
    key = serialization.load_pem_private_key(pem.encode(), None)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def asserted(wire: Wire, pem: str, algorithm: str = "RS256", **changes: Any) -> Reply:
    client = wire.running.private_key_client_id
    claims = {
        "iss": client,
        "sub": client,
        "aud": f"{wire.running.base_url}/oauth/token",
        "exp": NOW_S + 300,
        "jti": "1",
    }
    parts = [json.dumps(one).encode() for one in ({"alg": algorithm, "typ": "JWT"}, claims | changes)]
    text = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    token = f"{text}.{base64.urlsafe_b64encode(sealed(text, pem)).decode().rstrip('=')}"
    fields = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": token}
    return wire.form(fields)


def test_signed_assertion_is_believed_once(start: Start) -> None:
    wire = start(now=NOW)
    rsa_pem, ec_pem = wire.running.private_key_pem, wire.running.ec_private_key_pem
    first = asserted(wire, rsa_pem)
    assert first.status == 200
    bearer = {"Authorization": f"Bearer {first.json['access_token']}"}
    assert wire.send("GET", "/api/v2/users", bearer).status == 200
    assert asserted(wire, rsa_pem).status == 401, "the jti was used before"
    assert asserted(wire, ec_pem, "ES256", jti="2", aud=[wire.running.base_url]).status == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://login.example.com/oauth/token"},
        {"exp": NOW_S - 1},
        {"exp": NOW_S + 7200},
        {"iss": "someone-else"},
        {"jti": ""},
        {"algorithm": "none"},
        {"algorithm": "ES256"},
    ],
)
def test_wrong_assertion_is_refused(start: Start, changes: dict[str, Any]) -> None:
    wire = start(now=NOW)
    assert asserted(wire, wire.running.private_key_pem, **changes).status in (400, 401)


def test_a_rotated_secret_replaces_the_old_one(start: Start) -> None:
    wire = start()
    old, before = wire.running.client_secret, wire.bearer
    first, *more = wire.send("GET", "/_sim/clients").json.items()
    assert first == (wire.running.client_id, old)
    assert len({secret for _, secret in [first, *more]}) == 8
    rotated = wire.send("POST", "/_sim/clients", {}, json.dumps({"rotate": first[0]}).encode()).json
    assert rotated[first[0]] != old
    assert dict(more).items() <= rotated.items()
    assert wire.send("GET", "/api/v2/tokens/me", before).status == 401
    assert wire.token(secret=old).status == 401
    assert wire.token(secret=rotated[first[0]]).status == 200
    assert wire.token(client=more[0][0], secret=more[0][1]).status == 200
    assert wire.send("POST", "/_sim/clients", {}, b'{"rotate": "nobody"}').status == 400


def test_a_rotation_may_spare_the_tokens(start: Start) -> None:
    wire = start()
    body = {"rotate": wire.running.client_id, "revoke": False}
    assert wire.get("/api/v2/tokens/me").status == 200
    assert wire.send("POST", "/_sim/clients", {}, json.dumps(body).encode()).status == 200
    assert wire.get("/api/v2/tokens/me").status == 200


def test_one_token_is_answered_again_while_it_lives(start: Start) -> None:
    wire = start("one-token", now=NOW, token_seconds=300)
    tokens = [wire.token().json["access_token"] for _ in range(2)]
    wire.advance(301)
    tokens += [wire.token().json["access_token"] for _ in range(2)]
    assert tokens[0] == tokens[1] != tokens[2] == tokens[3]


def test_the_limit_can_be_changed_and_each_window_is_told(start: Start) -> None:
    wire = start(now=NOW, rate_limit=3)
    statuses = [wire.get("/api/v2/tokens/me").status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    wire.advance(61)
    assert wire.send("POST", "/_sim/pace", {}, b'{"allowed": 1}').status == 200
    replies = [wire.get("/api/v2/tokens/me") for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 429]
    assert replies[1].json["limit"]["value"] == 1
    told = wire.send("GET", "/_sim/pace").json
    (windows,) = told["windows"].values()
    assert (told["allowed"], [count for _, count in windows]) == (1, [4, 2])
    assert windows[1][0] - windows[0][0] == 61_000
    assert wire.send("POST", "/_sim/pace", {}, b"{}").status == 400
