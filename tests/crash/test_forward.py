"""An archive of the version before is brought forward, and loses nothing whenever that is killed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def test_killed_at_every_instant_while_it_is_brought_forward_nothing_is_lost() -> None:
    """Issue 11: archives written by the last commit before it, killed at 30 instants and more."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.crash.forward"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = re.search(r"^(\d+) instants, 0 losses$", ran.stdout, re.MULTILINE)
    assert found, ran.stdout
    assert int(found[1]) >= 30
