"""The numbers of payloads: decimal seconds to milliseconds, exactly; ISO times to epoch milliseconds."""

from __future__ import annotations

import math
from datetime import UTC, datetime

__all__ = ["LONGEST", "epoch_ms", "milliseconds", "rfc3339_ms"]

LONGEST = 1e11
"""Seconds or milliseconds beyond this are absurd as a time within a conversation."""


def milliseconds(seconds: float) -> int:
    """Decimal seconds to the nearest millisecond, halves up (towards the future): 0.29 is 290, 0.0005 is 1.

    The number meant is the shortest decimal that reads as ``seconds``. Where ``k / 1000 == seconds`` for the nearest k,
    that decimal is k thousandths, because division rounds correctly; only more than three decimals need ``Decimal``.
    Raises ``ValueError`` for a number that is not finite or beyond ``LONGEST``.
    """
    if not -LONGEST <= seconds <= LONGEST:
        raise ValueError("not a time" if math.isnan(seconds) else "too large for a time")
    near = math.floor(seconds * 1000 + 0.5)
    if near / 1000 == seconds:
        return near
    # Rare, so that start-up does not pay for it.
    from decimal import ROUND_FLOOR, Decimal

    return int((Decimal(repr(seconds)) * 1000 + Decimal("0.5")).to_integral_value(ROUND_FLOOR))


def epoch_ms(text: str | None) -> int | None:
    """An ISO 8601 time as epoch milliseconds (UTC where no zone is given), None where it is not one."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * 1000 + since.microseconds // 1000


def rfc3339_ms(ms: int | None) -> str | None:
    """Epoch milliseconds as RFC 3339 with milliseconds and ``Z``; None for years without such a form."""
    if ms is None or not 0 <= ms < 253_402_300_800_000:
        return None
    moment = datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
