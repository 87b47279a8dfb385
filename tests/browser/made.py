"""Archives made by hand, as the format says: pages are tested with audio whose every sample is known."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RATE = 8000
STARTED = 1_791_182_243_885
PIXEL = 256
TONES = range(400, 2800, 100)


@dataclass
class Made:
    """One conversation to be written: everything has a value that will do. ``later`` is its second recording."""

    id: str
    turns: list[dict[str, Any]]
    audio: bytes = b""
    extension: str = "wav"
    frames: int = 0
    rate: int = RATE
    segments: list[list[int]] = field(default_factory=list)
    pauses: list[dict[str, Any]] = field(default_factory=list)
    roles: list[str] = field(default_factory=lambda: ["customer", "agent"])
    sync: dict[str, Any] | None = None
    people: list[dict[str, Any]] = field(default_factory=list)
    peaks: bytes = b""
    queue: str = "Billing"
    wrapup: str = "Resolved"
    started: int = STARTED
    language: str = "en-us"
    media: str = "voice"
    other: bytes = b""
    states: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sync_mode: str = ""
    later: Made | None = None


def write(folder: Path, calls: list[Made]) -> Path:
    """An archive in ``folder``."""
    _put(folder, "_turnkeeper/archive.json", {"format": "turnkeeper.archive/1", "created": "2026-11-01T00:00:00.000Z"})
    for made in calls:
        _write(folder, made)
    return folder


def people(customer: str = "Nora Whitfield", agent: str = "Daniel Reyes") -> list[dict[str, Any]]:
    return [
        {"id": "p-customer", "role": "customer", "name": customer, "purpose": "customer"},
        {"id": "p-agent", "role": "agent", "name": agent, "purpose": "agent", "user_id": "u-1", "queue_id": "q-1"},
    ]


def turn(place: int, role: str, start: int, end: int, text: str, **more: Any) -> dict[str, Any]:
    return {
        "start_time": start / 1000,
        "end_time": end / 1000,
        "text": text,
        "speaker_id": f"p-{role}",
        "start_ms": start,
        "end_ms": end,
        "role": role,
        "index": place,
        **more,
    }


def words(text: str, start: int, end: int) -> list[dict[str, Any]]:
    """A word's time in proportion to its letters."""
    parts = text.split()
    total = sum(len(part) + 1 for part in parts)
    at, spoken = 0, []
    for part in parts:
        begin = start + (end - start) * at // total
        at += len(part) + 1
        spoken.append(
            {"word": part.strip(".,?!").lower(), "start_ms": begin, "end_ms": start + (end - start) * at // total}
        )
    return spoken


def tone_of(place: int) -> int:
    """The frequency of turn number ``place``: neighbours differ by more than a browser's analyser blurs."""
    return TONES[place * 7 % len(TONES)]


def tones(turns: list[dict[str, Any]], frames: int, start_ms: int = 0) -> bytes:
    """A stereo WAV of 8-bit u-law with each turn as a tone of its own on its side; silence between."""
    sides = [bytearray(b"\xff") * frames for _ in range(2)]
    cycles = {
        hertz: bytes(_ulaw(9000 * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(80)) for hertz in TONES
    }
    for place, one in enumerate(turns):
        side = sides[0 if one["role"] == "customer" else 1]
        first, last = (min(max((one[name] - start_ms) * RATE // 1000, 0), frames) for name in ("start_ms", "end_ms"))
        side[first:last] = (cycles[tone_of(place)] * ((last - first) // 80 + 1))[: last - first]
    both = bytearray(2 * frames)
    both[0::2], both[1::2] = sides
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 7, 2, RATE, RATE * 2, 2, 8)
    data = form + struct.pack("<4sI", b"data", len(both)) + both
    return struct.pack("<4sI4s", b"RIFF", len(data) + 4, b"WAVE") + data


def peaks(turns: list[dict[str, Any]], frames: int, start_ms: int = 0) -> bytes:
    """audiowaveform's .dat, version 2, 8 bits, of what ``tones`` makes."""
    pixels = -(-frames // PIXEL)
    out = bytearray(4 * pixels)
    for one in turns:
        channel = 0 if one["role"] == "customer" else 1
        first, last = ((one[name] - start_ms) * RATE // 1000 // PIXEL for name in ("start_ms", "end_ms"))
        for pixel in range(max(first, 0), min(last + 1, pixels)):
            struct.pack_into("<bb", out, 4 * pixel + 2 * channel, -35, 35)
    return struct.pack("<iIiiIi", 2, 1, RATE, PIXEL, pixels, 2) + bytes(out)


def spoken(made: Made) -> Made:
    """The conversation with a recording from its start to a second after its last turn."""
    made.frames = (max(one["end_ms"] for one in made.turns) + 1000) * RATE // 1000
    made.audio = tones(made.turns, made.frames)
    made.peaks = peaks(made.turns, made.frames)
    return made


SENTENCES = (
    "Thank you for calling, how can I help you today?",
    "My bill went up and nobody told me why.",
    "Let me look at that with you, one moment please.",
    "I have been a customer for eleven years.",
    "I can see two charges from March, and one of them is ours to give back.",
    "Fine, then please do.",
    "It is done, you will have it by Friday.",
)


def dialogue(turns: int, each_ms: int, *, worded: bool = True) -> list[dict[str, Any]]:
    """Turns that take each other's place; every seventh starts before the one before it ends."""
    made = []
    for place in range(turns):
        start = 500 + place * each_ms - (500 if place % 7 == 6 else 0)
        end = 500 + (place + 1) * each_ms - 120
        text = SENTENCES[place % len(SENTENCES)]
        more: dict[str, Any] = {"confidence": 0.5 if place % 9 == 4 else 0.91}
        if worded:
            more["words"] = words(text, start, end)
        if place % 11 == 3:
            more["sentiment"] = -0.8 if place % 2 else 0.7
        made.append(turn(place, "agent" if place % 2 == 0 else "customer", start, end, text, **more))
    return made


def _ulaw(sample: float) -> int:
    """G.711 u-law of a 16-bit sample."""
    magnitude = min(round(abs(sample)), 32_635) + 132
    exponent = magnitude.bit_length() - 8
    return ~((sample < 0) << 7 | exponent << 4 | (magnitude >> (exponent + 3)) & 15) & 0xFF


def _write(folder: Path, made: Made) -> None:
    inputs = [_details(folder, made), *_names(folder, made)]
    raw = _put(folder, f"raw/{made.id}/leg-1/{{sha}}.json", {"made": True})
    inputs.append({**raw, "source": "speech/leg-1"})
    views = [_put(folder, f"transcripts/{made.id}.json", _transcript(made))]
    summary = _summary(made)
    views.append(_put(folder, f"summaries/{made.id}.json", {"format": "turnkeeper.summary/1", **summary}))
    if made.audio:
        inputs.append(
            {**_put(folder, f"audio/{made.id}/rec-1.{{sha}}.{made.extension}", made.audio), "source": "audio/rec-1/0"}
        )
        if made.other:  # a file for each side
            second = _put(folder, f"audio/{made.id}/rec-1.{{sha}}.{made.extension}", made.other)
            inputs.insert(-1, {**second, "source": "audio/rec-1/1"})
        views.append(_put(folder, f"peaks/{made.id}/rec-1.dat", made.peaks))
        if made.later:
            sound = _put(folder, f"audio/{made.id}/rec-2.{{sha}}.wav", made.later.audio)
            inputs.append({**sound, "source": "audio/rec-2/0"})
            views.append(_put(folder, f"peaks/{made.id}/rec-2.dat", made.later.peaks))
        views.append(_put(folder, f"alignment/{made.id}.json", _alignment(made)))
    manifest = {
        "format": "turnkeeper.manifest/1",
        "conversation": made.id,
        "generation": 1,
        "archived_at": "2026-11-20T10:00:00.000Z",
        "producer": "turnkeeper/0.1.0",
        "state": "done",
        "communications": [{"id": "leg-1", "state": "done"}],
        "inputs": inputs,
        "views": views,
        "summary": summary,
        "notes": made.notes,
        "recordings": made.states,
        **({"sync_mode": made.sync_mode} if made.sync_mode else {}),
    }
    _put(folder, f"manifests/{made.id}/000001.json", manifest)


def _transcript(made: Made) -> dict[str, Any]:
    return {
        "format": "turnkeeper.transcript/1",
        "conversation": made.id,
        "status": "completed",
        "dialect": "speech",
        "time_base": {"kind": "analytics", "epoch_ms": made.started},
        "media_type": made.media,
        "communications": [{"id": "leg-1", "language": made.language}],
        "participants": made.people or people(),
        "transcript": made.turns,
    }


def _summary(made: Made) -> dict[str, Any]:
    known = [one["confidence"] for one in made.turns if "confidence" in one]
    roles = [one["role"] for one in made.turns]
    return {
        "interaction_id": made.id,
        "total_duration_seconds": max([one.get("end_ms", 0) for one in made.turns], default=0) / 1000,
        "total_turns": len(made.turns),
        "agent_turns": roles.count("agent"),
        "customer_turns": roles.count("customer"),
        "avg_confidence": round(sum(known) / len(known), 6) if known else 0.0,
        "turns_with_confidence": len(known),
        "timed_turns": sum("start_ms" in one for one in made.turns),
        "roles": {role: roles.count(role) for role in sorted(set(roles))},
        "dialect": "speech",
        "duplicate_turns": 0,
        "unknown_speaker_turns": 0,
    }


def _alignment(made: Made) -> dict[str, Any]:
    recordings, rows = [_recording("rec-1", made)], [_aligned("rec-1", one, made) for one in made.turns]
    if made.later:
        first = made.later.turns[0]["index"]
        recordings.append(_recording("rec-2", made.later))
        rows[first:] = [_aligned("rec-2", one, made.later) for one in made.turns[first:]]
    turns = [{"index": place, **row} for place, row in enumerate(rows) if row]
    return {"format": "turnkeeper.alignment/1", "conversation": made.id, "recordings": recordings, "turns": turns}


def _segments(made: Made) -> list[list[int]]:
    return made.segments or [[0, made.frames * 1000 // made.rate, 0, made.frames]]


def _recording(name: str, made: Made) -> dict[str, Any]:
    segments = _segments(made)
    names = ("start_ms", "end_ms", "start_sample", "end_sample")
    return {
        "id": name,
        "codec": "pcm_mulaw" if made.extension == "wav" else made.extension,
        "rate": made.rate,
        "channels": len(made.roles),
        "frames": made.frames,
        "start_ms": segments[0][0],
        "duration_ms": made.frames * 1000 // made.rate,
        "channel_roles": made.roles,
        "pauses": made.pauses,
        "segments": [dict(zip(names, one, strict=True)) for one in segments],
        "notes": [],
        "sync": made.sync or {"mode": "off", "applied": False},
    }


def _aligned(name: str, one: dict[str, Any], made: Made) -> dict[str, Any]:
    if "start_ms" not in one:
        return {}
    segments, spans = _segments(made), []
    for start, end, first, last in segments:
        low, high = max(one["start_ms"], start), min(one["end_ms"], end)
        if low < high:
            spans.append([first + (ms - start) * (last - first) // (end - start) for ms in (low, high)])
    return {"recording": name} | (
        {"spans": spans} if spans else {"spans": [[segments[-1][3]] * 2], "flags": ["outside"]}
    )


def _details(folder: Path, made: Made) -> dict[str, Any]:
    start = _iso(made.started)
    segment = {"segmentStart": start, "segmentEnd": start, "queueId": "q-1", "wrapUpCode": "w-1"}
    details = {
        "conversationId": made.id,
        "conversationStart": start,
        "originatingDirection": "inbound",
        "participants": [
            {
                "participantId": "p-agent",
                "purpose": "agent",
                "userId": "u-1",
                "sessions": [{"sessionId": "leg-1", "segments": [segment]}],
            }
        ],
    }
    return {**_put(folder, f"raw/{made.id}/_conversation/{{sha}}.json", details), "source": "conversation"}


def _names(folder: Path, made: Made) -> list[dict[str, Any]]:
    lists = {"queues": {"id": "q-1", "name": made.queue}, "wrapups": {"id": "w-1", "name": made.wrapup}}
    return [
        {**_put(folder, f"directory/{kind}/{{sha}}.json", {"entities": [one]}), "source": f"directory/{kind}"}
        for kind, one in lists.items()
    ]


def _iso(ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _put(folder: Path, key: str, content: dict[str, Any] | bytes) -> dict[str, Any]:
    data = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=True).encode()
    sha = hashlib.sha256(data).hexdigest()
    key = key.replace("{sha}", sha[:16])
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {"key": key, "size": len(data), "sha256": sha}
