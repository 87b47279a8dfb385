"""``turnkeeper get --audio`` against calls whose timing is known, and against everything that goes wrong with audio."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import soundfile

import turnkeeper as tk
import turnkeeper.audio
import turnkeeper.simulator
from tests.conftest import Cli, Platform, credentials
from tests.e2e.truth import BRIEF, read, requests_of
from tests.views import content
from turnkeeper.clock import RemoteClock
from turnkeeper.simulator import Running

CALLS = ("plain", "ivr-hold", "secure-pause", "overtalk", "offset", "drift", "swapped", "two-files")
FOLDER = Path(turnkeeper.simulator.__file__).parent / "calls"
SCHEMA = json.loads((Path(turnkeeper.audio.__file__).parent / "schemas/alignment.json").read_text())


@pytest.fixture(scope="module")
def calls() -> Any:
    from turnkeeper.simulator import Simulation, serve

    with serve(Simulation(seed=7, conversations=4, rate_limit=100_000, calls=True)) as running:
        yield running


def settings(running: Running, **changes: Any) -> tk.PlatformSettings:
    return tk.PlatformSettings(
        client_id=running.client_id,
        client_secret=running.client_secret,
        base_url=running.base_url,
        **{"api": "speech", **changes},
    )


def fetch(running: Running, name: str, to: Path, **more: Any) -> tk.Got:
    conversation = running.simulation.call_ids.get(name, name)
    platform = settings(running, **more.pop("platform", {}))
    clock = RemoteClock(running.clock_url)
    return tk.get(conversation, to=str(to), platform=platform, clock=clock, audio=True, **more)


def aligned(to: Path, conversation: str) -> dict[str, Any]:
    with tk.Archive(str(to)).alignment(conversation) as reader:
        document: dict[str, Any] = json.load(reader)
    jsonschema.validate(document, SCHEMA)
    return document


def truth(running: Running, conversation: str) -> dict[str, Any]:
    found: dict[str, Any] = read(f"{running.truth_url}/{conversation}")
    return found


@pytest.mark.parametrize(
    ("name", "api"), [*((name, "speech") for name in CALLS), ("plain", "media"), ("offset", "media")]
)
def test_verdict_numbers_and_turns_of_every_sample_call_are_the_truth(
    name: str, api: str, calls: Running, tmp_path: Path
) -> None:
    got = fetch(calls, name, tmp_path, sync="correct", platform={"api": api})
    known = truth(calls, got.conversation)
    call, recording = known["call"], known["recordings"][0]
    sync = got.kept.manifest.sync
    assert sync is not None
    found: Any = sync[recording]
    assert found["verdict"] == call["expected_verdict"]
    assert found["offset_ms"] == pytest.approx(call["true_offset_ms"], abs=20)
    assert found["drift_ppm"] == pytest.approx(call["true_drift_ppm"], abs=60)
    assert found.get("swapped", False) == call["swapped"]
    assert found["applied"] == (found["verdict"] == "corrected")
    assert {field: got.document[field] for field in BRIEF} == known["dialects"][api]
    document = aligned(tmp_path, got.conversation)
    (one,) = document["recordings"]
    assert one["channel_roles"] == (["agent", "customer"] if call["swapped"] else ["customer", "agent"])
    assert one["start_ms"] == call["recording_start_ms"]
    turns = next(one for one in calls.simulation.samples.calls if one.name == name).description["turns"]
    for row, turn in zip(document["turns"], turns, strict=True):
        assert row["spans"][0][0] * 1000 / one["rate"] == pytest.approx(heard(call, turn["start_ms"]), abs=25)


def heard(call: dict[str, Any], ms: int) -> float:
    """The millisecond of the audio at which a moment of the conversation is heard."""
    cut = [one for one in call["pauses"] if one["cut"] and one["start_ms"] < ms]
    nominal = ms - call["recording_start_ms"] - sum(one["end_ms"] - one["start_ms"] for one in cut)
    return float(nominal * (1 + call["true_drift_ppm"] / 1e6) + call["true_offset_ms"])


def test_report_says_it_and_leaves_the_alignment_alone(calls: Running, tmp_path: Path) -> None:
    got = fetch(calls, "offset", tmp_path, sync="report")
    (one,) = aligned(tmp_path, got.conversation)["recordings"]
    assert (one["sync"]["mode"], one["sync"]["applied"], one["sync"]["verdict"]) == ("report", False, "corrected")
    assert one["segments"][0]["start_sample"] == 0
    assert one["segments"][0]["start_ms"] == one["start_ms"]


def test_the_summary_is_printed_with_what_became_of_the_audio(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform(calls=True, conversations=4)
    conversation = running.simulation.call_ids["offset"]
    env = credentials(running)
    first = cli("get", conversation, "--to", "archive", "--audio", "--sync", "correct", env=env, code=0)
    (recording,) = truth(running, conversation)["recordings"]
    assert first.json["recordings"] == [{"id": recording, "state": "done", "format": "original"}]
    assert first.json["sync"][recording]["verdict"] == "corrected"
    before = content(tmp_path / "archive")
    asked = requests_of(running)["batchrequests"]
    again = cli("get", conversation, "--to", "archive", "--audio", "--sync", "correct", env=env, code=0)
    assert again.json["changed"] is False
    assert requests_of(running)["batchrequests"] == asked
    cli("get", conversation, "--to", "archive", env=env, code=0)
    cli("reread", "archive", "--all", env=env, code=0)
    assert content(tmp_path / "archive") == before


def test_the_archive_holds_no_secret_of_a_link(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform(calls=True, conversations=1)
    conversation = running.simulation.call_ids["secure-pause"]
    arguments = ("get", conversation, "--to", "archive", "--audio", "--audio-format", "WAV")
    cli(*arguments, env=credentials(running), code=0)
    for path in (tmp_path / "archive").rglob("*.json"):
        assert b"X-Amz" not in path.read_bytes()
    (wav,) = (tmp_path / "archive/audio").rglob("*.wav")
    assert wav.read_bytes()[20:22] == b"\x01\x00"


def test_a_transferred_call_has_both_recordings(platform: Platform, tmp_path: Path) -> None:
    running = platform()
    conversation = running.conversation_ids[3]
    got = fetch(running, conversation, tmp_path)
    assert [one.state for one in got.kept.manifest.recordings] == ["done", "done"]
    document = aligned(tmp_path, conversation)
    assert {turn["recording"] for turn in document["turns"]} == set(truth(running, conversation)["recordings"])
    assert not any("outside" in turn.get("flags", []) for turn in document["turns"])


SURVIVED = {
    "transcoding": "WAV",
    "expired-media-link": "original",
    "cut-body": "original",
    "cut-body-changed": "original",
    "redirect": "original",
    "batch-missing": "original",
    "transcoding-forever": "original",
    "wrong-extension": "original",
}


@pytest.mark.parametrize("fault", SURVIVED)
def test_recoverable_trouble_is_survived(fault: str, platform: Platform, tmp_path: Path) -> None:
    running = platform(fault, calls=True, conversations=1)
    got = fetch(running, "plain", tmp_path, audio_format=SURVIVED[fault])
    assert [(one.state, one.reason) for one in got.kept.manifest.recordings] == [("done", "")]
    (keys,) = tk.Archive(str(tmp_path)).audio(got.conversation).values()
    assert [key.rpartition(".")[2] for key in keys] == ["opus"]
    file = next(one for one in running.simulation.samples.calls if one.name == "plain").files[0]
    assert (tmp_path / keys[0]).read_bytes() == file.read_bytes()


TROUBLE = {
    "html-audio": ("unread", "page"),
    "empty-audio": ("unread", "empty"),
    "header-only-audio": ("unread", "no samples"),
    "zero-rate": ("unread", "0 Hz"),
    "truncated-audio": ("incomplete", "cut off"),
    "three-channels": ("incomplete", "by the platform's start and end"),
    "recording-archived": ("archived", "restore"),
    "recording-deleted": ("deleted", "deleted"),
    "recording-restoring": ("waiting", "restoring"),
    "no-media": ("failed", "no media"),
    "redacted": ("redacted", "viewSensitiveData"),
    "batch-error": ("failed", "could not be processed"),
    "batch-slow": ("waiting", "in progress"),
}


@pytest.mark.parametrize("fault", TROUBLE)
def test_each_trouble_is_said_and_the_transcript_is_archived(fault: str, platform: Platform, tmp_path: Path) -> None:
    running = platform(fault, calls=True, conversations=1)
    got = fetch(running, "plain", tmp_path)
    state, word = TROUBLE[fault]
    (one,) = got.kept.manifest.recordings
    assert one.state == state
    assert word in one.reason
    assert {field: got.document[field] for field in BRIEF} == truth(running, got.conversation)["dialects"]["speech"]
    held = tk.Archive(str(tmp_path)).audio(got.conversation)
    assert bool(held) == (state in ("done", "redacted", "unread", "incomplete"))
    assert fetch(running, "plain", tmp_path).kept.changed is False


def test_exit_codes_of_the_command_line(platform: Platform, cli: Cli) -> None:
    for fault, code, word in (
        ("html-audio", 3, "page"),
        ("batch-slow", 5, "in progress"),
        ("denied-recordings", 3, "recording:recording:view"),
        ("truncated-audio", 3, "cut off"),
    ):
        running = platform(fault, calls=True, conversations=1)
        conversation = running.simulation.call_ids["plain"]
        ran = cli("get", conversation, "--to", fault, "--audio", env=credentials(running), code=code)
        assert word in ran.err
        assert ran.json["state"] == "done"


def test_a_call_that_was_not_recorded_has_none(platform: Platform, tmp_path: Path) -> None:
    running = platform()
    message = next(
        name for name, one in read(running.truth_url)["conversations"].items() if one["scenario"] == "message"
    )
    got = fetch(running, message, tmp_path)
    assert (got.kept.manifest.recordings, got.kept.manifest.sync, got.troubles) == ((), None, [])


def test_the_platforms_own_export_spares_the_platform(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform(calls=True, conversations=1)
    conversation = running.simulation.call_ids["offset"]
    bucket = tmp_path / "bucket"
    lay(running, conversation, bucket)
    arguments = ("get", conversation, "--to", "archive", "--audio-from", str(bucket), "--sync", "correct")
    ran = cli(*arguments, env=credentials(running), code=0)
    (recording,) = truth(running, conversation)["recordings"]
    assert ran.json["recordings"] == [{"id": recording, "state": "done", "format": "export"}]
    assert ran.json["sync"][recording]["offset_ms"] == pytest.approx(1730, abs=20)
    assert not {"recordings", "recordingmetadata", "batchrequests"} & requests_of(running).keys()
    assert cli(*arguments, env=credentials(running), code=0).json["changed"] is False


def test_an_export_without_this_call_is_said(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform(calls=True, conversations=1)
    (tmp_path / "bucket").mkdir()
    conversation = running.simulation.call_ids["plain"]
    ran = cli("get", conversation, "--to", "archive", "--audio-from", "bucket", env=credentials(running), code=3)
    assert "no recordings of this conversation lie in" in ran.err
    assert ran.json["state"] == "done"


def lay(running: Running, conversation: str, bucket: Path, audio: Path | None = None) -> None:
    """What the platform's export integration would have put into the bucket; ``audio`` in place of the recording."""
    simulation = running.simulation
    script = simulation.find(conversation)
    assert script is not None
    (tape,) = simulation.recordings.of(script)
    hour = f"year=2026/month=10/day=05/hour={script.began // 3_600_000 % 24:02}"
    folder = bucket / simulation.people.organization.id / hour / f"conversation_id={conversation}"
    folder.mkdir(parents=True)
    file = folder / f"{tape.id}{audio.suffix if audio else f'.{tape.extension}'}"
    if audio is not None:
        audio.rename(file)
    else:
        body = simulation.recordings.body(simulation.recordings.path(tape, "original", "S"))
        assert body is not None
        file.write_bytes(b"".join(body.read(0, body.size)))
    told = {
        "recordingId": tape.id,
        "conversationId": conversation,
        "mediaType": "Call",
        "startTime": script.began + tape.start_ms,
        "endTime": script.began + tape.end_ms,
    }
    file.with_name(f"{file.name}_metadata.json").write_text(json.dumps(told))


