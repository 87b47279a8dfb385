"""Ordinary lines: what gates, gateways and headsets make of a call. ``python -m benchmarks.sync.lines [seed] [calls]``.

The calls are those of ``benchmarks.sync``; the line is put on them afterwards, so their truth stays known.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from tools.telephone import RATE

from benchmarks.sync.calls import Call, Kind, build, transcript
from benchmarks.sync.trial import Trial, against, trial
from benchmarks.sync.voices import Voices, human, samples
from turnkeeper.audio.sync import Verdict
from turnkeeper.audio.turn_arrays import Side

__all__ = ["COUNTED", "KINDS", "LINES", "Turns", "counted", "drawn_out", "gated", "judged", "made", "offsets", "put"]

Audio = NDArray[np.int16]
Line = Callable[[Audio, np.random.Generator], Audio]
Turns = list[tuple[int, int, Side]]

COUNTED = f"channels right | {' / '.join(get_args(Verdict))} | wrong accepted"
"""The heads of the cells of ``counted``."""

_GATE, _REACH_S = 600, 0.12


def _open(audio: Audio) -> NDArray[np.bool_]:
    """Where a gate is open: something louder than its threshold lies within its reach."""
    reach = int(_REACH_S * RATE)
    loud = np.abs(audio.astype(np.int32)) > _GATE
    counts = np.cumsum(np.pad(loud, ((0, 0), (reach + 1, reach))), axis=1)
    return np.asarray(counts[:, 2 * reach + 1 :] - counts[:, : -2 * reach - 1] > 3)


def gated(audio: Audio, _source: np.random.Generator) -> Audio:
    """Exact digital silence where nobody speaks."""
    return np.where(_open(audio), audio, 0).astype(np.int16)


def _comfort(audio: Audio, source: np.random.Generator) -> Audio:
    """A gate, and noise of six steps where it is closed: the listener must not think that the line is dead."""
    noise = source.integers(-6, 7, audio.shape)
    return np.where(_open(audio), audio, noise).astype(np.int16)


def _one_sided(audio: Audio, source: np.random.Generator) -> Audio:
    """One of the two sides was not recorded."""
    found = gated(audio, source)
    found[int(source.integers(2))] = 0
    return found


def _mono(audio: Audio, source: np.random.Generator) -> Audio:
    return np.clip(gated(audio, source).astype(np.int32).sum(0, keepdims=True), -32768, 32767).astype(np.int16)


def _doubled(audio: Audio, source: np.random.Generator) -> Audio:
    """One mixed voice on both channels."""
    return np.repeat(_mono(audio, source), 2, axis=0)


def _echo(audio: Audio, source: np.random.Generator) -> Audio:
    """Each side hears itself again on the other channel, 60 to 180 ms later and 18 to 26 dB lower."""
    late, level = int(source.uniform(0.06, 0.18) * RATE), 10 ** (-source.uniform(18, 26) / 20)
    echoed = audio.astype(np.float64)
    echoed[:, late:] += audio[::-1, :-late] * level
    return gated(np.clip(echoed, -32768, 32767).astype(np.int16), source)


def _as_it_is(audio: Audio, _source: np.random.Generator) -> Audio:
    return audio


LINES: dict[str, Line] = {
    "gated (exact digital silence)": gated,
    "sparse and gated": _as_it_is,
    "noisy, muted in long silences": _as_it_is,
    "comfort noise": _comfort,
    "one side missing": _one_sided,
    "one channel, gated": _mono,
    "the same on both channels, gated": _doubled,
    "echo, gated": _echo,
}
KINDS: dict[str, Kind] = {
    "sparse and gated": Kind(minutes=(3, 8), overtalk=0.02),
    "noisy, muted in long silences": Kind(minutes=(3, 8), overtalk=0.02),
}


def put(call: Call, line: Line, source: np.random.Generator) -> Call:
    """The call over that line."""
    return replace(call, audio=line(call.audio, source))


def _sparsely(name: str, voices: Voices, source: np.random.Generator) -> Call:
    """A call in which nobody speaks more than half of the time: its silences are drawn out."""
    call = build(KINDS[name], voices, source)
    return drawn_out(put(call, gated, source) if "gated" in name else call, source)


def drawn_out(call: Call, source: np.random.Generator, seconds: tuple[float, float] = (2, 6)) -> Call:
    """Silence of so many ``seconds`` put before every third turn that begins after one."""
    audio, starts = [], call.truth_s.copy()
    nominal, turns = call.nominal_s.copy(), list(call.turns)
    at, moved = 0, 0.0
    ends = np.maximum.accumulate(call.truth_s + call.lasts_s)
    for place in range(len(turns)):
        quiet = place > 0 and call.truth_s[place] - ends[place - 1] > 0.3 and place % 3 == 0
        if quiet and call.truth_s[place] > 0:
            cut = int((call.truth_s[place] - 0.15) * RATE)
            more = float(source.uniform(*seconds))
            audio += [call.audio[:, at:cut], np.zeros((len(call.audio), int(more * RATE)), np.int16)]
            at, moved = cut, moved + int(more * RATE) / RATE
        starts[place] += moved
        nominal[place] += moved
        start, end, side = turns[place]
        turns[place] = (start + round(moved * 1000), end + round(moved * 1000), side)
    joined = np.concatenate([*audio, call.audio[:, at:]], axis=1)
    return replace(call, audio=joined, truth_s=starts, nominal_s=nominal, turns=turns)


def made(name: str, voices: Voices, source: np.random.Generator) -> tuple[Call, Turns]:
    """A call over the line of that name, and the transcript of another call."""
    kind = KINDS.get(name, Kind(minutes=(3, 8)))
    call = _sparsely(name, voices, source) if name in KINDS else build(kind, voices, source)
    return put(call, LINES[name], source), transcript(kind, voices, source)


def judged(call: Call, foreign: Turns) -> tuple[Trial, bool]:
    """What its own transcript gives, and whether the other one is accepted."""
    return trial(call), against(call, foreign)[0].verdict in ("verified", "corrected")


def offsets(rows: Sequence[Trial]) -> str:
    """The middle and the 95th percentile of the offset errors of accepted calls, in ms."""
    errors = [one.offset_ms for one in rows if one.accepted]
    return " / ".join(f"{np.percentile(errors, share):.1f}" for share in (50, 95)) if errors else ""


def counted(rows: Sequence[tuple[Trial, bool]]) -> tuple[str, str, str]:
    """The cells that both tables end with: channels right, the verdicts, wrong transcripts accepted."""
    good = [one for one, _ in rows if one.accepted]
    verdicts = [str(sum(one.sync.verdict == each for one, _ in rows)) for each in get_args(Verdict)]
    right = sum(one.channel_right for one in good)
    return f"{right} of {len(good)}", " / ".join(verdicts), f"{sum(wrong for _, wrong in rows)} of {len(rows)}"


def main(seed: int = 2026, count: int = 20, voices: Voices | None = None) -> None:
    """Print the table of docs/sync.md."""
    voices = voices or human()
    print(f"| line | n | offset error ms p50 / p95 | {COUNTED} |")
    print("|---|---|---|---|---|---|")
    for name in LINES:
        source = np.random.default_rng([seed, len(name)])
        rows = [judged(*made(name, voices, source)) for _ in range(count)]
        cells = (name, count, offsets([one for one, _ in rows]), *counted(rows))
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
        if "--why" in sys.argv:
            for one, _ in rows:
                if not one.accepted:
                    print("   ", one.sync.evidence)


if __name__ == "__main__":
    numbers = [int(one) for one in sys.argv[1:] if one.isdigit()]
    main(*numbers, voices=samples() if "--samples" in sys.argv else None)
