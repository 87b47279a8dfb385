"""Ends by ear against true ends: ``python -m benchmarks.sync.ends [SEED]`` prints the table of docs/audio.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from tools.telephone import RATE

from benchmarks.sync.calls import Call, Kind, build
from benchmarks.sync.report import FRESH, Set
from benchmarks.sync.voices import human, synthetic
from turnkeeper.audio.turn_ends import TurnOnChannel, repair_ends

CALLS = 20
STAMP_MS = 80
WORD_MS = (150, 500)
"""How long the last word of a turn lasts; the recogniser knows where it starts, and stamps its end."""


SETS = (
    Set(101, "people, 25 dB", human, Kind(minutes=(3, 8))),
    Set(102, "people, 20 dB", human, Kind(minutes=(3, 8), snr_db=(20, 20))),
    Set(103, "people, overtalk 40 %, crosstalk -20 dB, 20-25 dB", human,
        Kind(minutes=(3, 8), overtalk=0.4, crosstalk_db=-20, snr_db=(20, 25))),
    Set(104, "people, 10-20 dB", human, Kind(minutes=(3, 8), snr_db=(10, 20))),
    Set(105, "espeak-ng, 20 dB", synthetic, Kind(minutes=(3, 8), snr_db=(20, 20))),
)  # fmt: skip


def _asked(call: Call, source: np.random.Generator) -> Iterator[tuple[TurnOnChannel, float]]:
    """Each turn inside the audio as the platform stamps it, in the place it was found, and its true end in ms."""
    lasting_s = call.audio.shape[1] / RATE
    for (_, _, side), start, lasts in zip(call.turns, call.truth_s, call.lasts_s, strict=True):
        end = float(start + lasts)
        if start < 0 or end > lasting_s:
            continue
        jitter = float(source.normal(0, 40))
        word = end * 1000 - min(float(source.uniform(*WORD_MS)), float(lasts) * 1000) + jitter
        first = min(float(start) * 1000 + jitter, word)
        channel = call.customer_channel if side == "customer" else 1 - call.customer_channel
        starts = tuple(sorted({round(first), round(word)}))
        yield TurnOnChannel(starts[0], starts[-1] + STAMP_MS, channel, starts), end * 1000


def _measured(one: Set, seed: int) -> tuple[list[float], list[float], int]:
    """Errors in ms of the stamps and, for the turns that were repaired, of the ends that were heard; all turns."""
    stamped, heard, count = [], [], 0
    voices = one.voices()
    for number in range(CALLS):
        source = np.random.default_rng([seed, one.number, number])
        call = build(one.kind, voices, source)
        asked = list(_asked(call, source))
        found = repair_ends(call.blocks(), RATE, len(call.audio), [turn for turn, _ in asked])
        count += len(asked)
        for (turn, end), repaired in zip(asked, found, strict=True):
            stamped.append(turn.end_ms - end)
            if repaired.repaired:
                heard.append(repaired.end_ms - end)
    return stamped, heard, count


def _sizes(errors: list[float]) -> str:
    return " / ".join(f"{np.percentile(np.abs(errors), share):.0f}" for share in (50, 90, 95))


def run(seed: int = FRESH) -> None:
    """The table, in Markdown."""
    print("| calls | turns | repaired | stamps, error ms p50 / p90 / p95 | repaired ends | their median (+ late) |")
    print("|---|---|---|---|---|---|")
    for one in SETS:
        stamped, heard, count = _measured(one, seed)
        share = f"{100 * len(heard) / count:.0f} %"
        print(
            f"| {one.name} | {count} | {share} | {_sizes(stamped)} | {_sizes(heard)} | {np.median(heard):+.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else FRESH)
