"""Links, pipes, markers and stray keys in an archive: nothing follows or stops at them, and verify names them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from tests.unit.small_calls import contents, keep, transcript, view_key

from turnkeeper.archive.reread import reread
from turnkeeper.archive.verify import Verification
from turnkeeper.clock import ManualClock
from turnkeeper.erasure.erasable_archive import ErasableArchive as Archive
from turnkeeper.errors import NotFound, StoreRefused, Unavailable, Unread
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.key_listing import KeyListing, ListDeadline, ListedObject, UnlistableKey
from turnkeeper.storage.object_store import Store, open_store


def found(store: Store) -> list[tuple[str, str]]:
    return sorted((one.kind, one.key) for one in Verification(store))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of somebody else, with a file that looks like one of a writer long gone."""
    folder = tmp_path / "outside"
    (folder / "leg-a").mkdir(parents=True)
    (folder / "leg-a/0123456789abcdef.json").write_text("not of this archive")
    (folder / "abcd.999999999.ff").write_text("not of this archive")
    os.utime(folder / "abcd.999999999.ff", (0, 0))
    (folder / "empty").mkdir()
    return folder


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("place", ["raw/call-1", "raw/call-9", "manifests/call-9", "transcripts/call-1"])
def test_nothing_behind_a_link_is_read_or_deleted(place: str, outside: Path, tmp_path: Path) -> None:
    """K8: a symlink inside the archive folder."""
    root, before = tmp_path / "archive", tree(outside)
    keep(FolderStore(root), "call-1")
    if (root / place).exists():
        (root / place).rename(tmp_path / "was there")
    (root / place).symlink_to(outside)
    store = FolderStore(root)
    assert ("link", place) in found(store)
    with pytest.raises(Unread, match="links inside an archive are not followed"):
        store.get(f"{place}/leg-a/0123456789abcdef.json")
    with pytest.raises(Unread):
        store.delete(f"{place}/leg-a/0123456789abcdef.json")
    with pytest.raises(Unread):
        store.put(f"{place}/leg-a/x.json", b"x")
    assert store.size(f"{place}/leg-a/0123456789abcdef.json") is None
    assert not list(store.list(f"{place}/"))
    conversation = place.rpartition("/")[2]
    proof = Archive(store, clock=ManualClock()).erase([conversation])
    assert not proof.proven
    assert "a link stood" in proof.erasures[0].why
    assert tree(outside) == before
    assert not (root / place).is_symlink()
    again = Archive(store, clock=ManualClock()).erase([])
    assert again.proven


def test_a_link_for_all_of_a_kind_refuses_writing(outside: Path, tmp_path: Path) -> None:
    root = tmp_path / "archive"
    root.mkdir()
    (root / "raw").symlink_to(outside)
    with pytest.raises(StoreRefused, match="raw is a link"):
        keep(FolderStore(root), "call-1")
    assert not (outside / "call-1").exists()


def test_no_sweep_follows_a_link(outside: Path, tmp_path: Path) -> None:
    """K8: _turnkeeper/incoming is a link."""
    root, before = tmp_path / "archive", tree(outside)
    keep(FolderStore(root), "call-1")
    (root / "_turnkeeper/incoming").rmdir()
    (root / "_turnkeeper/incoming").symlink_to(outside)
    store = FolderStore(root)
    assert list(store.leftovers()) == []
    assert store.drop_leftovers() == 0
    with pytest.raises(StoreRefused, match="incoming is a link"):
        store.put("raw/call-2/leg-a/0123456789abcdef.json", b"x")
    assert found(store) == [("link", "_turnkeeper/incoming")]
    assert tree(outside) == before


def test_the_archives_own_folder_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "archive").symlink_to(tmp_path / "disk")
    store = FolderStore(tmp_path / "archive")
    keep(store, "call-1")
    assert found(store) == []


