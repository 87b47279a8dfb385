"""A handful of conversations whose turns are known: what the honest platform says, and what an archive must hold."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["CLIENT_ID", "DAYS", "NOW", "SECRET", "Call", "Leg", "Turn", "calls", "made_secret"]

Json = dict[str, Any]
NOW = datetime(2026, 10, 7, tzinfo=UTC)
DAYS = (datetime(2026, 10, 5, tzinfo=UTC), datetime(2026, 10, 6, tzinfo=UTC))


def made_secret(name: str) -> str:
    """A throw-away secret: computed, so that no file of the source holds one."""
    return hashlib.sha256(f"hostile platform: {name}".encode()).hexdigest()


SECRET = made_secret("client")
CLIENT_ID = str(uuid.uuid5(uuid.NAMESPACE_DNS, "client.hostile.example"))


@dataclass(frozen=True)
class Turn:
    """One utterance; times are milliseconds from the conversation's start."""

    start: int
    end: int
    side: str
    text: str


@dataclass(frozen=True)
class Leg:
    """One communication that has a transcript."""

    id: str
    turns: tuple[Turn, ...]


@dataclass(frozen=True)
class Call:
    """One conversation."""

    id: str
    start: datetime
    customer: str
    agent: str
    queue: str
    legs: tuple[Leg, ...]
    lasting: int = 60_000

    @property
    def began(self) -> int:
        """Epoch milliseconds."""
        return int(self.start.timestamp() * 1000)

    @property
    def turns(self) -> list[tuple[int, int, str]]:
        """What an archive must hold: start, end, text, in order."""
        return sorted((one.start, one.end, one.text) for leg in self.legs for one in leg.turns)

    @property
    def recording(self) -> str:
        return _id(f"{self.id} recording")

    def details(self) -> Json:
        """The analytics details."""
        people = [("customer", self.legs[0].id, "Customer"), ("acd", self.queue, "Queue")]
        people += [("agent", leg.id, "Agent") for leg in self.legs]
        return {
            "conversationId": self.id,
            "conversationStart": _iso(self.start),
            "conversationEnd": _iso(self.start + timedelta(milliseconds=self.lasting)),
            "originatingDirection": "inbound",
            "divisionIds": [_id("division")],
            "participants": [self._participant(*one, number) for number, one in enumerate(people)],
        }

    def _participant(self, purpose: str, communication: str, name: str, number: int) -> Json:
        # Of a leg that the customer shares with the agent the platform has one session for each.
        session = {
            "sessionId": communication if purpose != "customer" else _id(f"{self.id} customer"),
            "mediaType": "voice",
            "direction": "inbound",
            "recording": purpose == "agent",
            "segments": [
                {
                    "segmentStart": _iso(self.start),
                    "segmentEnd": _iso(self.start + timedelta(milliseconds=self.lasting)),
                    "segmentType": "interact",
                    "queueId": self.queue,
                }
            ],
        }
        told: Json = {"participantId": _id(f"{self.id} {number}"), "purpose": purpose, "sessions": [session]}
        return told | ({"userId": self.agent} if purpose == "agent" else {"participantName": name})

    def file(self, leg: Leg) -> Json:
        """The speech file of one leg."""
        return {
            "organizationId": _id("organisation"),
            "conversationId": self.id,
            "communicationId": leg.id,
            "mediaType": "call",
            "conversationStartTime": self.began,
            "startTime": self.began,
            "duration": {"milliseconds": self.lasting},
            "participants": [
                self._presence("customer", {}),
                self._presence("agent", {"userId": self.agent, "queueId": self.queue}),
            ],
            "transcripts": [
                {
                    "transcriptId": _id(f"{leg.id} transcript"),
                    "language": "en-us",
                    "startTime": self.began,
                    "duration": {"milliseconds": self.lasting},
                    "phrases": [self._phrase(number, turn) for number, turn in enumerate(leg.turns)],
                    "analytics": {"sentiment": [], "topics": [], "acoustic": []},
                }
            ],
        }

    def _presence(self, purpose: str, more: Json) -> Json:
        span = {"startTimeMs": self.began, "endTimeMs": self.began + self.lasting}
        return {"participantPurpose": purpose, **span, **more}

    def _phrase(self, number: int, turn: Turn) -> Json:
        return {
            "phraseIndex": number,
            "participantPurpose": turn.side,
            "text": turn.text.lower(),
            "decoratedText": turn.text,
            "confidence": 0.9,
            "startTimeMs": self.began + turn.start,
            "duration": {"milliseconds": turn.end - turn.start},
            "words": [],
        }

    def media(self) -> Json:
        """The media document, as a gateway gives it."""
        return {
            "conversationId": self.id,
            "status": "completed",
            "transcript": [
                {
                    "start_time": turn.start / 1000,
                    "end_time": turn.end / 1000,
                    "text": turn.text,
                    "speaker_id": turn.side,
                    "confidence": 0.9,
                }
                for leg in self.legs
                for turn in leg.turns
            ],
            "participants": [
                {"id": "external", "name": "Customer", "role": "customer"},
                {"id": "internal", "name": "Agent", "role": "agent"},
            ],
        }

    def recorded(self) -> Json:
        """One recording, as the list tells it."""
        return {
            "id": self.recording,
            "conversationId": self.id,
            "startTime": _iso(self.start),
            "endTime": _iso(self.start + timedelta(milliseconds=1000)),
            "media": "audio",
            "annotations": [],
            "fileState": "AVAILABLE",
            "sessionId": self.legs[0].id,
        }


def calls(count: int) -> tuple[Call, ...]:
    """So many conversations over the two days; every third one has two legs."""
    return tuple(_call(number, count) for number in range(count))


def _call(number: int, count: int) -> Call:
    day = DAYS[number * len(DAYS) // count]
    start = day + timedelta(hours=9, seconds=number * 61)
    first = Leg(_id(f"leg {number}.0"), _turns(number, 0))
    second = Leg(_id(f"leg {number}.1"), _turns(number, 1))
    legs = (first, second) if number % 3 == 1 else (first,)
    return Call(_id(f"call {number}"), start, _id("customer"), _id("agent"), _id("queue"), legs)


def _turns(number: int, leg: int) -> tuple[Turn, ...]:
    said = ("Good morning, how can I help?", f"Order {number} has not arrived.", "I'll look into it.", "Thank you.")
    begins = 1000 + leg * 20_000
    sides = ("internal", "external")
    return tuple(
        Turn(begins + 3000 * at, begins + 3000 * at + 2500, sides[at % 2], f"{text} ({number}.{leg})")
        for at, text in enumerate(said)
    )


def _id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.hostile.example"))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
