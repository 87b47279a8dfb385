"""Before the package is made: the pages of ``turnkeeper report`` from ``web/``, and the part in C from ``native/``.

Nothing third-party is committed: npm brings it, ``web/build.mjs`` inlines it and writes its licences beside it. A
source distribution holds the built pages, so whoever installs from one needs no npm.

The part in C is built where there is a compiler. Without one the package is pure Python, which reads the same, slower;
``TURNKEEPER_NATIVE=1`` makes that an error (for those who publish wheels), ``TURNKEEPER_NATIVE=0`` leaves it out.

An editable install gets neither, so that Python alone is enough to work on turnkeeper: ``make pages`` and
``make native`` build them in the checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = "src/turnkeeper/pages/static"
NATIVE = "src/turnkeeper/jsonstream"
MEND = "Install Node.js 20 or newer with npm (on Debian: apt-get install nodejs npm), then run the same command again."

COMPILER = "Install a C compiler and Python's headers (on Debian: apt-get install gcc libc6-dev python3-dev)."


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs for wheels, editable installs and source distributions alike."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            self.app.display_info("no pages and no part in C in an editable install: make pages, make native")
            return
        root = Path(self.root)
        if not (root / STATIC / "call.html").exists():
            _npm(root / "web", "ci", "--omit=dev", "--no-audit", "--no-fund")
            _npm(root / "web", "run", "build")
        build_data["artifacts"].append(f"/{STATIC}/*")
        if self.target_name == "wheel":
            self._native(root, build_data)

    def _native(self, root: Path, build_data: dict[str, Any]) -> None:
        wanted = os.environ.get("TURNKEEPER_NATIVE", "")
        if wanted == "0":
            return
        done = subprocess.run(
            [sys.executable, str(root / "native/build.py")], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            module = Path(done.stdout.splitlines()[-1])
            build_data["artifacts"].append(f"/{NATIVE}/{module.name}")
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
        elif wanted == "1":
            raise RuntimeError(f"turnkeeper's part in C was not built:\n{done.stdout}\n{done.stderr}\n{COMPILER}")
        else:
            self.app.display_warning(f"turnkeeper is installed without its part in C, and reads slower. {COMPILER}")


def _npm(folder: Path, *arguments: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(f"turnkeeper's pages are built with npm, and there is none. {MEND}")
    done = subprocess.run([npm, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"npm {arguments[0]} failed in {folder}:\n{done.stdout}\n{done.stderr}\n{MEND}")
