"""A day that an answer without its shape would have closed: ``status`` asks about it, and says what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hostile.command import run
from tests.hostile.platform import Platform, Spoil
from tests.hostile.spoils import fixed, moved
from tests.hostile.trial import SPAN

NOTHING = {
    "an empty object": fixed("{}"),
    "maintenance": fixed('{"status":"maintenance"}'),
    "another origin": moved(302, lambda platform, request: platform.elsewhere.url + "/x"),
}


@pytest.mark.parametrize("spoil", NOTHING.values(), ids=NOTHING)
def test_status_knows_of_days_that_no_run_could_list(spoil: Spoil, tmp_path: Path) -> None:
    """K8: the details query answers 200 with any JSON object."""
    with Platform(4) as platform:
        env = platform.environment() | {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)}
        export = ["export", "--to", str(tmp_path / "archive"), *SPAN]
        status = ["status", str(tmp_path / "archive"), *SPAN, "--json"]
        platform.attack = ("query", spoil)
        assert run(export, env, tmp_path / "runs").code != 0
        platform.attack = None
        before = run(status, env, tmp_path / "runs")
        assert before.code == 3, before.words
        assert run(export, env, tmp_path / "runs").code == 0
        after = run(status, env, tmp_path / "runs")
        assert after.code == 0, after.words
        assert json.loads(after.out).get("missing", 0) == 0
