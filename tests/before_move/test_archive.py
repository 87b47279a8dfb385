"""An archive, its queue and a profile of before the move serve every verb. ``record`` says what they hold."""

from __future__ import annotations

import hashlib
import json
import shutil
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pytest

import turnkeeper as tk
from tests.before_move.record import CALLS, DATA
from tests.conftest import Cli, Platform, credentials

NEXT_DAY = datetime(2026, 10, 8, 1, tzinfo=UTC)
"""A day after the last export: all that waits is due, the late transcript has come."""
HELD = {"done": 3, "absent": 2, "unread": 1, "failed": 1, "erased": 1}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / "archive", tmp_path / "archive"))


@pytest.fixture
def state(tmp_path: Path, archive: Path) -> dict[str, str]:
    """The environment of the user whose exports have the queue of before the move, under the name it had."""
    name = hashlib.sha256(f"file://{archive}".encode()).hexdigest()[:16]
    (tmp_path / "state/turnkeeper").mkdir(parents=True, mode=0o700)
    shutil.copy(DATA / "ledger-3.sqlite3", tmp_path / f"state/turnkeeper/{name}.sqlite3")
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


class Running(Protocol):
    """A simulated platform, as ``tests.conftest`` starts it."""

    clock_url: str


def content(archive: Path) -> dict[str, bytes]:
    """The files of the calls: not the audit, which every reading adds to, and not the index and reports of runs."""
    files = [path for path in archive.rglob("*") if path.is_file()]
    named = {path.relative_to(archive).as_posix(): path.read_bytes() for path in files}
    return {name: data for name, data in named.items() if not name.startswith("_turnkeeper/")}


def texts(archive: Path, name: str) -> list[str]:
    (view,) = (archive / "transcripts" / CALLS[name]).iterdir()
    return [turn["text"] for turn in json.loads(view.read_text())["transcript"]]


def test_it_is_whole_and_its_figures_are_the_same(archive: Path, cli: Cli) -> None:
    cli("verify", str(archive), "--views", code=0)
    found = cli("status", str(archive), "--no-ask", "--json", code=3).json  # one failed, one is unread
    assert {state: found.get(state, 0) for state in HELD} == HELD
    checked = cli("audit", str(archive), "--json", code=0).out.splitlines()
    assert json.loads(checked[-1]).get("breaches") in (0, None)
    assert len(checked) > 8, "the lines of before the move are there"


def test_its_turns_are_read(archive: Path, cli: Cli) -> None:
    read = cli("turns", str(archive), "--conversation", CALLS["transferred"], code=0).out.splitlines()
    assert [json.loads(line)["text"] for line in read] == texts(archive, "transferred")
    by_call = dict[str, list[str]]()
    for turn in tk.read_turns(str(archive)):
        by_call.setdefault(turn.conversation, []).append(turn.text)
    assert by_call == {CALLS[name]: texts(archive, name) for name in ("plain", "transferred", "spoken")}


def test_its_documents_are_opened_by_the_library(archive: Path) -> None:
    opened = tk.Archive(str(archive))
    states = {name: manifest.state for name in opened.conversations() if (manifest := opened.manifest(name))}
    read = dict.fromkeys((CALLS["plain"], CALLS["transferred"], CALLS["spoken"]), "done")
    assert states == read | {CALLS["unread"]: "unread"}
    ((recording, keys),) = opened.audio(CALLS["spoken"]).items()
    assert len(keys) == 2
    with opened.peaks(CALLS["spoken"], recording) as waveform, opened.alignment(CALLS["spoken"]) as document:
        assert waveform.read()
        assert json.loads(document.read())


def test_pages_and_clips_are_made_of_it(archive: Path, cli: Cli, tmp_path: Path) -> None:
    cli("report", str(archive), "--out", "pages", code=3)  # the calls without a transcript are listed
    assert (tmp_path / "pages/index.html").exists()
    clipped = cli("clip", str(archive), "--conversation", CALLS["spoken"], "--turn", "1", "--out", "turn.wav", code=0)
    assert clipped.json["clips"][0]["frames"] > 0


def test_views_and_index_are_built_again_as_they_are(archive: Path, cli: Cli) -> None:
    before = content(archive)
    assert cli("reindex", str(archive), "--json", code=0).json["changed"] == 0
    cli("reread", str(archive), "--all", code=3)  # one stays unread
    after = content(archive)
    assert {name: after.get(name) for name in before} == before
    cli("verify", str(archive), "--views", code=0)


