"""``turnkeeper clip`` and ``turnkeeper audio`` on files and on an archive."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile

import turnkeeper as tk
from tests.conftest import Cli, Platform, credentials
from tests.unit.audio.sounds import RATE, bursts, write_media, write_sound
from tests.unit.audio.test_clips import data_of
from turnkeeper.archive import keys
from turnkeeper.archive.archive import Archive
from turnkeeper.archive.manifest import View, encode
from turnkeeper.audio.alignment import AlignedRecording, write_alignment
from turnkeeper.audio.timeline import Timeline

CALL = bursts(3)
TURNS = [
    ("agent", 0, 290),
    ("customer", 290, 1_500),
    ("agent", 1_500, 2_000),
    ("agent", 2_900, 3_400),
    ("ivr", 9_000, 9_100),
]


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """call.wav (u-law stereo, 3 s) and call.json."""
    names = {"agent": "a", "customer": "c", "ivr": "i"}
    document = {
        "conversation": "c-1",
        "status": "completed",
        "transcript": [
            {
                "start_time": start / 1000,
                "end_time": end / 1000,
                "text": f"turn {n}",
                "speaker_id": names[role],
                "confidence": 0.9,
            }
            for n, (role, start, end) in enumerate(TURNS)
        ],
        "participants": [{"id": name, "name": role.title(), "role": role} for role, name in names.items()],
    }
    (tmp_path / "call.json").write_text(json.dumps(document))
    return write_sound(tmp_path / "call.wav", CALL, subtype="ULAW")


def cut(source: Path, *stretches: tuple[int, int]) -> bytes:
    whole = data_of(source)
    return b"".join(whole[2 * start : 2 * end] for start, end in stretches)


def test_one_turn_is_its_own_bytes(pair: Path, cli: Cli) -> None:
    ran = cli("clip", "call.wav", "--transcript", "call.json", "--turn", "1", "--out", "one.wav", code=0)
    (told,) = ran.json["clips"]
    assert (told["codec"], told["spans"], told["turns"], told["duration_ms"]) == ("ulaw", [[2_320, 12_000]], [1], 1_210)
    assert data_of(pair.with_name("one.wav")) == cut(pair, (2_320, 12_000))


def test_all_turns_of_a_role_and_what_is_missing_of_them(pair: Path, cli: Cli) -> None:
    ran = cli("clip", "call.wav", "--transcript", "call.json", "--role", "agent", "--out", "agent.wav", code=3)
    (told,) = ran.json["clips"]
    assert (told["turns"], told["flags"]) == ([0, 2, 3], ["clipped_end"])
    assert data_of(pair.with_name("agent.wav")) == cut(pair, (0, 2_320), (12_000, 16_000), (23_200, 24_000))


def test_each_turn_in_a_file_of_its_own(pair: Path, cli: Cli) -> None:
    options = ("--transcript", "call.json", "--min-confidence", "0.5", "--each", "--out", "part.flac")
    ran = cli("clip", "call.wav", *options, code=3)
    clips = ran.json["clips"]
    assert [one.get("path") for one in clips] == [
        "part-0000-agent.flac",
        "part-0001-customer.flac",
        "part-0002-agent.flac",
        "part-0003-agent.flac",
        None,
    ]
    assert clips[-1]["flags"] == ["outside"]
    assert sum(soundfile.info(pair.with_name(one["path"])).frames for one in clips[:-1]) == 2_320 + 9_680 + 4_000 + 800


def test_a_stretch_of_time_of_a_recording_that_began_late(pair: Path, cli: Cli) -> None:
    cli("clip", "call.wav", "--start", "1.0005", "--end", "1.5", "--recording-start", "0.25", "--out", "t.wav", code=0)
    assert data_of(pair.with_name("t.wav")) == cut(pair, (6_000, 10_000))
    cli("clip", "call.wav", "--start", "-1", "--end", "0.5", "--out", "t.wav", code=3)
    assert data_of(pair.with_name("t.wav")) == cut(pair, (0, 4_000))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "not said"),
        (("--turn", "1", "--start", "1"), "said twice"),
        (("--turn", "99", "--transcript", "call.json"), "no turn 99"),
        (("--role", "bot", "--transcript", "call.json"), "role bot"),
        (("--role", "agent"), "no transcript"),
        (("--start", "2", "--end", "1"), "ends before"),
        (("--start", "1", "--each"), "one clip"),
        (("--start", "1", "--out", "x.mp3"), "not a format"),
    ],
)
def test_questions_without_an_answer(pair: Path, options: tuple[str, ...], said: str, cli: Cli) -> None:
    out = () if "--out" in options else ("--out", "x.wav")
    ran = cli("clip", "call.wav", *options, *out)
    assert ran.code == (3 if said.startswith(("no turn 99", "role bot")) else 2)  # NotFound is 3
    assert said in ran.err
    assert not pair.with_name("x.wav").exists()


def test_the_library_does_the_same(pair: Path) -> None:
    agents = tk.Selection(roles=frozenset({"agent"}))
    (one,) = tk.clip(pair, pair.with_name("call.json"), out=pair.with_name("a.wav"), selection=agents)
    assert (one.turns, one.frames, one.codec) == ((0, 2, 3), 2_320 + 4_000 + 800, "ulaw")


def test_a_call_in_an_archive(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform()
    conversation = running.conversation_ids[0]
    cli("get", conversation, "--to", "archive", env=credentials(running), code=0)
    archive = Archive(str(tmp_path / "archive"))
    source = write_sound(tmp_path / "r.wav", bursts(90), subtype="ULAW")
    key = keys.audio(conversation, "r-1", "0" * 64, "wav")
    archive.store.put(key, source.read_bytes(), content_type="audio/wav")
    timeline = Timeline(rate=RATE, frames=90 * RATE, start_ms=40, cuts=((9_040, 19_040),))
    recording = AlignedRecording(
        id="r-1", codec="ulaw", channels=2, timeline=timeline, channel_roles=("customer", "agent"), key=key
    )
    turns = list(tk.read_turns(str(tmp_path / "archive")))
    out = io.BytesIO()
    write_alignment(conversation, [recording], ((one.start_ms, one.end_ms) for one in turns), out)
    manifest = archive.manifest(conversation)
    assert manifest
    sha256 = hashlib.sha256(out.getvalue()).hexdigest()
    view = View(key=keys.stored_view(keys.alignment(conversation), sha256), size=len(out.getvalue()), sha256=sha256)
    archive.store.put(view.key, out.getvalue())
    aligned = msgspec.structs.replace(manifest, generation=2, views=(*manifest.views, view))
    archive.store.put(keys.manifest(conversation, 2), encode(aligned))

    first = next(n for n, one in enumerate(turns) if one.role == "customer" and (one.start_ms or 0) > 20_000)
    ran = cli("clip", "archive", "--conversation", conversation, "--turn", str(first), "--out", "c.wav")
    spans = timeline.spans(turns[first].start_ms or 0, turns[first].end_ms or 0)
    (told,) = ran.json["clips"]
    assert (told["recording"], told["spans"]) == ("r-1", [[one.start, one.end] for one in spans])
    assert data_of(tmp_path / "c.wav") == cut(source, *((one.start, one.end) for one in spans))

    ran = cli(
        "clip", "archive", "--conversation", conversation, "--start", "8", "--end", "20", "--out", "t.flac", code=0
    )
    assert ran.json["clips"][0]["spans"] == [[63_680, 72_000], [72_000, 79_680]]

    assert "--conversation" in cli("clip", "archive", "--turn", "0", "--out", "c.wav", code=2).err
    other = running.conversation_ids[1]
    assert (
        "not in the archive"
        in cli("clip", "archive", "--conversation", other, "--turn", "0", "--out", "c.wav", code=3).err
    )
    archive.store.delete(view.key)
    gone = cli("clip", "archive", "--conversation", conversation, "--turn", "0", "--out", "c.wav", code=3)
    assert "no recording" in gone.err


def test_facts_about_a_recording(pair: Path, cli: Cli) -> None:
    assert cli("audio", "call.wav", code=0).json == {
        "codec": "ulaw",
        "rate": 8_000,
        "channels": 2,
        "frames": 24_000,
        "duration_ms": 3_000,
        "notes": [],
    }
    write_media(pair.with_name("call.webm"), CALL, "libopus", out_rate=48_000)
    found = cli("audio", "call.webm", code=0).json
    assert (found["codec"], found["rate"], found["duration_ms"]) == ("opus", 48_000, 3_000)


@pytest.mark.parametrize("bits", ["8", "16"])
def test_a_waveform(pair: Path, bits: str, cli: Cli) -> None:
    options = ("--samples-per-pixel", "100", "--bits", bits)
    ran = cli("audio", "call.wav", "--peaks", "call.dat", *options, code=0)
    assert ran.json["peaks"]["pixels"] == 240
    data = pair.with_name("call.dat").read_bytes()
    assert len(data) == 24 + 240 * 4 * int(bits) // 8
    cli("audio", "call.wav", "--peaks", "mix.json", "--mono", *options, code=0)
    mix = json.loads(pair.with_name("mix.json").read_text())
    assert (mix["channels"], mix["bits"], len(mix["data"])) == (1, int(bits), 480)
    samples = np.asarray(soundfile.read(pair, dtype="int16")[0][:100, 0], np.int64)
    kind, scale = (np.int8, 256) if bits == "8" else (np.int16, 1)
    low, high = np.frombuffer(data, kind, 2, 24)
    assert (low, high) == (int(samples.min() / scale), int(samples.max() / scale))
    assert "not a format" in cli("audio", "call.wav", "--peaks", "call.png", code=2).err


READER = """
import { readFileSync } from "node:fs";
import WaveformData from "waveform-data";
const all = process.argv.slice(1).map((path) => {
  const bytes = readFileSync(path);
  const json = path.endsWith(".json");
  const data = WaveformData.create(json ? JSON.parse(bytes) : Uint8Array.from(bytes).buffer);
  const { channels, sample_rate, scale, length, bits, duration } = data;
  const numbers = [...Array(channels).keys()].map((n) => [data.channel(n).min_array(), data.channel(n).max_array()]);
  return { channels, sample_rate, scale, length, bits, duration, numbers };
});
console.log(JSON.stringify(all));
"""
"""waveform-data is what peaks.js reads audiowaveform's files with."""


