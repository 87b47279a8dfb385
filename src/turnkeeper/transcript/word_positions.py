"""Find the words of a turn in its text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from turnkeeper.model import Word

__all__ = ["find_words"]

REACH = 48
"""How many characters ahead a word is searched for. Punctuation and spelled-out numbers lie between words, not
sentences.
"""


def find_words(text: str, words: Sequence[Word]) -> Iterator[tuple[Word, int, int]]:
    """The words that have a time and are found in the text, each with its ``[start, end)`` there, in order.

    Words come without the punctuation and capitals of the text, and with other numerals. A word that is not found near
    its predecessor is left out.
    """
    lowered = _same_length(text)
    # Japanese, Chinese and Thai have no spaces: there each word is part of a longer one.
    spaced = 2 * len(text.split()) > len(words)
    at = 0
    for word in words:
        sought = _same_length(word.word.strip())
        if not sought or word.start_ms is None:
            continue
        last = at + REACH + len(sought)
        found = _find_whole(lowered, sought, at, last) if spaced else lowered.find(sought, at, last)
        if found >= 0:
            at = found + len(sought)
            yield word, found, at


def _find_whole(text: str, sought: str, start: int, last: int) -> int:
    """The next match of ``sought`` that is not part of a longer word; the next match of any kind where there is
    none.
    """
    # "so" is found in "also" first; the next whole word is nearly always the one that was said.
    first = found = text.find(sought, start, last)
    while found >= 0:
        before, after = text[found - 1 : found] if found else "", text[found + len(sought) : found + len(sought) + 1]
        if not before.isalnum() and not after.isalnum():
            return found
        found = text.find(sought, found + 1, last)
    return first


def _same_length(text: str) -> str:
    """Lower case, for characters whose lower case is one character. ("İ" would become two and shift all offsets.)"""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
