"""K8 and K2: a platform that lies, drips, echoes or floods. ``python -m tests.hostile`` writes the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.attacks import ATTACKS, Attack
from tests.hostile.damage import DAMAGES
from tests.hostile.damage_trial import VERBS
from tests.hostile.defects import OPEN
from tests.hostile.store_attacks import STORE_ATTACKS
from tests.hostile.table import PAGE, rows, sections
from tests.hostile.trial import tried


@pytest.mark.parametrize("attack", [one for one in ATTACKS if one.name not in OPEN], ids=lambda attack: attack.name)
def test_an_attack_costs_nothing_that_an_honest_run_does_not_bring_back(attack: Attack, tmp_path: Path) -> None:
    """K8: one broken answer."""
    trial = tried(attack, tmp_path)
    assert not trial.broken, trial.broken
    assert trial.line() in rows(PAGE.read_text(), f"### {attack.kind}")


def test_every_attack_has_a_name_of_its_own_and_nothing_else_is_left_out() -> None:
    names = [one.name for one in (*ATTACKS, *STORE_ATTACKS, *DAMAGES)]
    assert len(names) == len(set(names))
    assert {*names, *(f"{verb}: {damage.name}" for verb in VERBS for damage in DAMAGES)} >= OPEN


def test_the_page_has_every_row_and_no_other() -> None:
    text = PAGE.read_text()
    assert {heading: len(rows(text, heading)) for heading in sections()} == {
        heading: len(names) for heading, names in sections().items()
    }
