"""Transcripts without anything in them: behind a fresh link they are placeholders, and the real ones follow. Pure."""

from __future__ import annotations

from typing import Any

from turnkeeper.genesys.answers import document_in
from turnkeeper.spool import Spool

__all__ = ["EMPTY", "is_empty"]

EMPTY = "the transcript is empty"
"""The reason of a leg whose transcript has arrived without a phrase, of a call that is fresh."""

_LARGEST = 1 << 16
"""A larger body says something."""
_LISTS = ("transcripts", "transcript", "phrases")


def is_empty(body: Spool) -> bool:
    """Whether a body has no bytes, is ``null``, ``[]`` or ``{}``, or a transcript whose lists of phrases are all empty.

    Other text that is no JSON is not empty: reading it says what it is.
    """
    if body.size > _LARGEST:
        return False
    with body.open() as reader:
        data = reader.read()
    try:
        found = document_in(data) if data.strip() else None
    except ValueError:
        return False
    return not found or (isinstance(found, dict) and _says_nothing(found))


def _says_nothing(document: dict[str, Any]) -> bool:
    lists = [document[name] for name in _LISTS if name in document]
    if not lists:
        return False
    return all(not each or (isinstance(each, list) and all(map(_is_blank, each))) for each in lists)


def _is_blank(element: object) -> bool:
    """Whether an element of ``transcripts`` has lists of phrases, all of them empty."""
    return isinstance(element, dict) and _says_nothing(element)