def test_a_link_to_a_file_and_one_that_leads_back_are_no_objects(tmp_path: Path) -> None:
    root = tmp_path / "archive"
    store = FolderStore(root)
    keep(store, "call-1")
    keys = list(store.list(""))
    (root / "raw/call-1/up").symlink_to("..")
    (root / "raw/call-1/leg-a/fedcba9876543210.json").symlink_to("/etc/hostname")
    assert list(store.list("")) == keys
    with pytest.raises(NotFound):
        store.get("raw/call-1/leg-a/fedcba9876543210.json")
    links = [("link", "raw/call-1/leg-a/fedcba9876543210.json"), ("link", "raw/call-1/up")]
    assert found(store) == links


def test_a_pipe_is_never_opened(tmp_path: Path) -> None:
    """K8: a FIFO in the archive folder."""
    root = tmp_path / "archive"
    store = FolderStore(root)
    for name in ("call-1", "call-2", "call-3"):
        keep(store, name)
    view = view_key(store, "transcripts/call-1.json")
    for key in (view, "manifests/call-2/000001.json", "manifests/call-4/000001.json"):
        (root / key).unlink(missing_ok=True)
        (root / key).parent.mkdir(exist_ok=True)
        os.mkfifo(root / key)
    with pytest.raises(NotFound):
        store.get(view)
    with pytest.raises(NotFound):
        store.open(view)
    assert list(Archive(store).conversations()) == ["call-1", "call-3"]
    assert [one for one in found(store) if one[0] in ("link", "missing")] == [
        ("link", "manifests/call-2/000001.json"),
        ("link", "manifests/call-4/000001.json"),
        ("link", view),
        ("missing", view),
    ]


class Moto:
    """A bucket that takes any key, as S3 does."""

    def __init__(self, port: int) -> None:
        environment = {
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "y",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
        }
        self.settings = StoreSettings.from_environment(environment)
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="x",
            aws_secret_access_key="y",
            region_name="us-east-1",
        )
        self.client.create_bucket(Bucket="calls")

    def put(self, key: str, data: bytes = b"x") -> None:
        self.client.put_object(Bucket="calls", Key=key, Body=data)

    def listed(self) -> list[str]:
        return [one["Key"] for one in self.client.list_objects_v2(Bucket="calls").get("Contents", [])]


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        yield Moto(server.get_host_and_port()[1])
    finally:
        server.stop()


@pytest.mark.slow
def test_two_queues_with_a_number_sign_are_two_archives(moto: Moto) -> None:
    """K1: ``s3://calls/Queue #1``, then ``#2``."""
    for number in (1, 2):
        address = f"s3://calls/Queue #{number}"
        store = open_store(address, moto.settings)
        assert store.url == address
        keep(store, f"call-{number}")
    assert {key.partition("/")[0] for key in moto.listed()} == {"Queue #1", "Queue #2"}
    Archive("s3://calls/Queue #1", moto.settings, clock=ManualClock()).erase(["call-1"])
    assert not [key for key in moto.listed() if key.startswith("Queue #1/manifests")]
    assert [key for key in moto.listed() if "call-2" in key and key.startswith("Queue #2/manifests")]


ODD = ["manifests//x.json", "raw//", "raw/./x.json", "transcripts/../x.json", "notes here/ä.txt"]
MARKERS = ["transcripts/", "manifests/", "raw/call-1/", "manifests/call-1/", "summaries/call-9/"]


@pytest.mark.slow
def test_stray_keys_and_markers_stop_nothing(moto: Moto, tmp_path: Path) -> None:
    """K2: one stray key, a dotted key, a zero-byte folder marker."""
    store = open_store("s3://calls/odd", moto.settings)
    for name in ("call-1", "call-2"):
        keep(store, name)
    clean = list(store.list(""))
    for key in ODD:
        moto.put(f"odd/{key}", b"" if key.endswith("/") else b"x")
    for key in MARKERS:
        moto.put(f"odd/{key}", b"")
    assert list(store.list("")) == clean
    assert list(store.list("manifests/")) == [key for key in clean if key.startswith("manifests/")]
    archive = Archive(store, clock=ManualClock())
    assert list(archive.conversations()) == ["call-1", "call-2"]
    assert [one.after for one in reread(archive, every=True)] == ["done", "done"]
    assert archive.transcript("call-2").read()
    # Of those in one folder that cannot be listed, the first is named.
    assert found(store) == sorted(("stray", key) for key in ODD if key != "raw//")
    keep(store, "call-3")
    assert archive.copy_to(str(tmp_path / "copy")) == len(list(store.list("")))
    assert archive.erase(["call-1"]).erasures[0].keys == 5
    assert [key for key in moto.listed() if key.startswith("odd/") and "//" in key]


