"""Builds the pages of ``turnkeeper report`` from ``web/`` where they are missing, before the package is made.

Nothing third-party is committed: npm brings it, ``web/build.mjs`` inlines it and writes its licences beside it. A
source distribution holds the built pages, so whoever installs from one needs no npm.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = "src/turnkeeper/viewer/static"
MEND = "Install Node.js 20 or newer with npm (on Debian: apt-get install nodejs npm), then run the same command again."


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs for wheels, editable installs and source distributions alike."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatch names it
        root = Path(self.root)
        if not (root / STATIC / "call.html").exists():
            _npm(root / "web", "ci", "--omit=dev", "--no-audit", "--no-fund")
            _npm(root / "web", "run", "build")
        build_data["artifacts"].append(f"/{STATIC}/*")


def _npm(folder: Path, *arguments: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(f"turnkeeper's pages are built with npm, and there is none. {MEND}")
    done = subprocess.run([npm, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"npm {arguments[0]} failed in {folder}:\n{done.stdout}\n{done.stderr}\n{MEND}")
