"""Compute overtalk, silence and talk time from turns. Each threshold is documented beside its value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from turnkeeper.model import Turn
from turnkeeper.pages.page_data import Mark

__all__ = ["OVERTALK_MS", "SILENCE_MS", "overtalk", "quiet_stretches", "silences", "speech_stretches", "total_ms"]

OVERTALK_MS = 200
"""Shorter overlaps are not marked, because word times lie on a grid of 80 ms."""

SILENCE_MS = 3000
"""Shorter gaps are not marked."""

Stretch = tuple[int, int]


def speech_stretches(turns: Iterable[Turn]) -> list[Stretch]:
    """Return the union of the turns' ``[start_ms, end_ms)``, sorted. Turns without times are ignored."""
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


def total_ms(stretches: Iterable[Stretch]) -> int:
    """Return the sum of the lengths of stretches that do not overlap."""
    return sum(end - start for start, end in stretches)


def overtalk(turns: Sequence[Turn]) -> list[Mark]:
    """Return where the customer and somebody else speak at once for at least ``OVERTALK_MS``."""
    customer = speech_stretches(turn for turn in turns if turn.role == "customer")
    others = speech_stretches(turn for turn in turns if turn.role != "customer")
    shared = _intersection(customer, others)
    return [Mark("overtalk", start, end) for start, end in shared if end - start >= OVERTALK_MS]


def quiet_stretches(turns: Sequence[Turn], paused: Iterable[Stretch] = ()) -> list[Stretch]:
    """Return where nobody speaks between the first and the last turn. Stretches in ``paused`` (holds) are excluded."""
    left: list[Stretch] = []
    pauses = _merge(paused)
    for before, after in pairwise(speech_stretches(turns)):
        start, end = before[1], after[0]
        for begins, ends in pauses:
            if start < ends and begins < end:
                left.append((start, begins))
                start = ends
        left.append((start, end))
    return [(start, end) for start, end in left if start < end]


def silences(turns: Sequence[Turn], paused: Iterable[Stretch] = ()) -> list[Mark]:
    """Return the quiet stretches of at least ``SILENCE_MS``."""
    return [Mark("silence", start, end) for start, end in quiet_stretches(turns, paused) if end - start >= SILENCE_MS]


def _intersection(left: Sequence[Stretch], right: Sequence[Stretch]) -> list[Stretch]:
    shared: list[Stretch] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if start < end:
            shared.append((start, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return shared
