"""The media dialect: the document of /conversations/media/{id}/transcripts, made from a script.

Includes the older formats of that document.
"""

from __future__ import annotations

from typing import Any

from turnkeeper.simulator import scenarios
from turnkeeper.simulator.script import Party, Script, ScriptLine

Json = dict[str, Any]

_LEGACY = {"start_time": "startTime", "end_time": "endTime", "speaker_id": "speakerId"}


def address(conversation: str) -> str:
    """Path of the media endpoint of a conversation."""
    return f"/api/v2/conversations/media/{conversation}/transcripts"


def head(script: Script, status: str = "completed") -> Json:
    """The document without its turns."""
    document_head: Json = {"self": address(script.id), "conversation": script.id, "status": status}
    # Some gateways leave the status out once there is nothing to wait for.
    if status == "completed" and script.index % 7 == 4:
        del document_head["status"]
    return document_head


def document(script: Script) -> Json:
    """The whole document; participants stand before the transcript on even indices, after it on odd ones."""
    people = {"participants": participants(script)}
    turns = {"transcript": [_media_turn(script, line) for line in script.lines]}
    whole = head(script) | (people | turns if script.index % 2 == 0 else turns | people)
    if script.scenario == scenarios.NOVEL:
        whole |= {"analytics": {"nested": [{"deep": [1, None, {"er": True}]}]}, "revision": 7}
    return whole


def participants(script: Script) -> list[Json]:
    """Who took part, under the roles this dialect uses."""
    return [{"id": party.id, "name": party.name, "role": _media_role(script, party)} for party in script.parties]


def legacy(script: Script) -> Json | list[Json]:
    """One of two older shapes: a bare array of turns, or the same document in camel case."""
    turns = [_media_turn(script, line) for line in script.lines]
    if script.index % 2 == 0:
        roles = {party.id: _media_role(script, party) for party in script.parties}
        return [turn | {"role": roles[turn["speaker_id"]]} for turn in turns]
    camel = [{_LEGACY.get(key, key): value for key, value in turn.items()} for turn in turns]
    return {"conversationId": script.id, "participants": participants(script), "transcript": camel}


def _media_role(script: Script, party: Party) -> str:
    # Gateways use different roles for machines, so both are simulated.
    if party.role in ("ivr", "acd") and script.index % 2:
        return "system"
    return party.role


def _media_turn(script: Script, line: ScriptLine) -> Json:
    turn: Json = {}
    if line.start is not None and line.end is not None:
        turn |= {"start_time": line.start / 1000, "end_time": line.end / 1000}
    turn |= {"text": line.decorated or line.text, "speaker_id": script.parties[line.party].id}
    if line.confidence is not None:
        turn["confidence"] = line.confidence
    if script.scenario == scenarios.NOVEL:
        turn["emotion"] = {"label": "calm"}
    return turn
