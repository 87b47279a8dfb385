"""Options, variables, JSON keys, metrics and public names of before the move are all still there. More is allowed."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

import turnkeeper as tk
from tests.before_move import promises
from tests.before_move.record import CALLS, DATA


def recorded(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text())


Command = Callable[..., tuple[object, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """The installed command in this process: its exit code and what it said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (entry,) = entry_points(group="console_scripts", name="turnkeeper")
    main = entry.load()

    def run(*arguments: str, **variables: str) -> tuple[object, str]:
        with monkeypatch.context() as patched:
            patched.setattr(sys, "argv", ["turnkeeper", *arguments])
            for name, value in variables.items():
                patched.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        said = capsys.readouterr()
        return ended.value.code, said.out + said.err

    return run


OPTIONS = recorded("options")
EARLIER = {
    "get": ["--interaction", "x"],
    "turns": ["--interaction", "x"],
    "clip": ["--interaction", "x"],
    "reread": ["--every"],
    "doctor": ["--to", "x"],
}
"""What docs/cli.md says works until the next release. ``doctor --to`` is its first argument."""
NO_SUCH = "--no-such-option"


def unknown(command: Command, verb: str, *words: str) -> list[str]:
    """The options of a command line that the verb does not know: the parser names the first, and then nothing runs."""
    place = ["x"] if verb == "turns" else []  # else it takes a word with a hyphen for the name of a file
    code, said = command(verb, *place, *words, NO_SUCH)
    named = re.findall(r"Unknown option: (--?[a-z-]+)", said)
    assert (code, len(named)) == (2, 1), said
    return [name for name in named if name != NO_SUCH]


@pytest.mark.parametrize("verb", OPTIONS)
def test_a_verb_takes_the_options_that_it_took(verb: str, command: Command) -> None:
    words = [word for name, option in OPTIONS[verb].items() for word in (name, *_value(option))]
    assert not unknown(command, verb, *words)


def _value(option: Mapping[str, Any]) -> list[str]:
    return option.get("choices", ["1"])[:1] if "value" in option else []


@pytest.mark.parametrize("verb", OPTIONS)
def test_a_verb_takes_the_other_names_that_it_took(verb: str, command: Command) -> None:
    also = [name for option in OPTIONS[verb].values() for name in option.get("also", [])]
    assert not unknown(command, verb, *also, *EARLIER.get(verb, []))


@pytest.mark.parametrize("verb", OPTIONS)
def test_an_option_takes_the_values_that_it_took(verb: str, command: Command) -> None:
    for name, option in OPTIONS[verb].items():
        for choice in option.get("choices", []):
            assert not unknown(command, verb, name, choice)


REFUSED = {
    "GENESYS_API": ["get", CALLS["plain"], "--to", "x"],
    "GENESYS_BASE_URL": ["get", CALLS["plain"], "--to", "x"],
    "GENESYS_CLIENTS": ["get", CALLS["plain"], "--to", "x"],
    "GENESYS_CLIENT_SECRET_FILE": ["get", CALLS["plain"], "--to", "x"],
    "GENESYS_JWT_CONFIG": ["get", CALLS["plain"], "--to", "x"],
    "GENESYS_PRIVATE_KEY": ["get", CALLS["plain"], "--to", "x"],
    "GENESYS_REGION": ["get", CALLS["plain"], "--to", "x"],
    "TURNKEEPER_BODY_TIMEOUT": ["get", CALLS["plain"], "--to", "x"],
    "TURNKEEPER_MAX_BODY": ["get", CALLS["plain"], "--to", "x"],
    "TURNKEEPER_ORG": ["get", CALLS["plain"]],
    "TURNKEEPER_ARCHIVE": ["verify"],
    "TURNKEEPER_CHECKSUM": ["verify", "x"],
    "TURNKEEPER_LIST_TIMEOUT": ["verify", "x"],
    "TURNKEEPER_LOG_FORMAT": ["verify", "x"],
    "TURNKEEPER_REQUIRE_AUDIT": ["verify", "x"],
    "TURNKEEPER_SHARED": ["verify", "x"],
    "TURNKEEPER_SSE": ["verify", "x"],
    "AWS_PROFILE": ["verify", "s3://bucket/x"],
}
"""Variables of which a value that cannot be meant is refused, and a command that reads them."""
SET = {
    "GENESYS_ALLOW_HOST": (tk.PlatformSettings, "allow_hosts"),
    "TURNKEEPER_CA": (tk.StoreSettings, "ca"),
    "TURNKEEPER_KMS_KEY": (tk.StoreSettings, "kms_key"),
}
"""Variables that take any value, and the setting that they fill."""
IN_USE = {
    "GENESYS_CLIENT_ID",
    "GENESYS_CLIENT_SECRET",
    "GENESYS_CONVERSATION_ID",
    "TURNKEEPER_CLOCK_URL",
    "TURNKEEPER_PROFILES",
    "XDG_STATE_HOME",
}
"""Variables without which test_archive fails."""


