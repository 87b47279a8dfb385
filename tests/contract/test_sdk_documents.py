"""Readers against documents that the vendor's own SDK declares: typed errors only, and no id is ever lost."""

from __future__ import annotations

import json
import random
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.contract.sdk_documents import Json, made
from tests.field.spoiled import Answer, Request
from tests.field.world import SPAN, World
from turnkeeper.errors import TurnkeeperError
from turnkeeper.payloads.details import read_details
from turnkeeper.payloads.details_page import read_page, read_results
from turnkeeper.payloads.recordings import read_recordings
from turnkeeper.spool import Spool

CALL = "5a0e6d1c-93b7-4c1d-8e52-7f6a1b0c9d3{}"
COUNT = 150
SEEDS = [f"sdk {number}" for number in range(4)]


def spool(document: Any) -> Spool:
    body = Spool()
    body.write(json.dumps(document).encode())
    return body.seal()


def sessions(document: Json) -> set[str]:
    """Every sessionId that stands where the SDK says that it does."""
    found: set[str] = set()
    for person in _objects(document.get("participants")):
        for session in _objects(person.get("sessions")):
            name = session.get("sessionId")
            if isinstance(name, str) and name.isascii() and name:
                found.add(name)
    return found


def _objects(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("odd", [0.0, 0.02, 0.3])
def test_details_keep_the_conversation_and_its_sessions(seed: str, odd: float) -> None:
    """K2: metadata that nobody needs never costs a conversation."""
    for number in range(COUNT):
        dice = random.Random(f"{seed}/{odd}/{number}")
        document = made(dice, "AnalyticsConversation", odd=odd, conversationId=CALL.format(number % 10))
        details = read_details(json.dumps(document).encode())
        assert details.conversation == document["conversationId"]
        assert {one.id for one in details.sessions} >= sessions(document), f"{seed}/{odd}/{number}: {document}"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("read", "model"),
    [(read_page, "AnalyticsConversationQueryResponse"), (read_results, "AnalyticsConversationAsyncQueryResponse")],
)
def test_every_conversation_of_a_page_is_listed(seed: str, read: Any, model: str) -> None:
    """K8 severity 4: one odd element never costs the page."""
    for number in range(COUNT // 3):
        dice = random.Random(f"{seed}/{number}")
        calls = [made(dice, "AnalyticsConversation", odd=0.3, conversationId=CALL.format(at)) for at in range(3)]
        always = {"conversations": calls, **({"totalHits": 3} if read is read_page else {"cursor": "c"})}
        with spool(made(dice, model, odd=0.3, **always)) as body:
            page = read(body, "details query", "key")
        assert [json.loads(one)["conversationId"] for one in page.conversations] == [CALL.format(at) for at in range(3)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("model", ["Recording", "RecordingMetadata"])
def test_every_recording_with_an_id_is_listed(seed: str, model: str) -> None:
    for number in range(COUNT):
        dice = random.Random(f"{seed}/{number}")
        told = [made(dice, model, odd=0.2, id=f"recording-{at}") for at in range(3)]
        found = read_recordings(json.dumps(told).encode())
        assert [one.id for one in found] == ["recording-0", "recording-1", "recording-2"], f"{seed}/{number}"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("model", ["AnalyticsConversation", "Recording", "TranscriptUrl", "AsyncQueryStatus"])
def test_any_document_for_any_reader_gives_our_errors_only(seed: str, model: str) -> None:
    """K8 severity 4: foreign exceptions become ours at every door."""
    for number in range(COUNT // 3):
        document = made(random.Random(f"{seed}/{model}/{number}"), model, odd=0.5)
        raw = json.dumps(document).encode()
        for read in (read_details, read_recordings):
            _ours(read, raw)
        for page in (read_page, read_results):
            with spool(document) as body:
                _ours(page, body, "op", "key")


def _ours(read: Any, *given: Any) -> None:
    with suppress(TurnkeeperError):
        read(*given)


ESSENTIAL = ("conversationId", "conversationStart", "conversationEnd", "participants", "divisionIds")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS[:2])
@pytest.mark.parametrize("by", ["query", "jobs"])
def test_an_export_gets_through_odd_metadata_and_names(seed: str, by: str, tmp_path: Path) -> None:
    """K8 severity 4: names only decorate, and what is odd in metadata is as if absent."""
    dice = random.Random(seed)

    def change(request: Request, answer: Answer) -> None:
        path = request.path.partition("?")[0]
        if answer.status != 200 or not answer.body.startswith(b"{"):
            return
        told = answer.json
        if told.get("conversations"):
            told["conversations"] = [
                made(dice, "AnalyticsConversation", odd=0.3) | {name: one[name] for name in ESSENTIAL if name in one}
                for one in told["conversations"]
            ]
        elif "entities" in told and path.startswith("/api/v2/users"):
            told |= {"entities": [made(dice, "User", odd=0.3, id=one["id"]) for one in told["entities"]]}
        elif "entities" in told and path.startswith("/api/v2/routing/"):
            told |= {"entities": [made(dice, "Queue", odd=0.3, id=one["id"]) for one in told["entities"]]}
        elif "/details/jobs/" in path and "state" in told:
            told = made(dice, "AsyncQueryStatus", odd=0.3) | {"state": told["state"]}
        answer.json = told

    with ExitStack() as stack:
        world = World(tmp_path, stack)
        world.platform(change=change, now=_later())
        ran = world.cli("export", "--to", "archive", *SPAN, "--quiet", "--by", by)
        assert ran.code in (0, 3), ran.err
        assert "Traceback" not in ran.err
        assert len(world.archived()) == 4, f"{ran.out}\n{ran.err}"


def _later() -> Any:
    return datetime(2026, 10, 10, tzinfo=UTC)
