"""Break a turn into captions that a person can read: at most two lines of 42 columns at a time.

The limits are those of broadcasters' subtitle guides (BBC, Netflix): two lines of 37 to 42 characters. A column is a
character cell of a terminal, so a Chinese or Japanese character takes two.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from turnkeeper.model import Word
from turnkeeper.transcript.word_positions import find_words

__all__ = ["COLUMNS", "FAST", "LINES", "Caption", "ReadingSpeed", "captions", "columns"]

COLUMNS = 42
LINES = 2
FAST = 20
"""Captions with more columns per second than this are hard to read (Netflix Timed Text Style Guide, adult
programmes).
"""


class Caption(NamedTuple):
    """Lines that are shown together, with times in milliseconds from the start of the conversation."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


class ReadingSpeed:
    """The reading speed that captions demand, in columns per second."""

    def __init__(self) -> None:
        self._count = self._fast = self._most = self._most_ms = 0

    def add(self, caption: Caption) -> None:
        """Count a caption."""
        speed = sum(map(columns, caption.lines)) * 1000 // (caption.end_ms - caption.start_ms)
        self._count += 1
        self._fast += speed > FAST
        if speed > self._most:
            self._most, self._most_ms = speed, caption.start_ms

    def __str__(self) -> str:
        """How many captions are hard to read, in one sentence. Empty where none is."""
        if not self._fast:
            return ""
        fastest = f"at most {self._most}, {self._most_ms / 1000:.1f} s after the start"
        return f"{self._fast} of {self._count} captions have more than {FAST} characters a second ({fastest})"


class _Line(NamedTuple):
    """A line, and its offset in the turn's text."""

    text: str
    offset: int


def captions(text: str, start_ms: int, end_ms: int, words: Sequence[Word] = (), *, indent: int = 0) -> list[Caption]:
    """Break a turn's text into captions, one after another from ``start_ms`` to ``end_ms``. There is at least one.

    A caption begins with its first word. Where ``words`` has no time for that word, the time is interpolated between
    the known words around it in proportion to the text. Text without spaces is cut between words or behind punctuation.
    ``indent`` is the number of columns of the first line that are taken already.
    """
    # Words may be stamped outside their turn, and a turn that begins before zero is shown from zero on.
    times = {
        start: min(max(word.start_ms or 0, start_ms), end_ms) for word, start, _ in find_words(text, words) if start
    }
    lines = list(_wrap_lines(text, indent, times))
    # Each caption lasts a millisecond at least: a turn that is too short for its captions has one.
    if len(lines) <= LINES or end_ms - start_ms < len(lines):
        return [Caption(start_ms, end_ms, tuple(line.text for line in lines) or ("",))]
    groups = [lines[at : at + LINES] for at in range(0, len(lines), LINES)]
    known = {0: start_ms, **times, len(text): end_ms}
    starts = [start_ms, *_group_starts([group[0].offset for group in groups[1:]], text, known)]
    return [
        Caption(start, end, tuple(line.text for line in group))
        for start, end, group in zip(starts, [*starts[1:], end_ms], groups, strict=True)
    ]


def columns(text: str) -> int:
    """How many terminal columns a text takes: two for wide characters, none for combining marks and format
    characters.
    """
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def _columns_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _wrap_lines(text: str, indent: int, cuts: Collection[int]) -> Iterator[_Line]:
    """Wrap the text into lines. A word that is longer than a line, as in Chinese or Thai text, is cut."""
    line, used, first = "", indent, 0
    for word in re.finditer(r"\S+", text):
        for offset, piece in _word_pieces(word[0], word.start(), cuts):
            width = columns(piece)
            gap = " " if line and offset == word.start() else ""
            if line and used + len(gap) + width > COLUMNS:
                yield _Line(line, first)
                line, used, gap = "", 0, ""
            first = first if line else offset
            line += gap + piece
            used += len(gap) + width
    if line:
        yield _Line(line, first)


def _word_pieces(word: str, offset: int, cuts: Collection[int]) -> Iterator[tuple[int, str]]:
    """A word in pieces that fit on a line, each with its offset in the text. ``cuts`` are good offsets to cut at.

    A combining mark, a modifier or a joiner stays with the character it belongs to, and punctuation with what it ends.
    """
    first = last = used = 0
    for place, character in enumerate(word):
        width = _columns_of(character)
        if place and not _is_punctuation(character) and (offset + place in cuts or _is_punctuation(word[place - 1])):
            last = place
        # Never cut before a character of no width or behind a zero-width joiner: they belong to their neighbour.
        if place > first and width and used + width > COLUMNS and word[place - 1] != "\u200d":
            last = last if last > first else place
            yield offset + first, word[first:last]
            first, used = last, columns(word[last:place])
        used += width
    yield offset + first, word[first:]


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character) in ("Po", "Pe", "Pf")


def _group_starts(offsets: Sequence[int], text: str, known: dict[int, int]) -> Iterator[int]:
    """The start of each group of lines: later than the one before, and early enough for the ones behind it.

    ``known`` maps offsets in the text to milliseconds, in ascending order, from the beginning of the text to its end.
    """
    places, end_ms, last = list(known), known[len(text)], known[0]
    for count, offset in enumerate(offsets):
        after = bisect_right(places, offset)
        before, behind = places[after - 1], places[after]
        # Speech is taken to be even between two known words.
        share = columns(text[before:offset]) / max(columns(text[before:behind]), 1)
        at = known[before] + int((known[behind] - known[before]) * share)
        # Each caption gets at least a millisecond, including those that are still to come.
        last = min(max(at, last + 1), end_ms - (len(offsets) - count))
        yield last
