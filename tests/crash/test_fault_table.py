"""The page of faults says what happens; ``python -m tests.crash.fault_table`` writes it anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.fault_table import CASES, PAGE, STAGES, Case, lines, provoked


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.stage}: {case.fault}")
def test_the_page_says_what_happens(case: Case, tmp_path: Path) -> None:
    row = provoked(case, tmp_path)
    assert "Traceback" not in row.words
    assert row.code in (0, 1, 2, 3, 4)
    assert row.hint or row.code == 0, "what went wrong has no mend"
    assert row.line() in lines(PAGE.read_text())[case.stage]


def test_the_page_has_every_case_and_no_other() -> None:
    told = lines(PAGE.read_text())
    assert list(told) == list(STAGES)
    assert {stage: len(rows) for stage, rows in told.items()} == {
        stage: sum(case.stage == stage for case in CASES) for stage in STAGES
    }
