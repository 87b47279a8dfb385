"""One measurement in a process of its own: ``python -m benchmarks.audio.measured WHAT FILE`` prints seconds and MB."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from turnkeeper.audio.decode import BLOCK, open_audio
from turnkeeper.audio.peaks import build_peaks


def plain(path: Path) -> None:
    """What decoding costs by itself: soundfile into one buffer."""
    block = np.empty((BLOCK, 2), np.int16)
    with soundfile.SoundFile(path) as file:
        while file.buffer_read_into(block, "int16"):
            pass


def blocks(path: Path) -> None:
    """Our blocks: the same, channel-major, each block its own."""
    with open_audio(path) as audio:
        for _ in audio.blocks():
            pass


def peaks(path: Path) -> None:
    """Peaks at five zooms, one of them written to a file."""
    with (
        open_audio(path) as audio,
        build_peaks(audio.blocks(), audio.rate, audio.channels) as pyramid,
        path.with_suffix(".dat").open("wb") as out,
    ):
        pyramid.write_dat(out, 256)


def straightforward(path: Path) -> None:
    """Peaks at one zoom as one would write them first."""
    found = []
    with soundfile.SoundFile(path) as file:
        for block in file.blocks(BLOCK, dtype="int16", always_2d=True):
            whole = block[: len(block) // 256 * 256].reshape(-1, 256, 2)
            found.append(np.stack((whole.min(1), whole.max(1)), axis=2))
    (np.concatenate(found) // 256).astype(np.int8).tofile(path.with_suffix(".raw"))


WHAT: dict[str, Callable[[Path], None]] = {
    "plain decoding (soundfile)": plain,
    "turnkeeper blocks": blocks,
    "turnkeeper peaks, five zooms": peaks,
    "numpy reshape, one zoom": straightforward,
}


def main(what: str, path: str) -> None:
    """The CPU seconds of the best of three runs, and the peak memory of the process."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        WHAT[what](Path(path))
        best = min(best, time.process_time() - began)
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    print(json.dumps({"seconds": best, "mb": peak / 1000}))


if __name__ == "__main__":
    main(*sys.argv[1:])
