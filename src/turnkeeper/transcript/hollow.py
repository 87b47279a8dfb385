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

from collections.abc import Sequence

__all__ = ["Hollow"]

_PATIENCE = 3
_BETWEEN = b": \t\r\n"


class Hollow:
    """Empties the arrays under some keys, in the layout of the text at hand. One for each array that is read."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [b'"%s"' % key.encode() for key in keys]
        self._opening = self._keys[0] + b":[" if keys else b""
        self._refused = 0

    def refused(self) -> None:
        """The emptied text was no JSON and the whole one was: after a few of those no more is emptied."""
        self._refused += 1

    def emptied(self, text: bytes | bytearray, end: int) -> bytes | None:
        """``text[:end]`` without what those arrays hold; None where there is nothing to empty."""
        if not self._keys or self._refused >= _PATIENCE:
            return None
        find, rfind, starts, kept, done = text.find, text.rfind, text.startswith, [], 0
        opening, length = self._opening, len(self._opening)
        with memoryview(text) as view:
            # A slice of bytes is made faster than one of a view; of a bytearray it is the other way round.
            whole = text if isinstance(text, bytes) else view
            at, close = 0, find(b"]")
            while 0 <= close < end:
                opened = rfind(b"[", at, close) + 1
                if opened and (starts(opening, opened - length) or self._opens(text, opened)):
                    kept.append(whole[done:opened])
                    done = close
                    opening, length = self._opening, len(self._opening)
                at = close + 1
                close = find(b"]", at)
            kept.append(whole[done:end])
            return b"".join(kept) if done else None

    def _opens(self, text: bytes | bytearray, opened: int) -> bool:
        """Whether the ``[`` before ``opened`` opens one of our arrays; how that looked is tried first from now on."""
        before = bytes(text[max(opened - 64, 0) : opened - 1])
        known = before.rstrip(_BETWEEN)
        for key in self._keys:
            if known.endswith(key):
                self._opening = before[len(known) - len(key) :] + b"["
                return True
        return False
