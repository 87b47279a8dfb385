"""Report folders and pages as files: what is written, kept, taken away, and escaped."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import turnkeeper as tk
from tests.browser.made import STARTED, Made, dialogue, people, spoken, turn, write
from tests.views import current, view_path
from turnkeeper.archive.index import CallState, Index
from turnkeeper.events import Event, Paged
from turnkeeper.pages.page_data import Gap
from turnkeeper.pages.report_journal import JOURNAL_NAME, ReportJournal
from turnkeeper.storage.folder import FolderStore

pytestmark = pytest.mark.needs(part="pages")

DAY = 86_400_000


def calls(count: int = 3) -> list[Made]:
    return [Made(f"call-{n}", dialogue(4, 2000), started=STARTED + n * DAY) for n in range(count)]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write(tmp_path / "archive", calls())


def make(archive: Path, out: Path, **options: object) -> tk.Report:
    return tk.report(str(archive), out=out, **options)  # type: ignore[arg-type]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def data(page: Path, identity: str) -> dict[str, object]:
    found = re.search(rf'<script type="application/json" id="{identity}">(.*?)</script>', page.read_text(), re.S)
    assert found
    document: dict[str, object] = json.loads(found[1])
    return document


def test_a_folder_holds_a_list_a_table_and_a_page_per_call(archive: Path, tmp_path: Path) -> None:
    made = make(archive, tmp_path / "out")
    assert (made.calls, made.written, made.kept) == (3, 3, 0)
    assert made.path == tmp_path / "out/index.html"
    assert data(made.path, "calls-data")["id"] == ["call-2", "call-1", "call-0"]
    rows = table(tmp_path / "out/calls.csv")
    assert [row["page"] for row in rows] == ["calls/call-2.html", "calls/call-1.html", "calls/call-0.html"]
    assert {row["queue"] for row in rows} == {"Billing"}
    assert all((tmp_path / "out" / row["page"]).exists() for row in rows)


def test_the_pages_of_a_folder_share_their_script(archive: Path, tmp_path: Path) -> None:
    """K7: every page carried 120 KB of the same script. A script that no page loads any more is taken away."""
    out = tmp_path / "out"
    make(archive, out)
    scripts = re.findall(r'src="\.\./assets/([^"]+)"', (out / "calls/call-0.html").read_text())
    assert len(scripts) == 1
    assert b"wavesurfer.js 8.0.1 (BSD-3-Clause)" in (out / "assets" / scripts[0]).read_bytes()
    assert (out / "calls/call-0.html").stat().st_size < 20_000
    kept = {path.name: path.stat().st_mtime_ns for path in (out / "assets").iterdir()}
    (out / "assets/call-of-an-older-version.js").write_text("old")
    make(archive, out)
    assert {path.name: path.stat().st_mtime_ns for path in (out / "assets").iterdir()} == kept


def test_made_again_only_what_changed_is_written(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(archive, out)
    before = {path: path.stat().st_mtime_ns for path in (out / "calls").glob("*.html")}
    write(archive, [Made("call-1", dialogue(5, 2000), started=STARTED + DAY)])
    made = make(archive, out)
    assert (made.written, made.kept) == (1, 2)
    changed = [path.name for path in before if path.stat().st_mtime_ns != before[path]]
    assert changed == ["call-1.html"]


def test_an_interrupted_report_goes_on(archive: Path, tmp_path: Path) -> None:
    """Whatever the moment it died: pages without an entry are made, a torn entry costs one page."""
    out = tmp_path / "out"
    make(archive, out)
    whole = {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    journal = out / JOURNAL_NAME
    journal.write_bytes(journal.read_bytes()[:-40])
    (out / "index.html").unlink()
    made = make(archive, out)
    assert (made.written, made.kept) == (1, 2)
    assert {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()} == whole


def test_what_was_erased_leaves_the_folder(tmp_path: Path) -> None:
    archive = write(tmp_path / "archive", [spoken(one) for one in calls()])
    out = tmp_path / "out"
    make(archive, out)
    assert len(list((out / "calls/audio").iterdir())) == 3
    shutil.rmtree(archive / "manifests/call-1")
    made = make(archive, out)
    assert made.removed == 1
    assert not (out / "calls/call-1.html").exists()
    assert not list((out / "calls/audio").glob("call-1*"))
    assert "call-1" not in (out / "calls.csv").read_text()
    assert "call-1" not in (out / JOURNAL_NAME).read_text()


def test_what_was_erased_leaves_a_folder_whose_journal_cannot_be_read(archive: Path, tmp_path: Path) -> None:
    """The version before had other fields in its journal: its pages are made again, and taken away with their calls."""
    out = tmp_path / "out"
    make(archive, out)
    mark, *lines = (out / JOURNAL_NAME).read_bytes().splitlines(keepends=True)
    (out / JOURNAL_NAME).write_bytes(mark + b"".join(line.replace(b'"inputs"', b'"old"') for line in lines))
    shutil.rmtree(archive / "manifests/call-1")
    made = make(archive, out)
    assert (made.written, made.removed) == (2, 1)
    assert sorted(path.stem for path in (out / "calls").glob("*.html")) == ["call-0", "call-2"]


def test_only_calls_of_a_range(archive: Path, tmp_path: Path) -> None:
    second = datetime.fromtimestamp((STARTED + DAY) / 1000, UTC)
    assert make(archive, tmp_path / "a", since=second).calls == 2
    assert make(archive, tmp_path / "b", until=second).calls == 1
    assert make(archive, tmp_path / "c", since=second, until=second).calls == 0


def test_a_call_that_cannot_be_read_stands_in_the_list_with_the_reason(archive: Path, tmp_path: Path) -> None:
    path = archive / "manifests/call-1/000001.json"
    manifest = json.loads(path.read_text())
    manifest |= {"state": "unread", "views": [], "unread": {"error": "Unread", "message": "ends in the middle"}}
    del manifest["summary"]
    path.write_text(json.dumps(manifest))
    for _ in range(2):
        made = make(archive, tmp_path / "out")
        assert (
            made.without_page == {"call-1": "ends in the middle"} or "ends in the middle" in made.without_page["call-1"]
        )
    assert made.kept == 3
    assert data(made.path, "calls-data")["page"] == [1, 0, 1]
    with pytest.raises(tk.errors.Unread, match="ends in the middle"):
        tk.report(str(archive), "call-1", out=tmp_path / "one.html")


def test_a_damaged_view_costs_its_own_page_only(archive: Path, tmp_path: Path) -> None:
    """K8: a view whose hash is wrong is not shown."""
    view_path(archive, "call-0").write_text('{"format": ')
    made = make(archive, tmp_path / "out")
    assert made.written == 2
    assert "not the ones that the manifest names" in made.without_page["call-0"]


def test_a_damaged_manifest_costs_its_own_page_only(archive: Path, tmp_path: Path) -> None:
    """K8: one truncated manifest; the others have their pages."""
    current(archive, "call-0").write_text('{"format": ')
    made = make(archive, tmp_path / "out")
    assert made.written == 2
    assert "not a manifest" in made.without_page["call-0"]


def test_a_strangers_folder_is_left_alone(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/precious.txt").write_text("precious")
    with pytest.raises(tk.errors.Misconfigured, match="not a report"):
        make(archive, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["precious.txt"]


def test_what_cannot_be_written_says_so(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(tk.errors.StoreRefused, match="is a folder"):
        tk.report(str(archive), "call-1", out=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(tk.errors.Misconfigured, match="Not a directory"):
        tk.report(str(archive), "call-1", out=tmp_path / "file/below.html")
    with pytest.raises(tk.errors.NotFound):
        tk.report(str(archive), "nobody", out=tmp_path / "one.html")
    with pytest.raises(tk.errors.Misconfigured):
        tk.report(str(archive), "../etc", out=tmp_path / "one.html")


def test_no_text_ends_the_element_it_stands_in(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><!-- \u2028 "
    made = Made("evil", [turn(0, "agent", 0, 900, evil)], people=people(evil, evil), queue=evil)
    page = tk.report(str(write(tmp_path / "archive", [made])), "evil", out=tmp_path / "one.html").path
    text = page.read_text()
    assert "alert(1)</script>" not in text
    assert text.count("<script") == 2
    assert evil in json.dumps(data(page, "call"), ensure_ascii=False).replace("\\u2028", "\u2028")
    assert "<title>&lt;/script&gt;" in text


def test_a_cell_that_a_spreadsheet_would_run_is_text(tmp_path: Path) -> None:
    names = people("=cmd|' /C calc'!A0", "@SUM(A1)")
    made = Made("formula", dialogue(2, 1000), people=names, queue="+1", wrapup="-1")
    make(write(tmp_path / "archive", [made]), tmp_path / "out")
    row = table(tmp_path / "out/calls.csv")[0]
    cells = [row[name] for name in ("customer", "agent", "queue", "wrap_up")]
    assert cells == ["'=cmd|' /C calc'!A0", "'@SUM(A1)", "'+1", "'-1"]


def test_the_same_archive_gives_the_same_page(archive: Path, tmp_path: Path) -> None:
    one, other = (tk.report(str(archive), "call-0", out=tmp_path / name).path for name in ("a.html", "b.html"))
    assert one.read_bytes() == other.read_bytes()


def test_a_page_carries_the_licence_of_what_it_carries(archive: Path, tmp_path: Path) -> None:
    text = tk.report(str(archive), "call-0", out=tmp_path / "one.html").path.read_text()
    assert "wavesurfer.js 8.0.1 (BSD-3-Clause)" in text
    assert "Redistribution and use in source and binary forms" in text


def test_a_journal_survives_nonsense(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_NAME).write_bytes(b'\xff\xfe{"inputs": 3}\n{}\nnot json\n')
    assert ReportJournal(tmp_path).entries == {}


def listed(archive: Path, calls: dict[str, int]) -> Index:
    """The archive's index, that knows when these calls started."""
    index = Index(FolderStore(archive))
    for name, start in calls.items():
        started_at = datetime.fromtimestamp(start / 1000, UTC).isoformat()
        index.commit(started_at[:10], [CallState(conversation=name, state="done", started_at=started_at)])
    return index


