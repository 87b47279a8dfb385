"""A telephone line at 8 kHz: its band, its noise, its crosstalk, and the files a recorder writes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

__all__ = ["RATE", "at_line_rate", "hold_music", "line_noise", "onset_and_end", "write_opus", "write_ulaw"]

RATE = 8000
Samples = NDArray[np.float64]


def at_line_rate(samples: Samples, rate: int) -> Samples:
    """``samples`` at ``RATE`` Hz, 250 to 3,500 Hz with 100 Hz slopes. No delay: the phase is untouched."""
    padded = np.concatenate([samples, np.zeros(rate // 5)])
    length = -(-len(padded) * RATE // rate)
    spectrum = np.fft.rfft(padded)
    hertz = np.arange(length // 2 + 1) * (rate / len(padded))
    gain = np.clip((hertz - 200) / 100, 0, 1) * np.clip((3600 - hertz) / 100, 0, 1)
    kept = spectrum[: len(gain)] * gain[: len(spectrum)]
    return np.asarray(np.fft.irfft(kept, length) * (length / len(padded)), dtype=np.float64)


def onset_and_end(samples: Samples, *, below_peak_db: float = 30.0) -> tuple[int, int]:
    """Where speech is: the first and one past the last 5 ms frame within ``below_peak_db`` of the loudest one."""
    frame = RATE // 200
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    power = (frames**2).mean(1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-below_peak_db / 10))
    return int(loud[0]) * frame, int(loud[-1] + 1) * frame


def line_noise(length: int, dbfs: float, source: np.random.Generator) -> Samples:
    """Noise that falls by 3 dB an octave within the band, at ``dbfs`` RMS."""
    spectrum = np.fft.rfft(source.standard_normal(length))
    hertz = np.fft.rfftfreq(length, 1 / RATE)
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(hertz, 200)), length)
    return np.asarray(noise * (10 ** (dbfs / 20) / np.sqrt((noise**2).mean())), dtype=np.float64)


def hold_music(length: int) -> Samples:
    """A slow tune of plucked notes in C major, made here."""
    tune = np.zeros(length + RATE * 2)
    chords = ((60, 64, 67, 72), (57, 60, 64, 69), (53, 57, 60, 65), (55, 59, 62, 67))
    step = RATE * 3 // 10
    for number, start in enumerate(range(0, length, step)):
        note = chords[number // 8 % 4][(0, 2, 1, 3, 2, 1, 3, 2)[number % 8]]
        seconds = np.arange(RATE * 2) / RATE
        tone = 440 * 2 ** ((note - 69) / 12)
        sound = sum(np.sin(2 * np.pi * tone * k * seconds) * 0.5**k for k in (1, 2, 3, 4))
        tune[start : start + len(seconds)] += sound * np.exp(-seconds * 2.5) * np.minimum(seconds * 200, 1)
    music = tune[:length] / np.abs(tune).max()
    fade = np.minimum(np.arange(length), np.arange(length)[::-1]) / RATE
    return np.asarray(music * np.minimum(fade / 0.6, 1), dtype=np.float64)


def write_ulaw(path: Path, channels: Samples) -> None:
    """``channels`` of shape (channels, samples) as a u-law WAV file."""
    soundfile.write(path, channels.T, RATE, format="WAV", subtype="ULAW")


def write_opus(path: Path, channels: Samples, *, kilobits: int) -> None:
    """``channels`` of shape (channels, samples) as Ogg Opus by ``opusenc``: the same input gives the same bytes."""
    # 4016 is the encoder's OPUS_SET_DTX: next to nothing is sent while nobody speaks.
    pcm = np.round(np.clip(channels.T, -1, 1) * 32767).astype("<i2").tobytes()
    shape = f"--raw --raw-rate {RATE} --raw-chan {len(channels)}"
    coding = f"--speech --comp 10 --bitrate {kilobits} --set-ctl-int 4016=1"
    command = f"opusenc --quiet {shape} {coding} --serial 1 --padding 0 -"
    subprocess.run([*command.split(), str(path)], input=pcm, check=True)
