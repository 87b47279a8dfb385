"""Documents that are kept: the same bytes, without what would open something to whoever reads the archive.

The query of a presigned address is a key. It is cut off wherever it stands, under whatever name and however it is
escaped; every other byte stays as the platform sent it. Values that are known to be secret are replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec

from turnkeeper.known_secrets import SECRETS, is_signed
from turnkeeper.spool import Spool

__all__ = ["WHOLE", "clean_bytes", "clean_spool", "kept_form"]

WHOLE = 16 << 20
"""Bytes of a document that is looked at string by string; a larger one is searched for addresses as it streams."""

_ON_THE_LOOP = 1 << 18
_CHUNK = 1 << 20
_HELD = 1 << 16
_BLANKS = (b" ", b"\n", b"<", b">")
# The letters of "http" as JSON escapes: nobody writes so who has nothing to hide.
_HIDDEN_SCHEME = re.compile(rb"\\u00(?:68|48|74|54|70|50)", re.IGNORECASE)
_PART = re.compile(rb'"((?:[^"\\]|\\.)*+)"|[{}\[\]:,]', re.DOTALL)
_QUERY = re.compile(rb"[?#]|\\u003f|\\u0023", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\s\"'<>]*", re.IGNORECASE)
_RAW = re.compile(
    rb'(https?(?::|\\u003a)(?:\\?/|\\u002f){2}[^"\s<>?#]*?)((?:[?#]|\\u003f|\\u0023)[^"\s<>]*)', re.IGNORECASE
)
_LINK_NAMES = ("url", "uri", "link", "href")


def clean_spool(body: Spool, folder: Path | None = None) -> Spool:
    """A document to keep; its ``withheld`` names what was taken out of it (``mediaUris.S.mediaUri query``).

    The spool is the same one where nothing was; otherwise it is closed and a new one is given.
    """
    if body.size <= WHOLE:
        with body.open() as reader:
            data = reader.read()
        clean, withheld = clean_bytes(data)
        if not withheld:
            return body
        pieces: Iterator[bytes] = iter((clean,))
    else:
        withheld = _secrets_in(body)
        if not withheld:
            return body
        pieces = (_stripped(piece, {}) for piece in _windows(body))
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


async def kept_form(body: Spool, folder: Path | None = None) -> Spool:
    """As ``clean_spool``, a large document in a thread."""
    if body.size <= _ON_THE_LOOP:
        return clean_spool(body, folder)
    return await anyio.to_thread.run_sync(clean_spool, body, folder)


def clean_bytes(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """As ``clean_spool``, for a document in memory: its bytes, and what was withheld."""
    withheld: dict[str, None] = {}
    if _RAW.search(data) or _HIDDEN_SCHEME.search(data):
        data = b"".join(_rewritten(data, withheld))
    return _stripped(data, withheld), tuple(withheld)


def _rewritten(data: bytes, withheld: dict[str, None]) -> Iterator[bytes]:
    """The document in pieces, its strings cleaned; ``withheld`` gets the paths of those that changed."""
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
            clean = _cleaned(part[1], key or (path[-1] if path else ""))
            if clean is not None:
                withheld[f"{'.'.join(name for name in (*path, key) if name)} query".strip()] = None
                yield data[at : part.start(1)]
                yield clean
                at = part.end(1)
        else:
            key = _text(part[1])[:64]
    yield data[at:]


def _cleaned(raw: bytes, key: str) -> bytes | None:
    """What stands between the quotes, without the queries of its addresses; None where it may stay."""
    if not _QUERY.search(raw):
        return None
    text = _text(raw)
    whole = _ADDRESS.fullmatch(text)
    if whole and _names_link(key):
        cut = _QUERY.search(raw)
        return raw[: cut.start()] if cut else None
    clean = _ADDRESS.sub(lambda match: _unsigned(match[0]), text)
    return None if clean == text else msgspec.json.encode(clean)[1:-1]


def _names_link(key: str) -> bool:
    return key.replace("_", "").replace("-", "").lower().endswith(_LINK_NAMES)


def _unsigned(address: str) -> str:
    head, mark, query = address.partition("?")
    if mark and is_signed(query):
        return head
    head, mark, query = address.partition("#")
    return head if mark and is_signed(query) else address


def _text(raw: bytes) -> str:
    try:
        return msgspec.json.decode(b'"' + raw + b'"', type=str)
    except ValueError:
        return raw.decode("utf-8", "replace")


def _cut(match: re.Match[bytes], withheld: dict[str, None]) -> bytes:
    if not is_signed(match[2].decode("utf-8", "replace")):
        return match[0]
    withheld["query of an address"] = None
    return match[1]


def _stripped(data: bytes, withheld: dict[str, None]) -> bytes:
    """Without the signed queries of its addresses and without known secrets."""
    data = _RAW.sub(lambda match: _cut(match, withheld), data)
    clean = SECRETS.redact_bytes(data)
    if clean != data:
        withheld["a known secret"] = None
    return clean


def _windows(body: Spool) -> Iterator[bytes]:
    """The document in pieces that end where no address and no secret does not: behind a string, or else a word."""
    held = b""
    with body.open() as reader:
        while data := reader.read(_CHUNK):
            data = held + data
            end = _end_of_string(data) or max(map(data.rfind, _BLANKS)) + 1 or max(len(data) - _HELD, 0)
            yield data[:end]
            held = data[end:]
    yield held


def _end_of_string(data: bytes) -> int:
    """Behind the last quotation mark that is not escaped; 0 where there is none."""
    end = data.rfind(b'"')
    while end > 0 and data[end - 1] == 0x5C:
        end = data.rfind(b'"', 0, end)
    return end + 1


def _secrets_in(body: Spool) -> tuple[str, ...]:
    withheld: dict[str, None] = {}
    for piece in _windows(body):
        _stripped(piece, withheld)
    return tuple(withheld)