def test_the_index_says_which_manifests_need_not_be_read(archive: Path, tmp_path: Path) -> None:
    second = datetime.fromtimestamp((STARTED + DAY) / 1000, UTC)
    (archive / "manifests/call-0/000001.json").write_text("cannot be read")
    assert "call-0" in make(archive, tmp_path / "without", since=second).without_page
    listed(archive, {"call-0": STARTED, "call-1": STARTED + DAY})
    made = make(archive, tmp_path / "with", since=second)
    assert [row["conversation"] for row in table(tmp_path / "with/calls.csv")] == ["call-2", "call-1"]
    assert made.calls == 2
    only = make(archive, tmp_path / "only", since=second, until=datetime.fromtimestamp((STARTED + DAY) / 1000 + 1, UTC))
    assert only.calls == 1


def test_a_damaged_day_of_the_index_costs_reads_and_no_call(archive: Path, tmp_path: Path) -> None:
    listed(archive, {f"call-{n}": STARTED + n * DAY for n in range(3)})
    for path in (archive / "_turnkeeper/states").rglob("*.json"):
        path.write_text("no day")
    assert make(archive, tmp_path / "out", since=datetime.fromtimestamp((STARTED + DAY) / 1000, UTC)).calls == 2


def test_a_call_without_a_date_is_in_no_range(tmp_path: Path) -> None:
    made = Made("undated", [{"text": "Hello", "role": "customer", "speaker_id": "p-customer"}], media="message")
    archive = write(tmp_path / "archive", [made])
    path = archive / "manifests/undated/000001.json"
    manifest = json.loads(path.read_text())
    manifest["inputs"] = [one for one in manifest["inputs"] if one["source"] != "conversation"]
    path.write_text(json.dumps(manifest))
    transcript = archive / "transcripts/undated.json"
    transcript.write_text(transcript.read_text().replace(f'"epoch_ms": {STARTED}', '"epoch_ms": null'))
    view = next(one for one in manifest["views"] if one["key"] == "transcripts/undated.json")
    view |= {"sha256": hashlib.sha256(transcript.read_bytes()).hexdigest(), "size": transcript.stat().st_size}
    path.write_text(json.dumps(manifest))
    assert make(archive, tmp_path / "until", until=datetime(2100, 1, 1, tzinfo=UTC)).calls == 0
    assert make(archive, tmp_path / "all").calls == 1


