"""``turnkeeper doctor``: each precondition, broken once, with the mend it prints."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Cli, Platform, credentials
from turnkeeper.cli.local_s3 import LocalS3
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.object_store import open_store


def _states(out: str) -> dict[str, str]:
    return {check["name"]: check["state"] for check in json.loads(out)["checks"]}


def test_all_is_well(platform: Platform, cli: Cli, s3: LocalS3) -> None:
    running = platform()
    env = credentials(running, **s3.environment())
    ran = cli("doctor", "s3://calls/doctor", "--json", env=env, code=0)
    states = _states(ran.out)
    assert "fail" not in states.values(), ran.out
    assert {"credentials", "clock", "quota", "archive: write", "archive: conditional write"} <= set(states)
    store = open_store("s3://calls/doctor", StoreSettings.from_environment(s3.environment()))
    assert not list(store.list("")), "the doctor leaves nothing behind"


def test_a_folder_is_checked_too(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform()
    ran = cli("doctor", "archive", "--json", env=credentials(running), code=0)
    assert _states(ran.out)["archive: conditional write"] == "ok"


def test_a_missing_permission_prints_the_least_role(platform: Platform, cli: Cli) -> None:
    ran = cli("doctor", env=credentials(platform("denied")), code=3)
    assert "FAIL  transcripts (speech)" in ran.out
    assert "speechAndTextAnalytics:data:view" in ran.out


def test_a_wrong_secret_is_explained(platform: Platform, cli: Cli) -> None:
    env = credentials(platform(), GENESYS_CLIENT_SECRET="not-the-secret")
    ran = cli("doctor", env=env, code=4)
    assert "region" in ran.out
    assert "not-the-secret" not in ran.out + ran.err


def test_a_missing_bucket_prints_the_least_policy(platform: Platform, cli: Cli, s3: LocalS3) -> None:
    env = credentials(platform(), **s3.environment())
    ran = cli("doctor", "s3://nowhere/x", env=env, code=3)
    assert "s3:PutObject" in ran.out


def test_the_quota_is_told(platform: Platform, cli: Cli) -> None:
    assert "of 300 requests left" in cli("doctor", env=credentials(platform()), code=0).out


def test_a_missing_ca_file_is_found(platform: Platform, cli: Cli) -> None:
    ran = cli("doctor", "--ca", "nowhere.pem", env=credentials(platform()))
    assert ran.code == 4
    assert "nowhere.pem" in ran.out


def test_a_shape_holds_no_value(platform: Platform, cli: Cli) -> None:
    running = platform()
    conversation = running.conversation_ids[0]
    env = credentials(running)
    shape = cli("doctor", "--shape", conversation, env=env, code=0)
    assert "transcript" in shape.out
    text = json.loads(cli("get", conversation, "--to", "a", env=env, code=0).out)
    assert str(text["avg_confidence"]) not in shape.out
    turns = cli("turns", "a", "--fields", "text", code=0).out.splitlines()
    assert not [line for line in turns if json.loads(line)["text"] in shape.out]


def test_a_file_is_described_without_an_account(cli: Cli, tmp_path: Path) -> None:
    """What `turnkeeper turns` advises for a file of a shape that it does not know."""
    strange = tmp_path / "strange.json"
    strange.write_text('{"utterances": [{"who": "Ann", "said": "my card is 4111"}]}')
    told = cli("turns", str(strange), code=3).err
    assert "doctor --shape FILE" in told
    ran = cli("doctor", "--shape", str(strange), code=0)
    assert ran.json["bodies"]["strange.json"]["shape"]["keys"]["utterances"]
    assert "4111" not in ran.out
    assert "Ann" not in ran.out
