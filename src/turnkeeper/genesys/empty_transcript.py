"""Transcripts without anything in them: behind a fresh link they are placeholders, and the real ones follow. Pure."""

from __future__ import annotations

from turnkeeper.genesys.answers import document_in
from turnkeeper.spool import Spool

__all__ = ["EMPTY", "is_empty"]

EMPTY = "the transcript is empty"
"""The reason of a leg whose transcript has arrived without a phrase, of a call that is fresh."""

_LARGEST = 1 << 16
"""A larger body says something."""
_LISTS = ("transcripts", "transcript")


def is_empty(body: Spool) -> bool:
    """Whether a body has no bytes, is ``null``, ``[]`` or ``{}``, or lists no transcript at all.

    A transcript without a phrase is one: nobody spoke. Text that is no JSON is not empty: reading it says what it is.
    """
    if body.size > _LARGEST:
        return False
    with body.open() as reader:
        data = reader.read()
    try:
        found = document_in(data) if data.strip() else None
    except ValueError:
        return False
    if not isinstance(found, dict):
        return not found
    lists = [found[name] for name in _LISTS if name in found]
    return not found or (bool(lists) and not any(lists))
