"""One conversation in the archive: kept, kept again, added to, unread, read again."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pytest
from tests.unit.small_calls import view_key

from turnkeeper.archive import keys
from turnkeeper.archive.archive import Archive, FetchedBody
from turnkeeper.archive.manifest import CommunicationState
from turnkeeper.archive.reread import reread
from turnkeeper.clock import ManualClock
from turnkeeper.errors import Conflict, Misconfigured, NotFound, StoreRefused, Unavailable, Unread
from turnkeeper.events import Archived, Event
from turnkeeper.payloads.dialects import SHAPES
from turnkeeper.payloads.dialects.media import MediaDialect
from turnkeeper.settings import StoreSettings
from turnkeeper.spool import Spool
from turnkeeper.storage.key_rules import MARKER
from turnkeeper.storage.object_store import Store, open_store
from turnkeeper.transcript.select import Selection

CALL = "4d3c0000-0000-4000-8000-000000000001"
START = 1_790_000_000_000
AGENT = Selection(roles=frozenset({"agent"}))


class Lines(MediaDialect):
    """A shape that nobody knew when the call was fetched: the media document with its turns under another name."""

    targets: ClassVar[Mapping[tuple[str, ...], tuple[Any, Any]]] = {("lines",): MediaDialect.targets[("transcript",)]}  # type: ignore[misc]

    def matches(self, survey: Any) -> bool:
        return "lines" in survey.skeleton


def spool(document: Any) -> Spool:
    body = Spool()
    body.write(document if isinstance(document, bytes) else json.dumps(document).encode())
    return body.seal()


def leg(name: str, words: str = "hello there", *, after: int = 0, **more: Any) -> FetchedBody:
    """A speech transcript of one communication: the customer, then the agent."""
    phrases = [
        {"phraseIndex": 0, "participantPurpose": "external", "text": words, "startTimeMs": START + after + 100},
        {"phraseIndex": 1, "participantPurpose": "internal", "text": "yes", "startTimeMs": START + after + 2000},
    ]
    for phrase in phrases:
        phrase |= {"confidence": 0.5, "duration": {"milliseconds": 900}}
    people = [
        {"participantPurpose": purpose, "userId": user, "startTimeMs": START, "endTimeMs": START + 600_000}
        for purpose, user in (("customer", None), ("agent", "user-1"))
    ]
    document = {
        "conversationId": CALL,
        "communicationId": name,
        "conversationStartTime": START,
        "startTime": START,
        "participants": people,
        "transcripts": [{"transcriptId": "t", "startTime": START, "phrases": phrases}],
    }
    return FetchedBody(spool(document | more), f"speech/{name}", name)


def media(words: str = "good day") -> FetchedBody:
    turn = {"start_time": 0.1, "end_time": 1.5, "text": words, "speaker_id": "p1", "confidence": 0.9}
    people = [{"id": "p1", "name": "Ada", "role": "agent"}]
    return FetchedBody(spool({"conversation": CALL, "participants": people, "transcript": [turn]}), "media")


def users(name: str = "Ada", *, day: int = 1) -> FetchedBody:
    document = {"entities": [{"id": "user-1", "name": name, "selfUri": f"/day/{day}"}], "pageSize": 25}
    return FetchedBody(spool(document), "directory/users")


def details(**more: Any) -> FetchedBody:
    return FetchedBody(
        spool({"conversationId": CALL, "conversationStart": "2026-09-21T13:33:20.000Z"} | more), "conversation"
    )


@pytest.fixture
def archive(store: Store) -> Archive:
    return Archive(store, clock=ManualClock())


@pytest.fixture
def quick() -> Archive:
    return Archive(open_store("memory://", StoreSettings()), clock=ManualClock())


def contents(archive: Archive) -> dict[str, bytes]:
    """Everything but the audit, to which a reread adds a line."""
    store = archive.store
    return {key: store.get(key) for key in store.list("") if not key.startswith(keys.AUDIT)}


def views(archive: Archive) -> dict[str, bytes]:
    """The views of the current generations."""
    return {view.key: archive.store.get(view.key) for manifest in archive.manifests() for view in manifest.views}


def turns(archive: Archive, conversation: str = CALL) -> list[dict[str, Any]]:
    with archive.transcript(conversation) as body:
        found: list[dict[str, Any]] = json.load(body)["transcript"]
        return found


def test_a_conversation_is_kept_and_read_back(archive: Archive) -> None:
    kept = archive.commit(CALL, [leg("leg-a"), details(), users()], selections=[AGENT])
    assert kept.changed
    assert (kept.manifest.generation, kept.manifest.state) == (1, "done")
    assert re.fullmatch(rf"transcripts/{CALL}/[0-9a-f]{{16}}\.json", kept.key)
    assert archive.store.size(kept.key)
    assert dict(kept.selected) == {AGENT.slug: 1}
    assert [turn["text"] for turn in turns(archive)] == ["hello there", "yes"]
    assert archive.manifest(CALL) == kept.manifest
    assert list(archive.conversations()) == [CALL]
    assert list(archive.unread()) == []
    for one in (*kept.manifest.inputs, *kept.manifest.views):
        assert archive.store.size(one.key) == one.size


def test_the_former_name_of_commit_still_commits(archive: Archive) -> None:
    assert archive.keep(CALL, arrived=[leg("leg-a")], notes=["given"]).manifest.notes == ("given",)


def test_the_printed_summary_starts_with_the_eight_fields(archive: Archive) -> None:
    archive.commit(CALL, [leg("leg-a")])
    printed = archive.summary(CALL)
    assert list(printed)[:8] == [
        "interaction_id",
        "total_duration_seconds",
        "total_turns",
        "agent_turns",
        "customer_turns",
        "avg_confidence",
        "archived_at",
        "storage_location",
    ]
    assert printed["archived_at"] == "2026-11-02T09:00:00.000Z"
    assert printed["storage_location"] == f"{archive.url}/{view_key(archive.store, keys.transcript(CALL))}"
    assert b"archived_at" not in archive.store.get(view_key(archive.store, keys.summary(CALL)))


def test_what_is_kept_again_is_written_once(archive: Archive) -> None:
    arrived = [leg("leg-a"), details(), users()]
    states = [CommunicationState("leg-a", "done"), CommunicationState("leg-b", "absent", "404")]
    first = archive.commit(CALL, arrived, states=states, selections=[AGENT])
    before = contents(archive)
    again = archive.commit(CALL, arrived, states=states, notes=["said today"])
    assert not again.changed
    assert again.manifest == first.manifest
    assert again.summary == first.summary
    assert contents(archive) == before


def test_every_manifest_fits_its_schema(quick: Archive) -> None:
    quick.commit(CALL, [leg("leg-a"), details(), users()], selections=[AGENT])
    quick.commit(CALL, [FetchedBody(spool({"lines": []}), "media")])
    schema = json.loads((Path(keys.__file__).parent / "schemas" / "manifest.json").read_text())
    found = [json.loads(data) for key, data in contents(quick).items() if key.startswith("manifests/")]
    assert [one["state"] for one in found] == ["done", "unread"]
    for one in found:
        jsonschema.Draft202012Validator(schema).validate(one)


def test_the_same_inputs_give_the_same_bytes_anywhere(store: Store, quick: Archive) -> None:
    arrived = [leg("leg-b", "late", after=9000), leg("leg-a"), details(), users()]
    clock = ManualClock()
    clock.advance(12345)
    elsewhere = Archive(store, clock=clock)
    elsewhere.commit(CALL, arrived, selections=[AGENT])
    for one in reversed(arrived):
        quick.commit(CALL, [one]) if one.communication else None
    quick.commit(CALL, arrived[2:], selections=[AGENT])
    assert views(elsewhere) == views(quick)
    assert len(views(quick)) == 3


def test_a_second_leg_comes_later_and_the_first_still_counts(archive: Archive) -> None:
    archive.commit(CALL, [leg("leg-a"), details()], states=[CommunicationState("leg-b", "absent", "not yet")])
    kept = archive.commit(CALL, [leg("leg-b", "second", after=60_000)])
    assert kept.manifest.generation == 2
    assert [one.source for one in kept.manifest.inputs] == ["conversation", "speech/leg-a", "speech/leg-b"]
    assert {one.id: one.state for one in kept.manifest.communications} == {"leg-a": "done", "leg-b": "done"}
    assert [turn["text"] for turn in turns(archive)] == ["hello there", "yes", "second", "yes"]


def test_a_leg_purged_upstream_stays(quick: Archive) -> None:
    quick.commit(CALL, [leg("leg-a"), leg("leg-b", "second", after=60_000)])
    gone = [CommunicationState("leg-a", "absent", "404")]
    kept = quick.commit(CALL, [leg("leg-b", "second", after=60_000)], states=gone)
    assert kept.manifest.communications[0].reason == "kept from before; now absent: 404"
    assert len(turns(quick)) == 4


def test_a_new_text_of_a_leg_replaces_its_turns_and_keeps_its_bytes(quick: Archive) -> None:
    first = quick.commit(CALL, [leg("leg-a", "helo")])
    quick.commit(CALL, [leg("leg-a", "hello")])
    assert [turn["text"] for turn in turns(quick)] == ["hello", "yes"]
    assert quick.store.size(first.manifest.inputs[0].key)


def test_another_dialect_replaces_the_transcripts(quick: Archive) -> None:
    quick.commit(CALL, [leg("leg-a"), details()])
    envelope = FetchedBody(spool({"conversation": CALL, "status": "completed"}), "media/metadata")
    envelope.body.withheld = ("downloadUrl",)
    quick.commit(CALL, [media(), envelope])
    kept = quick.commit(CALL, [media("inline now")])
    assert [one.source for one in kept.manifest.inputs] == ["conversation", "media"]
    assert [turn["text"] for turn in turns(quick)] == ["inline now"]
    second = quick.store.get(keys.manifest(CALL, 2))
    assert b'"withheld": [' in second
    assert b"downloadUrl" in second


def test_selections_are_rebuilt_ever_after(quick: Archive) -> None:
    customer = Selection(roles=frozenset({"customer"}))
    quick.commit(CALL, [leg("leg-a")], selections=[customer])
    quick.commit(CALL, [FetchedBody(spool({"lines": []}), "speech/leg-a", "leg-a")])
    kept = quick.commit(CALL, [leg("leg-a"), leg("leg-b", after=60_000)])
    assert dict(kept.selected) == {customer.slug: 2}
    stored = json.loads(quick.read_view(kept.manifest, keys.selection(CALL, customer.slug)))
    assert [turn["role"] for turn in stored["transcript"]] == ["customer", "customer"]


def test_the_same_names_another_day_are_not_kept_again(archive: Archive) -> None:
    first = archive.commit(CALL, [leg("leg-a"), users(day=1)])
    again = archive.commit(CALL, [leg("leg-a"), users(day=2)])
    assert not again.changed
    renamed = archive.commit(CALL, [leg("leg-a"), users("Ada L.", day=3)])
    assert renamed.changed
    assert len(list(archive.store.list("directory/"))) == 2
    assert first.manifest.inputs[0].source == "directory/users"


def test_names_are_in_the_transcript(quick: Archive) -> None:
    quick.commit(CALL, [leg("leg-a"), users("Ada Lovelace")])
    with quick.transcript(CALL) as body:
        assert "Ada Lovelace" in [person.get("name") for person in json.load(body)["participants"]]


def test_names_that_cannot_be_read_cost_only_the_names(quick: Archive) -> None:
    kept = quick.commit(CALL, [leg("leg-a"), FetchedBody(spool(b"<html>"), "directory/users")])
    assert kept.manifest.state == "done"
    assert "directory/users cannot be read" in kept.manifest.notes[0]


def test_details_that_cannot_be_read_cost_only_the_details(quick: Archive) -> None:
    kept = quick.commit(CALL, [leg("leg-a"), FetchedBody(spool(b"[]"), "conversation")], notes=["given"])
    assert kept.manifest.state == "done"
    assert kept.manifest.notes[0] == "given"
    assert "details cannot be read" in kept.manifest.notes[1]


UNKNOWN = {"lines": [{"text": "hi", "start_time": 0.5, "end_time": 1.0, "role": "agent"}]}


def test_what_cannot_be_read_is_kept_and_said(archive: Archive) -> None:
    kept = archive.commit(CALL, [FetchedBody(spool(UNKNOWN), "media")])
    assert kept.changed
    assert kept.summary is None
    assert kept.manifest.state == "unread"
    assert kept.manifest.views == ()
    assert kept.manifest.unread
    assert kept.manifest.unread.error == "UnknownShape"
    assert json.loads(archive.store.get(kept.manifest.inputs[0].key)) == UNKNOWN
    assert [one.conversation for one in archive.unread()] == [CALL]
    with pytest.raises(Unread) as caught:
        archive.transcript(CALL)
    assert "reread" in caught.value.hint
    assert not archive.commit(CALL, [FetchedBody(spool(UNKNOWN), "media")]).changed


def test_a_turn_that_cannot_be_right_is_kept_and_counted(quick: Archive) -> None:
    """K2: one turn that ends before it starts costs its own end, and the manifest counts it."""
    turn = {"start_time": 5.0, "end_time": 1.0, "text": "backwards", "speaker_id": "p1"}
    kept = quick.commit(
        CALL, [FetchedBody(spool({"conversation": CALL, "participants": [], "transcript": [turn]}), "media")]
    )
    assert (kept.manifest.state, kept.manifest.defects) == ("done", 1)


def test_an_unread_generation_leaves_the_objects_of_the_one_before(quick: Archive) -> None:
    quick.commit(CALL, [media()])
    before = views(quick)
    kept = quick.commit(CALL, [FetchedBody(spool(UNKNOWN), "media")])
    assert (kept.manifest.generation, kept.manifest.state) == (2, "unread")
    assert before.items() <= contents(quick).items()


def test_reread_understands_it_after_an_upgrade(archive: Archive) -> None:
    archive.commit(CALL, [FetchedBody(spool(UNKNOWN), "media"), details()], notes=["names of users are missing"])
    archive.commit("other", [FetchedBody(spool({"transcript": [], "participants": []}), "media")])
    [same] = reread(archive)
    assert (same.before, same.after, same.changed) == ("unread", "unread", False)
    assert same.reason
    [mended] = reread(archive, shapes=(Lines(), *SHAPES))
    assert (mended.before, mended.after, mended.changed) == ("unread", "done", True)
    assert [turn["text"] for turn in turns(archive)] == ["hi"]
    found = archive.manifest(CALL)
    assert found
    assert (found.generation, found.notes) == (2, ("names of users are missing",))
    assert list(reread(archive)) == []


def test_reread_all_writes_nothing_where_nothing_changed(quick: Archive) -> None:
    quick.commit(CALL, [leg("leg-a"), users()], selections=[AGENT])
    quick.commit("other", [media_of("other")])
    before = contents(quick)
    results = list(reread(quick, every=True))
    assert [(one.conversation, one.after, one.changed) for one in results] == [
        (CALL, "done", False),
        ("other", "done", False),
    ]
    assert contents(quick) == before


def media_of(conversation: str) -> FetchedBody:
    turn = {"start_time": 0.1, "end_time": 1.5, "text": "x", "speaker_id": "p1"}
    return FetchedBody(spool({"conversation": conversation, "participants": [], "transcript": [turn]}), "media")


def test_reread_restores_a_view_that_was_lost(quick: Archive) -> None:
    quick.commit(CALL, [leg("leg-a")])
    before = contents(quick)
    quick.store.delete(view_key(quick.store, keys.transcript(CALL)))
    [result] = reread(quick, [CALL])
    assert not result.changed
    assert contents(quick) == before


def test_reread_of_a_stranger_says_absent(quick: Archive) -> None:
    quick.prepare()
    [result] = reread(quick, ["stranger"])
    assert (result.before, result.after) == ("absent", "absent")


def test_reread_says_which_input_was_damaged_and_goes_on(quick: Archive) -> None:
    damaged = quick.commit(CALL, [leg("leg-a")]).manifest.inputs[0]
    quick.commit("other", [media_of("other")])
    quick.store.put(damaged.key, b"{}")
    first, second = reread(quick, every=True)
    assert first.after == "unread"
    assert damaged.key in first.reason
    assert second.after == "done"
    quick.store.delete(damaged.key)
    [gone] = reread(quick, [CALL])
    assert "is not there" in gone.reason


def test_nothing_is_kept_of_nothing(quick: Archive) -> None:
    with pytest.raises(NotFound):
        quick.commit(CALL, [details()])
    assert quick.manifest(CALL) is None
    with pytest.raises(NotFound):
        quick.transcript(CALL)


@pytest.mark.parametrize("conversation", ["../x", "", "a/b", "x" * 200])
def test_an_id_that_cannot_become_a_key_is_refused_before_anything(quick: Archive, conversation: str) -> None:
    with pytest.raises(Misconfigured):
        quick.commit(conversation, [media()])
    with pytest.raises(Misconfigured):
        quick.commit(CALL, [FetchedBody(spool({}), "speech/../x", "../x")])
    with pytest.raises(Misconfigured):
        quick.commit(CALL, [media()], states=[CommunicationState("../x", "done")])
    assert list(quick.store.list("")) == []


class Watched:
    """A store whose puts are told to somebody first."""

    def __init__(self, store: Store, hear: Callable[[str], None]) -> None:
        self._store, self._hear = store, hear

    def put(self, key: str, data: bytes, **more: Any) -> None:
        self._hear(key)
        self._store.put(key, data, **more)

    def put_stream(self, key: str, source: Any, **more: Any) -> None:
        self._hear(key)
        self._store.put_stream(key, source, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def watched(store: Store, hear: Callable[[str], None]) -> Archive:
    seen: Any = Watched(store, hear)
    return Archive(seen, clock=ManualClock())


def test_inputs_come_first_and_the_manifest_last(quick: Archive) -> None:
    order: list[str] = []
    watched(quick.store, order.append).commit(CALL, [leg("leg-a"), details(), users()])
    rooms = [key.split("/")[0] for key in order if not key.startswith("_turnkeeper")]
    assert set(rooms[:3]) == {"raw", "directory"}
    assert rooms[3:] == ["summaries", "transcripts", "manifests"]


class Crash(BaseException):
    """The end of the process."""


def test_a_crash_at_any_instant_loses_nothing_and_a_second_run_converges(quick: Archive) -> None:
    arrived = [leg("leg-a"), leg("leg-b", after=60_000), details(), users()]
    quick.commit(CALL, arrived, selections=[AGENT])
    # Three inputs, three views, one manifest: the process ends before each of these puts in turn.
    for instant in range(1, 8):
        archive = Archive(open_store("memory://", StoreSettings()), clock=ManualClock())
        archive.commit(CALL, arrived[:1])
        done = archive.manifest(CALL)
        with pytest.raises(Crash):
            watched(archive.store, dying(instant)).commit(CALL, arrived, selections=[AGENT])
        assert archive.manifest(CALL) == done
        archive.commit(CALL, arrived, selections=[AGENT])
        assert lasting(archive) == lasting(quick)


def lasting(archive: Archive) -> dict[str, bytes]:
    """Inputs and current views: everything but manifests (which have clocks) and the archive's own notes."""
    inputs = {key: data for key, data in contents(archive).items() if key.split("/")[0] in ("raw", "directory")}
    return inputs | views(archive)