def page(path: Path) -> None:
    path.write_bytes(b"<!DOCTYPE html><html><body>Sign in</body></html>")


def header(path: Path) -> None:
    """The classic 44 bytes: 16-bit PCM without a sample."""
    soundfile.write(path, np.zeros(0, np.int16), 8000)
    assert path.stat().st_size == 44


def cut(path: Path) -> None:
    whole = (FOLDER / "plain.opus").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def hertz(path: Path) -> None:
    soundfile.write(path, np.ones(800, np.int16), 8000)
    content = path.read_bytes()
    path.write_bytes(content[:24] + bytes(4) + content[28:])


def hours(path: Path) -> None:
    ten_minutes = np.zeros(8000 * 600, np.int16)
    with soundfile.SoundFile(path, "w", 8000, 1) as file:
        for _ in range(72):
            file.write(ten_minutes)


BAD: dict[str, tuple[str, Callable[[Path], object]]] = {
    "nothing, 0 bytes": ("a.wav", lambda path: path.write_bytes(b"")),
    "a WAV header of 44 bytes": ("a.wav", header),
    "a page in a `.wav`": ("a.wav", page),
    "Opus, cut off in the middle": ("a.opus", cut),
    "Opus that is called `.mp3`": ("a.mp3", lambda path: shutil.copy(FOLDER / "plain.opus", path)),
    "three channels": ("a.wav", lambda path: soundfile.write(path, np.ones((16_000, 3), np.int16), 8000)),
    "0 Hz": ("a.wav", hertz),
    "12 hours": ("a.flac", hours),
}


