"""The door's recordings, against answers made up here: polling, batches, links, states, and what is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest

from turnkeeper.errors import Denied, NotFound, Unavailable
from turnkeeper.events import Fetched, Noted, Waiting
from turnkeeper.genesys.endpoints.recordings import ConversationRecordings
from turnkeeper.payloads.recordings import AudioFormat

pytestmark = pytest.mark.anyio
AUDIO = b"RIFF\x00\x00\x00\x00WAVE" + bytes(100)
World = Any


def told(name: str = "r1", **more: object) -> dict[str, object]:
    plain = {"id": name, "conversationId": "c1", "media": "audio", "fileState": "AVAILABLE", "sessionId": "leg"}
    return plain | {"startTime": "2026-10-05T06:00:00.000Z"} | more


def uri(path: str = "a", secret: str = "hush") -> dict[str, object]:
    return {"S": {"mediaUri": f"https://store/{path}?sig={secret}", "waveformData": []}}


class Platform:
    """Answers by path; a list of answers is given in turn, its last one stays. Storage gives AUDIO, or a status."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.posted: list[Any] = []
        self.dead: set[str] = set()

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if request.url.host == "store":
            assert "authorization" not in request.headers
            if str(request.url) in self.dead:
                return httpx2.Response(403, text="<Error><Code>AccessDenied</Code><Message>expired</Message></Error>")
            return httpx2.Response(200, content=AUDIO)
        if request.method == "POST":
            self.posted.append(json.loads(request.content))
            return self._next("post", {"id": f"b{len(self.posted)}"})
        for ending in ("recordingmetadata", "recordings"):
            if path.endswith(ending):
                return self._next(ending, [])
        if "/batchrequests/" in path:
            return self._next("batch", {"status": "InProgress"})
        return httpx2.Response(404, json={"code": "not.found", "message": "no"})

    def _next(self, name: str, default: Any) -> httpx2.Response:
        answers = self.answers.get(name, [default])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, int):
            return httpx2.Response(answer, json={"code": "x", "message": "no"} if answer >= 400 else None)
        return httpx2.Response(200, json=answer)


def result(name: str = "r1", link: str = "https://store/b1?sig=1") -> dict[str, str]:
    return {"conversationId": "c1", "recordingId": name, "resultUrl": link, "contentType": "audio/wav"}


def complete(*results: object) -> dict[str, object]:
    return {"status": "Completed", "results": list(results)}


async def fetch(door: World, form: AudioFormat = "WAV", **more: Any) -> ConversationRecordings:
    return await door.recordings.fetch("c1", format=form, **more)


def states(found: ConversationRecordings) -> list[tuple[str, str]]:
    return [(one.id, one.state) for one in found.states]


async def test_202_is_asked_again_and_links_never_reach_what_is_kept(world: Callable[..., World]) -> None:
    platform = Platform(recordings=[202, 202, [told(mediaUris=uri("a?b", "hush"))]])
    here = world(platform)
    found = await fetch(here.door)
    assert states(found) == [("r1", "done")]
    assert [event.status for event in here.events if isinstance(event, Waiting)] == ["recordings transcoding"] * 2
    kept = found.listing.open().read()
    assert b"hush" not in kept
    assert json.loads(kept)[0]["mediaUris"]["S"]["mediaUri"] == "https://store/a"
    assert found.listing.withheld == ("mediaUris.S.mediaUri query",)
    assert found.bodies[0].spool.open().read() == AUDIO
    asked = parse_qs(here.asked("/recordings")[0].url.query.decode())
    assert asked == {"maxWaitMs": ["5000"], "formatId": ["WAV"]}


@pytest.mark.parametrize("kind", ["recordings", "recordingmetadata"])
async def test_the_list_of_another_conversation_is_none(kind: str, world: Callable[..., World]) -> None:
    """K1: a gateway that mixes up answers: somebody else's recordings in the archive."""
    lists = {"recordings": [202], "recordingmetadata": [[told()]], kind: [[told(conversationId="c2")]]}
    with pytest.raises(Unavailable, match="another conversation's"):
        await fetch(world(Platform(**lists)).door, wait_seconds=20, poll_seconds=20)


