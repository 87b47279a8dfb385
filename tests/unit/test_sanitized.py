"""The part in C under sanitizers: nothing to report, and whatever is broken on purpose is reported."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.sanitized.run import ROOT, attacked

pytestmark = [pytest.mark.slow, pytest.mark.needs(part="gcc")]

BROKEN = {
    "reads beyond the end": ("json.c", "end - at >= 8", "end - at >= 7", "AddressSanitizer"),
    "keeps a reference": ("reader.c", "    Py_DECREF(made);\n    return done", "    return done", "leaked"),
    "gives other data": ("values.c", "above / part - (above % part < 0)", "above / part", "Wrong"),
    "counts too far": ("json.c", "#define LONGEST 15", "#define LONGEST 25", "overflow"),
}


@pytest.fixture(autouse=True)
def _linux() -> None:
    if sys.platform != "linux":
        pytest.fail("the part in C is tested under gcc's sanitizers, which need Linux: deselect this file elsewhere")


def test_nothing_is_reported() -> None:
    outcome = attacked(200_000, "suite")
    assert outcome.sound, outcome.said


@pytest.mark.parametrize("fault", BROKEN)
def test_what_is_broken_is_reported(fault: str, tmp_path: Path) -> None:
    file, right, wrong, said = BROKEN[fault]
    broken = Path(shutil.copytree(ROOT / "native", tmp_path / "native"))
    text = (broken / file).read_text()
    assert text.count(right) == 1
    (broken / file).write_text(text.replace(right, wrong))
    outcome = attacked(60_000, "suite", broken)
    assert not outcome.sound
    assert said in outcome.said
