"""The door to the part in C: what cannot be used is not."""

from __future__ import annotations

from typing import Any

import pytest

from turnkeeper.jsonstream import native

pytestmark = pytest.mark.needs(part="native")


class _Refusing:
    """As if its reader took other arguments."""

    @staticmethod
    def Reader(*_: Any) -> Any:  # noqa: N802 - the name in C
        raise TypeError("5 arguments")


class _Other:
    """As if it gave something else."""

    class Reader:
        def __init__(self, *_: Any) -> None: ...

        def columns(self, *_: Any) -> Any:
            return (["b"],), 14

    @staticmethod
    def paired(_: Any) -> bool:
        return True


class _Older:
    """As a module that was built before there was ``paired``."""

    class Reader(_Other.Reader):
        def columns(self, *_: Any) -> Any:
            return (["a"],), 14


@pytest.mark.parametrize("module", [None, _Refusing, _Other, _Older])
def test_a_part_in_c_that_cannot_be_used_is_as_one_that_is_not_there(module: Any) -> None:
    assert native._usable_module(module) is None


def test_the_one_that_was_built_can_be_used() -> None:
    assert native._usable_module(native._native) is native._native


@pytest.mark.parametrize(
    ("text", "paired"),
    [
        (b"", True),
        (b"plain \\n text", True),
        (rb"\u0041\ud83d\ude00\uD83D\uDE00", True),
        (rb"\ud83d", False),
        (rb"\ude00 x", False),
        (rb"\ud83d\u0041", False),
        (rb"\ud83dx\ude00", False),
        (rb"\\ud83d is plain text", True),
        (rb"\\\ud83d is not", False),
        (rb"\u12", False),
        (b"ends with \\", True),
    ],
)
def test_half_a_surrogate_is_seen(text: bytes, paired: bool) -> None:
    assert native.native.paired(text) == paired
    assert native.native.paired(memoryview(text)) == paired