async def test_202_for_ever_ends_with_what_the_metadata_says(world: Callable[..., World]) -> None:
    here = world(Platform(recordings=[202], recordingmetadata=[[told(), told("r2", fileState="DELETED")]]))
    found = await fetch(here.door, wait_seconds=60, poll_seconds=20)
    assert states(found) == [("r1", "waiting"), ("r2", "deleted")]
    assert here.clock.slept == [20, 20, 20]
    assert "60" not in found.states[0].reason


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (told(fileState="ARCHIVED"), "archived"),
        (told(fileState="RESTORING"), "waiting"),
        (told(fileState="UPLOADING"), "waiting"),
        (told(fileState="ERROR"), "failed"),
        (told(mediaUris=None, endTime=None), "absent"),
        (told(mediaUris={"S": {"mediaUri": None}}), "absent"),
        (told(mediaUris={"S": {"mediaUri": "file:///etc/passwd"}}), "absent"),
    ],
)
async def test_what_gives_no_audio_says_why(world: Callable[..., World], answer: Any, expected: str) -> None:
    found = await fetch(world(Platform(recordings=[[answer]])).door)
    assert [one.state for one in found.states] == [expected]
    assert found.states[0].reason
    assert found.bodies == ()


async def test_messages_and_screens_are_not_fetched(world: Callable[..., World]) -> None:
    here = world(Platform(recordings=[[told(media="messaging"), told("r2", media="screen", mediaUris=uri())]]))
    found = await fetch(here.door)
    assert (found.states, found.bodies) == ((), ())
    assert len(found.recordings) == 2


async def test_two_files_of_one_recording_come_in_channel_order(world: Callable[..., World]) -> None:
    uris = {"1": uri("right")["S"], "0": uri("left")["S"]}
    here = world(Platform(recordings=[[told(mediaUris=uris)]]))
    found = await fetch(here.door)
    assert [body.part for body in found.bodies] == ["0", "1"]
    assert [request.url.path for request in here.asked("store")] == ["/left", "/right"]


async def test_what_is_held_is_not_fetched(world: Callable[..., World]) -> None:
    here = world(Platform(recordingmetadata=[[told()]]))
    found = await fetch(here.door, "original", held={"r1"})
    assert states(found) == [("r1", "done")]
    assert not here.asked("batchrequests")
    assert not here.asked("store")


async def test_a_dead_link_is_asked_for_again(world: Callable[..., World]) -> None:
    platform = Platform(recordings=[[told(mediaUris=uri("a", "1"))], [told(mediaUris=uri("a", "2"))]])
    platform.dead.add("https://store/a?sig=1")
    found = await fetch(world(platform).door)
    assert states(found) == [("r1", "done")]


async def test_one_recording_that_cannot_be_had_does_not_stop_the_other(world: Callable[..., World]) -> None:
    platform = Platform(recordings=[[told(mediaUris=uri("a", "1")), told("r2", mediaUris=uri("b", "1"))]])
    platform.dead.add("https://store/a?sig=1")
    found = await fetch(world(platform).door)
    assert states(found) == [("r1", "failed"), ("r2", "done")]
    assert found.states[0].reason.startswith("LinkExpired: ")


async def test_the_original_comes_through_a_batch(world: Callable[..., World]) -> None:
    platform = Platform(
        recordingmetadata=[[told(), told("r2")]],
        batch=[{"status": "InProgress"}, complete(result(), result("r2", "https://store/b2?sig=1"))],
    )
    here = world(platform)
    found = await fetch(here.door, "original")
    assert states(found) == [("r1", "done"), ("r2", "done")]
    wanted = [{"conversationId": "c1", "recordingId": name} for name in ("r1", "r2")]
    assert platform.posted == [{"batchDownloadRequestList": wanted}]
    assert not here.asked("/recordings?")
    assert [event.source for event in here.events if isinstance(event, Fetched)] == ["audio/r1", "audio/r2"]


async def test_a_batch_made_for_many_conversations_is_used(world: Callable[..., World]) -> None:
    platform = Platform(recordingmetadata=[[told()]], batch=[complete(result())])
    here = world(platform)
    batch = await here.door.recordings.batches.fetch([("c1", ""), ("c2", "")], wait_seconds=60, poll_seconds=5)
    found = await fetch(here.door, "original", batch=batch)
    assert states(found) == [("r1", "done")]
    assert len(platform.posted) == 1
    assert "sig=" not in repr(batch)


async def test_a_batch_that_was_not_asked_for_this_call_proves_nothing(world: Callable[..., World]) -> None:
    platform = Platform(recordingmetadata=[[told()]], batch=[complete(), complete(result())])
    here = world(platform)
    batch = await here.door.recordings.batches.fetch([("c2", "")], wait_seconds=60, poll_seconds=5)
    assert states(await fetch(here.door, "original", batch=batch)) == [("r1", "done")]
    assert len(platform.posted) == 2


