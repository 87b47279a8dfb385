"""msgspec as its users would use it: one typed decode of the whole document."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor

import msgspec

from benchmarks.parse.work import KNOWN, Native, Turn


class FlatTurn(msgspec.Struct, gc=False):
    start_time: float
    end_time: float
    text: str
    speaker_id: str
    confidence: float | None = None


class Person(msgspec.Struct):
    id: str
    role: str


class Flat(msgspec.Struct):
    participants: list[Person]
    transcript: list[FlatTurn]


class Duration(msgspec.Struct, gc=False):
    milliseconds: int


class Phrase(msgspec.Struct, gc=False, rename="camel"):
    participant_purpose: str
    text: str
    start_time_ms: int
    duration: Duration
    phrase_index: int = 0
    confidence: float | None = None


class Part(msgspec.Struct):
    phrases: list[Phrase]


class Participant(msgspec.Struct, rename="camel"):
    participant_purpose: str
    start_time_ms: int | None = None
    end_time_ms: int | None = None


class NativeFile(msgspec.Struct, rename="camel"):
    conversation_start_time: int
    participants: list[Participant]
    transcripts: list[Part]


FLAT, NATIVE = msgspec.json.Decoder(Flat), msgspec.json.Decoder(NativeFile)


def flat(body: bytes) -> Iterator[Turn]:
    document = FLAT.decode(body)
    roles = {one.id: KNOWN.get(one.role, one.role) for one in document.participants}
    for turn in document.transcript:
        start, end = floor(turn.start_time * 1000 + 0.5), floor(turn.end_time * 1000 + 0.5)
        yield start, end, turn.text, roles[turn.speaker_id]


def native(body: bytes) -> Iterator[Turn]:
    document = NATIVE.decode(body)
    people = Native([msgspec.to_builtins(one) for one in document.participants], document.conversation_start_time)
    for part in document.transcripts:
        for phrase in part.phrases:
            start = phrase.start_time_ms - people.base
            end = start + phrase.duration.milliseconds
            yield start, end, phrase.text, people.role(phrase.participant_purpose, start, end)
