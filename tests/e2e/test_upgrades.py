"""What earlier versions left behind is opened, kept up and, where it is newer than this version, refused.

``tests/data/archive-1`` was written by commit 67e0e61: three conversations (plain, transferred, unreadable) of the
simulator with seed 7, by ``turnkeeper get``. ``tests/data/ledger-1.sqlite3`` is the queue of an export that was killed
just before it told the archive's index: those three, one late, one absent, one whose links were dead.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest

import turnkeeper as tk
from tests.conftest import Cli, Platform, credentials
from tests.views import view_path
from turnkeeper.clock import RemoteClock
from turnkeeper.exporter.ledger import Ledger
from turnkeeper.simulator import Running

DATA = Path(__file__).parents[1] / "data"
PLAIN, TRANSFER, UNREAD = (
    "d405543d-1d87-48c4-aa8b-bf90b16996c1",
    "80b87f3f-7a77-4419-bdb7-e15c1f7e4f06",
    "409b1c7d-4eb9-45ed-ae7a-c046083900fb",
)
LATE, ABSENT, DEAD = (
    "27e69b39-67b6-4d74-82d9-b9ea9630cc11",
    "6bd306ce-4101-41ab-9e7a-ba20aa525b7b",
    "fe67a89b-39c9-444e-bd48-bba6fd2ac0a4",
)
OPENED = datetime(2026, 11, 22, 14, 40, tzinfo=UTC)
"""After the ledger's last entry, before any of its transcripts is given up."""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / "archive-1", tmp_path / "archive"))


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return Path(shutil.copy(DATA / "ledger-1.sqlite3", tmp_path / "ledger.sqlite3"))


def settings(running: Running) -> tk.PlatformSettings:
    return tk.PlatformSettings(
        base_url=running.base_url, client_id=running.client_id, client_secret=running.client_secret, api="media"
    )


def move(running: Running, days: float) -> None:
    body = json.dumps({"advance": days * 86_400}).encode()
    urllib.request.urlopen(urllib.request.Request(running.clock_url, data=body)).close()


def views(archive: Path) -> dict[str, bytes]:
    found = [path for kind in ("transcripts", "summaries") for path in (archive / kind).rglob("*.json")]
    return {path.relative_to(archive).as_posix(): path.read_bytes() for path in found}


def test_an_earlier_archive_reads_and_is_clean(archive: Path, cli: Cli) -> None:
    opened = tk.Archive(str(archive))
    assert sorted(opened.conversations()) == sorted([PLAIN, TRANSFER, UNREAD])
    states = {name: kept.state for name in opened.conversations() if (kept := opened.manifest(name))}
    assert states == {PLAIN: "done", TRANSFER: "done", UNREAD: "unread"}
    assert [turn.role for turn in tk.read_turns(str(archive))].count("agent") > 5
    assert list(opened.verify()) == []
    assert cli("verify", str(archive), "--views", code=0).code == 0


def test_an_export_goes_on_from_an_earlier_archive(archive: Path, platform: Platform, tmp_path: Path) -> None:
    running = platform(now=OPENED)
    before = views(archive)
    clock = RemoteClock(running.clock_url)
    book = tmp_path / "ledger.sqlite3"
    report = tk.export(to=str(archive), last="100d", platform=settings(running), ledger=book, clock=clock)
    assert (report.found, report.failed) == (25, 0)
    assert {key: data for key, data in views(archive).items() if key in before} == before
    opened = tk.Archive(str(archive))
    assert list(opened.verify()) == []
    found = tk.status(opened, platform=settings(running), clock=clock)
    assert (found.done, found.absent, found.unread, found.missing) == (20, 4, 1, 0)
    said = {reason.split(":")[0]: count for reason, count in found.reasons["absent"].items()}
    assert said == {"queued": 2, "404 resource.not.found": 1, "empty": 1}
    # Only what does not fit into an answer is downloaded from storage.
    assert (report.transcripts, report.downloads) == (21, 7)


