"""Bad input: each a clear error naming where and the mend, the right exit code, nothing that arrived thrown away."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Cli, Platform, credentials
from tests.e2e.truth import truth_of
from turnkeeper.cli.local_s3 import LocalS3

BROKEN = {
    "html-body": "HTML",
    "truncated-json": "ends",
    "unknown-shape": "keys",
    "nan": "JSON",
    "invalid-utf8": "UTF-8",
    "deep-nesting": "nest",
    "huge-string": "large",
    "wrong-conversation": "another conversation",
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("api", ["speech", "media"])
def test_a_broken_body_is_kept_and_explained(
    fault: str, api: str, platform: Platform, cli: Cli, tmp_path: Path
) -> None:
    running = platform("huge-string=70" if fault == "huge-string" else fault)
    # The second conversation's media document comes from storage, where bodies break; the huge one is the first's.
    conversation = running.conversation_ids[0 if fault == "huge-string" else 1]
    ran = cli("get", conversation, "--to", "archive", "--api", api, env=credentials(running), code=3)
    unread = ran.json["unread"]
    assert BROKEN[fault].lower() in unread["message"].lower()
    assert fault in ("wrong-conversation", "unknown-shape") or "offset" in unread or "field" in unread, unread
    manifest = json.loads(next((tmp_path / "archive/manifests").rglob("*.json")).read_text())
    kept = [part for part in manifest["inputs"] if part["source"].startswith(api)]
    assert kept
    assert all((tmp_path / "archive" / part["key"]).stat().st_size == part["size"] for part in kept)
    assert not (tmp_path / "archive/transcripts").exists()


def test_an_empty_media_document_is_kept_and_explained(platform: Platform, cli: Cli) -> None:
    running = platform("empty-body")
    arguments = ("get", running.conversation_ids[1], "--to", "archive", "--api", "media")
    assert "empty" in cli(*arguments, env=credentials(running), code=3).json["unread"]["message"]


def test_a_file_of_no_bytes_is_no_transcript_yet(platform: Platform, cli: Cli) -> None:
    """K8: nothing behind a speech link, however old the call: asked for again, and said."""
    running = platform("empty-body")
    arguments = ("get", running.conversation_ids[1], "--to", "archive", "--api", "speech", "--wait", "0")
    assert "still an empty transcript" in cli(*arguments, env=credentials(running), code=5).err


@pytest.mark.parametrize("fault", ["wrong-type", "end-before-start"])
@pytest.mark.parametrize("api", ["speech", "media"])
def test_a_field_that_cannot_be_right_costs_that_field(fault: str, api: str, platform: Platform, cli: Cli) -> None:
    """K2: one phrase that ends before it starts, a phrase start that is an object: the whole transcript unread."""
    running = platform(fault)
    conversation = running.conversation_ids[1]
    ran = cli("get", conversation, "--to", "archive", "--api", api, env=credentials(running), code=0).json
    assert ran["defects"] == 1
    assert ran["total_turns"] == truth_of(running)[conversation]["dialects"][api]["total_turns"]


def test_an_unknown_conversation_is_named(platform: Platform, cli: Cli) -> None:
    running = platform()
    nobody = "11111111-1111-4111-8111-111111111111"
    ran = cli("get", nobody, "--to", "archive", env=credentials(running), code=3)
    assert nobody in ran.err


@pytest.mark.parametrize("name", ["../x", "..", "a/b", "x" * 129, "", "-starts-with-a-dash", "a b", "a\x1b[31m"])
def test_a_malformed_id_never_leaves_the_machine(name: str, platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform()
    ran = cli("get", "--to", "archive", "--", name, env=credentials(running), code=2)
    assert "\x1b" not in ran.err
    assert not (tmp_path / "archive").exists()


def test_a_missing_bucket_is_named(platform: Platform, cli: Cli, s3: LocalS3) -> None:
    running = platform()
    env = credentials(running, **s3.environment())
    ran = cli("get", running.conversation_ids[0], "--to", "s3://no-such-bucket/x", env=env, code=1)
    assert "no-such-bucket" in ran.err
    assert "bucket" in ran.err


def test_a_wrong_secret_for_the_store_is_explained(platform: Platform, cli: Cli, s3: LocalS3) -> None:
    running = platform()
    env = credentials(running, **{**s3.environment(), "AWS_SECRET_ACCESS_KEY": "wrong"})
    ran = cli("get", running.conversation_ids[0], "--to", "s3://calls/x", env=env)
    assert ran.code in (1, 4)
    assert "AWS" in ran.err or "credential" in ran.err


def test_a_folder_that_cannot_be_written_is_named(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform()
    (tmp_path / "taken").write_text("a file, not a folder")
    ran = cli("get", running.conversation_ids[0], "--to", "taken/archive", env=credentials(running), code=1)
    assert "taken" in ran.err


def test_a_read_only_folder_is_named(platform: Platform, cli: Cli) -> None:
    running = platform()
    ran = cli("get", running.conversation_ids[0], "--to", "/proc/turnkeeper", env=credentials(running), code=1)
    assert "/proc" in ran.err


def _with_small_files(limit: int, *arguments: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command where no file may grow past a limit: what a full disk looks like, without filling one."""

    def lower() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [sys.executable, "-m", "turnkeeper", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **env},
        preexec_fn=lower,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(("limit", "where"), [(64 << 10, "archive"), (2 << 20, "spool")])
def test_a_full_disk_leaves_nothing_half(limit: int, where: str, platform: Platform, tmp_path: Path) -> None:
    running = platform(giant_mb=4)
    conversation = running.ready()["giant_id"]
    done = _with_small_files(limit, "get", conversation, "--to", "archive", env=credentials(running), cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "room" in done.stderr
    assert not list((tmp_path / "archive").rglob("manifests/*"))
    assert not [path for path in (tmp_path / "archive").rglob("*.json") if path.stat().st_size == limit]


def test_a_clock_an_hour_off_is_found(platform: Platform, cli: Cli) -> None:
    running = platform("clock-skew")
    ran = cli("doctor", env=credentials(running), code=3)
    assert "clock" in ran.out
    assert "NTP" in ran.out


def test_an_interrupt_leaves_nothing_half(platform: Platform, tmp_path: Path) -> None:
    running = platform("forever-processing")
    env = {**os.environ, **credentials(running)}
    del env["TURNKEEPER_CLOCK_URL"]
    process = subprocess.Popen(
        [sys.executable, "-m", "turnkeeper", "get", running.conversation_ids[0], "--to", "archive", "--wait", "600"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env=env,
        text=True,
        # A suite in a shell's background inherits that interrupts are ignored; a person's terminal does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "asking again" in line:
            break
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert time.monotonic() - asked < 20
    assert not list((tmp_path / "archive").rglob("manifests/*"))


def test_missing_credentials_name_the_variables(cli: Cli) -> None:
    ran = cli("get", "abc", "--to", "archive", code=2)
    assert "GENESYS_CLIENT_ID" in ran.err


def test_an_unknown_role_lists_the_known_ones(cli: Cli) -> None:
    ran = cli("get", "abc", "--to", "archive", "--role", "boss", code=2)
    assert "customer" in ran.err


def test_an_unknown_option_is_a_usage_error(cli: Cli) -> None:
    assert cli("get", "--frobnicate").code == 2


def test_a_missing_file_is_named(cli: Cli) -> None:
    assert "nowhere.json" in cli("turns", "nowhere.json", code=2).err
