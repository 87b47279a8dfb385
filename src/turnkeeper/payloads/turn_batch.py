"""Turns of one batch as columns, for sums, tables and arrays that need no object per turn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat

from turnkeeper.model import Role, Turn

__all__ = ["TurnBatch"]


class TurnBatch:
    """Consecutive turns of one document, in its order, as columns of ``len(batch)`` entries each.

    ``first`` is the place of the first turn in its array. ``turns`` makes the objects when it is first read.
    """

    def __init__(
        self,
        first: int,
        *,
        start_ms: list[int | None],
        end_ms: list[int | None],
        text: list[str],
        role: list[Role],
        speaker_id: list[str | None],
        confidence: list[float | None],
        channel: Iterable[str | None] = repeat(None),
        communication: str | None = None,
        language: str | None = None,
        sentiment: Iterable[float | None] = repeat(None),
        index: Sequence[int] | None = None,
        conversation: str | None = None,
    ) -> None:
        self.first = first
        self.start_ms, self.end_ms, self.text, self.role = start_ms, end_ms, text, role
        self.speaker_id, self.confidence = speaker_id, confidence
        self._channel, self._sentiment, self._index = channel, sentiment, index
        self._fixed = communication, language, conversation
        self._turns: list[Turn] | None = None

    @staticmethod
    def of(first: int, turns: list[Turn]) -> TurnBatch:
        """Make the columns of existing turns."""
        batch = TurnBatch(
            first,
            start_ms=[turn.start_ms for turn in turns],
            end_ms=[turn.end_ms for turn in turns],
            text=[turn.text for turn in turns],
            role=[turn.role for turn in turns],
            speaker_id=[turn.speaker_id for turn in turns],
            confidence=[turn.confidence for turn in turns],
        )
        batch._turns = turns
        return batch

    def __len__(self) -> int:
        return len(self.text)

    @property
    def turns(self) -> list[Turn]:
        """The turns as objects."""
        if self._turns is not None:
            return self._turns
        communication, language, conversation = self._fixed
        index = range(self.first, self.first + len(self)) if self._index is None else self._index
        none, empty = repeat(None), repeat(())
        # By position and from iterators, which is the fastest way to make them.
        self._turns = list(
            map(
                Turn,
                *(self.text, self.role, self.start_ms, self.end_ms, self.speaker_id, self.confidence, self._channel),
                *(repeat(communication), repeat(language), self._sentiment, none, index),
                *(empty, empty, repeat(conversation)),
            )
        )
        return self._turns
