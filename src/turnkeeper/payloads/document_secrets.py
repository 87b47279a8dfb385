"""Remove secrets from documents before they are stored, so that an archive opens nothing to its readers.

The query of a presigned address is a key to what lies behind it. It is cut off wherever it stands, under whatever name
and however it is escaped. Values that are known to be secret are replaced. Every other byte stays as it was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from turnkeeper.known_secrets import SECRETS, is_signed
from turnkeeper.spool import Spool

__all__ = ["WHOLE", "spool_without_secrets", "without_secrets"]

WHOLE = 16 << 20
"""Bytes of the largest document that is examined string by string. A larger one is searched as it streams."""

_CHUNK = 1 << 20
_LONGEST_WORD = 1 << 16
_BLANKS = (b" ", b"\n", b"<", b">")
# The letters of "http" as JSON escapes, which could hide an address from the search for one.
_HIDDEN_SCHEME = re.compile(rb"\\u00(?:68|48|74|54|70|50)", re.IGNORECASE)
# Strings, and the signs that tell keys from values. Possessive, so that it never backtracks.
_PART = re.compile(rb'"((?:[^"\\]|\\.)*+)"|[{}\[\]:,]', re.DOTALL)
_QUERY = re.compile(rb"[?#]|\\u003f|\\u0023", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\s\"'<>]*", re.IGNORECASE)
# An address in the bytes of a document, where JSON may have escaped some of its characters.
_RAW = re.compile(
    rb'(https?(?::|\\u003a)(?:\\?/|\\u002f){2}[^"\s<>?#]*?)((?:[?#]|\\u003f|\\u0023)[^"\s<>]*)', re.IGNORECASE
)
_LINK_NAMES = ("url", "uri", "link", "href")


def spool_without_secrets(body: Spool, folder: Path | None = None) -> Spool:
    """Remove the secrets of a body; the result's ``withheld`` names them (``mediaUris.S.mediaUri query``).

    A body without secrets is returned itself. Otherwise it is closed, and a new spool in ``folder`` is returned.
    """
    if body.size <= WHOLE:
        with body.open() as reader:
            data = reader.read()
        clean, withheld = without_secrets(data)
        if not withheld:
            return body
        pieces: Iterator[bytes] = iter((clean,))
    else:
        # Two passes, because most documents hold no secret and need no copy.
        withheld = _names_of_secrets(body)
        if not withheld:
            return body
        pieces = (_without_signatures(piece, {}) for piece in _safe_pieces(body))
    copy = Spool(folder)
    try:
        for piece in pieces:
            copy.write(piece)
    except BaseException:
        copy.close()
        raise
    copy.withheld = (*body.withheld, *withheld)
    body.close()
    return copy.seal()


def without_secrets(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Remove the secrets of a document in memory. Returns its bytes, and names of what was removed."""
    withheld: dict[str, None] = {}
    if _RAW.search(data) or _HIDDEN_SCHEME.search(data):
        data = b"".join(_clean_pieces(data, withheld))
    return _without_signatures(data, withheld), tuple(withheld)


def _clean_pieces(data: bytes, withheld: dict[str, None]) -> Iterator[bytes]:
    """The document in pieces, its strings without secrets; the paths of changed strings are added to ``withheld``."""
    path: list[str] = []
    key, at, is_value = "", 0, False
    for part in _PART.finditer(data):
        sign = data[part.start()]
        if sign in b"{[":
            path.append(key)
            key, is_value = "", False
        elif sign in b"}]":
            key, is_value = (path.pop() if path else ""), False
        elif sign in b":,":
            is_value = sign == 0x3A
        elif is_value or data[part.end() : part.end() + 8].lstrip()[:1] != b":":
            # A value: a string behind a colon, or one that no colon follows, which is an element of an array. Elements
            # are named after the key of their array.
            clean = _clean_string(part[1], key or (path[-1] if path else ""))
            if clean is not None:
                withheld[f"{'.'.join(name for name in (*path, key) if name)} query".strip()] = None
                yield data[at : part.start(1)]
                yield clean
                at = part.end(1)
        else:
            key = _decode_string(part[1])[:64]
    yield data[at:]


def _clean_string(raw: bytes, key: str) -> bytes | None:
    """A string, as it stands between its quotes, without queries of addresses; None where it needs no change.

    Of an address under a key that names a link, every query is cut off; of others, only one that looks signed.
    """
    if not _QUERY.search(raw):
        return None
    text = _decode_string(raw)
    whole = _ADDRESS.fullmatch(text)
    if whole and _names_link(key):
        # Cut where it stands, so that the bytes before the query stay as they were sent, escapes included.
        cut = _QUERY.search(raw)
        return raw[: cut.start()] if cut else None
    clean = _ADDRESS.sub(lambda match: _without_signed_query(match[0]), text)
    return None if clean == text else msgspec.json.encode(clean)[1:-1]


def _names_link(key: str) -> bool:
    return key.replace("_", "").replace("-", "").lower().endswith(_LINK_NAMES)


def _without_signed_query(address: str) -> str:
    head, mark, query = address.partition("?")
    if mark and is_signed(query):
        return head
    head, mark, query = address.partition("#")
    return head if mark and is_signed(query) else address


def _decode_string(raw: bytes) -> str:
    try:
        return msgspec.json.decode(b'"' + raw + b'"', type=str)
    except ValueError:
        return raw.decode("utf-8", "replace")


def _without_query(match: re.Match[bytes], withheld: dict[str, None]) -> bytes:
    if not is_signed(match[2].decode("utf-8", "replace")):
        return match[0]
    withheld["query of an address"] = None
    return match[1]


def _without_signatures(data: bytes, withheld: dict[str, None]) -> bytes:
    """The bytes without the signed queries of addresses and without known secrets."""
    data = _RAW.sub(lambda match: _without_query(match, withheld), data)
    clean = SECRETS.redact_bytes(data)
    if clean != data:
        withheld["a known secret"] = None
    return clean


def _safe_pieces(body: Spool) -> Iterator[bytes]:
    """The document in pieces that cut through no address and no secret: each ends behind a string, or else a word."""
    rest = b""
    with body.open() as reader:
        while data := reader.read(_CHUNK):
            data = rest + data
            # Text without quotation marks and blanks is cut all the same, so that memory stays bounded.
            end = _end_of_string(data) or max(map(data.rfind, _BLANKS)) + 1 or max(len(data) - _LONGEST_WORD, 0)
            yield data[:end]
            rest = data[end:]
    yield rest


def _end_of_string(data: bytes) -> int:
    """The place behind the last quotation mark that is not escaped; 0 where there is none."""
    end = data.rfind(b'"')
    # A mark behind an escaped backslash is passed over too, which only makes the piece shorter.
    while end > 0 and data[end - 1] == 0x5C:
        end = data.rfind(b'"', 0, end)
    return end + 1


def _names_of_secrets(body: Spool) -> tuple[str, ...]:
    withheld: dict[str, None] = {}
    for piece in _safe_pieces(body):
        _without_signatures(piece, withheld)
    return tuple(withheld)
