"""An archive is checked against itself: each kind of damage is found, named, and nothing else is."""

from __future__ import annotations

import hashlib
import io
import os
import re
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.small_calls import contents, keep, outside, view_key

from turnkeeper.archive.index import CallState, Index
from turnkeeper.archive.manifest import encode
from turnkeeper.archive.pending_erasures import PendingErasures
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.archive.verify import Finding, Verification
from turnkeeper.clock import ManualClock
from turnkeeper.erasure.erasable_archive import ErasableArchive as Archive
from turnkeeper.errors import Denied, Misconfigured, Unavailable
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.object_store import Store, open_store

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def quick() -> Store:
    return open_store("memory://", StoreSettings())


def findings(store: Store, **options: Any) -> list[Finding]:
    return list(Verification(store, **options))


def found(store: Store, **options: Any) -> list[tuple[str, str]]:
    return [(finding.kind, finding.key) for finding in findings(store, **options)]


def raw(store: Store, conversation: str = "call-1") -> str:
    [key] = list(store.list(f"raw/{conversation}/leg-a"))
    return key


def test_a_sound_archive_has_no_findings_and_is_not_touched(store: Store) -> None:
    for number in range(5):
        keep(store, f"call-{number}")
    before = contents(store)
    checking = Verification(store, views=True)
    assert list(checking) == []
    # Four objects a call (two inputs, two views), and one list of names for all.
    assert (checking.conversations, checking.objects) == (5, 5 * 4 + 1)
    assert checking.size == sum(len(data) for key, data in outside(store).items() if not key.startswith("manifests/"))
    assert contents(store) == before


def test_an_empty_place_has_no_findings(store: Store) -> None:
    assert findings(store) == []


def test_missing_changed_and_grown(store: Store) -> None:
    for number in (1, 2, 3):
        keep(store, f"call-{number}")
    lost, damaged = view_key(store, "transcripts/call-1.json"), view_key(store, "summaries/call-2.json")
    store.delete(lost)
    store.put(damaged, store.get(damaged).replace(b"speech", b"SPEECH"))
    key = raw(store, "call-3")
    store.put(key, store.get(key) + b" ")
    assert found(store) == [
        ("missing", lost),
        ("changed", damaged),
        ("changed", key),
    ]


def test_one_flipped_bit_is_found(quick: Store) -> None:
    keep(quick, "call-1")
    for key in list(outside(quick)):
        if key.startswith("manifests/"):
            continue
        whole = quick.get(key)
        quick.put(key, whole[:-1] + bytes([whole[-1] ^ 1]))
        assert found(quick) == [("changed", key)]
        quick.put(key, whole)
    assert findings(quick) == []


def test_strays_of_known_and_of_unknown_conversations(store: Store) -> None:
    keep(store, "call-1")
    strays = [
        "raw/call-1/leg-z/0123456789abcdef.json",
        "raw/call-0/leg-a/0123456789abcdef.json",
        "raw/call-9/leg-a/0123456789abcdef.json",
        "summaries/call-7.json",
        "audio/call-1/recording.0123456789abcdef.opus",
        "notes/mine.txt",
        "transcripts/odd/name.json",
    ]
    for key in strays:
        store.put(key, b"{}")
    assert sorted(found(store)) == sorted(("stray", key) for key in strays)


def test_a_crash_before_the_manifest_leaves_strays_and_the_next_run_takes_them_up(quick: Store) -> None:
    keep(quick, "call-1")
    manifest = quick.get("manifests/call-1/000001.json")
    quick.delete("manifests/call-1/000001.json")
    # The index has it as done; of a run that crashed, the index knows nothing yet.
    assert {kind for kind, _ in found(quick)} == {"stray", "index"}
    keep(quick, "call-1")
    assert quick.get("manifests/call-1/000001.json") == manifest
    assert findings(quick) == []


def test_an_earlier_generation_whose_input_is_gone(quick: Store) -> None:
    keep(quick, "call-1", "first words")
    first = raw(quick)
    keep(quick, "call-1", "other words")
    assert findings(quick) == []
    quick.delete(first)
    [finding] = findings(quick)
    assert (finding.kind, finding.key, finding.detail) == ("earlier", first, "input of generation 1")


@pytest.mark.parametrize("content", [b"", b"{", b'{"format":"turnkeeper.manifest/9"}', b"\xff\xfe", b"[]"])
def test_an_unreadable_manifest_is_named_and_accuses_nobody(quick: Store, content: bytes) -> None:
    keep(quick, "call-1")
    quick.put("manifests/call-1/000001.json", content)
    assert found(quick) == [("unreadable", "manifests/call-1/000001.json")]


def test_a_manifest_in_the_wrong_place(quick: Store) -> None:
    keep(quick, "call-1")
    quick.put("manifests/call-2/000001.json", quick.get("manifests/call-1/000001.json"))
    assert found(quick) == [("unreadable", "manifests/call-2/000001.json")]


