"""Conversation details as the analytics endpoints return them, made from a script.

Absent values are omitted, never null. As on the platform, details do not say which communications have a transcript.
"""

from __future__ import annotations

from typing import Any

from turnkeeper.simulator.clock import iso
from turnkeeper.simulator.ids import IdKind, Ids
from turnkeeper.simulator.people import People
from turnkeeper.simulator.script import Party, Script

Json = dict[str, Any]


class DetailsWriter:
    """Writes conversation details."""

    def __init__(self, ids: Ids, people: People) -> None:
        self._ids = ids
        self._people = people

    def document(self, script: Script, seen_at: int | None = None) -> Json:
        """Return the details. A conversation that is still open at ``seen_at`` (epoch ms) has no end yet."""
        details: Json = {
            "conversationId": script.id,
            "conversationStart": iso(script.began),
            "conversationEnd": iso(script.ended),
            "conversationInitiator": "agent" if script.direction == "outbound" else "customer",
            "originatingDirection": script.direction,
            "divisionIds": [self._people.division.id],
            "participants": [self._participant(script, party) for party in script.parties],
        }
        if script.media_type == "voice":
            details["mediaStatsMinConversationMos"] = 4.4 + script.index % 5 / 10
        if seen_at is not None and script.ended > seen_at:
            del details["conversationEnd"]
        return details

    def _participant(self, script: Script, party: Party) -> Json:
        entry: Json = {"participantId": party.id, "purpose": party.purpose, "sessions": [self._session(script, party)]}
        if party.external or party.purpose in ("ivr", "acd"):
            entry["participantName"] = party.name
        if party.user:
            entry |= {"userId": party.user, "teamId": self._ids.make(IdKind.TEAM, 1)}
        return entry

    def _session(self, script: Script, party: Party) -> Json:
        session: Json = {
            "sessionId": party.communication,
            "mediaType": script.media_type,
            "direction": script.direction,
            "metrics": [{"name": "nConnected", "value": 1, "emitDate": iso(script.began)}],
            "segments": self._segments(script, party),
        }
        if party.ordinal:
            session["peerId"] = script.parties[0].communication
        if script.media_type == "message":
            return session | {"messageType": "webmessaging", "provider": "PureCloud Webmessaging v2"}
        session |= {"provider": "Edge", "edgeId": self._ids.make(IdKind.EDGE, 1), "remote": party.name}
        session |= {"ani": "tel:+34600000000", "dnis": "tel:+18005550100"}
        if party.external or party.user:
            session["recording"] = True
        if party.purpose == "ivr":
            session["flow"] = {"flowId": self._ids.make(IdKind.FLOW, 1), "flowName": "Main flow", "flowVersion": "12.0"}
        return session

    def _segments(self, script: Script, party: Party) -> list[Json]:
        kind = {"ivr": "ivr", "acd": "delay"}.get(party.purpose, "interact")
        segments = [self._segment(script, party, kind, span) for span in party.spans]
        if party.user:
            segments += [self._segment(script, party, "hold", hold) for hold in script.holds]
            close = self._segment(script, party, "wrapup", (party.end, script.lasting))
            segments.append(close | ({"wrapUpCode": script.wrapup} if script.wrapup else {}))
        segments[-1]["disconnectType"] = "client" if party.external else "peer"
        return segments

    def _segment(self, script: Script, party: Party, kind: str, span: tuple[int, int]) -> Json:
        segment: Json = {
            "segmentStart": iso(script.began + span[0]),
            "segmentEnd": iso(script.began + span[1]),
            "segmentType": kind,
            "conference": False,
        }
        return segment | ({"queueId": party.queue} if party.queue else {})
