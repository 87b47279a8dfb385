"""Answers that have not the platform's shape, and values that cannot be, in what is asked of single conversations."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeeper.clock import ManualClock, rfc3339_ms
from turnkeeper.errors import Denied, NotReady, Unavailable
from turnkeeper.genesys.interval import moment_of
from turnkeeper.genesys.results import FoundTranscripts, PendingTranscripts
from turnkeeper.jsonstream.surrogates import without_lone_surrogates
from turnkeeper.payloads.details import DetailParticipant, Details, DetailSession, read_details

pytestmark = pytest.mark.anyio
World = Any
Make = Callable[..., World]
MISSING = {"code": "not.found", "message": "no"}


def answering(table: dict[str, Any], status: int = 404) -> Callable[[httpx2.Request], httpx2.Response]:
    """Answers by the end of the path; a list that is a tuple is given in turn. What is not there is 404."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        for ending, value in table.items():
            if request.url.path.endswith(ending):
                if isinstance(value, tuple):
                    table[ending] = value[1:] or value[:1]
                    value = value[0]
                if isinstance(value, httpx2.Response):
                    return value
                return httpx2.Response(200, content=json.dumps(value).encode())
        return httpx2.Response(status, json=MISSING)

    return answer


def details(clock: ManualClock, hours: float = 1, legs: tuple[str, ...] = ("leg",)) -> Details:
    sessions = tuple(DetailSession(id=leg, media_type="voice", recorded=True, purpose="customer") for leg in legs)
    end = int((clock.now().timestamp() - hours * 3600) * 1000)
    person = DetailParticipant(id="p", purpose="customer", sessions=sessions)
    return Details(conversation="c1", start=end - 1000, end=end, participants=(person,))


# Recordings and batches


@pytest.mark.parametrize("answer", [{}, None, {"status": "maintenance"}, "text", [1], ["x"], {"entities": {}}], ids=str)
@pytest.mark.parametrize("form", ["original", "WAV"])
async def test_a_list_of_recordings_needs_its_shape(world: Make, answer: Any, form: str) -> None:
    """K8: the same kind for lists of recordings: an answer without its shape is asked again, then an error."""
    here = world(answering({"/recordingmetadata": answer, "/recordings": answer}))
    with pytest.raises(Unavailable, match="no list of recordings"):
        await here.door.recordings.fetch("c1", format=form)
    assert len(here.requests) == 9


async def test_a_202_with_a_body_still_means_that_it_is_being_made(world: Make) -> None:
    """K8: 3xx and 202 handling: what a 202 says is no list."""
    pending = httpx2.Response(202, json={"status": "transcoding"})
    here = world(answering({"/recordings": (pending, pending, [])}))
    assert (await here.door.recordings.fetch("c1", format="WAV")).recordings == ()
    assert here.clock.slept == [5.0, 5.0]


async def test_an_archived_stub_says_that_it_is_archived(world: Make) -> None:
    """vendor-facts M1.1: archived recordings come as stubs without ``sessionId``."""
    stub = {"id": "r1", "conversationId": "c1", "archiveDate": "2026-08-01T00:00:00Z", "archiveMedium": "CLOUDARCHIVE"}
    here = world(answering({"/recordingmetadata": [stub]}))
    found = await here.door.recordings.fetch("c1")
    assert [(one.id, one.state) for one in found.states] == [("r1", "archived")]
    assert found.recordings[0].communication is None


@pytest.mark.parametrize("name", ["../../users/me", "b1?x=1", "b1/", "", 7, "é"])
async def test_a_batch_with_a_hostile_id_becomes_no_address(world: Make, name: Any) -> None:
    """K8: batch ids unchecked: GET elsewhere on the API with the bearer."""
    here = world(answering({"/recordingmetadata": [{"id": "r1"}], "/batchrequests": {"id": name}}))
    with pytest.raises(Unavailable, match="holds no id"):
        await here.door.recordings.batches.fetch([("c1", "")], wait_seconds=10, poll_seconds=5)
    assert not here.asked("users/me")


@pytest.mark.parametrize(
    "answer",
    [{}, {"status": ""}, {"status": 7}, [], {"status": "Completed"}, {"status": "Completed", "results": {}}],
    ids=str,
)
async def test_a_batch_without_its_shape_proves_nothing(world: Make, answer: Any) -> None:
    """K8: a completed batch without a list of results says nothing about the recordings in it."""
    here = world(answering({"/batchrequests": {"id": "b1"}, "/batchrequests/b1": answer}))
    with pytest.raises(Unavailable):
        await here.door.recordings.batches.fetch([("c1", "")], wait_seconds=10, poll_seconds=5)


