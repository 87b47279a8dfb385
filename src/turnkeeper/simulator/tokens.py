"""OAuth of the simulated platform: clients, tokens, signed assertions."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from turnkeeper.simulator.clock import SimulatorClock
from turnkeeper.simulator.ids import IdKind, Ids

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONGEST_ASSERTION_S = 3600
_KEY_CLIENT, _MORE_CLIENTS = 2, range(3, 10)


class OAuthRefusal(Exception):
    """An OAuth error: status, error, description."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.body = {"error": error, "description": description, "error_description": description}


def unknown_client() -> OAuthRefusal:
    """400 for an unknown client id."""
    return OAuthRefusal(400, "invalid_client", "client not found")


def wrong_secret() -> OAuthRefusal:
    """401 for a wrong secret, and for a right one in the wrong region."""
    return OAuthRefusal(401, "invalid_client", "authentication failed")


@dataclass(slots=True)
class Token:
    """A bearer token: its client, its expiry and how often it was used."""

    client_id: str
    expires_ms: int
    uses: int = 0


class TokenIssuer:
    """Issues and recognises bearer tokens.

    With ``again`` a client gets its valid token again instead of a new one, as from some gateways.
    """

    def __init__(self, seed: int, ids: Ids, clock: SimulatorClock, lifetime_s: int, *, again: bool = False) -> None:
        self._seed = seed
        self._clock = clock
        self._lock = threading.Lock()
        self._issued: dict[str, Token] = {}
        self._count = 0
        self._spent: set[str] = set()
        self.lifetime_s = lifetime_s
        self._again = again
        self.client_id = ids.make(IdKind.CLIENT, 1)
        self.key_client_id = ids.make(IdKind.CLIENT, _KEY_CLIENT)
        self._secrets = {self.client_id: _random_text(f"{seed}:client-secret")} | {
            ids.make(IdKind.CLIENT, number): _random_text(f"{seed}:client-secret:{number}") for number in _MORE_CLIENTS
        }

    @property
    def client_secret(self) -> str:
        """The first client's secret of the moment."""
        return self._secrets[self.client_id]

    @property
    def clients(self) -> Mapping[str, str]:
        """Every client that has a secret, the first one first."""
        return dict(self._secrets)

    def rotate(self, client_id: str, *, revoke: bool = True) -> str:
        """Give a client a new secret and return it. With ``revoke`` its tokens become invalid."""
        with self._lock:
            secret = self._secrets[client_id] = _random_text(f"{self._secrets[client_id]}:rotated")
            if revoke:
                self._issued = {bearer: token for bearer, token in self._issued.items() if token.client_id != client_id}
        return secret

    @cached_property
    def rsa_key(self) -> rsa.RSAPrivateKey:
        """The key pair of the second client. Made on first use, because that takes a while."""
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def ec_key(self) -> ec.EllipticCurvePrivateKey:
        """The same client's second key pair, for ES256."""
        return ec.generate_private_key(ec.SECP256R1())

    def grant(self, authorization: str, form: Mapping[str, str], audiences: tuple[str, ...]) -> dict[str, Any]:
        """Answer a token request; raises GrantRefused."""
        if form.get("grant_type") != "client_credentials":
            raise OAuthRefusal(400, "unsupported_grant_type", "unsupported grant type")
        if form.get("client_assertion_type") == ASSERTION_TYPE:
            client = self._authenticate_assertion(form.get("client_assertion", ""), audiences)
        else:
            client = self._authenticate(authorization)
        return {"access_token": self._issue_token(client), "token_type": "bearer", "expires_in": self.lifetime_s}

    def find(self, bearer: str) -> Token | None:
        """The token behind a bearer string; one more use is counted."""
        with self._lock:
            token = self._issued.get(bearer)
            if token is not None:
                token.uses += 1
            return token

    def owner(self, bearer: str) -> str:
        """Which client a bearer string was issued to; empty for a made-up one."""
        with self._lock:
            token = self._issued.get(bearer)
            return "" if token is None else token.client_id

    def expired(self, token: Token) -> bool:
        """Whether a token has expired."""
        return self._clock.epoch_ms() >= token.expires_ms

    @property
    def issued(self) -> int:
        """How many tokens were issued so far."""
        return self._count

    def _issue_token(self, client: str) -> str:
        with self._lock:
            if self._again and (living := self._live_token(client)):
                return living
            # Derived from the seed, so that two runs can be compared byte by byte.
            bearer = _random_text(f"{self._seed}:token:{self._count}")
            self._count += 1
            self._issued[bearer] = Token(client, self._clock.epoch_ms() + self.lifetime_s * 1000)
            return bearer

    def _live_token(self, client: str) -> str:
        mine = (bearer for bearer, token in reversed(self._issued.items()) if token.client_id == client)
        return next((bearer for bearer in mine if not self.expired(self._issued[bearer])), "")

    def _authenticate(self, authorization: str) -> str:
        kind, _, encoded = authorization.partition(" ")
        try:
            client, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise unknown_client() from None
        if kind.lower() != "basic" or client not in (*self._secrets, self.key_client_id):
            raise unknown_client()
        if secret != self._secrets.get(client):
            raise wrong_secret()
        return client

    def _authenticate_assertion(self, assertion: str, audiences: tuple[str, ...]) -> str:
        """RFC 7523: check signature, issuer, audience, life time and that the jti is fresh."""
        claims = self._verified_claims(assertion)
        if claims.get("iss") != self.key_client_id or claims.get("sub") != self.key_client_id:
            raise unknown_client()
        aimed = claims.get("aud")
        named = set(aimed if isinstance(aimed, list) else [aimed])
        alive = self._is_alive(claims.get("exp"))
        jti = str(claims.get("jti", ""))
        with self._lock:
            if not alive or not named & set(audiences) or not jti or jti in self._spent:
                raise wrong_secret()
            self._spent.add(jti)
        return self.key_client_id

    def _is_alive(self, expires: object) -> bool:
        # Either clock may be valid: OAuth libraries use the system clock, not the simulation's.
        clocks = (self._clock.epoch_ms() / 1000, time.time())
        if not isinstance(expires, int | float):
            return False
        return any(now < expires <= now + _LONGEST_ASSERTION_S for now in clocks)

    def _verified_claims(self, assertion: str) -> dict[str, Any]:
        try:
            head, body, seal = assertion.split(".")
            header, claims = json.loads(_unbase64(head)), json.loads(_unbase64(body))
            self._verify_signature(header.get("alg"), f"{head}.{body}".encode(), _unbase64(seal))
        except (ValueError, AttributeError, InvalidSignature):
            raise wrong_secret() from None
        return dict(claims)

    def _verify_signature(self, algorithm: object, signed: bytes, seal: bytes) -> None:
        if algorithm == "RS256":
            self.rsa_key.public_key().verify(seal, signed, padding.PKCS1v15(), hashes.SHA256())
        elif algorithm == "ES256" and len(seal) == 64:
            pair = encode_dss_signature(int.from_bytes(seal[:32], "big"), int.from_bytes(seal[32:], "big"))
            self.ec_key.public_key().verify(pair, signed, ec.ECDSA(hashes.SHA256()))
        else:
            raise InvalidSignature


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    """A private key as PKCS#8 text."""
    form, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def _random_text(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
