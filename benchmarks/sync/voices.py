"""Speech and music to build calls from, at the telephone line's rate. Fetched or made once, outside the project.

People: Debian's Asterisk prompts in English, French and Italian (all its languages where they are asked for), and its
hold music, by ``apt-get download`` (never committed). Machines: espeak-ng. For the tests: the turns of the simulator's
sample calls, which need neither.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from tools.espeak import speak
from tools.telephone import RATE, at_line_rate, onset_and_end

__all__ = ["Voices", "everybody", "human", "samples", "synthetic"]

Samples = NDArray[np.floating]

CACHE = Path(tempfile.gettempdir()) / "turnkeeper-benchmark-audio"
LANGUAGES = ("en", "fr", "it")
MORE_LANGUAGES = (*LANGUAGES, "es", "ru")
MUSIC = "asterisk-moh-opsound-wav"
CALLS = Path(__file__).parents[2] / "src/turnkeeper/simulator/calls"
MACHINES = (
    "gmw/en+f3", "gmw/en-US+m3", "gmw/en-US+f4", "gmw/en+m5", "gmw/en-GB-scotland+m4", "gmw/en-US+f1", "roa/fr+f2",
    "roa/it+m2",
)  # fmt: skip
SENTENCES = (
    "Yes.", "No, not yet.", "Thank you very much.", "I would like to change my booking.", "Can you tell me why?",
    "My bill is far too high this month.", "Let me look that up for you.", "One moment, please.", "It was on Monday.",
    "Perfect, that is all I need.", "Could you spell your name for me?", "The parcel never arrived at my house.",
    "Somebody will call you back this afternoon.", "How long does that take?", "Right.", "Please hold the line.",
    "We have sent you a new card to your old address.", "That's what your colleague told me last week as well.",
    "Everything is in order now, and you will receive an email.", "What happens if I pay a few days later?",
    "Okay, go ahead.", "Four seven one, two two nine.", "Is there anything else that I can do for you today?",
    "Fine, then please cancel the whole contract by the end of the month.",
)  # fmt: skip


@dataclass(frozen=True)
class Voices:
    """Utterances by speaker, each trimmed to its speech (30 dB below its loudest 5 ms), and music."""

    name: str
    speakers: tuple[tuple[Samples, ...], ...]
    music: tuple[Samples, ...]


def human() -> Voices:
    """People reading prompts, and real hold music."""
    return _prompts("human", LANGUAGES)


def everybody() -> Voices:
    """People reading prompts in every language in which Debian has them, and real hold music."""
    return _prompts("everybody", MORE_LANGUAGES)


def synthetic() -> Voices:
    """Eight voices of espeak-ng, and real hold music."""
    return _kept("espeak-ng", lambda: [[_spoken(text, name) for text in SENTENCES] for name in MACHINES])


def _prompts(name: str, languages: tuple[str, ...]) -> Voices:
    packages = [f"asterisk-core-sounds-{language}-wav" for language in languages]
    return _kept(name, lambda: [_utterances(_unpacked(package)) for package in packages])


def _kept(name: str, make: Callable[[], list[list[Samples]]]) -> Voices:
    """Made once, then read from the cache: resampling takes longer than any call."""
    file = CACHE / f"{name}.npz"
    if not file.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        speakers = make()
        music = [_read(path) for path in sorted(_unpacked(MUSIC).rglob("*.wav"))]
        lists = {f"voice {number}": speaker for number, speaker in enumerate(speakers)} | {"music": music}
        arrays = {key: np.concatenate(sounds).astype(np.float32) for key, sounds in lists.items()}
        ends = {f"{key} ends": np.cumsum([len(sound) for sound in sounds]) for key, sounds in lists.items()}
        np.savez(file, allow_pickle=False, **arrays, **ends)
    with np.load(file) as kept:
        keys = [key for key in kept if not key.endswith(" ends")]
        sounds = {key: tuple(np.split(kept[key], kept[f"{key} ends"][:-1])) for key in keys}
    return Voices(name, tuple(sounds[key] for key in keys if key != "music"), sounds["music"])


def samples() -> Voices:
    """The turns of the simulator's sample calls that nobody talks over, by role."""
    speakers: dict[str, list[Samples]] = {}
    for call in json.loads((CALLS / "calls.json").read_text())["calls"]:
        if call["name"] not in {"plain", "offset", "drift", "swapped"}:
            continue
        heard, rate = soundfile.read(CALLS / call["files"][0]["file"], always_2d=True)
        for turn in call["turns"]:
            channel = call["files"][0]["channels"].index(turn["role"])
            first, last = (
                round(
                    ((at - call["recording_start_ms"]) * (1 + call["true_drift_ppm"] / 1e6) + call["true_offset_ms"])
                    * 8
                )
                for at in (turn["start_ms"], turn["end_ms"])
            )
            speakers.setdefault(call["name"] + turn["role"], []).append(heard[first:last, channel])
    assert rate == RATE
    return Voices("sample calls", tuple(tuple(one) for one in speakers.values()), ())


def _spoken(text: str, voice: str) -> Samples:
    said = speak(text, voice)
    return _trimmed(at_line_rate(said.samples, said.rate))


def _trimmed(sound: Samples) -> Samples:
    first, last = onset_and_end(sound)
    return sound[first:last]


def _unpacked(package: str) -> Path:
    folder = CACHE / package
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", package], cwd=CACHE, check=True, stdout=subprocess.DEVNULL)
        (archive,) = CACHE.glob(f"{package}_*.deb")
        subprocess.run(["dpkg", "-x", archive, folder], check=True)
    return folder


def _read(path: Path) -> Samples:
    sound, rate = soundfile.read(path, always_2d=True)
    return at_line_rate(sound.mean(1), rate)


def _utterances(folder: Path) -> list[Samples]:
    """Prompts of 0.4 to 8 s; tones, silences and empty files among them are left out."""
    kept = []
    for path in sorted(folder.rglob("*.wav")):
        if any(word in str(path) for word in ("silence", "beep", "tone", "ascending", "descending")):
            continue
        sound = _read(path)
        if len(sound) < 0.4 * RATE or not sound.any():
            continue
        sound = _trimmed(sound)
        if 0.4 <= len(sound) / RATE <= 8:
            kept.append(sound)
    return kept
