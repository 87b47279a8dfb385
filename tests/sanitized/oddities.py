"""Calls that no caller of the part in C makes: each has its exception, none ends the process."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import partial
from typing import Any

__all__ = ["odd_calls"]


A, B = ("a", "", "text", True, ...), ("b", "", "text", True, None)
STRICT = True
GOOD: tuple[Any, ...] = ((A, B), ())


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
    for wrong in (None, "text", 5, memoryview(b"1234")[::2]):
        _refused(partial(native.paired, wrong), TypeError, ValueError, BufferError)


def _makings(native: Any) -> None:
    key = "k" * 69
    native.Reader(((key, "n" * 39, "text", True, ...), B), ("p" * 39,) * 4)
    wrong: list[tuple[Any, ...]] = [
        ((), ()),
        ((A, A), ()),
        ((A, ("b", "", "texts", True, ...)), ()),
        ((A, (key + "k", "", "text", True, ...)), ()),
        ((A, ("b", "n" * 40, "text", True, ...)), ()),
        ((A, ("b\0", "", "text", True, ...)), ()),
        ((A, ("b\ud800", "", "text", True, ...)), ()),
        ((A, ("b", "")), ()),
        ((A, None), ()),
        ((A,) * 40, ()),
        (tuple((f"k{n}", "", "text", True, ...) for n in range(17)), ()),
        ((A, B), ("p" * 40,)),
        ((A, B), ("p",) * 5),
        ((A, B), (5,)),
        ([A, B], ()),
        ("A", ()),
        (),
    ]
    for told in wrong:
        meant = (TypeError, ValueError, AttributeError, OverflowError, SystemError, UnicodeEncodeError)
        _refused(partial(native.Reader, *told), *meant)


def _readings(reader: Any) -> None:
    text = b'[{"a":"b"}]'
    assert reader.columns(text, 0, STRICT) == ((["b"], [None]), len(text))
    for at in (-1, 1, len(text), len(text) + 1, 2**62, -(2**62)):
        assert reader.columns(text, at, STRICT) is None
        assert reader.columns(array("B", text)[:], at, STRICT) is None
    for empty in (b"", bytearray(), array("B"), memoryview(b"")):
        assert reader.columns(empty, 0, STRICT) is None
    _refused(lambda: reader.columns(text.decode(), 0, STRICT), TypeError)
    _refused(lambda: reader.columns(memoryview(text)[::2], 0, STRICT), ValueError, BufferError)
    _refused(lambda: reader.columns(text, 2**70, STRICT), OverflowError)
    _refused(lambda: reader.columns(text, None, STRICT), TypeError)
    _refused(lambda: reader.columns(text, 0), TypeError)
    _refused(type(reader), TypeError)
    _refused(lambda: type("Sub", (type(reader),), {}), TypeError)
    _deep(reader)


def _deep(reader: Any) -> None:
    for depth in (10, 60, 1000, 100_000):
        for opening, closing in ((b"[", b"]"), (b'{"k":', b"}")):
            nested = opening * depth + b"1" + closing * depth
            assert (reader.columns(b'[{"a":"b","c":' + nested + b"}]", 0, STRICT) is None) == (depth > 64)
            assert reader.columns(b'[{"a":"b","c":' + opening * depth, 0, STRICT) is None
