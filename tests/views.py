"""What an archive in a folder holds, and where its views stand."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["content", "current", "view_path"]


def content(archive: Path) -> dict[Path, bytes]:
    """Everything in an archive but its audit, to which every verb adds a line."""
    files = (path for path in archive.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files if "audit" not in path.parts}


def current(archive: Path, conversation: str) -> Path:
    """The current manifest."""
    return max((archive / "manifests" / conversation).iterdir())


def view_path(archive: Path, conversation: str, kind: str = "transcripts") -> Path:
    """The one view of a kind that the current manifest names."""
    manifest = json.loads(current(archive, conversation).read_text())
    [key] = [view["key"] for view in manifest["views"] if view["key"].startswith(f"{kind}/{conversation}")]
    return archive / key
