"""Small answers, typed: what a page, a state or a list says, or why it is none."""

from __future__ import annotations

import json
import math
from typing import TypeVar

import msgspec

from turnkeeper.errors import TooLarge, Unavailable
from turnkeeper.jsonstream.surrogates import without_lone_surrogates
from turnkeeper.spool import Spool

__all__ = ["LARGEST", "document_in", "not_the_platforms", "read_answer"]

LARGEST = 64 << 20
"""Bytes of the largest page of conversations that is read in one go."""

_MOST_DIGITS = 400

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
        # The decoder looks into every string, also into those that nobody asked for.
        mended, count = without_lone_surrogates(data)
    try:
        if count:
            return decoder.decode(mended)
    except (ValueError, RecursionError):
        pass
    raise not_the_platforms("the answer is not of the platform's shape", operation, key)


def not_the_platforms(what: str, operation: str, key: str) -> Unavailable:
    """The error for an answer of status 200 that proves nothing: asked again, and an error where it stays so."""
    return Unavailable(
        what,
        operation=operation,
        key=key,
        hint="A proxy, a sign-in page or a maintenance notice may be answering in the platform's place.",
    )


def document_in(data: bytes) -> object:
    """A JSON document as plain data. Raises ``ValueError`` where it is none.

    Values that cannot be cost themselves only: half a character is U+FFFD, a number beyond every float is infinite.
    """
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(without_lone_surrogates(data)[0], parse_int=_integer)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= _MOST_DIGITS else math.inf