def test_each_report_is_one_line_of_the_audit(archive: Path, tmp_path: Path) -> None:
    make(archive, tmp_path / "out", since=datetime(2020, 1, 1, tzinfo=UTC))
    tk.report(str(archive), "call-1", out=tmp_path / "one.html")
    lines = {line.action: line for _, line in tk.Archive(str(archive)).audit.lines()}
    assert list(lines) == ["report", "view"]
    assert lines["report"].facts == {"calls": 3, "since": "2020-01-01T00:00:00+00:00"}
    assert len(lines["report"].conversations) == 3
    assert lines["view"].conversations == ("call-1",)


class ReadOnly(FolderStore):
    """A folder that belongs to somebody else."""

    def put(self, key: str, data: bytes, *, content_type: str = "application/json", create: bool = False) -> None:
        raise tk.errors.StoreRefused("read-only file system", operation="write", key=key)


def test_an_archive_that_cannot_be_written_is_read_and_that_is_said(archive: Path, tmp_path: Path) -> None:
    opened = tk.Archive(ReadOnly(archive))
    for made in (tk.report(opened, out=tmp_path / "out"), tk.report(opened, "call-1", out=tmp_path / "one.html")):
        assert made.path.exists()
        assert len(made.notes) == 1
        assert "read-only file system" in made.notes[0]


