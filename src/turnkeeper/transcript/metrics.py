"""Numbers about how people talked; each one carries its definition. Overlaps are unions of intervals, never sums."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from turnkeeper.model import Role, Turn

__all__ = ["Metric", "measure"]

TALK = "milliseconds covered by at least one of the role's turns: the union of [start_ms, end_ms), duplicates once"
SILENCE = "milliseconds between the first start and the last end that no turn of any role covers; no threshold"


class Metric(msgspec.Struct, frozen=True, omit_defaults=True):
    """One number in milliseconds, about one role or (None) about the conversation, with what it means."""

    name: str
    value_ms: int
    definition: str
    role: Role | None = None


class _Union:
    """The length of a union of intervals that come in order of their starts. Constant memory."""

    def __init__(self) -> None:
        self.covered = self.gaps = 0
        self._end: int | None = None

    def add(self, start: int, end: int) -> None:
        if self._end is None:
            self._end = start
        self.gaps += max(start - self._end, 0)
        self.covered += max(end - max(start, self._end), 0)
        self._end = max(self._end, end)


def measure(turns: Iterable[Turn]) -> tuple[Metric, ...]:
    """Talk time of every role that spoke, and silence, in one pass.

    ``turns`` in order of start, as ``Assembly.turns`` gives them; turns without times count for nothing.
    """
    roles: dict[Role, _Union] = {}
    everybody = _Union()
    for turn in turns:
        if turn.start_ms is None or turn.end_ms is None:
            continue
        roles.setdefault(turn.role, _Union()).add(turn.start_ms, turn.end_ms)
        everybody.add(turn.start_ms, turn.end_ms)
    talk = (Metric("talk_time", roles[role].covered, TALK, role) for role in sorted(roles))
    return (*talk, Metric("silence", everybody.gaps, SILENCE))
