"""The demo's last screen at several widths, on a terminal and in a file."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from turnkeeper.cli.demo_screen import show_demo

HEADING = "conversation,started_at,seconds,customer,agent,queue,turns,page\n"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    names = f"Ada [red]\x1b[31m,Bo {'long name ' * 9}"
    rows = [
        f"{'0' * 8}-{at:04},2026-10-05T08:{at:02}:00.000Z,{at * 7}.5,{names},Q,{at},calls/{at}.html\n"
        for at in range(33)
    ]
    (tmp_path / "calls.csv").write_text(HEADING + "".join(rows), encoding="utf-8")
    return tmp_path / "index.html"


def screen(index: Path, width: int, *, terminal: bool) -> str:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=terminal, color_system="standard" if terminal else None
    )
    show_demo({"done": 32, "absent": 1, "failed": 0}, Path("demo"), index, index.parent / "calls/7.html", console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_ten_calls_with_names_fit_any_terminal(index: Path, width: int) -> None:
    said = screen(index, width, terminal=False)
    assert "33 calls: 32 done, 1 absent (the platform never had a transcript)." in said
    calls = re.findall(r"^05 Oct 08:\d\d .*$", said, re.M)
    assert len(calls) == 10
    assert all(len(line) <= width for line in calls)
    assert "and 23 more" in said
    assert "Ada [red]" in re.sub(r"\\x1b.*", "", calls[0]) or width == 60
    assert not re.search(r"0{8}-", said)
    assert "\x1b" not in said, "neither colours nor links in a file, and none from a call"


def test_paths_are_links_on_a_terminal(index: Path) -> None:
    said = screen(index, 100, terminal=True)
    linked = re.findall(r"\x1b]8;[^;]*;(file://[^\x1b]+)\x1b", said)
    assert set(linked) > {index.as_uri(), (index.parent / "calls/7.html").as_uri()}
    assert len(linked) == 12
    assert "\x1b[31m" not in said
