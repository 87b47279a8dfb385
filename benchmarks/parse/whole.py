"""The same turns as turnkeeper gives, equal in every field, by one typed decode and nothing else.

What somebody would write who knows just these two shapes and trusts every document: no check, one document, no defects.
"""

from __future__ import annotations

from math import floor

import msgspec

from benchmarks.parse.typed import Duration
from turnkeeper import Turn

ROLES = {"internal": "unknown", "external": "customer", "supervisor": "unknown"}
"""Purposes that are no roles; every other one in these documents is its own role."""


class FlatTurn(msgspec.Struct, gc=False):
    start_time: float
    end_time: float
    text: str
    speaker_id: str | None = None
    confidence: float | None = None


class Person(msgspec.Struct):
    id: str
    role: str


class Flat(msgspec.Struct):
    conversation: str
    participants: list[Person]
    transcript: list[FlatTurn]


class Phrase(msgspec.Struct, gc=False, rename="camel"):
    participant_purpose: str
    text: str
    start_time_ms: int
    duration: Duration
    phrase_index: int
    decorated_text: str | None = None
    confidence: float | None = None


class Sentiment(msgspec.Struct, gc=False, rename="camel"):
    phrase_index: int
    sentiment: float


class Analytics(msgspec.Struct):
    sentiment: list[Sentiment] = []


class Part(msgspec.Struct):
    phrases: list[Phrase]
    language: str | None = None
    analytics: Analytics | None = None


class Participant(msgspec.Struct, rename="camel"):
    participant_purpose: str
    start_time_ms: int | None = None
    end_time_ms: int | None = None


class Native(msgspec.Struct, rename="camel"):
    conversation_id: str
    communication_id: str
    conversation_start_time: int
    participants: list[Participant]
    transcripts: list[Part]


FLAT, NATIVE = msgspec.json.Decoder(Flat), msgspec.json.Decoder(Native)
Span = tuple[int, int, str, str]


def flat(body: bytes) -> list[Turn]:
    document = FLAT.decode(body)
    roles = {one.id: ROLES.get(one.role, one.role) for one in document.participants}
    return [
        Turn(
            text=turn.text,
            role=roles.get(turn.speaker_id, "unknown"),  # type: ignore[arg-type]
            start_ms=floor(turn.start_time * 1000 + 0.5),
            end_ms=floor(turn.end_time * 1000 + 0.5),
            speaker_id=turn.speaker_id,
            confidence=turn.confidence,
            index=index,
            conversation=document.conversation,
        )
        for index, turn in enumerate(document.transcript)
    ]


def native(body: bytes) -> list[Turn]:
    document = NATIVE.decode(body)
    base = document.conversation_start_time
    ours, customers = _people(document.participants, base)
    turns = []
    for part in document.transcripts:
        said = {one.phrase_index: one.sentiment for one in part.analytics.sentiment} if part.analytics else {}
        for phrase in part.phrases:
            start = phrase.start_time_ms - base
            end = start + phrase.duration.milliseconds
            channel = phrase.participant_purpose
            role, speaker = _speaks(customers if channel == "external" else ours, start, end)
            turns.append(
                Turn(
                    text=phrase.decorated_text or phrase.text,
                    role="customer" if channel == "external" else role,  # type: ignore[arg-type]
                    start_ms=start,
                    end_ms=end,
                    speaker_id=speaker,
                    confidence=phrase.confidence,
                    channel=channel,
                    communication=document.communication_id,
                    language=part.language,
                    sentiment=said.get(phrase.phrase_index),
                    index=phrase.phrase_index,
                    conversation=document.conversation_id,
                )
            )
    return turns


def _people(people: list[Participant], base: int) -> tuple[list[Span], list[Span]]:
    ours, customers = [], []
    counts: dict[str, int] = {}
    for one in people:
        purpose = one.participant_purpose
        counts[purpose] = counts.get(purpose, 0) + 1
        role = ROLES.get(purpose, purpose)
        start = -(1 << 62) if one.start_time_ms is None else one.start_time_ms - base
        end = 1 << 62 if one.end_time_ms is None else one.end_time_ms - base
        span = start, end, role, f"{purpose}-{counts[purpose]}"
        if role == "customer":
            customers.append(span)
        elif role != "unknown":
            ours.append(span)
    return ours, customers


def _speaks(people: list[Span], start: int, end: int) -> tuple[str, str | None]:
    most, role, speaker = 0, "unknown", None
    for since, until, known, key in people:
        overlap = min(until, end) - max(since, start)
        if overlap > most:
            most, role, speaker = overlap, known, key
    return role, speaker