@pytest.mark.needs(part="node")
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("mono", [False, True])
def test_waveform_data_reads_both_formats(pair: Path, bits: int, mono: bool, cli: Cli) -> None:
    paths = [pair.with_name("peaks.dat"), pair.with_name("peaks.json")]
    for path in paths:
        options = ("--samples-per-pixel", "256", "--bits", str(bits), *(["--mono"] if mono else []))
        cli("audio", "call.wav", "--peaks", str(path), *options, code=0)
    command = ["node", "--input-type=module", "--eval", READER, *map(str, paths)]
    web = Path(__file__).parents[2] / "web"
    done = subprocess.run(command, cwd=web, capture_output=True, text=True, check=True)
    binary, text = json.loads(done.stdout)
    assert binary == text
    assert (binary["channels"], binary["sample_rate"], binary["scale"]) == (1 if mono else 2, RATE, 256)
    assert (binary["length"], binary["bits"]) == (94, bits)
    samples = soundfile.read(pair, dtype="int16", always_2d=True)[0].astype(np.int64)
    heard = np.trunc(samples.mean(1, keepdims=True)) if mono else samples
    scale = 256 if bits == 8 else 1
    for channel, (low, high) in zip(heard.T, binary["numbers"], strict=True):
        pixels = [channel[at : at + 256] for at in range(0, len(channel), 256)]
        assert low == [int(one.min() / scale) for one in pixels]
        assert high == [int(one.max() / scale) for one in pixels]


