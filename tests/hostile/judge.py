"""Whether an archive holds the truth. Reads its objects with ``json`` and ``hashlib``, and knows no turnkeeper."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from tests.hostile.truth import Call

__all__ = ["archived", "differences"]


def differences(archive: Path, calls: Iterable[Call]) -> list[str]:
    """What an archive has otherwise than it should, one sentence each; nothing where it is the truth."""
    wanted = {call.id: call.turns for call in calls}
    found = archived(archive)
    missing = [f"{one} is missing" for one in wanted if one not in found]
    strange = [f"{one!a} is no conversation of the platform" for one in found if one not in wanted]
    other = [f"{one} has other turns: {found[one]}" for one in wanted if one in found and found[one] != wanted[one]]
    return missing + strange + other + _damaged(archive)


def archived(archive: Path, only: Collection[str] = ()) -> dict[str, list[tuple[int, int, str]]]:
    """conversation -> its turns (start ms, end ms, text), of every conversation whose newest manifest is done.

    ``only`` names the conversations to look at; of the others nothing is read.
    """
    found: dict[str, list[tuple[int, int, str]]] = {}
    for manifest in _manifests(archive, only):
        view = next((one["key"] for one in manifest.get("views", ()) if one["key"].startswith("transcripts/")), "")
        if manifest["state"] != "unread" and (archive / view).is_file():
            turns = json.loads((archive / view).read_text())["transcript"]
            found[manifest["conversation"]] = sorted((one["start_ms"], one["end_ms"], one["text"]) for one in turns)
    return found


def _manifests(archive: Path, only: Collection[str] = ()) -> list[Any]:
    """The newest manifest of each conversation."""
    folders = sorted((archive / "manifests").iterdir()) if (archive / "manifests").is_dir() else []
    chosen = [sorted(folder.glob("*.json")) for folder in folders if not only or folder.name in only]
    return [json.loads(paths[-1].read_text()) for paths in chosen if paths]


def _damaged(archive: Path) -> list[str]:
    """Objects that a manifest names and that are not what it says."""
    listed = [one for manifest in _manifests(archive) for kind in ("inputs", "views") for one in manifest[kind]]
    return [f"{one['key']} is not what its manifest says" for one in listed if not _intact(archive / one["key"], one)]


def _intact(path: Path, listed: Any) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == listed["sha256"]