def test_a_call_that_is_there_is_got_again_unchanged(archive: Path, cli: Cli, platform: Platform) -> None:
    env = credentials(platform(now=NEXT_DAY, calls=True))
    before = content(archive)
    plain = cli("get", "--to", str(archive), env={**env, "GENESYS_CONVERSATION_ID": CALLS["plain"]}, code=0).json
    spoken = cli("get", CALLS["spoken"], "--to", str(archive), env=env, code=0).json
    assert [(one["changed"], one["generation"]) for one in (plain, spoken)] == [(False, 1), (False, 1)]
    assert content(archive) == before
    cli("get", CALLS["erased"], "--to", str(archive), env=env, code=4)
    expired = cli("expire", str(archive), "--older-than", "1d", "--dry-run", "--json", env=env, code=0).json
    assert len(expired["erasures"]) == 4


def test_an_export_goes_on_with_its_queue(
    archive: Path, state: dict[str, str], cli: Cli, platform: Platform, tmp_path: Path
) -> None:
    running = platform(now=NEXT_DAY, calls=True)
    env = credentials(running, **state)
    before = content(archive)
    (tmp_path / "ids.txt").write_text(CALLS["plain"])
    first, second = (_exported(cli, archive, env, running) for _ in range(2))
    # What is archived is not asked for again; what failed and what waits is.
    assert (first.get("new", 0), first["visited"], first["done"]) == (0, 4, 1)
    assert first["states"] == {"done": 3, "absent": 2, "unread": 1, "erased": 1}
    assert second["states"] == {"done": 4, "absent": 1, "unread": 1, "erased": 1}
    after = content(archive)
    assert {name: after.get(name) for name in before} == before
    assert len(list((tmp_path / "state/turnkeeper").glob("*.sqlite3"))) == 1, "there is no other queue"
    cli("verify", str(archive), "--views", code=0)


def _exported(cli: Cli, archive: Path, env: dict[str, str], running: Running) -> dict[str, Any]:
    """Export once, then let some days pass."""
    report = cli("export", "--to", str(archive), "--ids", "ids.txt", env=env, code=3).json  # one stays unread
    passed = json.dumps({"advance": 5 * 86_400}).encode()
    urllib.request.urlopen(urllib.request.Request(running.clock_url, data=passed)).close()
    return dict(report)


def test_retry_goes_on_with_its_queue(archive: Path, state: dict[str, str], cli: Cli, platform: Platform) -> None:
    env = credentials(platform(now=datetime(2026, 10, 7, 1, 0, 1, tzinfo=UTC), calls=True), **state)
    report = cli("retry", str(archive), env=env, code=3).json
    assert (report["visited"], report["done"], report["unread"]) == (2, 1, 1)


def test_an_export_goes_on_from_its_index_alone(archive: Path, cli: Cli, platform: Platform) -> None:
    env = credentials(platform(now=NEXT_DAY, calls=True))
    before = content(archive)
    report = cli("export", "--to", str(archive), "--last", "30d", env=env, code=3).json
    assert report["states"]["erased"] == 1
    assert report["found"] == 33
    after = content(archive)
    assert {name: after.get(name) for name in before} == before
    cli("verify", str(archive), "--views", code=0)


def test_a_call_of_it_is_erased_and_its_queue_forgets_it(
    archive: Path, state: dict[str, str], cli: Cli, tmp_path: Path
) -> None:
    call = CALLS["spoken"]
    erased = cli("erase", str(archive), "--conversation", call, "--yes", "--proof", "proof.json", env=state, code=0)
    assert json.loads((tmp_path / "proof.json").read_text())["proven"] is True, erased.err
    left = [path for path in archive.rglob("*") if call in path.as_posix()]
    assert [path.relative_to(archive).as_posix() for path in left] == [f"_turnkeeper/tombstones/{call}.json"]
    cli("verify", str(archive), code=0)


def test_its_profile_is_read(archive: Path, cli: Cli, platform: Platform, tmp_path: Path) -> None:
    running = platform(now=NEXT_DAY)
    written = (DATA / "profiles.toml").read_text().replace("http://127.0.0.1:1", running.base_url)
    written = written.replace("4d7c4dd6-1f9a-4b0c-9a55-6d1b2f0a7c11", running.client_id)
    (tmp_path / "profiles.toml").write_text(written.replace("acme-archive", str(archive)))
    env = {"TURNKEEPER_PROFILES": "profiles.toml", "ACME_SECRET": running.client_secret}
    got = cli("get", CALLS["plain"], "--org", "acme", env={**env, "TURNKEEPER_CLOCK_URL": running.clock_url}, code=0)
    assert got.json["storage_location"].startswith(f"file://{archive}/")
    assert not got.json["changed"]
