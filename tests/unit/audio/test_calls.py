"""The sample calls are what calls.json says: files, lengths, and speech where the turns are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile

FOLDER = Path(__file__).parents[3] / "src/turnkeeper/simulator/calls"
CALLS: list[dict[str, Any]] = msgspec.json.decode((FOLDER / "calls.json").read_bytes())["calls"]
WANTED = {"plain", "ivr-hold", "secure-pause", "overtalk", "offset", "drift", "swapped", "two-files"}


def channels_of(call: dict[str, Any]) -> tuple[dict[str, np.ndarray], int]:
    """Channel by role, and the rate."""
    found, rates = {}, set()
    for file in call["files"]:
        samples, rate = soundfile.read(FOLDER / file["file"], always_2d=True)
        rates.add(rate)
        found |= dict(zip(file["channels"], samples.T, strict=True))
    (rate,) = rates
    return found, rate


def heard_at(call: dict[str, Any], ms: int) -> float:
    """The audio millisecond of a conversation millisecond, by the truth in calls.json alone."""
    gone = sum(p["end_ms"] - p["start_ms"] for p in call["pauses"] if p["cut"] and p["start_ms"] < ms)
    nominal = ms - call["recording_start_ms"] - gone
    return nominal * (1 + call["true_drift_ppm"] / 1e6) + call["true_offset_ms"]


def test_the_wanted_calls_are_there_and_small() -> None:
    assert {call["name"] for call in CALLS} == WANTED
    named = {file["file"] for call in CALLS for file in call["files"]} | {"calls.json"}
    assert {path.name for path in FOLDER.iterdir()} == named
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 1_500_000


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call["name"])
def test_files_are_as_long_as_the_call(call: dict[str, Any]) -> None:
    channels, rate = channels_of(call)
    assert rate == 8000
    assert set(channels) == {"customer", "agent"}
    for samples in channels.values():
        assert abs(len(samples) * 1000 / rate - heard_at(call, call["duration_ms"])) < 1


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call["name"])
def test_speech_is_where_the_turns_are(call: dict[str, Any]) -> None:
    """Each turn's own channel is loud from its start to its end (above 25 dB below its peak), else quiet."""
    channels, rate = channels_of(call)
    frame = rate // 200
    for turn in call["turns"]:
        samples = channels["customer" if turn["role"] == "customer" else "agent"]
        first, last = (round(heard_at(call, turn[name]) * rate / 1000) for name in ("start_ms", "end_ms"))
        heard = samples[first - 20 * frame : last + 20 * frame]
        power = (heard[: len(heard) // frame * frame].reshape(-1, frame) ** 2).mean(1)
        loud = np.flatnonzero(power > power[20:-20].max() * 10**-2.5)
        alone = call["crosstalk_db"] < -40
        assert loud[0] <= 20 + 12, turn["text"]
        assert loud[-1] >= len(power) - 20 - 90, turn["text"]
        if alone:
            assert loud[0] >= 20 - 2, turn["text"]
            assert loud[-1] <= len(power) - 20 + 2, turn["text"]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call["name"])
def test_words_lie_in_order_inside_their_turns(call: dict[str, Any]) -> None:
    assert [turn["start_ms"] for turn in call["turns"]] == sorted(turn["start_ms"] for turn in call["turns"])
    for turn in call["turns"]:
        assert turn["text"].split() == [word["word"] for word in turn["words"]]
        starts = [word["start_ms"] for word in turn["words"]]
        assert starts == sorted(starts)
        assert turn["start_ms"] == starts[0]
        assert all(word["start_ms"] < word["end_ms"] <= turn["end_ms"] for word in turn["words"])
