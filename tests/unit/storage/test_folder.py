"""Folders: durable, whole or not there, and refusals that name the mend."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import pytest
from tests.unit.small_calls import commit_call

from turnkeeper.archive.verify import Verification
from turnkeeper.errors import Conflict, DiskFull, StoreRefused, Unavailable
from turnkeeper.settings import StoreSettings
from turnkeeper.spool import BytesSource
from turnkeeper.storage.disk import Disk
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.object_store import open_store


class Failing(Disk):
    """A disk on which one operation fails."""

    def __init__(self, operation: str, number: int) -> None:
        self._operation, self._error = operation, OSError(number, os.strerror(number))

    def _fail(self, operation: str) -> None:
        if operation == self._operation:
            raise self._error

    def create(self, path: Path) -> int:
        self._fail("create")
        return super().create(path)

    def write(self, descriptor: int, data: bytes | memoryview) -> None:
        super().write(descriptor, data[: len(data) // 2])
        self._fail("write")
        super().write(descriptor, data[len(data) // 2 :])

    def sync(self, descriptor: int) -> None:
        self._fail("sync")
        super().sync(descriptor)

    def link(self, source: Path, target: Path) -> None:
        self._fail("link")
        super().link(source, target)

    def replace(self, source: Path, target: Path) -> None:
        self._fail("replace")
        super().replace(source, target)


class Recording(Disk):
    """A disk that remembers in which order things became durable."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def sync(self, descriptor: int) -> None:
        self.calls.append("sync")
        super().sync(descriptor)

    def link(self, source: Path, target: Path) -> None:
        self.calls.append("link")
        super().link(source, target)

    def replace(self, source: Path, target: Path) -> None:
        self.calls.append("replace")
        super().replace(source, target)

    def sync_folder(self, folder: Path) -> None:
        self.calls.append(f"folder {folder.name}")
        super().sync_folder(folder)


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_bytes_are_durable_before_their_name_and_the_name_before_success(tmp_path: Path) -> None:
    disk = Recording()
    store = FolderStore(tmp_path / "a", disk=disk)
    store.put("m/000001.json", b"1", create=True)
    assert disk.calls[-4:] == ["sync", "folder a", "link", "folder m"]
    assert disk.calls.index("folder _turnkeeper") < disk.calls.index("sync")
    store.put("m/view.json", b"1")
    assert disk.calls[-3:] == ["sync", "replace", "folder m"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("operation", ["create", "write", "sync", "replace"])
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, operation: str, number: int) -> None:
    store = FolderStore(tmp_path, disk=Failing(operation, number))
    with pytest.raises(DiskFull) as caught:
        store.put_stream("raw/a.json", BytesSource(b"x" * 100))
    assert caught.value.key == "raw/a.json"
    assert "Free some space" in str(caught.value)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "words"), [(errno.EROFS, "read-only"), (errno.EACCES, "may not write"), (errno.ENOTDIR, "is a file")]
)
def test_a_folder_that_cannot_be_written_says_what_to_do(tmp_path: Path, number: int, words: str) -> None:
    with pytest.raises(StoreRefused) as caught:
        FolderStore(tmp_path, disk=Failing("create", number)).put("a.json", b"1")
    assert words in caught.value.hint


