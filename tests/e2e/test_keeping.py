"""What compliance people do: check an archive, erase a call or a customer, let old calls go, and show what was done."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest

from tests.conftest import Cli, Platform, credentials
from tests.views import view_path
from turnkeeper.archive.archive import Archive
from turnkeeper.archive.pending_erasures import PendingErasures
from turnkeeper.cli.local_s3 import LocalS3
from turnkeeper.clock import RemoteClock, rfc3339
from turnkeeper.storage.folder import FolderStore

CUSTOMER = "+34600000000"


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def audited(archive: Path) -> list[str]:
    return sorted(json.loads(path.read_text())["action"] for path in archive.glob("_turnkeeper/audit/chain/*/*.json"))


def test_an_erased_call_does_not_come_back(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform()
    first, second = running.conversation_ids[:2]
    env = credentials(running)
    for conversation in (first, second):
        cli("get", conversation, "--to", "archive", env=env, code=0)
    archive = tmp_path / "archive"
    refused = cli("erase", "archive", "--conversation", first, env=env, code=2)
    assert "--yes" in refused.err
    assert f"manifests/{first}/000001.json" in files(archive)
    ran = cli("erase", "archive", "--conversation", first, "--yes", "--proof", "proof.json", "--json", env=env, code=0)
    proof = json.loads((tmp_path / "proof.json").read_text())
    assert proof == ran.json
    assert (proof["proven"], proof["erasures"][0]["state"], proof["versioning"]) == (True, "erased", "none")
    assert {name for name in files(archive) if first in name} == {f"_turnkeeper/tombstones/{first}.json"}
    again = cli("get", first, "--to", "archive", env=env, code=4)
    assert "was erased from this archive and is not kept again" in again.err
    assert {name for name in files(archive) if first in name} == {f"_turnkeeper/tombstones/{first}.json"}
    cli("get", second, "--to", "archive", env=env, code=0)
    cli("verify", "archive", env=env, code=0)
    assert audited(archive) == ["erase", "erase begun", "get", "get", "get"]


def test_an_erased_call_costs_no_request_for_its_transcript(platform: Platform, cli: Cli) -> None:
    running = platform()
    other, conversation = running.conversation_ids[:2]
    env = credentials(running)
    cli("get", other, "--to", "archive", env=env, code=0)
    cli("erase", "archive", "--conversation", conversation, "--yes", env=env, code=3)  # not there, and barred
    ran = cli("get", conversation, "--to", "archive", "--json", env=env, code=4)
    assert "fetched" not in ran.err.lower()


def test_a_customer_is_shown_first_and_then_erased(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform()
    env = credentials(running)
    for conversation in running.conversation_ids[:6]:
        cli("get", conversation, "--to", "archive", env=env)
    before = files(tmp_path / "archive")
    shown = cli("erase", "archive", "--ani", "0034 600 000 000", "--dry-run", "--json", env=env)
    chosen = {erasure["conversation"] for erasure in shown.json["erasures"]}
    assert chosen
    assert files(tmp_path / "archive") == before
    done = cli("erase", "archive", "--ani", CUSTOMER, "--yes", "--json", env=env)
    assert {erasure["conversation"] for erasure in done.json["erasures"]} == chosen
    assert done.json["by"] == "ani"
    left = {path: path.read_text() for path in (tmp_path / "archive/_turnkeeper").rglob("*.json")}
    assert not [path for path, text in left.items() if "600000000" in text or "600 000" in text]
    assert not any(conversation in name for conversation in chosen for name in files(tmp_path / "archive/manifests"))


def test_exports_do_not_bring_an_erased_call_back_with_or_without_their_ledger(
    platform: Platform, cli: Cli, tmp_path: Path
) -> None:
    running = platform()
    (tmp_path / "ids").write_text("\n".join(running.conversation_ids[:5]))
    env = credentials(running, XDG_STATE_HOME=str(tmp_path / "state"))
    command = ("export", "--to", "archive", "--ids", "ids", "--quiet")
    cli(*command, env=env, code=0)
    held = sorted(path.name for path in (tmp_path / "archive/manifests").iterdir())
    gone = held[0]
    cli("erase", "archive", "--conversation", gone, "--yes", env=env, code=0)
    stays = files(tmp_path / "archive")
    for state in ("state", "another"):
        cli(*command, env=env | {"XDG_STATE_HOME": str(tmp_path / state)})
        assert sorted(path.name for path in (tmp_path / "archive/manifests").iterdir()) == held[1:]
        assert {name for name in files(tmp_path / "archive") - stays if gone in name} == set()
    cli("verify", "archive", env=env, code=0)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--ani", "anonymous", "--yes"),
        ("--ani", CUSTOMER, "--external-contact", "x", "--yes"),
        ("--conversation", "../../etc/passwd", "--yes"),
        ("--conversation", "\x1b[31mred", "--yes"),
        ("--conversation", "", "--yes"),
        ("--conversation", ",", "--yes"),
        ("--conversation", "call-1", "--ani", "", "--yes"),
        ("--ani", "", "--yes"),
        ("--ani", " ", "--yes"),
        ("--external-contact", "", "--yes"),
        ("--external-contact", " ", "--dry-run"),
    ],
)
def test_what_must_not_choose_anything(cli: Cli, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Last round: an empty variable chooses nothing and finishes nothing."""
    Archive(str(tmp_path / "archive")).prepare()
    PendingErasures(FolderStore(tmp_path / "archive")).put("call-1", datetime.now(UTC), "request")
    before = files(tmp_path / "archive")
    ran = cli("erase", "archive", *arguments, code=2)
    assert "\x1b" not in ran.err
    assert files(tmp_path / "archive") == before


