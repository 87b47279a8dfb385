"""One turn as captions that a person can read: at most two lines of 42 columns at a time. Pure.

The limits are those of the subtitling guides of broadcasters (BBC, Netflix): two lines, 37 to 42 characters each. A
column is a character as a terminal shows it, so a Chinese or Japanese character takes two.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from turnkeeper.model import Word

__all__ = ["COLUMNS", "LINES", "Caption", "captions", "columns"]

COLUMNS = 42
LINES = 2


class Caption(NamedTuple):
    """Lines that are shown together. Times are milliseconds from the conversation's start."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


class _Line(NamedTuple):
    """``first`` is the index of its first word among the turn's, ``before`` the columns of the turn before it."""

    text: str
    first: int
    before: int


def captions(text: str, start_ms: int, end_ms: int, words: Sequence[Word] = (), *, indent: int = 0) -> list[Caption]:
    """A turn's text as captions, one behind the other from ``start_ms`` to ``end_ms``; at least one.

    A caption begins when its first word does, where ``words`` are those of the text; otherwise its time is
    proportional to the length of the text before it. ``indent`` is how many columns of the first line are taken.
    """
    lines = list(_lines(text.split(), indent))
    # Each caption lasts a millisecond at least: a turn that is too short for its captions has one.
    if len(lines) <= LINES or end_ms - start_ms < len(lines):
        return [Caption(start_ms, end_ms, tuple(line.text for line in lines) or ("",))]
    groups = [lines[at : at + LINES] for at in range(0, len(lines), LINES)]
    total = lines[-1].before + columns(lines[-1].text)
    starts = [start_ms, *_starts(groups[1:], total, text, start_ms, end_ms, words)]
    return [
        Caption(start, end, tuple(line.text for line in group))
        for start, end, group in zip(starts, [*starts[1:], end_ms], groups, strict=True)
    ]


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: two for wide characters, none for marks and format characters."""
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _lines(words: Sequence[str], indent: int) -> Iterator[_Line]:
    """The words in lines; one that is longer than a line (Chinese has no spaces) is cut."""
    line, used, first, before = "", indent, 0, 0
    for place, word in enumerate(words):
        for part, piece in enumerate(_pieces(word)):
            width = columns(piece)
            gap = " " if line and not part else ""
            if line and used + len(gap) + width > COLUMNS:
                yield _Line(line, first, before)
                before += columns(line) + 1
                line, used, first, gap = "", 0, place, ""
            line += gap + piece
            used += len(gap) + width
    if line:
        yield _Line(line, first, before)


def _pieces(word: str) -> Iterator[str]:
    """A word in pieces that fit on a line. A mark, a modifier or a joiner stays with what it belongs to."""
    piece, used = "", 0
    for character in word:
        width = _width(character)
        if piece and width and used + width > COLUMNS and not piece.endswith("\u200d"):
            yield piece
            piece, used = "", 0
        piece += character
        used += width
    yield piece


def _starts(
    groups: Sequence[Sequence[_Line]], total: int, text: str, start_ms: int, end_ms: int, words: Sequence[Word]
) -> Iterator[int]:
    """When each group begins: later than the one before, and early enough for those behind it."""
    timed = [word.start_ms for word in words] if len(words) == len(text.split()) else []
    last = start_ms
    for place, group in enumerate(groups):
        spoken = timed[group[0].first] if timed else None
        at = start_ms + (end_ms - start_ms) * group[0].before // total if spoken is None else spoken
        last = min(max(at, last + 1), end_ms - (len(groups) - place))
        yield last
