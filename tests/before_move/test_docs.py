"""The short pages of the documentation of before the move still run. ``tests.before_move.docs`` runs all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.before_move.record import DATA
from tests.conftest import Platform
from tests.docs import test_documents as documents

SHORT = ["archive.md", "cli.md", "doctor.md", "organisations.md", "parsing.md", "report.md"]


@pytest.mark.parametrize("page", SHORT)
def test_a_short_page_of_before_the_move_runs(page: str, platform: Platform, s3: Any, tmp_path: Path) -> None:
    documents.test_every_snippet_runs(DATA / "docs" / page, platform, s3, tmp_path)
