"""``turns`` and ``read_turns`` on an archive of which one conversation cannot be read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import turnkeeper as tk
from tests.conftest import Cli
from turnkeeper.errors import NotFound, TurnkeeperError

ARCHIVE = Path(__file__).parent.parent / "data" / "archive-1"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ARCHIVE, tmp_path / "archive"))


def test_one_truncated_manifest_costs_its_conversation_only(archive: Path, cli: Cli) -> None:
    """K8: the others, and a finding with exit 3."""
    before = {turn.conversation for turn in _given(archive)}
    lost = min(before)
    for manifest in (archive / "manifests" / str(lost)).iterdir():
        manifest.write_bytes(manifest.read_bytes()[:40])
    assert {turn.conversation for turn in _given(archive)} == before - {lost}
    with pytest.raises(TurnkeeperError):
        list(tk.read_turns(str(archive)))
    ran = cli("turns", str(archive), code=3)
    assert ran.out
    assert str(lost) in ran.err


def test_an_interaction_that_is_not_there(archive: Path, cli: Cli) -> None:
    """K1: ``turns ARCHIVE --conversation UNKNOWN``."""
    with pytest.raises(NotFound):
        list(tk.read_turns(str(archive), tk.Selection(interactions=frozenset({"unknown"}))))
    assert "unknown" in cli("turns", str(archive), "--conversation", "unknown", code=3).err


def test_a_folder_that_is_no_archive(tmp_path: Path, cli: Cli) -> None:
    """K7: ``turns .`` where there is no archive."""
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(TurnkeeperError, match="no archive"):
        list(tk.read_turns(str(tmp_path)))
    ran = cli("turns", str(tmp_path))
    assert ran.code != 0
    assert "no archive" in ran.err


def _given(archive: Path) -> list[tk.Turn]:
    """The turns that come before what could not be read is raised."""
    found = []
    try:
        for turn in tk.read_turns(str(archive)):
            found.append(turn)  # noqa: PERF402 - what came is kept when an error ends it
    except TurnkeeperError:
        pass
    return found
