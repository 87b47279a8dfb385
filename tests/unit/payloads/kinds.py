"""One document of every kind that a transcript, or something beside one, comes in; each turn's text bears a number."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.unit.payloads.sources import DATA, read, written
from turnkeeper.simulator import media
from turnkeeper.simulator.simulation import Simulation
from turnkeeper.simulator.speech import SpeechFile

__all__ = ["Kind", "Path", "at", "kinds", "serialised"]

Path = tuple[str | int, ...]
EVERY = "*"
_TEXTS = {"text", "decoratedText", "transcript", "decoratedTranscript"}
_SPEECH = ("transcripts", EVERY, "phrases", EVERY)
_EVENTS = (EVERY, "detail", "eventBody", "transcripts", EVERY)
_FLAT = ("transcript", EVERY)


@dataclass(frozen=True)
class Kind:
    """A document, and where its turns stand. ``lines``: one document a line. Text number 3 ends with ``#3#``."""

    name: str
    document: Any
    elements: tuple[Path, ...]
    lines: bool = False
    source: str = ""
    """How an archive keeps it: ``speech/{leg}`` or ``media``; empty where none would."""


@cache
def kinds() -> tuple[Kind, ...]:
    """The public samples, and what the simulator tells of one call in every way it can."""
    simulation = Simulation(seed=7, conversations=20)
    script = simulation.script(0)
    file = SpeechFile(simulation.ids, simulation.people, script, 0).document()
    leg = f"speech/{file['communicationId']}"
    recordings = [
        {"id": tape.id, "conversationId": script.id, "media": "audio", "fileState": "AVAILABLE", "annotations": []}
        for tape in simulation.recordings.of(script)
    ]
    return (
        _kind("sample events of a call", _lines("events-call.jsonl"), _EVENTS, lines=True),
        _kind("sample event", _lines("events-one.json"), _EVENTS, lines=True),
        _kind("sample events of two calls", _lines("events-two-conversations.jsonl"), _EVENTS, lines=True),
        _kind("sample speech file", _sample("speech-ivr.json"), _SPEECH, source="speech/leg"),
        _kind("sample slice of a speech file", _sample("speech-slice.json"), _SPEECH, source="speech/leg"),
        _kind("sample details of a message", _sample("details-message.json")),
        _kind("speech file", file, _SPEECH, source=leg),
        _kind("media document", media.document(script), _FLAT, source="media"),
        _kind("media document, people last", media.document(simulation.script(1)), _FLAT, source="media"),
        _kind("legacy array", media.legacy(script), (EVERY,), source="media"),
        _kind("legacy camel case", media.legacy(simulation.script(1)), _FLAT, source="media"),
        _kind("view of ours", json.loads(written(read(file))), _FLAT),
        _kind("conversation details", simulation.detail(0)),
        _kind("list of recordings", recordings),
    )


def serialised(document: Any, *, lines: bool) -> bytes:
    """As bytes; of a list of lines, one document a line."""
    if lines and isinstance(document, list):
        return b"".join(json.dumps(one).encode() + b"\n" for one in document)
    return json.dumps(document).encode()


def at(document: Any, path: Sequence[str | int]) -> Any:
    """What stands there."""
    for key in path:
        document = document[key]
    return document


def _lines(name: str) -> list[Any]:
    text = (DATA / name).read_text()
    return [json.loads(line) for line in text.splitlines()] if name.endswith("l") else [json.loads(text)]


def _sample(name: str) -> Any:
    return json.loads((DATA / name).read_text())


def _kind(name: str, document: Any, pattern: Path = (), *, lines: bool = False, source: str = "") -> Kind:
    document = copy.deepcopy(document)
    elements = tuple(_places(document, pattern)) if pattern else ()
    for number, place in enumerate(elements):
        _numbered(at(document, place), f" #{number}#")
    return Kind(name, document, elements, lines, source)


def _places(document: Any, pattern: Path, before: Path = ()) -> Iterator[Path]:
    if not pattern:
        yield before
        return
    key = pattern[0]
    if key == EVERY:
        for place in range(len(document)):
            yield from _places(document[place], pattern[1:], (*before, place))
    elif isinstance(document, dict) and key in document:
        yield from _places(document[key], pattern[1:], (*before, key))


def _numbered(value: Any, mark: str) -> None:
    if isinstance(value, list):
        for one in value:
            _numbered(one, mark)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key in _TEXTS and isinstance(inner, str):
                value[key] = inner + mark
            else:
                _numbered(inner, mark)
