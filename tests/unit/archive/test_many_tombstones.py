"""However many conversations were erased, a run asks for as few lists as for one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from turnkeeper.archive import keys
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.errors import Erased
from turnkeeper.storage.object_store import Store, open_store

NOW = datetime(2026, 11, 2, tzinfo=UTC)


class Listing:
    """A store that counts the keys that were listed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.listed = 0

    def list(self, prefix: str) -> Iterator[str]:
        for key in self._store.list(prefix):
            self.listed += 1
            yield key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.mark.parametrize("count", [3, 5000])
def test_a_run_hears_of_what_was_erased(count: int) -> None:
    """K6: all tombstones were listed every 30 s: of a million, with 1,000 requests."""
    store: Any = Listing(open_store("memory://"))
    for number in range(count):
        store.put(keys.tombstone(f"c{number}"), b"{}\n")
    stones = Tombstones(store)
    for _ in range(100):
        stones.refuse("kept", use_cache=True)
    with pytest.raises(Erased):
        stones.refuse("c2", use_cache=True)
    for _ in range(10):
        assert stones.erased_among(["c1", "c2", "kept"]) == {"c1", "c2"}
    stones.put("kept", NOW)
    assert stones.erased_among(["kept"]) == {"kept"}
    assert stones.erased_among([]) == set()
    assert store.listed < 2100
