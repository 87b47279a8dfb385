"""Walk exactly through JSON text: strings, brackets and commas, resumable at any byte. Knows no types.

This is slow (tens of MB/s) and always right. The fast path in ``stream`` falls back on it.
"""

from __future__ import annotations

import re

from turnkeeper.errors import Unread
from turnkeeper.jsonstream.errors import too_deep

__all__ = ["ElementScan", "closing_quote", "element_offset", "nesting_within"]

# A string without escapes is one match; a lone quote opens a string that has some, or that has not ended yet.
_TOP = re.compile(rb'"(?:[^"\\]*")?|[{}\[\],]')
_DEEP = re.compile(rb'"(?:[^"\\]*")?|[{}\[\]]')
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"{}[]")
_QUOTE, _COMMA, _OPEN_LIST, _OPEN, _CLOSE_LIST, _CLOSE, _BACKSLASH = b'",[{]}\\'


def closing_quote(data: bytearray, at: int) -> int:
    """The offset of the quote that closes the string around ``at``; -1 where it is not in the buffer yet."""
    while (at := data.find(b'"', at)) >= 0:
        # A quote behind an odd number of backslashes is escaped.
        run = at
        # The buffer begins with a bracket or a quote, so the run ends before its beginning.
        while data[run - 1] == _BACKSLASH:
            run -= 1
        if (at - run) % 2 == 0:
            return at
        at += 1
    return -1


class ElementScan:
    """Walk through the elements of one array in a growing buffer.

    The first byte of the buffer is the array's ``[``, or stands for it. ``run`` goes as far as the buffer reaches and
    can be called again when the buffer has grown. ``comma`` is the offset of the last comma between two elements, -1
    for none. ``end`` is the offset of the closing ``]``, -1 while it is not there. ``origin`` is the body offset of the
    buffer's first byte, ``above`` the number of brackets open around the elements.
    """

    def __init__(self, above: int, limit: int) -> None:
        self._above, self._limit = above, limit
        self.restart()

    def restart(self) -> None:
        """Start again on a buffer whose first byte stands for ``[``."""
        self.at, self.depth, self.in_string = 1, 0, False
        self.comma = self.end = -1

    def run(self, data: bytearray, origin: int, *, stop_at_comma: bool = False) -> None:
        """Walk to the end of the buffer or of the array.

        Raises ``TooLarge`` for nesting beyond the limit, ``Unread`` for a wrong bracket.
        """
        size = len(data)
        while self.at < size and self.end < 0:
            if self.in_string:
                quote = closing_quote(data, self.at)
                self.in_string = quote < 0
                self.at = size if quote < 0 else quote + 1
                continue
            match = (_DEEP if self.depth else _TOP).search(data, self.at)
            if match is None:
                self.at = size
                return
            self.at = match.end()
            # A complete string: commas and brackets within it do not count.
            if match.end() - match.start() > 1:
                continue
            if self._take_mark(data[match.start()], match.start(), origin) or (stop_at_comma and self.comma >= 0):
                return

    def _take_mark(self, byte: int, at: int, origin: int) -> bool:
        if byte == _QUOTE:
            self.in_string = True
        elif byte in (_OPEN, _OPEN_LIST):
            self.depth += 1
            if self._above + self.depth > self._limit:
                raise too_deep(origin + at, self._limit)
        elif byte == _COMMA:
            self.comma = at
        elif self.depth:
            self.depth -= 1
        elif byte == _CLOSE_LIST:
            self.end = at
            return True
        else:
            raise Unread(f"expected ',' or ']' at byte {origin + at}", offset=origin + at)
        return False


def element_offset(data: bytearray, count: int, limit: int = 1 << 30) -> int:
    """The offset at which element ``count`` begins, in a buffer that begins with ``[``. White space is skipped."""
    scan = ElementScan(0, limit)
    at = 1
    for _ in range(count):
        scan.comma = -1
        scan.run(data, 0, stop_at_comma=True)
        if scan.comma < 0:
            break
        at = scan.comma + 1
    while at < len(data) and data[at] in b" \t\r\n":
        at += 1
    return at


def nesting_within(data: bytes | bytearray, count: int, limit: int) -> bool:
    """Whether the ``count`` elements in ``data`` certainly nest no deeper than ``limit``.

    False means: ask the exact scan. Only brackets are looked at. The first test is a bound: each element has at least
    one pair of brackets, so the others bound the depth of any single element. Then innermost pairs are removed, level
    by level, until nothing is left. A bracket within a string makes the answer False more often. Only a text that is
    forged for it could hide depth that way, and the typed decoder has read that depth by then.
    """
    brackets = data.translate(None, _NOT_BRACKETS)
    if len(brackets) // 2 - count <= limit:
        return True
    # Documents of a few levels end early; deeper ones are worth the exact scan.
    for _ in range(min(limit, 12)):
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if not brackets:
            return True
    return False
