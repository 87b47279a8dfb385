"""Decode JSON answers that fit in memory, and make the error for an answer that is not the platform's.

msgspec's decoder is strict: half a surrogate pair, or a number beyond every float, makes it refuse a whole document.
The platform may send either in fields that nobody here needs, so both functions fall back to a tolerant way.
"""

from __future__ import annotations

import json
import math
from typing import Any, TypeVar

import msgspec

from turnkeeper.errors import TooLarge, Unavailable
from turnkeeper.jsonstream.surrogates import without_lone_surrogates
from turnkeeper.spool import Source, Spool

__all__ = ["LARGEST", "body_bytes", "decode_json", "foreign_answer", "read_answer", "read_object"]

LARGEST = 64 << 20
"""Bytes of the largest answer that is decoded in memory, which is a page of conversations."""

_MOST_DIGITS = 400

T = TypeVar("T")


def body_bytes(body: Source) -> bytes:
    """Read a whole body into memory."""
    with body.open() as reader:
        return reader.read()


def read_answer(body: Spool, decoder: msgspec.json.Decoder[T], operation: str, key: str) -> T:
    """Decode a body into the decoder's type.

    Raises ``Unavailable`` where it is not of that type (a proxy's page, for example), and ``TooLarge``.
    """
    if body.size > LARGEST:
        raise TooLarge(f"an answer of {body.size} bytes", operation=operation, key=key)
    data = body_bytes(body)
    try:
        return decoder.decode(data)
    except (ValueError, RecursionError):
        # The decoder validates every string, also those of fields that the type does not have.
        mended, count = without_lone_surrogates(data)
    try:
        if count:
            return decoder.decode(mended)
    except (ValueError, RecursionError):
        pass
    raise foreign_answer("the answer is not of the platform's shape", operation, key)


def read_object(body: Spool, operation: str, key: str, otherwise: str) -> dict[str, Any]:
    """Decode a body into the members of its JSON object. Raises ``Unavailable``, saying ``otherwise``, for all else."""
    try:
        document = decode_json(body_bytes(body))
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise foreign_answer(otherwise, operation, key)
    return document


def foreign_answer(what: str, operation: str, key: str) -> Unavailable:
    """The error for a successful answer that the platform itself would not give.

    It is retriable: the request is sent again, and the error stands if the answer stays as it is.
    """
    return Unavailable(
        what,
        operation=operation,
        key=key,
        hint="A proxy, a sign-in page or a maintenance notice may be answering in the platform's place.",
    )


def decode_json(data: bytes) -> object:
    """Decode a JSON document into plain data. Raises ``ValueError`` where it is not JSON.

    Half a surrogate pair becomes U+FFFD, and an integer of more than 400 digits becomes infinite.
    """
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(without_lone_surrogates(data)[0], parse_int=_integer_or_infinity)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _integer_or_infinity(digits: str) -> float:
    return int(digits) if len(digits) <= _MOST_DIGITS else math.inf
