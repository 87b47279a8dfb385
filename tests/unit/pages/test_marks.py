"""Overtalk and silence, against counting every millisecond."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from turnkeeper.model import Role, Turn
from turnkeeper.pages.marks import (
    OVERTALK_MS,
    SILENCE_MS,
    overtalk,
    quiet_stretches,
    silences,
    speech_stretches,
    total_ms,
)

ROLES: list[Role] = ["customer", "agent", "ivr"]
TURNS = st.lists(
    st.builds(
        lambda role, start, length: Turn(text="", role=role, start_ms=start, end_ms=start + length),
        st.sampled_from(ROLES),
        st.integers(-50, 9000),
        st.integers(0, 3000),
    ),
    max_size=10,
)


def spoken(turns: list[Turn]) -> set[int]:
    return {ms for one in turns for ms in range(one.start_ms or 0, one.end_ms or 0)}


@given(TURNS)
def test_the_union_covers_each_millisecond_once(turns: list[Turn]) -> None:
    stretches = speech_stretches(turns)
    assert total_ms(stretches) == len(spoken(turns))
    assert all(one[1] < other[0] for one, other in pairwise(stretches))


@given(TURNS)
def test_overtalk_is_where_the_customer_and_another_speak(turns: list[Turn]) -> None:
    customer = spoken([one for one in turns if one.role == "customer"])
    both = customer & spoken([one for one in turns if one.role != "customer"])
    marked = {ms for mark in overtalk(turns) for ms in range(mark.start, mark.end)}
    assert marked <= both
    left = sorted(both - marked)
    runs = [ms for ms in left if ms - 1 not in both]
    assert all(any(ms + n not in both for n in range(OVERTALK_MS)) for ms in runs)


@given(TURNS)
def test_silence_is_where_nobody_speaks_for_long(turns: list[Turn]) -> None:
    said = spoken(turns)
    for mark in silences(turns):
        assert mark.end - mark.start >= SILENCE_MS
        assert not said & set(range(mark.start, mark.end))
        assert {mark.start - 1, mark.end} <= said


@given(TURNS, st.lists(st.tuples(st.integers(-50, 9000), st.integers(0, 3000)), max_size=4))
def test_it_is_quiet_where_nobody_speaks_and_nothing_is_paused(
    turns: list[Turn], paused: list[tuple[int, int]]
) -> None:
    pauses = [(start, start + length) for start, length in paused]
    said = spoken(turns)
    between = set(range(min(said), max(said) + 1)) if said else set()
    wanted = between - said - {ms for start, end in pauses for ms in range(start, end)}
    stretches = quiet_stretches(turns, pauses)
    assert {ms for start, end in stretches for ms in range(start, end)} == wanted
    assert total_ms(stretches) == len(wanted)
