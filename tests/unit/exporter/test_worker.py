"""One conversation through both doors: the platform is a function, the archive is in memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from turnkeeper.archive import keys
from turnkeeper.archive.archive import Archive
from turnkeeper.archive.index import WHOLE, CallState, Index
from turnkeeper.archive.index_entries import with_details
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.clock import ManualClock, rfc3339
from turnkeeper.errors import Denied, LinkExpired, TooLarge, Unavailable, Unread
from turnkeeper.events import Event, Settled
from turnkeeper.exporter.engine import Exporter, ExportSettings
from turnkeeper.exporter.feed import Feed
from turnkeeper.exporter.get import export_conversation
from turnkeeper.exporter.ledger import DueConversation, Ledger, NewConversation, Settlement
from turnkeeper.exporter.pipeline import Pipeline
from turnkeeper.exporter.publication import Publication
from turnkeeper.exporter.range import Follow, Range
from turnkeeper.exporter.run import Run
from turnkeeper.exporter.run_report import RunReport
from turnkeeper.exporter.schedule import Schedule
from turnkeeper.exporter.worker import Outcome, RefusedConversation, Worker
from turnkeeper.genesys.client import Genesys
from turnkeeper.payloads.details import read_details
from turnkeeper.settings import Api, BodyLimits, PlatformSettings, StoreSettings
from turnkeeper.storage.object_store import Store

pytestmark = pytest.mark.anyio
DAY = "2026-11-02"
ENDED = f"{DAY}T08:00:00.000Z"
CALL = CallState(conversation="c1", state="pending")
START = 1_793_606_400_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Platform:
    """``legs`` are the sessions, and whether each is recorded; ``files`` the communications that have a transcript;
    ``details`` the answer of analytics, ``broken`` the files that storage refuses, ``large`` those of 2 MiB, ``listed``
    what the search lists."""

    legs: Mapping[str, bool]
    files: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    listed: set[str] | None = None
    details: bytes | int | None = None
    large: set[str] = field(default_factory=set)
    media: bytes | None = None
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        self.asked.append(path)
        for end, answer in self.answers.items():
            if path.endswith(end):
                return answer(path)
        if request.url.host == "store":
            return self._file(path.removeprefix("/"))
        return httpx2.Response(404, json={"code": "not.found"})

    @property
    def answers(self) -> Mapping[str, Callable[[str], httpx2.Response]]:
        return {
            "/oauth/token": lambda _: httpx2.Response(200, json={"access_token": "t", "expires_in": 86_399}),
            "/details": lambda path: self._details(path.split("/")[-2]),
            "/details/query": lambda _: self._query(),
            "/transcripturl": self._link,
            "/transcripts/search": lambda _: self._search(),
            "/c1/transcripts": lambda _: httpx2.Response(200, content=self.media) if self.media else _missing(),
        }

    def _details(self, conversation: str = "c1") -> httpx2.Response:
        if isinstance(self.details, int):
            return httpx2.Response(self.details, json={"code": "missing.permissions"})
        sessions = [{"sessionId": name, "mediaType": "voice", "recording": on} for name, on in self.legs.items()]
        people = [{"participantId": "p", "purpose": "customer", "sessions": sessions}]
        whole: dict[str, Any] = {"conversationId": conversation, "conversationStart": f"{DAY}T07:00:00.000Z"}
        whole |= {"conversationEnd": ENDED, "participants": people}
        return httpx2.Response(200, content=self.details or json.dumps(whole).encode())

    def _query(self) -> httpx2.Response:
        found = json.loads(self._details().content)
        return httpx2.Response(200, json={"conversations": [found], "totalHits": 1})

    def _link(self, path: str) -> httpx2.Response:
        name = path.split("/")[-2]
        return httpx2.Response(200, json={"url": f"https://store/{name}"}) if name in self.files else _missing()

    def _search(self) -> httpx2.Response:
        if self.listed is None:
            return _missing()
        rows = [{"conversationId": "c1", "communicationId": name} for name in sorted(self.listed)]
        return httpx2.Response(200, json={"total": len(rows), "results": rows})

    def _file(self, name: str) -> httpx2.Response:
        if name in self.broken:
            return httpx2.Response(403)
        if name in self.large:
            return httpx2.Response(200, content=b" " * (2 << 20))
        phrase = {"text": "hi", "participantPurpose": "external", "startTimeMs": START + 100, "confidence": 0.5}
        spoken = {"transcriptId": name, "startTime": START, "phrases": [phrase | {"duration": {"milliseconds": 900}}]}
        document = {"conversationId": "c1", "communicationId": name, "startTime": START, "transcripts": [spoken]}
        return httpx2.Response(200, json=document)

    def links(self) -> list[str]:
        """The communications that were asked for, in order."""
        return [path.split("/")[-2] for path in self.asked if path.endswith("/transcripturl")]


def _missing() -> httpx2.Response:
    return httpx2.Response(404, json={"code": "not.found", "message": "The requested resource was not found."})


@dataclass
class Here:
    """Both doors and a clock."""

    platform: Platform
    clock: ManualClock = field(default_factory=ManualClock)
    api: Api = "auto"
    limits: BodyLimits = field(default_factory=BodyLimits)

    def __post_init__(self) -> None:
        settings = PlatformSettings(
            client_id="id", client_secret="hush", region="us-east-1", api=self.api, body=self.limits
        )
        self.door = Genesys(settings, transport=httpx2.MockTransport(self.platform), clock=self.clock)
        self.archive = Archive("memory://", StoreSettings(), clock=self.clock)

    async def process(self, call: CallState, listed: frozenset[str] | None = None) -> Outcome:
        async def nothing(_: CallState) -> frozenset[str] | None:
            return None

        worker = Worker(Pipeline(self.door, self.archive), Schedule(), self.clock, nothing)
        return await worker.process(DueConversation(call, DAY, 0, None, listed))

    async def run(self, ledger: Ledger) -> RunReport:
        """A run that lists nothing new: whatever is due is processed."""
        return await Run(self.door, self.archive, ledger, ExportSettings(), self.clock).once(Range())

    def exporter(self, ledger: Ledger) -> Exporter:
        publication = Publication(self.door, self.archive, ledger, self.clock, every=60)
        return Exporter(self.door, self.archive, ledger, publication, clock=self.clock)


async def exported(exporter: Exporter, feed: Feed) -> RunReport:
    """One pass over what a feed lists, published as a run publishes it."""
    async with exporter.publication.until_the_end(threading.Event()):
        await exporter.process_all(feed)
    return exporter.publication.report


def legs(call: CallState) -> dict[str, tuple[str, bool]]:
    return {leg.id: (leg.state, leg.final) for leg in call.legs}


async def test_what_came_is_kept_and_the_leg_that_failed_has_its_turn() -> None:
    here = Here(Platform({"a": True, "b": True}, {"a", "b"}, broken={"a"}))
    outcome = await here.process(CALL)
    assert (outcome.call.state, outcome.call.generation, outcome.transcripts) == ("done", 1, 1)
    assert isinstance(outcome.error, LinkExpired)
    assert legs(outcome.call) == {"a": ("absent", False), "b": ("done", True)}
    assert outcome.due == int(here.clock.now().timestamp() * 1000) + Schedule().first
    here.platform.broken.clear()
    here.clock.advance(3600)
    again = await here.process(outcome.call)
    assert (again.error, legs(again.call)) == (None, {"a": ("done", True), "b": ("done", True)})
    assert here.platform.links().count("b") == 1


async def test_the_manifest_of_an_export_names_the_leg_that_failed() -> None:
    here = Here(Platform({"a": True, "b": True, "c": True}, {"a", "b"}, broken={"a"}))
    await here.process(CALL)
    manifest = here.archive.manifest("c1")
    assert manifest is not None
    # Which absent legs were asked for differs from run to run: the index tells of those.
    assert [(one.id, one.state) for one in manifest.communications] == [("a", "failed"), ("b", "done")]


async def test_get_keeps_what_came_before_it_says_what_failed() -> None:
    here = Here(Platform({"a": True, "b": True}, {"a", "b"}, broken={"a"}))
    with pytest.raises(LinkExpired):
        await export_conversation(here.door, here.archive, "c1")
    manifest = here.archive.manifest("c1")
    assert manifest is not None
    assert [(one.id, one.state, one.reason) for one in manifest.communications] == [
        ("a", "failed", "LinkExpired"),
        ("b", "done", ""),
    ]


async def test_a_call_that_was_listed_while_it_went_on_is_asked_for_after_its_end(tmp_path: Path) -> None:
    """The ledger keeps the listing's details until a transcript is archived. Those of an open call name no end."""
    open_call = json.dumps(
        {
            "conversationId": "c1",
            "conversationStart": f"{DAY}T07:00:00.000Z",
            "participants": [
                {
                    "participantId": "p",
                    "purpose": "customer",
                    "sessions": [{"sessionId": "a", "mediaType": "voice", "recording": True}],
                }
            ],
        }
    ).encode()
    here = Here(Platform({"a": True}))
    with closing(Ledger(tmp_path / "ledger", here.clock)) as ledger:
        call = with_details(CallState(conversation="c1", state="pending"), read_details(open_call))
        ledger.add([NewConversation(call, open_call)])
        await here.run(ledger)  # it has ended by now, and has no transcript yet
        assert here.platform.links() == ["a"]
        here.platform.files = {"a"}
        here.clock.advance(3600)
        await here.run(ledger)
    manifest = here.archive.manifest("c1")
    assert manifest is not None
    assert manifest.state == "done"


