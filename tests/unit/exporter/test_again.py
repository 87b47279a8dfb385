"""Bodies that are not the transcript yet, or not the whole of it: kept where they say something, and asked again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import httpx2
import pytest
from tests.unit.exporter.test_worker import CALL, Here, Platform, legs

from turnkeeper.errors import NotReady
from turnkeeper.exporter.get import export_conversation

pytestmark = pytest.mark.anyio
HOUR = 3600


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Storing(Platform):
    """A platform whose storage gives these bytes instead of a transcript."""

    bodies: dict[str, bytes] = field(default_factory=dict)

    def _file(self, name: str) -> httpx2.Response:
        return httpx2.Response(200, content=self.bodies[name]) if name in self.bodies else super()._file(name)


def here(**bodies: bytes) -> Here:
    return Here(Storing(dict.fromkeys(bodies, True), set(bodies), bodies=bodies))


EMPTY = [b"", b"null", b"[]", b"{}", b' { "transcripts" : [] } ']


@pytest.mark.parametrize("body", EMPTY)
async def test_an_empty_transcript_of_a_fresh_call_is_asked_for_again(body: bytes) -> None:
    """K8: {"transcripts":[]}, null, [] behind a fresh speech link."""
    world = here(a=body)
    first = await world.process(CALL)
    assert (first.call.state, first.call.generation) == ("absent", 0)
    assert ("absent", False) in legs(first.call).values()
    assert first.due is not None
    world.platform.bodies.clear()  # type: ignore[attr-defined]
    world.clock.advance(HOUR)
    later = await world.process(first.call)
    assert (later.call.state, legs(later.call)["a"]) == ("done", ("done", True))


@pytest.mark.parametrize("body", [*EMPTY, b'{"conversationId":"c1","communicationId":"a","transcripts":[]}'])
async def test_an_empty_transcript_of_an_old_call_is_absent_with_its_reason(body: bytes) -> None:
    """K8: a body without any transcript, of a call older than a day: done, no turns, exit 0, never asked for again."""
    world = here(a=body)
    world.clock.advance(3 * 86_400)
    outcome = await world.process(CALL)
    assert (outcome.call.state, outcome.call.reason) == ("absent", "the transcript is empty")
    assert outcome.due is not None
    while outcome.due is not None:
        world.clock.advance(outcome.due / 1000 - world.clock.now().timestamp())
        outcome = await world.process(outcome.call)
    assert (outcome.call.state, outcome.call.generation, legs(outcome.call)["a"]) == ("absent", 0, ("absent", True))


async def test_a_transcript_in_which_nobody_spoke_is_done() -> None:
    """K8: the same, of a call of which nobody said a word."""
    silent = {"conversationId": "c1", "communicationId": "a", "transcripts": [{"phrases": []}]}
    world = here(a=json.dumps(silent).encode())
    world.clock.advance(86_400)
    last = await world.process(CALL)
    assert (last.call.state, last.call.generation, last.due) == ("done", 1, None)
    assert last.empty


async def test_an_empty_leg_beside_a_full_one_is_asked_for_again() -> None:
    """K8: the same in one leg of two."""
    world = here(a=b"[]")
    world.platform.legs = {"a": True, "b": True}  # type: ignore[misc]
    world.platform.files.add("b")
    first = await world.process(CALL)
    assert legs(first.call) == {"a": ("absent", False), "b": ("done", True)}


@pytest.mark.parametrize("body", [b'{"transcripts":[{"phrases":[{"text":"hi"', b"<html>", b'{"status":"sorry"}'])
async def test_a_body_that_cannot_be_read_is_kept_and_asked_for_again(body: bytes) -> None:
    """K8: after an attack an honest run brings the archive to the truth."""
    world = here(a=body)
    first = await world.process(CALL)
    assert (first.call.state, legs(first.call)["a"]) == ("unread", ("unread", False))
    assert first.due is not None
    world.clock.advance(2 * HOUR)
    same = await world.process(first.call)
    assert (same.call.state, same.call.generation, same.transcripts) == ("unread", 1, 0)
    assert same.due is not None
    world.platform.bodies.clear()  # type: ignore[attr-defined]
    world.clock.advance(5 * HOUR)
    later = await world.process(same.call)
    assert (later.call.state, later.call.generation, legs(later.call)["a"]) == ("done", 2, ("done", True))


async def test_it_is_asked_for_eleven_times_at_most() -> None:
    world = here(a=b"<html>")
    outcome = await world.process(CALL)
    while outcome.due is not None:
        world.clock.advance(outcome.due / 1000 - world.clock.now().timestamp())
        outcome = await world.process(outcome.call)
    assert (outcome.call.state, legs(outcome.call)["a"]) == ("unread", ("unread", True))
    assert world.platform.links().count("a") <= 12


async def test_get_says_that_it_is_not_ready() -> None:
    """K8: the same for get."""
    world = here(a=b'{"transcripts":[]}')
    with pytest.raises(NotReady, match="not ready") as caught:
        await export_conversation(world.door, world.archive, "c1")
    assert caught.value.exit_code == 5
    world.clock.advance(2 * 86_400)
    with pytest.raises(NotReady, match="an empty transcript"):
        await export_conversation(world.door, world.archive, "c1")
    world.platform.bodies["a"] = b'{"transcripts":[{"phrases":[]}]}'  # type: ignore[attr-defined]
    kept = await export_conversation(world.door, world.archive, "c1")
    assert kept.manifest.generation == 1
