"""Each fault does what its sentence says, seen from raw HTTP."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from turnkeeper.simulator import FAULTS, Simulation
from turnkeeper.simulator.bodies import BytesBody
from turnkeeper.simulator.document_store import DocumentPlace

if TYPE_CHECKING:
    from tests.contract.simulator.conftest import Reply, Start, Wire

NOW = datetime(2026, 11, 2, tzinfo=UTC)
USERS = "/api/v2/users"


def clean_body(index: int = 0) -> bytes:
    """The bytes of an index's first speech file as they are without any fault."""
    simulation = Simulation(conversations=30)
    body = simulation.documents.body(DocumentPlace(simulation.script(index), 0))
    return b"".join(body.read(0, body.size))


def test_every_fault_has_a_sentence_and_strangers_are_refused() -> None:
    assert all(sentence.endswith(".") and len(sentence) > 20 for sentence in FAULTS.values())
    with pytest.raises(ValueError, match=r"unknown fault 'expired'; known: all, .*expired-link"):
        Simulation(faults=frozenset({"expired"}))
    with pytest.raises(ValueError, match="takes a whole number"):
        Simulation(faults=frozenset({"throttle=often"}))


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("expired-link", 403, b"Request has expired"),
        ("expired-token-link", 400, b"<Code>ExpiredToken</Code>"),
        ("gone-link", 410, b""),
    ],
)
def test_first_link_is_bad_and_stays_bad_the_next_is_good(start: Start, fault: str, status: int, words: bytes) -> None:
    wire = start(fault)
    first = wire.link()
    for _ in range(2):
        refused = wire.fetch(first)
        assert refused.status == status
        assert words in refused.body
    assert wire.fetch(wire.link()).body == clean_body()


def test_dead_link_never_lives(start: Start) -> None:
    wire = start("dead-link")
    assert [wire.fetch(wire.link()).status for _ in range(4)] == [403] * 4


def test_redirect_leads_to_another_host_of_the_storage_port(start: Start) -> None:
    wire = start("redirect")
    answer = wire.fetch(wire.link())
    location = answer.headers["location"]
    assert answer.status == 302
    assert location.startswith("http://localhost:")
    assert "/moved/" in location
    assert wire.fetch(location).body == clean_body()


def test_bearer_leak_bait_leads_from_the_api_to_storage(start: Start) -> None:
    wire = start("bearer-leak-bait")
    answer = wire.media(wire.running.conversation_ids[0])
    assert answer.status == 302
    assert answer.headers["location"].startswith(wire.running.storage_url)
    assert wire.fetch(answer.headers["location"]).json["transcript"]


@pytest.mark.parametrize(
    ("fault", "number", "waits", "key"),
    [
        ("throttle", 5, "1", "client.credentials.token.rate.per.minute"),
        ("throttle=3", 3, "1", "client.credentials.token.rate.per.minute"),
        ("throttle-bare", 7, None, "client.credentials.token.rate.per.minute"),
        ("tenant-throttle", 11, "1", "org.app.user.rate.per.minute"),
        ("throttle-forever", 1, "1", "client.credentials.token.rate.per.minute"),
    ],
)
def test_throttles(start: Start, fault: str, number: int, waits: str | None, key: str) -> None:
    wire = start(fault)
    answers = [wire.get(USERS) for _ in range(number)]
    assert [one.status for one in answers] == [200] * (number - 1) + [429]
    assert answers[-1].headers.get("retry-after") == waits
    assert answers[-1].json["limit"]["key"] == key


def test_server_error_hits_the_first_request_of_each_path(start: Start) -> None:
    wire = start("server-error")
    paths = [USERS, "/api/v2/routing/queues", "/api/v2/routing/wrapupcodes"]
    first = [wire.get(path) for path in paths]
    assert [one.status for one in first] == [one.json["status"] for one in first] == [500, 503, 504]
    assert [wire.get(path).status for path in paths] == [200] * 3


def test_html_error_is_no_json(start: Start) -> None:
    wire = start("html-error=2")
    for _ in range(2):
        answer = wire.get(USERS)
        assert answer.status == 502
        assert b"cloudfront" in answer.body
    assert wire.get(USERS).status == 200


