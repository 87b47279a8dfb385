"""Known secrets, and their removal from text that a server wrote.

A server that refuses a request may quote it: the client's secret, the bearer token, the signed address. Code that reads
or makes a credential registers it here with ``remember``. Text from outside passes through ``redact`` before it becomes
part of an error, an event or a document. There is one list per process, so that a secret of one organisation cannot
appear in a message about another.
"""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from collections import deque
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote

__all__ = ["SECRETS", "KnownSecrets", "is_signed", "redact", "remember", "remember_client"]

_MIN_LENGTH = 8
"""Shorter values are ignored, because they would match unrelated words."""
_MAX_SECRETS, _MAX_TOKENS = 512, 64
_MARK = "(withheld)"
_MARK_BYTES = _MARK.encode()

# The hyphen in a parameter's name may be percent-encoded, once or twice, or escaped for JSON.
_HYPHEN = r"(?:[-_]|%(?:25)?2d|\\u002d)"
_NAMES = (
    rf"X{_HYPHEN}(?:Amz|Goog){_HYPHEN}(?:Signature|Credential|Security{_HYPHEN}Token)|Key{_HYPHEN}Pair{_HYPHEN}Id|AWSAccessKeyId|access{_HYPHEN}token"
    rf"|refresh{_HYPHEN}token|id{_HYPHEN}token|client{_HYPHEN}secret|client{_HYPHEN}assertion|SignatureProvided|StringToSign"
)
# These are ordinary words too ("the bucket policy: denied"), so only an equals sign makes them parameters.
_LOOSE = "Signature|Credential|Policy|sig|se?cret|token|password"
_EQUALS = r"(?:=|%(?:25)?3d|\\u003d)"
_COLON = r"""(?:\\?["']?\s*:\s*\\?["']?|>)"""
_VALUE = r"""[^\s&"'<>,;\\(){}\[\]]+"""
_PARAMETER = re.compile(
    rf"(?P<name>(?<![A-Za-z0-9])(?:{_NAMES})(?:{_EQUALS}|{_COLON})|(?<![A-Za-z0-9-])(?:{_LOOSE}){_EQUALS})"
    rf"(?P<value>{_VALUE})",
    re.IGNORECASE,
)
_CREDENTIALS = re.compile(r"(?P<name>\b(?:Basic|Bearer)(?: |%20|\+))(?P<value>[A-Za-z0-9._~+/=%-]{16,})")
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}|\\[u/x]|&(?:#|[a-z])")
_TOKEN = re.compile(r"[^\s\"'<>]+")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(/))")


class KnownSecrets:
    """A list of secret values, safe to use from several threads. It holds only the latest tokens, whose number is
    unlimited in a long run."""

    def __init__(self) -> None:
        self._secrets: deque[str] = deque(maxlen=_MAX_SECRETS)
        self._tokens: deque[str] = deque(maxlen=_MAX_TOKENS)
        self._known_spellings: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def remember(self, *values: str, token: bool = False) -> None:
        """Register secrets. A secret of several lines (a PEM key) is registered line by line."""
        # The BEGIN and END lines are the same in every PEM file.
        lines = [line.strip() for value in values for line in value.splitlines() if not line.startswith("-----")]
        known = self._tokens if token else self._secrets
        with self._lock:
            new = [line for line in lines if len(line) >= _MIN_LENGTH and line not in known]
            if new:
                known.extend(new)
                spelled = {form for value in (*self._secrets, *self._tokens) for form in _spellings(value)}
                # Replace the longest first, because one secret may be part of another.
                self._known_spellings = tuple(sorted(spelled, key=len, reverse=True))

    def redact(self, text: str) -> str:
        """Return the text without known secrets in any encoding, and without signatures and other credentials."""
        # Known values first: a pattern may cover only the beginning of one, and the rest would match nothing
        # afterwards.
        for form in self._known_spellings:
            if form in text:
                text = text.replace(form, _MARK)
        if _ENCODED.search(text):
            text = _TOKEN.sub(self._hide_encoded, text)
        text = _CREDENTIALS.sub(rf"\g<name>{_MARK}", text)
        return _PARAMETER.sub(rf"\g<name>{_MARK}", text)

    def redact_bytes(self, data: bytes) -> bytes:
        """Return a document without known secrets. Nothing else is changed."""
        for form in self._known_spellings:
            coded = form.encode()
            if coded in data:
                data = data.replace(coded, _MARK_BYTES)
        return data

    def _hide_encoded(self, match: re.Match[str]) -> str:
        """Replace a whole word if it contains a secret only after its escapes are decoded."""
        word = match[0]
        plain = _without_escapes(word)
        if plain == word:
            return word
        known = any(form in plain for form in self._known_spellings)
        return _MARK if known or (_PARAMETER.search(plain) and not _PARAMETER.search(word)) else word


SECRETS = KnownSecrets()
"""The known secrets of this process."""


def remember(*values: str, token: bool = False) -> None:
    """Register secrets in ``SECRETS``. A ``token`` is forgotten once many newer ones are known."""
    SECRETS.remember(*values, token=token)


def remember_client(client_id: str, secret: str) -> None:
    """Register a client's secret, and the Basic authorization header made of its id and secret."""
    remember(secret, base64.b64encode(f"{client_id}:{secret}".encode()).decode() if secret else "")


def redact(text: str) -> str:
    """Return the text without known secrets and signatures; see ``KnownSecrets.redact``."""
    return SECRETS.redact(text)


def is_signed(query: str) -> bool:
    """Whether a query string contains a signature, a token or another credential."""
    return bool(_PARAMETER.search(query))


def _spellings(value: str) -> Iterable[str]:
    """Yield the usual spellings of a value: plain, in an address, in JSON, in HTML, in base64, in hexadecimal."""
    quoted, data = quote(value, safe=""), value.encode("utf-8", "replace")
    yield from (value, quoted, quote_plus(value), quoted.lower() if quoted != value else quoted)
    yield from (value.replace("/", "\\/"), value.replace("/", "\\u002f"), value.replace("/", "\\u002F"))
    yield from (json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
    yield html.escape(value)
    # Without padding, so that text without it matches too.
    yield from (one.decode().rstrip("=") for one in (base64.b64encode(data), base64.urlsafe_b64encode(data)))
    yield from (data.hex(), data.hex().upper())


def _without_escapes(word: str) -> str:
    """Decode percent encoding (once or twice), JSON escapes and HTML entities in a word."""
    for _ in range(3):
        before = word
        word = unquote(html.unescape(word))
        word = _ESCAPE.sub(lambda match: match[3] or chr(int(match[1] or match[2], 16)), word)
        if word == before:
            break
    return word
