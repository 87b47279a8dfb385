"""An archive of version 1 is read as it is; calls move when they change, or when somebody asks for it.

``tests/data/archive-1b`` was written by commit 7e014fe: one ``get`` with a selection, then an export of four calls, of
the simulator with seed 7.
"""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

import turnkeeper as tk
from turnkeeper.archive import keys
from turnkeeper.archive.archive import Archive, FetchedBody
from turnkeeper.archive.manifest import Input, Manifest
from turnkeeper.archive.metadata import FORMAT, FORMAT_1, read_metadata
from turnkeeper.archive.reread import reread
from turnkeeper.archive.verify import Verification
from turnkeeper.clock import ManualClock
from turnkeeper.spool import Spool
from turnkeeper.storage.key_rules import MARKER

DATA = Path(__file__).parents[2] / "data"
EARLIER = ["archive-1", "archive-1b"]


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / getattr(request, "param", "archive-1b"), tmp_path / "archive"))


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def legacy(archive: Archive) -> dict[str, bool]:
    return {one.conversation: any(view.has_legacy_key for view in one.views) for one in archive.manifests()}


@pytest.mark.needs(part="pages")
@pytest.mark.parametrize("folder", EARLIER, indirect=True)
def test_it_is_opened_verified_read_and_reported_as_it_is(folder: Path, tmp_path: Path) -> None:
    before = files(folder)
    archive = Archive(str(folder), clock=ManualClock())
    done = [one.conversation for one in archive.manifests() if one.state == "done"]
    assert len(done) >= 2
    assert list(Verification(archive.store, views=True)) == []
    for conversation in done:
        assert len(json.loads(archive.transcript(conversation).read())["transcript"]) > 5
        assert archive.summary(conversation)["storage_location"] == f"{archive.url}/transcripts/{conversation}.json"
    layout = read_metadata(archive.store)
    assert layout
    assert layout.format == FORMAT_1
    assert files(folder) == before
    made = tk.report(str(folder), out=tmp_path / "pages")
    assert made.written == len(done)
    # Reading leaves a line in the audit, and nothing else.
    assert {key: data for key, data in files(folder).items() if "/audit/" not in key} == before


def _summed(archive: Archive) -> list[Manifest]:
    return [one for one in archive.manifests() if one.summary]


def bodies(folder: Path, manifest: Manifest) -> list[FetchedBody]:
    """The same bytes once more, as if they had just been fetched."""

    def arrived(one: Input) -> FetchedBody:
        spool = Spool()
        spool.write((folder / one.key).read_bytes())
        spool.withheld = one.withheld
        return FetchedBody(spool.seal(), one.source)

    return [arrived(one) for one in manifest.inputs]


@pytest.mark.parametrize("new", [True, False])
def test_an_unchanged_call_stays_where_it_is_and_the_archive_is_marked(folder: Path, *, new: bool) -> None:
    before = files(folder)
    archive = Archive(str(folder), clock=ManualClock())
    for manifest in list(archive.manifests()):
        kept = archive.commit(manifest.conversation, bodies(folder, manifest), new=new)
        assert not kept.changed
        assert kept.key == f"transcripts/{manifest.conversation}.json"
    after = files(folder)
    note = json.loads(after.pop(MARKER))
    old = json.loads(before.pop(MARKER))
    assert (note["format"], note["created"], len(note["id"])) == (FORMAT, old["created"], 32)
    assert {key: data for key, data in after.items() if not key.startswith(keys.STATES)} == {
        key: data for key, data in before.items() if not key.startswith(keys.STATES)
    }


def test_a_call_moves_when_it_changes_and_the_others_stay(folder: Path) -> None:
    archive = Archive(str(folder), clock=ManualClock())
    first = next(iter(archive.conversations()))
    spool = Spool()
    spool.write(b'{"status": "unknown"}')
    archive.commit(first, [FetchedBody(spool.seal(), "media")])
    manifest = archive.manifest(first)
    assert manifest
    archive.commit(first, bodies(folder, next(one for one in _generations(folder, first) if one.state == "done")))
    assert [moved for _, moved in sorted(legacy(archive).items())] == [False, True, True, True]
    assert archive.transcript(first).read() == (folder / f"transcripts/{first}.json").read_bytes()
    assert list(Verification(archive.store)) == []


def _generations(folder: Path, conversation: str) -> list[Manifest]:
    from turnkeeper.archive.manifest import parse

    return [parse(path.read_bytes()) for path in sorted((folder / "manifests" / conversation).iterdir())]


@pytest.mark.parametrize("folder", EARLIER, indirect=True)
def test_reread_of_every_call_brings_it_forward_once(folder: Path) -> None:
    before = files(folder)
    clock = ManualClock(datetime(2027, 1, 1, tzinfo=UTC))
    archive = Archive(str(folder), clock=clock)
    assert [one.changed for one in reread(archive)] in ([], [False])
    assert any(legacy(archive).values())
    changed = [one.changed for one in reread(archive, every=True)]
    assert sum(changed) == len(_summed(archive))
    assert not any(legacy(archive).values())
    assert {key: data for key, data in files(folder).items() if key.startswith(("raw/", "directory/"))} == {
        key: data for key, data in before.items() if key.startswith(("raw/", "directory/"))
    }
    assert not any(one.changed for one in reread(archive, every=True))
    assert list(Verification(archive.store, views=True)) == []
    clock.advance(3 * 86_400)
    assert archive.sweep() >= 4
    assert not [path for path in (folder / "transcripts").iterdir() if path.is_file()]
    assert list(Verification(archive.store, views=True)) == []
