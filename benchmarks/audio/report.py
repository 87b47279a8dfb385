"""Runs the measurements and writes the section. Every figure comes from one run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.audio.measured import WHAT
from benchmarks.audio.recordings import FORMATS, recording
from turnkeeper.audio.decode import open_audio
from turnkeeper.audio.peaks import build_peaks

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build/bench/audio"
ROUNDS = 3
SHORT = 10
PLAIN, PEAKS = "plain decoding (soundfile)", "turnkeeper peaks, five zooms"


def run() -> str:
    """The section of this suite, also printed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = "## Audio\n\n" + _hour() + _memory() + _formats() + _oracle()
    print(text)
    return text


def _hour() -> str:
    path = recording(FOLDER, "u-law WAV", 60)
    found: dict[str, list[float]] = {what: [] for what in WHAT}
    for _ in range(ROUNDS):
        for what in WHAT:
            found[what].append(_measured(what, path)["seconds"])
    seconds = {what: median(values) for what, values in found.items()}
    text = (
        "One hour of stereo u-law from a file; CPU seconds on one core, best of three in a process, median of "
        f"{ROUNDS} processes that take turns.\n\n| | CPU s | x plain decoding |\n| --- | ---: | ---: |\n"
    )
    for what, value in seconds.items():
        text += f"| {what} | {value:.3f} | {value / seconds[PLAIN]:.2f} |\n"
    return text + "\n"


def _memory() -> str:
    text = "Peak memory of the process that builds the peaks at five zooms.\n\n| hours | MB |\n| --- | ---: |\n"
    for hours in (1, 12):
        path = recording(FOLDER, "u-law WAV", 60 * hours)
        text += f"| {hours} | {_measured(PEAKS, path)['mb']:.1f} |\n"
        if hours > 1:
            path.unlink()
    return text + "\n"


def _formats() -> str:
    text = f"{SHORT} minutes of stereo at 8 kHz.\n\n| | plain decoding, CPU s | peaks, CPU s |\n| --- | ---: | ---: |\n"
    for name in FORMATS:
        path = recording(FOLDER, name, SHORT)
        plain, peaks = (_measured(what, path)["seconds"] for what in (PLAIN, PEAKS))
        text += f"| {name} | {plain:.3f} | {peaks:.3f} |\n"
    return text + "\n"


def _oracle() -> str:
    """Byte for byte against audiowaveform, where it is installed; it is GPL and no part of this project."""
    program = shutil.which("audiowaveform")
    if program is None:
        return "audiowaveform is not on the PATH: its bytes were not compared in this run.\n"
    same = cases = 0
    for name in FORMATS:
        path = recording(FOLDER, name, 1)
        for zoom in (64, 256, 333):
            for bits in (8, 16):
                cases += 1
                same += _theirs(program, path, zoom, bits) == _ours(path, zoom, bits)
    return f"Files of audiowaveform that are ours byte for byte: {same} of {cases} (five formats, two channels).\n"


def _theirs(program: str, path: Path, zoom: int, bits: int) -> bytes:
    out = FOLDER / "theirs.dat"
    options = ["--split-channels", "-z", str(zoom), "-b", str(bits)]
    subprocess.run([program, "-q", "-i", path, "-o", out, *options], check=True, capture_output=True)
    return out.read_bytes()


def _ours(path: Path, zoom: int, bits: Any) -> bytes:
    out = FOLDER / "ours.dat"
    with (
        open_audio(path) as audio,
        build_peaks(audio.blocks(), audio.rate, audio.channels, zooms=[zoom]) as peaks,
        out.open("wb") as file,
    ):
        peaks.write_dat(file, zoom, bits)
    return out.read_bytes()


def _measured(what: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.audio.measured", what, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found