def test_an_empty_folder_beside_a_stray_key_is_empty(moto: Moto) -> None:
    """K2: an empty listing is held against the archive's own note, beside which such a key may lie."""
    store = open_store("s3://calls/stray", moto.settings)
    Archive(store, clock=ManualClock()).prepare()
    moto.put("stray/_turnkeeper//x")
    assert list(store.list("raw/")) == []


class Pages:
    """A client that gives these pages, and cannot read some keys."""

    def __init__(self, *pages: list[str], endless: bool = False) -> None:
        self._pages, self._endless = pages, endless

    def pages(self, folder: str, after: str) -> Iterator[list[ListedObject]]:
        while True:
            for page in self._pages:
                inside = [key for key in page if key.startswith(f"{folder}/" if folder else "") and key > after]
                bad = next((key for key in inside if "//" in key), None)
                if bad:
                    raise UnlistableKey(bad)
                yield [(key, 1) for key in inside]
            if not self._endless:
                return

    def children(self, folder: str) -> tuple[list[ListedObject], list[str]]:
        start = f"{folder}/" if folder else ""
        inside = [key.removeprefix(start) for page in self._pages for key in page if key.startswith(start)]
        if any(key.startswith("/") for key in inside):
            raise UnlistableKey(f"{start}/x")
        objects = [(f"{start}{key}", 1) for key in inside if "/" not in key]
        return objects, sorted({f"{start}{key.partition('/')[0]}" for key in inside if "/" in key})


@pytest.mark.parametrize(
    "keys",
    [
        ["a.json", "b/c/d.json", "b/e.json"],
        ["b//x", "b/c/d.json", "b/e.json"],
        ["a/b.json", "b/c//x", "b/c/d.json", "b/d/e.json", "c.json"],
        ["raw//x", "raw/1/2.json", "manifests//x", "manifests/1/2.json"],
        ["/x", "raw//x", "raw/1/2.json"],
    ],
)
def test_every_other_key_is_listed_in_order(keys: list[str]) -> None:
    odd: list[str] = []
    listed = list(KeyListing(Pages(sorted(keys))).keys("", odd.append))
    assert listed == sorted(key for key in keys if "//" not in key and not key.startswith("/"))
    assert len(odd) >= (any("//" in key for key in keys))


def test_a_key_that_cannot_be_passed_over_is_named() -> None:
    with pytest.raises(StoreRefused, match="cannot be listed") as caught:
        list(KeyListing(Pages(["manifests//x", "manifests/a//y", "manifests/b/1.json"])).keys("manifests"))
    assert caught.value.key.startswith("manifests/")


@pytest.mark.parametrize("pages", [[["a", "b"]], [["a", "b"], ["c"]], [["b"], ["a"]]])
def test_a_listing_that_makes_no_progress_ends(pages: list[list[str]]) -> None:
    """K8: a listing that repeats its pages, or goes on by the same token for ever."""
    with pytest.raises(Unavailable, match="goes back"):
        list(KeyListing(Pages(*pages, endless=True)).keys(""))


class Hiccups(Pages):
    """A client that sees every second listing end before its first key: an error of the store that reads as a page."""

    def __init__(self, *pages: list[str]) -> None:
        super().__init__(*pages)
        self._asked = 0

    def pages(self, folder: str, after: str) -> Iterator[list[ListedObject]]:
        self._asked += 1
        for number, page in enumerate(super().pages(folder, after)):
            if self._asked % 2 and (number or len(page) < 1000):
                return
            yield page


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 2500, 3000])
def test_a_page_that_is_an_error_in_disguise_ends_no_listing(count: int) -> None:
    """K1: an error with status 200 instead of a page of a listing reads as one without keys, and the last."""
    names = [f"raw/{number:06}.json" for number in range(count)]
    client = Hiccups(*(names[at : at + 1000] for at in range(0, count, 1000)))
    assert list(KeyListing(client).keys("raw")) == names


