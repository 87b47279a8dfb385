"""Documents with one thing changed: a few of them here, as many as you like by ``mutations N SEED``."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.unit.payloads.kinds import kinds
from tests.unit.payloads.mutations import mutant, tried


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["suite 1", "suite 2", "suite 3"])
def test_one_thing_changed_costs_that_thing_only(seed: str) -> None:
    """K2: one field, one turn or one item never costs the whole."""
    wrong = []
    for number in range(200):
        one, found = tried(number, seed)
        wrong += [f"{seed} {number}: {one.kind.name}: {one.operation} {one.path}: {fault}" for fault in found]
    assert not wrong, "\n".join(wrong[:20])


def test_every_kind_and_operation_is_tried() -> None:
    seen = [mutant(f"any/{number}") for number in range(600)]
    assert {one.kind.name for one in seen} == {kind.name for kind in kinds()}
    assert len({one.operation for one in seen}) == 7
    assert all(count > 3 for count in Counter(len(one.touched) > 0 for one in seen).values())


def test_the_numbers_of_turns_are_those_of_their_texts() -> None:
    for kind in kinds():
        for number, place in enumerate(kind.elements):
            assert f"#{number}#" in str(_at(kind.document, place))


def _at(value: object, path: tuple[str | int, ...]) -> object:
    for key in path:
        value = value[key]  # type: ignore[index]
    return value
