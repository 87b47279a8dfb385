from __future__ import annotations

import json

import httpx2
import pytest

from turnkeeper.clock import ManualClock
from turnkeeper.errors import Denied, LinkExpired, NotFound, NotReady, Unavailable
from turnkeeper.events import Absent, Fetched, Waiting
from turnkeeper.genesys.results import FoundTranscripts
from turnkeeper.payloads.details import DetailParticipant, Details, DetailSession

pytestmark = pytest.mark.anyio
GATE = "http://gate.local"
TURNS = [{"start_time": 0.5, "end_time": 1.0, "text": "hi", "speaker_id": "a", "confidence": 0.9}]


def details(clock: ManualClock, *sessions: DetailSession, hours: float | None = 1) -> Details:
    end = None if hours is None else int((clock.now().timestamp() - hours * 3600) * 1000)
    person = DetailParticipant(id="p", purpose="customer", sessions=sessions)
    return Details(conversation="c1", end=end, participants=(person,))


def leg(name: str, media: str = "voice", *, recorded: bool = True) -> DetailSession:
    return DetailSession(id=name, media_type=media, recorded=recorded, purpose="customer")


def missing() -> httpx2.Response:
    return httpx2.Response(404, json={"code": "not.found", "message": "The requested resource was not found."})


def forbidden() -> httpx2.Response:
    return httpx2.Response(403, json={"code": "missing.permissions", "message": "no"})


class Platform:
    """``media`` and ``legs`` hold the answers in turn; the last one stays."""

    def __init__(self, media: list[object] | None = None, legs: dict[str, list[object]] | None = None) -> None:
        self.media, self.legs = media or [404], legs or {}

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if request.url.host == "store":
            assert "authorization" not in request.headers
            return httpx2.Response(200, json={"transcript": TURNS, "file": path})
        if "/conversations/media/" in path:
            return self.next(self.media)
        if path.endswith("/transcripturl"):
            return self.next(self.legs.get(path.split("/")[-2], [404]))
        return missing()

    @staticmethod
    def next(answers: list[object]) -> httpx2.Response:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, int):
            return missing() if answer == 404 else forbidden()
        return httpx2.Response(200, json=answer)


def url(name: str) -> dict[str, str]:
    return {"url": f"https://store/{name}?X-Amz-Signature=secret"}


def summary(found: FoundTranscripts) -> list[tuple[str, str | None]]:
    for body in found.bodies:
        body.spool.close()
    return [(body.source, body.communication) for body in found.bodies]


async def test_every_recorded_leg_is_asked_since_a_transfer_has_two_files(world) -> None:
    here = world(Platform(legs={"a": [url("a")], "b": [url("b")], "quiet": [url("quiet")]}))
    known = details(here.clock, leg("a"), leg("b"), leg("c"), leg("quiet", recorded=False))
    found = await here.door.transcripts("c1", known)
    assert found.dialect == "speech"
    assert dict(found.absent)["c"].startswith("404")
    assert summary(found) == [("speech/a", "a"), ("speech/b", "b")]
    assert not here.asked("quiet")
    assert not here.asked("/media/")
    assert [event.communication for event in here.events if isinstance(event, Absent)] == ["c"]
    assert {event.source for event in here.events if isinstance(event, Fetched)} == {"speech/a", "speech/b"}


async def test_unrecorded_legs_are_asked_where_nothing_else_gave_anything(world) -> None:
    here = world(Platform(legs={"quiet": [url("quiet")]}))
    known = details(here.clock, leg("a"), leg("quiet", recorded=False), leg("film", "screenshare", recorded=False))
    assert summary(await here.door.transcripts("c1", known)) == [("speech/quiet", "quiet")]
    assert not here.asked("film")


async def test_digital_legs_need_no_recording(world) -> None:
    here = world(Platform(legs={"m": [url("m")]}))
    known = details(here.clock, leg("m", "message", recorded=False))
    assert summary(await here.door.transcripts("c1", known)) == [("speech/m", "m")]


async def test_a_malformed_communication_id_never_becomes_an_address(world) -> None:
    here = world(Platform(legs={"a": [url("a")]}))
    found = await here.door.transcripts("c1", details(here.clock, leg("../../x"), leg("a")))
    assert found.absent == (("../../x", "not an id"),)
    assert summary(found) == [("speech/a", "a")]
    assert not here.asked("x/transcripturl")


