"""Overtalk, silence and talk time as stretches to be drawn. Pure; each definition stands beside its figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from turnkeeper.model import Turn
from turnkeeper.pages.page_data import Mark

__all__ = ["OVERTALK_MS", "SILENCE_MS", "covered", "overtalk", "quiet", "silences", "union"]

OVERTALK_MS = 200
"""Shorter overlaps are not marked: word stamps lie on a grid of 80 ms."""

SILENCE_MS = 3000
"""Shorter gaps are not marked."""

Stretch = tuple[int, int]


def union(turns: Iterable[Turn]) -> list[Stretch]:
    """The union of the turns' ``[start_ms, end_ms)``, in order; turns without times count for nothing."""
    return _merge((t.start_ms, t.end_ms) for t in turns if t.start_ms is not None and t.end_ms is not None)


def _merge(stretches: Iterable[Stretch]) -> list[Stretch]:
    joined: list[Stretch] = []
    for start, end in sorted(stretches):
        if end <= start:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def covered(stretches: Iterable[Stretch]) -> int:
    """Milliseconds in stretches that do not overlap each other."""
    return sum(end - start for start, end in stretches)


def overtalk(turns: Sequence[Turn]) -> list[Mark]:
    """Where the customer and anybody else speak at once for at least ``OVERTALK_MS``."""
    customer = union(turn for turn in turns if turn.role == "customer")
    others = union(turn for turn in turns if turn.role != "customer")
    shared = _intersection(customer, others)
    return [Mark("overtalk", start, end) for start, end in shared if end - start >= OVERTALK_MS]


def quiet(turns: Sequence[Turn], paused: Iterable[Stretch] = ()) -> list[Stretch]:
    """Where nobody speaks between the first turn and the last, less what is ``paused``: holds are no silence."""
    left: list[Stretch] = []
    pauses = _merge(paused)
    for one, other in pairwise(union(turns)):
        start, end = one[1], other[0]
        for begins, ends in pauses:
            if start < ends and begins < end:
                left.append((start, begins))
                start = ends
        left.append((start, end))
    return [(start, end) for start, end in left if start < end]


def silences(turns: Sequence[Turn], paused: Iterable[Stretch] = ()) -> list[Mark]:
    """Where it is ``quiet`` for at least ``SILENCE_MS``."""
    return [Mark("silence", start, end) for start, end in quiet(turns, paused) if end - start >= SILENCE_MS]


def _intersection(one: Sequence[Stretch], other: Sequence[Stretch]) -> list[Stretch]:
    shared: list[Stretch] = []
    i = j = 0
    while i < len(one) and j < len(other):
        start, end = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if start < end:
            shared.append((start, end))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return shared
