"""Reading that all dialects share: parts of a skeleton by type, and the times of a turn."""

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
    """Read a skeleton, or a part of one, as ``kind``.

    A field of another type is left out. With ``exact`` it raises ``Unread``, which names the field and never its value.
    """
    try:
        return cast(T, convert(skeleton, kind))
    except msgspec.ValidationError as cause:
        if not exact:
            return salvage_struct(skeleton, kind, [])
        said, _, path = str(cause).replace("`", "").partition(" - at $")
        field = path.lstrip(".")
        raise Unread(f"{field or 'the document'}: {said.replace('Expected', 'expected')}", field=field) from None


def moment_of(value: Time) -> int | None:
    """A document's own time in milliseconds; None where it is absent or not a time, since no turn needs it."""
    try:
        return ms_of(value)
    except (ValueError, OverflowError):
        return None


def fractions(values: Sequence[float | None]) -> bool:
    """Whether all values of a column lie between 0 and 1; None is skipped."""
    present = [value for value in values if value is not None]
    return not present or (min(present) >= 0 and max(present) <= 1)


def bounds(
    start: int | None,
    end: int | None,
    defects: Defects,
    start_field: str,
    end_field: str,
    longest: float = LONGEST,
) -> tuple[int | None, int | None]:
    """Start and end of a turn, in ms from time zero.

    A time that cannot be right is marked and left out; with only one time, the turn is a point in time. ``longest`` is
    the largest distance of a time from time zero.
    """
    if start is not None and abs(start) > longest:
        defects.note("start_ms", start_field, "too far from the conversation's start")
        # An end that is as far counts from the wrong start, so it is left out without a mark of its own.
        start, end = None, None if end is not None and abs(end) > longest else end
    if end is not None and abs(end) > 2 * longest:
        defects.note("end_ms", end_field, "too far from the conversation's start")
        end = None
    if start is not None and end is not None and end < start:
        defects.note("end_ms", end_field, "ends before it starts")
        end = None
    return (start if start is not None else end), (end if end is not None else start)


def placed(value: int | None, context: Context) -> int | None:
    """A turn's time as milliseconds from time zero: epoch milliseconds become an offset, an offset stays as it is."""
    if value is None or value <= EPOCH or context.facts.relative:
        return value
    return value - context.base
