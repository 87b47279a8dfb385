"""Where each word stands in its turn's text. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from turnkeeper.model import Word

__all__ = ["DOUBTFUL", "place_words"]

DOUBTFUL = 0.5
"""A word below this confidence is marked."""

REACH = 48
"""How far ahead a word is looked for: punctuation and spelled-out numbers lie between, not sentences."""


def place_words(text: str, words: Sequence[Word]) -> tuple[list[int], list[int]]:
    """``[offset, length, start_ms, end_ms, …]`` of the words found in the text, and which of them are doubtful.

    Words come without the text's punctuation and capitals, and with other numerals; one that is not found near the
    place of its predecessor is left out. Offsets count UTF-16 units, as browsers do.
    """
    lowered = _same_length(text)
    units = _Units(text)
    placed: list[int] = []
    doubtful: list[int] = []
    at = 0
    for word in words:
        sought = _same_length(word.word.strip())
        if not sought or word.start_ms is None:
            continue
        found = _find(lowered, sought, at)
        if found < 0:
            continue
        at = found + len(sought)
        end_ms = word.start_ms if word.end_ms is None else word.end_ms
        start = units.of(found)
        if word.confidence is not None and word.confidence < DOUBTFUL:
            doubtful.append(len(placed) // 4)
        placed += (start, units.of(at) - start, word.start_ms, end_ms)
    return placed, doubtful


def _find(text: str, sought: str, start: int) -> int:
    """The next place of ``sought`` that is no part of a longer word; the next at all where there is none."""
    last = start + REACH + len(sought)
    first = found = text.find(sought, start, last)
    while found >= 0:
        before, after = text[found - 1 : found] if found else "", text[found + len(sought) : found + len(sought) + 1]
        if not before.isalnum() and not after.isalnum():
            return found
        found = text.find(sought, found + 1, last)
    return first


def _same_length(text: str) -> str:
    """Lower case where that keeps every character in its place ("İ" would become two)."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


class _Units:
    """Characters to UTF-16 units, asked in ascending order."""

    def __init__(self, text: str) -> None:
        self._text = "" if text.isascii() or max(text) <= "\uffff" else text
        self._at = self._extra = 0

    def of(self, offset: int) -> int:
        if self._text:
            self._extra += sum(char > "\uffff" for char in self._text[self._at : offset])
            self._at = offset
        return offset + self._extra
