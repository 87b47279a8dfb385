"""The refusals of a JSON text, each with the offset in the decoded body."""

from __future__ import annotations

import re

import msgspec

from turnkeeper.errors import TooLarge, Unread

__all__ = ["Trailing", "byte_offset", "not_json", "not_utf8", "too_deep", "too_large", "truncated"]

_BYTE = re.compile(r"\(byte (\d+)\)$")


class Trailing(Unread):
    """There is more text after the document's end, perhaps a second document."""


def truncated(end: int) -> Unread:
    """The text stops before its end."""
    return Unread(f"ends in the middle, after byte {end}", offset=end, hint="Download the body again.")


def not_json(offset: int) -> Unread:
    """The text breaks JSON's grammar."""
    return Unread(f"not JSON at byte {offset}", offset=offset, hint="The body is damaged.")


def not_utf8(text: bytes | bytearray, origin: int) -> Unread:
    """The text, which begins ``origin`` bytes into the body, has a sequence that is not UTF-8."""
    try:
        text.decode()
    except UnicodeDecodeError as cause:
        origin += cause.start
    return Unread(f"invalid UTF-8 at byte {origin}", offset=origin, hint="JSON is UTF-8.")


def too_deep(offset: int, limit: int) -> TooLarge:
    """The document nests deeper than ``limit`` levels."""
    hint = "Raise Limits.nesting if this document is genuine."
    return TooLarge(f"nested deeper than {limit} levels at byte {offset}", offset=offset, hint=hint)


def too_large(what: str, offset: int, limit: int, field: str = "") -> TooLarge:
    """An element or a document is larger than ``limit`` bytes."""
    hint = "Raise Limits.element if this document is genuine."
    return TooLarge(
        f"one {what} is larger than {limit} bytes, from byte {offset}", offset=offset, field=field, hint=hint
    )


def byte_offset(cause: msgspec.DecodeError) -> int | None:
    """The byte that the decoder names in its message, None where the text ended too early."""
    match = _BYTE.search(str(cause))
    return int(match[1]) if match else None
