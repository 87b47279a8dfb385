"""Locate a turn's words in its text, in the form that the page needs."""

from __future__ import annotations

from collections.abc import Sequence

from turnkeeper.model import Word
from turnkeeper.transcript.word_positions import find_words

__all__ = ["DOUBTFUL", "place_words"]

DOUBTFUL = 0.5
"""Words below this confidence are marked on the page."""


def place_words(text: str, words: Sequence[Word]) -> tuple[list[int], list[int]]:
    """Return ``[offset, length, start_ms, end_ms, …]`` of the words in the text, and the indices of doubtful ones.

    Offsets and lengths count UTF-16 units, as JavaScript strings do.
    """
    units = _Utf16Offsets(text)
    placed: list[int] = []
    doubtful: list[int] = []
    for word, first, last in find_words(text, words):
        if word.confidence is not None and word.confidence < DOUBTFUL:
            doubtful.append(len(placed) // 4)
        start, start_ms = units.of(first), word.start_ms or 0
        placed += (start, units.of(last) - start, start_ms, start_ms if word.end_ms is None else word.end_ms)
    return placed, doubtful


class _Utf16Offsets:
    """Converts offsets in characters to UTF-16 units. Offsets must be given in ascending order."""

    def __init__(self, text: str) -> None:
        # Without characters beyond U+FFFF both offsets are equal, and nothing needs to be counted.
        self._text = "" if text.isascii() or max(text) <= "\uffff" else text
        self._at = self._extra = 0

    def of(self, offset: int) -> int:
        if self._text:
            self._extra += sum(char > "\uffff" for char in self._text[self._at : offset])
            self._at = offset
        return offset + self._extra
