"""Several exporters at once leave the archive that one of them alone would have made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.exporters import COMPLETE, concurrency
from turnkeeper.cli.local_s3 import LocalS3

CONVERSATIONS = 30


@pytest.mark.parametrize("store", ["folder", "s3"])
def test_four_exporters_leave_the_archive_of_one(tmp_path: Path, s3: LocalS3, store: str) -> None:
    variables = s3.environment() if store == "s3" else {}
    to = "s3://calls/four-exporters" if store == "s3" else str(tmp_path / "archive-of-all")
    with concurrency(tmp_path, CONVERSATIONS) as trial:
        alone = trial.alone()
        assert set(trial.together(to, 4, variables)) <= set(COMPLETE)
        assert trial.differences(alone, to, variables) == []
        assert trial.missing(to, variables) == []