async def test_what_a_batch_leaves_out_is_asked_for_by_itself(world: Make) -> None:
    """vendor-facts M1.2: expected is not delivered where recordings are sensitive; they come redacted from the list."""
    two = [{"id": name, "media": "audio", "sessionId": "leg"} for name in ("r1", "r2")]
    linked = [one | {"mediaUris": {"S": {"mediaUri": f"https://store.example/{one['id']}?sig=1"}}} for one in two]
    batch = {
        "status": "Completed",
        "expectedResultCount": 2,
        "resultCount": 1,
        "results": [{"conversationId": "c1", "recordingId": "r1", "resultUrl": "https://store.example/r1?sig=1"}],
    }
    here = world(
        answering(
            {
                "/recordingmetadata": two,
                "/recordings": linked,
                "/batchrequests": {"id": "b1"},
                "/batchrequests/b1": batch,
                "/r1": "sound",
                "/r2": "sound",
            }
        )
    )
    found = await here.door.recordings.fetch("c1")
    assert [(one.id, one.state) for one in found.states] == [("r1", "done"), ("r2", "redacted")]


async def test_two_recordings_of_one_session_are_asked_for_one_transcript(world: Make, clock: ManualClock) -> None:
    """vendor-facts M1.1: two recordings of one session double every utterance if they are not told apart by session."""
    link = {"url": "https://store.example/file?sig=1"}
    here = world(answering({"/transcripturl": link, "/file": {"transcripts": [{"phrases": []}]}}))
    found = await here.door.transcripts("c1", details(clock, legs=("leg", "leg")), api="speech")
    assert len(found.bodies) == len(here.asked("/transcripturl")) == 1


# Transcripts

NOTHING = [{"transcripts": []}, {"transcripts": None}, None, [], {}]


@pytest.mark.parametrize("nothing", NOTHING, ids=str)
async def test_an_empty_file_of_a_fresh_call_is_not_ready(world: Make, clock: ManualClock, nothing: Any) -> None:
    """K8: ``{"transcripts":[]}``, ``null``, ``[]`` behind a fresh speech link: asked again while fresh."""
    here = world(answering({"/transcripturl": {"url": "https://store.example/file?sig=1"}, "/file": nothing}))
    found = await here.door.ask("c1", details(clock))
    assert isinstance(found, PendingTranscripts)
    assert found.absent == (("leg", "the transcript is empty"),)
    with pytest.raises(NotReady):
        await here.door.transcripts("c1", details(clock), api="speech")
    assert here.clock.slept


@pytest.mark.parametrize("nothing", NOTHING, ids=str)
async def test_a_file_without_any_transcript_is_never_believed(world: Make, clock: ManualClock, nothing: Any) -> None:
    """K8: ``{"transcripts":[]}``, ``null``, ``[]`` behind a link of an old call were done without a word."""
    here = world(answering({"/transcripturl": {"url": "https://store.example/file?sig=1"}, "/file": nothing}))
    assert isinstance(await here.door.ask("c1", details(clock, hours=2500)), PendingTranscripts)


async def test_a_transcript_without_a_phrase_is_what_there_is(world: Make, clock: ManualClock) -> None:
    silent = {"transcripts": [{"phrases": []}]}
    here = world(answering({"/transcripturl": {"url": "https://store.example/file?sig=1"}, "/file": silent}))
    assert isinstance(await here.door.ask("c1", details(clock, hours=25)), FoundTranscripts)


async def test_an_empty_file_that_fills_is_taken(world: Make, clock: ManualClock) -> None:
    full = {"transcripts": [{"phrases": [{"text": "x"}]}]}
    files = ({"transcripts": []}, full)
    here = world(answering({"/transcripturl": {"url": "https://store.example/file?sig=1"}, "/file": files}))
    found = await here.door.transcripts("c1", details(clock), api="speech")
    assert json.load(found.bodies[0].spool.open()) == full


@pytest.mark.parametrize(
    "link", [httpx2.Response(202), httpx2.Response(202, json={"status": "processing"}), httpx2.Response(200)]
)
async def test_a_link_that_is_being_made_is_not_ready(world: Make, clock: ManualClock, link: httpx2.Response) -> None:
    """K8: 3xx and 202 handling of the speech link."""
    found = await world(answering({"/transcripturl": link})).door.ask("c1", details(clock))
    assert isinstance(found, PendingTranscripts)
    assert "still making its link" in found.absent[0][1]


