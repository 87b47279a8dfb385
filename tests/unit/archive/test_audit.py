"""The audit is a chain: whatever is done to one of its lines is found, and nobody waits for anybody to write one."""

from __future__ import annotations

import hashlib
import threading
import warnings
from typing import Any

import msgspec
import pytest
from tests.unit.archive.audit_tampering import audited, breaches, head_of, undetected
from tests.unit.small_calls import commit_call, contents

from turnkeeper.archive import keys
from turnkeeper.archive.audit import Audit, AuditLine, AuditWarning, Breach
from turnkeeper.archive.reread import reread
from turnkeeper.calls.transcripts import open_transcripts
from turnkeeper.clock import ManualClock
from turnkeeper.erasure.erasable_archive import ErasableArchive as Archive
from turnkeeper.errors import Conflict, DiskFull, StoreRefused, Unavailable
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.object_store import Store, open_store


@pytest.fixture
def quick() -> Store:
    return open_store("memory://", StoreSettings())


def test_the_audit_says_who_what_when_and_how_many(store: Store) -> None:
    clock = ManualClock()
    Audit(store, clock).record("export", found=12)
    clock.advance(1)
    Audit(store, clock, who=("ada", "vault-1")).record("report", rows=3, filter="x" * 1000)
    first, second = (line for _, line in Audit(store, clock).lines())
    assert (first.action, first.facts, first.at) == ("export", {"found": 12}, "2026-11-02T09:00:00.000Z")
    assert first.user
    assert first.host
    assert (second.user, second.host, len(str(second.facts["filter"]))) == ("ada", "vault-1", 200)