def test_a_hostile_manifest_reaches_nothing_outside_its_conversation(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "archive"), StoreSettings())
    (tmp_path / "secret").write_text("x")
    kept = keep(store, "call-1")
    keep(store, "call-2")
    view = kept.manifest.views[0]
    lists = next(one for one in kept.manifest.inputs if one.source.startswith("directory/"))
    hostile = msgspec.structs.replace(
        kept.manifest,
        generation=2,
        views=(
            *kept.manifest.views,
            msgspec.structs.replace(view, key="../secret"),
            msgspec.structs.replace(view, key="transcripts/call-2.json"),
        ),
        inputs=(*kept.manifest.inputs, msgspec.structs.replace(lists, key="_turnkeeper/archive.json")),
    )
    store.put("manifests/call-1/000002.json", encode(hostile))
    assert sorted(found(store)) == [
        ("foreign", "../secret"),
        ("foreign", "_turnkeeper/archive.json"),
        ("foreign", "transcripts/call-2.json"),
        ("index", "_turnkeeper/states/"),
    ]


def test_what_cannot_be_a_key_is_a_finding_and_ends_nothing(quick: Store) -> None:
    kept = keep(quick, "call-1")
    keep(quick, "call-2")
    bad = msgspec.structs.replace(kept.manifest.inputs[0], key="raw/call-1/leg-a/a b.json", source="speech/leg-b")
    lists = next(one for one in kept.manifest.inputs if one.source.startswith("directory/"))
    inputs = (*kept.manifest.inputs, bad, msgspec.structs.replace(lists, sha256="none"))
    for generation in (2, 3):
        hostile = msgspec.structs.replace(kept.manifest, generation=generation, inputs=inputs)
        quick.put(f"manifests/call-1/{generation:06d}.json", encode(hostile))
    quick.delete(raw(quick, "call-2"))
    assert sorted(kind for kind, _ in found(quick)) == ["foreign", "foreign", "index", "missing"]


def test_selections_of_another_version_are_a_finding(quick: Store) -> None:
    kept = keep(quick, "call-1")
    odd = msgspec.structs.replace(kept.manifest, generation=2, selections=("mood.sad",))
    quick.put("manifests/call-1/000002.json", encode(odd))
    Archive(quick, clock=ManualClock()).reindex()
    assert found(quick) == []
    assert found(quick, views=True) == [("unreadable", "manifests/call-1/000002.json")]


def test_what_a_person_left_in_the_folders_is_stray_and_ends_nothing(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "archive"), StoreSettings())
    keep(store, "call-1")
    for place in ("raw/_tmp/a.json", "manifests/_old/000001.json"):
        (tmp_path / "archive" / place).parent.mkdir(parents=True)
        (tmp_path / "archive" / place).write_text("x")
    assert sorted(found(store)) == [("stray", "manifests/_old/000001.json"), ("stray", "raw/_tmp/a.json")]
    archive = Archive(store, clock=ManualClock())
    assert list(archive.conversations()) == ["call-1"]
    assert archive.expire(timedelta(days=3650)).undated == ()


def test_what_is_left_of_an_erased_conversation(quick: Store) -> None:
    keep(quick, "call-1")
    keep(quick, "call-2")
    Tombstones(quick).put("call-1", NOW)
    PendingErasures(quick).put("call-1", NOW, "request", "held", "2027-01-01T00:00:00.000Z")
    kinds = {finding.kind for finding in findings(quick)}
    assert kinds == {"erased", "unfinished", "index"}
    assert {finding.conversation for finding in findings(quick)} == {"call-1"}
    assert any("2027-01-01" in finding.detail for finding in findings(quick))


def test_the_index_is_compared(quick: Store) -> None:
    keep(quick, "call-1")
    Tombstones(quick).put("call-3", NOW)
    states = Index(quick)
    states.commit(
        "2026-09-21",
        [
            CallState(conversation="call-1", state="done", generation=1),
            CallState(conversation="call-2", state="done", generation=1),
            CallState(conversation="call-3", state="done", generation=1),
            CallState(conversation="call-4", state="erased"),
            CallState(conversation="call-5", state="absent"),
        ],
    )
    told = {finding.conversation: finding.detail for finding in findings(quick)}
    assert set(told) == {"call-2", "call-3", "call-4"}
    assert "is not there" in told["call-2"]
    assert "was erased" in told["call-3"]
    assert "no tombstone" in told["call-4"]


def test_a_generation_the_archive_lost_is_missed_by_the_index(quick: Store) -> None:
    keep(quick, "call-1")
    Index(quick).commit("2026-09-21", [CallState(conversation="call-1", state="done", generation=2)])
    assert [finding.kind for finding in findings(quick)] == ["index"]


def test_a_view_that_is_built_otherwise_today(quick: Store) -> None:
    kept = keep(quick, "call-1")
    key = view_key(quick, "summaries/call-1.json")
    data = quick.get(key).replace(b"speech", b"legacy")
    quick.put(key, data)
    views = tuple(
        msgspec.structs.replace(view, sha256=hashlib.sha256(data).hexdigest()) if "summaries" in view.key else view
        for view in kept.manifest.views
    )
    quick.put("manifests/call-1/000001.json", encode(msgspec.structs.replace(kept.manifest, views=views)))
    assert findings(quick) == []
    before = contents(quick)
    assert found(quick, views=True) == [("view", key)]
    assert contents(quick) == before


