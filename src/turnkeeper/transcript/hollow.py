"""Arrays that no type asks for, emptied before the decoder sees them. Knows brackets and quotes, no vendor.

Of a speech file with words nine tenths of the bytes are words. A decoder that skips them still reads every byte; here
each such array is found by its two brackets and cut out, and what is left is decoded.

Why that can fail and never lie. What is cut out stands between ``"words":[``, which no string can hold (its quotes
would be escaped there), and the next ``]``, with no bracket in it. Either that ``]`` is the array's own, or it stands
within a string. In a string, everything behind it changes sides: what was text is now outside, what was outside is now
text. The next ``"words":[`` would then be a bare word, and where there is none the text ends in the middle of a string:
neither is JSON, so the decoder refuses it, and the caller decodes the whole text instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

__all__ = ["Hollow"]

_TRIES = 8
_PATIENCE = 3


class Hollow:
    """Empties the arrays under some keys, in the layout of the text at hand. One for each array that is read."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = keys
        self._openings: list[bytes] = []
        self._tries = 0
        self._refused = 0

    def refused(self) -> None:
        """The emptied text was no JSON and the whole one was: after a few of those no more is emptied."""
        self._refused += 1

    def emptied(self, text: bytes | bytearray, end: int) -> bytes | None:
        """``text[:end]`` without what those arrays hold; None where there is nothing to empty."""
        if not self._keys or self._refused >= _PATIENCE:
            return None
        find, rfind, starts, kept, done = text.find, text.rfind, text.startswith, [], 0
        self._tries = _TRIES
        at, close = 0, find(b"]", 0, end)
        with memoryview(text) as whole:
            while close >= 0:
                opened = rfind(b"[", at, close) + 1
                for opening in self._openings:
                    if starts(opening, opened - len(opening)):
                        break
                else:
                    opened = opened if self._learns(text[max(opened - 64, 0) : opened]) else 0
                if opened:
                    kept.append(whole[done:opened])
                    done = close
                at = close + 1
                close = find(b"]", at, end)
            kept.append(whole[done:end])
            return b"".join(kept) if done else None

    def _learns(self, before: bytes | bytearray) -> bool:
        """Whether what stands before an array is an opening of ours, in a layout not met so far. Tried a few times."""
        if not self._tries or not before:
            return False
        self._tries -= 1
        match = _pattern(tuple(self._keys)).search(before)
        if match:
            self._openings.append(bytes(match[0]))
        return bool(match)


@cache
def _pattern(keys: tuple[str, ...]) -> re.Pattern[bytes]:
    names = b"|".join(re.escape(key).encode() for key in keys)
    return re.compile(rb'"(?:%s)"[ \t\r\n]*:[ \t\r\n]*\[$' % names)