def dying(instant: int) -> Callable[[str], None]:
    calls = iter(range(1, 1000))

    def hear(key: str) -> None:
        if next(calls) == instant:
            raise Crash

    return hear


def test_two_writers_at_once_both_count(store: Store) -> None:
    start = threading.Barrier(4)
    failed: list[BaseException] = []

    def keep(number: int) -> None:
        try:
            start.wait()
            Archive(store, clock=ManualClock()).commit(CALL, [leg(f"leg-{number}", after=number * 10_000)])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=keep, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    archive = Archive(store)
    found = archive.manifest(CALL)
    assert found
    assert (found.generation, len(found.inputs), len(turns(archive))) == (4, 4, 8)
    fresh = Archive(open_store("memory://", StoreSettings()))
    fresh.commit(CALL, [leg(f"leg-{number}", after=number * 10_000) for number in range(4)])
    assert views(fresh) == views(archive)


def test_a_writer_that_never_wins_gives_up(quick: Archive) -> None:
    def always_late(key: str) -> None:
        if key.startswith("manifests/"):
            raise Conflict("stored already")

    with pytest.raises(Unavailable):
        watched(quick.store, always_late).commit(CALL, [media()])


def test_what_happened_is_told(quick: Archive) -> None:
    heard: list[Event] = []
    archive = Archive(quick.store, listener=heard.append)
    archive.commit(CALL, [media()])
    archive.commit(CALL, [media()])
    assert heard == [
        Archived(conversation=CALL, generation=1, state="done", changed=True),
        Archived(conversation=CALL, generation=1, state="done", changed=False),
    ]