@pytest.mark.parametrize("link", [{}, {"url": None}, {"url": "file:///etc/passwd"}, {"url": 7}, []], ids=str)
async def test_a_link_without_its_shape_is_an_error_of_the_platform(world: Make, clock: ManualClock, link: Any) -> None:
    """K8: the same kind for the answer that holds the link."""
    here = world(answering({"/transcripturl": link}))
    with pytest.raises(Unavailable, match="no address"):
        await here.door.ask("c1", details(clock))


async def test_media_that_is_accepted_is_waited_for(world: Make) -> None:
    """K8: 202 handling of the media dialect."""
    answers = (httpx2.Response(202, json={"anything": 1}), {"status": "completed", "transcript": [{"text": "x"}]})
    here = world(answering({"/transcripts": answers}), base_url="https://gate.example")
    assert isinstance(await here.door.transcripts("c1", None, api="media"), FoundTranscripts)
    assert here.clock.slept


async def test_a_number_that_cannot_be_costs_itself_only(world: Make) -> None:
    """K8: numbers beyond a float, in a list of recordings and in the body of a refusal."""
    listed = b'[{"id":"r1","media":"audio","outputDurationMs":1e999,"x":' + b"9" * 6000 + b"}]"
    found = await world(lambda _: httpx2.Response(200, content=listed)).door.recordings.fetch("c1", held={"r1"})
    assert [one.id for one in found.recordings] == ["r1"]
    refused = httpx2.Response(403, content=b'{"code":"missing.permissions","status":1e999}')
    with pytest.raises(Denied, match=r"missing\.permissions"):
        await world(lambda _: refused).door.details("c1")


@pytest.mark.parametrize("ms", [10**30, -(10**30), 253_402_300_800_000, 2**63])
def test_a_moment_that_no_calendar_has_is_the_nearest_one(ms: int) -> None:
    """K8: conversation end in year 9999 with an offset lies in the year 10000."""
    assert rfc3339_ms(ms) in ("9999-12-31T23:59:59.000Z", "0001-01-01T00:00:00.000Z")
    assert moment_of(ms) + timedelta(hours=1) > moment_of(ms)


@pytest.mark.parametrize("start", [10**30, "9999-12-31T23:59:59-14:00", "99999999999999999999-01-01", 1e300])
async def test_a_start_that_cannot_be_costs_itself_only(world: Make, start: Any) -> None:
    """K8: a value that cannot be is as if absent, in a recording."""
    here = world(answering({"/recordingmetadata": [{"id": "r1", "media": "audio", "startTime": start}]}))
    assert [one.id for one in (await here.door.recordings.fetch("c1", held={"r1"})).recordings] == ["r1"]


def test_half_a_character_in_a_participants_name_costs_that_character() -> None:
    """K8: one lone surrogate in one participantName."""
    body = b'{"conversationId":"c1","participants":[{"participantId":"p","participantName":"Z\\ud800"}]}'
    assert read_details(body).participants[0].name == "Z\ufffd"


# Names only decorate

ODD_NAMES = (
    b'{"entities":[{"id":"u1","name":"Z\\ud800o\\u00e9"},{"id":"u2","name":"\\ud83d\\ude00"},'
    b'{"id":"u3","name":"a\\\\ud800"},{"id":"u4","name":"\xff"}],"pageCount":1}'
)


