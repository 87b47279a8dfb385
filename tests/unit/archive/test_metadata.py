"""The archive's note about itself, and what a destination permits."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from turnkeeper.archive import keys, metadata
from turnkeeper.archive.probe import probe_store
from turnkeeper.clock import ManualClock
from turnkeeper.errors import Conflict, Denied, StoreRefused
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.key_rules import MARKER
from turnkeeper.storage.object_store import Store, open_store


class Changed:
    """A store of which one call behaves differently."""

    def __init__(self, store: Store, **calls: Any) -> None:
        self._store, self._calls = store, calls

    def __getattr__(self, name: str) -> Any:
        return self._calls.get(name) or getattr(self._store, name)


def memory() -> Store:
    return open_store("memory://", StoreSettings())


def ignoring() -> Any:
    inner = memory()
    return Changed(inner, put=lambda key, data, create=False, **more: inner.put(key, data, **more))


def test_the_first_claim_writes_the_note_and_the_next_read_it() -> None:
    store, clock = memory(), ManualClock()
    assert metadata.read_metadata(store) is None
    first = metadata.claim(store, clock)
    clock.advance(60)
    assert metadata.claim(store, clock) == first
    assert first == metadata.ArchiveMetadata(
        format="turnkeeper.archive/2", created="2026-11-02T09:00:00.000Z", id=first.id
    )
    assert re.fullmatch("[0-9a-f]{32}", first.id)
    assert metadata.claim(memory(), clock).id != first.id


def version_1(store: Store, organisation: str = "") -> None:
    store.put(keys.PROBE, b'{"probe":"0011223344556677"}\n')
    note = {"format": "turnkeeper.archive/1", "created": "2026-01-01T00:00:00.000Z"}
    store.put(MARKER, msgspec.json.encode(note | ({"organisation": organisation} if organisation else {})))


def test_version_1_is_read_as_it_is_and_marked_by_the_first_write() -> None:
    store, clock = memory(), ManualClock()
    version_1(store, "org-1")
    before = {key: store.get(key) for key in store.list("")}
    found = metadata.read_metadata(store)
    assert found
    assert (found.format, found.id) == ("turnkeeper.archive/1", "")
    assert {key: store.get(key) for key in store.list("")} == before
    with pytest.raises(StoreRefused):
        metadata.claim(store, clock, "org-2")
    assert {key: store.get(key) for key in store.list("")} == before
    marked = metadata.claim(store, clock)
    assert (marked.format, marked.created, marked.organisation) == (metadata.FORMAT, found.created, "org-1")
    assert re.fullmatch("[0-9a-f]{32}", marked.id)
    assert metadata.read_metadata(store) == marked
    assert metadata.claim(store, clock, "org-1") == marked


@pytest.mark.parametrize("probe", [True, False])
def test_two_that_mark_an_archive_at_once_agree_on_its_id(*, probe: bool) -> None:
    inner, clock, other = memory(), ManualClock(), []
    version_1(inner)
    if not probe:
        inner.delete(keys.PROBE)

    def late(key: str, data: bytes, **more: Any) -> None:
        if key == MARKER and not other:
            other.append(metadata.claim(inner, clock))
        inner.put(key, data, **more)

    store: Any = Changed(inner, put=late)
    mine = metadata.claim(store, clock, "org-1")
    assert (mine.id, mine.format) == (other[0].id, metadata.FORMAT)


def test_an_archive_is_of_one_organisation() -> None:
    store, clock = memory(), ManualClock()
    metadata.claim(store, clock)
    assert metadata.claim(store, clock, "org-1").organisation == "org-1"
    assert metadata.claim(store, clock).organisation == "org-1"
    with pytest.raises(StoreRefused) as caught:
        metadata.claim(store, clock, "org-2")
    assert "another prefix" in caught.value.hint


def test_of_two_first_claims_one_stands() -> None:
    inner, clock = memory(), ManualClock()

    def too_late(key: str, data: bytes, **more: Any) -> None:
        if key == MARKER and inner.size(key) is None:
            inner.put(key, b'{"format":"turnkeeper.archive/1","created":"then","organisation":"theirs"}')
            raise Conflict("stored already")
        inner.put(key, data, **more)

    store: Any = Changed(inner, put=too_late)
    assert metadata.claim(store, clock).created == "then"


def test_a_newer_archive_asks_for_an_upgrade() -> None:
    store = memory()
    store.put(MARKER, b'{"format":"turnkeeper.archive/3","created":"x","more":1}')
    with pytest.raises(StoreRefused) as caught:
        metadata.read_metadata(store)
    assert "pip install -U" in caught.value.hint


def test_what_is_no_note_is_refused() -> None:
    store = memory()
    store.put(MARKER, b"hello")
    with pytest.raises(StoreRefused):
        metadata.read_metadata(store)


def test_a_store_that_ignores_conditions_is_found_out_before_anything_is_kept() -> None:
    store = ignoring()
    with pytest.raises(StoreRefused) as caught:
        metadata.claim(store, ManualClock())
    assert "If-None-Match" in str(caught.value)
    assert store.size(MARKER) is None


def test_a_probe_of_a_good_store_finds_everything_in_order(store: Store, s3_settings: StoreSettings) -> None:
    found = {finding.name: finding for finding in probe_store(store, s3_settings)}
    for name in ("write", "conditional write", "read", "list", "format", "delete"):
        assert found[name].state == "ok", found[name]
    assert ("versioning" in found) == store.url.startswith("s3://")
    if "versioning" in found:
        assert (found["versioning"].found, found["object lock"].found) == ("off", "off")
    assert list(store.list("")) == []
    assert msgspec.json.encode(found["write"]) == b'{"name":"write","state":"ok","found":"allowed"}'


def test_a_probe_finds_ignored_conditions() -> None:
    found = {finding.name: finding for finding in probe_store(ignoring())}
    assert found["conditional write"].state == "fail"
    assert "honours" in found["conditional write"].mend


def test_a_probe_stops_where_writing_is_not_allowed() -> None:
    def denied(*given: Any, **more: Any) -> None:
        raise Denied("no", hint="The identity lacks s3:PutObject.")

    store: Any = Changed(memory(), put=denied)
    [finding] = probe_store(store)
    assert (finding.name, finding.state) == ("write", "fail")
    assert "s3:PutObject" in finding.mend


def test_deleting_is_needed_only_for_erasing() -> None:
    def denied(key: str) -> None:
        raise Denied("no", hint="The identity lacks s3:DeleteObject.")

    store: Any = Changed(memory(), delete=denied)
    [finding] = [finding for finding in probe_store(store) if finding.name == "delete"]
    assert finding.state == "warn"
    assert "erasing" in finding.mend
