"""Corrupt a document in one of several ways, for the unread scenario and the document faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

_LEVELS = 100_000
_MIB = 1_048_576


def encode(document: Any) -> bytes:
    """Compact UTF-8, as the platform writes."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def corrupt(document: Any, kind: str, *, other: str = "", size: int = 0) -> bytes:
    """Return the document's bytes, corrupted. ``other`` is the id of another conversation, ``size`` is in mebibytes."""
    if kind in _TURN_FAULTS:
        for turn in _turns_of(document)[1:2] or _turns_of(document)[:1]:
            _TURN_FAULTS[kind](turn)
        return encode(document)
    if kind in _REPLACEMENTS:
        return encode(_REPLACEMENTS[kind])
    content = encode(document)
    if kind == "wrong-conversation":
        return content.replace(_conversation_of(document).encode(), other.encode())
    if kind == "truncated-json":
        return content[: len(content) * 2 // 3]
    if kind == "invalid-utf8":
        return content.replace(b'"text":"', b'"text":"\xff\xfe', 1)
    if kind == "deep-nesting":
        nest = b"[" * _LEVELS + b"]" * _LEVELS
        return b'{"extension":' + nest + b"," + content[1:] if content.startswith(b"{") else content
    if kind == "huge-string":
        return _with_huge_string(document, size)
    raise ValueError(f"no way to spoil a document called {kind!r}")


def revise(document: Any) -> Any:
    """Return the document with a corrected first turn."""
    for turn in _turns_of(document)[:1]:
        key = "decoratedText" if "decoratedText" in turn else "text"
        turn[key] = f"{turn[key]} (corrected)"
    return document


def _turns_of(document: Any) -> list[Json]:
    if isinstance(document, list):
        return document
    if "transcripts" in document:
        return [phrase for entry in document["transcripts"] for phrase in entry["phrases"]]
    turns: list[Json] = document.get("transcript", [])
    return turns


def _conversation_of(document: Any) -> str:
    return str(document.get("conversationId") or document.get("conversation")) if isinstance(document, dict) else ""


def _with_huge_string(document: Any, megabytes: int) -> bytes:
    for turn in _turns_of(document)[:1]:
        turn["text"] = ("on and on " * (megabytes * _MIB // 10 + 1))[: megabytes * _MIB]
    return encode(document)


def _is_speech(turn: Json) -> bool:
    return "participantPurpose" in turn


def _wrong_type(turn: Json) -> None:
    turn["startTimeMs" if _is_speech(turn) else "start_time"] = {"at": "soon"}


def _not_a_number(turn: Json) -> None:
    turn["startTimeMs" if _is_speech(turn) else "start_time"] = float("nan")


def _end_before_start(turn: Json) -> None:
    if _is_speech(turn):
        turn["duration"] = {"milliseconds": -1500}
        turn.setdefault("startTimeMs", 5000)
    else:
        turn["start_time"] = turn.get("start_time", 5.0)
        turn["end_time"] = turn["start_time"] - 1.5


_TURN_FAULTS: dict[str, Callable[[Json], None]] = {
    "wrong-type": _wrong_type,
    "nan": _not_a_number,
    "end-before-start": _end_before_start,
}
_REPLACEMENTS: dict[str, Json] = {
    "unknown-shape": {"kind": "com.example.talk", "payload": {"rows": [[0, 1200, "hello"], [1300, 2100, "hi"]]}},
    "extra-shape": {"schemaVersion": 9, "utterances": [{"t0": 0, "t1": 1.2, "say": "hello"}]},
}
