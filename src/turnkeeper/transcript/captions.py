"""One turn as captions that a person can read: at most two lines of 42 columns at a time. Pure.

The limits are those of the subtitling guides of broadcasters (BBC, Netflix): two lines, 37 to 42 characters each. A
column is a character as a terminal shows it, so a Chinese or Japanese character takes two.
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
"""More columns a second than this are hard to read (Netflix, Timed Text Style Guide: adult programmes)."""


class Caption(NamedTuple):
    """Lines that are shown together. Times are milliseconds from the conversation's start."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


class ReadingSpeed:
    """How fast captions have to be read, in columns a second."""

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
        """How many are hard to read, in a sentence; empty where none is."""
        if not self._fast:
            return ""
        fastest = f"at most {self._most}, {self._most_ms / 1000:.1f} s after the start"
        return f"{self._fast} of {self._count} captions have more than {FAST} characters a second ({fastest})"


class _Line(NamedTuple):
    """A line, and where it begins in the turn's text."""

    text: str
    offset: int


def captions(text: str, start_ms: int, end_ms: int, words: Sequence[Word] = (), *, indent: int = 0) -> list[Caption]:
    """A turn's text as captions, one behind the other from ``start_ms`` to ``end_ms``; at least one.

    A caption begins when its first word does; where ``words`` does not know that, between the known words around it, in
    proportion to the text. Text without spaces is cut between words or behind punctuation. ``indent`` is how many
    columns of the first line are taken.
    """
    times = {start: word.start_ms or 0 for word, start, _ in find_words(text, words)}
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
    """How many columns of a terminal a text takes: two for wide characters, none for marks and format characters."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def _columns_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _wrap_lines(text: str, indent: int, cuts: Collection[int]) -> Iterator[_Line]:
    """The text in lines; what is longer than a line and has no spaces (Chinese, Thai) is cut."""
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
    """A word in pieces that fit on a line, each with its place in the text; ``cuts`` are good places to cut at.

    A mark, a modifier or a joiner stays with what it belongs to, and punctuation with what it ends.
    """
    first = last = used = 0
    for place, character in enumerate(word):
        width = _columns_of(character)
        if place and not _is_punctuation(character) and (offset + place in cuts or _is_punctuation(word[place - 1])):
            last = place
        if place > first and width and used + width > COLUMNS and word[place - 1] != "\u200d":
            last = last if last > first else place
            yield offset + first, word[first:last]
            first, used = last, columns(word[last:place])
        used += width
    yield offset + first, word[first:]


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character) in ("Po", "Pe", "Pf")


def _group_starts(offsets: Sequence[int], text: str, known: dict[int, int]) -> Iterator[int]:
    """When each group begins: later than the one before, and early enough for those behind it.

    ``known`` maps places in the text to milliseconds, in order, from its beginning to its end.
    """
    places, end_ms, last = list(known), known[len(text)], known[0]
    for count, offset in enumerate(offsets):
        after = bisect_right(places, offset)
        one, other = places[after - 1], places[after]
        share = columns(text[one:offset]) / max(columns(text[one:other]), 1)
        at = known[one] + int((known[other] - known[one]) * share)
        last = min(max(at, last + 1), end_ms - (len(offsets) - count))
        yield last
