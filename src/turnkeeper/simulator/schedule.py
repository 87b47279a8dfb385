"""When conversations begin: converts an index to a time, and a day to indices, by calculation.

There are conversations on working days (Monday to Friday, UTC) during twelve hours, one per slot, in the order of their
indices.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from turnkeeper.simulator.clock import to_epoch_ms

DAY_MS = 86_400_000
OPEN_MS = 12 * 3_600_000
FIRST = datetime(2026, 10, 5, 6, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ConversationSchedule:
    """The calendar of one simulation."""

    seed: int
    total: int
    start: datetime = FIRST
    per_day: int = 144

    def began(self, index: int) -> int:
        """Epoch milliseconds at which a conversation begins."""
        day, slot = divmod(index, self.per_day)
        step = OPEN_MS // self.per_day
        jitter = random.Random(f"{self.seed}:{index}:began").randrange(max(1, step // 2))
        return to_epoch_ms(self._opening_of(day)) + slot * step + jitter

    def started_on(self, first: date, last: date) -> range:
        """Indices of the conversations that began on the days first..last, both included."""
        return range(self._count_before(first), self._count_before(last + timedelta(days=1)))

    def _opening_of(self, day: int) -> datetime:
        weeks, rest = divmod(self._first_weekday() + day, 5)
        return self._monday() + timedelta(weeks=weeks, days=rest)

    def _count_before(self, day: date) -> int:
        """How many conversations began before a day."""
        weeks, weekday = divmod((day - self._monday().date()).days, 7)
        days = max(0, weeks * 5 + min(weekday, 5) - self._first_weekday())
        return min(self.total, days * self.per_day)

    def _first_weekday(self) -> int:
        return min(self.start.weekday(), 5)

    def _monday(self) -> datetime:
        return self.start - timedelta(days=self.start.weekday())
