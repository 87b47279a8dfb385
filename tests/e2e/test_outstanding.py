"""What was asked for and is not there ends with 3, in the run that found out and in every run after it."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

import pytest

import turnkeeper as tk
from tests.conftest import Cli, Platform, credentials
from tests.e2e.truth import truth_of
from turnkeeper.clock import RemoteClock
from turnkeeper.simulator import Running

NOBODY = "11111111-1111-4111-8111-111111111111"
NO_SUCH = "the platform knows no such conversation"
RANGE = ("--since", "2026-10-05", "--until", "2026-10-20", "--api", "speech")


@pytest.fixture
def running(platform: Platform) -> Running:
    return platform(conversations=12, per_day=12, rate_limit=100_000)


def environment(running: Running, tmp_path: Path) -> dict[str, str]:
    return credentials(running, XDG_STATE_HOME=str(tmp_path / "state"), TURNKEEPER_ARCHIVE=str(tmp_path / "archive"))


def done(running: Running, count: int) -> list[str]:
    return [name for name, told in truth_of(running).items() if told["outcome"] == "done"][:count]


def test_an_id_that_nobody_knows(cli: Cli, running: Running, tmp_path: Path) -> None:
    """K1: --ids with an id nobody knows: "no transcript yet, run again", exit 0."""
    env = environment(running, tmp_path)
    listed = "\n".join([*done(running, 2), NOBODY, "../users"])
    for number in range(2):
        ran = cli("export", "--ids", "-", env=env, stdin=listed.encode(), code=3)
        failures = {one["conversation"]: one for one in ran.json["failures"]}
        assert NO_SUCH in failures[NOBODY]["message"]
        assert failures["../users"]["error"] == "Refused"
        assert (ran.json.get("done", 0), ran.json["refused"]) == (2 if number == 0 else 0, 1)
        assert NO_SUCH in ran.err
    assert NO_SUCH in cli("get", NOBODY, env=env, code=3).err
    again = cli("retry", env=env, code=3)
    assert again.json["failures"][0]["conversation"] == NOBODY


def test_an_id_that_nobody_knows_in_the_library(running: Running, tmp_path: Path) -> None:
    """K1: the library call beside the verb."""
    known = {"client_id": running.client_id, "client_secret": running.client_secret, "base_url": running.base_url}
    settings = tk.PlatformSettings(**known)
    clock = RemoteClock(running.clock_url)
    with pytest.raises(tk.errors.NotFound, match=NO_SUCH) as caught:
        tk.get(NOBODY, to=str(tmp_path / "a"), platform=settings, clock=clock)
    assert caught.value.exit_code == 3
    ledger = tmp_path / "ledger.sqlite3"
    report = tk.export(to=str(tmp_path / "a"), ids=[NOBODY], platform=settings, clock=clock, ledger=ledger)
    assert (report.partial, report.failures[0].error) == (True, "NotFound")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_of_ids_as_windows_saves_it(cli: Cli, running: Running, tmp_path: Path, encoding: str) -> None:
    """K2: --ids file with BOM, CRLF, or in UTF-16: refused, nothing exported."""
    (tmp_path / "ids.txt").write_bytes("\r\n".join([*done(running, 3), ""]).encode(encoding))
    assert (tmp_path / "ids.txt").read_bytes()[:2] in (codecs.BOM_UTF8[:2], codecs.BOM_UTF16_LE)
    assert cli("export", "--ids", "ids.txt", env=environment(running, tmp_path), code=0).json["done"] == 3


def test_a_queue_by_its_name(cli: Cli, running: Running, tmp_path: Path) -> None:
    """K1: --queue Billing (a name): 0 found, exit 0."""
    env = environment(running, tmp_path)
    cli("export", *RANGE, env={**env, "TURNKEEPER_ARCHIVE": "all"})
    days = cli("status", "all", "--no-ask", "--json", env=env).json["days"]
    queue = next(one for day in days for one in day["queues"])
    found = cli("export", *RANGE, "--queue", queue["name"].upper(), env={**env, "TURNKEEPER_ARCHIVE": "one"})
    assert found.json["found"] == sum(queue["states"].values())
    ran = cli("export", *RANGE, "--queue", "Biling", env=env, code=2)
    assert "no queue has the name or id 'Biling'" in ran.err
    assert "Near it" in ran.err or "none like it" in ran.err
    assert not (tmp_path / "archive/manifests").exists()
    assert cli("export", "--dry-run", *RANGE, "--user", "Nobody At All", env=env, code=2).err


def test_a_failure_stands_until_it_is_mended(cli: Cli, platform: Platform, tmp_path: Path) -> None:
    """K8: run 1 exit 3 (one failed), the same command again: exit 0."""
    running = platform("dead-link", conversations=6, per_day=6, rate_limit=100_000)
    env = environment(running, tmp_path)
    first = cli("export", *RANGE, env=env, code=3).json
    again = cli("export", *RANGE, env=env, code=3)
    assert again.json.get("failed", 0) == 0
    assert again.json["outstanding_failed"] == first["failed"]
    assert all(failure["earlier"] and failure["due"] for failure in again.json["failures"])
    assert "failed in an earlier run" in again.err
    # Another range has no part in it.
    assert cli("export", "--since", "2026-11-01", "--until", "2026-11-02", env=env, code=0).json["states"]


def test_what_is_unread_stands_too(cli: Cli, platform: Platform, tmp_path: Path) -> None:
    """K8: the same of what cannot be read."""
    running = platform("html-body", conversations=6, per_day=6, rate_limit=100_000)
    env = environment(running, tmp_path)
    counts: list[Any] = [cli("export", *RANGE, env=env, code=3).json["outstanding_unread"] for _ in range(2)]
    assert counts[0] == counts[1] > 0
    report = cli("export", *RANGE, env=env, code=3).json
    assert {one["error"] for one in report["unreadable"]} == {"Unread"}
