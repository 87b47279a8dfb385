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
from turnkeeper.transcript.dialect import Facts, Mode, Shape, Survey
from turnkeeper.transcript.document import HELD, Document, Source
from turnkeeper.transcript.intake import may_have_halves
from turnkeeper.transcript.limits import Limits
from turnkeeper.transcript.native import Table
from turnkeeper.transcript.scan import nesting_within
from turnkeeper.transcript.stream import Batch
from turnkeeper.transcript.typed import decoder

__all__ = ["Small", "open_small"]

# A key may be spelled with escapes of ASCII characters.
_SPELLED = re.compile(rb"\\u00[2-7]")
_ODD = re.compile(rb"\\u(?:00[2-7]|[dD][89a-fA-F])")
_FEW = 64

_LAST = re.compile(rb"\][ \t\r\n]*\}[ \t\r\n]*$")
_BETWEEN = b": \t\r\n"
_OPENS = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*(?=\[)")

_HEAD = 1024


class Small(msgspec.Struct, frozen=True):
    """How a shape reads a whole document. ``kind`` is its type, ``mark`` a key that must occur in the text just once.

    ``batches`` gives the arrays of turns, or None where the document is another shape's. ``facts`` is everything else;
    it may raise ``Unread``. ``table`` reads those arrays natively: they stand under ``key`` (else under the mark), and
    ``fill`` puts them into a document that was decoded with empty ones in their places, or says False where it has
    other places.
    """

    kind: Any
    mark: bytes
    batches: Callable[[Any], list[Batch] | None]
    facts: Callable[[Any, Survey], Facts]
    table: Table | None = None
    fill: Callable[[Any, list[Any]], bool] = lambda *_: False
    key: bytes = b""


def open_small(source: Source, shapes: Sequence[Shape], limits: Limits, mode: Mode) -> Document | None:
    """The body as a document, or None: not small, or not for this way."""
    if source.size >= HELD or not shapes or not any(hasattr(shape, "small") for shape in shapes):
        return None
    with source.open() as reader:
        text = reader.read(HELD)
    if not _plain(text, limits, mode):
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


def _plain(text: bytes, limits: Limits, mode: Mode) -> bool:
    if not text.startswith(b"{") or len(text) >= min(HELD, limits.element, limits.skeleton):
        return False
    # Half a surrogate pair has to be mended on the way.
    if _needs_mending(text):
        return False
    if not mode.strict:
        return True
    if not nesting_within(text, 0, limits.nesting):
        return False
    try:
        return text.isascii() or bool(text.decode())
    except UnicodeDecodeError:
        return False


def _needs_mending(text: bytes) -> bool:
    """Whether an escape may spell a key's letters, or be half a surrogate pair. The first escapes are looked at one by
    one: most texts have a few, and looking for a pattern takes ten times as long as looking for a byte."""
    at = text.find(b"\\")
    for _ in range(_FEW):
        if at < 0:
            return False
        if _ODD.match(text, at):
            break
        at = text.find(b"\\", at + 2)
    return bool(_SPELLED.search(text, at)) or may_have_halves(text)


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

    The key cannot stand within a string (its quotes would be escaped there), and where it was no key, or another
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
    if not _once(small.mark, text):
        return None
    try:
        document = decoder(small.kind).decode(text)
        if arrays is not None and not small.fill(document, arrays):
            return None
        batches = small.batches(document)
        if batches is None:
            return None
        survey = Survey(exact=mode.exact)
        for batch in batches:
            shape.survey(survey, batch)
        return Document(source, shape, survey, small.facts(document, survey), limits, mode, batches)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Unread):
        return None


def _once(mark: bytes, text: bytes) -> bool:
    """Whether a key occurs just once in a text; the decoder takes the last of two without a word.

    Where the text's last bracket opens this key's array and the text ends behind an array, no key can come after it:
    that is seen several times faster.
    """
    at = text.find(mark)
    if at < 0:
        return False
    behind, opened = at + len(mark), text.rfind(b"[")
    if opened >= behind and not text[behind:opened].strip(_BETWEEN) and _LAST.search(text, max(len(text) - 16, 0)):
        return True
    return text.rfind(mark) == at
