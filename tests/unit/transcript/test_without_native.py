"""Everything once more in pure Python, as it is where no compiler was."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.needs(part="native")]

HERE = Path(__file__)
ROOT = HERE.parents[3]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.without_native", *arguments]
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.timeout(1200)
def test_the_whole_room_passes_without_the_part_in_c() -> None:
    rooms = [str(Path("tests/unit") / room) for room in ("jsonstream", "payloads", "transcript")]
    done = run(*rooms, f"--ignore-glob={ROOT}/tests/unit/*/test_native*.py", f"--ignore={HERE}")
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 600, done.stdout
    assert not re.search(r"skipped|deselected|failed|error", done.stdout), done.stdout


def test_such_a_run_has_no_part_in_c() -> None:
    done = run("tests/unit/jsonstream/test_native.py", "-k", "is_there")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "python native/build.py" in done.stdout
