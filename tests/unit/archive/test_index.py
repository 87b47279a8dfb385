"""The index tells what changed, whoever wrote the manifest, and can be built again from the manifests."""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.small_calls import commit_call, details, transcript

from turnkeeper.archive import keys
from turnkeeper.archive.archive import Archive
from turnkeeper.archive.index import AUDIO, CallState, Index, LegState
from turnkeeper.archive.index_entries import apply_commit, correct_entry, day_of, entry_from_manifest
from turnkeeper.archive.manifest import CommunicationState, Manifest
from turnkeeper.archive.reread import reread
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.archive.verify import Verification
from turnkeeper.clock import ManualClock
from turnkeeper.erasure.erasable_archive import ErasableArchive
from turnkeeper.errors import TurnkeeperError, Unread
from turnkeeper.model import RecordingState
from turnkeeper.payloads.details import Details
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.object_store import Store, open_store

DAY = "2026-09-21"


@pytest.fixture
def quick() -> Store:
    return open_store("memory://", StoreSettings())


def archive_of(store: Store) -> Archive:
    return Archive(store, clock=ManualClock())


def index(store: Store) -> dict[str, int]:
    """What a consumer keeps of an index: each conversation's generation."""
    index = Index(store)
    return {call.conversation: call.generation for day in index.days() for call in index.read(day).calls}


def days(store: Store) -> dict[str, bytes]:
    return {key: store.get(key) for key in store.list(keys.STATES)}


def test_the_index_knows_what_was_kept_one_by_one(store: Store) -> None:
    """K1: status of an archive that get made counts."""
    commit_call(store, "call-1")
    commit_call(store, "call-2")
    assert index(store) == {"call-1": 1, "call-2": 1}
    [call, _] = Index(store).read(DAY).calls
    assert (call.state, call.started_at) == ("done", "2026-09-21T13:33:20.000Z")
    assert [(leg.id, leg.state, leg.final) for leg in call.legs] == [("leg-a", "done", True)]
    before = days(store)
    commit_call(store, "call-1")
    assert days(store) == before
    commit_call(store, "call-1", "other words")
    assert index(store) == {"call-1": 2, "call-2": 1}


def test_a_leg_that_did_not_come_is_to_be_asked_for_again(quick: Store) -> None:
    states = [CommunicationState("leg-b", "absent", "404")]
    archive_of(quick).commit("call-1", [transcript("call-1"), details("call-1")], states=states)
    [call] = Index(quick).read(DAY).calls
    assert [(leg.id, leg.state, leg.reason, bool(leg.next_ask)) for leg in call.legs] == [
        ("leg-a", "done", "", False),
        ("leg-b", "absent", "404", True),
    ]


def test_a_call_without_details_is_of_no_day(quick: Store) -> None:
    archive_of(quick).commit("call-1", [transcript("call-1")])
    assert [call.conversation for call in Index(quick).read("undated").calls] == ["call-1"]


def test_an_erased_call_stays_in_the_index_and_nothing_else_of_it(quick: Store) -> None:
    commit_call(quick, "call-1")
    commit_call(quick, "call-2")
    ErasableArchive(quick, clock=ManualClock()).erase(["call-1"])
    [erased, _] = Index(quick).read(DAY).calls
    assert (erased.conversation, erased.state, erased.legs, erased.reason) == ("call-1", "erased", (), "")
    assert all(b"leg-a" not in data or b"call-2" in data for data in days(quick).values())
    assert list(Verification(quick)) == []


def test_reread_tells_the_index_before_it_ends(quick: Store) -> None:
    commit_call(quick, "call-1")
    commit_call(quick, "call-2")
    for key in list(quick.list(keys.STATES)):
        quick.delete(key)
    assert [result.changed for result in reread(archive_of(quick), every=True)] == [False, False]
    assert index(quick) == {"call-1": 1, "call-2": 1}


def test_a_library_may_tell_the_index_of_many_at_once(quick: Store) -> None:
    archive = archive_of(quick)
    arrived = [
        archive.commit(f"call-{n}", [transcript(f"call-{n}"), details(f"call-{n}")], publish=False) for n in "123"
    ]
    assert index(quick) == {}
    archive.publish(kept.manifest for kept in arrived)
    assert index(quick) == {"call-1": 1, "call-2": 1, "call-3": 1}
    assert len(days(quick)) == 1