async def test_a_leg_that_is_too_large_does_not_cost_the_others() -> None:
    here = Here(Platform({"a": True, "b": True}, {"a", "b"}, large={"a"}), limits=BodyLimits(size=1 << 20))
    outcome = await here.process(CALL)
    assert (outcome.call.state, outcome.call.generation, outcome.transcripts) == ("done", 1, 1)
    assert isinstance(outcome.error, TooLarge)
    assert legs(outcome.call) == {"a": ("absent", False), "b": ("done", True)}


async def test_the_last_ask_is_of_every_leg_although_nothing_is_listed_any_more() -> None:
    here = Here(Platform({"a": True, "b": True}), api="speech")
    first = await here.process(CALL, frozenset())
    assert here.platform.links() == ["a"]
    here.clock.advance(8 * 86_400)
    here.platform.files.add("b")
    last = await here.process(first.call, frozenset())
    assert (last.call.state, here.platform.links()) == ("done", ["a", "a", "b"])


@pytest.mark.parametrize("odd", ["../../x", "x."])
async def test_a_leg_whose_id_is_none_does_not_cost_the_call(odd: str) -> None:
    here = Here(Platform({odd: True, "a": True}, {"a", "x."}))
    kept = await export_conversation(here.door, here.archive, "c1")
    assert [one.id for one in kept.manifest.communications] == ["a"]
    assert (await here.process(CALL)).call.state == "done"
    assert set(here.platform.links()) == {"a"}


