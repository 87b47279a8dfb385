"""The verdict and the figures, on the sample calls and on eight calls built of their turns."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import soundfile
from benchmarks.sync.calls import Kind, build
from benchmarks.sync.trial import against, trial
from benchmarks.sync.voices import samples
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.audio.test_calls import CALLS, FOLDER
from turnkeeper.audio.loudness import loudness
from turnkeeper.audio.peaks import PeakBuilder, build_peaks
from turnkeeper.audio.sync import Sync, compare_loudness, synchronise
from turnkeeper.audio.turn_arrays import SIDES, Side

BY_NAME = {call["name"]: call for call in CALLS}


@cache
def decoded(name: str) -> np.ndarray:
    files = [
        soundfile.read(FOLDER / file["file"], dtype="int16", always_2d=True)[0].T for file in BY_NAME[name]["files"]
    ]
    return np.concatenate([channels[:, : min(one.shape[1] for one in files)] for channels in files])


def blocks_of(call: dict[str, Any], size: int = 65536) -> Iterator[np.ndarray]:
    audio = decoded(call["name"])
    for first in range(0, audio.shape[1], size):
        yield np.ascontiguousarray(audio[:, first : first + size])


def turns_of(call: dict[str, Any], *, annotated: bool = True) -> list[tuple[int, int, Side]]:
    """The transcript in nominal audio time: what the recording's start and the announced pauses say, and no more."""

    def nominal(ms: int) -> int:
        cut = [pause for pause in call["pauses"] if pause["cut"] and annotated and pause["start_ms"] < ms]
        return ms - call["recording_start_ms"] - sum(pause["end_ms"] - pause["start_ms"] for pause in cut)

    return [
        (nominal(turn["start_ms"]), nominal(turn["end_ms"]), "customer" if turn["role"] == "customer" else "agent")
        for turn in call["turns"]
    ]


def measured(call: dict[str, Any], turns: list[tuple[int, int, Side]] | None = None) -> Sync:
    return synchronise(blocks_of(call), 8000, 2, turns_of(call) if turns is None else turns)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call["name"])
def test_each_sample_call_has_the_verdict_and_figures_it_was_made_with(call: dict[str, Any]) -> None:
    found = measured(call)
    assert found.verdict == call["expected_verdict"], found
    assert found.offset_ms == pytest.approx(call["true_offset_ms"], abs=8)
    assert found.drift_ppm == pytest.approx(call["true_drift_ppm"], abs=60)
    assert found.swapped is call["swapped"]
    assert found.channels == (("agent", "customer") if call["swapped"] else ("customer", "agent"))
    assert found.cuts == ()
    assert found.confidence >= 0.5


def test_a_pause_that_nobody_announced_is_found() -> None:
    call = BY_NAME["secure-pause"]
    (pause,) = call["pauses"]
    found = measured(call, turns_of(call, annotated=False))
    assert found.verdict == "corrected"
    (cut,) = found.cuts
    assert cut.end_ms - cut.start_ms == pytest.approx(pause["end_ms"] - pause["start_ms"], abs=30)
    assert cut.start_ms == pytest.approx(pause["start_ms"] - call["recording_start_ms"], abs=1000)


OTHERS = list(pairwise(["plain", "two-files", "swapped", "overtalk", "offset", "plain"]))


@pytest.mark.parametrize(("audio", "transcript"), OTHERS)
def test_another_conversation_is_not_accepted(audio: str, transcript: str) -> None:
    found = measured(BY_NAME[audio], turns_of(BY_NAME[transcript]))
    assert found.verdict in {"unverified", "mismatch"}
    assert (found.offset_us, found.drift_ppb, found.channels) == (0, 0, ())


@pytest.mark.parametrize("name", ["plain", "offset", "drift"])
def test_starts_that_vary_leave_the_verdict(name: str) -> None:
    source = np.random.default_rng(5)
    moved = [(start + round(source.normal(0, 40)), end + 80, side) for start, end, side in turns_of(BY_NAME[name])]
    found = measured(BY_NAME[name], moved)
    # 18 ms of drift in all cannot be told from starts that vary by 40 ms: then nothing is corrected.
    assert found.verdict == ("verified" if name == "drift" else BY_NAME[name]["expected_verdict"])
    assert abs(found.offset_ms - BY_NAME[name]["true_offset_ms"]) < 40


def test_peaks_and_loudness_come_of_one_pass() -> None:
    """Each block goes through both, and neither is changed by the other."""
    call = BY_NAME["plain"]
    drawing = PeakBuilder(8000, 2, zooms=(256,))
    heard = loudness(drawing.pass_through(blocks_of(call)), 8000, 2)
    assert compare_loudness(heard, turns_of(call)) == measured(call)
    one, other = io.BytesIO(), io.BytesIO()
    with drawing.finish() as peaks, build_peaks(blocks_of(call), 8000, 2, zooms=(256,)) as alone:
        peaks.write_dat(one, 256)
        alone.write_dat(other, 256)
    assert one.getvalue() == other.getvalue()


def test_the_size_of_the_blocks_changes_nothing() -> None:
    call, turns = BY_NAME["plain"], turns_of(BY_NAME["plain"])
    whole = synchronise(blocks_of(call, 10**9), 8000, 2, turns)
    assert whole == synchronise(blocks_of(call, 1013), 8000, 2, turns)


