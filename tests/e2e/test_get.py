"""The main job: what ``turnkeeper get`` prints equals the truth of the seed, in every dialect, on every store."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

import turnkeeper as tk
from tests.conftest import Cli, Platform, credentials
from tests.e2e.truth import BRIEF, truth_of
from tests.views import content, view_path
from turnkeeper.cli.local_s3 import LocalS3
from turnkeeper.clock import RemoteClock
from turnkeeper.errors import NotReady
from turnkeeper.simulator import Running


@pytest.mark.parametrize("api", ["auto", "speech", "media"])
@pytest.mark.parametrize("store", ["file", "s3"])
def test_the_summary_equals_the_truth(
    api: str, store: str, platform: Platform, cli: Cli, s3: LocalS3, tmp_path: Path
) -> None:
    running = platform()
    conversation = running.conversation_ids[3]
    to = f"file://{tmp_path}/archive" if store == "file" else f"s3://calls/{tmp_path.name}-{api}"
    ran = cli("get", conversation, "--to", to, "--api", api, env=credentials(running, **s3.environment()), code=0)
    truth = truth_of(running)[conversation]
    dialect = ran.json["dialect"]
    assert dialect == {"auto": "media"}.get(api, api)
    assert {field: ran.json[field] for field in BRIEF} == truth["dialects"][dialect]
    assert list(ran.json)[:8] == [*BRIEF, "archived_at", "storage_location"]
    assert re.fullmatch(f"{re.escape(to)}/transcripts/{conversation}/[0-9a-f]{{16}}.json", ran.json["storage_location"])
    assert ran.json["archived_at"].endswith("Z")


@pytest.mark.parametrize("api", ["speech", "media"])
def test_every_conversation_of_a_contact_centre_ends_as_the_truth_says(
    api: str, platform: Platform, tmp_path: Path
) -> None:
    running = platform(conversations=80, rate_limit=100_000)
    outcomes = {name: truth["outcome"] for name, truth in truth_of(running).items()}
    found = {name: _outcome(running, name, api, tmp_path) for name in outcomes}
    assert found == {name: "late" if kind == "absent" else kind for name, kind in outcomes.items()}


def _outcome(running: Running, conversation: str, api: str, folder: Path) -> str:
    """What ``get`` made of a conversation; also holds its summary against the truth."""
    settings = tk.PlatformSettings(
        client_id=running.client_id,
        client_secret=running.client_secret,
        base_url=running.base_url,
        api=api,  # type: ignore[arg-type]
        wait_seconds=0,
    )
    try:
        got = tk.get(conversation, to=str(folder / "archive"), platform=settings, clock=RemoteClock(running.clock_url))
    except NotReady:
        return "late"
    if got.kept.summary is None:
        return "unread"
    truth = truth_of(running)[conversation]["dialects"][api]
    assert {field: got.document[field] for field in BRIEF} == truth, truth_of(running)[conversation]["scenario"]
    return "done"


def test_a_late_transcript_arrives_when_it_is_asked_again(platform: Platform, cli: Cli) -> None:
    running = platform(conversations=40)
    late = next(name for name, truth in truth_of(running).items() if truth["outcome"] == "late")
    env = credentials(running)
    ran = cli("get", late, "--to", "archive", "--wait", "0", env=env, code=5)
    assert "not ready" in ran.err.lower() or "no transcript" in ran.err.lower()
    advance(running, 3 * 86_400)
    assert cli("get", late, "--to", "archive", "--wait", "0", env=env, code=0).json["state"] == "done"


def advance(running: Running, seconds: float) -> None:
    import anyio

    anyio.run(RemoteClock(running.clock_url).sleep, seconds)


def test_running_again_changes_nothing(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform()
    conversation, env = running.conversation_ids[0], credentials(running)
    first = cli("get", conversation, "--to", "archive", env=env, code=0).json
    before = content(tmp_path / "archive")
    second = cli("get", conversation, "--to", "archive", env=env, code=0).json
    after = content(tmp_path / "archive")
    assert (first["changed"], second["changed"]) == (True, False)
    assert before == after


def test_a_second_leg_makes_a_second_generation(platform: Platform, cli: Cli) -> None:
    running = platform("late-second-leg")
    truth = truth_of(running)
    transfer = next(name for name, facts in truth.items() if facts["scenario"] == "transfer")
    env = credentials(running)
    first = cli("get", transfer, "--to", "archive", "--api", "speech", env=env, code=0).json
    advance(running, 4 * 86_400)
    second = cli("get", transfer, "--to", "archive", "--api", "speech", env=env, code=0).json
    assert (first["generation"], second["generation"]) == (1, 2)
    assert first["total_turns"] < second["total_turns"] == truth[transfer]["dialects"]["speech"]["total_turns"]


def test_a_changed_transcript_makes_a_second_generation(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform("changed-transcript")
    conversation, env = running.conversation_ids[0], credentials(running)
    cli("get", conversation, "--to", "archive", env=env, code=0)
    advance(running, 2 * 86_400)
    assert cli("get", conversation, "--to", "archive", env=env, code=0).json["generation"] == 2
    manifests = sorted((tmp_path / "archive/manifests" / conversation).iterdir())
    first, second = (json.loads(path.read_text()) for path in manifests)
    assert all((tmp_path / "archive" / part["key"]).exists() for part in first["inputs"] + second["inputs"])


def test_role_filters_write_a_selection_and_leave_the_transcript_whole(
    platform: Platform, cli: Cli, tmp_path: Path
) -> None:
    running = platform()
    conversation = running.conversation_ids[0]
    ran = cli("get", conversation, "--to", "archive", "--role", "agent", env=credentials(running), code=0)
    archive = tmp_path / "archive"
    chosen = view_path(archive, conversation, "selections")
    roles = {turn["role"] for turn in json.loads(chosen.read_text())["transcript"]}
    whole = json.loads(view_path(archive, conversation).read_text())["transcript"]
    assert roles == {"agent"}
    assert len(whole) == ran.json["total_turns"] > ran.json["agent_turns"]


def test_names_of_people_and_queues_are_kept_with_the_call(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform()
    conversation = running.conversation_ids[0]
    cli("get", conversation, "--to", "archive", "--api", "speech", env=credentials(running), code=0)
    archive = tmp_path / "archive"
    assert {path.name for path in (archive / "directory").iterdir()} >= {"users", "queues"}
    transcript = json.loads(view_path(archive, conversation).read_text())
    agents = [participant for participant in transcript["participants"] if participant["role"] == "agent"]
    assert agents
    assert all(agent.get("name") for agent in agents)


def test_the_aligned_turns_are_reported_at_the_rate_asked(platform: Platform, cli: Cli) -> None:
    running = platform()
    ran = cli(
        "get", running.conversation_ids[0], "--to", "a", "--sample-rate", "8000", env=credentials(running), code=0
    )
    assert ran.json["sample_rate"] == 8000
    assert ran.json["aligned_turns"] == ran.json["total_turns"]


def test_without_audio_the_sample_indices_are_computed_by_the_command_that_is_named(
    platform: Platform, cli: Cli, tmp_path: Path
) -> None:
    """K1: aligned_turns: 14 at 48,000 Hz though no audio was fetched and no sample index is stored."""
    running = platform()
    ran = cli("get", running.conversation_ids[0], "--to", "archive", env=credentials(running), code=0).json
    assert not (tmp_path / "archive/alignment").exists()
    assert ran["alignment"]["stored"] is False
    command = shlex.split(ran["alignment"]["computed_by"])
    lines = [json.loads(line) for line in cli(*command[1:], code=0).out.splitlines()]
    assert sum("start_sample" in line for line in lines) == ran["aligned_turns"] > 0
    assert all(line["start_sample"] == round(line["start_time"] * 48_000) for line in lines)


def test_get_export_and_get_of_one_unchanged_call_are_one_generation(
    platform: Platform, cli: Cli, tmp_path: Path
) -> None:
    """K1: get, export, get of one unchanged call: generations 1, 2, 3."""
    running = platform("late-second-leg", rate_limit=100_000)
    env = {**credentials(running), "XDG_STATE_HOME": str(tmp_path / "state")}
    names = [name for name, told in truth_of(running).items() if told["outcome"] == "done"][:4]
    (tmp_path / "ids.txt").write_text("\n".join(names))
    for name in names:
        cli("get", name, "--to", "archive", "--api", "speech", "--wait", "0", env=env)
    before = {path: path.read_bytes() for path in (tmp_path / "archive/manifests").rglob("*.json")}
    cli("export", "--to", "archive", "--ids", "ids.txt", "--api", "speech", env=env)
    for name in names:
        cli("get", name, "--to", "archive", "--api", "speech", "--wait", "0", env=env)
    assert {path: path.read_bytes() for path in (tmp_path / "archive/manifests").rglob("*.json")} == before


def test_the_default_rate_is_the_briefs(platform: Platform, cli: Cli) -> None:
    running = platform()
    assert (
        cli("get", running.conversation_ids[0], "--to", "a", env=credentials(running), code=0).json["sample_rate"]
        == 48_000
    )


def test_the_conversation_and_the_archive_may_come_from_the_environment(
    platform: Platform, cli: Cli, tmp_path: Path
) -> None:
    running = platform()
    env = credentials(running, GENESYS_CONVERSATION_ID=running.conversation_ids[0], TURNKEEPER_ARCHIVE=f"{tmp_path}/a")
    assert cli("get", env=env, code=0).json["interaction_id"] == running.conversation_ids[0]


def test_a_private_key_works_where_the_platform_accepts_it(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform()
    key = tmp_path / "key.pem"
    key.write_text(running.private_key_pem)
    env = credentials(running, GENESYS_CLIENT_ID=running.private_key_client_id, GENESYS_CLIENT_SECRET="")
    env["GENESYS_JWT_CONFIG"] = json.dumps({"private_key_file": str(key), "alg": "RS256"})
    assert cli("get", running.conversation_ids[0], "--to", "a", env=env, code=0).json["total_turns"] > 0
