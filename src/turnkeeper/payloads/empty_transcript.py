"""Files without any transcript in them: behind a fresh link they are placeholders, and the real ones follow. Pure."""

from __future__ import annotations

from turnkeeper.payloads.decode_json import document_in
from turnkeeper.spool import Spool

__all__ = ["EMPTY", "is_empty"]

EMPTY = "the transcript is empty"
"""The reason of a leg whose file has arrived without any transcript, however old the call."""

_LARGEST = 1 << 16
"""A larger body says something."""
_LISTS = ("transcripts", "transcript")


def is_empty(body: Spool) -> bool:
    """Whether a body has no bytes, is ``null``, ``[]`` or ``{}``, or lists no transcript at all.

    A transcript without a phrase is one: nobody spoke. Text that is no JSON is not empty: reading it says what it is.
    """
    found = _document(body)
    if not isinstance(found, dict):
        return not found
    lists = [found[name] for name in _LISTS if name in found]
    return not found or (bool(lists) and not any(lists))


def _document(body: Spool) -> object:
    """The document in a small body; True for one that is large, or no JSON."""
    if body.size > _LARGEST:
        return True
    with body.open() as reader:
        data = reader.read()
    try:
        return document_in(data) if data.strip() else None
    except ValueError:
        return True