async def test_one_forbidden_leg_does_not_cost_the_other(world) -> None:
    here = world(Platform(legs={"a": [403], "b": [url("b")]}))
    found = await here.door.transcripts("c1", details(here.clock, leg("a"), leg("b")))
    assert summary(found) == [("speech/b", "b")]
    assert "403 missing.permissions" in found.absent[0][1]


async def test_denied_in_both_dialects_names_the_permissions(world) -> None:
    here = world(Platform(media=[403], legs={"a": [403]}))
    with pytest.raises(Denied, match="speechAndTextAnalytics:data:view"):
        await here.door.transcripts("c1", details(here.clock, leg("a")))
    assert not here.clock.slept


async def test_a_403_for_a_path_that_the_platform_does_not_have_denies_nothing(world) -> None:
    here = world(Platform(media=[403]))
    with pytest.raises(NotReady):
        await here.door.transcripts("c1", details(here.clock, leg("a"), hours=30))
    gate = world(Platform(legs={"a": [403]}), base_url=GATE)
    with pytest.raises(Denied):
        await gate.door.transcripts("c1", details(gate.clock, leg("a"), hours=30))


async def test_a_gateway_that_forbids_what_it_does_not_know_is_asked_in_the_other_dialect(world) -> None:
    here = world(Platform(media=[403], legs={"a": [url("a")]}), base_url=GATE)
    assert (await here.door.transcripts("c1", details(here.clock, leg("a")))).dialect == "speech"


async def test_media_is_first_on_a_gateway_and_its_document_is_kept(world) -> None:
    document = {"status": "completed", "participants": [], "transcript": TURNS}
    here = world(Platform(media=[document]), base_url=GATE)
    found = await here.door.transcripts("c1")
    with found.bodies[0].spool as spool, spool.open() as reader:
        assert json.load(reader) == document
    assert (found.dialect, found.bodies[0].spool.withheld) == ("media", ())


async def test_a_links_query_is_cut_out_of_the_kept_bytes(world) -> None:
    head = {"downloadUrl": "https://store/big?X-Amz-Signature=secret", "status": "COMPLETED"}
    here = world(Platform(media=[head]), base_url=GATE)
    metadata, transcript = (await here.door.transcripts("c1")).bodies
    with metadata.spool as spool, spool.open() as reader:
        assert reader.read() == b'{"downloadUrl":"https://store/big","status":"COMPLETED"}'
    assert (metadata.source, metadata.metadata, metadata.spool.withheld) == (
        "media/metadata",
        True,
        ("downloadUrl query",),
    )
    assert (transcript.source, transcript.metadata, transcript.spool.withheld) == ("media", False, ())
    transcript.spool.close()
    assert "secret" not in str(here.events)


async def test_unfinished_media_is_polled_until_it_is_done(world) -> None:
    states: list[object] = [{"status": "queued"}, {"status": "Processing"}, {"transcript": []}, {"transcript": TURNS}]
    here = world(Platform(media=states), base_url=GATE)
    assert summary(await here.door.transcripts("c1", details(here.clock))) == [("media", None)]
    assert here.clock.slept == [5, 5, 5]
    assert [event.status for event in here.events if isinstance(event, Waiting)] == ["queued", "processing", "empty"]


async def test_the_deadline_is_kept_and_told(world) -> None:
    here = world(Platform(media=[{"status": "processing"}]), base_url=GATE)
    with pytest.raises(NotReady, match="still processing after 12 s"):
        await here.door.transcripts("c1", wait_seconds=12)
    assert here.clock.slept == [5, 5, 2]
    with pytest.raises(NotReady, match="still processing"):
        await here.door.transcripts("c1", wait_seconds=0)
    assert len(here.clock.slept) == 3


async def test_an_old_empty_transcript_is_a_transcript(world) -> None:
    here = world(Platform(media=[{"status": "completed", "transcript": []}]), base_url=GATE)
    found = await here.door.transcripts("c1", details(here.clock, hours=25))
    assert summary(found) == [("media", None)]
    assert not here.clock.slept


async def test_an_empty_transcript_with_an_unknown_status_is_none(world) -> None:
    """K1: ``failed`` and no turns, of an old call: done with 0 turns."""
    here = world(Platform(media=[{"status": "failed", "transcript": []}]), base_url=GATE)
    with pytest.raises(NotReady, match="still failed"):
        await here.door.transcripts("c1", details(here.clock, hours=25), wait_seconds=0)