def test_a_newer_archive_is_not_touched(quick: Archive) -> None:
    quick.store.put(MARKER, b'{"format":"turnkeeper.archive/9","created":"x"}')
    for use in (
        lambda: quick.commit(CALL, [media()]),
        lambda: quick.manifest(CALL),
        lambda: list(quick.conversations()),
    ):
        with pytest.raises(StoreRefused):
            use()
    assert list(quick.store.list("")) == [MARKER]


def test_reading_an_empty_place_writes_nothing(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path / "none"), StoreSettings())
    with pytest.raises(NotFound, match="no archive here"):
        list(archive.conversations())
    assert archive.manifest(CALL) is None
    assert not (tmp_path / "none").exists()


def test_a_claimed_archive_refuses_strangers(quick: Archive) -> None:
    quick.claim("org-1")
    quick.commit(CALL, [media()])
    with pytest.raises(StoreRefused):
        Archive(quick.store).claim("org-2")


def test_spools_go_where_they_are_told_and_leave_nothing(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path / "a"), StoreSettings(), spool_folder=tmp_path)
    archive.commit(CALL, [leg("leg-a")])
    archive.commit(CALL, [leg("leg-b", after=60_000)])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def numbered(count: int) -> Iterator[Sequence[FetchedBody]]:
    for number in range(count):
        yield [media_of(f"call-{number:03d}")]


def test_conversations_come_sorted_and_once(archive: Archive) -> None:
    for number, arrived in enumerate(numbered(5)):
        archive.commit(f"call-{number:03d}", arrived)
    archive.commit(
        "call-002", [media_of("call-002"), FetchedBody(spool({"conversationId": "call-002"}), "conversation")]
    )
    assert list(archive.conversations()) == [f"call-{number:03d}" for number in range(5)]


class Broken(Lines):
    """A reader with a defect."""

    def matches(self, survey: Any) -> bool:
        raise ZeroDivisionError("in the reader")


def test_a_reader_that_breaks_does_not_cost_the_bytes(quick: Archive) -> None:
    quick.commit(CALL, [FetchedBody(spool(UNKNOWN), "media")])
    [result] = reread(quick, shapes=(Broken(),))
    assert (result.after, result.changed) == ("unread", True)
    assert "ZeroDivisionError" in result.reason
