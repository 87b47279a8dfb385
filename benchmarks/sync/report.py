"""Builds every set, measures it, and writes the table: ``python -m benchmarks.sync [SEED]``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import repeat

import numpy as np

from benchmarks.sync.calls import Kind, build, transcript
from benchmarks.sync.trial import Trial, against, trial
from benchmarks.sync.voices import Voices, human, synthetic
from turnkeeper.audio.sync import Verdict

__all__ = ["FRESH", "Set", "measured", "run", "table"]

TUNED, FRESH = 1, 2026
"""The seed on which thresholds were set, and the one of the published table."""


@dataclass(frozen=True)
class Set:
    """Calls of one kind. ``number`` is part of the seed, so adding a set changes no other."""

    number: int
    name: str
    voices: Callable[[], Voices]
    kind: Kind
    calls: int = 60


_TANGLED = Kind(overtalk=0.4, crosstalk_db=-20, snr_db=(20, 25))
SETS = (
    Set(1, "people, 25 dB", human, Kind()),
    Set(2, "people, 20 dB", human, Kind(snr_db=(20, 20))),
    Set(3, "espeak-ng, 20 dB", synthetic, Kind(snr_db=(20, 20))),
    Set(4, "people, overtalk 40 %, crosstalk -20 dB, 20-25 dB", human, _TANGLED),
    Set(5, "people, 10-20 dB", human, Kind(snr_db=(10, 20))),
    Set(6, "people, 3-8 dB", human, Kind(snr_db=(3, 8)), 30),
    Set(7, "people, 10-20 min, 20-30 dB", human, Kind(minutes=(10, 20), snr_db=(20, 30)), 30),
    Set(8, "people, 1 h, 25 dB", human, Kind(minutes=(60, 60)), 12),
    Set(9, "people, 1-3 unannounced cuts, 25 dB", human, Kind(cuts=(1, 3), minutes=(5, 15)), 60),
    Set(10, "people, 1-2 min, 25 dB", human, Kind(minutes=(1, 2)), 60),
    Set(11, "people, metadata right, 25 dB", human, Kind(metadata_right=True), 60),
    Set(12, "people, starts vary by 150 ms, 25 dB", human, Kind(jitter_ms=150), 30),
    Set(13, "people, one channel, 20-25 dB", human, Kind(mono=True, snr_db=(20, 25)), 60),
)  # fmt: skip
WRONG = (1, 4, 5, 9, 10, 13)
"""The sets of which each call is also given the transcript of another call of the same kind."""


@cache
def _voices(source: Callable[[], Voices]) -> Voices:
    return source()


def measured(one: Set, seed: int, number: int) -> tuple[Trial, Verdict | None]:
    """One call with its own transcript, and the verdict on another transcript where the set asks for that."""
    voices = _voices(one.voices)
    call = build(one.kind, voices, np.random.default_rng([seed, one.number, number]))
    if one.number not in WRONG:
        return trial(call), None
    other = transcript(one.kind, voices, np.random.default_rng([seed, one.number, number, 1]))
    return trial(call), against(call, other)[0].verdict


def table(sets: Iterable[Set], seed: int) -> str:
    """The two tables, in Markdown."""
    header = (
        "| calls | n | offset error ms p50 / p95 / max | worst turn ms p95 | drift error ppm p95, calls of >= 10 min | "
        "turns within 100 ms | cuts counted right | channels right | verified / corrected / unverified / mismatch |\n"
        "|---|---|---|---|---|---|---|---|---|\n"
    )
    rows, wrong = [], []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for one in sets:
            numbers = range(one.calls)
            results = list(pool.map(measured, repeat(one), repeat(seed), numbers))
            rows.append(_row(one, [right for right, _ in results]))
            print(rows[-1], flush=True)
            verdicts = Counter(verdict for _, verdict in results if verdict)
            if verdicts:
                accepted = verdicts["verified"] + verdicts["corrected"]
                row = (one.name, one.calls, accepted, verdicts["unverified"], verdicts["mismatch"])
                wrong.append("| " + " | ".join(map(str, row)) + " |")
                print(wrong[-1], flush=True)
    second = "| wrong transcripts | n | accepted | unverified | mismatch |\n|---|---|---|---|---|\n"
    return header + "\n".join(rows) + "\n\n" + second + "\n".join(wrong) + "\n"


def _row(one: Set, trials: Sequence[Trial]) -> str:
    """Errors are those of accepted calls: what is refused carries no figures."""
    verdicts = Counter(trial.sync.verdict for trial in trials)
    kept = [trial for trial in trials if trial.accepted]
    long = [trial.drift_ppm for trial in kept if trial.minutes >= 10]
    offsets = [trial.offset_ms for trial in kept]
    shown = (
        one.name,
        str(len(trials)),
        " / ".join(f"{_percentile(offsets, share):.1f}" for share in (50, 95, 100)),
        f"{_percentile([trial.worst_ms for trial in kept], 95):.0f}",
        f"{_percentile(long, 95):.1f} ({len(long)})" if long else "",
        f"{100 * float(np.mean([trial.close for trial in kept] or [0])):.1f} %",
        f"{sum(trial.cuts_right for trial in kept)} of {len(kept)}",
        "" if one.kind.mono else f"{sum(trial.channel_right for trial in kept)} of {len(kept)}",
        " / ".join(str(verdicts[name]) for name in ("verified", "corrected", "unverified", "mismatch")),
    )
    return "| " + " | ".join(shown) + " |"


def _percentile(values: Sequence[float], share: float) -> float:
    return float(np.percentile(values, share)) if values else float("nan")


def run(seed: int = FRESH) -> str:
    """The section of this suite, also printed."""
    for source in (human, synthetic):
        _voices(source)
    heading = f"## Transcripts on their audio\n\nSeed {seed}; what the columns mean: [synchronisation](sync.md).\n\n"
    text = heading + table(SETS, seed)
    print(text)
    return text
