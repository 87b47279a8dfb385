"""Payloads of our own making, small, each with the keys that the kind has in the world."""

from __future__ import annotations

import json
from typing import Any

CALL = "5a0e6d1c-93b7-4c1d-8e52-7f6a1b0c9d34"
LEG = "d1b7c0aa-5b0e-4c8f-9a61-2f0b7c1e9d10"
OTHER_LEG = "e2c8d1bb-6c1f-4d90-8b72-3a1c8d2fae21"
BEGAN = 1_790_000_000_000
"""2026-09-21T14:13:20Z."""


def sentence(number: int) -> str:
    """A text that no other turn has."""
    return f"sentence number {number} about parcels"


def phrase(number: int, **more: Any) -> dict[str, Any]:
    """One phrase, two seconds after the one before."""
    return {
        "phraseIndex": number,
        "participantPurpose": ("internal", "external")[number % 2],
        "startTimeMs": BEGAN + 2000 * number + 500,
        "duration": {"milliseconds": 1400},
        "text": sentence(number),
        "confidence": 0.9,
        "words": [],
        **more,
    }


def speech(count: int, leg: str = LEG, first: int = 0, **more: Any) -> dict[str, Any]:
    """The file behind a speech link."""
    end = BEGAN + 2000 * (first + count) + 1000
    people = [{"participantPurpose": who, "startTimeMs": BEGAN, "endTimeMs": end} for who in ("external", "agent")]
    return {
        "organizationId": "0c0c0000-0000-4000-8000-00000000000a",
        "conversationId": CALL,
        "communicationId": leg,
        "mediaType": "call",
        "conversationStartTime": BEGAN,
        "startTime": BEGAN,
        "duration": {"milliseconds": end - BEGAN},
        "participants": people,
        "transcripts": [
            {"transcriptId": "t-1", "language": "en-us", "phrases": [phrase(first + at) for at in range(count)]}
        ],
        **more,
    }


def media(count: int, **more: Any) -> dict[str, Any]:
    """The answer of the media endpoint."""
    return {
        "conversation": CALL,
        "status": "completed",
        "participants": [
            {"id": "p-agent", "name": "Ann", "role": "agent"},
            {"id": "p-customer", "name": "Bob", "role": "customer"},
        ],
        "transcript": [
            {
                "start_time": 2 * number + 0.5,
                "end_time": 2 * number + 1.9,
                "text": sentence(number),
                "speaker_id": ("p-agent", "p-customer")[number % 2],
                "confidence": 0.9,
            }
            for number in range(count)
        ],
        **more,
    }


def utterance(number: int, **more: Any) -> dict[str, Any]:
    """One utterance of a live event."""
    at = 2000 * number + 500
    return {
        "utteranceId": f"{number:08x}-aaaa-4aaa-8aaa-aaaaaaaaaaaa",
        "isFinal": True,
        "channel": ("INTERNAL", "EXTERNAL")[number % 2],
        "dialect": "en-US",
        "alternatives": [
            {
                "confidence": 0.9,
                "offsetMs": at,
                "durationMs": 1400,
                "transcript": sentence(number),
                "words": [{"word": "sentence", "confidence": 0.9, "offsetMs": at, "durationMs": 300}],
            }
        ],
        **more,
    }


def event(*utterances: dict[str, Any], **body: Any) -> dict[str, Any]:
    """One event as EventBridge delivers it. A part of its body that is None is left out."""
    told = {
        "eventTime": "2026-09-21T14:13:40.000Z",
        "organizationId": "0c0c0000-0000-4000-8000-00000000000a",
        "conversationId": CALL,
        "communicationId": LEG,
        "sessionStartTimeMs": BEGAN,
        "transcriptionStartTimeMs": BEGAN,
        "transcripts": list(utterances),
        **body,
    }
    return {
        "version": "0",
        "id": "e-1",
        "detail-type": "v2.conversations.{id}.transcription",
        "source": "aws.partner/genesys.com/cloud/x/y",
        "time": "2026-09-21T14:13:40Z",
        "detail": {
            "topicName": f"v2.conversations.{CALL}.transcription",
            "version": "2",
            "eventBody": {name: value for name, value in told.items() if value is not None},
        },
    }


def lines(*documents: Any) -> str:
    """One JSON document a line."""
    return "".join(json.dumps(one) + "\n" for one in documents)
