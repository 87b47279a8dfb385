"""Find out which tool installed turnkeeper (pip, pipx or uv), so that hints name its commands."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

__all__ = ["install_hint", "installer", "upgrade_hint"]

_COMMANDS = {
    "pip": ("pip install", "pip install -U"),
    "pipx": ("pipx install --force", "pipx upgrade"),
    "uv tool": ("uv tool install --force", "uv tool upgrade"),
    "uv pip": ("uv pip install", "uv pip install -U"),
}


def install_hint(extra: str) -> str:
    """Return a sentence that says how to install an extra."""
    return f"Install the extra: {_COMMANDS[_this_installer()][0]} 'turnkeeper[{extra}]'."


def upgrade_hint() -> str:
    """Return a sentence that says how to upgrade turnkeeper."""
    return f"Upgrade turnkeeper: {_COMMANDS[_this_installer()][1]} turnkeeper."


def installer(folders: Collection[str], note: str) -> str:
    """Return the tool that made an environment, from the ``folders`` of its path, else from the INSTALLER file."""
    # The folders decide first: pipx and ``uv tool`` let pip and uv install, and those are what INSTALLER names.
    if {"pipx", "venvs"} <= set(folders):
        return "pipx"
    if {"uv", "tools"} <= set(folders):
        return "uv tool"
    return "uv pip" if note.strip() == "uv" else "pip"


def _this_installer() -> str:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        note = distribution("turnkeeper").read_text("INSTALLER") or ""
    except PackageNotFoundError:
        note = ""
    return installer(Path(sys.prefix).parts, note)
