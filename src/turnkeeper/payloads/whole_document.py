"""A small body in one call of the decoder: its document as one type, chosen by a cheap look. Knows no vendor.

The stream stays the judge: whatever this way does not read at once and for certain is left to it, so that results and
refusals are the same by either way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from turnkeeper.errors import Unread
from turnkeeper.jsonstream.decoders import decoder_for
from turnkeeper.jsonstream.limits import Limits
from turnkeeper.jsonstream.native import ColumnReader
from turnkeeper.jsonstream.scan import nesting_within
from turnkeeper.jsonstream.stream import Batch
from turnkeeper.jsonstream.surrogates import may_have_lone_surrogates
from turnkeeper.payloads.dialect import DocumentFacts, Mode, Shape, Survey
from turnkeeper.payloads.document import HELD, Document
from turnkeeper.spool import Source

__all__ = ["Small", "open_small"]

# A key may be spelled with escapes of ASCII characters.
_SPELLED = re.compile(rb"\\u00[2-7]")
_OPENS = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*(?=\[)")

_HEAD = 1024


class Small(msgspec.Struct, frozen=True):
    """How a shape reads a whole document. ``kind`` is its type, ``mark`` a key that must occur in the text just once.

    ``batches`` gives the arrays of turns, or None where the document is another shape's. ``facts`` is everything else;
    it may raise ``Unread``. ``table`` reads those arrays natively: they stand under ``key`` (else under the mark), and
    ``batches`` is given them beside a document that was decoded with empty ones in their places, or says None where it
    has other places.
    """

    kind: Any
    mark: bytes
    batches: Callable[[Any, list[Any] | None], list[Batch] | None]
    facts: Callable[[Any, Survey], DocumentFacts]
    table: ColumnReader | None = None
    key: bytes = b""


def open_small(source: Source, shapes: Sequence[Shape], limits: Limits, mode: Mode) -> Document | None:
    """The body as a document, or None: not small, or not for this way."""
    if source.size >= HELD:
        return None
    with source.open() as reader:
        text = reader.read(HELD)
    if not text.startswith(b"{") or len(text) >= min(HELD, limits.element, limits.skeleton):
        return None
    if mode.strict and not _is_sound(text, limits):
        return None
    far = []
    for shape in shapes:
        small = shape.small(mode) if hasattr(shape, "small") else None
        if small is None:
            continue
        # A mark in the head is found at once; for the others the whole text has to be looked through.
        if text.find(small.mark, 0, _HEAD) < 0:
            far.append((shape, small))
        elif found := _read(text, source, shape, small, limits, mode):
            return found
    return next((found for shape, small in far if (found := _read(text, source, shape, small, limits, mode))), None)


def _is_sound(text: bytes, limits: Limits) -> bool:
    """Whether the parts that nobody asks for are UTF-8 and not nested too deep, too."""
    try:
        return nesting_within(text, 0, limits.nesting) and (text.isascii() or bool(text.decode()))
    except UnicodeDecodeError:
        return False


def _needs_mending(text: bytes) -> bool:
    """Whether an escape may spell a key's letters, or be half a surrogate pair."""
    return b"\\" in text and (bool(_SPELLED.search(text)) or may_have_lone_surrogates(text))


def _read(text: bytes, source: Source, shape: Shape, small: Small, limits: Limits, mode: Mode) -> Document | None:
    natively = _arrays(text, small, mode)
    if natively is not None:
        rest, arrays = natively
        found = _decoded(rest, source, shape, small, limits, mode, arrays)
        if found is not None:
            return found
    return _decoded(text, source, shape, small, limits, mode)


def _arrays(text: bytes, small: Small, mode: Mode) -> tuple[bytes, list[Any]] | None:
    """The arrays of turns, read natively, and the text with empty ones in their places; None where it is not so plain.

    What is read natively needs no mending: half a surrogate and a key with escapes are refused there. The key cannot
    stand within a string (its quotes would be escaped there), and where it was no key, or another
    object's, what is left does not decode into as many empty arrays at the right places.
    """
    table, key = small.table, small.key or small.mark
    if table is None or not table.native:
        return None
    arrays, kept, done = [], [], 0
    at = text.find(key)
    while at >= 0:
        opening = _OPENS.match(text, at + len(key))
        found = table.read(text, opening.end(), strict=mode.strict) if opening else None
        if opening is None or found is None:
            return None
        kept.append(text[done : opening.end() + 1])
        arrays.append(found[0])
        done = found[1] - 1
        at = text.find(key, done)
    kept.append(text[done:])
    return (b"".join(kept), arrays) if arrays else None


def _decoded(
    text: bytes,
    source: Source,
    shape: Shape,
    small: Small,
    limits: Limits,
    mode: Mode,
    arrays: list[Any] | None = None,
) -> Document | None:
    # The decoder takes the last of two arrays under one key without a word.
    if text.count(small.mark) != 1 or _needs_mending(text):
        return None
    try:
        document = decoder_for(small.kind).decode(text)
        batches = small.batches(document, arrays)
        if batches is None:
            return None
        survey = Survey(exact=mode.exact)
        for batch in batches:
            shape.survey(survey, batch)
        return Document(source, shape, survey, small.facts(document, survey), limits, mode, batches)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Unread):
        return None