async def test_an_error_for_the_whole_conversation_is_every_recordings(world: Callable[..., World]) -> None:
    wrong = {"conversationId": "c1", "errorMsg": "The conversation was not found."}
    found = await fetch(world(Platform(recordingmetadata=[[told()]], batch=[complete(wrong)])).door, "original")
    assert [(one.state, one.reason) for one in found.states] == [("failed", "The conversation was not found.")]


async def test_a_dead_link_of_a_batch_is_renewed_by_reading_it_again_or_by_another_batch(
    world: Callable[..., World],
) -> None:
    first, second, third = (result(link=f"https://store/b?sig={n}") for n in (1, 2, 3))
    answers = [complete(first), complete(second), complete(second), complete(third)]
    platform = Platform(recordingmetadata=[[told()]], batch=answers)
    platform.dead |= {"https://store/b?sig=1", "https://store/b?sig=2"}
    found = await fetch(world(platform).door, "original")
    assert states(found) == [("r1", "done")]


async def test_an_error_in_a_batch_is_the_recordings_reason(world: Callable[..., World]) -> None:
    wrong = {"conversationId": "c1", "recordingId": "r1", "errorMsg": "Cannot be\x1b[31m decrypted"}
    found = await fetch(world(Platform(recordingmetadata=[[told()]], batch=[complete(wrong)])).door, "original")
    assert states(found) == [("r1", "failed")]
    assert "decrypted" in found.states[0].reason
    assert "\x1b" not in found.states[0].reason


async def test_a_recording_left_out_of_a_batch_is_a_redacted_one(world: Callable[..., World]) -> None:
    listed = [told(), told("r2", mediaUris=uri("secret"))]
    platform = Platform(recordingmetadata=[[told(), told("r2")]], batch=[complete(result())], recordings=[listed])
    found = await fetch(world(platform).door, "original")
    assert states(found) == [("r1", "done"), ("r2", "redacted")]
    assert "viewSensitiveData" in found.states[1].reason


async def test_a_batch_that_is_not_ready_in_time_is_waited_for_later(world: Callable[..., World]) -> None:
    here = world(Platform(recordingmetadata=[[told()]], batch=[{"status": "InProgress"}]))
    found = await fetch(here.door, "original", wait_seconds=10, poll_seconds=5)
    assert states(found) == [("r1", "waiting")]
    assert here.clock.slept == [5, 5]


async def test_another_clients_404_on_a_batch_is_waited_out(world: Callable[..., World]) -> None:
    platform = Platform(recordingmetadata=[[told()]], batch=[404, complete(result())])
    assert states(await fetch(world(platform).door, "original")) == [("r1", "done")]


@pytest.mark.parametrize("status", [403, 404, 400])
async def test_without_batches_the_list_is_asked_for_wav(world: Callable[..., World], status: int) -> None:
    platform = Platform(recordingmetadata=[[told()]], post=[status], recordings=[[told(mediaUris=uri())]])
    here = world(platform)
    found = await fetch(here.door, "original")
    assert states(found) == [("r1", "done")]
    assert any("WAV instead" in event.note for event in here.events if isinstance(event, Noted))


async def test_no_recordings_at_all(world: Callable[..., World]) -> None:
    found = await fetch(world(Platform()).door, "original")
    assert (found.recordings, found.states, found.bodies) == ((), (), ())
    assert found.listing.open().read() == b"[]"


async def test_a_list_that_may_not_be_seen_is_denied(world: Callable[..., World]) -> None:
    with pytest.raises(Denied, match="recording:recording:view"):
        await fetch(world(Platform(recordingmetadata=[403])).door, "original")


async def test_an_unknown_conversation_is_not_found(world: Callable[..., World]) -> None:
    with pytest.raises(NotFound):
        await fetch(world(Platform(recordings=[404])).door)


async def test_a_dead_link_that_is_being_transcoded_again_is_the_recordings_own_trouble(
    world: Callable[..., World],
) -> None:
    platform = Platform(recordings=[[told(mediaUris=uri("a", "1"))], 202])
    platform.dead.add("https://store/a?sig=1")
    found = await fetch(world(platform).door)
    assert states(found) == [("r1", "failed")]
    assert found.bodies == ()
