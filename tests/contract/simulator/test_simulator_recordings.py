"""The simulator's recordings over bare HTTP: lists, polling, pauses, links, batches, and files that are wrong."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from tests.contract.simulator.conftest import Start, Wire

BATCHES = "/api/v2/recording/batchrequests"


def home(conversation: str) -> str:
    return f"/api/v2/conversations/{conversation}"


def recordings(wire: Wire, conversation: str, query: str = "?formatId=WAV_ULAW") -> Any:
    return wire.get(f"{home(conversation)}/recordings{query}").json


def _moment(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _samples(wire: Wire, conversation: str) -> bytes:
    return wire.fetch(link(wire, conversation)).body[58:]


def link(wire: Wire, conversation: str, query: str = "?formatId=WAV_ULAW") -> str:
    return str(next(iter(recordings(wire, conversation, query)[0]["mediaUris"].values()))["mediaUri"])


def test_a_transferred_call_has_one_recording_per_leg_on_the_sessions_that_say_so(wire: Wire) -> None:
    conversation = wire.simulation.id_of(3)
    listed = recordings(wire, conversation)
    recorded = {
        session["sessionId"]
        for person in wire.details(conversation)["participants"]
        for session in person["sessions"]
        if session.get("recording")
    }
    assert len(listed) == 2
    assert {one["sessionId"] for one in listed} <= recorded
    assert listed[0]["startTime"] < listed[0]["endTime"] <= listed[1]["endTime"]


def test_a_tone_recording_is_a_stereo_ulaw_wav_as_long_as_it_says(wire: Wire) -> None:
    conversation = wire.simulation.id_of(3)
    one = recordings(wire, conversation)[0]
    body = wire.fetch(one["mediaUris"]["S"]["mediaUri"])
    assert body.headers["content-type"] == "audio/wav"
    assert body.body[:4] == b"RIFF"
    assert body.body[20:24] == b"\x07\x00\x02\x00"
    assert len(body.body) == 58 + one["outputDurationMs"] * 8 * 2


def test_ulaw_comes_as_pcm_where_wav_is_asked_for(start: Start) -> None:
    wire = start(calls=True)
    conversation = wire.simulation.call_ids["secure-pause"]
    stored, asked = (link(wire, conversation, f"?formatId={name}") for name in ("WAV_ULAW", "WAV"))
    ulaw, pcm = wire.fetch(stored).body, wire.fetch(asked).body
    assert pcm[20:24] == b"\x01\x00\x02\x00"
    assert len(pcm) - 44 == 2 * (len(ulaw) - 58)


def test_a_message_has_a_recording_without_anything_to_hear(start: Start) -> None:
    wire = start()
    message = next(
        name
        for name, one in wire.send("GET", "/_sim/truth").json["conversations"].items()
        if one["scenario"] == "message"
    )
    listed = recordings(wire, message)
    assert [one["media"] for one in listed] == ["messaging"]
    assert "mediaUris" not in listed[0]


def test_metadata_has_no_media_and_starts_no_transcoding(start: Start) -> None:
    wire = start("transcoding")
    conversation = wire.simulation.id_of(0)
    told = wire.get(f"{home(conversation)}/recordingmetadata").json
    assert "mediaUris" not in told[0]
    statuses = [wire.get(f"{home(conversation)}/recordings?formatId=MP3").status for _ in range(3)]
    assert statuses == [202, 202, 200]
    single = wire.get(f"{home(conversation)}/recordingmetadata/{told[0]['id']}").json
    assert single["id"] == told[0]["id"]


def test_202_has_no_body(start: Start) -> None:
    wire = start("transcoding-forever")
    answer = wire.get(f"{home(wire.simulation.id_of(0))}/recordings")
    assert (answer.status, answer.body) == (202, b"")


@pytest.mark.parametrize("query", ["?formatId=AAC", "?mediaFormats=WAV,FLAC", "?maxWaitMs=soon"])
def test_unknown_formats_are_refused(wire: Wire, query: str) -> None:
    assert wire.get(f"{home(wire.simulation.id_of(0))}/recordings{query}").status == 400


def test_a_pause_is_told_on_four_clocks_with_a_new_id_each_time(start: Start) -> None:
    wire = start(calls=True)
    conversation = wire.simulation.call_ids["secure-pause"]
    call = wire.send("GET", f"/_sim/truth/{conversation}").json["call"]
    first, again = (recordings(wire, conversation)[0]["annotations"] for _ in range(2))
    pause, lasting = call["pauses"][0], call["pauses"][0]["end_ms"] - call["pauses"][0]["start_ms"]
    assert (first[0]["type"], first[0]["reason"]) == ("pause", "SecurePause")
    assert first[0]["realtimeLocation"] == pause["start_ms"] - call["recording_start_ms"]
    assert first[0]["durationMs"] == lasting
    assert first[0]["recordingDurationMs"] == 0
    assert first[0]["id"] != again[0]["id"]
    assert {**first[0], "id": ""} == {**again[0], "id": ""}


@pytest.mark.parametrize(
    ("fault", "state"),
    [("recording-archived", "ARCHIVED"), ("recording-deleted", "DELETED"), ("recording-restoring", "RESTORING")],
)
def test_what_is_not_there_is_listed_without_media(start: Start, fault: str, state: str) -> None:
    wire = start(fault)
    one = recordings(wire, wire.simulation.id_of(0))[0]
    assert one["fileState"] == state
    assert one["mediaUris"] is None


def test_an_archived_recording_is_a_stub_without_a_session(start: Start) -> None:
    """vendor-facts-2 M1.1: which session it is of exists only once the media is restored."""
    wire = start("recording-archived")
    one = recordings(wire, wire.simulation.id_of(0))[0]
    assert "sessionId" not in one
    assert {"archiveDate", "archiveMedium"} <= one.keys()
    (told,) = wire.get(f"{home(wire.simulation.id_of(0))}/recordingmetadata").json
    assert "sessionId" not in told


def test_restorations_are_not_limited(wire: Wire) -> None:
    """vendor-facts-2 M1.3: both fields always say 10,000."""
    (told,) = wire.get(f"{home(wire.simulation.id_of(0))}/recordingmetadata").json
    assert (told["maxAllowedRestorationsForOrg"], told["remainingRestorationsAllowedForOrg"]) == (10_000, 10_000)


def test_a_hold_is_in_the_recording_or_cut_out_of_it(start: Start) -> None:
    """vendor-facts-2 M: whether holds are recorded is the organisation's choice."""
    kept, cut = start(conversations=160), start("hold-suppressed", conversations=160)
    number = next(n for n in range(160) if kept.simulation.script(n).holds)
    conversation = kept.simulation.id_of(number)
    (whole,), (shorter,) = (recordings(wire, conversation) for wire in (kept, cut))
    assert [one["type"] for one in whole["annotations"]] == [one["type"] for one in shorter["annotations"]]
    assert {one["recordingDurationMs"] for one in shorter["annotations"]} == {0}
    missing = whole["outputDurationMs"] - shorter["outputDurationMs"]
    assert abs(missing - sum(two - one for one, two in kept.simulation.script(number).holds)) <= 20
    assert abs(_moment(whole["endTime"]) - _moment(shorter["endTime"])) <= 20
    before = whole["annotations"][0]["recordingLocation"] * 16
    files = [_samples(wire, conversation) for wire in (kept, cut)]
    assert files[0][:before] == files[1][:before]