def test_an_option_that_never_was_is_told(command: Command) -> None:
    """Or the tests above could not fail."""
    assert unknown(command, "get", "--zork", "1") == ["--zork"]
    assert unknown(command, "turns", "--zork", "1") == ["--zork"]


@pytest.mark.parametrize("name", recorded("variables"))
def test_a_variable_is_read(name: str, command: Command) -> None:
    if name in SET:
        settings, field = SET[name]
        found = getattr(settings.from_environment({name: "zork", "HOME": "/"}), field)
        assert "zork" in (found if isinstance(found, tuple) else str(found))
    elif name not in IN_USE:
        value = "zork://x" if name == "TURNKEEPER_ARCHIVE" else "zork"
        code, said = command(*REFUSED[name], **{name: value})
        assert code in (1, 2, 4), said
        # Hints name variables too, so only a message that begins with the name is about it.
        told = "read profiles" if name == "TURNKEEPER_ORG" else f"{name}:"
        assert "zork" in said or said.startswith(f"turnkeeper: {told}"), said


def test_metrics_and_json_keep_their_names(tmp_path: Path) -> None:
    found, before = promises.documents(tmp_path), recorded("documents")
    assert {name: found[name]["code"] for name in before} == {name: one["code"] for name, one in before.items()}
    lost = {name: set(one["keys"]) - set(found[name]["keys"]) for name, one in before.items()}
    lost |= {
        f"{name}, event {event!r}": set(fields) - set(found[name].get("events", {}).get(event, []))
        for name, one in before.items()
        for event, fields in one.get("events", {}).items()
    }
    lost["metrics"] = set(recorded("metrics")) - set(promises.metrics((tmp_path / "metrics.prom").read_text()))
    assert {name: sorted(keys) for name, keys in lost.items() if keys} == {}


PUBLIC = recorded("public")


@pytest.fixture(scope="module")
def public() -> dict[str, dict[str, Any]]:
    return promises.public()


def former(name: str) -> dict[str, Any]:
    """A name that is only an alias by now: it still works, and warns whoever uses it."""
    with pytest.warns(DeprecationWarning, match=f"turnkeeper.{name} is now turnkeeper."):
        return promises.described(getattr(tk, name))


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_what_it_was(name: str, public: dict[str, dict[str, Any]]) -> None:
    before, now = PUBLIC[name], public[name] if name in public else former(name)
    assert not set(before.get("attributes", [])) - set(now.get("attributes", []))
    assert now.get("exit_code") == before.get("exit_code")
    assert not _broken(before.get("parameters"), now.get("parameters")), name
    for method, parameters in before.get("methods", {}).items():
        assert not _broken(parameters, now["methods"][method]), f"{name}.{method}"


def _broken(before: Mapping[str, str] | None, now: Mapping[str, str] | None) -> list[str]:
    """The parameters by which a call of before the move would fail."""
    if before is None:
        return []
    assert now is not None, "it could be called"
    return [
        *(name for name, kind in before.items() if not _takes(now.get(name, ""), kind)),
        *(name for name, kind in now.items() if name not in before and not kind.endswith("?")),
        *_moved(_placed(before), _placed(now)),
    ]


def _takes(now: str, before: str) -> bool:
    """Whether what was given so can be given so, and what could be left out can be left out."""
    kinds = (now.rstrip("?"), before.rstrip("?"))
    return (kinds[0] == kinds[1] or kinds == ("either", "keyword")) and (now.endswith("?") or not before.endswith("?"))


def _placed(parameters: Mapping[str, str]) -> list[str]:
    return [name for name, kind in parameters.items() if not kind.startswith("keyword")]


def _moved(before: Sequence[str], now: Sequence[str]) -> list[str]:
    return [name for place, name in enumerate(before) if list(now[place : place + 1]) != [name]]


@pytest.mark.parametrize(
    ("now", "broken"),
    [
        ({"call": "either", "to": "keyword"}, []),
        ({"call": "either", "to": "either?", "more": "keyword?"}, []),
        ({"call": "either", "target": "keyword"}, ["to", "target"]),
        ({"call": "positional", "to": "keyword"}, ["call"]),
        ({"more": "either?", "call": "either", "to": "keyword"}, ["call"]),
        ({"call": "either", "to": "keyword", "more": "keyword"}, ["more"]),
    ],
)
def test_what_breaks_a_call_is_found(now: dict[str, str], broken: list[str]) -> None:
    assert _broken({"call": "either", "to": "keyword"}, now) == broken


@pytest.mark.parametrize("code", recorded("exit-codes"))
def test_an_exit_code_means_what_it_meant(code: str, command: Command) -> None:
    """The sentence below every help page names it with its first words."""
    meaning = re.split(r"[,;(]", recorded("exit-codes")[code])[0].strip()
    assert f"{code} {meaning}" in re.sub(r"\s+", " ", command("--help")[1])
