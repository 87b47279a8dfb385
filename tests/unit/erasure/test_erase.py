"""Conversations go for good, wherever a store can promise it; a crash at any moment is finished by the next erasure."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.small_calls import (
    CUSTOMER,
    SECRET,
    Failing,
    Killed,
    commit_call,
    contents,
    conversation_objects,
    details,
    spool,
    transcript,
)

from turnkeeper.archive import keys
from turnkeeper.archive.archive import FetchedBody
from turnkeeper.archive.audit import Audit
from turnkeeper.archive.index import CallState, Index, LegState
from turnkeeper.archive.pending_erasures import PendingErasures
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.archive.verify import Verification
from turnkeeper.clock import ManualClock
from turnkeeper.erasure.erasable_archive import ErasableArchive as Archive
from turnkeeper.erasure.erase import Eraser
from turnkeeper.erasure.expire import expire, parse_age
from turnkeeper.erasure.proof import Proof
from turnkeeper.erasure.scrub_reports import scrub_document
from turnkeeper.errors import Erased, Misconfigured, NotFound
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.key_rules import INCOMING
from turnkeeper.storage.object_store import Store, open_store
from turnkeeper.storage.versions import Versioning, detect_versioning

NOTHING_KEPT = Versioning(keeps_versions=False)


@pytest.fixture
def quick() -> Store:
    return open_store("memory://", StoreSettings())


def erase(store: Store, *conversations: str) -> Proof:
    return Archive(store, clock=ManualClock()).erase(conversations)


def test_everything_of_a_conversation_goes_and_nothing_of_another(store: Store) -> None:
    for name in ("call-1", "call-2", "call-1.json", "call-10"):
        commit_call(store, name)
    commit_call(store, "call-1", "a second generation")
    others = {key: data for key, data in conversation_objects(store).items() if keys.conversation_of(key) != "call-1"}
    mine = sorted(set(conversation_objects(store)) - set(others))
    proof = erase(store, "call-1")
    assert conversation_objects(store) == others
    assert any(key.startswith("directory/") for key in others)
    [erasure] = proof.erasures
    assert (proof.proven, erasure.state, erasure.keys, proof.versioning) == (True, "erased", len(mine), "none")
    assert erasure.key_sha256 == tuple(sorted(hashlib.sha256(key.encode()).hexdigest() for key in mine))
    assert list(Tombstones(store).all()) == ["call-1"]
    assert not list(PendingErasures(store).all())
    assert list(Verification(store)) == []
    with pytest.raises(Erased):
        commit_call(store, "call-1")


def test_no_trace_of_content_is_left_in_notes_audit_or_proof(quick: Store) -> None:
    commit_call(quick, "call-1")
    proof = erase(quick, "call-1")
    left = {key: data for key, data in contents(quick).items() if not key.startswith("directory/")}
    for data in (*left.values(), msgspec.json.encode(proof)):
        for word in (SECRET, "card", "4917012345678", "contact-1", "Ada"):
            assert word.encode() not in data
    lines = [line for _, line in Audit(quick, ManualClock()).lines()]
    assert [(line.action, line.conversations) for line in lines] == [
        ("erase begun", ("call-1",)),
        ("erase", ("call-1",)),
    ]
    assert all(isinstance(fact, int | bool) or fact == "conversation" for line in lines for fact in line.facts.values())


def test_a_dry_run_says_the_same_and_changes_nothing(store: Store) -> None:
    commit_call(store, "call-1")
    before = contents(store)
    plan = Archive(store, clock=ManualClock()).erase(["call-1"], dry_run=True)
    assert contents(store) == before
    done = erase(store, "call-1")
    assert (plan.erasures[0].state, plan.proven) == ("found", False)
    assert plan.erasures[0].key_sha256 == done.erasures[0].key_sha256


def test_a_conversation_nobody_archived_gets_a_tombstone_too(quick: Store) -> None:
    commit_call(quick, "call-1")
    proof = erase(quick, "never-seen")
    assert (proof.erasures[0].state, proof.erasures[0].keys, proof.proven) == ("absent", 0, False)
    assert erase(quick, "never-seen").erasures == proof.erasures
    with pytest.raises(Erased):
        commit_call(quick, "never-seen")


@pytest.mark.parametrize("how", ["objects", "index"])
def test_an_id_in_other_capitals_is_the_one_that_the_archive_holds(how: str, quick: Store) -> None:
    """Last round: ``--conversation ID_IN_CAPITALS`` erases the call."""
    commit_call(quick, "call-2")
    if how == "objects":
        commit_call(quick, "call-1a")
    else:
        Index(quick).commit("2026-09-21", [CallState(conversation="call-1a", state="pending")])
    [plan] = Archive(quick, clock=ManualClock()).erase(["CALL-1A"], dry_run=True).erasures
    assert (plan.conversation, plan.state, plan.asked) == ("call-1a", "found", "CALL-1A")
    proof = erase(quick, "CALL-1A")
    [one] = proof.erasures
    assert (one.conversation, one.state, one.asked, proof.proven) == ("call-1a", "erased", "CALL-1A", True)
    assert list(Tombstones(quick).all()) == ["call-1a"]
    assert not [key for key in conversation_objects(quick) if keys.conversation_of(key) == "call-1a"]
    for spelled in ("call-1a", "Call-1a"):
        again = erase(quick, spelled)
        assert (again.proven, again.erasures[0].conversation, again.erasures[0].again) == (True, "call-1a", True)
    assert list(Verification(quick)) == []


def test_an_id_in_capitals_that_an_earlier_version_barred_is_looked_for(quick: Store) -> None:
    commit_call(quick, "call-1a")
    Tombstones(quick).put("CALL-1A", ManualClock().now())
    assert erase(quick, "CALL-1A").erasures[0].conversation == "call-1a"


def test_two_ids_that_differ_in_capitals_are_not_chosen_between(quick: Store) -> None:
    for name in ("call-1a", "Call-1A"):
        commit_call(quick, name)
    before = conversation_objects(quick)
    [one] = erase(quick, "CALL-1A").erasures
    assert (one.state, one.why) == ("absent", "not in the archive: 2 ids differ from it in capital letters only")
    assert conversation_objects(quick) == before
    assert erase(quick, "Call-1A").erasures[0].keys > 0


def test_a_customer_who_is_nobody_is_refused(quick: Store) -> None:
    commit_call(quick, "call-1")
    for nobody in ({"ani": ""}, {"external_contact": " "}, dict[str, str]()):
        with pytest.raises(Misconfigured, match="nobody is named"):
            list(Archive(quick).matches(**nobody))


@pytest.mark.parametrize("text", [b"", b"{}", b"[1", b'{"format": "turnkeeper.states/1"}'])
def test_a_damaged_day_of_the_index_stops_no_erasure_and_is_said(text: bytes, quick: Store) -> None:
    """Last round: other days go on, ``reindex`` and another erasure finish it."""
    commit_call(quick, "call-1")
    commit_call(quick, "call-2")
    damaged = "_turnkeeper/states/2026-09-01/000001.json"
    quick.put(damaged, text)
    proof = erase(quick, "call-1")
    assert (proof.proven, proof.not_covered, proof.erasures[0].state) == (False, (damaged,), "erased")
    told: list[str] = []
    Archive(quick, clock=ManualClock()).reindex(lambda cause: told.append(cause.key))
    assert told == [damaged]
    finished = Archive(quick, clock=ManualClock()).erase((), by="unfinished")
    assert (finished.proven, list(PendingErasures(quick).all())) == (True, [])
    assert expire(quick, ManualClock(), timedelta(days=1)).proven
    assert list(Verification(quick)) == []


def test_a_mistyped_address_is_no_archive(store: Store) -> None:
    archive = Archive(store, clock=ManualClock())
    calls = (
        archive.verify,
        archive.matches,
        lambda: archive.erase(["call-1"]),
        lambda: archive.expire(timedelta(days=9)),
    )
    for call in calls:
        with pytest.raises(NotFound) as caught:
            call()
        assert "no archive here" in str(caught.value)
    assert not contents(store)


def test_erasing_again_is_safe(quick: Store) -> None:
    commit_call(quick, "call-1")
    erase(quick, "call-1")
    stone = quick.get("_turnkeeper/tombstones/call-1.json")
    again = erase(quick, "call-1")
    assert (again.proven, again.erasures[0].keys) == (True, 0)
    assert quick.get("_turnkeeper/tombstones/call-1.json") == stone


@pytest.mark.parametrize("hostile", ["../call", "a/b", "", "raw", "*", "call-1/../call-2", "\x1b[2J"])
def test_hostile_ids_are_refused_before_anything_is_done(quick: Store, hostile: str) -> None:
    commit_call(quick, "call-1")
    before = conversation_objects(quick)
    if hostile == "raw":
        erase(quick, hostile)
    else:
        with pytest.raises(Misconfigured) as caught:
            erase(quick, "call-1", hostile)
        assert "\x1b" not in str(caught.value)
        assert not list(Tombstones(quick).all())
    assert conversation_objects(quick) == before


def test_strays_and_parts_without_a_manifest_go_too(quick: Store) -> None:
    Archive(quick, clock=ManualClock()).prepare()
    quick.put("raw/call-1/leg-a/0123456789abcdef.json", SECRET.encode())
    quick.put("audio/call-1/recording.0123456789abcdef.opus", SECRET.encode())
    quick.put("peaks/call-1/recording.dat", b"x")
    quick.put("alignment/call-1.json", b"x")
    assert erase(quick, "call-1").erasures[0].keys == 4
    assert not conversation_objects(quick)


def test_a_file_of_a_writer_that_nobody_can_ask_for_leaves_a_doubt(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "archive"), StoreSettings())
    commit_call(store, "call-1")
    other = tmp_path / "archive/_turnkeeper/incoming/0badcafe.12.ab"
    other.write_text(SECRET)
    proof = erase(store, "call-1")
    assert (proof.proven, proof.not_covered, other.exists()) == (False, (INCOMING,), True)
    other.unlink()
    assert erase(store, "call-1").proven


def test_neither_the_index_nor_its_generation_before_tells_of_an_erased_call(store: Store) -> None:
    """K6: the index held leg ids and reasons, also those of a call that was never archived."""
    commit_call(store, "call-1")
    leg = LegState(id="leg-of-it", state="failed", reason="words of it")
    for name in ("call-1", "call-3"):
        call = CallState(conversation=name, state="failed", queues=("queue-of-it",), reason="why of it", legs=(leg,))
        Index(store).commit("2026-09-21", [call])
    assert any(b"leg-of-it" in data for data in contents(store).values())
    erase(store, "call-1", "call-3")
    left = Index(store).read("2026-09-21").calls
    assert left == tuple(CallState(conversation=name, state="erased") for name in ("call-1", "call-3"))
    assert not [key for key, data in contents(store).items() if b"of it" in data or b"of-it" in data]


def test_a_folder_keeps_no_empty_folders_and_no_leftovers(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "archive"), StoreSettings())
    commit_call(store, "call-1")
    commit_call(store, "call-2")
    gone = tmp_path / f"archive/_turnkeeper/incoming/{store._host}.999999999.ab"  # type: ignore[attr-defined]
    gone.write_text(SECRET)
    erase(store, "call-1")
    assert not [path for path in (tmp_path / "archive").rglob("call-1*") if path.is_dir()]
    assert not gone.exists()
    assert not [
        path
        for path in (tmp_path / "archive").rglob("*")
        if path.is_file() and "call-1" in path.read_text() and not {"tombstones", "states", "audit"} & set(path.parts)
    ]


def test_states_say_erased_and_nothing_else_of_the_call(quick: Store) -> None:
    commit_call(quick, "call-1")
    leg = LegState(id="leg-a", state="done")
    call = CallState(conversation="call-1", state="done", started_at="2026-09-21T13:33:20Z", generation=1, legs=(leg,))
    Index(quick).commit(
        "2026-09-21", [call, msgspec.structs.replace(call, conversation="call-2", state="absent", generation=0)]
    )
    erase(quick, "call-1")
    erased, other = Index(quick).read("2026-09-21").calls
    assert (erased.state, erased.legs, other.state) == ("erased", (), "absent")
    assert list(Verification(quick)) == []


def test_what_was_kept_while_it_was_erased_goes_when_erasures_are_finished(store: Store) -> None:
    commit_call(store, "call-1")
    commit_call(store, "call-2")
    late = {key: data for key, data in conversation_objects(store).items() if keys.conversation_of(key) == "call-1"}
    erase(store, "call-1")
    for key, data in late.items():
        store.put(key, data)  # a writer that was killed before it looked whether this was still wanted
    assert {finding.kind for finding in Verification(store)} == {"erased"}
    proof = Archive(store, clock=ManualClock()).erase([], by="unfinished")
    assert [(one.conversation, one.state, one.keys) for one in proof.erasures] == [("call-1", "erased", len(late))]
    assert list(Verification(store)) == []
    assert list(Archive(store).conversations()) == ["call-2"]


def test_an_expiry_that_finishes_another_erasure_tells_the_index_of_both(quick: Store) -> None:
    archive = Archive(quick, clock=ManualClock())
    for name, day in (("old", "2025-11-01"), ("asked", "2026-10-30")):
        archive.commit(name, [transcript(name), details(name, f"{day}T10:00:00.000Z")])
        Index(quick).commit(day, [CallState(conversation=name, state="done", generation=1)])
    PendingErasures(quick).put("asked", ManualClock().now(), "request")
    proof = archive.expire(timedelta(days=365))
    assert {erasure.conversation for erasure in proof.erasures} == {"old", "asked"}
    assert [Index(quick).read(day).calls[0].state for day in ("2025-11-01", "2026-10-30")] == ["erased", "erased"]
    assert list(Verification(quick)) == []


def test_nothing_is_proven_while_all_that_is_left_waits_for_its_lock(quick: Store) -> None:
    Tombstones(quick).put("call-1", ManualClock().now())
    PendingErasures(quick).put("call-1", ManualClock().now(), "request", "held", "2099-01-01T00:00:00.000Z")
    proof = Archive(quick, clock=ManualClock()).erase([], by="unfinished")
    assert (proof.erasures, proof.waiting, proof.proven) == ((), 1, False)


def test_run_reports_no_longer_name_it(quick: Store) -> None:
    report = {
        "run": "r1",
        "failed": [{"conversation": "call-1", "why": "x"}, {"conversation": "call-2"}],
        "last": "call-1",
    }
    quick.put("_turnkeeper/runs/1.json", json.dumps(report).encode())
    quick.put("_turnkeeper/runs/2.json", b'{"conversation": "call-2"}')
    proof = erase(quick, "call-1")
    assert proof.reports_scrubbed == 1
    assert json.loads(quick.get("_turnkeeper/runs/1.json")) == {
        "run": "r1",
        "failed": [{"conversation": "call-2"}],
        "last": "erased",
    }
    assert quick.get("_turnkeeper/runs/2.json") == b'{"conversation": "call-2"}'


def test_json_lines_lose_the_lines_that_name_it() -> None:
    lines = b'{"conversation":"call-1"}\n{"conversation":"call-2"}\nnot json call-1\n'
    assert scrub_document(lines, ["call-1"]) == b'{"conversation":"call-2"}\nnot json call-1\n'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["call-1", "call-2", "x call-1 y", ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "call-1"]), inner, max_size=3)
    ),
)


@given(JSON)
def test_no_document_names_it_afterwards(document: object) -> None:
    data = json.dumps(document).encode()
    cleaned = scrub_document(data, ["call-1"])
    assert b"call-1" not in cleaned
    json.loads(cleaned)
    if b"call-1" not in data:
        assert cleaned == data


def test_tables_are_said_to_be_not_covered(quick: Store) -> None:
    commit_call(quick, "call-1")
    quick.put("tables/turns/date=2026-09-21/part.parquet", b"PAR1")
    proof = erase(quick, "call-1")
    assert (proof.proven, proof.not_covered) == (False, ("tables/",))


def test_a_store_that_cannot_be_asked_gives_no_proof(quick: Store) -> None:
    commit_call(quick, "call-1")
    proof = Eraser(quick, ManualClock(), Versioning(None, "cannot be asked", "Ask.")).erase(["call-1"], "conversation")
    assert (proof.proven, proof.versioning, proof.erasures[0].state) == (False, "unknown", "unproven")
    assert proof.erasures[0].why == "cannot be asked"
    assert not [key for key in conversation_objects(quick) if "call-1" in key]


@pytest.mark.parametrize("operation", ["put", "delete", "list", "size"])
@pytest.mark.parametrize("calls", range(26))
def test_a_crash_at_any_call_is_finished_by_the_next_erasure(quick: Store, operation: str, calls: int) -> None:
    commit_call(quick, "call-1")
    commit_call(quick, "call-2")
    Index(quick).commit("2026-09-21", [CallState(conversation="call-1", state="done", generation=1)])
    other = {key: data for key, data in conversation_objects(quick).items() if keys.conversation_of(key) == "call-2"}
    clock = ManualClock()
    dying = Failing(quick, operation, calls)
    try:
        Eraser(dying, clock, NOTHING_KEPT).erase(["call-1"], "conversation")  # type: ignore[arg-type]
        finished = True
    except Killed:
        finished = False
    begun = quick.size("_turnkeeper/erasing/call-1.json") is not None
    stone = quick.size("_turnkeeper/tombstones/call-1.json") is not None
    gone = not [key for key in conversation_objects(quick) if keys.conversation_of(key) == "call-1"]
    assert not gone or stone, "content must not go before the tombstone stands"
    if stone:
        with pytest.raises(Erased):
            commit_call(quick, "call-1")
    # Without naming it again, unless it was not begun at all.
    proof = Eraser(quick, clock, NOTHING_KEPT).erase([] if begun or finished else ["call-1"], "unfinished")
    assert proof.proven
    assert not [key for key in conversation_objects(quick) if keys.conversation_of(key) == "call-1"]
    assert other.items() <= conversation_objects(quick).items()
    assert Index(quick).read("2026-09-21").calls[0].state == "erased"
    assert list(Verification(quick)) == []


def test_a_customers_calls_are_found_and_only_those(store: Store) -> None:
    commit_call(store, "call-1")
    commit_call(store, "call-2", ani="tel:+34600000000")
    commit_call(store, "call-3", direction="outbound", ani="tel:+18005550100", dnis="tel:+49 170 12345678")
    commit_call(store, "call-4", ani="tel:017012345678")
    archive = Archive(store, clock=ManualClock())
    archive.commit("call-5", [transcript("call-5")])
    found = {match.conversation: match.how for match in archive.matches(ani="0049 170 123456-78")}
    assert found == {"call-1": "found", "call-3": "found", "call-4": "similar", "call-5": "unsearched"}
    contact = {match.conversation: match.how for match in archive.matches(external_contact="contact-1")}
    assert contact == {f"call-{n}": "found" for n in (1, 2, 3, 4)} | {"call-5": "unsearched"}


def test_a_number_in_an_earlier_generation_is_found_too(quick: Store) -> None:
    commit_call(quick, "call-1")
    commit_call(quick, "call-1", ani="tel:anonymous")
    [match] = Archive(quick).matches(ani=CUSTOMER)
    assert (match.conversation, match.how) == ("call-1", "found")


def test_calls_expire_by_their_own_day(store: Store) -> None:
    clock = ManualClock()  # 2026-11-02
    archive = Archive(store, clock=clock)
    for name, started in (("old", "2025-11-01T23:59:59.000Z"), ("edge", "2025-11-02T00:00:00.000Z")):
        archive.commit(name, [transcript(name), details(name, started)])
    commit_call(store, "young")
    plan = archive.expire(timedelta(days=365), dry_run=True)
    assert [erasure.conversation for erasure in plan.erasures] == ["old"]
    proof = archive.expire(timedelta(days=365))
    assert [erasure.conversation for erasure in proof.erasures] == ["old"]
    assert (proof.reason, proof.by, proof.proven) == ("expired", "age", True)
    assert sorted(archive.conversations()) == ["edge", "young"]
    assert json.loads(store.get("_turnkeeper/tombstones/old.json"))["reason"] == "expired"
    assert {line.action for _, line in Audit(store, clock).lines()} == {"expire begun", "expire"}
    assert not archive.expire(timedelta(days=365)).erasures


def test_the_index_and_the_transcript_know_the_day_too(quick: Store) -> None:
    archive = Archive(quick, clock=ManualClock())
    archive.commit("bare", [transcript("bare")])  # its own times: 2026-09-21
    turn = {"start_time": 0.1, "end_time": 1.5, "text": "x", "speaker_id": "p1", "confidence": 0.9}
    for name in ("indexed", "undated"):
        body = spool({"conversation": name, "participants": [{"id": "p1", "role": "agent"}], "transcript": [turn]})
        archive.commit(name, [FetchedBody(body, "media")])
    Index(quick).commit("2026-09-20", [CallState(conversation="indexed", state="done", generation=1)])
    proof = archive.expire(timedelta(days=30))
    assert sorted(erasure.conversation for erasure in proof.erasures) == ["bare", "indexed"]
    assert proof.undated == ("undated",)
    assert Index(quick).read("2026-09-20").calls[0].state == "erased"


def test_what_a_crash_left_without_a_manifest_expires_too(quick: Store) -> None:
    commit_call(quick, "call-1")
    quick.delete("manifests/call-1/000001.json")
    assert [
        erasure.conversation for erasure in Archive(quick, clock=ManualClock()).expire(timedelta(days=7)).erasures
    ] == ["call-1"]
    assert not [key for key in conversation_objects(quick) if "call-1" in key]


@pytest.mark.parametrize(("text", "days"), [("365d", 365), ("52w", 364), (" 1D ", 1)])
def test_ages(text: str, days: int) -> None:
    assert parse_age(text).days == days


@pytest.mark.parametrize("text", ["", "0d", "-1d", "365", "1y", "1.5d", "d", "999999d", "1d2w"])
def test_no_age(text: str) -> None:
    with pytest.raises(Misconfigured):
        parse_age(text)


def test_less_than_a_day_is_refused(quick: Store) -> None:
    with pytest.raises(Misconfigured):
        expire(quick, ManualClock(), timedelta(hours=23))


def test_what_each_store_keeps_of_deleted_objects_is_known(store: Store) -> None:
    assert detect_versioning(store).keeps_versions is False


@pytest.mark.parametrize("url", ["gs://bucket/calls", "az://account/container/calls"])
def test_what_cannot_be_asked_is_unknown_and_leaves_no_note_behind(quick: Store, url: str) -> None:
    commit_call(quick, "call-1")
    quick.url = url  # type: ignore[misc]
    assert detect_versioning(quick).keeps_versions is None
    proof = Archive(quick, clock=ManualClock()).erase(["call-1"])
    assert (proof.proven, proof.erasures[0].state, proof.versioning) == (False, "unproven", "unknown")
    assert url.partition(":")[0] in proof.erasures[0].why
    assert not list(PendingErasures(quick).all())
