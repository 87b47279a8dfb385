"""The index by day: merged, never forgotten, whoever writes it and in whatever order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from turnkeeper.archive.index import AUDIO, CallState, Index, LegState, ListedWindow, merge_calls
from turnkeeper.errors import Conflict, Misconfigured, StoreRefused, Unavailable, Unread
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.object_store import Store, open_store

DAY = "2026-10-05"
moments = some.sampled_from(["", "2026-10-05T10:00:00.000Z", "2026-10-06T10:00:00.000Z"])
states = some.sampled_from(["pending", "done", "absent", "unread", "failed"])
legs = some.builds(
    LegState,
    id=some.sampled_from("abc"),
    state=states,
    last_asked=moments,
    asks=some.integers(0, 3),
    fallback=some.booleans(),
)
calls = some.builds(
    CallState,
    conversation=some.just("c"),
    state=some.one_of(states, some.just("erased")),
    ended_at=moments,
    generation=some.integers(0, 2),
    legs=some.lists(legs, max_size=3, unique_by=lambda leg: leg.id).map(lambda found: tuple(sorted(found, key=str))),
)


@given(calls, calls)
def test_merging_is_the_same_in_any_order(one: CallState, other: CallState) -> None:
    both = merge_calls(one, other), merge_calls(other, one)
    if "erased" not in (one.state, other.state):
        assert both[0] == both[1]
    assert merge_calls(both[0], both[0]) == both[0]
    assert merge_calls(both[0], other) == both[0]


@given(calls, calls)
def test_what_is_done_stays_done_and_what_is_erased_stays_erased(one: CallState, other: CallState) -> None:
    found = merge_calls(one, other)
    if "erased" in (one.state, other.state):
        assert found.state == "erased"
        return
    done = {leg.id for call in (one, other) for leg in call.legs if leg.state == "done"}
    assert {leg.id for leg in found.legs if leg.state == "done"} == done


def test_a_spare_leg_counts_only_until_a_likely_one_is_there() -> None:
    likely, spare = LegState(id="likely", state="absent"), LegState(id="spare", state="absent", fallback=True)
    nothing = call("c", "absent", legs=(likely, spare))
    there = call("c", legs=(LegState(id="likely", state="done", last_asked="2026-10-06T10:00:00.000Z"),), generation=1)
    assert [leg.id for leg in merge_calls(nothing, nothing).legs] == ["likely", "spare"]
    assert [leg.id for leg in merge_calls(nothing, there).legs] == ["likely"]
    found = call("c", legs=(likely, LegState(id="spare", state="done", fallback=True)), generation=1)
    assert [leg.id for leg in merge_calls(nothing, found).legs] == ["likely", "spare"]
    heard = call("c", "absent", legs=(LegState(id=AUDIO, state="done"), spare))
    assert [leg.id for leg in merge_calls(nothing, heard).legs] == [AUDIO, "likely", "spare"]


def call(name: str, state: Any = "done", **more: Any) -> CallState:
    return CallState(conversation=name, state=state, **more)


def test_a_day_is_committed_read_and_merged(tmp_path: Path) -> None:
    index = Index(open_store(str(tmp_path)))
    index.commit(DAY, [call("b"), call("a", "pending")])
    index.commit(DAY, [call("a", "absent")])
    index.commit(DAY, [call("a", "absent")])
    assert [(one.conversation, one.state) for one in index.read(DAY).calls] == [("a", "absent"), ("b", "done")]
    assert list(index.days()) == [DAY]
    assert sorted(path.name for path in (tmp_path / "_turnkeeper/states" / DAY).iterdir()) == [
        "000001.json",
        "000002.json",
    ]


class Rival:
    """A store in which somebody else commits the day between our look and our write, once."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.struck = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put(self, key: str, data: bytes, **how: Any) -> None:
        if not self.struck:
            self.struck = True
            Index(self._store).commit(DAY, [call("theirs")])
        self._store.put(key, data, **how)


