"""The answer of ``transcripturl``, which holds a link, and the placeholder file that a fresh link may lead to."""

from __future__ import annotations

from typing import TypeGuard

from turnkeeper.payloads.decode_json import body_bytes, decode_json, foreign_answer, read_object
from turnkeeper.spool import Spool

__all__ = ["EMPTY", "is_empty", "is_web_address", "read_link"]

EMPTY = "the transcript is empty"
"""The reason given for a communication whose file has no transcript in it, however old the conversation is."""

_LARGEST_PLACEHOLDER = 1 << 16
_LISTS = ("transcripts", "transcript")


def read_link(body: Spool, operation: str, key: str) -> str:
    """Read the presigned address, which is a secret. Raises ``Unavailable`` where the answer holds none."""
    otherwise = "the answer holds no address"
    url = read_object(body, operation, key, otherwise).get("url")
    if not is_web_address(url):
        raise foreign_answer(otherwise, operation, key)
    return url


def is_web_address(value: object) -> TypeGuard[str]:
    """Whether a value is an http or https address."""
    return isinstance(value, str) and value.startswith(("https://", "http://"))


def is_empty(body: Spool) -> bool:
    """Whether a body has no bytes, is ``null``, ``[]`` or ``{}``, or lists no transcript at all.

    The platform puts such a file behind a link until the transcript is made. A transcript without a phrase is not
    empty: it says that nobody spoke. Nor is text that is not JSON, so that reading it later says what is wrong.
    """
    document = _small_document(body)
    if not isinstance(document, dict):
        return not document
    lists = [document[name] for name in _LISTS if name in document]
    return not document or (bool(lists) and not any(lists))


def _small_document(body: Spool) -> object:
    """The document in a small body; True for one that is large, or not JSON."""
    if body.size > _LARGEST_PLACEHOLDER:
        return True
    data = body_bytes(body)
    try:
        return decode_json(data) if data.strip() else None
    except ValueError:
        return True