def with_schedule(store: Store) -> None:
    """What an export knows beside the manifests."""
    known = LegState(id="leg-a", state="done", first_asked="2026-09-21T14:00:00.000Z", asks=3, final=True)
    waiting = LegState(id="leg-b", state="absent", reason="404", next_ask="2026-09-22T14:00:00.000Z", asks=2)
    call = CallState(conversation="call-1", state="done", generation=1, legs=(known, waiting))
    open_call = CallState(conversation="call-8", state="absent", reason="404", started_at="2026-09-21T13:00:00.000Z")
    Index(store).commit(DAY, [call, open_call])


def test_reindex_of_a_sound_index_changes_nothing(quick: Store) -> None:
    commit_call(quick, "call-1")
    with_schedule(quick)
    before = days(quick)
    done = archive_of(quick).reindex()
    assert (done.conversations, done.changed, done.unread) == (1, 0, 0)
    assert days(quick) == before


def test_reindex_gives_what_the_runs_gave(quick: Store) -> None:
    for name in ("call-1", "call-2", "call-3"):
        commit_call(quick, name)
    commit_call(quick, "call-2", "other words")
    before = Index(quick).read(DAY)
    for key in list(quick.list(keys.STATES)):
        quick.delete(key)
    assert archive_of(quick).reindex().changed == 3
    assert Index(quick).read(DAY) == before


def test_reindex_corrects_what_manifests_tell_and_keeps_what_only_runs_know(quick: Store) -> None:
    commit_call(quick, "call-1")
    with_schedule(quick)
    wrong = [
        CallState(conversation="call-1", state="done", generation=7),
        CallState(conversation="call-5", state="done", generation=1),
        CallState(conversation="call-6", state="done", generation=1),
    ]
    Index(quick).commit(DAY, wrong)
    Tombstones(quick).put("call-6", ManualClock().now())
    assert archive_of(quick).reindex().changed == 3
    calls = {call.conversation: call for call in Index(quick).read(DAY).calls}
    assert {name: (call.state, call.generation) for name, call in calls.items()} == {
        "call-1": ("done", 1),
        "call-5": ("pending", 0),
        "call-6": ("erased", 1),
        "call-8": ("absent", 0),
    }
    assert [(leg.id, leg.asks, leg.next_ask) for leg in calls["call-1"].legs] == [
        ("leg-a", 3, ""),
        ("leg-b", 2, "2026-09-22T14:00:00.000Z"),
    ]
    assert archive_of(quick).reindex().changed == 0


def test_reindex_lists_what_cannot_be_read_and_does_the_rest(quick: Store) -> None:
    """K8: one truncated manifest; one damaged day of the index."""
    for name in ("call-1", "call-2", "call-3"):
        commit_call(quick, name)
    quick.put("manifests/call-2/000002.json", b'{"format": "turn')
    newest = max(days(quick))
    quick.put(newest, b"{")
    told: list[TurnkeeperError] = []
    done = archive_of(quick).reindex(told.append)
    assert (done.conversations, done.unread) == (2, 1)
    assert sorted(cause.key for cause in told) == sorted([newest, "manifests/call-2/000002.json"])
    assert index(quick) == {"call-1": 1, "call-3": 1}


def test_verify_finds_an_index_that_lags_behind(quick: Store) -> None:
    archive = archive_of(quick)
    archive.commit("call-1", [transcript("call-1"), details("call-1")])
    archive.commit("call-1", [transcript("call-1", "other words")], publish=False)
    archive.commit("call-2", [transcript("call-2"), details("call-2")], publish=False)
    # As long as a run may still be going on, it is none.
    assert list(Verification(quick, ManualClock())) == []
    later = ManualClock()
    later.advance(3600)
    assert [(one.kind, one.conversation) for one in Verification(quick, later)] == [("index", "call-1"), ("index", "")]
    archive.reindex()
    assert list(Verification(quick, later)) == []