@pytest.mark.parametrize("rate", [11025, 16000, 44100, 48000])
def test_other_rates_give_the_same_figures(rate: int) -> None:
    call = BY_NAME["offset"]
    audio = np.concatenate(list(blocks_of(call)), axis=1)
    places = np.arange(audio.shape[1] * rate // 8000) * 8000 / rate
    faster = np.stack([np.interp(places, np.arange(audio.shape[1]), channel) for channel in audio]).astype(np.int16)
    found = synchronise([faster], rate, 2, turns_of(call))
    assert found.verdict == "corrected"
    assert found.offset_ms == pytest.approx(1730, abs=12)


def test_one_channel_with_both_voices_is_never_given_roles() -> None:
    call = BY_NAME["drift"]
    mixed = [block.sum(0, keepdims=True).astype(np.int16) for block in blocks_of(call)]
    found = synchronise(mixed, 8000, 1, turns_of(call))
    assert found.channels == ()
    assert not found.swapped


def test_two_channels_with_the_same_sound_count_as_one() -> None:
    call = BY_NAME["drift"]
    mixed = [np.repeat(block.sum(0, keepdims=True), 2, axis=0).astype(np.int16) for block in blocks_of(call)]
    found = synchronise(mixed, 8000, 2, turns_of(call))
    assert found.channels == ()


@pytest.mark.parametrize(
    ("audio", "channels", "turns", "reason"),
    [
        (np.zeros((3, 80000), np.int16), 3, 20, "3 channels"),
        (np.zeros((2, 80000), np.int16), 2, 3, "3 turns"),
        (np.zeros((2, 0), np.int16), 2, 20, "too short"),
        (np.zeros((2, 80000), np.int16), 2, 20, "no speech"),
        (np.zeros((1, 80000), np.int16), 1, 20, "no speech"),
    ],
)
def test_what_cannot_be_told_says_why(audio: np.ndarray, channels: int, turns: int, reason: str) -> None:
    said: list[tuple[int, int, Side]] = [(at * 500, at * 500 + 400, "customer") for at in range(turns)]
    found = synchronise([audio], 8000, channels, said)
    assert found.verdict == "unverified"
    assert reason in found.evidence.reason


def test_noise_and_a_one_sided_transcript_are_unverified() -> None:
    noise = np.random.default_rng(1).integers(-900, 900, (2, 8000 * 60)).astype(np.int16)
    said: list[tuple[int, int, Side]] = [(at * 2000, at * 2000 + 900, "agent") for at in range(25)]
    assert synchronise([noise], 8000, 2, said).verdict == "unverified"


SMALL = {
    "quiet line": Kind(minutes=(3, 4)),
    "20 dB": Kind(minutes=(3, 4), snr_db=(20, 20)),
    "overtalk": Kind(minutes=(3, 4), snr_db=(22, 22), overtalk=0.4, crosstalk_db=-20),
    "15 dB": Kind(minutes=(3, 4), snr_db=(15, 15)),
    "3 dB": Kind(minutes=(3, 4), snr_db=(3, 3)),
    "a cut": Kind(minutes=(3, 4), cuts=(1, 1), drift_ppm=50),
    "metadata right": Kind(minutes=(3, 4), metadata_right=True),
    "ten minutes": Kind(minutes=(10, 10)),
}
"""One call of each kind of the benchmark, built of the sample calls' turns: a look at every run, not the figures."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_small_benchmark(name: str) -> None:
    call = build(SMALL[name], samples(), np.random.default_rng([3, len(name)]))
    found = trial(call)
    if name == "3 dB":
        assert found.sync.verdict == "unverified" or found.offset_ms < 100
        return
    assert found.sync.verdict == ("verified" if name == "metadata right" else "corrected"), found
    assert found.offset_ms < (50 if name == "15 dB" else 20)
    assert found.worst_ms < (100 if name == "a cut" else 50)
    assert found.channel_right
    assert found.cuts_right
    assert found.drift_ppm < 400
    other = build(SMALL[name], samples(), np.random.default_rng([4, len(name)]))
    assert against(call, other.turns)[0].verdict in {"unverified", "mismatch"}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call["name"])
def test_stamped_ends_and_a_grid_of_20_ms_change_no_verdict(call: dict[str, Any]) -> None:
    """The platform's word times: starts on a grid, most words 80 ms long, a turn as long as its words say."""
    stamped: list[tuple[int, int, Side]] = []
    for turn, (start, _, side) in zip(call["turns"], turns_of(call), strict=True):
        last = turn["words"][-1]["start_ms"] - turn["start_ms"]
        stamped.append((round(start / 20) * 20, round((start + last) / 20) * 20 + 80, side))
    found = measured(call, stamped)
    assert found.verdict == call["expected_verdict"]
    assert found.offset_ms == pytest.approx(call["true_offset_ms"], abs=12)


@given(
    seed=st.integers(0, 10**6),
    channels=st.sampled_from([1, 2]),
    sound=st.sampled_from(["constant", "noise", "a click", "bursts"]),
    spread=st.sampled_from([1, 10, 1000]),
    one_side=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_nothing_is_verified_in_noise(seed: int, channels: int, sound: str, spread: int, *, one_side: bool) -> None:
    """Nor does anything raise or warn, however far the turns reach."""
    source = np.random.default_rng(seed)
    noise = source.integers(-9000, 9000, (channels, 80_000))
    audio = {
        "constant": np.full_like(noise, 1000),
        "noise": noise,
        "a click": noise * (np.abs(np.arange(80_000) - 40_000) < 400),
        "bursts": noise * (np.arange(80_000) // 6000 % 3 == 0),
    }[sound]
    starts = source.integers(-20_000, 10_000 * spread, int(source.integers(1, 40)))
    turns = [(int(at), int(at) + int(source.integers(5000)), SIDES[0 if one_side else at % 2]) for at in starts]
    assert synchronise([audio.astype(np.int16)], 8000, channels, turns).verdict in {"unverified", "mismatch"}