def test_a_sample_is_the_same_for_a_seed_and_finds_what_it_looks_at(quick: Store) -> None:
    names = [f"call-{number:03}" for number in range(120)]
    for name in names:
        keep(quick, name)
        quick.delete(view_key(quick, f"summaries/{name}.json"))
    first = {finding.conversation for finding in findings(quick, sample=0.25, seed="a")}
    assert first == {finding.conversation for finding in findings(quick, sample=0.25, seed="a")}
    assert 10 <= len(first) <= 55
    assert first != {finding.conversation for finding in findings(quick, sample=0.25, seed="b")}
    checking = Verification(quick, sample=0.25, seed="a")
    list(checking)
    assert checking.conversations == len(first)
    quick.put("raw/unknown/leg-a/0123456789abcdef.json", b"{}")
    assert ("stray", "raw/unknown/leg-a/0123456789abcdef.json") in found(quick, sample=0.01, seed="a")


@pytest.mark.parametrize("share", [0, -1, 1.01])
def test_a_share_that_is_none(quick: Store, share: float) -> None:
    with pytest.raises(Misconfigured):
        Verification(quick, sample=share)


def test_files_of_a_crashed_writer_are_leftovers(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "archive"), StoreSettings())
    keep(store, "call-1")
    incoming = tmp_path / "archive/_turnkeeper/incoming"
    own = f"{store._host}.{os.getpid()}.ab"  # type: ignore[attr-defined]
    gone = f"{store._host}.999999999.ab"  # type: ignore[attr-defined]
    for name in (own, gone):
        (incoming / name).write_bytes(b"half")
    assert found(store) == [("leftover", f"_turnkeeper/incoming/{gone}")]


class Flaky:
    """A store that answers with an error for some keys."""

    def __init__(self, store: Store, error: Exception, part: str) -> None:
        self._store, self._error, self._part = store, error, part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def open(self, key: str) -> BinaryIO:
        if self._part in key:
            raise self._error
        return self._store.open(key)


def test_what_the_store_does_not_answer_is_unchecked_and_the_rest_goes_on(quick: Store) -> None:
    for number in (1, 2, 3):
        keep(quick, f"call-{number}")
    lost = view_key(quick, "summaries/call-3.json")
    quick.delete(lost)
    flaky: Any = Flaky(quick, Unavailable("later", key="raw/call-2"), "raw/call-2")
    assert found(flaky) == [("unchecked", "raw/call-2"), ("missing", lost)]
    with pytest.raises(Denied):
        findings(Flaky(quick, Denied("no"), "raw/call-2"))  # type: ignore[arg-type]


IDS = st.lists(st.from_regex(r"\A[a-c][a-cA-C0.\-_]{0,3}\Z"), min_size=1, max_size=6, unique=True)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(names=IDS, lost=st.integers(0, 5))
def test_any_ids_in_any_order_give_no_false_findings(names: list[str], lost: int) -> None:
    """``a``, ``a-b`` and ``a.json`` stand in another order in each folder; none may be taken for another."""
    names = [name for name in names if ".." not in f"{name}."]
    store = open_store("memory://", StoreSettings())
    for name in names:
        keep(store, name)
    assert findings(store) == []
    if names:
        key = view_key(store, f"transcripts/{names[lost % len(names)]}.json")
        store.delete(key)
        store.put("summaries/a.b.c.d.json", b"{}")
        assert sorted(found(store)) == [("missing", key), ("stray", "summaries/a.b.c.d.json")]


class Listing:
    """A store of many small calls that takes no memory: every conversation is the first one under another name."""

    url = "memory://"

    def __init__(self, store: Store, count: int) -> None:
        self._keys = list(outside(store))
        self._store, self._count = store, count

    def _name(self, number: int) -> str:
        return f"call-{number:07}"

    def list(self, prefix: str) -> Iterator[str]:
        if prefix == "" or prefix.startswith("_turnkeeper"):
            return
        for number in range(self._count):
            for key in self._keys:
                if key.startswith(prefix):
                    yield key.replace("call-0000000", self._name(number))

    def size(self, key: str) -> int | None:
        return self._store.size(self._first(key))

    def get(self, key: str) -> bytes:
        data = self._store.get(self._first(key))
        return data.replace(b"call-0000000", key.split("/")[1].encode()) if key.startswith("manifests/") else data

    def open(self, key: str) -> BinaryIO:
        return io.BytesIO(self._store.get(self._first(key)))

    def _first(self, key: str) -> str:
        return re.sub(r"call-[0-9]{7}", "call-0000000", key)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_archive(quick: Store) -> None:
    keep(quick, "call-0000000")

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            checking = Verification(Listing(quick, count))  # type: ignore[arg-type]
            # This store lists no index.
            assert [finding.kind for finding in checking] == ["index"]
            assert checking.conversations == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(20)
    # How far the threads run ahead, and when the collector runs, differs from run to run; what grows with the archive
    # would be four times as much in each of them.
    assert min(peak(1600) for _ in range(3)) < min(peak(400) for _ in range(3)) * 1.5 + 150_000