async def test_a_fresh_404_is_polled_in_both_dialects(world) -> None:
    here = world(Platform(legs={"a": [404, 404, url("a")]}))
    found = await here.door.transcripts("c1", details(here.clock, leg("a"), hours=None))
    assert summary(found) == [("speech/a", "a")]
    assert here.clock.slept == [5, 5]
    assert len(here.asked("/media/")) == 2


async def test_an_old_404_is_not_waited_for(world) -> None:
    here = world(Platform())
    with pytest.raises(NotReady, match="retention") as caught:
        await here.door.transcripts("c1", details(here.clock, leg("a"), hours=25))
    assert not here.clock.slept
    assert caught.value.exit_code == 5


async def test_a_fresh_404_ends_at_the_deadline(world) -> None:
    here = world(Platform())
    with pytest.raises(NotReady, match="after 120 s"):
        await here.door.transcripts("c1", details(here.clock, leg("a")))


async def test_neither_details_nor_transcript_is_not_found(world) -> None:
    here = world(Platform(), base_url=GATE)
    with pytest.raises(NotFound):
        await here.door.transcripts("c1")
    assert not here.clock.slept


async def test_a_dialect_that_never_answered_makes_nothing_absent(world) -> None:
    platform = Platform(media=[404], legs={"a": [url("a")]})
    here = world(platform, base_url=GATE)
    known = details(here.clock, leg("a"), hours=99)
    summary(await here.door.transcripts("c1", known))
    assert len(here.asked("/media/")) == 1
    # Speech has answered by now: it is asked first, and its 404 is final.
    summary(await here.door.transcripts("c1", known))
    platform.legs = {}
    with pytest.raises(NotReady):
        await here.door.transcripts("c1", known)
    assert len(here.asked("/media/")) == 1


@pytest.mark.parametrize(("api", "silent"), [("speech", "/media/"), ("media", "transcripturl")])
async def test_a_chosen_dialect_is_the_only_one_asked(world, api: str, silent: str) -> None:
    here = world(Platform(), api=api)
    with pytest.raises(NotReady):
        await here.door.transcripts("c1", details(here.clock, leg("a"), hours=30))
    assert not here.asked(silent)


@pytest.mark.parametrize("answer", [{}, {"url": None}, {"url": "ftp://x"}, []])
async def test_an_answer_without_an_address_is_an_error(world, answer: object) -> None:
    here = world(Platform(legs={"a": [answer]}))
    with pytest.raises(Unavailable, match="no address"):
        await here.door.transcripts("c1", details(here.clock, leg("a")))


class Broken(Platform):
    """Storage answers 403 for some files, whatever the address: they are gone, and it may not say so."""

    def __init__(self, *broken: str, **given: object) -> None:
        super().__init__(**given)
        self.broken = {f"/{name}" for name in broken}

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "store" and request.url.path in self.broken:
            return httpx2.Response(403)
        return super().__call__(request)


async def test_a_leg_whose_file_cannot_be_had_does_not_cost_the_other(world) -> None:
    here = world(Broken("a", legs={"a": [url("a")], "b": [url("b")]}))
    found = await here.door.transcripts("c1", details(here.clock, leg("a"), leg("b")))
    assert summary(found) == [("speech/b", "b")]
    [(name, cause)] = found.failed
    assert (name, type(cause)) == ("a", LinkExpired)


async def test_where_nothing_came_the_failure_is_raised(world) -> None:
    here = world(Broken("a", legs={"a": [url("a")], "quiet": [url("quiet")]}))
    with pytest.raises(LinkExpired):
        await here.door.transcripts("c1", details(here.clock, leg("a"), leg("quiet", recorded=False)))
    assert not here.asked("quiet")


async def test_two_failures_end_the_walk_and_keep_what_came(world) -> None:
    here = world(Broken("b", "c", legs={name: [url(name)] for name in "abcd"}))
    found = await here.door.transcripts("c1", details(here.clock, *map(leg, "abcd")))
    assert summary(found) == [("speech/a", "a")]
    assert [name for name, _ in found.failed] == ["b", "c"]
    assert not here.asked("/d")
