"""Read a small body whole, in one call of the decoder with a type that a cheap search chooses. Knows no vendor.

The streamed way (``document``) decides what a body means. Whatever this way does not read at once and with certainty is
left to it, so that both give the same results and errors.
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

__all__ = ["WholeType", "open_whole"]

# Escapes of ASCII characters, with which a key may be written.
_ESCAPED_ASCII = re.compile(rb"\\u00[2-7]")
_OPENS = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*(?=\[)")

_HEAD = 1024


class WholeType(msgspec.Struct, frozen=True):
    """How a shape reads a whole document.

    ``kind`` is the type of the document, and ``mark`` a key that must occur in its text exactly once. ``batches`` gives
    the arrays of turns, or None where the document is of another shape. ``facts`` gives everything else, and may raise
    ``Unread``. Where there is a ``table``, the arrays under ``key`` (else under the mark) are read natively.
    ``batches`` then gets them beside a document that was decoded with empty arrays in their places, and returns None
    where those are not the places of turns.
    """

    kind: Any
    mark: bytes
    batches: Callable[[Any, list[Any] | None], list[Batch] | None]
    facts: Callable[[Any, Survey], DocumentFacts]
    table: ColumnReader | None = None
    key: bytes = b""


def open_whole(source: Source, shapes: Sequence[Shape], limits: Limits, mode: Mode) -> Document | None:
    """Read a body; None where it is not small, or has to be streamed for another reason."""
    if source.size >= HELD:
        return None
    with source.open() as reader:
        text = reader.read(HELD)
    # No part of a text that is shorter than every limit can exceed one, so limits need no check while decoding.
    if not text.startswith(b"{") or len(text) >= min(HELD, limits.element, limits.skeleton):
        return None
    if mode.strict and not _is_sound(text, limits):
        return None
    later = []
    for shape in shapes:
        whole = shape.whole(mode) if hasattr(shape, "whole") else None
        if whole is None:
            continue
        # A mark near the start is found at once. For the others the whole text has to be searched.
        if text.find(whole.mark, 0, _HEAD) < 0:
            later.append((shape, whole))
        elif document := _read_as(text, source, shape, whole, limits, mode):
            return document
    return next(
        (document for shape, whole in later if (document := _read_as(text, source, shape, whole, limits, mode))), None
    )


def _is_sound(text: bytes, limits: Limits) -> bool:
    """Whether all of the text is UTF-8 and not nested too deep, also where no field is read."""
    try:
        return nesting_within(text, 0, limits.nesting) and (text.isascii() or bool(text.decode()))
    except UnicodeDecodeError:
        return False


def _needs_mending(text: bytes) -> bool:
    """Whether an escape may be a letter of a key, or half a surrogate pair."""
    return b"\\" in text and (bool(_ESCAPED_ASCII.search(text)) or may_have_lone_surrogates(text))


def _read_as(
    text: bytes, source: Source, shape: Shape, whole: WholeType, limits: Limits, mode: Mode
) -> Document | None:
    native = _native_arrays(text, whole, mode)
    if native is not None:
        rest, arrays = native
        document = _decoded_as(rest, source, shape, whole, limits, mode, arrays)
        if document is not None:
            return document
    return _decoded_as(text, source, shape, whole, limits, mode)


def _native_arrays(text: bytes, whole: WholeType, mode: Mode) -> tuple[bytes, list[Any]] | None:
    """The text with empty arrays of turns, and the arrays, read natively; None where an array is not plain enough.

    The native reader refuses half surrogate pairs and keys with escapes, so its arrays need no mending. The key cannot
    occur inside a string, because its quotes would be escaped there. Where it is the key of another object, the rest of
    the text does not decode into as many empty arrays at the places of turns.
    """
    table, key = whole.table, whole.key or whole.mark
    if table is None or not table.native:
        return None
    arrays, pieces, done = [], [], 0
    at = text.find(key)
    while at >= 0:
        opening = _OPENS.match(text, at + len(key))
        array = table.read(text, opening.end(), strict=mode.strict) if opening else None
        if opening is None or array is None:
            return None
        pieces.append(text[done : opening.end() + 1])
        arrays.append(array[0])
        done = array[1] - 1
        at = text.find(key, done)
    pieces.append(text[done:])
    return (b"".join(pieces), arrays) if arrays else None


def _decoded_as(
    text: bytes,
    source: Source,
    shape: Shape,
    whole: WholeType,
    limits: Limits,
    mode: Mode,
    arrays: list[Any] | None = None,
) -> Document | None:
    # Of two arrays under one key the decoder takes the last, and says nothing of the other.
    if text.count(whole.mark) != 1 or _needs_mending(text):
        return None
    try:
        document = decoder_for(whole.kind).decode(text)
        batches = whole.batches(document, arrays)
        if batches is None:
            return None
        survey = Survey(exact=mode.exact)
        for batch in batches:
            shape.survey(survey, batch)
        return Document(source, shape, survey, whole.facts(document, survey), limits, mode, batches)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Unread):
        return None
