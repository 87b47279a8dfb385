"""The demo's final output: counts, the page to open, ten calls by name, and commands to try next."""

from __future__ import annotations

import csv
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from turnkeeper.cli.console import format_duration, printable

__all__ = ["show_demo"]

_ROWS_SHOWN = 10
_WIDEST = 120


def show_demo(counts: Mapping[str, int], folder: Path, index: Path, page: Path, console: Console | None = None) -> None:
    """Print the final output. ``counts`` are calls by state, ``page`` is the one to open first.

    Paths are links in terminals that support them.
    """
    out = console or Console(file=sys.stdout, highlight=False, soft_wrap=False)
    states = [f"{count} {state}{_MEANING.get(state, '')}" for state, count in counts.items() if count]
    out.print(f"\n{sum(counts.values())} calls: {', '.join(states)}.\n", style="bold", soft_wrap=True)
    for sentence, path in (("Open this call and press Space:", page), ("All calls:", index)):
        out.print(f"{sentence}\n  ", _linked_text(str(path), path), sep="", soft_wrap=True)
    rows = list(_read_rows(index))
    out.print()
    out.print(_call_table(rows[:_ROWS_SHOWN]), width=min(out.width, _WIDEST), crop=False)
    if len(rows) > _ROWS_SHOWN:
        out.print(f"and {len(rows) - _ROWS_SHOWN} more in the list")
    out.print("\nGo on from here:")
    for command, purpose in _next_commands(folder):
        # Brackets in a path would be taken for markup.
        out.print(f"  {command}\n      {purpose}", soft_wrap=True, markup=False)


_MEANING = {"unread": " (broken bytes, kept as they came)", "absent": " (the platform never had a transcript)"}


def _linked_text(text: str, path: Path) -> Text:
    return Text(text, style=f"link {path.absolute().as_uri()}")


def _read_rows(index: Path) -> Iterator[dict[str, str]]:
    with index.with_name("calls.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            yield row | {"path": str(index.parent / row["page"])}


def _call_table(rows: Sequence[Mapping[str, str]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold", expand=True)
    table.add_column("start (UTC)", width=12)
    table.add_column("length", width=10, justify="right")
    for heading in ("customer", "agent", "queue"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("turns", width=5, justify="right")
    for row in rows:
        people = [printable(row[name]) for name in ("customer", "agent", "queue")]
        start = datetime.fromisoformat(row["started_at"]).strftime("%d %b %H:%M")
        length = format_duration(float(row["seconds"])) if row["seconds"] else ""
        linked = _linked_text(start, Path(row["path"])) if row["page"] else Text(start)
        table.add_row(linked, length, *map(Text, people), row["turns"])
    return table


def _next_commands(folder: Path) -> Iterator[tuple[str, str]]:
    command = _own_command()
    yield f"{command} turns {folder} --role agent --format txt --head 20", "what agents said, from any call"
    yield f"{command} verify {folder}", "every byte hashed again"
    yield f"{command} reread {folder}", "what could not be read, and why"
    yield f"{command} simulate --port 8080", "the platform alone, to try `get` against"


def _own_command() -> str:
    """Return the command to run turnkeeper. After ``make demo`` it is in a virtual environment outside ``PATH``."""
    if shutil.which("turnkeeper"):
        return "turnkeeper"
    started = Path(sys.argv[0])
    return os.path.relpath(started) if started.name == "turnkeeper" else "python -m turnkeeper"
