"""Transcripts without anything in them: behind a fresh link they are placeholders, and the real ones follow. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from turnkeeper.spool import Spool
from turnkeeper.transcript.details import Details

__all__ = ["EMPTY", "is_empty", "is_fresh"]

EMPTY = "the transcript is empty"
"""The reason of a leg whose transcript has arrived without a phrase, of a call that is fresh."""
_FRESH_MS = 86_400_000

_LARGEST = 1 << 16
"""A larger body says something."""
_LISTS = ("transcripts", "transcript", "phrases")


def is_empty(body: Spool) -> bool:
    """Whether a body is ``null``, ``[]`` or ``{}``, or a transcript whose lists of phrases are all empty.

    Text that is no JSON is not empty: reading it says what it is.
    """
    if body.size > _LARGEST:
        return False
    with body.open() as reader:
        try:
            found = msgspec.json.decode(reader.read())
        except (msgspec.DecodeError, RecursionError):
            return False
    return not found or (isinstance(found, dict) and _says_nothing(found))


def is_fresh(details: Details | None, now: int) -> bool:
    """Whether a call ended less than a day before ``now`` (epoch ms), so that an empty transcript may be one that is
    still being made. The media dialect decides by itself where there are no details."""
    return details is not None and details.end is not None and now - details.end < _FRESH_MS


def _says_nothing(document: dict[str, Any]) -> bool:
    lists = [document[name] for name in _LISTS if name in document]
    if not lists:
        return False
    return all(not each or (isinstance(each, list) and all(map(_is_blank, each))) for each in lists)


def _is_blank(element: object) -> bool:
    """Whether an element of ``transcripts`` has lists of phrases, all of them empty."""
    return isinstance(element, dict) and _says_nothing(element)