def test_slow_drip_arrives_whole(start: Start) -> None:
    wire = start("slow-drip")
    assert wire.fetch(wire.link()).body == clean_body()


def cut(wire: Wire, url: str) -> bytes:
    with pytest.raises(http.client.IncompleteRead) as broken:
        wire.fetch(url)
    return broken.value.partial


def test_cut_body_can_be_resumed(start: Start) -> None:
    wire = start("cut-body")
    link = wire.link()
    partial = cut(wire, link)
    assert 0 < len(partial) < len(clean_body())
    rest = wire.fetch(link, Range=f"bytes={len(partial)}-")
    assert rest.status == 206
    assert partial + rest.body == clean_body()


def test_cut_body_as_often_as_asked(start: Start) -> None:
    wire = start("cut-body=3")
    for _ in range(3):
        cut(wire, wire.link())
    assert wire.fetch(wire.link()).status == 200


def test_cut_body_changed_has_another_tag(start: Start) -> None:
    wire = start("cut-body-changed")
    link = wire.link()
    partial = cut(wire, link)
    whole = wire.fetch(link, Range=f"bytes={len(partial)}-", If_Range=BytesBody(clean_body()).tag)
    assert whole.status == 200
    assert whole.body == clean_body() + b"\n"


def test_no_range_sends_everything_again(start: Start) -> None:
    wire = start("no-range")
    link = wire.link()
    partial = cut(wire, link)
    whole = wire.fetch(link, Range=f"bytes={len(partial)}-")
    assert whole.status == 200
    assert whole.body == clean_body()
    assert "accept-ranges" not in whole.headers


def test_gzip_is_encoded_and_sized(start: Start) -> None:
    wire = start("gzip")
    answer = wire.fetch(wire.link())
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(answer.body) == clean_body()
    assert int(answer.headers["content-length"]) == len(answer.body)


def test_token_expiry_wears_a_token_out(start: Start) -> None:
    wire = start("token-expiry")
    answers = [wire.get(USERS) for _ in range(5)]
    assert [one.status for one in answers] == [200, 200, 200, 401, 401]
    assert answers[-1].json["code"] == "credentials.expired"
    fresh = {"Authorization": f"Bearer {wire.token().json['access_token']}"}
    assert wire.send("GET", USERS, fresh).status == 200


def test_token_dead_and_wrong_region(start: Start) -> None:
    wire = start("token-dead")
    assert (wire.get(USERS).status, wire.get(USERS).json["code"]) == (401, "bad.credentials")
    refused = start("wrong-region").token()
    assert (refused.status, refused.json["error"], refused.json["description"]) == (
        401,
        "invalid_client",
        "authentication failed",
    )


def test_denied_names_the_permissions(start: Start) -> None:
    wire = start("denied")
    conversation = wire.running.conversation_ids[0]
    answers = [wire.media(conversation), wire.transcripturl(conversation, wire.sessions(conversation)[0])]
    for answer in answers:
        assert (answer.status, answer.json["code"]) == (403, "missing.permissions")
        assert "speechAndTextAnalytics:data:view" in answer.json["message"]
    assert wire.get(USERS).status == 200


def test_denied_users_leaves_transcripts_alone(start: Start) -> None:
    wire = start("denied-users")
    for path in (USERS, "/api/v2/routing/queues", "/api/v2/routing/wrapupcodes"):
        assert wire.get(path).status == 403
    assert wire.fetch(wire.link()).status == 200


def test_not_ready_takes_its_time(start: Start) -> None:
    wire = start("not-ready")
    conversation = wire.running.conversation_ids[0]
    session = wire.sessions(conversation)[0]
    assert [wire.transcripturl(conversation, session).status for _ in range(3)] == [404, 404, 200]
    assert [wire.media(conversation).json["status"] for _ in range(3)] == ["queued", "processing", "completed"]


