"""Calls whose truth is known: two sides taking turns, recorded over a line, and the transcript of a recogniser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from tools.telephone import RATE, line_noise

from benchmarks.sync.voices import Voices
from turnkeeper.audio.turn_arrays import SIDES, Side

__all__ = ["Call", "Kind", "build", "transcript"]

Samples = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a set's calls are like. Ranges are drawn from evenly, per call.

    ``snr_db`` is speech while it is spoken over noise, on each channel; ``jitter_ms`` the standard deviation of the
    recogniser's starts; its ends are 80 ms late and vary by 60 ms. ``overtalk`` is the share of turns that begin before
    the one before has ended.
    """

    minutes: tuple[float, float] = (3, 15)
    snr_db: tuple[float, float] = (25, 25)
    overtalk: float = 0.15
    crosstalk_db: float = -50
    jitter_ms: float = 40
    drift_ppm: float = 300
    offset_s: tuple[float, float] = (-20, 60)
    cuts: tuple[int, int] = (0, 0)
    mono: bool = False
    metadata_right: bool = False


@dataclass(frozen=True)
class Call:
    """``turns`` as a recogniser writes them (nominal audio ms). ``nominal_s`` is when each really starts, ``truth_s``
    where that is in the audio, ``lasts_s`` how long it is spoken. ``rate`` is that of ``audio`` in Hz.
    """

    audio: NDArray[np.int16]
    turns: list[tuple[int, int, Side]]
    nominal_s: Samples
    truth_s: Samples
    lasts_s: Samples
    offset_s: float
    drift: float
    cuts: int
    customer_channel: int
    rate: int = RATE

    def blocks(self) -> Iterator[NDArray[np.int16]]:
        """As a decoder gives them."""
        for first in range(0, self.audio.shape[1], 65536):
            yield np.ascontiguousarray(self.audio[:, first : first + 65536])


def build(kind: Kind, voices: Voices, source: np.random.Generator) -> Call:
    """One call."""
    speakers = source.choice(len(voices.speakers), 2, replace=False)
    said, holds = _conversation(kind, voices, speakers, source)
    offset = 0.0 if kind.metadata_right else float(source.uniform(*kind.offset_s))
    drift = 0.0 if kind.metadata_right else float(source.uniform(-kind.drift_ppm, kind.drift_ppm)) * 1e-6
    pauses = _pauses(kind, said, source)
    truth = np.array([offset + (1 + drift) * start - _gone(pauses, start) for start, _, _ in said])
    last = max(place + len(sound) / RATE for place, (_, _, sound) in zip(truth, said, strict=True))
    channels = _placed(said, truth, int((last + 2) * RATE), source)
    music = _held(holds, voices, channels.shape[1], offset, pauses, source)
    audio = _line(channels, music, kind, source)
    turns = _recognised(said, kind, source)
    customer = int(source.integers(2)) if not kind.metadata_right else 0
    audio = audio.sum(0, keepdims=True) if kind.mono else audio if customer == 0 else audio[::-1]
    starts, lasts = np.array([one[0] for one in said]), np.array([len(one[2]) / RATE for one in said])
    return Call(_ulaw(audio), turns, starts, truth, lasts, offset, drift, len(pauses), customer)


def transcript(kind: Kind, voices: Voices, source: np.random.Generator) -> list[tuple[int, int, Side]]:
    """The transcript of a call nobody recorded."""
    said, _ = _conversation(kind, voices, source.choice(len(voices.speakers), 2, replace=False), source)
    return _recognised(said, kind, source)


Said = list[tuple[float, int, Samples]]


def _conversation(
    kind: Kind, voices: Voices, speakers: NDArray[np.int64], source: np.random.Generator
) -> tuple[Said, list[tuple[float, float]]]:
    """Turns (start, side, sound) in seconds, and the stretches of hold."""
    length = float(source.uniform(*kind.minutes)) * 60
    hold_at = source.uniform(60, max(61, length), round(length / 400))
    said: Said = []
    holds: list[tuple[float, float]] = []
    now, side = 0.8, 1
    while now < length:
        pool = voices.speakers[speakers[side]]
        sound = _turn(pool, source)
        over = len(said) > 0 and source.random() < kind.overtalk
        gap = -float(source.uniform(0.15, 0.9)) if over else float(source.gamma(2.0, 0.28)) + 0.08
        start = max(now + gap, max((s + len(x) / RATE for s, which, x in said[-4:] if which == side), default=0) + 0.12)
        if any(now <= at < start + 3 for at in hold_at) and not over:
            holds.append((start, start + float(source.uniform(8, 35))))
            start = holds[-1][1] + 0.5
        said.append((start, side, sound))
        now = max(now, start + len(sound) / RATE)
        side = side if source.random() < 0.2 else 1 - side
    return said, holds


