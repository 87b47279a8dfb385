"""K8 and K3: a store that breaks one answer at a time, between turnkeeper and a real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.defects import OPEN
from tests.hostile.store_attacks import STORE_ATTACKS, StoreAttack
from tests.hostile.store_proxy import Backend
from tests.hostile.store_trial import tried_on_store
from tests.hostile.table import PAGE, STORE, rows
from turnkeeper.cli.local_s3 import LocalS3


@pytest.mark.parametrize(
    "attack", [one for one in STORE_ATTACKS if one.name not in OPEN], ids=lambda attack: attack.name
)
def test_a_broken_answer_of_the_store_loses_nothing(attack: StoreAttack, s3: LocalS3, tmp_path: Path) -> None:
    """K8: the store breaks one kind of answer."""
    trial = tried_on_store(attack, Backend(s3.endpoint, s3.environment()), tmp_path)
    assert not trial.broken, trial.broken
    assert trial.line() in rows(PAGE.read_text(), f"## {STORE}")
