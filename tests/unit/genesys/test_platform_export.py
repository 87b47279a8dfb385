"""The platform's own S3 export as a source of audio: found by the conversation's hour, never by listing everything."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest

from turnkeeper.errors import Misconfigured, NotFound
from turnkeeper.genesys.platform_export import PlatformExport
from turnkeeper.payloads.recordings import read_recordings
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.store import Store

CALL = "4d3c0000-0000-4000-8000-000000000001"
OTHER = "4d3c0000-0000-4000-8000-000000000002"
STARTED = 1_788_242_523_000  # 2026-09-01T06:02:03Z
ORGANISATION = "0a0a0000-0000-4000-8000-00000000000f"
PADDED = "year=2026/month=09/day=01/hour=06"
BARE = "year=2026/month=9/day=1/hour=6"


def lay(root: Path, hour: str = PADDED, top: str = f"{ORGANISATION}/", *, split: bool = False) -> None:
    folder = root / f"{top}{hour}/conversation_id={CALL}"
    folder.mkdir(parents=True)
    for name in ("r1", "r2"):
        (folder / f"{name}.opus").write_bytes(b"OggS" + name.encode())
        told = {"recordingId": name, "conversationId": CALL, "mediaType": "Call", "startTime": STARTED + 40}
        (folder / f"{name}{'' if split else '.opus'}_metadata.json").write_text(json.dumps(told))
    other = root / f"{top}{hour}/conversation_id={OTHER}"
    other.mkdir()
    (other / "r3.wav").write_bytes(b"RIFF")


@pytest.mark.parametrize("hour", [PADDED, BARE])
@pytest.mark.parametrize("top", [f"{ORGANISATION}/", ""])
@pytest.mark.parametrize("split", [False, True])
def test_files_and_their_metadata_are_found(tmp_path: Path, hour: str, top: str, split: bool) -> None:
    lay(tmp_path, hour, top, split=split)
    export = PlatformExport(str(tmp_path))
    files = export.find(CALL, STARTED)
    assert [(one.recording, one.key.rpartition("/")[2]) for one in files] == [("r1", "r1.opus"), ("r2", "r2.opus")]
    with export.fetch(files[1].key) as body, body.open() as reader:
        assert reader.read() == b"OggSr2"
    with export.metadata(files) as told, told.open() as reader:
        found = read_recordings(reader.read())
    assert [(one.id, one.start, one.media) for one in found] == [
        ("r1", STARTED + 40, "audio"),
        ("r2", STARTED + 40, "audio"),
    ]


def test_what_a_tool_left_beside_the_recordings_is_none(tmp_path: Path) -> None:
    lay(tmp_path)
    [folder] = tmp_path.rglob(f"conversation_id={CALL}")
    (folder / "_SUCCESS").write_text("")
    found = PlatformExport(str(tmp_path)).find(CALL, STARTED)
    assert [one.recording for one in found] == ["r1", "r2"]


def test_a_file_without_metadata_is_found_all_the_same(tmp_path: Path) -> None:
    lay(tmp_path)
    export = PlatformExport(str(tmp_path))
    (one,) = export.find(OTHER, STARTED)
    assert (one.recording, one.metadata) == ("r3", None)
    with export.metadata((one,)) as told, told.open() as reader:
        assert reader.read() == b"[]"


def test_metadata_that_is_no_json_costs_no_other(tmp_path: Path) -> None:
    lay(tmp_path)
    next(tmp_path.rglob("r1.opus_metadata.json")).write_text("<html>")
    export = PlatformExport(str(tmp_path))
    files = export.find(CALL, STARTED)
    with export.metadata(files) as told, told.open() as reader:
        assert [one.id for one in read_recordings(reader.read())] == ["r2"]


def test_a_folder_of_conversations_needs_no_time(tmp_path: Path) -> None:
    folder = tmp_path / f"conversation_id={CALL}"
    folder.mkdir()
    (folder / "r1").write_bytes(b"RIFF")
    assert [one.recording for one in PlatformExport(str(tmp_path)).find(CALL, None)] == ["r1"]


@pytest.mark.parametrize("started", [None, STARTED + 3_600_000])
def test_another_hour_is_not_searched(tmp_path: Path, started: int | None) -> None:
    lay(tmp_path)
    assert PlatformExport(str(tmp_path)).find(CALL, started) == ()


def test_an_empty_place_has_nothing(tmp_path: Path) -> None:
    export = PlatformExport(str(tmp_path / "nowhere"))
    assert export.find(CALL, STARTED) == ()
    with pytest.raises(NotFound):
        export.fetch("gone.opus")


def test_a_hostile_id_names_no_folder(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        PlatformExport(str(tmp_path)).find("../../etc", STARTED)


class Counting:
    """A store that notes what was listed, and how far."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.url = store.url
        self.listed: list[tuple[str, int]] = []
        self.looked = 0

    def list(self, prefix: str) -> Iterator[str]:
        for count, key in enumerate(self._store.list(prefix), 1):
            self.listed.append((prefix, count))
            yield key

    def folders(self, prefix: str = "") -> Sequence[str]:
        self.looked += 1
        return self._store.folders(prefix)

    def open(self, key: str) -> BinaryIO:
        return self._store.open(key)

    def get(self, key: str) -> bytes:
        return self._store.get(key)


def test_the_whole_is_never_listed(tmp_path: Path) -> None:
    lay(tmp_path)
    store = Counting(FolderStore(tmp_path))
    export = PlatformExport(store)  # type: ignore[arg-type]
    for _ in range(3):
        assert len(export.find(CALL, STARTED)) == 2
    assert "" not in [prefix for prefix, _ in store.listed]
    assert store.looked == 1


@pytest.mark.parametrize(
    "other", ["athena-results/0001.csv", "0000.csv", "0101/year=2026/month=01/day=01/hour=00/x.wav"]
)
def test_what_else_lies_in_a_bucket_hides_nothing(tmp_path: Path, other: str) -> None:
    """K2: --audio-from a bucket that also holds query results or another organisation's folder."""
    lay(tmp_path)
    (tmp_path / other).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / other).write_bytes(b"x")
    assert len(PlatformExport(str(tmp_path)).find(CALL, STARTED)) == 2


def test_a_bucket_works_as_a_folder_does(tmp_path: Path, s3_store: object) -> None:
    store: Store = s3_store()  # type: ignore[operator]
    lay(tmp_path)
    for path in sorted(tmp_path.rglob("*")):
        if path.is_file():
            store.put(path.relative_to(tmp_path).as_posix(), path.read_bytes())
    export = PlatformExport(store)
    assert [one.recording for one in export.find(CALL, STARTED)] == ["r1", "r2"]
