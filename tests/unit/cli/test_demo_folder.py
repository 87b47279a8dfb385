"""What the demo may replace: what an earlier demo left, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from turnkeeper.archive.archive import Archive
from turnkeeper.cli.demo_folder import DemoFolder
from turnkeeper.clock import ManualClock
from turnkeeper.errors import Misconfigured
from turnkeeper.spool import BytesSource


def archive(*conversations: str) -> Archive:
    made = Archive("memory://", clock=ManualClock())
    made.prepare()
    for name in conversations:
        made.store.put_stream(f"manifests/{name}/000001.json", BytesSource(b"{}"))
    return made


def left(tmp_path: Path) -> DemoFolder:
    place = DemoFolder(tmp_path / "demo")
    place.refuse_strangers()
    place.leave(archive("c1", "c2"), ["c1", "c2"])
    place.report.mkdir()
    place.mark_report()
    return place


class Unlisted:
    """A store that fails while it is listed."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def list(self, prefix: str) -> Iterator[str]:
        yield from ()
        raise OSError(5, "gone")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_an_earlier_demo_is_replaced(tmp_path: Path) -> None:
    left(tmp_path)
    place = DemoFolder(tmp_path / "demo")
    place.refuse_strangers()
    place.leave(archive("c3"), ["c3"])
    assert [path.name for path in (tmp_path / "demo/manifests").iterdir()] == ["c3"]
    assert {path.name for path in tmp_path.iterdir()} == {"demo", "demo-report"}


def test_a_real_archive_is_refused_and_stays(tmp_path: Path) -> None:
    """K1: demo --folder A_REAL_ARCHIVE."""
    folder = tmp_path / "demo"
    real = Archive(str(folder), clock=ManualClock())
    real.prepare()
    before = files(folder)
    place = DemoFolder(folder)
    with pytest.raises(Misconfigured, match="was not left by the demo"):
        place.refuse_strangers()
    with pytest.raises(Misconfigured, match="was not left by the demo"):
        place.leave(archive("c1"), ["c1"])
    assert files(folder) == before


@pytest.mark.parametrize("name", ["manifests/a-real-call/000001.json", "notes.txt"])
def test_a_demo_with_something_of_the_users_in_it_is_refused(tmp_path: Path, name: str) -> None:
    """K1: the same where a real call was exported into the demo's archive."""
    place = left(tmp_path)
    (place.folder / name).parent.mkdir(parents=True, exist_ok=True)
    (place.folder / name).write_text("mine")
    with pytest.raises(Misconfigured, match="more than the demo left"):
        DemoFolder(place.folder).refuse_strangers()
    assert (place.folder / name).read_text() == "mine"


def test_a_report_of_another_archive_is_refused(tmp_path: Path) -> None:
    """K1: its -report replaced."""
    report = tmp_path / "demo-report"
    report.mkdir()
    (report / "index.html").write_text("mine")
    with pytest.raises(Misconfigured, match="demo-report: exists"):
        DemoFolder(tmp_path / "demo").refuse_strangers()


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    real = left(tmp_path / "other").folder
    (tmp_path / "demo").symlink_to(real)
    with pytest.raises(Misconfigured):
        DemoFolder(tmp_path / "demo").refuse_strangers()


def test_a_copy_that_ends_early_leaves_the_earlier_demo(tmp_path: Path) -> None:
    place = left(tmp_path)
    before = files(place.folder)
    store: Any = Unlisted(archive("c9").store)
    broken = Archive(store, clock=ManualClock())
    with pytest.raises(OSError, match="gone"):
        place.leave(broken, ["c9"])
    assert files(place.folder) == before
    assert {path.name for path in tmp_path.iterdir()} == {"demo", "demo-report"}
