"""Every page of the documentation of before the move, run as ``tests.docs`` runs today's pages.

It takes three minutes, so the suite runs only the short pages (``test_docs``). All of them:
``python -m tests.before_move.docs``, which takes the options of pytest.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.before_move.record import DATA
from tests.conftest import Platform
from tests.docs import test_documents as documents

PAGES = sorted((DATA / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_snippet_of_before_the_move_runs(page: Path, platform: Platform, s3: Any, tmp_path: Path) -> None:
    documents.test_every_snippet_runs(page, platform, s3, tmp_path)


if __name__ == "__main__":
    sys.exit(subprocess.call([sys.executable, "-m", "pytest", __file__, *sys.argv[1:]]))