def manifest(**more: object) -> Manifest:
    return msgspec.convert(
        {
            "format": "turnkeeper.manifest/1",
            "conversation": "c",
            "generation": 2,
            "archived_at": "2026-11-02T09:00:00.000Z",
            "producer": "x",
            "state": "done",
            "communications": [],
            "inputs": [{"key": "raw/c/_media/0123456789abcdef.json", "size": 1, "sha256": "0", "source": "media"}],
            "views": [],
        }
        | more,
        Manifest,
    )


def test_an_entry_sums_up_the_recordings() -> None:
    def audio(*states: str) -> list[tuple[str, str, bool]]:
        recordings = [msgspec.to_builtins(RecordingState(f"r{n}", state, "why")) for n, state in enumerate(states)]
        entry = entry_from_manifest(manifest(sync_mode="report", recordings=recordings), None)
        return [(leg.state, leg.reason, leg.final) for leg in entry.legs if leg.id == AUDIO]

    assert audio() == []
    assert audio("done", "deleted") == [("done", "", True)]
    assert audio("done", "waiting") == [("absent", "why", False)]
    assert audio("unread") == [("unread", "recording r0: why", True)]


def test_an_entry_never_takes_back_what_is_newer_or_erased() -> None:
    entry = entry_from_manifest(manifest(defects=2), None)
    assert (entry.generation, entry.defects) == (2, 2)
    newer = CallState(conversation="c", state="done", generation=3)
    erased = CallState(conversation="c", state="erased")
    assert apply_commit(newer, entry) == newer
    assert apply_commit(erased, entry) == erased
    assert correct_entry(newer, entry).generation == 2


@pytest.mark.parametrize("start", [10**15, -(10**15), 10**30])
def test_a_call_that_began_outside_the_calendar_has_a_place_in_the_index(start: int, quick: Store) -> None:
    """K8: a conversation of the year 10000."""
    entry = entry_from_manifest(manifest(), Details(conversation="c", start=start, end=start + 1))
    Index(quick).commit(day_of(entry), [entry])
    assert index(quick) == {"c": 2}


@pytest.mark.parametrize("text", [b"", b"{}", b"[", b'{"calls": [{}]}'])
def test_a_damaged_day_stops_no_other_day_and_reindex_builds_it_again(text: bytes, quick: Store) -> None:
    """Last round: a damaged day stayed red after an export."""
    first = commit_call(quick, "call-1").manifest
    [key] = days(quick)
    quick.put(key, text)
    archive_of(quick).commit("call-9", [transcript("call-9")])
    other = archive_of(quick).manifest("call-9")
    assert other is not None
    for one in [one for one in days(quick) if "/undated/" in one]:
        quick.delete(one)
    with pytest.raises(Unread, match="not a day of states") as caught:
        archive_of(quick).publish([first, other])
    assert "turnkeeper reindex" in caught.value.hint
    assert [call.conversation for call in Index(quick).read("undated").calls] == ["call-9"]
    assert [one.kind for one in Verification(quick)] == ["unreadable", "index"]
    told: list[TurnkeeperError] = []
    archive_of(quick).reindex(told.append)
    assert [cause.key for cause in told] == [key]
    assert index(quick) == {"call-1": 1, "call-9": 1}
    assert list(Verification(quick)) == []


class SlowWriter:
    """A store whose first write waits until three others have committed the same day."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waits = True

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def put(self, key: str, data: bytes, *, create: bool = False) -> object:
        if self._waits:
            self._waits = False
            for name in ("call-1", "call-2", "call-3"):
                Index(self._store).commit(DAY, [CallState(conversation=name, state="done", generation=1)])
        return self._store.put(key, data, create=create)


def test_a_writer_whose_generation_was_written_and_pruned_meanwhile_is_not_lost(quick: Store) -> None:
    Index(quick).commit(DAY, [CallState(conversation="call-0", state="done", generation=1)])
    slow = Index(SlowWriter(quick))  # type: ignore[arg-type]
    assert slow.commit(DAY, [CallState(conversation="call-4", state="done", generation=1)]) == 1
    assert index(quick).keys() == {"call-0", "call-1", "call-2", "call-3", "call-4"}
