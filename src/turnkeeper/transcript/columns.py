"""Turns of one batch by columns: for sums, tables and arrays, where an object per turn is more than is wanted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

from turnkeeper.model import Role, Turn

__all__ = ["TurnBatch"]


class TurnBatch(ABC):
    """Consecutive turns of one document, in its order. Every column has ``len(batch)`` entries and is made when it is
    first asked for; ``first`` is the index of the first turn."""

    def __init__(self, first: int, size: int) -> None:
        self.first = first
        self._size = size

    @staticmethod
    def of(first: int, turns: list[Turn]) -> TurnBatch:
        """The columns of turns that are there already."""
        return _Made(first, turns)

    def __len__(self) -> int:
        return self._size

    @property
    @abstractmethod
    def turns(self) -> list[Turn]:
        """The same as objects."""

    @cached_property
    def start_ms(self) -> list[int | None]:
        return [turn.start_ms for turn in self.turns]

    @cached_property
    def end_ms(self) -> list[int | None]:
        return [turn.end_ms for turn in self.turns]

    @cached_property
    def text(self) -> list[str]:
        return [turn.text for turn in self.turns]

    @cached_property
    def role(self) -> list[Role]:
        return [turn.role for turn in self.turns]

    @cached_property
    def speaker_id(self) -> list[str | None]:
        return [turn.speaker_id for turn in self.turns]

    @cached_property
    def confidence(self) -> list[float | None]:
        return [turn.confidence for turn in self.turns]


class _Made(TurnBatch):
    """The turns are there: columns are read off them."""

    def __init__(self, first: int, turns: list[Turn]) -> None:
        super().__init__(first, len(turns))
        self._turns = turns

    @property
    def turns(self) -> list[Turn]:
        return self._turns
