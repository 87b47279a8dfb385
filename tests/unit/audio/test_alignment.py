"""The alignment document: its shape, and which recording a turn belongs to."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import turnkeeper.audio
from turnkeeper.audio.alignment import AlignedPause, AlignedRecording, align_turn, write_alignment
from turnkeeper.audio.timeline import Timeline
from turnkeeper.errors import Misconfigured

SCHEMA = json.loads((Path(turnkeeper.audio.__file__).parent / "schemas/alignment.json").read_text())


def recording(name: str = "r-1", *, seconds: int = 60, start_ms: int = 37, **more: Any) -> AlignedRecording:
    cuts = more.pop("cuts", ())
    return AlignedRecording(
        id=name,
        codec="ulaw",
        channels=2,
        timeline=Timeline(rate=8_000, frames=seconds * 8_000, start_ms=start_ms, cuts=cuts),
        channel_roles=("customer", "agent"),
        **more,
    )


def document(recordings: list[AlignedRecording], turns: list[tuple[int | None, int | None]]) -> Any:
    out = io.BytesIO()
    count = write_alignment("c-1", recordings, turns, out)
    assert out.getvalue().endswith(b"}\n")
    found = json.loads(out.getvalue())
    jsonschema.validate(found, SCHEMA)
    assert len(found["turns"]) == count
    assert "null" not in out.getvalue().decode()
    return found


def test_the_whole_document() -> None:
    one = recording(
        key="audio/c-1/r-1.0123456789abcdef.wav",
        cuts=((10_037, 20_037),),
        pauses=(AlignedPause(start_ms=10_037, end_ms=20_037, reason="SecurePause"),),
        mode="correct",
        sync={"verdict": "verified", "offset_ms": 1.2, "evidence": {"score": 0.7, "reason": None}, "cuts": None},
        notes=("a remark",),
    )
    found = document(
        [one], [(-100, 37), (37, 1_037), (None, None), (9_037, 21_037), (12_000, 13_000), (69_037, 99_000)]
    )
    assert found["recordings"] == [
        {
            "id": "r-1",
            "key": "audio/c-1/r-1.0123456789abcdef.wav",
            "codec": "ulaw",
            "rate": 8_000,
            "channels": 2,
            "frames": 480_000,
            "start_ms": 37,
            "duration_ms": 60_000,
            "channel_roles": ["customer", "agent"],
            "pauses": [{"start_ms": 10_037, "end_ms": 20_037, "reason": "SecurePause"}],
            "segments": [
                {"start_ms": 37, "end_ms": 10_037, "start_sample": 0, "end_sample": 80_000},
                {"start_ms": 20_037, "end_ms": 70_037, "start_sample": 80_000, "end_sample": 480_000},
            ],
            "sync": {
                "mode": "correct",
                "applied": False,
                "verdict": "verified",
                "offset_ms": 1.2,
                "evidence": {"score": 0.7},
            },
            "notes": ["a remark"],
        }
    ]
    assert found["turns"] == [
        {"index": 0, "recording": "r-1", "spans": [[0, 0]], "flags": ["outside"]},
        {"index": 1, "recording": "r-1", "spans": [[0, 8_000]]},
        {"index": 3, "recording": "r-1", "spans": [[72_000, 80_000], [80_000, 88_000]]},
        {"index": 4, "recording": "r-1", "spans": [[80_000, 80_000]], "flags": ["outside"]},
        {"index": 5, "recording": "r-1", "spans": [[472_000, 480_000]], "flags": ["clipped_end"]},
    ]


def test_a_turn_belongs_to_the_recording_that_holds_most_of_it() -> None:
    legs = [recording("a", seconds=10, start_ms=0), recording("b", seconds=10, start_ms=8_000)]
    assert align_turn(legs, 8_500, 9_500)[0] == 0
    assert align_turn(legs, 9_000, 12_000)[0] == 1
    assert align_turn(legs, 30_000, 31_000)[0] == 1
    assert align_turn(legs, -3_000, -2_000)[0] == 0


def test_no_recording_no_turns() -> None:
    assert document([], [(0, 1_000)])["turns"] == []


def test_two_recordings_of_one_name_are_refused() -> None:
    with pytest.raises(Misconfigured, match="same id"):
        document([recording(), recording()], [])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-500, 90_000), st.integers(0, 9_000)), max_size=40), st.integers(-300, 20_000))
@pytest.mark.slow
def test_the_same_arguments_give_the_same_bytes(turns: list[tuple[int, int]], start_ms: int) -> None:
    legs = [recording("a", seconds=30, start_ms=0), recording("b", start_ms=start_ms)]
    pairs: list[tuple[int | None, int | None]] = [(start, start + length) for start, length in turns]
    assert document(legs, pairs) == document(legs, iter(pairs))  # type: ignore[arg-type]


def test_thousands_of_turns_are_one_document() -> None:
    found = document([recording()], [(ms, ms + 10) for ms in range(2_000)])
    assert [turn["index"] for turn in found["turns"]] == list(range(2_000))