def test_forever_processing(start: Start) -> None:
    wire = start("forever-processing")
    conversation = wire.running.conversation_ids[0]
    session = wire.sessions(conversation)[0]
    assert {wire.media(conversation).json["status"] for _ in range(5)} == {"processing"}
    assert {wire.transcripturl(conversation, session).status for _ in range(5)} == {404}


def test_empty_first_then_filled(start: Start) -> None:
    wire = start("empty-first")
    answers = [wire.media(wire.running.conversation_ids[0]).json for _ in range(2)]
    assert [answer["status"] for answer in answers] == ["completed"] * 2
    assert answers[0]["transcript"] == []
    assert answers[1]["transcript"]


def test_clock_skew_is_an_hour_in_the_date_header(start: Start) -> None:
    wire = start("clock-skew", now=NOW)
    assert wire.get(USERS).headers["date"] == "Mon, 02 Nov 2026 01:00:00 GMT"


def test_missing_dialects(start: Start) -> None:
    media, speech = start("media-missing"), start("speech-missing")
    conversation = media.running.conversation_ids[0]
    session = media.sessions(conversation)[0]
    assert (media.media(conversation).status, media.transcripturl(conversation, session).status) == (404, 200)
    assert (speech.media(conversation).status, speech.transcripturl(conversation, session).status) == (200, 404)


def test_legacy_answers_two_older_shapes(start: Start) -> None:
    wire = start("legacy")
    bare, camel = (wire.media(wire.running.conversation_ids[n]).json for n in (0, 1))
    assert isinstance(bare, list)
    assert {"start_time", "speaker_id", "role"} <= set(bare[0])
    assert {"startTime", "endTime", "speakerId"} <= set(camel["transcript"][0])


def test_late_second_leg(start: Start) -> None:
    wire = start("late-second-leg", now=NOW)
    transfer = next(n for n in range(30) if wire.simulation.script(n).scenario == "transfer")
    conversation = wire.simulation.id_of(transfer)
    script = wire.simulation.script(transfer)
    legs = [script.parties[leg.party].communication for leg in script.legs]
    assert [wire.transcripturl(conversation, leg).status for leg in legs] == [200, 404]
    wire.advance(3600)
    assert [wire.transcripturl(conversation, leg).status for leg in legs] == [200, 200]


def test_changed_transcript_after_a_day(start: Start) -> None:
    wire = start("changed-transcript", now=NOW, token_seconds=200_000)
    before = wire.fetch(wire.link())
    wire.advance(86_400)
    after = wire.fetch(wire.link())
    assert before.body == clean_body()
    assert b"(corrected)" in after.body
    assert before.headers["etag"] != after.headers["etag"]


def test_huge_string_is_one_turn(start: Start) -> None:
    wire = start("huge-string=2")
    document = wire.fetch(wire.media(wire.running.conversation_ids[0]).json["downloadUrl"]).json
    assert next(len(turn["text"]) for turn in document["transcript"]) == 2 * 1_048_576
    assert len(wire.fetch(wire.link(1)).body) < 100_000


def is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


SPOILT: dict[str, Callable[[Reply], bool]] = {
    "html-body": lambda reply: reply.status == 200 and reply.body.startswith(b"<!DOCTYPE html>"),
    "empty-body": lambda reply: reply.status == 200 and reply.body == b"",
    "truncated-json": lambda reply: clean_body().startswith(reply.body) and not is_json(reply.body),
    "wrong-conversation": lambda reply: reply.json["conversationId"] != json.loads(clean_body())["conversationId"],
    "invalid-utf8": lambda reply: b"\xff\xfe" in reply.body,
    "deep-nesting": lambda reply: b"[" * 100_000 in reply.body,
    "unknown-shape": lambda reply: set(reply.json) == {"kind", "payload"},
    "extra-shape": lambda reply: reply.json["schemaVersion"] == 9,
    "nan": lambda reply: b":NaN" in reply.body,
    "end-before-start": lambda reply: b'"milliseconds":-1500' in reply.body,
    "wrong-type": lambda reply: b'"startTimeMs":{"at":"soon"}' in reply.body,
}