@pytest.mark.parametrize("kind", ["users", "queues", "wrapups"])
async def test_half_a_character_in_a_name_is_replaced_and_counted(world: Make, kind: str) -> None:
    """K8: one lone surrogate in one name of a user, queue or wrap-up."""
    here = world(lambda _: httpx2.Response(200, content=ODD_NAMES))
    listing = await here.door.directory(kind)
    assert listing.names == {"u1": "Z\ufffdo\u00e9", "u2": "\U0001f600", "u3": "a\\ud800", "u4": "\ufffd"}
    assert "2 characters" in listing.note
    assert (await here.door.names(kind, ["u1"])).names == listing.names


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(403, json={"code": "x"}),
        httpx2.Response(404, json={"code": "x"}),
        httpx2.Response(400, json={"code": "x"}),
        httpx2.Response(503),
        httpx2.Response(429, headers={"Retry-After": "9999"}),
        httpx2.Response(200, content=b"{"),
        httpx2.Response(200, json={}),
        httpx2.Response(200, json={"status": "maintenance"}),
        httpx2.Response(200, json={"entities": [7]}),
        httpx2.Response(200, json={"entities": [{"id": 7, "name": {}}]}),
        httpx2.Response(200, content=b"[" * 100_000),
        httpx2.Response(302, headers={"Location": "https://10.0.0.1/x"}),
    ],
)
async def test_a_directory_that_cannot_be_had_is_a_note(world: Make, answer: httpx2.Response) -> None:
    """K8: names only decorate: their failure is a note."""
    here = world(lambda _: answer)
    listing = await here.door.directory("users")
    assert (listing.names, listing.body) == ({}, b"")
    assert listing.note.startswith("names of users are missing: ")


async def test_a_directory_whose_pages_repeat_ends(world: Make) -> None:
    """K2: a page that repeats, in a list of names."""
    page = {"entities": [{"id": f"u{n}", "name": "N"} for n in range(100)], "pageCount": 10**9}
    here = world(lambda _: httpx2.Response(200, json=page))
    assert "same page" in (await here.door.directory("users")).note
    assert len(here.asked("/users")) == 2


async def test_a_directory_is_tried_again_after_a_while(world: Make) -> None:
    answers = (httpx2.Response(403, json={"code": "x"}), {"entities": [{"id": "u1", "name": "N"}]})
    here = world(answering({"/users": answers}))
    assert (await here.door.directory("users")).note
    assert (await here.door.directory("users")).note
    here.clock.advance(3600)
    assert (await here.door.directory("users")).names == {"u1": "N"}


async def test_names_by_id_need_their_shape(world: Make) -> None:
    with pytest.raises(Unavailable, match="no list of names"):
        await world(lambda _: httpx2.Response(200, json={})).door.names("users", ["u1"])
    with pytest.raises(Denied):
        await world(lambda _: httpx2.Response(403, json=MISSING)).door.names("users", ["u1"])


@given(st.text(st.characters(categories=["Cs", "L", "P", "Zs"]), max_size=20))
def test_any_string_of_json_can_be_decoded_afterwards(text: str) -> None:
    data, count = without_lone_surrogates(json.dumps({"name": text}).encode())
    whole = json.loads(data)["name"]
    assert whole.encode("utf-16", "strict")
    assert whole.count("\ufffd") == count + text.count("\ufffd")
    same = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert len(whole) == len(json.loads(json.dumps(same))) or count


# Secrets in documents that are stored

SIGNED = "https://store.example/a/b.json?X-Amz-Credential=AKIA%2Fx&X-Amz-Signature=feedbeef"


async def test_the_details_of_another_conversation_are_none(world: Make) -> None:
    """K1: a gateway that mixes up answers."""
    here = world(lambda request: httpx2.Response(200, json={"conversationId": "c2"}))
    with pytest.raises(Unavailable, match="about another conversation"):
        await here.door.details("c1")


async def test_kept_documents_of_every_kind_pass_here(world: Make) -> None:
    """K8: details, names and recordings lists are kept without signed queries."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/users"):
            return httpx2.Response(
                200, json={"entities": [{"id": "u1", "name": "N", "images": [{"imageUri": SIGNED}]}]}
            )
        if request.url.path.endswith("/recordingmetadata"):
            return httpx2.Response(200, json=[{"id": "r1", "media": "chat", "chatTranscript": {"contentUri": SIGNED}}])
        if request.url.path.endswith("/conversations/details"):
            return httpx2.Response(200, json={"conversations": [{"conversationId": "c1", "externalTag": SIGNED}]})
        return httpx2.Response(200, json={"conversationId": "c1", "externalTag": SIGNED})

    here = world(answer)
    recorded = await here.door.recordings.fetch("c1")
    bodies = [await here.door.details("c1"), (await here.door.names("users", ["u1"])).body, recorded.listing]
    told = ["externalTag query", "entities.images.imageUri query", "chatTranscript.contentUri query"]
    assert [body.withheld for body in bodies] == [(one,) for one in told]
    page = await here.door.several(["c1"])
    assert page.censored == frozenset(page.conversations)
    texts = [body.open().read() for body in bodies] + list(page.conversations)
    assert len(texts) == 4
    assert not [text for text in texts if b"feedbeef" in text]
