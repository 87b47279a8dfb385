"""``turnkeeper report``: pages to read, hear and share."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from turnkeeper.archive.archive import Archive
from turnkeeper.cli.console import print_note, printable
from turnkeeper.cli.options import StoreOptions, store_settings
from turnkeeper.cli.run_progress import RunProgress
from turnkeeper.errors import Misconfigured
from turnkeeper.exporter.windows import range_of
from turnkeeper.pages.report import Report
from turnkeeper.pages.report import report as make
from turnkeeper.settings import clock_from_environment

__all__ = ["report"]


def report(
    archive: Annotated[str, Parameter(env_var="TURNKEEPER_ARCHIVE")],
    conversation: str = "",
    /,
    *,
    out: Path,
    last: str = "",
    since: str = "",
    until: str = "",
    embed: bool | None = None,
    destination: StoreOptions | None = None,
) -> int:
    """Pages to read, hear and share; no server, and nothing is loaded from a network.

    One conversation becomes a single HTML file: waveform, turns that follow playback, search, summary.

        turnkeeper report s3://calls/genesys 4d3c… --out call.html

    Without a conversation, a folder with a list of calls, a page for each and calls.csv. Making it again writes only
    what changed. Exit code 3 says that a call has no page; the list says why.

        turnkeeper report s3://calls/genesys --last 7d --out calls

    Parameters
    ----------
    archive
        The archive's folder or address.
    conversation
        The conversation's id; all conversations where none is named.
    out
        The file, or without a conversation the folder.
    last
        Short for --since so long ago: 2d, 6h, 30m, 1w.
    since
        Only calls that started then or later: a date, a time (UTC unless it says otherwise), or 2d for two days ago.
    until
        Only calls that started before this time.
    embed
        Put audio into the pages, or beside them. One file has it inside and a folder beside unless told otherwise.
    """
    if conversation and (last or since or until):
        raise Misconfigured("one conversation and a range of time exclude each other", operation="report")
    clock = clock_from_environment()
    start, end = _period(clock.now(), since, until, last)
    opened = Archive(archive, store_settings(destination or StoreOptions(), None), clock=clock)
    result = make(
        opened, conversation or None, out=out, since=start, until=end, embed=embed, listener=RunProgress(sys.stderr)
    )
    sys.stdout.write(f"{result.path}\n")
    for note in result.notes:
        print_note(printable(note))
    if not conversation:
        _print_counts(result)
    return 3 if result.without_page else 0


def _print_counts(result: Report) -> None:
    for name, reason in result.without_page.items():
        print_note(f"no page for {name}: {printable(reason)}")
    counts = f"{result.calls} calls: {result.written} pages written, {result.kept} unchanged"
    print_note(f"{counts}, {result.removed} removed" if result.removed else counts)


def _period(now: datetime, since: str, until: str, last: str) -> tuple[datetime | None, datetime | None]:
    """Read the two ends as ``export`` does. None is an end that was not given."""
    if not (since or until or last):
        return None, None
    period = range_of(now, since=since or ("" if last else "1970-01-01"), until=until, last=last)
    return (period.start if since or last else None), (period.end if until else None)
