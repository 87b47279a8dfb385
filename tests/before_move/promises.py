"""What scripts may rely on, as the turnkeeper of this interpreter has it: options, JSON keys, metrics, public names."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from tools.trace_lives import platform

import turnkeeper as tk

NOW = "2026-10-07T00:00:00"
"""The simulator's time: a day and a half after its conversations."""
UNKNOWN = "00000000-0000-4000-8000-000000000000"
VARIABLE = re.compile(r"\b(?:GENESYS|TURNKEEPER|AWS|XDG)_[A-Z0-9_]*[A-Z0-9]\b")


def turnkeeper(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command line with this interpreter. Nobody waits: its clock is the simulator's where ``env`` says so."""
    call = [sys.executable, "-m", "turnkeeper", *arguments]
    whole = {**os.environ, "COLUMNS": "200", **(env or {})}
    return subprocess.run(call, env=whole, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def credentials(running: Mapping[str, Any], home: Path) -> dict[str, str]:
    """The environment of a user of a simulated platform who lives in ``home`` and by the simulator's clock."""
    found = {f"GENESYS_{key.upper()}": running[key] for key in ("base_url", "client_id", "client_secret")}
    state = str(home / "state")
    return {**found, "TURNKEEPER_CLOCK_URL": running["clock_url"], "HOME": str(home), "XDG_STATE_HOME": state}


def verbs() -> list[str]:
    box = turnkeeper("--help").stdout.split("Commands", 1)[1].split("╰", 1)[0]
    return re.findall(r"^│ ([a-z]+) ", box, re.M)


def options(verb: str) -> dict[str, dict[str, Any]]:
    """The options of a verb's help, with what stands for their value and the values that are allowed."""
    entries, text = list[str](), turnkeeper(verb, "--help").stdout
    for line in re.findall(r"^│(.*)│$", text, re.M):
        if re.match(r"[ *]{0,5}--[a-z]", line):
            entries.append(line.strip(" *"))
        elif entries and line.startswith(" " * 5):
            entries[-1] += f" {line.strip()}"
    return dict(_option(entry) for entry in entries)


def _option(entry: str) -> tuple[str, dict[str, Any]]:
    head, _, sentence = entry.partition("  ")
    names = [word for word in head.split() if word.startswith("-")]
    value = next((word.rstrip(".") for word in head.split() if word.isupper()), "")
    choices = re.search(r"\[choices: ([^]]+)\]", sentence)
    found: dict[str, Any] = {"also": names[1:]} if names[1:] else {}
    found |= {"value": value} if value else {}
    return names[0], found | ({"choices": re.split(r", *", choices[1])} if choices else {})


def variables(page: Path) -> list[str]:
    """The variables that help pages and the documentation of the command line name."""
    texts = [page.read_text(), *(turnkeeper(verb, "--help").stdout for verb in verbs())]
    return sorted({name for text in texts for name in VARIABLE.findall(text)})


def shape(value: object, at: str = "") -> set[str]:
    """The keys of a JSON value as paths; ``*`` stands for a key that is data, such as an id or a day."""
    if isinstance(value, list):
        return {path for one in value for path in shape(one, f"{at}[]")}
    if not isinstance(value, dict):
        return set()
    found = set[str]()
    for key, one in value.items():
        path = f"{at}.{key if re.fullmatch('[a-z][a-z0-9_]*', key) else '*'}".removeprefix(".")
        found |= {path} | shape(one, path)
    return found


def documents(folder: Path) -> dict[str, dict[str, Any]]:
    """Run every verb that prints JSON: its exit code, the keys on standard output, and those of its events by name."""
    found = dict[str, dict[str, Any]]()
    with platform("--conversations", "25", "--calls", "--now", NOW) as running:
        found["simulate"] = {"code": 0, "keys": sorted(shape(running))}
        env = credentials(running, folder)
        for name, command in _commands(running, folder):
            done = turnkeeper(*command, env=env, cwd=folder)
            keys = set[str]().union(*(shape(one) for one in _parsed(done.stdout)))
            told = [one for one in _parsed(done.stderr) if isinstance(one, dict)]
            found[name] = {"code": done.returncode, "keys": sorted(keys)}
            if told:
                names = sorted({one.get("event", "") for one in told})
                found[name]["events"] = {
                    name: sorted({key for one in told if one.get("event", "") == name for key in one}) for name in names
                }
    return found


def _commands(running: Mapping[str, Any], folder: Path) -> Iterator[tuple[str, list[str]]]:
    call, other = running["calls"]["plain"], running["conversation_ids"][0]
    yield "get", ["get", call, "--to", "kept", "--audio", "--json"]
    yield "export --dry-run", ["export", "--to", "kept", "--last", "30d", "--dry-run"]
    yield "export", ["export", "--to", "kept", "--last", "30d", "--json"]
    yield "status", ["status", "kept", "--json", "--openmetrics", "metrics.prom"]
    (folder / "unknown.txt").write_text(f"{UNKNOWN}\n")
    yield "export, with a failure", ["export", "--to", "kept", "--ids", "unknown.txt", "--json"]
    yield "retry", ["retry", "kept", "--json"]
    yield "verify", ["verify", "kept", "--json"]
    view, sound = max((folder / "kept/transcripts" / call).iterdir()), min((folder / "kept/audio" / call).iterdir())
    yield "turns FILE", ["turns", str(view)]
    yield "turns ARCHIVE", ["turns", "kept", "--conversation", other]
    yield "turns --fields", ["turns", str(view), "--fields", "role,start_ms,text"]
    yield "audio", ["audio", str(sound)]
    yield "audio --transcript", ["audio", str(sound), "--transcript", str(view), "--json"]
    yield "clip", ["clip", str(sound), "--start", "1", "--end", "2", "--out", "clip.wav"]
    next((folder / "kept/summaries" / other).iterdir()).unlink()
    yield "verify, with a finding", ["verify", "kept", "--json"]
    yield "reread", ["reread", "kept", "--all", "--json"]
    yield "reindex", ["reindex", "kept", "--json"]
    yield "report", ["report", "kept", other, "--out", "call.html"]
    yield "erase --dry-run", ["erase", "kept", "--conversation", other, "--dry-run", "--json"]
    yield "erase", ["erase", "kept", "--conversation", other, "--yes", "--json", "--proof", "proof.json"]
    yield "expire", ["expire", "kept", "--older-than", "1d", "--dry-run", "--json"]
    yield "audit", ["audit", "kept", "--json"]
    yield "doctor", ["doctor", "kept", "--json"]


def _parsed(text: str) -> list[Any]:
    """A JSON document, or those of its lines that are one."""
    try:
        return [json.loads(text)]
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def metrics(text: str) -> list[str]:
    """The names of OpenMetrics text with their labels."""
    return sorted(set(re.findall(r"^([a-z_]+(?:\{[a-z_]+=\"[^\"]*\"\})?) ", text, re.M)))


def public() -> dict[str, dict[str, Any]]:
    """The names of ``import turnkeeper`` and of its errors: attributes of classes, parameters of what can be called."""
    found = {name: described(getattr(tk, name)) for name in sorted(tk.__all__) if name != "errors"}
    errors = {name: value for name, value in vars(tk.errors).items() if isinstance(value, type) and name[0] != "_"}
    return found | {f"errors.{name}": described(errors[name]) for name in sorted(errors)}


def described(value: object) -> dict[str, Any]:
    """Attributes, methods and parameters of what a public name stands for."""
    if not callable(value):
        return {}
    if not isinstance(value, type):
        return {"parameters": parameters(value)}
    fields = [one.name for one in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []
    names = sorted(name for name in {*dir(value), *fields} if not name.startswith("_"))
    methods = {name: parameters(inspect.getattr_static(value, name, None)) for name in names}
    calls = {name: given for name, given in methods.items() if given is not None}
    code = getattr(value, "exit_code", None)
    exits = {"exit_code": code} if isinstance(code, int) else {}
    return {"parameters": parameters(value), "attributes": names, "methods": calls, **exits}


def parameters(value: object) -> dict[str, str] | None:
    """By name how a parameter is given: ``positional``, ``either`` or ``keyword``, with ``?`` where it has a default.

    None for what cannot be called, or does not say what it takes.
    """
    function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    if not callable(function) or isinstance(function, ModuleType):
        return None
    try:
        given = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return {one.name: _KINDS[one.kind] + "?" * (one.default is not one.empty) for one in given}


_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "either",
    inspect.Parameter.VAR_POSITIONAL: "positional?",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_KEYWORD: "keyword?",
}