def test_bad_audio_ends_in_a_sentence(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "page.wav").write_text("<html>expired</html>")
    (tmp_path / "empty.wav").write_bytes(b"")
    assert "is a page" in cli("audio", "page.wav", code=3).err
    assert "is empty" in cli("audio", "empty.wav", code=3).err
    assert "no such file" in cli("audio", "nothing.wav", code=2).err
    assert "is a page" in cli("clip", "page.wav", "--start", "0", "--out", "x.wav", code=3).err


def test_lhotse_manifests(pair: Path, cli: Cli) -> None:
    assert "--transcript" in cli("audio", "call.wav", "--lhotse", "m", code=2).err
    ran = cli("audio", "call.wav", "--transcript", "call.json", "--lhotse", "m", code=0)
    assert ran.json["lhotse"]["supervisions"] == 4
    folder = pair.parent / "m"
    assert json.loads((folder / "recordings.jsonl").read_text()) == {
        "id": "call",
        "sources": [{"type": "file", "channels": [0, 1], "source": "call.wav"}],
        "sampling_rate": 8_000,
        "num_samples": 24_000,
        "duration": 3.0,
        "channel_ids": [0, 1],
    }
    lines = [json.loads(line) for line in (folder / "supervisions.jsonl").read_text().splitlines()]
    assert lines[1] == {
        "id": "call-1",
        "recording_id": "call",
        "start": 0.29,
        "duration": 1.21,
        "channel": 0,
        "text": "turn 1",
        "speaker": "c",
        "custom": {"role": "customer", "turn": 1},
    }
    assert [line["channel"] for line in lines] == [1, 0, 1, 1]


