"""Read status, link and emptiness of a media document of any size in constant memory.

A damaged or foreign document gives an empty page and no error, because the reader of the transcript says better what is
wrong with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import BinaryIO

import msgspec

from turnkeeper.spool import Spool

__all__ = ["MediaPage", "read_large_page", "read_page", "without_query"]

_CHUNK = 1 << 18
_LONGEST = 1 << 14
_LINK = b"downloadUrl"
_TOKEN = re.compile(rb'["{}\[\],]')
_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
# An object or array without others inside, in one step instead of forty. Possessive, so that it never backtracks.
_FLAT = re.compile(rb'[{\[][^{}\[\]"]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^{}\[\]"]*+)*+[}\]]', re.DOTALL)
_QUERY = re.compile(rb"[?#]|\\u003f|\\u0023", re.IGNORECASE)


@dataclass(frozen=True)
class MediaPage:
    """``status`` is in lower case. ``empty`` is None where the document has no ``transcript`` array.

    ``links`` are the byte ranges, in the document, of what stands between the quotes of each downloadUrl.
    """

    status: str = ""
    download_url: str = ""
    empty: bool | None = None
    links: tuple[tuple[int, int], ...] = ()


@dataclass
class _Walk:
    """The state of a walk over a document. Only strings of the outermost object count, and only up to 16 KiB."""

    depth: int = 0
    in_string: bool = False
    escaped: bool = False
    start: int = 0
    text: bytearray = field(default_factory=bytearray)
    key: str = ""
    is_key: bool = True
    in_transcript: bool = False
    facts: dict[str, str] = field(default_factory=dict)
    empty: bool | None = None
    links: list[tuple[int, int]] = field(default_factory=list)


def read_page(reader: BinaryIO) -> MediaPage:
    """Read a page in one walk over the document."""
    walk, offset, data = _Walk(), 0, reader.read(_CHUNK)
    if data[:1] == b"\xef":
        data, offset = data[3:], 3  # a byte order mark
    while data:
        _walk_chunk(walk, data, offset)
        offset += len(data)
        data = reader.read(_CHUNK)
    return MediaPage(
        walk.facts.get("status", "").lower(), walk.facts.get("downloadUrl", ""), walk.empty, tuple(walk.links)
    )


def read_large_page(reader: BinaryIO) -> MediaPage:
    """Read a page of a document over a megabyte, which is taken for a transcript that is finished and not empty.

    Only a link in it still matters. The walk (57 MB/s) is made only where a search (GB/s) finds the word.
    """
    tail = b""
    while data := reader.read(_CHUNK):
        data = tail + data
        if _LINK in data:
            reader.seek(0)
            return read_page(reader)
        # The word may begin in one chunk and end in the next.
        tail = data[-len(_LINK) :]
    return MediaPage(empty=False)


def without_query(body: Spool, links: tuple[tuple[int, int], ...], into: Spool) -> tuple[str, ...]:
    """Copy a document without the query and fragment of each link. Returns names of what was removed."""
    cut, at = False, 0
    with body.open() as reader:
        for start, end in links:
            _copy_bytes(reader, into, start - at)
            link = reader.read(end - start)
            query = _QUERY.search(link)
            into.write(link[: query.start()] if query else link)
            cut, at = cut or query is not None, end
        _copy_bytes(reader, into, body.size - at)
    into.seal()
    return ("downloadUrl query",) if cut else ()


def _copy_bytes(reader: BinaryIO, into: Spool, count: int) -> None:
    while count > 0 and (data := reader.read(min(count, _CHUNK))):
        into.write(data)
        count -= len(data)


def _walk_chunk(walk: _Walk, data: bytes, origin: int) -> None:
    at, size = 0, len(data)
    while at < size:
        if walk.in_string:
            at = _walk_string(walk, data, at, origin)
            continue
        match = _TOKEN.search(data, at)
        if match is None:
            _walk_scalar(walk, data[at:])
            return
        _walk_scalar(walk, data[at : match.start()])
        at = _walk_token(walk, data, match.start(), origin)


def _walk_token(walk: _Walk, data: bytes, at: int, origin: int) -> int:
    byte = data[at : at + 1]
    # Directly inside the transcript array, any token but its end belongs to an element.
    if walk.depth == 2 and walk.in_transcript and byte != b"]":
        walk.empty = False
    if byte == b'"':
        walk.in_string, walk.start = True, origin + at + 1
        walk.text.clear()
    elif byte == b",":
        walk.is_key = walk.is_key or walk.depth == 1
    elif byte in b"{[":
        return _walk_opening(walk, data, at)
    else:
        walk.depth -= 1
        walk.in_transcript = walk.in_transcript and walk.depth > 1
    return at + 1


def _walk_opening(walk: _Walk, data: bytes, at: int) -> int:
    # Nothing that deep is read, so what is flat is skipped.
    if walk.depth >= 2 and (flat := _FLAT.match(data, at)):
        return flat.end()
    walk.depth += 1
    if walk.depth == 2 and walk.key == "transcript" and data[at] == 0x5B:
        walk.in_transcript, walk.empty = True, True
    return at + 1


def _walk_string(walk: _Walk, data: bytes, at: int, origin: int) -> int:
    """Go to the end of the string or of the chunk. The two bytes of an escape may lie in two chunks."""
    match = _IN_STRING.match(data, at + walk.escaped)
    end = match.end() if match else at
    # The match stops at the closing quote, at the chunk's end, or at a backslash that is the chunk's last byte.
    closed = data[end : end + 1] == b'"'
    walk.escaped = data[end : end + 1] == b"\\"
    _collect(walk, data[at:end] if closed else data[at:])
    if not closed:
        return len(data)
    walk.in_string = False
    _end_string(walk, origin + end)
    return end + 1


def _collect(walk: _Walk, data: bytes) -> None:
    if len(walk.text) + len(data) > _LONGEST:
        walk.text[:] = bytes(_LONGEST + 1)  # too long to matter
    else:
        walk.text += data


def _end_string(walk: _Walk, end: int) -> None:
    if walk.depth != 1:
        return
    text = _decode_string(bytes(walk.text))
    if walk.is_key:
        walk.key, walk.is_key = text, False
    elif walk.key in ("status", "downloadUrl"):
        walk.facts[walk.key] = text
        if walk.key == "downloadUrl":
            walk.links.append((walk.start, end))


def _walk_scalar(walk: _Walk, between: bytes) -> None:
    """Numbers and names between two tokens: a transcript that lists them is not empty either."""
    if walk.depth == 2 and walk.in_transcript and between.strip():
        walk.empty = False


def _decode_string(raw: bytes) -> str:
    if len(raw) > _LONGEST:
        return ""
    try:
        return msgspec.json.decode(b'"' + raw + b'"', type=str)
    except msgspec.DecodeError:
        return ""
