"""Everything of a JSON document outside the streamed arrays: kept as text, walked once, decoded at the end.

Only keys and brackets are followed here; the grammar is checked by the decoder at the end. A path is a tuple of keys.
``"[]"`` stands for "each element of an array", and ``()`` is the document itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

import msgspec

from turnkeeper.errors import TooLarge, Unread
from turnkeeper.jsonstream.errors import Trailing, byte_offset, not_json, not_utf8, too_deep, truncated
from turnkeeper.jsonstream.limits import Limits
from turnkeeper.jsonstream.scan import closing_quote

__all__ = ["Outline", "Path"]

Path = tuple[str, ...]

_TOKEN = re.compile(rb'"(?:[^"\\]*")?|[{}\[\],]')
_SOLID = re.compile(rb"[^ \t\r\n]")
# Bytes that may follow a document: white space, and the padding and end-of-file marks that some writers leave.
_PADDING = b" \t\r\n\0\x1a"
_BEHIND = re.compile(rb"[^ \t\r\n\0\x1a]")


@dataclass
class _Frame:
    """One open bracket. ``key`` is the span in the text of the current member's key."""

    is_array: bool
    key: tuple[int, int] = (0, 0)
    wants_key: bool = True
    index: int = 0
    seen: set[str] = field(default_factory=set)


class Outline:
    """Takes text until a target array opens.

    Then ``opened`` is the path of that array, and ``take`` hands over the text behind its bracket. Call ``close`` when
    the array has ended. Raises ``Unread`` for brackets that do not match and for a target array that is given twice,
    ``Trailing`` and ``TooLarge``, each with the offset in the body.
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
        # (offset in the text, how much further that is in the body): arrays are cut out of the text.
        self._moved: list[tuple[int, int]] = [(0, 0)]
        self.opened: Path | None = None

    @property
    def depth(self) -> int:
        """The number of open brackets."""
        return len(self._frames)

    @property
    def parents(self) -> tuple[int, ...]:
        """The indices of the open arrays, outermost first."""
        return tuple(frame.index for frame in self._frames if frame.is_array)

    def start_at(self, offset: int) -> None:
        """Set the offset in the body at which the text begins (behind a BOM)."""
        self._moved = [(0, offset)]

    def feed(self, data: bytes | bytearray) -> None:
        """Walk on. Stops early when a target array has opened (see ``opened``)."""
        self._text += data
        self._walk_tokens()
        # Text behind a target's bracket does not count: ``take`` removes it.
        if self.opened is None:
            self._check_size()

    def take(self) -> bytearray:
        """Remove the text behind the ``[`` that just opened, and return it."""
        rest = self._text[self._at :]
        del self._text[self._at :]
        return rest

    def close(self, excised: int, rest: bytes | bytearray) -> None:
        """End the open target array, which was ``excised`` bytes long.

        Go on with ``rest``, which begins behind its ``]``.
        """
        # ``feed`` stops at the bracket of a target without checking the size.
        self._check_size()
        self._text += b"]"
        self._moved.append((self._at, self._moved[-1][1] + excised))
        self.opened = None
        self._close_bracket(self._text[self._at], self._at)
        self._at += 1
        self.feed(rest)

    def finish(self, end: int) -> object:
        """The decoded document, with its target arrays empty. ``end`` is the length of the body. Raises ``Unread``."""
        if self._frames or self._in_string or not _SOLID.search(self._text):
            raise truncated(end)
        try:
            return msgspec.json.decode(self._text.rstrip(_PADDING))
        except RecursionError:
            raise too_deep(0, self._limits.nesting) from None
        except msgspec.DecodeError as cause:
            # The decoder counts bytes of the skeleton; errors name bytes of the body.
            place = byte_offset(cause)
            if place is None:
                raise truncated(end) from None
            raise not_json(self._body_offset(place)) from None
        except UnicodeDecodeError:
            raise self._not_utf8() from None

    def _not_utf8(self) -> Unread:
        try:
            self._text.decode()
        except UnicodeDecodeError as cause:
            return not_utf8(b"", self._body_offset(cause.start))
        return not_utf8(b"", 0)

    def _check_size(self) -> None:
        if len(self._text) > self._limits.skeleton:
            raise TooLarge(
                f"more than {self._limits.skeleton} bytes outside the turns",
                offset=self._body_offset(self._limits.skeleton),
                hint="Raise Limits.skeleton if this document is genuine.",
            )

    def _body_offset(self, place: int) -> int:
        return place + next(moved for start, moved in reversed(self._moved) if place >= start)

    def _walk_tokens(self) -> None:
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
            self._take_token(match.start(), match.end())

    def _take_token(self, start: int, end: int) -> None:
        byte = self._text[start]
        if byte == 0x22:
            if end - start > 1:
                self._string_ended(start, end)
            else:
                self._in_string, self._string = True, start
        elif byte in b"{[":
            self._open_bracket(byte == 0x5B, start)
        elif byte == 0x2C:
            self._take_comma()
        else:
            self._close_bracket(byte, start)

    def _string_ended(self, start: int, end: int) -> None:
        if not self._frames:
            return
        frame = self._frames[-1]
        if frame.is_array or not frame.wants_key:
            return
        frame.key, frame.wants_key = (start, end), False
        # Deeper keys cannot belong to a target's path, and building paths is the expensive part.
        if len(self._frames) <= self._reach:
            self._note_key(frame, start)

    def _note_key(self, frame: _Frame, start: int) -> None:
        path = self._current_path()
        if path not in self._steps:
            return
        # Decoders keep the last of two equal keys. For an array of turns that would lose turns in silence.
        if path[-1] in frame.seen:
            offset = self._body_offset(start)
            raise Unread(
                f"the key {path[-1]} is given twice, the second time at byte {offset}",
                offset=offset,
                field=".".join(path),
                hint="Two arrays of turns under one name cannot both be right.",
            )
        frame.seen.add(path[-1])

    def _take_comma(self) -> None:
        if self._frames:
            frame = self._frames[-1]
            frame.wants_key = True
            frame.index += 1

    def _open_bracket(self, is_array: bool, start: int) -> None:
        if len(self._frames) >= self._limits.nesting:
            raise too_deep(self._body_offset(start), self._limits.nesting)
        if is_array and len(self._frames) <= self._reach and self._current_path() in self._targets:
            self.opened = self._current_path()
        self._frames.append(_Frame(is_array))

    def _close_bracket(self, byte: int, start: int) -> None:
        if not self._frames or self._frames[-1].is_array != (byte == 0x5D):
            offset = self._body_offset(start)
            raise Unread(f"a bracket closes what is not open at byte {offset}", offset=offset)
        self._frames.pop()
        self._ended = not self._frames

    def _only_space(self) -> None:
        match = _BEHIND.search(self._text, self._at)
        if match:
            offset = self._body_offset(match.start())
            raise Trailing(f"more text after the document's end, at byte {offset}", offset=offset)
        self._at = len(self._text)

    def _current_path(self) -> Path:
        return tuple("[]" if frame.is_array else self._decode_key(frame) for frame in self._frames)

    def _decode_key(self, frame: _Frame) -> str:
        raw = bytes(self._text[slice(*frame.key)])
        try:
            # A damaged key matches no target. ``finish`` names it, when the whole is decoded.
            return msgspec.json.decode(raw, type=str) if raw else ""
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""
