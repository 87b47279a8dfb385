"""A day that an answer without its shape would have closed, or whose index is damaged: what is missing is said."""

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


def test_a_damaged_day_of_the_index_is_said_where_nothing_is_new(tmp_path: Path) -> None:
    """K8: a new machine, and a day of the archive's index that cannot be read: exit 0, and its calls forgotten."""
    with Platform(4) as platform:
        env = platform.environment() | {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)}
        archive = tmp_path / "archive"
        assert run(["export", "--to", str(archive), *SPAN], env, tmp_path / "runs").code == 0
        day = max((archive / "_turnkeeper/states/2026-10-05").iterdir())
        day.write_bytes(day.read_bytes()[:100])
        env["XDG_STATE_HOME"] = str(tmp_path / "another")
        ran = run(["retry", str(archive)], env, tmp_path / "runs")
        assert ran.code == 3, ran.words
        assert "turnkeeper reindex" in ran.err
        seen = run(["status", str(archive), *SPAN], env, tmp_path / "runs")
        assert seen.code == 3, seen.words
        assert "2026-10-06" in seen.out
        run(["reindex", str(archive)], env, tmp_path / "runs")
        assert run(["retry", str(archive)], env, tmp_path / "runs").code == 0
        assert run(["status", str(archive), *SPAN], env, tmp_path / "runs").code == 0