def test_who_waits_hears_how_far_it_is(archive: Path, tmp_path: Path) -> None:
    heard: list[Event] = []
    make(archive, tmp_path / "out", listener=heard.append)
    told = [(event.done, event.calls) for event in heard if isinstance(event, Paged)]
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, []),
        ({"sync_mode": "report"}, [["There is no recording", ""]]),
        (
            {
                "states": [
                    {"id": "r-1", "state": "archived", "reason": "restore it first"},
                    {"id": "r-2", "state": "done"},
                ]
            },
            [
                [
                    "The recording must be restored by the platform first",
                    "recording r-1: archived, restore it first",
                ]
            ],
        ),
        (
            {"states": [{"id": "r-1", "state": "deleted"}]},
            [["The recording was deleted on the platform", "recording r-1: deleted"]],
        ),
    ],
)
def test_a_call_without_audio_says_why(tmp_path: Path, more: dict[str, Any], told: list[list[str]]) -> None:
    archive = write(
        tmp_path / "archive", [Made("silent", dialogue(2, 2000), notes=["recordings are missing: 403"], **more)]
    )
    page = tk.report(str(archive), "silent", out=tmp_path / "one.html").path
    assert data(page, "call").get("missing", []) == told
    notes = ["recordings are missing: 403", *([] if more else ["no recording was asked for (turnkeeper get --audio)"])]
    assert data(page, "call")["notes"] == notes
    make(archive, tmp_path / "out")
    assert table(tmp_path / "out/calls.csv")[0]["missing"] == "".join(str(Gap(*gap)) for gap in told)


