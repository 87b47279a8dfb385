"""What a verb says of itself, and of credentials: only of those that it uses."""

from __future__ import annotations

import re

import pytest
from tools.make_help import page

from turnkeeper.cli.app import VERBS, command_line, epilogue
from turnkeeper.cli.help import PAGES, ROOT, help_text

PLATFORM = {"get", "export", "status", "retry", "doctor"}
NOTHING = {"demo", "audio", "completion", "simulate"}


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_credentials_are_named_where_they_are_used(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    command_line(verb)([*([verb] if verb else []), "--help"], exit_on_error=False)
    said = re.sub(r"\s+", " ", capsys.readouterr().out)
    _, codes, rest = said.partition("Exit codes:")
    assert codes
    assert ("GENESYS_CLIENT_SECRET" in rest) == (not verb or verb in PLATFORM)
    assert ("AWS" in rest) == (verb not in NOTHING)


def test_every_verb_that_is_told_apart_exists() -> None:
    assert set(VERBS) > PLATFORM | NOTHING
    assert epilogue() == epilogue("get") != epilogue("verify")


def test_the_pages_are_what_the_parser_prints() -> None:
    made = {ROOT: page(), **{verb: page(verb) for verb in VERBS}}
    kept = {file.stem: file.read_text(encoding="utf-8") for file in PAGES.glob("*.txt")}
    assert kept == made, "options have changed: run .venv/bin/python -m tools.make_help"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], ROOT),
        (["-h"], ROOT),
        (["get", "--help"], "get"),
        (["get", "4d3c", "--to", "somewhere", "-h"], "get"),
        (["get"], None),
        (["get", "--", "--help"], None),
        (["gte", "--help"], None),
        ([ROOT, "--help"], None),
        (["../pages/get", "--help"], None),
    ],
)
def test_only_who_asks_for_help_gets_a_page(
    asked: list[str], found: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert help_text(asked) == (None if found is None else (PAGES / f"{found}.txt").read_text(encoding="utf-8"))
    monkeypatch.setenv("COLUMNS", "79")
    assert help_text(asked) is None
