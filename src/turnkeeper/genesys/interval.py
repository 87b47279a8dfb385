"""Half-open intervals of time, as the platform writes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from turnkeeper.clock import rfc3339
from turnkeeper.errors import Misconfigured

__all__ = ["Interval", "moment_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A day short of the ends of datetime's range, so that callers can add a little without an overflow.
_FIRST_MS, _LAST_MS = -62_135_510_400_000, 253_402_214_399_000


@dataclass(frozen=True, order=True)
class Interval:
    """``[start, end)``, both aware. Raises ``Misconfigured`` where the end comes before the start."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise Misconfigured(
                "the interval ends before it starts", key=str(self), hint="Give --since a time before --until."
            )

    def __str__(self) -> str:
        """``2026-01-01T00:00:00.000Z/2026-01-02T00:00:00.000Z``: the platform's own form."""
        return f"{rfc3339(self.start)}/{rfc3339(self.end)}"

    def __bool__(self) -> bool:
        """Whether any moment lies in it."""
        return self.start < self.end

    def holds(self, epoch_ms: int) -> bool:
        """Whether a moment (epoch milliseconds) lies in it."""
        return _ms(self.start) <= epoch_ms < _ms(self.end)


def moment_of(epoch_ms: int) -> datetime:
    """Epoch milliseconds as an aware time in UTC; outside the years 1 to 9999, the nearest time within them."""
    within = min(max(epoch_ms, _FIRST_MS), _LAST_MS)
    return datetime.fromtimestamp(within // 1000, UTC).replace(microsecond=within % 1000 * 1000)


def _ms(moment: datetime) -> int:
    since = moment - _EPOCH
    # Rounded up: a start between two milliseconds excludes the earlier one, and an end includes it.
    return (since.days * 86_400 + since.seconds) * 1000 + -(-since.microseconds // 1000)
