"""Speech and music to build calls from, trimmed at the telephone line's rate. Fetched or made once, outside the project.

People: Debian's Asterisk prompts in English, French and Italian, and its hold music, by ``apt-get download`` (never
committed). Machines: espeak-ng. For the tests: the turns of the simulator's sample calls, which need neither.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from tools.espeak import speak
from tools.telephone import RATE, at_line_rate, onset_and_end

__all__ = ["Voices", "human", "samples", "synthetic"]

Samples = NDArray[np.float64]

CACHE = Path(tempfile.gettempdir()) / "turnkeeper-benchmark-audio"
PROMPTS = tuple(f"asterisk-core-sounds-{language}-wav" for language in ("en", "fr", "it"))
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
    speakers = tuple(tuple(_utterances(_unpacked(name))) for name in PROMPTS)
    return Voices("human", speakers, tuple(_read(path) for path in sorted(_unpacked(MUSIC).rglob("*.wav"))))


def synthetic() -> Voices:
    """Eight voices of espeak-ng, and real hold music."""
    kept = CACHE / "espeak.npz"
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        made = {f"{v}/{s}": _spoken(text, name) for v, name in enumerate(MACHINES) for s, text in enumerate(SENTENCES)}
        np.savez(kept, **made)  # type: ignore[arg-type]
    with np.load(kept) as file:
        speakers = tuple(
            tuple(file[f"{voice}/{number}"] for number in range(len(SENTENCES))) for voice in range(len(MACHINES))
        )
    return Voices("espeak-ng", speakers, tuple(_read(path) for path in sorted(_unpacked(MUSIC).rglob("*.wav"))))


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
                round(((at - call["recording_start_ms"]) * (1 + call["true_drift_ppm"] / 1e6) + call["true_offset_ms"]) * 8)
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
    """Prompts of 0.4 to 8 s; tones and silences among them are left out."""
    kept = []
    for path in sorted(folder.rglob("*.wav")):
        if any(word in str(path) for word in ("silence", "beep", "tone", "ascending", "descending")):
            continue
        sound = _trimmed(_read(path))
        if 0.4 <= len(sound) / RATE <= 8:
            kept.append(sound)
    return kept
