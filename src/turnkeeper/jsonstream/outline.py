"""Everything of a JSON document but the streamed arrays: kept as text, walked once, decoded at the end.

Knows key paths and brackets; grammar is left to the decoder at the end. A path is a tuple of keys, ``"[]"`` standing
for "each element of an array"; ``()`` is the document itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

import msgspec

from turnkeeper.errors import TooLarge, Unread
from turnkeeper.jsonstream.limits import Limits
from turnkeeper.jsonstream.scan import closing_quote, too_deep
from turnkeeper.jsonstream.text_reader import not_utf8
from turnkeeper.known_secrets import redact

__all__ = ["Outline", "Path", "Trailing", "byte_of", "escaped", "truncated"]

Path = tuple[str, ...]

_TOKEN = re.compile(rb'"(?:[^"\\]*")?|[{}\[\],]')
_BYTE = re.compile(r"\(byte (\d+)\)$")
_SOLID = re.compile(rb"[^ \t\r\n]")
# What may stand behind a document: white space, and the padding and end-of-file marks that some writers leave.
_PADDING = b" \t\r\n\0\x1a"
_BEHIND = re.compile(rb"[^ \t\r\n\0\x1a]")


class Trailing(Unread):
    """More text after the document's end; perhaps a second document."""


@dataclass
class _Frame:
    """One open bracket. ``key`` is the span of the current member's key in the text."""

    is_array: bool
    key: tuple[int, int] = (0, 0)
    wants_key: bool = True
    index: int = 0
    seen: set[str] = field(default_factory=set)