def test_two_exporters_that_commit_at_once_lose_nothing(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    Index(Rival(store)).commit(DAY, [call("ours")])  # type: ignore[arg-type]
    assert [one.conversation for one in Index(store).read(DAY).calls] == ["ours", "theirs"]


def test_the_loser_of_a_create_only_write_is_told(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    index = Index(store)
    index.commit(DAY, [call("a")])
    with pytest.raises(Conflict):
        store.put(f"_turnkeeper/states/{DAY}/000001.json", b"{}", create=True)


def test_damaged_and_newer_days_are_refused_by_name(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.put(f"_turnkeeper/states/{DAY}/000001.json", b"nonsense")
    with pytest.raises(Unread, match="not a day of states"):
        Index(store).read(DAY)
    store.put(f"_turnkeeper/states/{DAY}/000002.json", b'{"format":"turnkeeper.states/9","day":"2026-10-05"}')
    with pytest.raises(StoreRefused, match="Upgrade"):
        Index(store).read(DAY)
    with pytest.raises(Misconfigured, match="not a day"):
        Index(store).read("../..")


def test_another_days_states_are_no_states_of_a_day(tmp_path: Path) -> None:
    """K8: a store, or what stands before it, that mixes up answers: going on from them would forget a day."""
    store = open_store(str(tmp_path))
    Index(store).commit("2026-10-05", [CallState(conversation="c", state="done")])
    store.put("_turnkeeper/states/2026-10-06/000001.json", store.get("_turnkeeper/states/2026-10-05/000001.json"))
    with pytest.raises(Unread, match="not a day of states"):
        Index(store).commit("2026-10-06", [CallState(conversation="d", state="done")])


def test_a_damaged_call_is_refused_by_name_when_more_is_told_of_it(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    damaged = b'{"format":"turnkeeper.states/1","day":"2026-10-05","calls":[{"conversation":"a","state":"lost"}]}'
    store.put(f"_turnkeeper/states/{DAY}/000001.json", damaged)
    with pytest.raises(Unread, match="not a day of states") as caught:
        Index(store).commit(DAY, [call("a")])
    assert caught.value.key == f"_turnkeeper/states/{DAY}/000001.json"


def test_a_day_that_is_listed_and_not_there_is_not_looked_for_for_ever(tmp_path: Path) -> None:
    class Listing(FolderStore):
        def list(self, prefix: str) -> Iterator[str]:
            yield from super().list(prefix)
            yield f"_turnkeeper/states/{DAY}/000002.json"

    store = Listing(tmp_path)
    Index(open_store(str(tmp_path))).commit(DAY, [call("a")])
    with pytest.raises(Unavailable, match="listed and not there"):
        Index(store).read(DAY)


def window(day: str, version: int = 2, **facts: Any) -> ListedWindow:
    return ListedWindow(
        format=f"turnkeeper.window/{version}", start=f"{day}T00:00:00Z", end=f"{day}T24:00:00Z", **facts
    )


def test_windows_are_kept_and_listed(tmp_path: Path) -> None:
    index = Index(open_store(str(tmp_path)))
    one = window(DAY, found=3, proven=True)
    index.commit_window(one, "all")
    assert list(index.windows()) == [one]
    assert one.complete
    assert one.proven


def test_a_window_of_an_older_version_is_open_until_it_is_listed_again(tmp_path: Path) -> None:
    """K8: a day that was closed by an answer without its shape is listed once more."""
    index = Index(open_store(str(tmp_path)))
    index.commit_window(window(DAY, version=1, found=3), "all")
    assert [one.proven for one in index.windows()] == [False]
    index.commit_window(window(DAY, proven=True), "all")
    assert [one.proven for one in index.windows()] == [True]


def test_a_damaged_window_is_reported_and_the_others_are_listed(tmp_path: Path) -> None:
    """K2: one odd item never stops the whole."""
    store = open_store(str(tmp_path))
    index = Index(store)
    index.commit_window(window("2026-10-04", proven=True), "all")
    index.commit_window(window("2026-10-05", version=99), "all")
    index.commit_window(window("2026-10-06", proven=True), "all")
    store.put("_turnkeeper/windows/all/2026-10-05T10--2026-10-05T11.json", b'{"format": "turnk')
    damaged: list[Unread] = []
    assert [one.start[:10] for one in index.windows(damaged.append)] == ["2026-10-04", "2026-10-06"]
    assert [("Upgrade" in one.hint, one.message) for one in damaged] == [
        (True, "has the format 'turnkeeper.window/99'"),
        (False, "not a window"),
    ]


class Weighed:
    """A store that adds up what is written to it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.written = 0

    def put(self, key: str, data: bytes, **how: Any) -> None:
        self.written += len(data)
        self._store.put(key, data, **how)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def full_day(count: int) -> dict[str, CallState]:
    return {f"c{number:04}": call(f"c{number:04}", "absent", reason="r" * 200) for number in range(count)}


def test_a_large_day_is_written_for_what_changes_in_it() -> None:
    """K6: 5,000 calls archived, 309 asks: 680 MB of index, the whole day each time."""
    store: Any = Weighed(open_store("memory://"))
    index, known = Index(store), full_day(2000)
    index.commit(DAY, known.values())
    whole, store.written = store.written, 0
    for number in range(300):
        known[f"c{number:04}"] = call(f"c{number:04}", "done", generation=1)
        assert index.commit(DAY, [known[f"c{number:04}"]]) == 1
        assert len(list(store.list("_turnkeeper/states/"))) <= 3
    assert store.written < 30 * whole
    assert {one.conversation: one for one in index.read(DAY).calls} == known


@given(some.lists(some.lists(some.tuples(some.integers(0, 399), calls), max_size=30), max_size=12))
@settings(max_examples=25, deadline=None)
def test_a_day_in_layers_is_the_day_as_a_whole(rounds: list[list[tuple[int, CallState]]]) -> None:
    index, expected = Index(open_store("memory://")), full_day(400)
    index.commit(DAY, expected.values())
    for commit in rounds:
        known = {f"c{n:04}": msgspec.structs.replace(one, conversation=f"c{n:04}") for n, one in commit}
        index.commit(DAY, known.values())
        expected |= {name: merge_calls(expected[name], one) for name, one in known.items()}
    assert list(index.read(DAY).calls) == [expected[name] for name in sorted(expected)]


def test_nothing_of_an_erased_call_stands_in_the_newest_generation() -> None:
    store = open_store("memory://")
    index = Index(store)
    index.commit(DAY, full_day(400).values())
    index.commit(DAY, [call("c0001", "absent", reason="hush-hush", legs=(LegState(id="leg-1", state="absent"),))])
    assert b"states/2" in store.get(f"_turnkeeper/states/{DAY}/000002.json")
    index.commit(DAY, [call("c0001", "erased")])
    newest = store.get(f"_turnkeeper/states/{DAY}/000003.json")
    assert b"hush-hush" not in newest
    assert b"since" not in newest
    assert len(index.read(DAY).calls) == 400


def test_versions_that_know_whole_days_only_refuse_changes() -> None:
    store = open_store("memory://")
    Index(store).commit(DAY, full_day(400).values())
    changes = {"format": "turnkeeper.states/1", "day": DAY, "since": 1, "calls": []}
    store.put(f"_turnkeeper/states/{DAY}/000002.json", msgspec.json.encode(changes))
    with pytest.raises(StoreRefused, match="format"):
        Index(store).read(DAY)


def test_a_stray_object_whose_name_is_no_date_is_no_day() -> None:
    quick = open_store("memory://", StoreSettings())
    Index(quick).commit("2026-10-05", [CallState(conversation="c", state="done", generation=1)])
    quick.put("_turnkeeper/states/2026-99-99/000001.json", b"{}")
    assert list(Index(quick).days()) == ["2026-10-05"]