def test_an_export_goes_on_from_an_earlier_ledger(archive: Path, ledger: Path, platform: Platform) -> None:
    running = platform(now=OPENED)
    clock = RemoteClock(running.clock_url)

    def again() -> tk.RunReport:
        return tk.export(to=str(archive), ids=[PLAIN], platform=settings(running), ledger=ledger, clock=clock)

    first = again()
    # What was kept is not asked for again; what failed and what is absent was due.
    assert (first.new, first.visited, first.done, first.absent) == (0, 3, 1, 2)
    assert first.states == {"done": 3, "absent": 2, "unread": 1}
    for _ in range(10):
        move(running, 1)
        last = again()
    assert (last.states, last.waiting) == ({"done": 4, "absent": 1, "unread": 1}, 0)
    opened = tk.Archive(str(archive))
    assert list(opened.verify()) == []
    found = tk.status(opened, clock=clock)
    assert (found.done, found.absent, found.unread, found.waiting) == (4, 1, 1, 0)


def test_retry_goes_on_from_an_earlier_ledger(archive: Path, ledger: Path, platform: Platform) -> None:
    running = platform(now=datetime(2026, 11, 22, 14, 30, tzinfo=UTC))  # before anything is due
    clock = RemoteClock(running.clock_url)
    report = tk.export(to=str(archive), retry=True, platform=settings(running), ledger=ledger, clock=clock)
    # What failed, and what arrived and could not be read.
    assert (report.visited, report.done, report.found) == (2, 1, 0)
    assert view_path(archive, DEAD).exists()


class NextLedger(Ledger):
    """A version to come."""

    steps = (*Ledger.steps, "ALTER TABLE calls ADD COLUMN note TEXT; CREATE INDEX calls_note ON calls (note);")


def test_an_earlier_ledger_takes_the_steps_it_lacks_and_keeps_what_it_knows(ledger: Path) -> None:
    clock = tk.ManualClock(OPENED)
    book = Ledger(ledger, clock)
    known, changed, due = book.counts(), book.changes("2026-10-05"), book.due()
    book.close()
    assert known == {"done": 2, "absent": 2, "unread": 1, "failed": 1}
    newer = NextLedger(ledger, clock)
    assert (newer.counts(), newer.changes("2026-10-05"), newer.due()) == (known, changed, due)
    # Closed on any answer by the version that wrote it, so it is listed once more (K8).
    assert not newer.window_closed("all", "2026-10-05T00:00:00.000Z", "2026-10-06T00:00:00.000Z")
    assert {one.call.conversation for one in newer.take(9)} == {LATE, ABSENT, DEAD}
    newer.close()
    assert version(ledger) == len(NextLedger.steps)


def test_a_new_ledger_is_the_same_as_one_that_was_upgraded(ledger: Path, tmp_path: Path) -> None:
    clock = tk.ManualClock(OPENED)
    fresh = tmp_path / "fresh.sqlite3"
    for path in (ledger, fresh):
        NextLedger(path, clock).close()
    assert tables(ledger) == tables(fresh)


def test_a_newer_ledger_is_refused_with_the_mend(ledger: Path) -> None:
    clock = tk.ManualClock(OPENED)
    NextLedger(ledger, clock).close()
    before = ledger.read_bytes()
    with pytest.raises(tk.errors.StoreRefused, match="version 4") as refused:
        Ledger(ledger, clock)
    assert "Upgrade turnkeeper" in refused.value.hint
    assert ledger.read_bytes() == before


def test_a_database_that_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE calls (somebody TEXT)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(tk.errors.StoreRefused, match="no ledger of turnkeeper") as refused:
        Ledger(path, tk.ManualClock(OPENED))
    assert "Remove the file" in refused.value.hint
    assert path.read_bytes() == before


def test_a_newer_archive_is_refused_with_the_mend(archive: Path, cli: Cli, platform: Platform) -> None:
    note = archive / "_turnkeeper/archive.json"
    note.write_text(note.read_text().replace("turnkeeper.archive/1", "turnkeeper.archive/3"))
    ran = cli("export", "--to", str(archive), "--last", "100d", env=credentials(platform(now=OPENED)), code=1)
    assert "pip install -U turnkeeper" in ran.err


def version(path: Path) -> int:
    with sqlite3.connect(path) as db:
        found = db.execute("PRAGMA user_version").fetchone()[0]
    db.close()
    return int(found)


def tables(path: Path) -> set[tuple[str, str]]:
    with sqlite3.connect(path) as db:
        found = set(db.execute("SELECT type, name FROM sqlite_master"))
        found |= {("column", row[1]) for row in db.execute("PRAGMA table_info(calls)")}
    db.close()
    return found
