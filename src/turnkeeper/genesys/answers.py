"""Small answers, typed: what a page, a state or a list says, or why it is none."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from turnkeeper.errors import TooLarge, Unavailable
from turnkeeper.spool import Spool

__all__ = ["LARGEST", "read_answer"]

LARGEST = 64 << 20
"""Bytes of the largest answer that is read in one go."""

T = TypeVar("T")


def read_answer(body: Spool, decoder: msgspec.json.Decoder[T], operation: str, key: str) -> T:
    """A body as the decoder's type. Raises ``Unavailable`` where it is none (a proxy's page), ``TooLarge``."""
    if body.size > LARGEST:
        raise TooLarge(f"an answer of {body.size} bytes", operation=operation, key=key)
    try:
        with body.open() as reader:
            return decoder.decode(reader.read())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unavailable(
            "the answer is not of the platform's shape",
            operation=operation,
            key=key,
            hint="A proxy or a sign-in page may be answering in the platform's place.",
        ) from None