async def test_what_is_listed_after_every_leg_came_to_its_end_is_asked_for() -> None:
    here = Here(Platform({"a": True, "b": False}, {"a"}))
    first = await here.process(CALL, frozenset({"a"}))
    assert (legs(first.call), first.due) == ({"a": ("done", True)}, None)
    here.clock.advance(20 * 86_400)
    here.platform.files.add("b")
    later = await here.process(first.call, frozenset({"a", "b"}))
    assert (later.transcripts, legs(later.call)) == (1, {"a": ("done", True), "b": ("done", True)})
    assert here.platform.links() == ["a", "b"]


async def test_what_is_listed_and_never_there_is_asked_for_once_a_day() -> None:
    here = Here(Platform({"a": True, "b": False}, {"a"}))
    call = (await here.process(CALL, frozenset({"a"}))).call
    here.clock.advance(20 * 86_400)
    for _ in range(10):
        outcome = await here.process(call, frozenset({"a", "b"}))
        call = outcome.call
        assert (outcome.due, legs(call)["b"]) == (None, ("absent", True))
        here.clock.advance(6 * 3600)
    assert here.platform.links() == ["a", "b", "b", "b"]


async def test_one_conversation_that_is_denied_does_not_end_a_run() -> None:
    here = Here(Platform({"a": True}, {"a"}, details=403))
    with pytest.raises(RefusedConversation) as refused:
        await here.process(CALL)
    assert (refused.value.outcome.call.state, refused.value.outcome.due is None) == ("failed", False)


GATEWAY = json.dumps({"conversation": "c1", "transcript": [{"start_time": 0.5, "end_time": 1, "text": "hi"}]}).encode()


