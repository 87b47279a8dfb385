"""What a verb says of itself, and of credentials: only of those that it uses."""

from __future__ import annotations

import re

import pytest

from turnkeeper.cli.app import VERBS, command_line, epilogue

PLATFORM = {"get", "export", "status", "retry", "doctor"}
NOTHING = {"demo", "audio", "simulate"}


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
