"""A payload from an unknown future: kept, listed, and read once the code knows it, without the platform."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

import turnkeeper as tk
from tests.conftest import Cli, Platform, credentials
from tests.views import content, view_path
from turnkeeper.jsonstream.stream import Batch
from turnkeeper.model import Turn
from turnkeeper.payloads.dialect import Context, DocumentFacts, Survey
from turnkeeper.payloads.dialects import SHAPES


def test_the_command_lists_what_is_still_unread(platform: Platform, cli: Cli) -> None:
    running = platform("extra-shape")
    conversation = running.conversation_ids[0]
    cli("get", conversation, "--to", "archive", env=credentials(running), code=3)
    ran = cli("reread", "archive", "--json", code=3)
    (line,) = [json.loads(text) for text in ran.out.splitlines()]
    assert (line["conversation"], line["before"], line["after"]) == (conversation, "unread", "unread")
    assert "utterances" in line["reason"]


def test_a_mistyped_address_is_no_archive_that_is_read(cli: Cli) -> None:
    for verb in (("reread", "nowhere"), ("report", "nowhere", "--out", "pages")):
        assert "there is no archive here" in cli(*verb, code=3).err


def test_rereading_everything_changes_nothing(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform()
    for conversation in running.conversation_ids[:3]:
        cli("get", conversation, "--to", "archive", env=credentials(running), code=0)
    before = content(tmp_path / "archive")
    cli("reread", "archive", "--all", code=0)
    assert before == content(tmp_path / "archive")


def test_a_lost_view_is_rebuilt(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform()
    conversation = running.conversation_ids[0]
    cli("get", conversation, "--to", "archive", env=credentials(running), code=0)
    view = view_path(tmp_path / "archive", conversation)
    content = view.read_bytes()
    view.unlink()
    cli("reread", "archive", "--all", code=0)
    assert view.read_bytes() == content


class Future:
    """A shape that this version does not know, as an upgrade would bring it."""

    name = "legacy"
    record = None

    @property
    def targets(self) -> dict[Any, Any]:
        return {("utterances",): (Utterance, Utterance)}

    def survey(self, survey: Survey, batch: Batch) -> None:
        survey.starts(batch, [item.t0 for item in batch.items])

    def matches(self, survey: Survey) -> bool:
        return isinstance(survey.skeleton, dict) and survey.skeleton.get("schemaVersion") == 9

    def facts(self, survey: Survey) -> DocumentFacts:
        return DocumentFacts(dialect="legacy", relative=True)

    def turns(self, batch: Batch, context: Context) -> list[Turn]:
        return [
            Turn(text=item.say, role="unknown", start_ms=round(item.t0), end_ms=round(item.t1), index=batch.first + n)
            for n, item in enumerate(batch.items)
        ]


class Utterance(msgspec.Struct):
    t0: float
    t1: float
    say: str


def test_a_payload_from_the_future_is_read_once_its_shape_is_known(
    platform: Platform, cli: Cli, tmp_path: Path
) -> None:
    running = platform("extra-shape")
    conversation = running.conversation_ids[0]
    cli("get", conversation, "--to", "archive", env=credentials(running), code=3)
    archive = tk.Archive(str(tmp_path / "archive"))
    assert [manifest.conversation for manifest in archive.unread()] == [conversation]
    [result] = tk.reread(archive, shapes=[Future(), *SHAPES])
    assert (result.before, result.after, result.changed) == ("unread", "done", True)
    assert not list(archive.unread())
    turns = list(tk.read_turns(str(tmp_path / "archive")))
    assert turns
    assert all(turn.text for turn in turns)
    assert archive.manifest(conversation).generation == 2
