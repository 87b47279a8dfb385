"""What holds for every store: memory, folder and a real S3 server run the same tests."""

from __future__ import annotations

import io
import secrets
import threading
from typing import Any, BinaryIO

import pytest

from turnkeeper.archive.archive import Archive
from turnkeeper.errors import Conflict, Incomplete, Misconfigured, NotFound
from turnkeeper.settings import StoreSettings
from turnkeeper.spool import BytesSource
from turnkeeper.storage.object_store import Store, open_store

LARGE = 20 * (1 << 20) + 17


class Broken:
    """A source that fails, or ends, before its announced size."""

    def __init__(self, size: int, after: int, error: Exception | None = None) -> None:
        self.size = size
        self._after, self._error = after, error

    def open(self) -> BinaryIO:
        given, error = io.BytesIO(b"x" * self._after), self._error

        class Body(io.RawIOBase):
            def readable(self) -> bool:
                return True

            def read(self, count: int = -1) -> bytes:
                block = given.read(count)
                if not block and error:
                    raise error
                return block

        return Body()  # type: ignore[return-value]


def pattern(size: int) -> bytes:
    return (b"0123456789abcde" * (size // 15 + 1))[:size]


def test_what_is_put_can_be_got(store: Store) -> None:
    store.put("transcripts/a.json", b"{}")
    assert store.get("transcripts/a.json") == b"{}"
    assert store.size("transcripts/a.json") == 2


def test_a_put_replaces(store: Store) -> None:
    store.put("a/b.json", b"old and longer")
    store.put("a/b.json", b"new")
    assert store.get("a/b.json") == b"new"


def test_what_is_not_there(store: Store) -> None:
    assert store.size("a/b.json") is None
    for read in (store.get, store.open):
        with pytest.raises(NotFound) as caught:
            read("a/b.json")
        assert caught.value.key == "a/b.json"
    store.delete("a/b.json")


def test_a_folder_is_not_an_object(store: Store) -> None:
    store.put("a/b.json", b"1")
    with pytest.raises(NotFound):
        store.get("a")


def test_create_conflicts_only_with_different_content(store: Store) -> None:
    store.put("manifests/a/000001.json", b"one", create=True)
    store.put("manifests/a/000001.json", b"one", create=True)
    with pytest.raises(Conflict) as caught:
        store.put("manifests/a/000001.json", b"two", create=True)
    assert caught.value.key == "manifests/a/000001.json"
    assert store.get("manifests/a/000001.json") == b"one"


def test_of_sixteen_writers_one_creates(store: Store) -> None:
    # SeaweedFS lets the losers wait a second each, one after the other.
    for turn in range(1 if store.url.startswith("s3:") else 5):
        key, outcomes = f"manifests/c/{turn:06d}.json", []
        start = threading.Barrier(16)

        def create(writer: int, key: str = key, start: threading.Barrier = start) -> None:
            start.wait()
            try:
                store.put(key, b"writer %d" % writer, create=True)
                outcomes.append(writer)  # noqa: B023 - joined below
            except Conflict:
                pass

        threads = [threading.Thread(target=create, args=(writer,)) for writer in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(outcomes) == 1
        assert store.get(key) == b"writer %d" % outcomes[0]


@pytest.mark.parametrize("size", [0, 1, 8 << 20, (8 << 20) + 1, LARGE])
def test_a_stream_of_any_size_arrives_whole(store: Store, size: int) -> None:
    data = pattern(size)
    store.put_stream("raw/a/_media/0123456789abcdef.json", BytesSource(data))
    assert store.size("raw/a/_media/0123456789abcdef.json") == size
    with store.open("raw/a/_media/0123456789abcdef.json") as body:
        assert body.read() == data


@pytest.mark.parametrize("size", [100, LARGE])
def test_a_stream_that_fails_leaves_what_was_there(store: Store, size: int) -> None:
    store.put("a/old.json", b"old")
    for key in ("a/old.json", "a/new.json"):
        with pytest.raises(RuntimeError):
            store.put_stream(key, Broken(size, size // 2, RuntimeError("the spool broke")))
        with pytest.raises(Incomplete):
            store.put_stream(key, Broken(size, size // 2))
    assert store.get("a/old.json") == b"old"
    assert list(store.list("")) == ["a/old.json"]


def test_a_reader_seeks_and_reads_in_pieces(store: Store) -> None:
    data = pattern(LARGE)
    store.put_stream("audio/a.bin", BytesSource(data))
    with store.open("audio/a.bin") as body:
        assert body.read(10) == data[:10]
        body.seek(9_000_000)
        assert body.read(100) == data[9_000_000:9_000_100]
        body.seek(-5, 2)
        assert body.read() == data[-5:]
        assert body.read(1) == b""


def test_a_list_has_the_folder_sorted(store: Store) -> None:
    for key in ("m/b/2.json", "m/a/1.json", "m/b/1.json", "mm/x.json", "m/b/_z.json"):
        store.put(key, b"1")
    assert list(store.list("m/")) == ["m/a/1.json", "m/b/1.json", "m/b/2.json", "m/b/_z.json"]
    assert list(store.list("m/b/")) == ["m/b/1.json", "m/b/2.json", "m/b/_z.json"]
    assert len(list(store.list(""))) == 5
    assert list(store.list("nothing/")) == []


def test_what_was_deleted_is_gone(store: Store) -> None:
    store.put("a/b.json", b"1")
    store.delete("a/b.json")
    assert store.size("a/b.json") is None
    assert list(store.list("")) == []


@pytest.mark.parametrize(
    "key", ["../a", "a/../b", "/a", "a//b", "a/.", "a/b\0", "a\\..\\b", "a/..", "", "a/" + "x" * 251]
)
def test_no_key_leads_elsewhere(store: Store, key: str) -> None:
    with pytest.raises(Misconfigured):
        store.put(key, b"1")
    with pytest.raises(Misconfigured):
        store.get(key)


def test_the_address_is_shown_without_a_trailing_slash(store: Store) -> None:
    assert store.url == "memory://" or not store.url.endswith("/")


def test_a_copy_has_every_object_with_its_own_type(s3_settings: StoreSettings) -> None:
    here = open_store("memory://", StoreSettings())
    bodies = {"audio/c/r.0123456789abcdef.wav": b"RIFF", "peaks/c/r.dat": b"peaks", "summaries/c.json": b"{}"}
    for key, body in bodies.items():
        here.put(key, body)
    place = f"s3://kept/{secrets.token_hex(6)}"
    assert Archive(here).copy_to(place, s3_settings) == 3
    there: Any = open_store(place, s3_settings)
    assert {key: there.get(key) for key in there.list("")} == bodies
    types = {key: there._store.get(key).attributes["Content-Type"] for key in bodies}
    assert list(types.values()) == ["audio/wav", "application/octet-stream", "application/json"]
