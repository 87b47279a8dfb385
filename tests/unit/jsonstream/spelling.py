"""JSON written in all the ways that mean the same, and damaged in all the ways there are.

A document is plain data here, but that ``Written`` is put down as it stands (a number, say), and ``Members`` are the
members of an object, in their order and with any key as often as wanted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

__all__ = ["Members", "Written", "damaged", "spelled"]

_SHORT = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TOKENS = [*(bytes([byte]) for byte in b',]}"\\\xff\x80\xc30-.[{n \x01'), b"e9", b"\\u"]


class Written(str):
    """A value as it is written."""

    __slots__ = ()


class Members(list[tuple[str, Any]]):
    """The members of an object."""


class _Layout:
    """How one document is written: what stands between its tokens, and which characters are escaped."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.gaps = dice.choice((("",), ("",), (" ",), ("\n  ",), ("\r\n\t",), ("", " ", "\t", "\r", "\n", " \n\t\r ")))
        self.texts = dice.choice((_as_it_stands, _ascii, _any_way))

    def gap(self) -> str:
        return self.dice.choice(self.gaps)


def _as_it_stands(text: str, dice: Random) -> str:
    return json.dumps(text, ensure_ascii=False)


def _ascii(text: str, dice: Random) -> str:
    return json.dumps(text)


def _any_way(text: str, dice: Random) -> str:
    return '"' + "".join(_character(char, dice.randrange(3), dice) for char in text) + '"'


def _character(char: str, way: int, dice: Random) -> str:
    if way == 0 and char not in '"\\' and char >= " ":
        return char
    if way == 1 and char in _SHORT:
        return _SHORT[char]
    units = char.encode("utf-16-be", "surrogatepass")
    pairs = (int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2))
    return "".join(f"\\u{unit:{dice.choice(('04x', '04X'))}}" for unit in pairs)


def spelled(value: Any, dice: Random, *, keys_as_they_are: bool = True) -> bytes:
    """The document in one of many layouts. A key with escapes means the same, and the native reader refuses it."""
    layout = _Layout(dice)
    return "".join(_tokens(value, layout, keys_as_they_are)).encode("utf-8", "surrogatepass")


def _tokens(value: Any, layout: _Layout, plain: bool) -> Iterator[str]:
    yield layout.gap()
    if isinstance(value, Written):
        yield value
    elif isinstance(value, Members):
        yield "{"
        for at, (key, below) in enumerate(value):
            yield ("," if at else "") + layout.gap()
            yield _as_it_stands(key, layout.dice) if plain else layout.texts(key, layout.dice)
            yield layout.gap() + ":"
            yield from _tokens(below, layout, plain)
        yield layout.gap() + "}"
    elif isinstance(value, list):
        yield "["
        for at, below in enumerate(value):
            yield "," if at else ""
            yield from _tokens(below, layout, plain)
        yield layout.gap() + "]"
    else:
        yield layout.texts(value, layout.dice) if isinstance(value, str) else json.dumps(value)
    yield layout.gap()


def damaged(raw: bytes, dice: Random) -> bytes:
    """The document with one byte changed, some put in, or some left out."""
    at = dice.randrange(len(raw))
    way = dice.randrange(4)
    if way == 0:
        return raw[:at] + bytes([dice.randrange(256)]) + raw[at + 1 :]
    if way == 1:
        return raw[:at] + bytes([raw[at] ^ 1 << dice.randrange(8)]) + raw[at + 1 :]
    if way == 2:
        return raw[:at] + dice.choice(_TOKENS) + raw[at:]
    return raw[:at] + raw[at + dice.randrange(1, 9) :]