def test_a_listing_that_does_not_come_back_ends_and_is_not_asked_for_twice() -> None:
    """K8: empty pages, each with a token to go on by, on which the client never comes back."""
    deadline, honest = ListDeadline(0.05), threading.Event()
    with pytest.raises(Unavailable, match="does not end"):
        deadline.call(honest.wait, "raw")
    with pytest.raises(Unavailable, match="does not end"):
        deadline.call(lambda: ["raw/1/2.json"], "raw")
    honest.set()
    for thread in threading.enumerate():
        if thread.name == "list":
            thread.join()
    assert deadline.call(lambda: ["raw/1/2.json"], "raw") == ["raw/1/2.json"]


@pytest.mark.parametrize("cause", [TimeoutError(), UnlistableKey("raw//x")])
def test_what_a_client_raises_while_it_lists_is_raised(cause: Exception) -> None:
    def ask() -> None:
        raise cause

    with pytest.raises(type(cause)) as caught:
        ListDeadline(60).call(ask, "raw")
    assert caught.value is cause


class Caseless:
    """A store that does not tell capital letters from small ones, as some file systems."""

    def __init__(self, store: Store) -> None:
        self._store, self._names = store, {}

    def _same(self, key: str) -> str:
        return self._names.setdefault(key.lower(), key)

    def __getattr__(self, name: str) -> Any:
        own = getattr(self._store, name)
        if name in ("put", "put_stream", "get", "open", "size", "delete"):
            return lambda key, *given, **more: own(self._same(key), *given, **more)
        return own

    def list(self, prefix: str) -> Iterator[str]:
        for key in self._store.list(""):
            if key.lower().startswith(prefix.lower()):
                yield prefix + key[len(prefix) :]


@pytest.mark.parametrize("new", [True, False])
def test_ids_that_differ_by_case_are_found_where_the_store_ignores_it(*, new: bool) -> None:
    """K8: the second does not take over the first."""
    store: Any = Caseless(open_store("memory://", StoreSettings()))
    kept = keep(store, "call-a")
    archive = Archive(store, clock=ManualClock())
    with pytest.raises(Unread, match="capital letters") as caught:
        archive.commit("CALL-A", [transcript("CALL-A", "other words")], new=new)
    assert caught.value.hint
    assert archive.manifest("call-a") == kept.manifest
    with pytest.raises(Unread):
        archive.transcript("CALL-A")
    assert b"my card number" in archive.transcript("call-a").read()


def test_names_of_manifests_that_are_none_are_found(tmp_path: Path) -> None:
    """K8: manifest ``0000007.json``."""
    store = open_store(str(tmp_path / "archive"))
    keep(store, "call-1")
    before = contents(store)
    data = store.get("manifests/call-1/000001.json")
    odd = ["manifests/call-1/0000007.json", "manifests/call-1/1.json", "manifests/call-2/7.json"]
    for key in odd:
        store.put(key, data)
    assert found(store) == sorted(("stray", key) for key in odd)
    archive = Archive(store, clock=ManualClock())
    assert [one.generation for one in archive.manifests()] == [1]
    keep(store, "call-1")
    assert {key: data for key, data in contents(store).items() if key not in odd} == before


def test_an_archives_own_note_that_is_a_pipe_is_never_opened(tmp_path: Path) -> None:
    """Last round: ``archive.json`` is a FIFO."""
    root = tmp_path / "archive"
    keep(FolderStore(root), "call-1")
    note = next(path for path in root.rglob("archive.json"))
    note.unlink()
    os.mkfifo(note)
    assert ("link", note.relative_to(root).as_posix()) in found(FolderStore(root))
    assert list(Archive(FolderStore(root)).conversations()) == ["call-1"]