class Outline:
    """Takes text until a target array opens; then ``opened`` is its path, and ``take`` hands over what follows.

    ``close`` is called when the array has ended. Raises ``Unread`` (brackets that do not match, a target array given
    twice), ``Trailing`` and ``TooLarge``, each with the offset in the body.
    """

    def __init__(self, targets: Collection[Path], limits: Limits) -> None:
        self._targets = frozenset(targets)
        self._steps = frozenset(path[:n] for path in targets for n in range(1, len(path) + 1))
        self._reach = max((len(path) for path in targets), default=-1)
        self._limits = limits
        self._text = bytearray()
        self._frames: list[_Frame] = []
        self._at = 0
        self._in_string = False
        self._string = 0
        self._ended = False
        self._moved: list[tuple[int, int]] = [(0, 0)]
        self.opened: Path | None = None

    @property
    def depth(self) -> int:
        """Brackets open now."""
        return len(self._frames)

    @property
    def parents(self) -> tuple[int, ...]:
        """The indices of the arrays open now, outermost first."""
        return tuple(frame.index for frame in self._frames if frame.is_array)

    def start_at(self, offset: int) -> None:
        """Where in the body the text begins (behind a BOM)."""
        self._moved = [(0, offset)]

    def feed(self, data: bytes | bytearray) -> None:
        """Walk on; stops early when a target array opened (see ``opened``)."""
        self._text += data
        self._walk()
        if self.opened is None:
            self._check_size()

    def take(self) -> bytearray:
        """What stands behind the ``[`` that just opened, taken out of the text."""
        rest = self._text[self._at :]
        del self._text[self._at :]
        return rest

    def close(self, excised: int, rest: bytes | bytearray) -> None:
        """The open target array ended after ``excised`` bytes; go on with ``rest``, which begins behind its ``]``."""
        self._check_size()
        self._text += b"]"
        self._moved.append((self._at, self._moved[-1][1] + excised))
        self.opened = None
        self._shut(self._text[self._at], self._at)
        self._at += 1
        self.feed(rest)

    def finish(self, end: int) -> object:
        """The decoded document, target arrays empty. ``end`` is the body's length. Raises ``Unread``."""
        if self._frames or self._in_string or not _SOLID.search(self._text):
            raise truncated(end)
        try:
            return msgspec.json.decode(self._text.rstrip(_PADDING))
        except RecursionError:
            raise too_deep(0, self._limits.nesting) from None
        except msgspec.DecodeError as cause:
            place = byte_of(cause)
            if place is None:
                raise truncated(end) from None
            offset = self._offset(place)
            raise Unread(f"not JSON at byte {offset}", offset=offset, hint="The body is damaged.") from None
        except UnicodeDecodeError:
            raise self._not_utf8() from None

    def _not_utf8(self) -> Unread:
        try:
            self._text.decode()
        except UnicodeDecodeError as cause:
            return not_utf8(b"", self._offset(cause.start))
        return not_utf8(b"", 0)

    def _check_size(self) -> None:
        if len(self._text) > self._limits.skeleton:
            raise TooLarge(
                f"more than {self._limits.skeleton} bytes outside the turns",
                offset=self._offset(self._limits.skeleton),
                hint="Raise Limits.skeleton if this document is genuine.",
            )

    def _offset(self, place: int) -> int:
        return place + next(moved for start, moved in reversed(self._moved) if place >= start)

    def _walk(self) -> None:
        text, size = self._text, len(self._text)
        while self._at < size and self.opened is None:
            if self._in_string:
                quote = closing_quote(text, self._at)
                self._at = size if quote < 0 else quote + 1
                if quote >= 0:
                    self._in_string = False
                    self._string_ended(self._string, quote + 1)
                continue
            if self._ended:
                self._only_space()
                return
            match = _TOKEN.search(text, self._at)
            if match is None:
                self._at = size
                return
            self._at = match.end()
            self._token(match.start(), match.end())

    def _token(self, start: int, end: int) -> None:
        byte = self._text[start]
        if byte == 0x22:
            if end - start > 1:
                self._string_ended(start, end)
            else:
                self._in_string, self._string = True, start
        elif byte in b"{[":
            self._open(byte == 0x5B, start)
        elif byte == 0x2C:
            self._comma()
        else:
            self._shut(byte, start)

    def _string_ended(self, start: int, end: int) -> None:
        if not self._frames:
            return
        frame = self._frames[-1]
        if frame.is_array or not frame.wants_key:
            return
        frame.key, frame.wants_key = (start, end), False
        if len(self._frames) <= self._reach:
            self._note_key(frame, start)

    def _note_key(self, frame: _Frame, start: int) -> None:
        path = self._path()
        if path not in self._steps:
            return
        if path[-1] in frame.seen:
            offset = self._offset(start)
            raise Unread(
                f"the key {escaped(path[-1])} is given twice, the second time at byte {offset}",
                offset=offset,
                field=".".join(path),
                hint="Two arrays of turns under one name cannot both be right.",
            )
        frame.seen.add(path[-1])

    def _comma(self) -> None:
        if self._frames:
            frame = self._frames[-1]
            frame.wants_key = True
            frame.index += 1

    def _open(self, is_array: bool, start: int) -> None:
        if len(self._frames) >= self._limits.nesting:
            raise too_deep(self._offset(start), self._limits.nesting)
        if is_array and len(self._frames) <= self._reach and self._path() in self._targets:
            self.opened = self._path()
        self._frames.append(_Frame(is_array))

    def _shut(self, byte: int, start: int) -> None:
        if not self._frames or self._frames[-1].is_array != (byte == 0x5D):
            offset = self._offset(start)
            raise Unread(f"a bracket closes what is not open at byte {offset}", offset=offset)
        self._frames.pop()
        self._ended = not self._frames

    def _only_space(self) -> None:
        match = _BEHIND.search(self._text, self._at)
        if match:
            offset = self._offset(match.start())
            raise Trailing(f"more text after the document's end, at byte {offset}", offset=offset)
        self._at = len(self._text)

    def _path(self) -> Path:
        return tuple("[]" if frame.is_array else self._key(frame) for frame in self._frames)

    def _key(self, frame: _Frame) -> str:
        raw = bytes(self._text[slice(*frame.key)])
        try:
            return msgspec.json.decode(raw, type=str) if raw else ""
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""


def truncated(end: int) -> Unread:
    """The refusal of a text that stops before its end."""
    return Unread(f"ends in the middle, after byte {end}", offset=end, hint="Download the body again.")


def byte_of(cause: msgspec.DecodeError) -> int | None:
    """The byte that the decoder complains of; None where the text ended too early."""
    match = _BYTE.search(str(cause))
    return int(match[1]) if match else None


def escaped(key: str) -> str:
    """A document's key as it may stand in a message: at most 64 characters, nothing secret or that a terminal obeys."""
    return redact(key[:4096])[:64].encode("unicode_escape").decode("ascii")
