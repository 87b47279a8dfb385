"""What every dialect's reader does alike: read a part of a skeleton by type, complete a turn's times."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from turnkeeper.errors import Unread
from turnkeeper.model import Turn
from turnkeeper.transcript.dialect import EPOCH
from turnkeeper.transcript.numbers import LONGEST
from turnkeeper.transcript.rows import native
from turnkeeper.transcript.typed import converted

if TYPE_CHECKING:
    from turnkeeper.transcript import _native

__all__ = ["finish", "ours", "point", "read_part", "whole_ms"]

T = TypeVar("T")

_SECRET = os.urandom(8).hex()

finish: _native.Turns | None = native and native.Turns(Turn, int(EPOCH), int(LONGEST))
"""Makes turns whole that were read natively; None where nothing is."""


def ours(default: Any, name: str) -> Any:
    """A field of a turn in the making that no payload sets: it hides under a key that nobody can guess.

    A dialect's fast type is a subclass of ``Turn`` with the very same fields, some under the payload's keys. An element
    is decoded straight into them, mended where it lies, and made a ``Turn`` by changing its class: nothing is built
    twice.
    """
    return msgspec.field(default=default, name=f"({name} of turnkeeper, {_SECRET})")


def read_part(skeleton: object, kind: type[T]) -> T:
    """The skeleton as ``kind``. Raises ``Unread`` naming the field that has another type, never its value."""
    try:
        return cast(T, converted(skeleton, kind))
    except msgspec.ValidationError as cause:
        said, _, path = str(cause).replace("`", "").partition(" - at $")
        field = path.lstrip(".")
        raise Unread(f"{field or 'the document'}: {said.replace('Expected', 'expected')}", field=field) from None


def point(start: int | None, end: int | None) -> tuple[int | None, int | None]:
    """A turn with one time only is a point in time; one with none has none."""
    return (start if start is not None else end), (end if end is not None else start)


def whole_ms(value: float | None) -> int | None:
    """Milliseconds as the platform gives them, to the nearest whole one."""
    return None if value is None else value if isinstance(value, int) else round(value)
