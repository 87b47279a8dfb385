"""``turnkeeper turns``: any payload to turns, as a Unix filter."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import turnkeeper as tk
from tests.conftest import Cli, Platform, credentials
from tests.views import view_path

DATA = Path(__file__).parent.parent / "unit" / "payloads" / "data"

CALL = {
    "conversation": "c-1",
    "status": "completed",
    "transcript": [
        {"start_time": 0.1, "end_time": 0.29, "text": "hello", "speaker_id": "a", "confidence": 0.9},
        {"start_time": 0.29, "end_time": 1.5, "text": "=cmd|' /C calc'!A0", "speaker_id": "c", "confidence": 0.8},
        {"start_time": 1.5, "end_time": 2.0, "text": "bye \u202e\x1b[31m", "speaker_id": "a", "confidence": 0.7},
    ],
    "participants": [{"id": "a", "name": "Ann", "role": "agent"}, {"id": "c", "name": "Carl", "role": "customer"}],
}


@pytest.fixture
def call(tmp_path: Path) -> Path:
    path = tmp_path / "call.json"
    path.write_text(json.dumps(CALL))
    return path


def test_a_role_and_exact_samples(call: Path, cli: Cli) -> None:
    ran = cli("turns", str(call), "--role", "agent", "--format", "jsonl", "--sample-rate", "100", code=0)
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert {line["role"] for line in lines} == {"agent"}
    assert (lines[0]["start_sample"], lines[0]["end_sample"]) == (10, 29)


def test_adjacent_turns_share_their_boundary_sample(call: Path, cli: Cli) -> None:
    ran = cli("turns", str(call), "--sample-rate", "100", code=0)
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert lines[0]["end_sample"] == lines[1]["start_sample"] == 29


def test_another_interaction_prints_nothing_and_says_so(call: Path, cli: Cli) -> None:
    """K1: an interaction that is not there is no success."""
    ran = cli("turns", str(call), "--conversation", "c-2", code=3)
    assert ran.out == ""
    assert "c-2" in ran.err


@pytest.mark.parametrize("format_", ["vtt", "srt"])
def test_captions_begin_when_their_words_are_spoken(format_: str, tmp_path: Path, cli: Cli) -> None:
    """A long turn that is spoken in its first second and in its last: its captions are cut there, not by length."""
    spoken = [{"word": f"word{n}", "start_ms": n * 10 if n < 20 else 90_000 + n * 10} for n in range(40)]
    turn = {"text": " ".join(one["word"] for one in spoken), "role": "agent", "start_ms": 0, "end_ms": 91_000}
    document = {"format": "turnkeeper.transcript/1", "conversation": "c-1", "dialect": "speech", "time_base": {}}
    path = tmp_path / "call.json"
    path.write_text(json.dumps({**document, "participants": [], "transcript": [{**turn, "words": spoken}]}))
    ran = cli("turns", str(path), "--format", format_, code=0)
    cues = [line for line in ran.out.replace(",", ".").splitlines() if " --> " in line]
    first = [re.search(r"word(\d+)", block) for block in ran.out.split(" --> ")[1:]]
    times = {f"word{n}": one["start_ms"] for n, one in enumerate(spoken)}
    assert len(cues) >= 3
    for cue, found in zip(cues[1:], first[1:], strict=True):
        assert found
        hours, minutes, seconds = cue.split(" --> ")[0].split(":")
        assert round((int(hours) * 60 + int(minutes)) * 60_000 + float(seconds) * 1000) == times[found[0]]
    assert "captions have more than 20 characters a second" in ran.err


def test_standard_input_compressed(call: Path, cli: Cli) -> None:
    ran = cli("turns", "-", stdin=gzip.compress(call.read_bytes()), code=0)
    assert len(ran.out.splitlines()) == 3


def test_standard_input_with_every_kind_of_option(call: Path, cli: Cli) -> None:
    more = ("--min-confidence", "0.75", "--profile", "none")
    assert len(cli("turns", "-", *more, stdin=call.read_bytes(), code=0).out.splitlines()) == 2


def test_csv_cannot_run_a_formula(call: Path, cli: Cli) -> None:
    rows = list(csv.DictReader(io.StringIO(cli("turns", str(call), "--format", "csv", code=0).out)))
    assert rows[1]["text"].startswith("'=cmd")


def test_text_cannot_steer_a_terminal(call: Path, cli: Cli) -> None:
    out = cli("turns", str(call), "--format", "txt", code=0).out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "Ann" in out


def test_fields_and_head(call: Path, cli: Cli) -> None:
    out = cli("turns", str(call), "--fields", "role,text", "--head", "2", code=0).out
    assert json.loads(out.splitlines()[0]) == {"role": "agent", "text": "hello"}
    assert len(out.splitlines()) == 2


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    big = {**CALL, "transcript": CALL["transcript"] * 30_000}
    path = tmp_path / "big.json"
    path.write_text(json.dumps(big))
    command = [sys.executable, "-m", "turnkeeper", "turns", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 0


def test_an_archive_is_read_as_input(platform: Platform, cli: Cli, tmp_path: Path) -> None:
    running = platform()
    one, two = running.conversation_ids[:2]
    for conversation in (one, two):
        cli("get", conversation, "--to", "archive", env=credentials(running), code=0)
    everything = cli("turns", "archive", code=0).out.splitlines()
    only_one = cli("turns", "archive", "--conversation", one, code=0).out.splitlines()
    assert 0 < len(only_one) < len(everything)
    view = view_path(tmp_path / "archive", one)
    assert cli("turns", str(view), code=0).out.splitlines() == only_one
    assert len(list(tk.read_turns(str(tmp_path / "archive")))) == len(everything)


def test_an_address_is_read(platform: Platform, cli: Cli) -> None:
    running = platform()
    ran = cli("turns", f"{running.base_url}/_sim/truth", code=3)
    assert "conversations" in ran.err


@pytest.mark.parametrize("sample", sorted(DATA.glob("*.json*")), ids=lambda path: path.name)
def test_payloads_seen_in_the_wild(sample: Path, cli: Cli) -> None:
    ran = cli("turns", str(sample))
    if sample.name.startswith(("details", "events-two")):  # not a transcript; two conversations in one body
        assert ran.code == 3
        assert ran.err
    else:
        assert ran.code == 0, ran.err
        assert ran.out


def test_reading_a_file_loads_no_network(call: Path) -> None:
    code = (
        "import sys\nfrom turnkeeper.cli import main\n"
        "try: main(['turns', sys.argv[1], '--head', '1'])\n"
        "except SystemExit: pass\n"
        "heavy = {'httpx2', 'authlib', 'obstore', 'numpy', 'boto3', 'starlette', 'tenacity', 'cryptography'}\n"
        "sys.stderr.write(','.join(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(call)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
