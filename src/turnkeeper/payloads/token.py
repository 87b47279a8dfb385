"""The answer of the token endpoint (RFC 6749, section 5.1), and that of ``/organizations/me``: who a client is."""

from __future__ import annotations

import re

import msgspec

from turnkeeper.payloads.decode_json import decode_json, foreign_answer, read_object
from turnkeeper.spool import Spool

__all__ = ["TokenAnswer", "read_organisation_id", "read_token"]

_USUAL_LIFE_S, _LONGEST_LIFE_S = 3600.0, 366 * 86_400.0
_ORGANISATION_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


class TokenAnswer(msgspec.Struct, frozen=True):
    """A bearer token, empty where the answer holds none that a header can carry, and the seconds that it lives."""

    bearer: str
    seconds: float


def read_token(data: bytes) -> TokenAnswer:
    """Read a token. Where the answer names no life, or an impossible one, the token is taken to live an hour.

    Raises ``ValueError`` where the answer is not JSON.
    """
    document = decode_json(data)
    document = document if isinstance(document, dict) else {}
    bearer, life = document.get("access_token"), document.get("expires_in")
    if not (isinstance(bearer, str) and bearer.isascii() and bearer.isprintable()):
        bearer = ""
    if not isinstance(life, int | float) or isinstance(life, bool) or not 0 < life <= _LONGEST_LIFE_S:
        life = _USUAL_LIFE_S
    return TokenAnswer(bearer, float(life))


def read_organisation_id(body: Spool, operation: str, *, optional: bool) -> str:
    """Read the id of the client's organisation; empty where there is none and it is ``optional``.

    Raises ``Unavailable`` where there is none otherwise, or one that cannot be an id.
    """
    otherwise = "the answer names no organisation"
    name = read_object(body, operation, "", otherwise).get("id")
    if isinstance(name, str) and _ORGANISATION_ID.fullmatch(name):
        return name
    if optional and name is None:
        return ""
    raise foreign_answer(otherwise, operation, "")
