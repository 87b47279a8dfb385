"""Where the views of an archive in a folder stand."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["current", "view_path"]


def current(archive: Path, conversation: str) -> Path:
    """The current manifest."""
    return max((archive / "manifests" / conversation).iterdir())


def view_path(archive: Path, conversation: str, kind: str = "transcripts") -> Path:
    """The one view of a kind that the current manifest names."""
    manifest = json.loads(current(archive, conversation).read_text())
    [key] = [view["key"] for view in manifest["views"] if view["key"].startswith(f"{kind}/{conversation}")]
    return archive / key
