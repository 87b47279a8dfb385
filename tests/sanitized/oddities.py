"""Calls that no caller of the part in C makes: each has its exception, none ends the process."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from turnkeeper.model import Turn

__all__ = ["odd_calls"]


class _Plain(msgspec.Struct, gc=False):
    a: Any
    b: Any = None


class _Followed(msgspec.Struct):
    a: Any


class _Foreign(msgspec.Struct, gc=False):
    first: Any
    second: Any
    third: Any


class _Borrowing(msgspec.Struct, gc=False):
    a: Any


_Borrowing.b = _Foreign.third  # type: ignore[attr-defined] # a place that objects of this type do not have


class _Slotted:
    __slots__ = ("a",)
    __struct_fields__ = ("a",)


A, B = ("a", "", "a", "text", True, ...), ("b", "", "b", "text", True, None)
STRICT = True
GOOD: tuple[Any, ...] = (_Plain, (A, B), {}, (), (-1, -1))


def _refused(action: Callable[[], Any], *meant: type[Exception]) -> None:
    try:
        found = action()
    except meant:
        return
    raise AssertionError(f"{found!r} came of what cannot be")


def odd_calls(native: Any) -> None:
    """Raises where one of them is taken, or ends in another way than it should."""
    _makings(native)
    _readings(native.Reader(*GOOD))
    for wrong in ((int, 0, 0), (Turn, 2**63, 0), (Turn, None, 0), (Turn, 0, -1), (_Plain, 0, 0), ("Turn", 0, 0), ()):
        _refused(partial(native.Turns, *wrong), TypeError, ValueError, OverflowError, AttributeError)
    turns = native.Turns(Turn, -(2**63), 2**63 - 1)
    _refused(lambda: turns.named(None, 0, {}, "", None), TypeError)
    _refused(lambda: turns.named([None], 0, {}, "", None), TypeError)
    _refused(lambda: turns.voiced([], 0, 1, (0, 0, 0), {}, None, None, {}), TypeError)
    _refused(lambda: turns.voiced([], 0, 1, (0, 0, None, 0, 0), {}, None, None, {}), TypeError)
    _far(native.Turns(Turn, 0, 10**11), turns)


def _far(usual: Any, boundless: Any) -> None:
    """Sums that no 64 bits hold, and those that just fit."""
    least, most = -(2**63), 2**63 - 1
    said: tuple[Any, ...] = ({None: ("agent", None, None)}, None, None, {})
    for turns, start, end, around, done in (
        (usual, most, 0, (0, least, 0, least, most), 0),
        (usual, least, 0, (0, 0, least, least, most), 0),
        (usual, 0, most, (0, 0, 1, least, most), 0),
        (usual, 5, most, (0, 4, 0, least, most), 0),
        (boundless, most, 1, (0, 0, 0, least, most), 0),
        (boundless, least, most, (0, 0, most, least, most), 1),
        (boundless, 0, most, (0, 0, 0, -(2**70), 2**70), 1),
    ):
        turn = Turn(text="", role="agent", start_ms=start, end_ms=end)
        assert turns.voiced([turn], 0, 1, around, *said) == done, (start, end, around)


def _makings(native: Any) -> None:
    key = "k" * 69
    native.Reader(_Plain, ((key, "n" * 39, "a", "text", True, ...), B), {}, ("p" * 39,) * 4, (0, 1))
    wrong: list[tuple[Any, ...]] = [
        (_Plain, (A,), {}, (), (-1, -1)),  # a member left out
        (_Plain, (A, A), {}, (), (-1, -1)),  # one twice, the other never
        (_Plain, (A,), {"a": 1}, (), (-1, -1)),
        (_Plain, (A, ("b", "", "c", "text", True, ...)), {}, (), (-1, -1)),
        (_Plain, (A, ("b", "", "b", "texts", True, ...)), {}, (), (-1, -1)),
        (_Plain, (A, (key + "k", "", "b", "text", True, ...)), {}, (), (-1, -1)),
        (_Plain, (A, ("b", "n" * 40, "b", "text", True, ...)), {}, (), (-1, -1)),
        (_Plain, (A, ("b\0", "", "b", "text", True, ...)), {}, (), (-1, -1)),
        (_Plain, (A, ("b\ud800", "", "b", "text", True, ...)), {}, (), (-1, -1)),
        (_Plain, (A, ("b", "")), {}, (), (-1, -1)),
        (_Plain, (A, None), {}, (), (-1, -1)),
        (_Plain, (A,) * 40, {}, (), (-1, -1)),
        (_Plain, (A,), {"b": 1, 5: 2}, (), (-1, -1)),
        (_Plain, (A, B), {}, ("p" * 40,), (-1, -1)),
        (_Plain, (A, B), {}, ("p",) * 5, (-1, -1)),
        (_Plain, (A, B), {}, (5,), (-1, -1)),
        (_Plain, (A, B), {}, (), (0, 2)),
        (_Plain, (A, B), {}, (), (0, -1)),
        (_Plain, (A, B), {}, (), (2**40, 0)),
        (_Followed, (A,), {}, (), (-1, -1)),
        (_Slotted, (A,), {}, (), (-1, -1)),
        (_Borrowing, (B,), {}, (), (-1, -1)),
        (int, (), {}, (), (-1, -1)),
        (object, (), {}, (), (-1, -1)),
        ("_Plain", (A, B), {}, (), (-1, -1)),
        (),
    ]
    for told in wrong:
        meant = (TypeError, ValueError, AttributeError, OverflowError, SystemError, UnicodeEncodeError)
        _refused(partial(native.Reader, *told), *meant)


def _readings(reader: Any) -> None:
    text = b'[{"a":"b"}]'
    assert reader.objects(text, 0, STRICT) == ([_Plain("b")], len(text))
    for at in (-1, 1, len(text), len(text) + 1, 2**62, -(2**62)):
        assert reader.objects(text, at, STRICT) is None
        assert reader.columns(text, at, STRICT) is None
        assert reader.objects(array("B", text)[:], at, STRICT) is None
    for empty in (b"", bytearray(), array("B"), memoryview(b"")):
        assert reader.objects(empty, 0, STRICT) is None
    _refused(lambda: reader.objects(text.decode(), 0, STRICT), TypeError)
    _refused(lambda: reader.objects(memoryview(text)[::2], 0, STRICT), ValueError, BufferError)
    _refused(lambda: reader.objects(text, 2**70, STRICT), OverflowError)
    _refused(lambda: reader.objects(text, None, STRICT), TypeError)
    _refused(lambda: reader.objects(text, 0), TypeError)
    wrong: tuple[Any, ...] = (None, (), ([],), ([], [1]), ([], ()), [[], []], ([], [], []))
    for columns in wrong:
        _refused(partial(reader.built, columns), TypeError)
    assert reader.built(([1], [2])) == [_Plain(1, 2)]
    _refused(type(reader), TypeError)
    _refused(lambda: type("Sub", (type(reader),), {}), TypeError)
    _deep(reader)


def _deep(reader: Any) -> None:
    for depth in (10, 60, 1000, 100_000):
        for opening, closing in ((b"[", b"]"), (b'{"k":', b"}")):
            nested = opening * depth + b"1" + closing * depth
            assert (reader.objects(b'[{"a":"b","c":' + nested + b"}]", 0, STRICT) is None) == (depth > 64)
            assert reader.objects(b'[{"a":"b","c":' + opening * depth, 0, STRICT) is None
