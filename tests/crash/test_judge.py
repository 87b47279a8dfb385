"""The judge of two archives leaves superseded views out, and still misses a current one."""

from __future__ import annotations

from pathlib import Path

from tests.crash.judge import holding
from tests.unit.small_calls import commit_call, view_key
from turnkeeper.archive import keys
from turnkeeper.storage.object_store import open_store


def test_a_current_view_that_is_missing_is_a_difference(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "archive"))
    commit_call(store, "call-1")
    whole = holding(store)
    store.put("transcripts/call-1/0123456789abcdef.json", b"{}")
    assert whole.differences(holding(store)) == []
    view = view_key(store, keys.transcript("call-1"))
    store.delete(view)
    assert whole.differences(holding(store)) == [f"object {view} is missing"]
