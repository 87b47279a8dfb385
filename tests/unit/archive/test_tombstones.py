"""What was erased stays erased, and who did what is written down without any of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.small_calls import SECRET, contents, keep, outside, transcript

from turnkeeper.archive.pending_erasures import PendingErasures
from turnkeeper.archive.reread import reread
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.clock import ManualClock
from turnkeeper.erasure.erasable_archive import ErasableArchive as Archive
from turnkeeper.errors import Erased, Misconfigured
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.object_store import Store, open_store

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def quick() -> Store:
    return open_store("memory://", StoreSettings())


def test_a_tombstone_is_written_once_and_holds_no_content(store: Store) -> None:
    stones = Tombstones(store)
    assert not stones.has("call-1")
    stones.put("call-1", NOW)
    stones.put("call-1", datetime(2027, 1, 1, tzinfo=UTC), "expired")
    stones.put("call-2", NOW, "expired")
    assert stones.has("call-1")
    assert list(stones.all()) == ["call-1", "call-2"]
    assert json.loads(store.get("_turnkeeper/tombstones/call-1.json")) == {
        "format": "turnkeeper.tombstone/1",
        "conversation": "call-1",
        "erased_at": "2026-11-02T09:00:00.000Z",
        "reason": "request",
    }


@pytest.mark.parametrize("hostile", ["../etc", "a/b", "", "-x", "a" * 200, "a\n", "..", "call\u202e"])
def test_a_hostile_id_becomes_no_key(quick: Store, hostile: str) -> None:
    for call in (Tombstones(quick).has, PendingErasures(quick).remove, Archive(quick).refuse_erased):
        with pytest.raises(Misconfigured):
            call(hostile)
    with pytest.raises(Misconfigured):
        Tombstones(quick).put(hostile, NOW)
    assert not contents(quick)


def test_an_erased_conversation_is_not_kept_again_nor_rebuilt(store: Store) -> None:
    archive = Archive(store, clock=ManualClock())
    archive.prepare()
    Tombstones(store).put("call-1", NOW)
    with pytest.raises(Erased) as caught:
        archive.commit("call-1", [transcript("call-1")])
    assert caught.value.exit_code == 4
    assert "tombstones" in caught.value.hint
    with pytest.raises(Erased):
        archive.rebuild("call-1")
    assert not outside(store)


def test_rereading_an_erased_conversation_says_so(quick: Store) -> None:
    archive = Archive(quick, clock=ManualClock())
    Tombstones(quick).put("call-1", NOW)
    [result] = reread(archive, ["call-1"])
    assert (result.after, "erased" in result.reason) == ("absent", True)


def test_a_conversation_erased_while_it_is_kept_is_undone(quick: Store) -> None:
    class Meanwhile:
        """Another process erases the call when this one's manifest is about to be stored."""

        def __getattr__(self, name: str) -> Any:
            return getattr(quick, name)

        def put(self, key: str, data: bytes, **more: Any) -> None:
            if key.startswith("manifests/"):
                Tombstones(quick).put("call-1", NOW)
            quick.put(key, data, **more)

    with pytest.raises(Erased):
        keep(Meanwhile(), "call-1")  # type: ignore[arg-type]
    assert [key for key in outside(quick) if "call-1" in key] == []
    assert [note.conversation for note in PendingErasures(quick).all()] == ["call-1"]


def test_the_secret_of_these_tests_is_where_it_should_be(quick: Store) -> None:
    keep(quick, "call-1")
    assert sum(SECRET.encode() in data for data in contents(quick).values()) == 2
