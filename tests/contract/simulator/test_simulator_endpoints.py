"""The API port without faults: bearer, errors, rate windows, query limits, jobs, listings, the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.contract.simulator.conftest import Start, Wire

NOW = datetime(2026, 11, 2, tzinfo=UTC)
DAY = "2026-10-05T10:00:00.000Z/2026-10-05T11:00:00.000Z"
QUERY = "/api/v2/analytics/conversations/details/query"


def test_whole_day_is_matched_whatever_the_hours(wire: Wire) -> None:
    first = wire.query(DAY, paging={"pageSize": 100, "pageNumber": 1}).json
    second = wire.query(DAY, paging={"pageSize": 100, "pageNumber": 2}).json
    assert first["totalHits"] == second["totalHits"] == 144
    ids = [one["conversationId"] for one in first["conversations"] + second["conversations"]]
    assert ids == [wire.simulation.id_of(n) for n in range(144)]
    backwards = wire.query(DAY, order="desc").json["conversations"]
    assert [one["conversationId"] for one in backwards] == ids[::-1][:25]


def test_nothing_found_leaves_conversations_out(wire: Wire) -> None:
    assert wire.query("2026-10-03T00:00:00Z/2026-10-05T00:00:00Z").json == {"totalHits": 0}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"interval": "2026-10-01T00:00:00Z/2026-11-02T00:00:00Z"}, "does not exceed 31 days"),
        ({}, "You must specify a search interval"),
        ({"interval": DAY, "paging": {"pageSize": 101, "pageNumber": 1}}, "pageSize"),
        (
            {"interval": DAY, "paging": {"pageSize": 100, "pageNumber": 1001}},
            "Pagination may not exceed 100000 results",
        ),
        ({"interval": "soon/later"}, "Invalid interval"),
        ({"interval": DAY, "order": "random"}, "Unknown order"),
        ([], "malformed"),
    ],
)
def test_query_caps(wire: Wire, body: object, message: str) -> None:
    refused = wire.post(QUERY, body)
    assert refused.status == refused.json["status"] == 400
    assert message in refused.json["message"]


def test_filters_are_honoured(wire: Wire) -> None:
    def found(block: str, *predicates: dict[str, str], kind: str = "and") -> list[str]:
        answer = wire.query(
            DAY, paging={"pageSize": 100, "pageNumber": 1}, **{block: [{"type": kind, "predicates": predicates}]}
        )
        return [one["conversationId"] for one in answer.json.get("conversations", [])]

    scripts = [wire.simulation.script(n) for n in range(144)]
    digital = [script.id for script in scripts if script.media_type == "message"]
    assert found("segmentFilters", {"dimension": "mediaType", "value": "message"}) == digital
    outbound = [script.id for script in scripts if script.direction == "outbound"]
    assert found("segmentFilters", {"dimension": "direction", "operator": "matches", "value": "outbound"}) == outbound
    user = wire.simulation.people.users[3].id
    served = [script.id for script in scripts if any(party.user == user for party in script.parties)]
    assert found("segmentFilters", {"dimension": "userId", "value": user}) == served
    two = [{"dimension": "conversationId", "value": scripts[n].id} for n in (4, 9)]
    assert found("conversationFilters", *two, kind="or") == [scripts[4].id, scripts[9].id]
    assert found("conversationFilters", *two) == []
    assert len(found("conversationFilters", {"dimension": "conversationEnd", "operator": "exists"})) == 100
    assert found("conversationFilters", {"dimension": "conversationEnd", "operator": "notExists"}) == []
    recorded = found("segmentFilters", {"dimension": "recording", "operator": "exists"})
    assert recorded
    assert not set(recorded) & set(digital)


def test_several_details_at_once(wire: Wire) -> None:
    ids = wire.running.conversation_ids[:3]
    answer = wire.get(f"/api/v2/analytics/conversations/details?id={','.join(ids)}&id=nobody").json
    assert [one["conversationId"] for one in answer["conversations"]] == ids
    assert wire.get("/api/v2/analytics/conversations/details").status == 400


def test_details_omit_what_is_absent(wire: Wire) -> None:
    def nulls(value: object) -> bool:
        if isinstance(value, dict):
            return any(one is None or nulls(one) for one in value.values())
        return isinstance(value, list) and any(one is None or nulls(one) for one in value)

    assert not any(nulls(wire.simulation.detail(n)) for n in range(200))


def test_job_runs_through_its_states_and_pages_by_cursor(start: Start) -> None:
    wire = start(conversations=300, now=NOW)
    jobs = "/api/v2/analytics/conversations/details/jobs"
    assert wire.get(f"{jobs}/availability").json == {"dataAvailabilityDate": "2026-11-01T18:00:00.000Z"}
    submitted = wire.post(jobs, {"interval": "2026-10-01T00:00:00Z/2026-11-02T00:00:00Z"})
    assert submitted.status == 202
    job = f"{jobs}/{submitted.json['jobId']}"
    assert wire.get(f"{job}/results").status == 400
    assert [wire.get(job).json["state"] for _ in range(3)] == ["QUEUED", "PENDING", "FULFILLED"]
    ids, cursor = [], ""
    while True:
        page = wire.get(f"{job}/results?pageSize=130" + (f"&cursor={cursor}" if cursor else "")).json
        ids += [one["conversationId"] for one in page["conversations"]]
        if "cursor" not in page:
            break
        cursor = page["cursor"]
    assert ids == [wire.simulation.id_of(n) for n in range(300)]
    assert wire.send("DELETE", job, wire.bearer).status == 204
    assert wire.get(f"{jobs}/nobody").status == 404


def test_job_results_stop_at_the_watermark(start: Start) -> None:
    wire = start(conversations=300, now=datetime(2026, 10, 5, 18, tzinfo=UTC))
    jobs = "/api/v2/analytics/conversations/details/jobs"
    job = wire.post(jobs, {"interval": "2026-10-05T00:00:00Z/2026-10-06T00:00:00Z"}).json["jobId"]
    for _ in range(3):
        wire.get(f"{jobs}/{job}")
    page = wire.get(f"{jobs}/{job}/results").json
    assert 60 < len(page["conversations"]) < 75
    assert all(one["conversationEnd"] <= page["dataAvailabilityDate"] for one in page["conversations"])


@pytest.mark.parametrize("home", ["users", "routing/queues", "routing/wrapupcodes"])
def test_listings(wire: Wire, home: str) -> None:
    path = f"/api/v2/{home}"
    first = wire.get(f"{path}?pageSize=4&pageNumber=1").json
    assert first["pageCount"] == -(-first["total"] // 4)
    assert len(first["entities"]) == 4
    ids = [entity["id"] for entity in first["entities"]]
    named = wire.get(f"{path}?id={ids[0]},{ids[2]}&id={ids[3]}").json
    assert [entity["id"] for entity in named["entities"]] == [ids[0], ids[2], ids[3]]
    assert wire.get(f"{path}/{ids[1]}").json["name"] == first["entities"][1]["name"]
    assert wire.get(f"{path}/nobody").json["code"] == "resource.not.found"


def test_details_speak_only_of_people_in_the_directory(wire: Wire) -> None:
    known = {
        entity["id"] for home in ("users", "routing/queues") for entity in wire.get(f"/api/v2/{home}").json["entities"]
    }
    said = {getattr(p, key) for n in range(100) for p in wire.simulation.script(n).parties for key in ("user", "queue")}
    assert said - {None} <= known


@pytest.mark.parametrize(
    "path", ["tokens/me", "organizations/me", "oauth/scopes", "organizations/limits/namespaces/client.credentials"]
)
def test_small_endpoints_answer(wire: Wire, path: str) -> None:
    assert wire.get(f"/api/v2/{path}").status == 200


def test_conversation_metrics_and_segment_urls(wire: Wire) -> None:
    conversation = wire.running.conversation_ids[0]
    home = f"/api/v2/speechandtextanalytics/conversations/{conversation}"
    assert wire.get(home).json["conversation"]["id"] == conversation
    session = wire.sessions(conversation)[0]
    answer = wire.get(f"{home}/communications/{session}/transcripturls").json
    assert answer["communicationId"] == session
    assert wire.fetch(answer["urls"][0]["url"]).json["recordingId"] == answer["urls"][0]["recording"]["id"]


def test_wrong_leg_and_participant_id_are_not_found(wire: Wire) -> None:
    conversation = wire.running.conversation_ids[0]
    participants = wire.details(conversation)["participants"]
    wrong = [participants[-1]["sessions"][0]["sessionId"], participants[0]["participantId"], "nonsense"]
    answers = [wire.transcripturl(conversation, one) for one in wrong]
    assert [one.status for one in answers] == [404] * 3
    assert answers[0].json["code"] == "resource.not.found"


def test_error_body_carries_the_correlation_id(wire: Wire) -> None:
    refused = wire.get("/api/v2/no/such/path")
    assert refused.status == 404
    assert refused.json["code"] == "not.found"
    assert refused.json["contextId"] == refused.headers["inin-correlation-id"]
    assert {"message", "status", "messageParams", "details", "errors"} <= set(refused.json)
    assert wire.send("PUT", QUERY, wire.bearer).status == 405


def test_bearer_is_required_and_expires_by_the_clock(start: Start) -> None:
    wire = start(now=NOW, token_seconds=300)
    assert wire.send("GET", "/api/v2/users").json["code"] == "authentication.required"
    assert wire.send("GET", "/api/v2/users", {"Authorization": "Bearer made-up"}).json["code"] == "bad.credentials"
    assert wire.get("/api/v2/users").status == 200
    wire.advance(299)
    assert wire.get("/api/v2/users").status == 200
    wire.advance(1)
    refused = wire.get("/api/v2/users")
    assert (refused.status, refused.json["code"]) == (401, "credentials.expired")


def test_rate_window_counts_refuses_and_opens_again(start: Start) -> None:
    wire = start(now=NOW, rate_limit=3)
    answers = [wire.get("/api/v2/users") for _ in range(4)]
    assert [one.status for one in answers] == [200, 200, 200, 429]
    assert [one.headers["inin-ratelimit-count"] for one in answers] == ["1", "2", "3", "4"]
    refused = answers[-1]
    assert refused.headers["retry-after"] == refused.headers["inin-ratelimit-reset"] == "60"
    limit = {"key": "client.credentials.token.rate.per.minute", "namespace": "client.credentials", "value": 3}
    assert (refused.json["code"], refused.json["limit"]) == ("too.many.requests", limit)
    wire.advance(60)
    assert wire.get("/api/v2/users").headers["inin-ratelimit-count"] == "1"


def test_clock_freezes_when_moved_and_never_goes_back_for_until(start: Start) -> None:
    wire = start(now=NOW)
    clock = wire.running.clock_url

    def move(body: str) -> str:
        return str(wire.send("POST", clock, {}, body.encode()).json["now"])

    assert wire.fetch(clock).json == {"now": "2026-11-02T00:00:00.000Z", "epoch_ms": 1793577600000}
    assert move('{"advance": 1.5}') == "2026-11-02T00:00:01.500Z"
    assert move('{"until": "2026-11-02T01:00:00Z"}') == "2026-11-02T01:00:00.000Z"
    assert move('{"until": "2026-11-02T00:30:00Z"}') == "2026-11-02T01:00:00.000Z"
    assert move('{"set": "2026-10-01T00:00:00Z"}') == "2026-10-01T00:00:00.000Z"
    assert wire.fetch(clock).headers["date"] == "Thu, 01 Oct 2026 00:00:00 GMT"
    assert wire.send("POST", clock, {}, b'{"until": "soon"}').status == 400
    assert move('{"set": "2026-10-01T00:00:00Z", "run": true}') >= "2026-10-01T00:00:00.000Z"
    assert wire.simulation.clock.epoch_ms() < 1790812800000 + 600_000


@pytest.mark.parametrize(("index", "lateness"), [(19, 60), (23, 3600)])
def test_late_transcripts_become_ready_in_stages(start: Start, index: int, lateness: int) -> None:
    wire = start(now=NOW)
    conversation = wire.simulation.id_of(index)
    session = wire.sessions(conversation)[0]
    stages = []
    for step in (0, lateness * 0.6, lateness * 0.4):
        wire.advance(step)
        stages.append((wire.media(conversation).json["status"], wire.transcripturl(conversation, session).status))
    assert stages == [("queued", 404), ("processing", 404), ("completed", 200)]


def test_live_conversations_appear_and_stay_open(start: Start) -> None:
    wire = start("live", conversations=200, now=datetime(2026, 10, 5, 6, 0, tzinfo=UTC))
    first = wire.simulation.script(0)
    assert wire.query(DAY).json == {"totalHits": 0}
    assert wire.get(f"/api/v2/analytics/conversations/{first.id}/details").status == 404
    wire.simulation.clock.set(first.began + 1000)
    assert "conversationEnd" not in wire.query(DAY).json["conversations"][0]
    wire.simulation.clock.set(first.ended)
    assert "conversationEnd" in wire.query(DAY).json["conversations"][0]


def test_requests_are_counted(start: Start) -> None:
    wire = start()
    wire.fetch(wire.link())
    wire.media(wire.running.conversation_ids[0])
    counts = wire.fetch(wire.running.base_url + "/_sim/requests").json
    expected = {"token": 1, "details": 1, "transcripturl": 1, "media": 1, "storage": 1, "authorization_on_storage": 0}
    assert expected.items() <= counts.items()