@pytest.mark.parametrize("format_", ["vtt", "srt", "textgrid", "rttm", "audacity"])
def test_turns_as_labels(pair: Path, format_: str, cli: Cli) -> None:
    out = cli("turns", "call.json", "--format", format_, code=0).out
    assert out.count("turn 1") == (format_ != "rttm")
    assert "fields" in cli("turns", "call.json", "--format", format_, "--fields", "text", code=2).err


@pytest.mark.parametrize(
    ("words", "ending"),
    [
        (("clip", "call.wav", "--transcript", "call.json", "--turn", "1", "--out"), "wav"),
        (("clip", "call.wav", "--transcript", "call.json", "--turn", "1", "--out"), "flac"),
        (("audio", "call.wav", "--peaks"), "dat"),
        (("audio", "call.wav", "--transcript", "call.json", "--alignment"), "json"),
        (("audio", "call.wav", "--transcript", "call.json", "--sync", "off", "--repair-ends"), "jsonl"),
    ],
    ids=["clip-wav", "clip-flac", "peaks", "alignment", "ends"],
)
def test_no_file_replaces_a_pipe_or_lands_in_an_archive(
    words: tuple[str, ...], ending: str, pair: Path, cli: Cli
) -> None:
    """A finished file was moved over a device, for which a pipe and a link to it stand here; and what a verb writes
    into an archive is a file that the archive does not know."""
    pipe, link, archive = (pair.with_name(name) for name in (f"pipe.{ending}", f"link.{ending}", "kept"))
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    (archive / "_turnkeeper").mkdir(parents=True)
    (archive / "_turnkeeper/archive.json").write_text("{}")
    for path in (pipe, link):
        assert "a device, a pipe or a socket" in cli(*words, str(path), code=2).err
    assert "inside an archive" in cli(*words, str(archive / f"x.{ending}"), code=2).err
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert link.is_symlink()
    assert [path.name for path in archive.iterdir()] == ["_turnkeeper"]


FULL = """import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
from turnkeeper.cli import main
main(sys.argv[1:])"""


@pytest.mark.parametrize(
    ("out", "words"),
    [
        *(
            (name, ("clip", "call.wav", "--start", "0", "--end", "3", "--out"))
            for name in ("c.wav", "c.flac", "c.opus")
        ),
        ("p.dat", ("audio", "call.wav", "--samples-per-pixel", "2", "--peaks")),
        ("p.json", ("audio", "call.wav", "--samples-per-pixel", "2", "--peaks")),
        ("a.json", ("audio", "call.wav", "--transcript", "long.json", "--sync", "off", "--alignment")),
        ("e.jsonl", ("audio", "call.wav", "--transcript", "long.json", "--sync", "off", "--repair-ends")),
        ("l", ("audio", "call.wav", "--transcript", "long.json", "--lhotse")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_there_is_no_room_for_is_not_said_to_be_written(
    out: str, words: tuple[str, ...], pair: Path, tmp_path: Path
) -> None:
    """A full disk was "an error in turnkeeper" for FLAC and Ogg clips; files have their names only when whole."""
    document = json.loads((tmp_path / "call.json").read_text())
    document["transcript"] *= 40
    (tmp_path / "long.json").write_text(json.dumps(document))
    done = subprocess.run([sys.executable, "-c", FULL, *words, out], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Free some space" in done.stderr
    assert '"path"' not in done.stdout
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left <= {"call.wav", "call.json", "long.json", "recordings.jsonl"}
