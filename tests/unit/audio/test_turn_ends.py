"""Ends by ear, against the sample calls' true ends."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.audio.test_sync import BY_NAME, blocks_of, turns_of
from turnkeeper.audio.turn_ends import TurnOnChannel, repair_ends


def spoken(name: str) -> tuple[list[TurnOnChannel], list[int]]:
    """The turns as the platform stamps them (words and ends 80 ms after the last word's start), and their true ends."""
    call = BY_NAME[name]
    stamped = []
    for turn, (start, _, side) in zip(call["turns"], turns_of(call), strict=True):
        words = tuple(word["start_ms"] - turn["start_ms"] + start for word in turn["words"])
        stamped.append(TurnOnChannel(start, words[-1] + 80, 0 if side == "customer" else 1, words))
    return stamped, [end for _, end, _ in turns_of(call)]


@pytest.mark.parametrize("name", ["plain", "secure-pause", "two-files"])
def test_turn_ends_are_heard(name: str) -> None:
    turns, truth = spoken(name)
    repaired = repair_ends(blocks_of(BY_NAME[name]), 8000, 2, turns)
    error = np.array([one.end_ms - end for one, end in zip(repaired, truth, strict=True)])
    assert all(one.repaired for one in repaired)
    assert np.median(np.abs(error)) < 30
    assert np.percentile(np.abs(error), 90) < 120


def test_word_ends_lie_between_their_start_and_the_next() -> None:
    turns, _ = spoken("plain")
    for turn, one in zip(turns, repair_ends(blocks_of(BY_NAME["plain"]), 8000, 2, turns), strict=True):
        assert len(one.word_ends_ms) == len(turn.word_starts_ms)
        assert one.word_ends_ms[-1] == one.end_ms
        for start, end, following in zip(turn.word_starts_ms, one.word_ends_ms, turn.word_starts_ms[1:], strict=False):
            assert start <= end <= following


@pytest.mark.parametrize("length", [0, 8000])
def test_what_is_not_heard_keeps_its_end(length: int) -> None:
    turns = [TurnOnChannel(100, 400, 0, (100, 250)), TurnOnChannel(500, 900, 1)]
    one, two = repair_ends([np.zeros((2, length), np.int16)], 8000, 2, turns)
    assert (one.end_ms, one.word_ends_ms, one.repaired) == (400, (250, 400), False)
    assert (two.end_ms, two.repaired) == (900, False)


def test_what_leaks_in_from_the_other_side_does_not_make_a_turn_longer() -> None:
    turns, truth = spoken("overtalk")
    repaired = repair_ends(blocks_of(BY_NAME["overtalk"]), 8000, 2, turns)
    late = [one.end_ms - end for one, end in zip(repaired, truth, strict=True) if one.repaired]
    assert len(late) >= 13
    assert max(late) < 100