def test_with_a_number_only_some_recordings_are_sensitive(start: Start) -> None:
    """vendor-facts-2 M1.2: what is expected and what a batch delivers differ by the sensitive ones."""
    wire = start("redacted=2")
    ids = [wire.simulation.id_of(number) for number in (0, 1)]
    name = wire.post(BATCHES, {"batchDownloadRequestList": [{"conversationId": one} for one in ids]}).json["id"]
    _, done = (wire.get(f"{BATCHES}/{name}").json for _ in range(2))
    assert (done["status"], done["expectedResultCount"], done["resultCount"]) == ("Completed", 2, 1)
    assert [one["conversationId"] for one in done["results"]] == ids[1:]


def test_a_link_to_media_expires_and_needs_no_token(start: Start) -> None:
    wire = start("expired-media-link")
    conversation = wire.simulation.id_of(0)
    first, second = link(wire, conversation), link(wire, conversation)
    assert wire.fetch(first).status == 403
    assert wire.fetch(second).status == 200
    assert wire.fetch(link(wire, conversation), Authorization="Bearer x").status == 400


def test_media_comes_by_range(wire: Wire) -> None:
    url = link(wire, wire.simulation.id_of(0))
    whole, part = wire.fetch(url), wire.fetch(url, Range="bytes=100-199")
    assert (part.status, part.body) == (206, whole.body[100:200])


def batch(wire: Wire, *wanted: tuple[str, str]) -> Any:
    items = [{"conversationId": one} | ({"recordingId": two} if two else {}) for one, two in wanted]
    name = wire.post(BATCHES, {"batchDownloadRequestList": items}).json["id"]
    looks = [wire.get(f"{BATCHES}/{name}").json for _ in range(2)]
    assert [look["status"] for look in looks] == ["InProgress", "Completed"]
    return looks[1]["results"]


