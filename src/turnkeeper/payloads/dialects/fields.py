"""What every dialect's reader does alike: read a part of a skeleton by type, complete a turn's times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, cast

import msgspec

from turnkeeper.errors import Unread
from turnkeeper.jsonstream.decoders import convert
from turnkeeper.jsonstream.salvage import salvage_struct
from turnkeeper.payloads.dialect import Context, Defects
from turnkeeper.payloads.times import EPOCH, LONGEST, Time, ms_of

__all__ = ["bounds", "fractions", "moment_of", "placed", "read_part"]

T = TypeVar("T")


def read_part(skeleton: object, kind: type[T], *, exact: bool = False) -> T:
    """The skeleton as ``kind``. A field of another type is left out; with ``exact`` it raises ``Unread`` naming the
    field, never its value."""
    try:
        return cast(T, convert(skeleton, kind))
    except msgspec.ValidationError as cause:
        if not exact:
            return salvage_struct(skeleton, kind, [])
        said, _, path = str(cause).replace("`", "").partition(" - at $")
        field = path.lstrip(".")
        raise Unread(f"{field or 'the document'}: {said.replace('Expected', 'expected')}", field=field) from None


def moment_of(value: Time) -> int | None:
    """A document's own time in milliseconds; None where it is absent or none: no turn depends on it alone."""
    try:
        return ms_of(value)
    except (ValueError, OverflowError):
        return None


def fractions(values: Sequence[float | None]) -> bool:
    """Whether all of a column lie between 0 and 1, where they are there."""
    some = [value for value in values if value is not None]
    return not some or (min(some) >= 0 and max(some) <= 1)


def bounds(
    start: int | None,
    end: int | None,
    defects: Defects,
    start_field: str,
    end_field: str,
    longest: float = LONGEST,
) -> tuple[int | None, int | None]:
    """Both times of a turn, in ms from time zero. One that cannot be right is marked and left out; a turn with one time
    only is a point in time. ``longest`` is the most that a time can be from time zero."""
    if start is not None and abs(start) > longest:
        defects.note("start_ms", start_field, "too far from the conversation's start")
        # An end that is as far may be right but for the start it counts from.
        start, end = None, None if end is not None and abs(end) > longest else end
    if end is not None and abs(end) > 2 * longest:
        defects.note("end_ms", end_field, "too far from the conversation's start")
        end = None
    if start is not None and end is not None and end < start:
        defects.note("end_ms", end_field, "ends before it starts")
        end = None
    return (start if start is not None else end), (end if end is not None else start)


def placed(value: int | None, context: Context) -> int | None:
    """A turn's own time from time zero: epoch milliseconds become an offset, an offset stays one."""
    if value is None or value <= EPOCH or context.facts.relative:
        return value
    return value - context.base
