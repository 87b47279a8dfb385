"""Count the figures of a transcript's summary while its turns pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from turnkeeper.model import Dialect, Role, Summary, Turn

__all__ = ["SummaryTally"]

_SCALE = 2.0**80
_SMALL = 2.0**-27
"""Doubles of at least 2**-27 are whole multiples of 2**-80, because they have 53 significant bits, and scaling by a
power of two is exact. So integers add such doubles exactly and fast. Smaller ones are added as fractions.
"""


class SummaryTally:
    """Add every turn once; ``summary`` gives the figures so far. Memory is constant.

    The mean confidence is exact before it is rounded, so turns in any order and in any batches give the same digits.
    """

    def __init__(self, conversation: str, dialect: Dialect) -> None:
        self._conversation, self._dialect = conversation, dialect
        self._roles: Counter[Role] = Counter()
        self._last = 0
        self._confidences = self._timed = self._duplicates = self._unknown = self._defects = 0
        self._scaled = 0
        self._rest = Fraction(0)

    def add(self, turn: Turn) -> None:
        """Count one turn."""
        self.add_all([turn])

    def add_all(self, turns: Sequence[Turn]) -> None:
        """Count turns."""
        self._roles.update([turn.role for turn in turns])
        ends = [turn.end_ms for turn in turns if turn.end_ms is not None]
        self._last = max(self._last, max(ends, default=0))
        self._timed += sum([turn.start_ms is not None and turn.end_ms is not None for turn in turns])
        self._add_confidences([turn.confidence for turn in turns if turn.confidence is not None])
        self._duplicates += sum([turn.duplicate_of is not None for turn in turns])
        self._unknown += sum([turn.speaker_id is None for turn in turns])
        self._defects += sum([bool(turn.defects) for turn in turns])

    def _add_confidences(self, values: list[float]) -> None:
        self._confidences += len(values)
        self._scaled += sum([int(value * _SCALE) for value in values if value >= _SMALL])
        self._rest += sum([Fraction(value) for value in values if value < _SMALL], Fraction(0))

    def _mean_confidence(self) -> float:
        """The mean to 6 decimals, halves to even, of the confidences as the payload spells them.

        The payload's decimals become the nearest doubles, whose exact mean can lie just beside a half. Within a
        billionth of a half it is taken for one.
        """
        if not self._confidences:
            return 0.0
        total = Fraction(self._scaled, int(_SCALE)) + self._rest
        millionths = total * 10**6 / self._confidences
        half = Fraction(round(millionths * 2), 2)
        near = half if abs(millionths - half) < Fraction(1, 10**9) else millionths
        return round(near) / 10**6

    def summary(self) -> Summary:
        """The summary of the turns so far."""
        return Summary(
            interaction_id=self._conversation,
            total_duration_seconds=self._last / 1000,
            total_turns=sum(self._roles.values()),
            agent_turns=self._roles["agent"],
            customer_turns=self._roles["customer"],
            avg_confidence=self._mean_confidence(),
            turns_with_confidence=self._confidences,
            timed_turns=self._timed,
            roles={role: self._roles[role] for role in sorted(self._roles)},
            dialect=self._dialect,
            duplicate_turns=self._duplicates,
            unknown_speaker_turns=self._unknown,
            defects=self._defects,
        )
