"""Sync on ordinary lines: digital silence, one side alone, one voice on both channels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.sync.calls import Call, Kind, build, transcript
from benchmarks.sync.lines import LINES, drawn_out, gated, put
from benchmarks.sync.trial import against, trial
from benchmarks.sync.voices import samples

pytestmark = pytest.mark.slow

KIND = Kind(minutes=(3, 4), overtalk=0.05)


@pytest.fixture(scope="module")
def call() -> Call:
    return build(KIND, samples(), np.random.default_rng(41))


def source() -> np.random.Generator:
    return np.random.default_rng(5)


def test_more_digital_silence_than_speech_is_no_reason_to_doubt(call: Call) -> None:
    """K4: "alike" counted frames in which both sides are silent."""
    sparse = drawn_out(put(call, gated, source()), source(), (6, 12))
    assert (sparse.audio == 0).all(0).mean() > 0.5
    found = trial(sparse)
    assert found.sync.verdict == "corrected"
    assert found.channel_right
    assert found.offset_ms < 30
    noisy = replace(sparse, audio=(sparse.audio + source().integers(-6, 7, sparse.audio.shape)).astype(np.int16))
    assert trial(noisy).sync.verdict == found.sync.verdict


@pytest.mark.parametrize("line", [name for name in LINES if "missing" not in name and "one channel" not in name])
def test_an_ordinary_line_changes_no_verdict(line: str, call: Call) -> None:
    changed = put(call, LINES[line], source())
    assert trial(changed).sync.verdict == "corrected"
    foreign = transcript(KIND, samples(), np.random.default_rng(77))
    assert against(changed, foreign)[0].verdict not in ("verified", "corrected")


def test_one_side_alone_is_said_in_words(call: Call) -> None:
    found = trial(put(call, LINES["one side missing"], source())).sync
    assert found.verdict == "unverified"
    assert found.evidence.reason.startswith("only one side can be heard: nobody speaks on channel")
