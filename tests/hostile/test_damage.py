"""K8 and K2: damaged archives, and such as lead somewhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.damage import DAMAGES, Damage
from tests.hostile.damage_trial import Sound, made, under
from tests.hostile.defects import OPEN
from tests.hostile.platform import Platform
from tests.hostile.table import ARCHIVE, PAGE, damage_line, rows, verbs_on


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sound]:
    with Platform(4) as platform:
        yield made(tmp_path_factory.mktemp("sound"), platform)


@pytest.mark.parametrize("damage", [one for one in DAMAGES if one.name not in OPEN], ids=lambda damage: damage.name)
def test_damage_to_one_conversation_costs_that_one(damage: Damage, sound: Sound, tmp_path: Path) -> None:
    """K8: every verb on a damaged archive."""
    trials = {verb: under(damage, verb, sound, tmp_path / verb) for verb in verbs_on(damage.name)}
    assert not {verb: trial.broken for verb, trial in trials.items() if trial.broken}
    assert damage_line(damage.name, trials) in rows(PAGE.read_text(), f"## {ARCHIVE}")
