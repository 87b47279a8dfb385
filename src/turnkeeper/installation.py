"""How this turnkeeper was installed, so that a hint names the command of the same tool: pip, pipx or uv."""

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
    """A sentence that says how to install an extra."""
    return f"Install the extra: {_COMMANDS[_this_installer()][0]} 'turnkeeper[{extra}]'."


def upgrade_hint() -> str:
    """A sentence that says how to get a newer turnkeeper."""
    return f"Upgrade turnkeeper: {_COMMANDS[_this_installer()][1]} turnkeeper."


def installer(folders: Collection[str], note: str) -> str:
    """The tool that made an environment: by the ``folders`` of its path, else by the package's INSTALLER file."""
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
