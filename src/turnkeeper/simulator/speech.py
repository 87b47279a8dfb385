"""The speech dialect: the JSON file behind ``transcripturl``, made from one leg of a script."""

from __future__ import annotations

from typing import Any

from turnkeeper.simulator import scenarios
from turnkeeper.simulator.ids import IdKind, Ids
from turnkeeper.simulator.people import People
from turnkeeper.simulator.script import Party, Passage, Script, ScriptLeg, ScriptLine, ScriptWord

Json = dict[str, Any]


class SpeechFile:
    """Writes the file of one leg of one script."""

    def __init__(self, ids: Ids, people: People, script: Script, ordinal: int) -> None:
        self._ids = ids
        self._people = people
        self._script = script
        self._leg: ScriptLeg = script.legs[ordinal]
        self._ordinal = ordinal
        self._offsets = script.scenario == scenarios.OFFSETS
        self._novel = script.scenario == scenarios.NOVEL
        self._digital = script.media_type == "message"

    def document(self) -> Json:
        """The whole file."""
        script, leg = self._script, self._leg
        file: Json = {
            "organizationId": self._people.organization.id,
            "conversationId": script.id,
            "communicationId": script.parties[leg.party].communication,
            "mediaType": "message" if self._digital else "call",
            "conversationStartTime": script.began,
            "startTime": script.began + leg.start,
            "duration": {"milliseconds": leg.end - leg.start},
            "participants": self._participants_json(),
            "transcripts": [self._transcript_json(n, passage) for n, passage in enumerate(leg.passages)],
            "uri": f"/transcripts/{script.id}",
        }
        if not self._digital:
            file["recordingId"] = self._ids.make(IdKind.RECORDING, script.index, leg.party)
        if self._novel:
            file["schemaRevision"] = {"major": 4, "tags": ["beta", None, 1.5e3]}
        return file

    def _time_of(self, ms: int) -> int:
        return ms if self._offsets else self._script.began + ms

    def _participants_json(self) -> list[Json]:
        present = [party for party in self._script.parties if party.start < self._leg.end]
        present = [party for party in present if party.end > self._leg.start]
        return [self._presence_json(party, span) for party in present for span in party.spans]

    def _presence_json(self, party: Party, span: tuple[int, int]) -> Json:
        entry: Json = {
            "participantPurpose": party.purpose,
            "initialDirection": self._script.direction,
            "divisionId": self._people.division.id,
            "startTimeMs": self._time_of(span[0]),
            "endTimeMs": self._time_of(span[1]),
        }
        if party.user:
            entry |= {"userId": party.user, "teamId": self._ids.make(IdKind.TEAM, 1)}
        if party.queue:
            entry["queueId"] = party.queue
        if party.purpose == "ivr":
            entry |= {"flowId": self._ids.make(IdKind.FLOW, 1), "flowVersion": "12.0"}
        if self._digital:
            entry["messageType"] = "webmessaging"
        elif party.external:
            entry |= {"ani": "tel:+34600000000", "dnis": "tel:+18005550100"}
        return entry

    def _transcript_json(self, number: int, passage: Passage) -> Json:
        first = passage.lines[0].start if passage.lines else None
        last = max((line.end or 0 for line in passage.lines), default=0)
        # With offset times there is one zero point for the whole file: the conversation's start.
        start = 0 if self._offsets or first is None else first
        entry: Json = {
            "transcriptId": self._ids.make(IdKind.TRANSCRIPT, self._script.index, self._ordinal * 16 + number),
            "language": passage.language,
            "programId": self._ids.make(IdKind.PROGRAM, 1),
            "engineId": "r2d2",
            "engineProvider": "GENESYS",
            "startTime": self._script.began + start,
            "duration": {"milliseconds": max(0, last - start)},
            "phrases": [self._phrase_json(n, line) for n, line in enumerate(passage.lines)],
            "analytics": self._analytics_json(passage),
        }
        if self._digital:
            entry["messageType"] = "webmessaging"
        if self._novel:
            entry["diarization"] = [{"speaker": 0, "spans": [[0, 1], [2, 3]]}]
        return entry

    def _phrase_json(self, number: int, line: ScriptLine) -> Json:
        side = "external" if self._script.parties[line.party].external else "internal"
        phrase: Json = {"phraseIndex": number, "participantPurpose": side, "text": line.text}
        if line.decorated is not None:
            phrase["decoratedText"] = line.decorated
        if line.start is None or line.end is None:
            return phrase | {"offset": {"wordCount": number * 9, "characterCount": number * 50}, "type": "text"}
        phrase |= {"stability": 1.0, "confidence": line.confidence, "offset": {}}
        phrase["startTimeMs"] = self._time_of(line.start)
        # A phrase without a duration ends with its last word.
        if self._script.scenario != scenarios.STAMPED or number % 3:
            phrase["duration"] = {"milliseconds": line.end - line.start}
        phrase["words"] = [self._word_json(word) for word in line.words]
        if self._novel:
            phrase["emotion"] = {"label": "calm", "scores": {"calm": 0.91, "tense": 0.09}}
        return phrase | {"alternatives": [], "type": "speech"}

    def _word_json(self, word: ScriptWord) -> Json:
        entry: Json = {
            "word": word.text,
            "confidence": word.confidence,
            "startTimeMs": self._time_of(word.start),
            "duration": {"milliseconds": word.end - word.start},
        }
        return entry | {"phonemes": ["a", "b"]} if self._novel else entry

    def _analytics_json(self, passage: Passage) -> Json:
        felt = [self._sentiment_json(n, line) for n, line in enumerate(passage.lines) if len(line.text) % 4 == 0]
        return {"sentiment": felt, "topics": [], "acoustic": []}

    def _sentiment_json(self, number: int, line: ScriptLine) -> Json:
        side = "external" if self._script.parties[line.party].external else "internal"
        feeling: Json = {"participant": side, "phrase": line.text, "phraseIndex": number}
        if line.start is not None and line.end is not None:
            feeling["startTimeMs"] = self._time_of(line.start)
            feeling["duration"] = {"milliseconds": line.end - line.start}
        return feeling | {"sentiment": len(line.text) % 3 - 1, "type": "phrase"}
