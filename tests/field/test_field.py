"""Every row of the field table, and that no case is content with a program that does nothing."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.field import CASES
from tests.field.case import Case, judge
from tests.field.world import World

SILENT = ("true",)
LOUD = ("sh", "-c", "echo 'Traceback (most recent call last)' >&2; exit 3")


def names(one: Case) -> str:
    return f"{one.row.split()[0]}-{one.name}"


@pytest.mark.slow
@pytest.mark.parametrize("one", CASES, ids=names)
def test_the_row_is_right(one: Case, tmp_path: Path) -> None:
    """K1, K2 and K8: what comes is what the table calls right."""
    with ExitStack() as stack:
        verdict = judge(one, World(tmp_path, stack))
    assert verdict.ok, f"{one.row}: {one.provoke}\nright: {one.right}\nnow: {verdict.now}"


@pytest.mark.slow
@pytest.mark.parametrize("command", [SILENT, LOUD], ids=["silent", "loud"])
@pytest.mark.parametrize("one", CASES, ids=names)
def test_a_program_that_does_nothing_is_not_right(one: Case, command: tuple[str, ...], tmp_path: Path) -> None:
    """A case that even silence with exit 0, or a trace with exit 3, satisfies would prove nothing."""
    with ExitStack() as stack:
        assert not judge(one, World(tmp_path, stack, command)).ok


def test_no_two_cases_have_one_name() -> None:
    assert max(Counter(one.name for one in CASES).values()) == 1
