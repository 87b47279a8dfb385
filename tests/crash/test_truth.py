"""Every recoverable fault at once: the status is the truth; the long version is ``python -m tests.crash.truth``."""

from __future__ import annotations

from pathlib import Path

from tests.crash.truth import examined


def test_with_every_fault_on_the_status_becomes_the_truth(tmp_path: Path) -> None:
    found = examined(tmp_path, 90, per_day=30)
    assert found.wrong == []
    assert found.expected["done"] > 70
    assert found.figures["asked"]["refused_429"] > 100