def test_what_the_platform_silenced_is_said_beside_the_audio(tmp_path: Path) -> None:
    states = [{"id": "rec-1", "state": "redacted", "reason": "sensitive parts are silenced"}]
    made = spoken(Made("redacted", dialogue(2, 2000), states=states))
    page = tk.report(str(write(tmp_path / "archive", [made])), "redacted", out=tmp_path / "one.html").path
    call = data(page, "call")
    assert "missing" not in call
    assert call["recordings"][0]["notes"] == ["sensitive parts are silenced"]  # type: ignore[index]


def test_what_is_no_regular_file_is_never_replaced(archive: Path, tmp_path: Path) -> None:
    """`report … --out` onto a device renamed its file over it: a pipe stands in for one, and a link to it."""
    pipe, link = tmp_path / "pipe", tmp_path / "link.html"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for out in (pipe, link):
        with pytest.raises(tk.errors.Misconfigured, match="a device, a pipe or a socket"):
            tk.report(str(archive), "call-1", out=out)
    with pytest.raises(tk.errors.Misconfigured):
        make(archive, pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert link.is_symlink()


def test_a_link_to_a_file_stays_and_its_file_is_written(archive: Path, tmp_path: Path) -> None:
    """Kind: what stands at `--out`."""
    link, page = tmp_path / "latest.html", tmp_path / "page.html"
    page.write_text("old")
    link.symlink_to(page)
    tk.report(str(archive), "call-1", out=link)
    assert link.is_symlink()
    assert "call-1" in page.read_text()


def test_nothing_is_written_into_an_archive(archive: Path, tmp_path: Path) -> None:
    """`report ARCHIVE --out ARCHIVE/report` and `ARCHIVE/x.html` left files that the archive does not know."""
    (tmp_path / "link").symlink_to(archive)
    before = {path for path in archive.rglob("*") if "audit" not in str(path)}
    for place in (archive, tmp_path / "link"):
        with pytest.raises(tk.errors.Misconfigured, match="inside an archive"):
            make(archive, place / "report")
        with pytest.raises(tk.errors.Misconfigured, match="inside an archive"):
            tk.report(str(archive), "call-1", out=place / "x.html")
    assert {path for path in archive.rglob("*") if "audit" not in str(path)} == before


def test_the_report_of_another_archive_keeps_its_pages(archive: Path, tmp_path: Path) -> None:
    """`report --out` on another archive's report removed its pages."""
    out = tmp_path / "out"
    make(archive, out)
    other = write(tmp_path / "other", [Made("stranger", dialogue(4, 2000))])
    with pytest.raises(tk.errors.Misconfigured, match="of another archive"):
        make(other, out)
    assert len(list((out / "calls").glob("*.html"))) == 3
    assert make(archive, out).kept == 3


def test_a_report_that_an_older_version_made_is_taken_over(archive: Path, tmp_path: Path) -> None:
    """Its journal names no archive."""
    out = tmp_path / "out"
    make(archive, out)
    journal = out / JOURNAL_NAME
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[1:]))
    assert make(archive, out).kept == 3
    assert ReportJournal(out).owner


def test_a_call_whose_manifest_broke_stands_in_the_list(archive: Path, tmp_path: Path) -> None:
    """Hostile row `damage: a manifest is cut short`: a line in the list; the page is back when mended."""
    out = tmp_path / "out"
    make(archive, out)
    whole = current(archive, "call-0").read_bytes()
    current(archive, "call-0").write_bytes(whole[:20])
    made = make(archive, out)
    assert (made.calls, made.kept, made.removed) == (3, 2, 0)
    assert {row["conversation"]: row["page"] for row in table(out / "calls.csv")}["call-0"] == ""
    current(archive, "call-0").write_bytes(whole)
    assert make(archive, out).written == 1
