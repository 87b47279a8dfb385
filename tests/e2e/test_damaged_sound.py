"""Damaged recordings through the verbs: what they print is in the file, and the exit code says what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from tests.conftest import Cli
from tests.unit.audio.damage import CASES, make


def made(name: str, folder: Path) -> str:
    return str(make(next(one for one in CASES if one.name == name), folder))


@pytest.mark.parametrize(
    ("name", "code", "duration_ms"),
    [
        ("Ogg Opus: chained", 0, 24_000),
        ("MP3, variable, without a header: whole", 0, 40_176),
        ("u-law WAV: sizes 0x0", 0, 12_000),
        ("A-law WAV: cut in half", 3, 5_998),
        ("WebM Opus: hole of 10 s", 3, 22_001),
        ("PCM 16 WAV: joined to itself", 3, 12_000),
    ],
)
def test_audio_prints_what_was_decoded(name: str, code: int, duration_ms: int, cli: Cli, tmp_path: Path) -> None:
    """K4: 9223372036854775807 frames; half a call with exit 0."""
    ran = cli("audio", made(name, tmp_path), code=code)
    assert ran.json["duration_ms"] == duration_ms
    assert ("incomplete" in ran.json) == (code == 3)
    assert ("the recording is incomplete" in ran.err) == (code == 3)


def test_peaks_are_as_long_as_what_was_decoded(cli: Cli, tmp_path: Path) -> None:
    ran = cli("audio", made("Ogg Vorbis: chained", tmp_path), "--peaks", "p.json", code=0)
    assert ran.json["peaks"]["pixels"] == -(-ran.json["frames"] // 256)
    assert json.loads((tmp_path / "p.json").read_text())["length"] == ran.json["peaks"]["pixels"]


@pytest.mark.parametrize("name", ["Ogg Opus: chained", "MP3: joined to itself"])
def test_a_clip_of_the_second_half_of_joined_files_is_written(name: str, cli: Cli, tmp_path: Path) -> None:
    """K4: 44 bytes, exit 0."""
    ran = cli("clip", made(name, tmp_path), "--start", "20", "--end", "22", "--out", "c.wav", code=0)
    (clip,) = ran.json["clips"]
    assert clip["frames"] == soundfile.info(tmp_path / "c.wav").frames == 16_000


def test_a_clip_past_the_end_says_what_was_written(cli: Cli, tmp_path: Path) -> None:
    """K4: a clip past the end, exit 0."""
    source = made("MP3: cut in half", tmp_path)
    ran = cli("clip", source, "--start", "5", "--end", "9", "--out", "c.wav", code=3)
    (clip,) = ran.json["clips"]
    assert clip["flags"] == ["clipped_end"]
    assert clip["frames"] == soundfile.info(tmp_path / "c.wav").frames < 8_000
    ran = cli("clip", source, "--start", "8", "--end", "9", "--out", "d.wav", code=3)
    assert ran.json["clips"][0]["flags"] == ["outside"]
    assert not (tmp_path / "d.wav").exists()


def test_a_clip_of_two_data_chunks_keeps_its_bytes(cli: Cli, tmp_path: Path) -> None:
    source = made("u-law WAV: two data chunks", tmp_path)
    ran = cli("clip", source, "--start", "5.5", "--end", "6.5", "--out", "c.wav", code=0)
    assert ran.json["clips"][0]["codec"] == "ulaw"
    whole = make(next(one for one in CASES if one.name == "u-law WAV: whole"), tmp_path)
    wanted = soundfile.read(whole, start=44_000, stop=52_000, dtype="int16")[0]
    assert (soundfile.read(tmp_path / "c.wav", dtype="int16")[0] == wanted).all()


def test_a_file_of_headers_alone_is_no_recording(cli: Cli, tmp_path: Path) -> None:
    """Vorbis whose pages with sound are all gone: 0 samples, with exit code 0."""
    path = Path(made("Ogg Vorbis: whole", tmp_path))
    path.write_bytes(path.read_bytes()[:4_200])
    ran = cli("audio", str(path), code=3)
    assert "holds no samples; the Ogg stream has no end mark" in ran.err
