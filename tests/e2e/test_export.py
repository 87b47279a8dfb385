"""Bulk export as a user runs it: complete, resumable, patient with what comes late, honest about what is missing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli, Platform, credentials
from tests.e2e.truth import truth_of
from tests.views import view_path
from turnkeeper.cli.local_s3 import LocalS3
from turnkeeper.simulator import Running

SINCE, UNTIL = "2026-10-05", "2026-10-20"
NOW = "2026-10-12T00:00:00Z"
DAY = 86_400
FAULTS = ("expired-link", "throttle=9", "server-error", "cut-body", "redirect", "gzip", "token-expiry=50")
SETTINGS: dict[str, Any] = {"conversations": 60, "per_day": 20, "rate_limit": 100_000}


def expected(running: Running) -> Counter[str]:
    """What every conversation comes to in the end; what comes late comes."""
    return Counter("done" if told["outcome"] == "late" else told["outcome"] for told in truth_of(running).values())


def move(running: Running, **how: Any) -> None:
    body = json.dumps(how).encode()
    request = urllib.request.Request(running.clock_url, data=body, headers={"Content-Type": "application/json"})
    urllib.request.urlopen(request).close()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def export(cli: Cli, running: Running, to: Path, state: Path, *more: str, api: str = "speech") -> Any:
    options = ("--to", str(to), "--since", SINCE, "--until", UNTIL, "--api", api, *more)
    ran = cli("export", *options, env={**credentials(running), "XDG_STATE_HOME": str(state)})
    assert ran.code in (0, 3), ran.err
    return ran.json


def counts(cli: Cli, running: Running, archive: Path | str, **env: str) -> dict[str, int]:
    ran = cli("status", str(archive), "--json", env={**credentials(running), **env})
    found = ran.json
    return {name: found.get(name, 0) for name in ("done", "absent", "unread", "failed", "pending") if found.get(name)}


@pytest.mark.parametrize("api", ["speech", "media"])
def test_everything_is_exported_through_faults_and_the_status_is_the_truth(
    cli: Cli, platform: Platform, tmp_path: Path, state: Path, api: str
) -> None:
    running = platform(*FAULTS, now=None, **SETTINGS)
    archive = tmp_path / "archive"
    report = export(cli, running, archive, state, api=api)
    assert (report["found"], report.get("failed", 0)) == (60, 0)
    for _ in range(12):
        move(running, advance=DAY)
        report = export(cli, running, archive, state, api=api)
    assert counts(cli, running, archive) == dict(expected(running))
    assert report.get("waiting", 0) == 0
    status = cli("status", str(archive), "--json", env=credentials(running)).json
    assert [day["platform"] for day in status["days"]] == [20, 20, 20]
    assert "missing" not in status or status["missing"] == 0
    assert sum(status["reasons"]["absent"].values()) == status["absent"]


def snapshot(folder: Path) -> dict[str, bytes]:
    """Everything in an archive but its own notes; manifests without the one clock that stands in them."""
    found = {}
    for path in sorted(folder.rglob("*")):
        key = path.relative_to(folder).as_posix()
        if path.is_file() and not key.startswith("_turnkeeper/"):
            data = path.read_bytes()
            if key.startswith("manifests/"):
                data = json.dumps({k: v for k, v in json.loads(data).items() if k != "archived_at"}).encode()
            found[key] = data
    return found


def test_running_again_asks_for_nothing_and_writes_nothing(
    cli: Cli, platform: Platform, tmp_path: Path, state: Path
) -> None:
    running = platform(**SETTINGS)
    archive = tmp_path / "archive"
    export(cli, running, archive, state)
    before = snapshot(archive)
    again = export(cli, running, archive, state)
    assert again.get("visited", 0) == 0
    assert again.get("transcripts", 0) == 0
    assert snapshot(archive) == before


def test_late_transcripts_arrive_by_running_again_and_are_asked_for_by_the_schedule(
    cli: Cli, platform: Platform, tmp_path: Path, state: Path
) -> None:
    running = platform(**SETTINGS)
    late = {name for name, told in truth_of(running).items() if told["outcome"] == "late"}
    assert late
    archive = tmp_path / "archive"
    export(cli, running, archive, state)
    assert not late & {path.stem for path in (archive / "transcripts").iterdir()}
    asked = 0
    for minutes in (6, 70, 5 * 60, 24 * 60, 3 * 24 * 60, 30 * 60):
        move(running, advance=minutes * 60)
        asked += export(cli, running, archive, state).get("visited", 0)
        # Nothing is due twice at one moment.
        assert export(cli, running, archive, state).get("visited", 0) == 0
    assert late <= {path.stem for path in (archive / "transcripts").iterdir()}
    states = [json.loads(path.read_text()) for path in (archive / "_turnkeeper/states").rglob("*.json")]
    legs = [leg for day in states for call in day["calls"] for leg in call["legs"]]
    assert max(leg.get("asks", 0) for leg in legs) <= 7


def test_a_lost_disk_costs_nothing_absents_included(cli: Cli, platform: Platform, tmp_path: Path, state: Path) -> None:
    running = platform(**SETTINGS)
    archive = tmp_path / "archive"
    first = export(cli, running, archive, state)
    shutil.rmtree(state)
    again = export(cli, running, archive, state)
    assert again.get("visited", 0) == 0
    assert again["states"] == first["states"]
    assert again["waiting"] == first["waiting"]
    move(running, advance=10 * DAY)
    shutil.rmtree(state)
    export(cli, running, archive, state)
    assert counts(cli, running, archive) == dict(expected(running))


def started(running: Running, archive: Path, state: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "turnkeeper", "export", "--to", str(archive), "--since", SINCE, "--until", UNTIL]
    env = {**os.environ, **credentials(running), "XDG_STATE_HOME": str(state)}
    return subprocess.Popen([*command, "--api", "speech", "-q", *more], env=env, stdout=subprocess.PIPE)


def wait_for_manifests(archive: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None and len(list((archive / "manifests").glob("*"))) < count:
        time.sleep(0.005)


def test_two_exporters_share_the_work_and_one_is_killed(
    cli: Cli, platform: Platform, tmp_path: Path, state: Path
) -> None:
    running = platform(**SETTINGS)
    alone, archive = tmp_path / "alone", tmp_path / "archive"
    export(cli, running, alone, tmp_path / "other")
    pair = [started(running, archive, state) for _ in range(2)]
    wait_for_manifests(archive, 10, pair[0])
    pair[0].send_signal(signal.SIGKILL)
    for process in pair:
        process.communicate(timeout=60)
    export(cli, running, archive, state)
    assert snapshot(archive) == snapshot(alone)
    assert {len(list(path.iterdir())) for path in (archive / "manifests").iterdir()} == {1}


def test_an_interrupt_finishes_what_is_under_way_and_the_next_run_goes_on(
    cli: Cli, platform: Platform, tmp_path: Path, state: Path
) -> None:
    running = platform(**SETTINGS)
    archive = tmp_path / "archive"
    process = started(running, archive, state, "--concurrency", "2")
    wait_for_manifests(archive, 5, process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    report = json.loads(out)
    assert (process.returncode, report["ended"]) == (130, "interrupted")
    assert 5 <= report["visited"] < 60
    rest = export(cli, running, archive, state)
    assert rest["visited"] + report["visited"] >= 60
    assert rest["states"] == {"absent": 5, "done": 52, "unread": 3} or sum(rest["states"].values()) == 60


def test_follow_goes_on_until_stopped_and_finds_what_comes_late(
    platform: Platform, tmp_path: Path, state: Path
) -> None:
    running = platform(**SETTINGS, now=None)
    late = {name for name, told in truth_of(running).items() if told["outcome"] == "late"}
    archive = tmp_path / "archive"
    process = started(running, archive, state, "--follow", "--every", "6h")
    transcripts = archive / "transcripts"
    while process.poll() is None:
        found = {path.stem for path in transcripts.iterdir()} if transcripts.exists() else set()
        if late <= found:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_ids_from_a_file_and_from_standard_input(cli: Cli, platform: Platform, tmp_path: Path, state: Path) -> None:
    running = platform(**SETTINGS)
    ids = list(truth_of(running))[:3]
    env = {**credentials(running), "XDG_STATE_HOME": str(state)}
    archive = tmp_path / "archive"
    ran = cli("export", "--to", str(archive), "--ids", "-", env=env, stdin="\n".join(ids).encode(), code=0)
    assert ran.json["done"] == 3
    (tmp_path / "ids.txt").write_text("\n".join([*ids, "00000000-0000-0000-0000-000000000000"]))
    ran = cli("export", "--to", str(archive), "--ids", str(tmp_path / "ids.txt"), env=env)
    assert (ran.json["found"], ran.json["new"]) == (4, 1)


def test_retry_visits_what_failed_and_nothing_else(cli: Cli, platform: Platform, tmp_path: Path, state: Path) -> None:
    running = platform("dead-link", **SETTINGS)
    archive = tmp_path / "archive"
    env = {**credentials(running), "XDG_STATE_HOME": str(state)}
    ran = cli("export", "--to", str(archive), "--since", SINCE, "--until", UNTIL, "--api", "speech", env=env, code=3)
    assert ran.json["failed"] > 0
    assert ran.json["failures"][0]["error"] == "LinkExpired"
    assert "hint" in ran.json["failures"][0]
    again = cli("retry", str(archive), "--api", "speech", env=env, code=3)
    assert again.json["visited"] == ran.json["failed"]


def test_everything_denied_ends_at_once_and_names_the_permission(
    cli: Cli, platform: Platform, tmp_path: Path, state: Path
) -> None:
    running = platform("denied", **SETTINGS)
    env = {**credentials(running), "XDG_STATE_HOME": str(state)}
    ran = cli("export", "--to", str(tmp_path / "a"), "--since", SINCE, "--until", UNTIL, "--api", "speech", env=env)
    assert ran.code == 4
    assert "permission" in ran.err.lower()


def test_status_says_stale_and_writes_metrics(cli: Cli, platform: Platform, tmp_path: Path, state: Path) -> None:
    running = platform(**SETTINGS, now=None)
    archive = tmp_path / "archive"
    env = {**credentials(running), "XDG_STATE_HOME": str(state)}
    cli("export", "--to", str(archive), "--last", "100d", "--api", "speech", env=env)
    metrics = tmp_path / "metrics.prom"
    fresh = cli("status", str(archive), "--max-lag", "6h", "--openmetrics", str(metrics), env=env)
    assert fresh.code == 3  # some are unread
    assert 'turnkeeper_conversations{state="done"}' in metrics.read_text()
    assert metrics.read_text().endswith("# EOF\n")
    move(running, advance=7 * 3600)
    assert cli("status", str(archive), "--max-lag", "6h", env=env).code == 6
    table = cli("status", str(archive), env=env).out
    assert "platform" in table


def test_filling_in_older_days_makes_an_archive_no_staler(
    cli: Cli, platform: Platform, tmp_path: Path, state: Path
) -> None:
    running = platform(**SETTINGS, now=None)
    archive = tmp_path / "archive"
    env = {**credentials(running), "XDG_STATE_HOME": str(state)}
    filtered = ("--last", "1d", "--direction", "outbound")
    for range_ in (("--last", "2d"), ("--since", SINCE, "--until", "2026-10-06"), filtered):
        cli("export", "--to", str(archive), "--api", "speech", *range_, env=env)
        move(running, advance=1)
    found = cli("status", str(archive), "--json", env=env).json
    assert found["lag_seconds"] < 3600
    assert len(list((archive / "_turnkeeper/runs").iterdir())) == 3


def test_export_to_an_object_store_is_the_same_as_to_a_folder(
    cli: Cli, platform: Platform, tmp_path: Path, state: Path, s3: LocalS3
) -> None:
    running = platform(**SETTINGS)
    env = {**credentials(running), "XDG_STATE_HOME": str(state), **s3.environment()}
    to = f"s3://calls/{tmp_path.name}"
    ran = cli("export", "--to", to, "--since", SINCE, "--until", UNTIL, "--api", "speech", env=env)
    folder = export(cli, running, tmp_path / "archive", tmp_path / "other")
    assert ran.json["states"] == folder["states"]
    status = cli("status", to, "--json", env=env).json
    assert {name: status[name] for name in ran.json["states"]} == ran.json["states"]


def test_a_dry_run_counts_and_writes_nothing(cli: Cli, platform: Platform, tmp_path: Path, state: Path) -> None:
    running = platform(**SETTINGS)
    env = {**credentials(running), "XDG_STATE_HOME": str(state)}
    ran = cli("export", "--dry-run", "--since", SINCE, "--until", UNTIL, "--api", "speech", env=env, code=0)
    assert ran.json["conversations"] == 60
    assert 60 <= ran.json["requests"] <= 200
    assert ran.json["hours"] > 0 or ran.json["requests_per_minute"] > 10_000
    assert not list(tmp_path.glob("**/manifests"))


def test_recordings_come_with_the_export_and_to_what_was_exported_without(
    cli: Cli, platform: Platform, tmp_path: Path, state: Path
) -> None:
    running = platform(conversations=2, calls=True, rate_limit=100_000)
    archive = tmp_path / "archive"
    env = {**credentials(running), "XDG_STATE_HOME": str(state)}
    since = ("--since", "2026-10-01", "--api", "speech", "-q")
    cli("export", "--to", str(archive), *since, env=env, code=0)
    assert not (archive / "audio").exists()
    ran = cli("export", "--to", str(archive), *since, "--audio", "--sync", "correct", env=env, code=0)
    heard = {path.name for path in (archive / "audio").iterdir()}
    assert len(heard) >= 8
    for conversation in heard:
        assert view_path(archive, conversation, "alignment").exists()
        assert list((archive / "peaks" / conversation).iterdir())
    again = cli("export", "--to", str(archive), *since, "--audio", env=env, code=0)
    assert again.json.get("visited", 0) == 0, ran.json
    other = tmp_path / "other"
    cli("export", "--to", str(other), *since, "--audio", "--sync", "correct", env={**env, "XDG_STATE_HOME": str(other)})
    assert {path.name for path in (other / "audio").iterdir()} == heard


def test_an_incomplete_recording_is_said_by_export_status_and_every_run_after_it(
    cli: Cli, platform: Platform, tmp_path: Path, state: Path
) -> None:
    """K4: half a call was archived, declared "verified", with exit code 0."""
    running = platform("truncated-audio", conversations=1, calls=True, rate_limit=100_000)
    env = {**credentials(running), "XDG_STATE_HOME": str(state)}
    options = ("export", "--to", "archive", "--since", "2026-10-01", "--api", "speech", "--audio", "-q")
    ran = cli(*options, env=env, code=3)
    heard = {path.name for path in (tmp_path / "archive/audio").iterdir()}
    assert len(heard) == ran.json["outstanding_recordings"] >= 8
    assert {one["conversation"] for one in ran.json["unreadable"]} == heard
    assert all(": incomplete: " in one["message"] for one in ran.json["unreadable"])
    for conversation in heard:
        manifest = json.loads(max((tmp_path / "archive/manifests" / conversation).iterdir()).read_text())
        (one,) = manifest["recordings"]
        assert one["state"] == "incomplete"
        assert "by the platform's start and end it should last" in one["reason"]
        (sync,) = manifest["sync"].values()
        assert sync["verdict"] == "unverified"
        assert sync["incomplete"]
    told = cli("status", "archive", "--json", env=env, code=3)
    assert told.json["unread_recordings"] == len(heard)
    again = cli(*options, env=env, code=3)
    assert again.json["outstanding_recordings"] == len(heard)
    assert again.json.get("visited", 0) == 0