def _turn(pool: tuple[Samples, ...], source: np.random.Generator) -> Samples:
    """One to three utterances with short pauses between."""
    pieces: list[Samples] = []
    for number in range(int(source.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))):
        if number:
            pieces.append(np.zeros(int(source.uniform(0.1, 0.45) * RATE)))
        piece = pool[int(source.integers(len(pool)))]
        pieces.append(piece / np.sqrt((piece**2).mean()))
    return np.concatenate(pieces)


def _pauses(kind: Kind, said: Said, source: np.random.Generator) -> list[tuple[float, float]]:
    """Stretches (from, length) that the recorder leaves out. The conversation waits meanwhile: later turns move."""
    count = int(source.integers(kind.cuts[0], kind.cuts[1] + 1))
    pauses = []
    places = sorted(source.choice(np.arange(6, len(said) - 6), count, replace=False)) if count else []
    for place in places:
        length = float(source.uniform(15, 50))
        end = max(s + len(x) / RATE for s, _, x in said[: place + 1])
        for later in range(place + 1, len(said)):
            moved, which, other = said[later]
            said[later] = (moved + length + 0.6, which, other)
        pauses.append((end + 0.3, length))
    return pauses


def _gone(pauses: list[tuple[float, float]], at: float) -> float:
    return sum(length for start, length in pauses if start < at)


def _placed(said: Said, truth: Samples, length: int, source: np.random.Generator) -> Samples:
    channels = np.zeros((2, length))
    level = 10 ** (np.array([source.uniform(-29, -21), source.uniform(-25, -20)]) / 20)
    for (_, side, sound), place in zip(said, truth, strict=True):
        first = round(place * RATE)
        piece = sound[max(0, -first) :] * level[side] * 10 ** (float(source.normal(0, 1.5)) / 20)
        at = max(0, first)
        channels[side, at : at + len(piece)] += piece
    return channels


def _held(
    holds: list[tuple[float, float]],
    voices: Voices,
    length: int,
    offset: float,
    pauses: list[tuple[float, float]],
    source: np.random.Generator,
) -> Samples:
    """Hold music on the internal channel (half of the holds are silent)."""
    music = np.zeros(length)
    for start, end in holds:
        if not voices.music or source.random() < 0.5:
            continue
        tune = voices.music[int(source.integers(len(voices.music)))]
        first = max(0, round((start + offset - _gone(pauses, start)) * RATE))
        piece = tune[: max(0, min(round((end - start) * RATE), length - first))]
        if len(piece):
            music[first : first + len(piece)] += piece * (10 ** (-28 / 20) / (np.sqrt((piece**2).mean()) + 1e-9))
    return music


def _line(channels: Samples, music: Samples, kind: Kind, source: np.random.Generator) -> Samples:
    snr = float(source.uniform(*kind.snr_db))
    spoken = [channel[np.abs(channel) > 0] for channel in channels]
    noise_db = [10 * np.log10(float((one**2).mean()) + 1e-9) - snr for one in spoken]
    channels = channels + np.stack([np.zeros_like(music), music])
    crossed = channels + channels[::-1] * 10 ** (kind.crosstalk_db / 20)
    return np.asarray(crossed + np.stack([_noise(len(music), db, source) for db in noise_db]))


@cache
def _noise_loop() -> Samples:
    """Two minutes of noise at full scale's RMS: making as much as an hour needs would take longer than measuring."""
    return line_noise(1 << 20, 0.0, np.random.default_rng(8000))


def _noise(length: int, dbfs: float, source: np.random.Generator) -> Samples:
    loop = np.roll(_noise_loop(), int(source.integers(1 << 20)))
    return np.asarray(np.resize(loop, length) * 10 ** (dbfs / 20), dtype=np.float64)


def _recognised(said: Said, kind: Kind, source: np.random.Generator) -> list[tuple[int, int, Side]]:
    turns: list[tuple[int, int, Side]] = []
    for start, side, sound in said:
        first = start + float(source.normal(0, kind.jitter_ms / 1000))
        last = start + len(sound) / RATE + float(source.normal(0.08, 0.06))
        turns.append((round(first * 1000), max(round(last * 1000), round(first * 1000) + 80), SIDES[side]))
    return turns


@cache
def _ulaw_table() -> NDArray[np.int16]:
    """Every 16-bit value through u-law's 8 bits and back; the index is the value as unsigned."""
    value = np.arange(65536, dtype=np.uint16).astype(np.int16) / 32768
    code = np.round(np.sign(value) * np.log1p(255 * np.abs(value)) / np.log(256) * 127)
    return np.asarray(np.sign(code) * (np.expm1(np.abs(code) / 127 * np.log(256)) / 255) * 32767, dtype=np.int16)


def _ulaw(audio: Samples) -> NDArray[np.int16]:
    return _ulaw_table()[(np.clip(audio, -1, 1) * 32767).astype(np.int16).view(np.uint16)]