def test_a_disk_error_may_pass(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        FolderStore(tmp_path, disk=Failing("sync", errno.EIO)).put("a.json", b"1")


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreRefused) as caught:
        open_store(str(tmp_path / "file"), StoreSettings())
    assert "is a file" in str(caught.value)
    below = FolderStore(tmp_path / "file" / "below")
    with pytest.raises(StoreRefused) as caught:
        below.put("a.json", b"1")
    assert "choose another folder" in caught.value.hint
    assert below.size("a.json") is None
    assert list(below.list("")) == []


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "none")
    assert list(store.list("")) == []
    assert store.size("a.json") is None
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EMLINK])
def test_without_hard_links_creating_is_exclusive_all_the_same(tmp_path: Path, number: int) -> None:
    store = FolderStore(tmp_path, disk=Failing("link", number))
    won: list[int] = []
    start = threading.Barrier(16)

    def create(writer: int) -> None:
        start.wait()
        try:
            store.put("m/000001.json", b"%d" % writer, create=True)
            won.append(writer)
        except Conflict:
            pass

    threads = [threading.Thread(target=create, args=(writer,)) for writer in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.get("m/000001.json") == b"%d" % won[0]
    assert list(store.list("")) == ["m/000001.json"]


def test_sixteen_processes_create_and_one_wins(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from turnkeeper.storage.folder import FolderStore\n"
        "from turnkeeper.errors import Conflict\n"
        "sys.stdin.readline()\n"
        "try: FolderStore(Path(sys.argv[1])).put('m/1.json', sys.argv[2].encode(), create=True); print('won')\n"
        "except Conflict: print('lost')"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for number in range(16)
    ]
    said = [racer.communicate(b"go\n")[0].decode().strip() for racer in racers]
    assert sorted(said) == ["lost"] * 15 + ["won"]
    assert (tmp_path / "m/1.json").read_text() == str(said.index("won"))


def test_a_process_killed_in_the_middle_leaves_nothing_visible(tmp_path: Path) -> None:
    code = (
        "import io, sys, time; from pathlib import Path; from turnkeeper.storage.folder import FolderStore\n"
        "class Endless(io.RawIOBase):\n"
        "    def read(self, count=-1):\n"
        "        sys.stdout.write('x'); sys.stdout.flush(); return b'y' * count\n"
        "class Source:\n"
        "    size = 1 << 40\n"
        "    def open(self): return Endless()\n"
        "FolderStore(Path(sys.argv[1])).put_stream('raw/a.json', Source())"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        writer.stdout.read(5)
        writer.send_signal(signal.SIGKILL)
    store = FolderStore(tmp_path)
    assert list(store.list("")) == []
    assert store.size("raw/a.json") is None
    [left] = files(tmp_path)
    old = (tmp_path / left).stat().st_mtime - 601
    os.utime(tmp_path / left, (old, old))
    FolderStore(tmp_path)
    assert files(tmp_path) == []


def test_the_sweep_spares_living_writers_and_strangers(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("a.json", b"1")
    incoming = tmp_path / "_turnkeeper" / "incoming"
    host = store._host
    with subprocess.Popen(["/bin/true"]) as ended:
        pass
    names = [f"{host}.{os.getpid()}.living", f"0000aaaa.{ended.pid}.elsewhere", f"{host}.{ended.pid}.dead"]
    for name in names:
        (incoming / name).write_text("half")
    moment = (incoming / names[0]).stat().st_mtime
    FolderStore(tmp_path, now=lambda: moment + 60)
    assert len(list(incoming.iterdir())) == 3
    FolderStore(tmp_path, now=lambda: moment + 700)
    assert sorted(path.name for path in incoming.iterdir()) == sorted(names[:2])
    FolderStore(tmp_path, now=lambda: moment + 90_000)
    assert list(incoming.iterdir()) == []


def test_what_else_lies_in_the_folder_is_not_listed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("m/a.json", b"1")
    (tmp_path / "m" / ".DS_Store").write_text("")
    (tmp_path / "m" / "copy of a.json").write_text("")
    (tmp_path / "_turnkeeper" / "lock").write_text("")
    assert list(store.list("")) == ["m/a.json"]


def test_a_size_limit_of_the_process_is_a_full_disk(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path; from turnkeeper.storage.folder import FolderStore\n"
        "from turnkeeper.errors import DiskFull; from turnkeeper.spool import BytesSource\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "store = FolderStore(Path(sys.argv[1]))\n"
        "try: store.put_stream('raw/a.json', BytesSource(b'x' * (3 << 20)))\n"
        "except DiskFull: store.put('small.json', b'1'); print(list(store.list('')))"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "['small.json']"


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}"])
def test_every_form_of_a_folders_address_is_the_same_place(tmp_path: Path, form: str) -> None:
    place = tmp_path / "an archive"
    url = form.format(str(place) if form == "{}" else str(place).replace(" ", "%20"))
    open_store(url, StoreSettings()).put("a.json", b"1")
    assert (place / "a.json").read_bytes() == b"1"
    assert open_store(str(place), StoreSettings()).url == place.as_uri()


class Gone(Disk):
    """A disk on which, the first time, somebody else's object stands under the name and is then gone again."""

    def __init__(self) -> None:
        self.first = True

    def link(self, source: Path, target: Path) -> None:
        if self.first:
            self.first = False
            raise FileExistsError(errno.EEXIST, "there", str(target))
        super().link(source, target)


class Pruning(Disk):
    """A disk on which, the first time, an erasure removes the folder that was just made, because it is empty."""

    def __init__(self) -> None:
        self.first = True

    def _prune(self, target: Path) -> None:
        if self.first:
            self.first = False
            target.parent.rmdir()

    def link(self, source: Path, target: Path) -> None:
        self._prune(target)
        super().link(source, target)

    def replace(self, source: Path, target: Path) -> None:
        self._prune(target)
        super().replace(source, target)


def test_a_name_that_is_free_again_is_taken(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, disk=Gone())
    store.put("manifests/c/000001.json", b"mine", create=True)
    assert store.get("manifests/c/000001.json") == b"mine"


@pytest.mark.parametrize("create", [True, False])
def test_a_folder_that_an_erasure_removes_is_made_again(tmp_path: Path, *, create: bool) -> None:
    store = FolderStore(tmp_path, disk=Pruning())
    store.put("manifests/c/000001.json", b"mine", create=create)
    assert store.get("manifests/c/000001.json") == b"mine"
    FolderStore(tmp_path, disk=Pruning()).put_stream("raw/d/leg/a.json", BytesSource(b"body"))
    assert store.get("raw/d/leg/a.json") == b"body"


def test_a_disk_that_cannot_be_read_is_said_and_ends_no_verification(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    kept = commit_call(store, "call-1")
    [view] = [one.key for one in kept.manifest.views if one.key.startswith("transcripts/")]
    (tmp_path / view).unlink()
    # The memory of this very process: it opens, and its first bytes are an I/O error.
    torn = FolderStore(Path("/proc/self"))
    with pytest.raises(Unavailable, match="Input/output error"):
        torn.get("mem")
    with torn.open("mem") as body, pytest.raises(Unavailable, match="Input/output error"):
        body.read(10)

    class Torn(FolderStore):
        def open(self, key: str) -> BinaryIO:
            return torn.open("mem") if key == view else super().open(key)

    assert [finding.kind for finding in Verification(Torn(tmp_path))] == ["unchecked"]


def test_a_writer_in_another_container_of_the_same_name_keeps_its_file(tmp_path: Path) -> None:
    """Its process number means nothing here, so the file looks like that of a process that is gone."""

    class Elsewhere(Disk):
        def sync(self, descriptor: int) -> None:
            super().sync(descriptor)
            [path] = (tmp_path / "_turnkeeper/incoming").iterdir()
            host, _, mark = path.name.split(".")
            disguised = path.rename(path.with_name(f"{host}.999999999.{mark}"))
            seen.append((FolderStore(tmp_path).drop_leftovers(), disguised.exists()))
            disguised.rename(path)

    seen: list[tuple[int, bool]] = []
    store = FolderStore(tmp_path, disk=Elsewhere())
    store.put("manifests/c/000001.json", b"mine", create=True)
    store.put_stream("raw/d/leg/a.json", BytesSource(b"body"))
    assert seen == [(0, True), (0, True)]
    assert (store.get("manifests/c/000001.json"), store.get("raw/d/leg/a.json")) == (b"mine", b"body")
    assert list(store.unclaimed()) == []
