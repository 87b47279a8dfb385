"""Gated and sparse calls in five languages through every codec of docs/audio.md.

``python -m benchmarks.sync.codecs [seed] [calls] [codec …]`` prints the table of docs/sync.md. The calls are the same
for every codec. What a codec puts in front (docs/audio.md) is measured against the call as it was, and belongs to the
truth: a comparison with a transcript cannot tell it from a late recording.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
from tests.unit.audio.damage import ENCODERS
from tests.unit.audio.sounds import lag
from tools.telephone import RATE

from benchmarks.sync.calls import Call
from benchmarks.sync.lines import COUNTED, Turns, counted, judged, made, offsets
from benchmarks.sync.voices import everybody
from turnkeeper.audio.decode import open_audio

__all__ = ["through"]

_LINES = ("gated (exact digital silence)", "sparse and gated")


def through(codec: str, call: Call, folder: Path) -> Call:
    """The call as turnkeeper decodes it from a file of that codec."""
    path = folder / "recording.bin"
    path.write_bytes(ENCODERS[codec](folder, call.audio))
    with open_audio(path) as audio:
        samples, rate = np.concatenate(list(audio.blocks()), axis=1), audio.rate
    late = lag(samples[:, :: rate // RATE].sum(0), call.audio.sum(0)) / RATE
    return replace(call, audio=samples, rate=rate, truth_s=call.truth_s + late)


def _calls(name: str, seed: int, count: int) -> list[tuple[Call, Turns]]:
    voices, source = everybody(), np.random.default_rng([seed, len(name)])
    return [made(name, voices, source) for _ in range(count)]


def main(seed: int = 2026, count: int = 6, *codecs: str) -> None:
    """Print the table of docs/sync.md, or the rows of ``codecs`` alone."""
    calls = {name: _calls(name, seed, count) for name in _LINES}
    print(f"| codec | n | gated: offset error ms p50 / p95 | sparse: the same | {COUNTED} |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for codec in codecs or ENCODERS:
            rows = [
                [judged(through(codec, call, Path(folder)), foreign) for call, foreign in calls[name]]
                for name in _LINES
            ]
            errors = (offsets([one for one, _ in each]) for each in rows)
            cells = (codec, 2 * count, *errors, *counted(list(chain(*rows))))
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), *sys.argv[3:])
