"""A local pair, without any account: the sample calls against what is known of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import jsonschema
import pytest

import turnkeeper as tk
import turnkeeper.simulator
from tests.conftest import Cli
from tests.unit.audio.test_alignment import SCHEMA

FOLDER = Path(turnkeeper.simulator.__file__).parent / "calls"
CALLS: dict[str, Any] = {call["name"]: call for call in json.loads((FOLDER / "calls.json").read_text())["calls"]}
TOLERANCE_MS = 60


STAMP_MS = 80


def stamped(call: dict[str, Any], folder: Path) -> Path:
    """The call as the platform transcribes it: every word, and with it every turn, ends 80 ms after its start."""
    base = 1_790_000_000_000
    phrases = [
        {
            "phraseIndex": place,
            "participantPurpose": "external" if turn["role"] == "customer" else "internal",
            "text": turn["text"],
            "startTimeMs": base + turn["start_ms"],
            "duration": {"milliseconds": turn["words"][-1]["start_ms"] + STAMP_MS - turn["start_ms"]},
            "words": [
                {"word": one["word"], "startTimeMs": base + one["start_ms"], "duration": {"milliseconds": STAMP_MS}}
                for one in turn["words"]
            ],
        }
        for place, turn in enumerate(call["turns"])
    ]
    people = [{"participantPurpose": one, "startTimeMs": base} for one in ("customer", "agent")]
    document = {
        "conversationId": call["name"],
        "communicationId": "leg",
        "conversationStartTime": base,
        "startTime": base,
        "participants": people,
        "transcripts": [{"transcriptId": "t", "startTime": base, "phrases": phrases}],
    }
    path = folder / "stamped.json"
    path.write_text(json.dumps(document))
    return path


def transcript(call: dict[str, Any], folder: Path) -> Path:
    document = {
        "conversation": call["name"],
        "status": "completed",
        "transcript": [
            {
                "start_time": turn["start_ms"] / 1000,
                "end_time": turn["end_ms"] / 1000,
                "text": turn["text"],
                "speaker_id": turn["role"],
                "confidence": 0.9,
            }
            for turn in call["turns"]
        ],
        "participants": [{"id": role, "role": role} for role in sorted({turn["role"] for turn in call["turns"]})],
    }
    path = folder / "call.json"
    path.write_text(json.dumps(document))
    return path


def true_sample(call: dict[str, Any], ms: int) -> float:
    """By the truth in calls.json alone: pauses cut out, offset, drift."""
    gone = sum(one["end_ms"] - one["start_ms"] for one in call["pauses"] if one["cut"] and one["start_ms"] < ms)
    nominal = ms - call["recording_start_ms"] - gone
    return (nominal * (1 + call["true_drift_ppm"] / 1e6) + call["true_offset_ms"]) * 8


@pytest.mark.parametrize("name", CALLS)
def test_every_sample_call_is_found_where_it_is(name: str, tmp_path: Path) -> None:
    call = CALLS[name]
    files = [FOLDER / one["file"] for one in call["files"]]
    found = tk.align(
        files[0],
        transcript(call, tmp_path),
        sync="correct",
        second=files[1] if len(files) > 1 else None,
        recording_start_ms=call["recording_start_ms"],
    )
    (recording,) = found.recordings
    # Nobody told of the pause here, so it is found by ear and not verified.
    wanted = "corrected" if name == "secure-pause" else call["expected_verdict"]
    assert (recording.sync["verdict"], recording.sync["applied"]) == (wanted, wanted == "corrected")
    heard = ("agent", "customer") if call["swapped"] else ("customer", "agent")
    assert recording.channel_roles == heard
    for turn in found.turns:
        assert turn.flags == ()
        true = true_sample(call, call["turns"][turn.index]["start_ms"])
        assert abs(turn.spans[0][0] - true) <= TOLERANCE_MS * 8


def test_reporting_changes_nothing(tmp_path: Path, cli: Cli) -> None:
    path = transcript(CALLS["offset"], tmp_path)
    options = ("--transcript", str(path), "--recording-start", "0.037", "--alignment", "a.json")
    ran = cli("audio", str(FOLDER / "offset.opus"), *options, "--sync", "report", "--json", code=0).json
    assert ran["verdict"] == "corrected"
    assert abs(ran["offset_ms"] - 1_730) < TOLERANCE_MS
    assert ran["drift_ppm"] == 0
    assert ran["channels"] == ["customer", "agent"]
    assert ran["evidence"]["turns_used"] > 8
    assert ran["recording"]["codec"] == "opus"
    reported = json.loads((tmp_path / "a.json").read_text())
    jsonschema.validate(reported, SCHEMA)
    cli("audio", str(FOLDER / "offset.opus"), *options, "--sync", "correct", code=0)
    corrected = json.loads((tmp_path / "a.json").read_text())
    first = [document["turns"][0]["spans"][0][0] for document in (reported, corrected)]
    assert first[0] == (CALLS["offset"]["turns"][0]["start_ms"] - 37) * 8
    assert abs(first[1] - first[0] - 1_730 * 8) < TOLERANCE_MS * 8


def test_it_is_said_in_words_too(tmp_path: Path, cli: Cli) -> None:
    path = transcript(CALLS["swapped"], tmp_path)
    out = cli("audio", str(FOLDER / "swapped.opus"), "--transcript", str(path), "--sync", "report", code=0).out
    assert out.startswith("corrected: ")
    assert "channels: agent, customer (exchanged)" in out


def test_another_call_is_not_verified(tmp_path: Path, cli: Cli) -> None:
    path = transcript(CALLS["ivr-hold"], tmp_path)
    ran = cli("audio", str(FOLDER / "plain.opus"), "--transcript", str(path), "--sync", "correct", "--json")
    assert ran.json["verdict"] in ("unverified", "mismatch")
    assert ran.code == (3 if ran.json["verdict"] == "mismatch" else 0)
    said = cli("audio", str(FOLDER / "plain.opus"), "--transcript", str(path), "--sync", "report").out
    assert "no figures" in said
    assert "offset 0" not in said


def test_a_clip_is_cut_where_the_turn_is_heard(tmp_path: Path, cli: Cli) -> None:
    call = CALLS["offset"]
    options = ("--transcript", str(transcript(call, tmp_path)), "--recording-start", "0.037", "--turn", "2")
    spans = {}
    for mode in ("off", "correct"):
        ran = cli("clip", str(FOLDER / "offset.opus"), *options, "--sync", mode, "--out", f"{mode}.wav", code=0)
        spans[mode] = ran.json["clips"][0]["spans"][0]
    assert abs(spans["correct"][0] - true_sample(call, call["turns"][2]["start_ms"])) <= TOLERANCE_MS * 8
    assert spans["off"][0] == (call["turns"][2]["start_ms"] - 37) * 8


@pytest.mark.parametrize("missing", ["--sync=report", "--alignment=a.json", "--repair-ends=a.jsonl"])
def test_a_comparison_needs_a_transcript(missing: str, cli: Cli) -> None:
    assert "--transcript" in cli("audio", str(FOLDER / "plain.opus"), missing, code=2).err


@pytest.mark.parametrize("module", ["numpy", "soundfile"])
def test_without_the_extra_its_name_is_said(module: str, tmp_path: Path) -> None:
    code = f"import sys; sys.modules[{module!r}] = None\nfrom turnkeeper.cli import main\nmain(sys.argv[1:])"
    path = transcript(CALLS["plain"], tmp_path)
    arguments = ["audio", str(FOLDER / "plain.opus"), "--transcript", str(path), "--sync", "report"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'turnkeeper[audio]'" in done.stderr
    assert "Traceback" not in done.stderr


def errors(call: dict[str, Any], turns: list[dict[str, Any]]) -> tuple[float, float]:
    """The median distance of the turns' ends, and of the words' ends, to where they truly are; in ms."""
    ends = [abs(one["end_ms"] - true["end_ms"]) for one, true in zip(turns, call["turns"], strict=True)]
    words = [
        abs(word["end_ms"] - true["end_ms"])
        for one, told in zip(turns, call["turns"], strict=True)
        for word, true in zip(one["words"], told["words"], strict=True)
    ]
    return median(ends), median(words)


@pytest.mark.parametrize("name", ["plain", "secure-pause", "offset", "swapped"])
def test_ends_are_repaired_by_ear_and_marked(name: str, tmp_path: Path, cli: Cli) -> None:
    call, path = CALLS[name], stamped(CALLS[name], tmp_path)
    options = ("--transcript", str(path), "--recording-start", str(call["recording_start_ms"] / 1000))
    ran = cli("audio", str(FOLDER / call["files"][0]["file"]), *options, "--repair-ends", "out.jsonl", code=0)
    before = [json.loads(line) for line in cli("turns", str(path), code=0).out.splitlines()]
    after = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert ran.json["repair_ends"]["turns"] == len(after) == len(call["turns"])
    assert ran.json["repair_ends"]["repaired"] == sum("repaired" in one for one in after) >= 0.9 * len(after)
    assert errors(call, after)[0] < 40 < errors(call, before)[0]
    assert errors(call, after)[1] < errors(call, before)[1]
    for one, given in zip(after, before, strict=True):
        assert [word["start_ms"] for word in one["words"]] == [word["start_ms"] for word in given["words"]]
        assert all(word.get("repaired") == one.get("repaired") for word in one["words"])
        assert (one["start_ms"], one["text"]) == (given["start_ms"], given["text"])


def test_nothing_is_repaired_of_another_call(tmp_path: Path, cli: Cli) -> None:
    path = stamped(CALLS["ivr-hold"], tmp_path)
    options = ("--transcript", str(path), "--repair-ends", "out.jsonl")
    ran = cli("audio", str(FOLDER / "plain.opus"), *options, code=0)
    assert "no end was repaired" in ran.err
    assert ran.json["repair_ends"]["repaired"] == 0
    assert (tmp_path / "out.jsonl").read_text() == cli("turns", str(path), code=0).out


def test_turns_without_words_are_repaired_from_their_end_on(tmp_path: Path) -> None:
    call, path = CALLS["plain"], transcript(CALLS["plain"], tmp_path)
    repair = tk.repair_ends(FOLDER / "plain.opus", path, recording_start_ms=call["recording_start_ms"])
    away = [abs((one.turn.end_ms or 0) - true["end_ms"]) for one, true in zip(repair.turns, call["turns"], strict=True)]
    assert repair.count >= 0.9 * len(repair.turns)
    assert max(away) < 150