@pytest.mark.parametrize("fault", sorted(SPOILT))
def test_document_faults_last_or_let_go(start: Start, fault: str) -> None:
    lasting, passing = start(fault), start(f"{fault}=1")
    assert all(SPOILT[fault](lasting.fetch(lasting.link())) for _ in range(3))
    assert SPOILT[fault](passing.fetch(passing.link()))
    assert passing.fetch(passing.link()).body == clean_body()


@pytest.mark.parametrize("fault", ["wrong-type", "nan", "end-before-start", "unknown-shape"])
def test_document_faults_reach_the_media_dialect(start: Start, fault: str) -> None:
    wire, clean = start(fault), start()
    conversation = wire.running.conversation_ids[0]
    assert wire.media(conversation).body != clean.media(conversation).body


def test_all_faults_at_once_still_yield_the_document_in_the_end(start: Start) -> None:
    wire = start("all")
    bodies: list[bytes] = []
    for _ in range(60):
        wire._bearer = ""
        script = wire.simulation.script(0)
        answer = wire.transcripturl(script.id, script.parties[0].communication)
        if answer.status != 200:
            continue
        stored = wire.fetch(answer.json["url"])
        if stored.status == 302:
            try:
                stored = wire.fetch(stored.headers["location"])
            except http.client.IncompleteRead:
                continue
        if stored.status == 200:
            bodies.append(gzip.decompress(stored.body).rstrip())
    assert set(bodies) == {clean_body()}


_JOBS = "/api/v2/analytics/conversations/details/jobs"


def _job(wire: Wire) -> str:
    asked = {"interval": "2026-10-01T00:00:00Z/2026-10-20T00:00:00Z"}
    return f"{_JOBS}/{wire.post(_JOBS, asked).json['jobId']}"


def test_jobs_fail_expire_and_are_cancelled(start: Start) -> None:
    wire = start("job-failed", "job-expired", conversations=60, now=NOW)
    failed, expired, cancelled = _job(wire), _job(wire), _job(wire)
    told = [wire.get(failed).json for _ in range(2)]
    assert [one["state"] for one in told] == ["QUEUED", "FAILED"]
    assert told[1]["errorMessage"]
    assert wire.get(f"{failed}/results").status == 400
    assert [wire.get(expired).json["state"] for _ in range(3)] == ["QUEUED", "PENDING", "FULFILLED"]
    first = wire.get(f"{expired}/results?pageSize=40").json
    assert len(first["conversations"]) == 40
    assert wire.get(f"{expired}/results?pageSize=40&cursor={first['cursor']}").status == 404
    assert wire.send("DELETE", cancelled, wire.bearer).status == 204
    assert wire.get(cancelled).json["state"] == "CANCELLED"


def test_the_lake_falls_behind(start: Start) -> None:
    wire = start("stale-watermark=48", now=NOW)
    told = datetime.fromisoformat(wire.get(f"{_JOBS}/availability").json["dataAvailabilityDate"])
    assert told == NOW - timedelta(hours=48)


@pytest.mark.parametrize("fault", ["search-missing", "speech-missing", "forever-processing"])
def test_the_search_is_missing_or_lists_nothing(start: Start, fault: str) -> None:
    wire = start(fault, now=NOW)
    between = {"type": "DATE_RANGE", "fields": ["conversationStartTime"], "startValue": "2026-10-05T00:00:00"}
    asked = {"types": ["transcripts"], "query": [between | {"endValue": "2026-10-06T00:00:00"}]}
    answer = wire.post("/api/v2/speechandtextanalytics/transcripts/search", asked)
    assert (answer.status, answer.json.get("total")) == ((200, 0) if fault == "forever-processing" else (404, None))


def test_the_query_goes_as_deep_as_it_is_told(start: Start) -> None:
    wire = start(query_depth=20)
    deep = wire.query("2026-10-05T00:00:00Z/2026-10-06T00:00:00Z", paging={"pageSize": 10, "pageNumber": 3})
    assert (deep.status, deep.json["message"].partition("\n")[0]) == (400, "Pagination may not exceed 20 results.")
