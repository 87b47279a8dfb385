"""Make the simulator's sample calls: ``python -m tools.make_calls [FOLDER]``.

Each call of ``tools.dialogues`` is spoken by espeak-ng, sent over a telephone line of ``tools.telephone`` and
described in ``calls.json``, so its truth is known: turn boundaries to the millisecond (trimmed by energy), word starts
as espeak-ng places them. The same versions of espeak-ng, opusenc, libsndfile and numpy give the same bytes.

Needs ``apt-get install espeak-ng opus-tools`` and ``pip install 'turnkeeper[audio]'``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from tools.dialogues import DIALOGUES, Dialogue, Line, Music, Pause, Person
from tools.espeak import speak
from tools.telephone import RATE, at_line_rate, hold_music, line_noise, onset_and_end, write_opus, write_ulaw

__all__ = ["main"]

Samples = NDArray[np.float64]
FOLDER = Path(__file__).parents[1] / "src/turnkeeper/simulator/calls"
SPEECH_DBFS, MUSIC_DBFS, NOISE_DBFS, TAIL_MS = -23.0, -30.0, -63.0, 900


@dataclass
class _Call:
    """A call while it is being made. Times are conversation milliseconds; sounds are (time, channel, samples)."""

    dialogue: Dialogue
    source: np.random.Generator
    now_ms: int = 0
    turns: list[dict[str, Any]] = field(default_factory=list)
    who: list[str] = field(default_factory=list)
    pauses: list[dict[str, Any]] = field(default_factory=list)
    sounds: list[tuple[int, int, Samples]] = field(default_factory=list)

    def say(self, line: Line) -> None:
        person = self.dialogue.people[line.who]
        gap = int(self.source.integers(280, 620)) if line.gap_ms is None else line.gap_ms
        start_ms = self.now_ms + gap
        samples, words = _spoken(line, person)
        end_ms = start_ms + round(len(samples) * 1000 / RATE)
        starts = [start_ms + round(at * 1000 / RATE) for _, at in words]
        timed = [
            {"word": word, "start_ms": first, "end_ms": max(first + 20, last)}
            for (word, _), first, last in zip(words, starts, [*starts[1:], end_ms], strict=True)
        ]
        turn = {"role": person.role, "start_ms": start_ms, "end_ms": end_ms, "text": line.text, "words": timed}
        self.turns.append(turn)
        self.who.append(line.who)
        self.sounds.append((start_ms, 0 if person.role == "customer" else 1, samples))
        self.now_ms = max(self.now_ms, end_ms)

    def play(self, music: Music) -> None:
        start_ms = self.now_ms + 300
        sound = hold_music(music.length_ms * RATE // 1000)
        self.sounds.append((start_ms, 1, _leveled(sound, MUSIC_DBFS)))
        self.now_ms = start_ms + music.length_ms
        if music.reason:
            self._pause(start_ms, music.reason, cut=False)

    def stop_recording(self, pause: Pause) -> None:
        start_ms = self.now_ms + 400
        self.now_ms = start_ms + pause.length_ms
        self._pause(start_ms, pause.reason, cut=True)

    def _pause(self, start_ms: int, reason: str, *, cut: bool) -> None:
        self.pauses.append(
            {"start_ms": start_ms, "end_ms": self.now_ms, "reason": reason, "cut": cut, "annotated": True}
        )


def _leveled(samples: Samples, dbfs: float) -> Samples:
    return np.asarray(samples * (10 ** (dbfs / 20) / np.sqrt((samples**2).mean())), dtype=np.float64)


def _spoken(line: Line, person: Person) -> tuple[Samples, list[tuple[str, int]]]:
    """The line at the line's rate, trimmed to its speech, and each word's first sample in it."""
    spoken = speak(line.text, person.voice, words_a_minute=person.words_a_minute, pitch=person.pitch)
    sound = at_line_rate(spoken.samples, spoken.rate)
    first, last = onset_and_end(sound)
    last -= (last - first) % (RATE // 1000)
    words = [(word.word, max(0, word.start * RATE // spoken.rate - first)) for word in spoken.words]
    return _leveled(sound[first:last], SPEECH_DBFS), words


def _at(dialogue: Dialogue, pauses: list[dict[str, Any]], ms: int) -> int:
    """The sample at which a conversation time is heard: cuts, then the offset and drift nobody announces."""
    missing = sum(int(p["end_ms"]) - int(p["start_ms"]) for p in pauses if p["cut"] and p["start_ms"] < ms)
    nominal = ms - dialogue.recording_start_ms - missing
    return round((nominal * (1 + dialogue.drift_ppm / 1e6) + dialogue.offset_ms) * RATE / 1000)


def _recorded(call: _Call) -> Samples:
    """The two channels, customer first, as the recorder hears them."""
    length = _at(call.dialogue, call.pauses, call.now_ms + TAIL_MS)
    clean = np.zeros((2, length))
    for start_ms, channel, sound in call.sounds:
        first = _at(call.dialogue, call.pauses, start_ms)
        clean[channel, first : first + len(sound)] += sound
    crossed = clean + clean[::-1] * 10 ** (call.dialogue.crosstalk_db / 20)
    noise = np.stack([line_noise(length, NOISE_DBFS, call.source) for _ in crossed])
    return np.asarray(crossed + noise, dtype=np.float64)


def _files(call: _Call, folder: Path) -> list[dict[str, Any]]:
    channels, roles, name = _recorded(call), ["customer", "agent"], call.dialogue.name
    if call.dialogue.swapped:
        channels, roles = channels[::-1], roles[::-1]
    if call.dialogue.format == "two opus":
        for channel, role in zip(channels, roles, strict=True):
            write_opus(folder / f"{name}-{role}.opus", channel[None], kilobits=11)
        return [{"file": f"{name}-{role}.opus", "channels": [role]} for role in roles]
    if call.dialogue.format == "ulaw":
        write_ulaw(folder / f"{name}.wav", channels)
        return [{"file": f"{name}.wav", "channels": roles}]
    write_opus(folder / f"{name}.opus", channels, kilobits=22)
    return [{"file": f"{name}.opus", "channels": roles}]


def _people(call: _Call) -> list[dict[str, Any]]:
    """The customer is there all the time; the other side hands over, each until the next one begins."""
    end_ms = call.now_ms + TAIL_MS
    first: dict[str, int] = {}
    for who, turn in zip(call.who, call.turns, strict=True):
        first.setdefault(who, turn["start_ms"] - 400)
    inside = [who for who in first if call.dialogue.people[who].role != "customer"]
    starts = [0, *(first[who] for who in inside[1:]), end_ms]
    stays = dict(zip(inside, pairwise(starts), strict=True))
    described = []
    for key, person in call.dialogue.people.items():
        start, end = stays.get(key, (0, end_ms))
        one = {"role": person.role, "name": person.name, "start_ms": start, "end_ms": end}
        described.append(one | ({"queue": person.queue} if person.queue else {}))
    return described


def _make(dialogue: Dialogue, folder: Path) -> dict[str, Any]:
    """Write the audio of one call; its entry in calls.json."""
    call = _Call(dialogue, np.random.default_rng(crc32(dialogue.name.encode())))
    for line in dialogue.lines:
        match line:
            case Line():
                call.say(line)
            case Music():
                call.play(line)
            case Pause():
                call.stop_recording(line)
    return {
        "name": dialogue.name,
        "title": dialogue.title,
        "language": dialogue.language,
        "files": _files(call, folder),
        "duration_ms": call.now_ms + TAIL_MS,
        "recording_start_ms": dialogue.recording_start_ms,
        "true_offset_ms": dialogue.offset_ms,
        "true_drift_ppm": dialogue.drift_ppm,
        "swapped": dialogue.swapped,
        "crosstalk_db": dialogue.crosstalk_db,
        "pauses": call.pauses,
        "people": _people(call),
        "expected_verdict": dialogue.expected,
        "turns": sorted(call.turns, key=lambda turn: int(turn["start_ms"])),
    }


def main(folder: Path = FOLDER) -> None:
    """Write every call and calls.json into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    calls = [_make(dialogue, folder) for dialogue in DIALOGUES]
    lines = ",\n".join(json.dumps(call, ensure_ascii=False, separators=(",", ":")) for call in calls)
    (folder / "calls.json").write_text(f'{{"calls": [\n{lines}\n]}}\n', encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{len(calls)} calls, {size / 1e6:.2f} MB in {folder}")


if __name__ == "__main__":
    main(*(Path(folder) for folder in sys.argv[1:]))
