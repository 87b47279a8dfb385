"""A payload from an unknown future: kept, listed, and read once the code knows it, without the platform."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Cli, Platform, credentials


def test_the_command_lists_what_is_still_unread(platform: Platform, cli: Cli) -> None:
    running = platform("extra-shape")
    conversation = running.conversation_ids[0]
    cli("get", conversation, "--to", "archive", env=credentials(running), code=3)
    ran = cli("reread", "archive", "--json", code=3)
    (line,) = [json.loads(text) for text in ran.out.splitlines()]
    assert (line["conversation"], line["before"], line["after"]) == (conversation, "unread", "unread")
    assert "utterances" in line["reason"]


def test_rereading_everything_changes_nothing(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform()
    for conversation in running.conversation_ids[:3]:
        cli("get", conversation, "--to", "archive", env=credentials(running), code=0)
    before = {path: path.read_bytes() for path in (tmp_path / "archive").rglob("*") if path.is_file()}
    cli("reread", "archive", "--every", code=0)
    assert before == {path: path.read_bytes() for path in (tmp_path / "archive").rglob("*") if path.is_file()}


def test_a_lost_view_is_rebuilt(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform()
    conversation = running.conversation_ids[0]
    cli("get", conversation, "--to", "archive", env=credentials(running), code=0)
    view = tmp_path / f"archive/transcripts/{conversation}.json"
    content = view.read_bytes()
    view.unlink()
    cli("reread", "archive", "--every", code=0)
    assert view.read_bytes() == content
