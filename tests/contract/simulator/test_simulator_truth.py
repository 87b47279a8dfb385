"""The truth against an independent reading of what is served: written here, from the documents alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from turnkeeper.simulator import Running
from turnkeeper.simulator.scenarios import BREAKAGES, choose_scenario

if TYPE_CHECKING:
    from tests.contract.simulator.conftest import Start, Wire

ROLES = {"external": "customer", "user": "agent"}


def overlap(a: tuple[int, int], b: tuple[int, int]) -> int:
    return min(a[1], b[1]) - max(a[0], b[0])


def told(conversation: str, turns: list[tuple[str, float | None, float | None]]) -> dict[str, Any]:
    """(role, end in seconds, confidence) -> the summary."""
    sure = [one for _, _, one in turns if one is not None]
    return {
        "interaction_id": conversation,
        "total_duration_seconds": max((end for _, end, _ in turns if end is not None), default=0.0),
        "total_turns": len(turns),
        "agent_turns": sum(role == "agent" for role, _, _ in turns),
        "customer_turns": sum(role == "customer" for role, _, _ in turns),
        "avg_confidence": round(sum(sure) / len(sure), 6) if sure else 0.0,
    }


def speech_turns(file: Any) -> list[tuple[str, float | None, float | None]]:
    base = file["conversationStartTime"]
    inside = [p for p in file["participants"] if p["participantPurpose"] not in ("customer", "external")]
    turns = []
    for phrase in (phrase for entry in file["transcripts"] for phrase in entry["phrases"]):
        role, end = "customer", None
        if phrase["participantPurpose"] == "internal":
            role = inside[0]["participantPurpose"] if len(inside) == 1 else "?"
        if "startTimeMs" in phrase:
            start = phrase["startTimeMs"]
            last = phrase["words"][-1]
            stop = last["startTimeMs"] + last["duration"]["milliseconds"]
            assert "duration" not in phrase or stop == start + phrase["duration"]["milliseconds"]
            end = (stop - (base if stop > 10**11 else 0)) / 1000
            if phrase["participantPurpose"] == "internal":
                spans = [(overlap((start, stop), (p["startTimeMs"], p["endTimeMs"])), p) for p in inside]
                hits = [p for shared, p in spans if shared > 0]
                assert len(hits) == 1, "time alone must tell who spoke"
                role = hits[0]["participantPurpose"]
        turns.append((ROLES.get(role, role), end, phrase.get("confidence")))
    return turns


def media_turns(document: Any) -> list[tuple[str, float | None, float | None]]:
    roles = {person["id"]: person["role"] for person in document["participants"]}
    turns = document["transcript"]
    return [(roles[turn["speaker_id"]], turn.get("end_time"), turn.get("confidence")) for turn in turns]


def approximately(summary: dict[str, Any]) -> Any:
    return pytest.approx(summary, abs=1.1e-6)


def test_truth_agrees_with_every_served_document(wire: Wire) -> None:
    truth = json.loads(wire.fetch(wire.running.truth_url).body)["conversations"]
    assert len(truth) == 160
    seen, damaged = set(), 0
    for conversation, verdict in truth.items():
        answers = [wire.transcripturl(conversation, session) for session in wire.sessions(conversation)]
        found = [answer.json["url"] for answer in answers if answer.status == 200]
        media = wire.media(conversation)
        seen.add(verdict["outcome"])
        if verdict["outcome"] == "absent":
            assert not found
            assert media.status == 404
        elif verdict["outcome"] == "late":
            assert not found
            assert media.json["status"] == "queued"
            assert verdict["dialects"]["media"]["total_turns"] > 0
        elif verdict["outcome"] == "done":
            files = [wire.fetch(url).json for url in found]
            if verdict["scenario"] == "unread":
                # One field of one turn is broken: how many turns there are is still the truth.
                phrases = [phrase for file in files for entry in file["transcripts"] for phrase in entry["phrases"]]
                assert len(phrases) == verdict["dialects"]["speech"]["total_turns"]
                damaged += 1
                continue
            turns = [turn for file in files for turn in speech_turns(file)]
            assert told(conversation, turns) == approximately(verdict["dialects"]["speech"])
            document = media.json
            if "downloadUrl" in document:
                assert "transcript" not in document
                document = wire.fetch(document["downloadUrl"]).json
            assert told(conversation, media_turns(document)) == approximately(verdict["dialects"]["media"])
        else:
            assert found
            assert verdict["dialects"] == {}
    assert seen == {"done", "absent", "late", "unread"}
    assert damaged


def test_giant_documents_agree_with_their_arithmetic(start: Start) -> None:
    wire = start(conversations=3, giant_mb=3)
    giant = wire.running.giant_id
    assert giant is not None
    assert wire.running.ready()["giant_id"] == giant
    verdict = wire.fetch(f"{wire.running.truth_url}/{giant}").json
    session = wire.sessions(giant)[0]
    speech = wire.fetch(wire.transcripturl(giant, session).json["url"])
    media = wire.fetch(wire.media(giant).json["downloadUrl"])
    assert 3_000_000 < len(speech.body) < 3_300_000
    assert 3_000_000 < len(media.body) < 3_300_000
    assert list(media.json)[-1] == list(speech.json)[-1] == "participants"
    assert told(giant, speech_turns(speech.json)) == approximately(verdict["dialects"]["speech"])
    assert told(giant, media_turns(media.json)) == approximately(verdict["dialects"]["media"])


def test_transfer_splits_and_duplicate_legs_repeat(wire: Wire) -> None:
    by_scenario: dict[str, str] = {}
    listed = wire.fetch(wire.running.base_url + "/_sim/conversations?limit=100").json["conversations"]
    for entry in listed:
        by_scenario.setdefault(entry["scenario"], entry["id"])
    texts = {}
    for scenario in ("transfer", "duplicate-legs"):
        conversation = by_scenario[scenario]
        answers = [wire.transcripturl(conversation, session) for session in wire.sessions(conversation)]
        files = [wire.fetch(one.json["url"]).json for one in answers if one.status == 200]
        assert len(files) == 2
        texts[scenario] = [
            {phrase["startTimeMs"] for entry in file["transcripts"] for phrase in entry["phrases"]} for file in files
        ]
    assert not texts["transfer"][0] & texts["transfer"][1]
    assert texts["duplicate-legs"][1]
    assert texts["duplicate-legs"][1] < texts["duplicate-legs"][0]


def test_special_shapes_are_served(wire: Wire) -> None:
    listed = wire.fetch(wire.running.base_url + "/_sim/conversations?limit=25").json["conversations"]
    files = {}
    for entry in listed:
        answers = [wire.transcripturl(entry["id"], session) for session in wire.sessions(entry["id"])]
        if entry["outcome"] == "done":
            files[entry["scenario"]] = wire.fetch(next(a.json["url"] for a in answers if a.status == 200)).json
    first = {name: file["transcripts"][0]["phrases"][:1] for name, file in files.items()}
    assert len(files["several-transcripts"]["transcripts"]) == 2
    assert [entry["language"] for entry in files["several-transcripts"]["transcripts"]] == ["es-us", "en-us"]
    assert first["empty"] == []
    assert "decoratedText" not in first["undecorated"][0]
    assert {"startTimeMs", "duration", "words", "confidence"}.isdisjoint(first["message"][0])
    assert 0 <= first["offset-times"][0]["startTimeMs"] < 10**7
    assert all(word["duration"]["milliseconds"] == 80 for word in first["stamped-words"][0]["words"])
    assert "emotion" in first["unknown-fields"][0]
    assert "schemaRevision" in files["unknown-fields"]
    assert files["message"]["mediaType"] == "message"
    assert files["plain"]["mediaType"] == "call"


def test_unread_bodies_are_broken_each_in_its_way(start: Start) -> None:
    wire = start(conversations=1000)
    unread = {choose_scenario(7, n).breakage: n for n in range(1000)}
    del unread[None]
    found = {breakage: fault_in(wire.fetch(wire.link(n)).body) for breakage, n in unread.items()}
    assert found == {name: name for name in BREAKAGES}


def fault_in(body: bytes) -> str:
    try:
        file = json.loads(body)
    except ValueError:
        return "truncated-json"
    if "transcripts" not in file:
        return "unknown-shape"
    if b"NaN" in body:
        return "nan"
    phrases = [phrase for entry in file["transcripts"] for phrase in entry["phrases"]]
    if any(not isinstance(phrase["startTimeMs"], int) for phrase in phrases):
        return "wrong-type"
    return "end-before-start" if any(phrase["duration"]["milliseconds"] < 0 for phrase in phrases) else "fine"


def test_ready_line_has_no_more_than_twenty_ids(wire: Wire) -> None:
    running: Running = wire.running
    ready = json.loads(json.dumps(running.ready()))
    assert ready["conversation_ids"] == running.conversation_ids
    assert len(running.conversation_ids) == 20
    assert {"base_url", "client_id", "client_secret", "truth_url", "clock_url", "private_key_client_id"} <= set(ready)
