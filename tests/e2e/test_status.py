"""What ``status`` says of archives that no export has filled, and of days that no export has listed."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.conftest import Cli, Platform, credentials

ARCHIVE_1 = Path(__file__).parents[1] / "data/archive-1"


def test_an_archive_that_get_made_is_counted(cli: Cli, tmp_path: Path) -> None:
    """K1: status of an archive that get made: all zeros, exit 0."""
    shutil.copytree(ARCHIVE_1, tmp_path / "archive")
    ran = cli("status", "archive", code=3)
    assert "no export has run here" in ran.out
    assert "3 archived conversations are not in the index" in ran.out
    assert "the platform was not asked" in ran.out
    assert cli("status", "archive", "--json", code=3).json["unindexed"] == 3


def test_where_there_is_no_archive_that_is_an_error(cli: Cli, tmp_path: Path) -> None:
    """K1: the same where nothing is at all."""
    (tmp_path / "empty").mkdir()
    for place in ("empty", "typo"):
        assert "there is no archive here" in cli("status", place, code=3).err


def test_the_platform_is_asked_about_every_day_of_the_range(cli: Cli, platform: Platform, tmp_path: Path) -> None:
    """K8: status asks only about the days that the index knows."""
    running = platform(conversations=60, per_day=20, rate_limit=100_000, now=None)
    env = {**credentials(running), "XDG_STATE_HOME": str(tmp_path / "state")}
    to = ("--to", "archive", "--api", "speech", "-q")
    cli("export", *to, "--since", "2026-10-06", "--until", "2026-10-07", env=env)
    ran = cli("status", "archive", "--since", "2026-10-01", "--until", "2026-10-12", "--json", env=env, code=3).json
    assert {day["day"]: day.get("missing", 0) for day in ran["days"]} == {
        "2026-10-05": 20,
        "2026-10-06": 0,
        "2026-10-07": 20,
    }
    assert ran["missing"] == 40
    # Without a range: from the first day that the index knows until now.
    ran = cli("status", "archive", "--json", env=env, code=3).json
    assert [day["day"] for day in ran["days"]] == ["2026-10-06", "2026-10-07"]
    assert "platform was not asked" in cli("status", "archive", "--no-ask", env=env).out