def rows_of_the_page() -> dict[str, tuple[str, ...]]:
    page = (Path(__file__).parents[2] / "docs/audio.md").read_text()
    table = page.partition("| what it is |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [tuple(cell.strip() for cell in row.strip("|").split(" | ")) for row in table]
    return {name: rest for name, *rest in cells}  # type: ignore[misc]


ROWS = rows_of_the_page()


def test_the_page_names_every_bad_audio() -> None:
    assert ROWS.keys() == BAD.keys()


@pytest.mark.parametrize("name", BAD)
def test_bad_audio_is_met_as_the_page_says(name: str, calls: Running, cli: Cli, tmp_path: Path) -> None:
    said, code, found, got = ROWS[name]
    file = tmp_path / BAD[name][0]
    BAD[name][1](file)
    facts = cli("audio", str(file), code=int(code))
    assert said in facts.out + facts.err
    conversation = calls.simulation.call_ids["plain"]
    lay(calls, conversation, tmp_path / "bucket", file)
    mode = "off" if name == "12 hours" else "correct"
    arguments = ("get", conversation, "--to", "archive", "--audio-from", "bucket", "--sync", mode)
    ran = cli(*arguments, env=credentials(calls), code=int(got))
    (recording,) = ran.json["recordings"]
    state, _, reason = found.partition(": ")
    assert recording["state"] == state
    assert reason in recording.get("reason", "")
    assert reason or "reason" not in recording
    assert ran.json["state"] == "done"
    assert ran.json["total_turns"] == 14
