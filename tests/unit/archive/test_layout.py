"""The archive's note about itself, and what a destination permits."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from turnkeeper.archive import keys, layout
from turnkeeper.archive.probe import probe_store
from turnkeeper.archive.store import Store, open_store
from turnkeeper.clock import ManualClock
from turnkeeper.errors import Conflict, Denied, StoreRefused
from turnkeeper.settings import StoreSettings


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
    assert layout.read_layout(store) is None
    first = layout.claim(store, clock)
    clock.advance(60)
    assert layout.claim(store, clock) == first
    assert first == layout.Layout(format="turnkeeper.archive/1", created="2026-11-02T09:00:00.000Z")


def test_an_archive_is_of_one_organisation() -> None:
    store, clock = memory(), ManualClock()
    layout.claim(store, clock)
    assert layout.claim(store, clock, "org-1").organisation == "org-1"
    assert layout.claim(store, clock).organisation == "org-1"
    with pytest.raises(StoreRefused) as caught:
        layout.claim(store, clock, "org-2")
    assert "another prefix" in caught.value.hint


def test_of_two_first_claims_one_stands() -> None:
    inner, clock = memory(), ManualClock()

    def too_late(key: str, data: bytes, **more: Any) -> None:
        if key == keys.ARCHIVE:
            inner.put(key, b'{"format":"turnkeeper.archive/1","created":"then","organisation":"theirs"}')
            raise Conflict("stored already")
        inner.put(key, data, **more)

    store: Any = Changed(inner, put=too_late)
    assert layout.claim(store, clock).created == "then"


def test_a_newer_archive_asks_for_an_upgrade() -> None:
    store = memory()
    store.put(keys.ARCHIVE, b'{"format":"turnkeeper.archive/2","created":"x","more":1}')
    with pytest.raises(StoreRefused) as caught:
        layout.read_layout(store)
    assert "pip install -U" in caught.value.hint


def test_what_is_no_note_is_refused() -> None:
    store = memory()
    store.put(keys.ARCHIVE, b"hello")
    with pytest.raises(StoreRefused):
        layout.read_layout(store)


def test_a_store_that_ignores_conditions_is_found_out_before_anything_is_kept() -> None:
    store = ignoring()
    with pytest.raises(StoreRefused) as caught:
        layout.claim(store, ManualClock())
    assert "If-None-Match" in str(caught.value)
    assert store.size(keys.ARCHIVE) is None


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