class Reads:
    """A store that says which objects are read from it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.keys: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get(self, key: str) -> bytes:
        self.keys.append(key)
        return self._store.get(key)


async def test_the_index_is_told_of_a_new_call_without_reading_its_details_back() -> None:
    here = Here(Platform({"a": True}, {"a"}))
    reads: Any = Reads(here.archive.store)
    result = await export_conversation(here.door, Archive(reads, clock=here.clock), "c1")
    (call,) = Index(here.archive.store).read(DAY).calls
    assert (call.conversation, call.ended_at) == ("c1", ENDED)
    assert [key for key in reads.keys if key.startswith("raw/")] == []
    assert result.details == read_details(here.archive.details("c1") or b"")


def test_the_former_name_of_the_concurrency_is_accepted() -> None:
    with pytest.warns(DeprecationWarning, match="concurrency"):
        assert ExportSettings(visitors=3) == ExportSettings(concurrency=3) == ExportSettings(3)


async def test_details_that_cannot_be_read_do_not_cost_the_transcript() -> None:
    here = Here(Platform({}, details=b'{"conversation": 5}', media=GATEWAY))
    outcome = await here.process(CALL)
    assert (outcome.call.state, outcome.error, legs(outcome.call)) == ("done", None, {WHOLE: ("done", True)})
    manifest = here.archive.manifest("c1")
    assert manifest is not None
    assert any("details cannot be read" in note for note in manifest.notes)
    assert here.archive.details("c1") == b'{"conversation": 5}'


async def test_details_that_cannot_be_read_are_the_reason_where_nothing_came() -> None:
    here = Here(Platform({"a": True}, {"a"}, details=b'{"conversation": 5}'))
    with pytest.raises(Unread, match="conversationId"):
        await export_conversation(here.door, here.archive, "c1")
    outcome = await here.process(CALL)
    assert isinstance(outcome.error, Unread)
    assert outcome.call.state == "failed"


async def test_what_was_asked_for_in_the_other_dialect_is_waited_for_no_longer() -> None:
    here = Here(Platform({"a": True}))
    first = await here.process(CALL)
    assert legs(first.call) == {WHOLE: ("absent", False)}
    here.platform.files.add("a")
    here.clock.advance(3600)
    second = await here.process(first.call)
    assert (legs(second.call), second.due) == ({"a": ("done", True)}, None)


async def test_those_that_were_denied_before_do_not_end_the_runs_to_come(tmp_path: Path) -> None:
    here = Here(Platform({"a": True}, details=403))
    ledger = Ledger(tmp_path / "ledger.sqlite3", here.clock)
    names = [f"foreign-{number}" for number in range(6)]
    ledger.restore(DAY, [(CallState(conversation=name, state="failed"), 0) for name in names])
    for taken in ledger.take(10):
        ledger.settle([Settlement(taken, taken.call, 0, failed=True)])
    report = await here.run(ledger)
    assert (report.ended, report.failed) == ("done", 6)
    ledger.retry()
    with pytest.raises(Denied):
        await here.run(ledger)
    ledger.close()


class Stopping(ManualClock):
    """A clock that asks for the end when so many hours have passed."""

    def __init__(self, hours: float) -> None:
        super().__init__()
        self.stop = threading.Event()
        self._end = hours * 3600

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        if self.monotonic() >= self._end:
            self.stop.set()


async def test_following_lists_as_often_as_was_said_and_asks_for_what_is_due_between(tmp_path: Path) -> None:
    clock = Stopping(3.5)
    here = Here(Platform({"a": True}), clock)
    ledger = Ledger(tmp_path / "ledger.sqlite3", clock)
    run = Run(here.door, here.archive, ledger, ExportSettings(), clock, stop=clock.stop)
    report = await run.follow(Follow(every=timedelta(hours=1), last=timedelta(0)))
    ledger.close()
    # 5, 15, 35, 75 and 155 minutes after the first ask, and every hour besides.
    assert len(here.platform.links()) == 6
    assert sum(path.endswith("/details/query") for path in here.platform.asked) == 4
    assert report.ended == "interrupted"
    assert report.listed_until == rfc3339(clock.now().replace(hour=12, minute=0))


class Down:
    """A store that does not list tombstones, the first time after it is told to."""

    def __init__(self, store: Store) -> None:
        self._store, self.down = store, False

    def __getattr__(self, name: str) -> Any:
        if name == "list" and self.down:
            return self._failing
        return getattr(self._store, name)

    def _failing(self, prefix: str) -> Any:
        if prefix != keys.TOMBSTONES:
            return self._store.list(prefix)
        self.down = False
        raise Unavailable("the store is down")


async def test_what_was_erased_while_it_was_kept_is_taken_back_although_the_store_was_down(tmp_path: Path) -> None:
    here = Here(Platform({"a": True}, {"a"}))
    down: Any = Down(here.archive.store)
    archive = Archive(down, clock=here.clock)
    ledger = Ledger(tmp_path / "ledger.sqlite3", here.clock)
    ledger.add([NewConversation(CALL)])

    def kept(event: Event) -> None:
        if isinstance(event, Settled):
            Tombstones(here.archive.store).put("c1", here.clock.now())
            down.down = True

    settings = ExportSettings(commit_seconds=0)
    run = Run(here.door, archive, ledger, settings, here.clock, kept)
    with pytest.raises(Unavailable):
        await run.once(Range())
    assert list(here.archive.conversations()) == []
    assert ledger.counts() == {"erased": 1}
    ledger.close()
