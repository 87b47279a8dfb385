"""One address names one place in every verb; what names none, and what cannot be printed, is one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import turnkeeper as tk
from tests.conftest import Cli, Platform, credentials

REPORT = "please report"


@pytest.mark.parametrize("address", ["file://{root}/a%20b", "{root}/a b", "~/x"])
def test_what_get_kept_is_found_again(address: str, platform: Platform, cli: Cli, tmp_path: Path) -> None:
    """K1: get --to file:///x/a%20b or "~/arch" decoded and expanded, and turns said "no such file"."""
    running = platform(conversations=1)
    to = address.format(root=tmp_path)
    env = credentials(running, HOME=str(tmp_path), XDG_STATE_HOME=str(tmp_path / "state"))
    conversation = running.conversation_ids[0]
    count = cli("get", conversation, "--to", to, "--quiet", env=env, code=0).json["total_turns"]
    assert (tmp_path / ("x" if address.startswith("~") else "a b") / "manifests").is_dir()
    assert len(cli("turns", to, env=env, code=0).out.splitlines()) == count
    assert cli("status", to, "--no-ask", env=env, code=0).out
    cli("verify", to, env=env, code=0)
    cli("report", to, "--out", "pages", env=env, code=0)
    clipped = cli("clip", to, "--conversation", conversation, "--role", "agent", "--out", "o.wav", env=env)
    assert "no such" not in clipped.err.lower()
    assert "there is no archive" not in clipped.err


@pytest.mark.parametrize("address", ["s3:/bucket/x", "gs:/bucket/x", "az:/box/x", "file:/x", "S3:bucket/x"])
def test_half_an_address_is_no_folder(address: str, cli: Cli, tmp_path: Path) -> None:
    """K1: --to s3:/bucket/x (one slash) was kept in a local folder of that name, exit 0."""
    ran = cli(
        "get", "11111111-1111-4111-8111-111111111111", "--to", address, env={"GENESYS_BASE_URL": "http://x"}, code=2
    )
    assert f"Write {address.partition(':')[0].lower()}://" in ran.err
    assert [one.name for one in tmp_path.iterdir()] == ["runs"]
    assert "half an address" in cli("turns", address, code=2).err


def test_retry_needs_an_archive(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    """K2: retry where there is no archive: exit 0, and the folder was created."""
    env = credentials(platform(conversations=1), XDG_STATE_HOME=str(tmp_path / "state"))
    assert "there is no archive here" in cli("retry", "nowhere", env=env, code=3).err
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(tk.errors.NotFound):
        tk.export(to=str(tmp_path / "nowhere"), retry=True)
    assert not (tmp_path / "nowhere").exists()


def test_retry_says_what_stays_unread(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    """K2: retry after bodies that cannot be read: exit 0 without a word of them."""
    running = platform("html-body", conversations=2)
    env = credentials(running, XDG_STATE_HOME=str(tmp_path / "state"), TURNKEEPER_ARCHIVE=str(tmp_path / "archive"))
    cli("export", "--ids", "-", env=env, stdin="\n".join(running.conversation_ids).encode(), code=3)
    again = cli("retry", env=env, code=3)
    assert again.json["outstanding_unread"] > 0
    assert "cannot be read" in again.err


@pytest.mark.parametrize("verb", ["get", "export"])
def test_recordings_from_nowhere(verb: str, platform: Platform, cli: Cli, tmp_path: Path) -> None:
    """K2: export --audio --audio-from /nope: exit 0 without a word, no recordings."""
    running = platform(conversations=1)
    env = credentials(running, XDG_STATE_HOME=str(tmp_path / "state"))
    what = (running.conversation_ids[0],) if verb == "get" else ("--since", "2026-10-05", "--until", "2026-10-20")
    ran = cli(verb, *what, "--to", "archive", "--audio", "--audio-from", "/nope", env=env, code=2)
    assert "no such folder" in ran.err
    assert not (tmp_path / "archive").exists()


def test_get_with_another_interaction(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    """K1: get ID --conversation OTHER: exit 0, and an empty selection."""
    running = platform(conversations=2)
    one, other = running.conversation_ids[:2]
    ran = cli("get", one, "--conversation", other, "--to", "archive", env=credentials(running), code=2)
    assert other in ran.err
    assert not (tmp_path / "archive").exists()
    cli("get", one, "--conversation", one.upper(), "--to", "archive", env=credentials(running), code=0)


def test_names_that_are_too_long(cli: Cli) -> None:
    """K3: a name of 5,000 letters, a --to of 300: "OSError … please report"."""
    for arguments, code in [
        (("turns", "x" * 5000), 2),
        (("turns", '{"a":' + "1" * 5000 + "}"), 2),
        (("audio", "x" * 5000), None),
        (("get", "1" * 36, "--to", "n" * 300), None),
    ]:
        ran = cli(*arguments, env={"GENESYS_BASE_URL": "http://127.0.0.1:9"})
        assert ran.code in ((1, 2) if code is None else (code,)), ran.err
        assert REPORT not in ran.err
        assert ran.err.strip()


@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-", "<&-"])
@pytest.mark.parametrize("extra", ["", "--wait 0"])
def test_a_closed_or_full_output(redirection: str, extra: str, tmp_path: Path) -> None:
    """K3: stdout full, closed stdin or stdout: "OSError | AttributeError … please report"."""
    (tmp_path / "c.json").write_text('{"transcript":[{"text":"hi","participantPurpose":"agent"}],"status":"completed"}')
    place = "-" if redirection == "<&-" else "c.json"
    shell = f"{sys.executable} -m turnkeeper turns {place} {extra} {redirection}"
    ran = subprocess.run(
        ["/bin/sh", "-c", shell], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == (2 if redirection == "<&-" else 1), ran.stderr
    assert REPORT not in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "Exception ignored" not in ran.stderr
    assert ran.stderr.startswith("turnkeeper: ")
