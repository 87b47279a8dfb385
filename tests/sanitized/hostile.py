"""Arrays of objects as an enemy writes them: right, nearly right, damaged. Knows JSON; knows neither vendor nor reader.

Everything comes from the dice that are given, so that a seed and a number are enough to have the same bytes again.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

__all__ = ["Member", "array_of", "damaged", "value"]

Sort = Literal["text", "name", "millis", "fraction", "whole", "length"]


@dataclass(frozen=True)
class Member:
    """A key that a reader knows, what stands under it, and whether it may be null or absent. ``inner`` is the key that
    the value stands under, where it stands in an object of its own."""

    key: str
    sort: Sort
    nullable: bool = False
    optional: bool = False
    inner: str = ""


SPACES: tuple[bytes, ...] = (b" ", b"\n", b"\t", b"\r\n", b"  ", b" " * 9)
CHARACTERS = (
    "é",
    "ÿ",
    "\x80",
    "Ā",
    "߿",
    "ࠀ",
    "日本",
    "\ud7ff",
    "\ue000",
    "\uffff",
    "😀",
    "\U00010000",
    "\U0010ffff",
    "\x7f",
)
ESCAPES: tuple[bytes, ...] = (
    rb"\"",
    rb"\\",
    rb"\/",
    rb"\b",
    rb"\f",
    rb"\n",
    rb"\r",
    rb"\t",
    rb"\u0041",
    rb"\u0000",
    rb"\u00e9",
)
ESCAPES += (rb"\uFFFF", rb"\ud83d\ude00", rb"\uDBFF\uDFFF", rb"\u20ac")
NO_TEXT: tuple[bytes, ...] = (
    b"\x80",
    b"\xbf\xbf",
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xc3",
    b"\xe2\x82",
    b"\xed\xa0\x80",
    b"\xe0\x9f\xbf",
)
NO_TEXT += (b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xff", b"\xf0\x9f\x98", b"\x00", b"\x1f")
NO_TEXT += (
    rb"\ud83d",
    rb"\ude00",
    rb"\ud83d\u0041",
    rb"\u12",
    rb"\u",
    rb"\x41",
    b"\\\n",
    b"\\",
    b"\\\xc3\xa9",
    rb"\uD83D\uD83D",
)
NO_NUMBER: tuple[bytes, ...] = (
    b"-",
    b"01",
    b"-01",
    b"1.",
    b".5",
    b"1e",
    b"1e+",
    b"+1",
    b"NaN",
    b"Infinity",
    b"1e400",
    b"-1e400",
    b"0x1",
    b"1_0",
)
WIDE: tuple[bytes, ...] = (
    b"999999999999999",
    b"1000000000000000",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551616",
)
WIDE += (
    b"-9223372036854775808",
    b"1" * 39,
    b"1" * 41,
    b"99999999999.9994",
    b"100000000000",
    b"1e22",
    b"-0",
    b"-0.0",
    b"0e0",
)
WIDE += (
    b"4.9e-324",
    b"2.4703282292062327e-324",
    b"1.7976931348623157e308",
    b"9007199254740993",
    b"0." + b"3" * 44,
    b"0." + b"3" * 45,
    b"0." + b"3" * 46,
    b"0." + b"3" * 47,
)
TOKENS: tuple[bytes, ...] = (
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b'"',
    b"\\",
    b"\\u",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"-",
    b".",
    b"e",
    b"0",
)
TOKENS += (
    b'"words":[',
    b'"]',
    b'],"',
    b"},{",
    b"\xef\xbb\xbf",
    b"\x00",
    b"\xff",
    b'"text":',
    b'{"milliseconds":',
    b" ",
    b"\\\\",
)


def array_of(dice: Random, members: tuple[Member, ...], unread: tuple[str, ...]) -> bytes:
    """An array of objects with these members, most of it right; ``unread`` are keys of arrays that nobody asks for."""
    faults = dice.choice((0, 0, 1, 1, 1, 2, 100))
    writer = _Writer(dice, faults, spaced=dice.choice((0.0, 0.0, 0.0, 0.3)))
    rows = [writer.row(members, unread) for _ in range(dice.choice((0, 1, 1, 2, 3, 5)))]
    return writer.joined(b"[", rows, b"]")


def value(dice: Random, depth: int = 0) -> bytes:
    """Any JSON."""
    return _Writer(dice, 0, 0.1).value(depth)


def damaged(dice: Random, text: bytes) -> bytes:
    """The same with a few changes anywhere."""
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        at, kind = dice.randrange(len(text) + 1), dice.randrange(6)
        until = min(at + dice.choice((1, 1, 2, 8, 20)), len(text))
        if kind == 0:
            text = text[:at] + dice.choice(TOKENS) + text[at:]
        elif kind == 1:
            text = text[:at] + dice.choice(TOKENS) + text[until:]
        elif kind == 2:
            text = text[:at] + text[until:]
        elif kind == 3:
            text = text[:until] + text[at:]
        elif kind == 4:
            text = text[:at] + dice.randbytes(1) + text[at + 1 :]
        else:
            other = dice.randrange(len(text) + 1)
            text = text[:at] + text[other : other + 12] + text[until:]
    return text


class _Writer:
    """``faults`` is how many things may be wrong, ``spaced`` how often there is space where there may be."""

    def __init__(self, dice: Random, faults: int, spaced: float) -> None:
        self._dice, self._faults, self._spaced = dice, faults, spaced

    def _now(self, often: float) -> bool:
        return often > 0 and self._dice.random() < often

    def _wrong(self, often: float = 0.1) -> bool:
        """Whether to do something wrong, where there is still something to be wrong."""
        now = self._faults > 0 and self._dice.random() < often
        self._faults -= now
        return now

    def _gap(self) -> bytes:
        return self._dice.choice(SPACES) if self._now(self._spaced) else b""

    def joined(self, opening: bytes, parts: list[bytes], closing: bytes) -> bytes:
        comma = self._gap() + b"," + self._gap()
        return opening + self._gap() + comma.join(parts) + self._gap() + closing

    def pair(self, key: bytes, value: bytes) -> bytes:
        return b'"' + key + b'"' + self._gap() + b":" + self._gap() + value

    def row(self, members: tuple[Member, ...], unread: tuple[str, ...]) -> bytes:
        pairs = [
            self.pair(one.key.encode(), self._member(one))
            for one in members
            if not (one.optional and self._now(0.3)) and not self._wrong(0.02)
        ]
        while self._now(0.3):
            key = self._dice.choice(
                (*unread, "more", "x", "text9", members[0].key + "0", members[-1].key[:-1], "é" * 5)
            )
            pairs.insert(self._dice.randrange(len(pairs) + 1), self.pair(key.encode(), self.value(0)))
        if self._now(0.5) and unread:
            pairs.append(self.pair(self._dice.choice(unread).encode(), self._words()))
        if self._wrong():
            twice = self._dice.choice(members)
            pairs.append(self.pair(twice.key.encode(), self._member(twice)))
        if self._now(0.2):
            self._dice.shuffle(pairs)
        return self.joined(b"{", pairs, b"}")

    def _words(self) -> bytes:
        words = [
            b'{"word":' + self.string() + b',"duration":{"milliseconds":5}}' for _ in range(self._dice.randrange(4))
        ]
        return self.joined(b"[", words, b"]")

    def _member(self, member: Member) -> bytes:
        if member.inner:
            inner = [self.pair(member.inner.encode(), self._of(member.sort))]
            while self._now(0.2):
                inner.append(self.pair(b"total", self.value(1)))
            if self._wrong():
                inner += inner[:1]
            return self.joined(b"{", inner, b"}")
        if member.nullable and self._now(0.2):
            return b"null"
        return self.value(0) if self._wrong(0.05) else self._of(member.sort)

    def _of(self, sort: Sort) -> bytes:
        if sort in ("text", "name"):
            return self.string() if sort == "text" or self._now(0.3) else self._name()
        if self._wrong():
            return self._dice.choice(NO_NUMBER + WIDE)
        if self._now(0.02):
            return self._dice.choice(WIDE)
        sign = b"-" if sort != "length" and self._now(0.1) else b""
        whole = b"%d" % self._dice.randrange(10 ** self._dice.choice((1, 1, 3, 6, 11)))
        if sort in ("whole", "length"):
            return sign + whole
        decimals = self._dice.choice((0, 1, 2, 3, 3, 4, 7, 12, 16, 20))
        part = b".%0*d" % (decimals, self._dice.randrange(10**decimals)) if decimals else b""
        tenfold = b"e%d" % self._dice.randrange(-30, 30) if sort == "fraction" and self._now(0.1) else b""
        return sign + whole + part + tenfold

    def _name(self) -> bytes:
        """One of a few, some of which begin like others and are remembered in the same place."""
        if self._now(0.2):
            return b'"%s%s"' % (b"A" * self._dice.randrange(1, 5), self._dice.choice((b"", b"b")))
        return b'"speaker-%d"' % self._dice.randrange(200)

    def string(self) -> bytes:
        if self._wrong():
            return b'"' + b"".join(self._dice.choices(NO_TEXT, k=self._dice.randrange(1, 4))) + b'"'
        text = b""
        for _ in range(self._dice.choice((0, 1, 1, 2, 4))):
            text += b"abcdefghijklmnopqrstuvwxyz0123456789"[: self._dice.choice((0, 1, 5, 7, 8, 9, 15, 16, 17, 30))]
            if self._now(0.4):
                text += self._dice.choice(CHARACTERS).encode() * self._dice.choice((1, 1, 2, 7, 9))
            if self._now(0.2):
                text += self._dice.choice(ESCAPES)
            if self._wrong():
                text += self._dice.choice(NO_TEXT)
        return b'"' + text + b'"'

    def value(self, depth: int) -> bytes:
        kind = self._dice.randrange(10 if depth < 4 else 6)
        if kind < 2:
            return self._dice.choice((b"null", b"true", b"false", b"[]", b"{}", b"0"))
        if kind < 4:
            return self._of("fraction")
        if kind < 6:
            return self.string()
        if self._now(0.01):
            return b"[" * 70 + b"]" * 70
        parts = [self.value(depth + 1) for _ in range(self._dice.randrange(4))]
        if kind < 8:
            return self.joined(b"[", parts, b"]")
        return self.joined(b"{", [self.pair(b"k%d" % at, part) for at, part in enumerate(parts)], b"}")
