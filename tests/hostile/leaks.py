"""Secrets in anything that a run printed or left on the disk, found by value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.hostile.platform import SECRETS

__all__ = ["leaks"]


def leaks(folder: Path, secrets: Mapping[str, str] = SECRETS) -> list[str]:
    """One sentence per secret and file: output, archive, queue, run reports, whatever lies in the folder."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    return [f"the {name} stands in {_place(path, folder)}" for path in files for name in _found(path, secrets)]


def _found(path: Path, secrets: Mapping[str, str]) -> list[str]:
    data = path.read_bytes()
    return [name for name, value in secrets.items() if value.encode() in data]


def _place(path: Path, folder: Path) -> str:
    parts = path.relative_to(folder).parts
    return "/".join(parts[:3]) + ("/…" if len(parts) > 3 else "")