def test_a_batch_gives_a_link_per_recording_in_the_original_codec(start: Start) -> None:
    wire = start(calls=True)
    plain, other = wire.simulation.call_ids["plain"], wire.simulation.id_of(3)
    results = batch(wire, (plain, ""), (other, recordings(wire, other)[1]["id"]), ("no-such", ""))
    assert [one.get("contentType") for one in results] == ["audio/ogg", "audio/wav", None]
    assert results[1]["recordingId"] == recordings(wire, other)[1]["id"]
    assert "not found" in results[2]["errorMsg"]
    assert wire.fetch(results[0]["resultUrl"]).body[:4] == b"OggS"


def test_a_batch_is_its_submitters_alone(start: Start) -> None:
    wire = start()
    name = wire.post(BATCHES, {"batchDownloadRequestList": [{"conversationId": wire.simulation.id_of(0)}]}).json["id"]
    wire.simulation.tokens._issued["another"] = type(next(iter(wire.simulation.tokens._issued.values())))(
        "another-client", 1 << 60
    )
    assert wire.send("GET", f"{BATCHES}/{name}", {"Authorization": "Bearer another"}).status == 404


@pytest.mark.parametrize("body", [b"{}", b"[]", b"no", json.dumps({"batchDownloadRequestList": []}).encode()])
def test_a_batch_of_nothing_is_refused(wire: Wire, body: bytes) -> None:
    assert wire.send("POST", BATCHES, wire.bearer, body).status == 400


def test_sensitive_recordings_are_left_out_of_batches_and_redacted_in_lists(start: Start) -> None:
    open_door, closed = start(), start("redacted")
    conversation = closed.simulation.id_of(0)
    assert batch(closed, (conversation, "")) == []
    whole, redacted = (wire.fetch(link(wire, conversation)).body for wire in (open_door, closed))
    assert len(whole) == len(redacted)
    assert whole != redacted


@pytest.mark.parametrize(
    ("fault", "begins", "size"),
    [
        ("html-audio", b"<!DOCTYPE", 74),
        ("empty-audio", b"", 0),
        ("header-only-audio", b"RIFF", 44),
        ("three-channels", b"RIFF", 96_044),
        ("zero-rate", b"RIFF", 16_058),
    ],
)
def test_a_wrong_file_is_wrong_in_its_way(start: Start, fault: str, begins: bytes, size: int) -> None:
    wire = start(fault)
    body = wire.fetch(link(wire, wire.simulation.id_of(0))).body
    assert body.startswith(begins)
    assert len(body) == size


def test_the_sample_calls_follow_the_numbered_ones_in_both_dialects(start: Start) -> None:
    wire = start(calls=True, conversations=6)
    names = list(wire.simulation.call_ids)
    truth = wire.send("GET", "/_sim/truth").json["conversations"]
    assert len(truth) == 6 + len(names)
    assert [truth[wire.simulation.call_ids[name]]["call"]["name"] for name in names] == names
    conversation = wire.simulation.call_ids["plain"]
    speech = wire.fetch(wire.transcripturl(conversation, wire.sessions(conversation)[0]).json["url"]).json
    media = wire.media(conversation).json
    phrases = speech["transcripts"][0]["phrases"]
    assert [one["decoratedText"] for one in phrases] == [one["text"] for one in media["transcript"]]
    began = speech["conversationStartTime"]
    assert [(one["startTimeMs"] - began) / 1000 for one in phrases] == [
        one["start_time"] for one in media["transcript"]
    ]
    sample = next(one for one in wire.simulation.samples.calls if one.name == "plain")
    assert [one["start_time"] for one in media["transcript"]] == [
        one["start_ms"] / 1000 for one in sample.description["turns"]
    ]
    day = "2026-10-05T00:00:00.000Z/2026-10-06T00:00:00.000Z"
    found = wire.query(day, paging={"pageSize": 100, "pageNumber": 1}).json["conversations"]
    assert {one["conversationId"] for one in found} == set(truth)


def test_jitter_moves_starts_and_nothing_else(start: Start) -> None:
    still, shaken = start(calls=True), start(calls=True, call_jitter_ms=40)
    conversation = still.simulation.call_ids["plain"]
    one, two = (wire.media(conversation).json["transcript"] for wire in (still, shaken))
    assert [turn["end_time"] for turn in one] == [turn["end_time"] for turn in two]
    moved = [abs(a["start_time"] - b["start_time"]) for a, b in zip(one, two, strict=True)]
    assert 0 < max(moved) < 0.2