def test_an_id_in_capitals_is_erased_and_an_unknown_one_is_said(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    """Last round: "erased 0 objects", exit 0, and the call stayed."""
    running = platform()
    env, conversation = credentials(running), running.conversation_ids[0]
    cli("get", conversation, "--to", "archive", env=env, code=0)
    unknown = cli("erase", "archive", "--conversation", "0000-nobody", "--yes", code=3)
    assert "0000-nobody  not in the archive" in unknown.out
    assert cli("erase", "archive", "--conversation", "0000-nobody", "--dry-run", code=3).out == unknown.out
    erased = cli("erase", "archive", "--conversation", conversation.upper(), "--yes", code=0)
    assert f"{conversation}  erased" in erased.out
    assert f"asked for as {conversation.upper()}" in erased.out
    assert not [name for name in files(tmp_path / "archive") if name.startswith(("manifests/", "raw/"))]
    again = cli("erase", "archive", "--conversation", conversation.upper(), "--yes", code=0)
    assert f"{conversation}  already erased" in again.out


@pytest.mark.parametrize("age", ["", " ", ","])
def test_an_empty_age_expires_nothing(cli: Cli, tmp_path: Path, age: str) -> None:
    Archive(str(tmp_path / "archive")).prepare()
    before = files(tmp_path / "archive")
    cli("expire", "archive", "--older-than", age, code=2)
    assert files(tmp_path / "archive") == before


def test_old_calls_expire_and_the_rest_stays(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform()
    env = credentials(running)
    conversation = running.conversation_ids[0]
    cli("get", conversation, "--to", "archive", env=env, code=0)
    assert cli("expire", "archive", "--older-than", "3650d", "--json", env=env, code=0).json.get("erasures") is None
    cli("verify", "archive", env=env, code=0)
    cli("expire", "archive", "--older-than", "soon", env=env, code=2)
    cli("expire", "archive", "--older-than", "12h", env=env, code=2)
    assert f"manifests/{conversation}/000001.json" in files(tmp_path / "archive")
    clock = RemoteClock(running.clock_url)
    clock._request({"until": rfc3339(clock.now() + timedelta(days=400))})
    shown = cli("expire", "archive", "--older-than", "365d", "--dry-run", env=env, code=0)
    assert f"{conversation}  found" in shown.out
    ran = cli("expire", "archive", "--older-than", "365d", "--json", "--proof", "proof.json", env=env, code=0)
    assert [(one["conversation"], one["state"]) for one in ran.json["erasures"]] == [(conversation, "erased")]
    assert (ran.json["reason"], json.loads((tmp_path / "proof.json").read_text())) == ("expired", ran.json)
    assert not list((tmp_path / "archive/manifests").iterdir())
    cli("get", conversation, "--to", "archive", env=env, code=4)


def test_a_mistyped_address_is_not_a_clean_archive(cli: Cli, tmp_path: Path) -> None:
    for verb in (("verify",), ("erase",), ("expire", "--older-than", "9d")):
        assert "no archive here" in cli(verb[0], "typo", *verb[1:], code=3).err
    assert not (tmp_path / "typo").exists()


def test_damage_is_listed_for_machines_and_for_people(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform()
    conversation = running.conversation_ids[0]
    cli("get", conversation, "--to", "archive", env=credentials(running), code=0)
    archive = tmp_path / "archive"
    lost, view = view_path(archive, conversation, "summaries"), view_path(archive, conversation)
    lost.unlink()
    view.write_bytes(view.read_bytes() + b" ")
    ran = cli("verify", "archive", "--json", code=3)
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert sorted((line["kind"], line.get("key", "")) for line in lines) == [
        ("changed", view.relative_to(archive).as_posix()),
        ("missing", lost.relative_to(archive).as_posix()),
        ("summary", ""),
    ]
    people = cli("verify", "archive", code=3)
    assert f"missing     {lost.relative_to(archive).as_posix()}" in people.out
    assert "2 findings" in people.err
    cli("reread", "archive", "--all", code=0)
    cli("verify", "archive", "--sample", "100%", "--views", code=0)
    cli("verify", "archive", "--sample", "many", code=2)


def test_a_versioned_bucket_from_the_command_line(platform: Platform, cli: Cli, s3: LocalS3) -> None:
    running = platform()
    conversation = running.conversation_ids[0]
    env = credentials(running, **s3.environment())
    client = boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="versioned")
    client.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    cli("get", conversation, "--to", "s3://versioned/calls", env=env, code=0)
    cli("verify", "s3://versioned/calls", "--views", env=env, code=0)
    ran = cli("erase", "s3://versioned/calls", "--conversation", conversation, "--yes", "--json", env=env, code=0)
    assert (ran.json["proven"], ran.json["versioning"]) == (True, "kept")
    left = client.list_object_versions(Bucket="versioned", Prefix="calls/")
    keys = {
        one["Key"] for one in (*left.get("Versions", []), *left.get("DeleteMarkers", [])) if conversation in one["Key"]
    }
    assert keys == {
        f"calls/_turnkeeper/tombstones/{conversation}.json",
        f"calls/_turnkeeper/erasing/{conversation}.json",
    }
    cli("get", conversation, "--to", "s3://versioned/calls", env=env, code=4)