class Counted:
    """A store that remembers what it was asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self._store, name)


class Guarded:
    """A store in which this identity may write nothing below a prefix."""

    def __init__(self, store: Store, prefix: str, error: type[Exception]) -> None:
        self._store, self._prefix, self._error = store, prefix, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put(self, key: str, data: bytes, **more: Any) -> None:
        if key.startswith(self._prefix):
            raise self._error("no")
        self._store.put(key, data, **more)


@pytest.mark.slow
def test_every_change_of_one_line_is_found() -> None:
    """1,000 lines take some minutes: ``python -m tests.unit.archive.audit_tampering``."""
    assert undetected(30) == []


def test_each_line_holds_the_hash_of_the_object_before(store: Store) -> None:
    audited(store, 3)
    objects = [store.get(keys.audit(number)) for number in (1, 2, 3)]
    lines = [msgspec.json.decode(data) for data in objects]
    assert [line["number"] for line in lines] == [1, 2, 3]
    assert [line.get("previous", "") for line in lines] == [
        "",
        *(hashlib.sha256(one).hexdigest() for one in objects[:2]),
    ]
    assert breaches(store) == []


def test_the_chain_goes_on_from_folder_to_folder(quick: Store) -> None:
    """A folder holds a thousand lines, so that finding the newest stays one listing."""
    audit = audited(quick, 1001)
    assert quick.folders("_turnkeeper/audit/chain/") == [keys.audit_block(block)[:-1] for block in (0, 1)]
    counted: Any = Counted(quick)
    assert Audit(counted, ManualClock()).record("turns").number == 1002
    assert counted.asked == ["size", "size", "list", "get", "put"]
    assert audit.record("turns").number == 1003
    check = audit.check()
    assert [one for one in check if isinstance(one, Breach)] == []
    assert (check.lines, check.newest[0]) == (1003, 1003)


def test_the_newest_line_is_found_however_long_the_chain_is(quick: Store) -> None:
    for block in range(6):
        quick.put(keys.audit(max(block * 1000, 1)), b"a line")
    counted: Any = Counted(quick)
    assert Audit(counted, ManualClock()).record("view").number == 5001
    assert (counted.asked.count("list"), counted.asked.count("size")) == (1, 6)


def test_a_line_that_takes_the_place_of_a_removed_one_does_not_hide_it(quick: Store) -> None:
    audited(quick, 1001)
    quick.delete(keys.audit(1000))
    audit = Audit(quick, ManualClock())
    assert [audit.record("view").number for _ in range(2)] == [1000, 1002]
    assert [(one.kind, one.number) for one in breaches(quick)] == [("changed", 1001)]


def test_many_writers_make_one_chain(store: Store) -> None:
    def write() -> None:
        audit = Audit(store, ManualClock())
        for _ in range(5):
            audit.record("export")

    writers = [threading.Thread(target=write) for _ in range(6)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert (breaches(store), len(list(Audit(store, ManualClock()).lines()))) == ([], 30)


def test_a_listing_that_lags_does_not_make_a_line_wait(quick: Store) -> None:
    audited(quick, 3)

    class Lagging:
        def __getattr__(self, name: str) -> Any:
            return getattr(quick, name)

        def list(self, prefix: str) -> list[str]:
            return list(quick.list(prefix))[:1]

    assert Audit(Lagging(), ManualClock()).record("view").number == 4  # type: ignore[arg-type]
    assert breaches(quick) == []


def test_a_writer_that_is_never_first_gives_up(quick: Store) -> None:
    class Busy(Guarded):
        def put(self, key: str, data: bytes, **more: Any) -> None:
            number = (keys.parse_audit(key) or 0) - 1
            Audit(self._store, ManualClock()).record("view")
            assert number >= 0
            super().put(key, data, **more)

    with pytest.raises(Unavailable, match="another writer was first"):
        Audit(Busy(quick, keys.AUDIT, Conflict), ManualClock()).record("get")  # type: ignore[arg-type]
    assert breaches(quick) == []


def test_lines_of_an_earlier_version_are_read_and_counted_as_not_chained(quick: Store) -> None:
    old = {
        "format": "turnkeeper.audit/1",
        "at": "2026-01-02T03:04:05.000Z",
        "action": "view",
        "user": "ada",
        "host": "host-1",
        "producer": "turnkeeper/0.0.1",
        "facts": {"conversation": "call-1"},
    }
    quick.put("_turnkeeper/audit/2026-01-02/20260102T030405.000Z-0badcafe.json", msgspec.json.encode(old))
    audited(quick, 2)
    check = Audit(quick, ManualClock()).check()
    lines = [one for one in check if isinstance(one, AuditLine)]
    assert (len(lines), check.unchained, check.breaches, check.newest[0]) == (3, 1, 0, 2)
    assert [line.concerns("call-1") for line in lines] == [True, False, True]
    assert lines[1].concerns("nobody") is False


def test_what_is_no_line_is_found_and_stops_nobody(quick: Store) -> None:
    audited(quick, 2)
    quick.put("_turnkeeper/audit/2026-01-02/mine.json", b"{}")
    quick.put(keys.audit(3), b"no line")
    Audit(quick, ManualClock()).record("view")
    assert [(one.kind, one.number) for one in breaches(quick)] == [("unreadable", 0), ("unreadable", 3)]


def test_a_field_of_a_newer_version_is_no_change(quick: Store) -> None:
    audited(quick, 1)
    document = msgspec.json.decode(quick.get(keys.audit(1)))
    document.pop("sha256")
    body = msgspec.json.encode(document | {"why": "later"})
    seal = hashlib.sha256(body).hexdigest().encode()
    quick.put(keys.audit(1), body[:-1] + b',"sha256":"' + seal + b'"}\n')
    assert breaches(quick) == []


def test_a_chain_that_was_begun_anew_is_found_by_a_head_kept_apart(quick: Store) -> None:
    audited(quick, 5)
    head = head_of(quick)
    for number in range(1, 6):
        quick.delete(keys.audit(number))
    assert [one.kind for one in breaches(quick, head)] == ["missing"]
    audited(quick, 7)
    assert breaches(quick) == []
    assert [(one.kind, one.number) for one in breaches(quick, head)] == [("changed", 5)]


def test_more_conversations_than_a_line_holds_are_counted(quick: Store) -> None:
    line = Audit(quick, ManualClock()).record("erase", conversations=[f"call-{number}" for number in range(1001)])
    assert (line.conversations, line.facts, line.concerns("call-1")) == ((), {"conversations": 1001}, None)


def test_only_ids_are_named(quick: Store) -> None:
    line = Audit(quick, ManualClock()).record("turns", conversations=["call-1", "where is my parcel?", "\x1b[31m"])
    assert line.conversations == ("call-1",)


@pytest.mark.parametrize("error", [StoreRefused, DiskFull])
def test_what_only_reads_goes_on_without_a_line_and_says_so(error: type[Exception], quick: Store) -> None:
    guarded: Any = Guarded(quick, keys.AUDIT, error)
    audit = Audit(guarded, ManualClock())
    assert "its audit has no line of this reading" in audit.record_reading("turns")
    with pytest.warns(AuditWarning, match="no line of this reading"):
        audit.record_or_warn("clip")
    with pytest.raises(error):
        Audit(guarded, ManualClock(), required=True).record_reading("turns")


def test_what_changes_an_archive_does_not_without_its_line(quick: Store) -> None:
    commit_call(quick, "call-1")
    before = contents(quick)
    archive = Archive(Guarded(quick, keys.AUDIT, StoreRefused), clock=ManualClock())  # type: ignore[arg-type]
    for change in (lambda: archive.erase(["call-1"]), lambda: list(reread(archive, every=True))):
        with pytest.raises(StoreRefused):
            change()
    assert contents(quick) == before


def test_reading_an_archive_is_one_line_whatever_is_read(tmp_path: Any) -> None:
    archive = Archive(str(tmp_path))
    for name in ("call-1", "call-2"):
        commit_call(archive.store, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(open_transcripts(str(tmp_path)))) == 2
        assert len(list(open_transcripts(str(tmp_path), interactions=["call-2"]))) == 1
    lines = [line for _, line in archive.audit.lines()]
    assert [(line.action, line.conversations, line.facts) for line in lines] == [
        ("turns", (), {"every": True}),
        ("turns", ("call-2",), {"every": False}),
    ]


def test_where_no_archive_is_nothing_is_written(tmp_path: Any) -> None:
    with pytest.raises(Exception, match="no archive here"):
        list(open_transcripts(str(tmp_path), interactions=["call-1"]))
    assert list(tmp_path.iterdir()) == []
