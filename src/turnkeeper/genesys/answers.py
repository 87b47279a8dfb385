"""Small answers, typed: what a page, a state or a list says, or why it is none."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from turnkeeper.errors import TooLarge, Unavailable
from turnkeeper.spool import Spool

__all__ = ["LARGEST", "not_the_platforms", "read_answer", "without_lone_surrogates"]

LARGEST = 64 << 20
"""Bytes of the largest page of conversations that is read in one go."""

# Pairs are matched first, so that what is left is half of one; a backslash that is escaped begins nothing.
_SURROGATES = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_REPLACEMENT = b"\\ufffd"

T = TypeVar("T")


def read_answer(body: Spool, decoder: msgspec.json.Decoder[T], operation: str, key: str) -> T:
    """A body as the decoder's type. Raises ``Unavailable`` where it is none (a proxy's page), ``TooLarge``."""
    if body.size > LARGEST:
        raise TooLarge(f"an answer of {body.size} bytes", operation=operation, key=key)
    with body.open() as reader:
        data = reader.read()
    try:
        return decoder.decode(data)
    except (ValueError, RecursionError):
        raise not_the_platforms("the answer is not of the platform's shape", operation, key) from None


def not_the_platforms(what: str, operation: str, key: str) -> Unavailable:
    """The error for an answer of status 200 that proves nothing: asked again, and an error where it stays so."""
    return Unavailable(
        what,
        operation=operation,
        key=key,
        hint="A proxy, a sign-in page or a maintenance notice may be answering in the platform's place.",
    )


def without_lone_surrogates(data: bytes) -> tuple[bytes, int]:
    """JSON whose strings can be decoded, and how many characters were replaced by U+FFFD for that.

    Halves of surrogate pairs (``"\\ud800"``) and bytes that are not UTF-8 are no characters.
    """
    count = 0

    def mend(match: re.Match[bytes]) -> bytes:
        nonlocal count
        count += match[1] is not None
        return match[0] if match[1] is None else _REPLACEMENT

    if b"\\ud" in data or b"\\uD" in data:
        data = _SURROGATES.sub(mend, data)
    try:
        data.decode()
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        count += text.count("\ufffd") - data.count("\ufffd".encode())
        data = text.encode()
    return data, count
