"""Times of payloads: decimal seconds to exact milliseconds, and ISO 8601 times to epoch milliseconds."""

from __future__ import annotations

import math
from datetime import UTC, datetime

__all__ = [
    "EPOCH",
    "LAST",
    "LONGEST",
    "SECONDS",
    "Time",
    "datetime_of",
    "epoch_ms",
    "milliseconds",
    "ms_of",
    "rfc3339_ms",
    "seconds_of",
]

Time = int | float | str | None
"""A time as payloads write it: a number, a number in a string, or ISO 8601."""

EPOCH, LAST = 1e11, 253_402_300_800_000
"""A number above ``EPOCH`` is epoch milliseconds (after March 1973), a smaller one an offset; vendor files hold both.

``LAST`` is the end of the year 9999.
"""

LONGEST = 1e11
"""More seconds or milliseconds than a time within a conversation can have."""


SECONDS = 1e9
"""Milliseconds from here up to ``EPOCH`` are epoch seconds (after September 2001): no call lasts eleven days."""


def milliseconds(seconds: float) -> int:
    """Decimal seconds to the nearest millisecond, halves up (towards the future): 0.29 is 290, 0.0005 is 1.

    The result is that of the shortest decimal that reads as ``seconds``. Where ``k / 1000 == seconds`` for the nearest
    integer k, that decimal is k thousandths, because division rounds correctly. Only numbers with more than three
    decimals need ``Decimal``.
    Raises ``ValueError`` for a number that is not finite or beyond ``LONGEST``.
    """
    if not -LONGEST <= seconds <= LONGEST:
        raise ValueError("not a time" if math.isnan(seconds) else "too large for a time")
    near = math.floor(seconds * 1000 + 0.5)
    if near / 1000 == seconds:
        return near
    # Imported only here: few documents need it, and every start would pay for it.
    from decimal import ROUND_FLOOR, Decimal

    return int((Decimal(repr(seconds)) * 1000 + Decimal("0.5")).to_integral_value(ROUND_FLOOR))


def ms_of(value: Time) -> int | None:
    """A time that a document gives in milliseconds, rounded. ISO 8601 and epoch seconds become epoch milliseconds.

    Raises ``ValueError`` for a string that is not a time.
    """
    if value is None:
        return None
    number = value if isinstance(value, int) else round(_parsed_number(value) if isinstance(value, str) else value)
    return number * 1000 if SECONDS <= number <= EPOCH else number


def seconds_of(value: Time) -> int | None:
    """The milliseconds of a time that a document gives in decimal seconds.

    A number above ``EPOCH`` is epoch milliseconds all the same, and so is the result for an ISO 8601 time. Raises
    ``ValueError`` as ``milliseconds`` does.
    """
    if value is None:
        return None
    number: float = _parsed_number(value) if isinstance(value, str) else value
    return round(number) if number > EPOCH else milliseconds(number)


def _parsed_number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        moment = epoch_ms(text.strip())
        if moment is None:
            raise ValueError("not a time") from None
        return moment
    if not math.isfinite(number):
        raise ValueError("not a time")
    return number


def epoch_ms(text: str | None) -> int | None:
    """An ISO 8601 time as epoch milliseconds, in UTC where no zone is given; None for anything else.

    Its letters may be in lower case (RFC 3339, section 5.6).
    """
    moment = datetime_of(text.upper()) if text else None
    if moment is None:
        return None
    try:
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    except OverflowError:
        return None
    return (since.days * 86400 + since.seconds) * 1000 + since.microseconds // 1000


def datetime_of(value: object) -> datetime | None:
    """An ISO 8601 time, in UTC where no zone is given; None for anything else."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def rfc3339_ms(ms: int | None) -> str | None:
    """Epoch milliseconds as RFC 3339 with milliseconds and ``Z``; None outside the years 1970 to 9999."""
    if ms is None or not 0 <= ms < 253_402_300_800_000:
        return None
    # Whole seconds, because a fraction in binary could round to another millisecond.
    moment = datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
