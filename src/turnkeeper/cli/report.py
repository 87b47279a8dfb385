"""``turnkeeper report``: pages to read, hear and share."""

from __future__ import annotations

import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from turnkeeper.archive.bundle import Archive
from turnkeeper.cli.console import printable, say
from turnkeeper.cli.options import Destination, store_settings
from turnkeeper.cli.pulse import Pulse
from turnkeeper.errors import Misconfigured
from turnkeeper.settings import clock_from_environment
from turnkeeper.viewer.report import Report
from turnkeeper.viewer.report import report as make

__all__ = ["report"]

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def report(
    archive: Annotated[str, Parameter(env_var="TURNKEEPER_ARCHIVE")],
    conversation: str = "",
    /,
    *,
    out: Path,
    last: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    embed: bool | None = None,
    destination: Destination | None = None,
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
        Only calls that started in the last 12h, 7d or 2w.
    since
        Only calls that started then or later; UTC unless it says otherwise.
    until
        Only calls that started before then.
    embed
        Put audio into the pages, or beside them. One file has it inside and a folder beside unless told otherwise.
    """
    if conversation and (last or since or until):
        raise Misconfigured("one conversation and a range of time exclude each other", operation="report")
    clock = clock_from_environment()
    start = clock.now() - _span(last) if last else since
    opened = Archive(archive, store_settings(destination or Destination(), None), clock=clock)
    made = make(
        opened, conversation or None, out=out, since=start, until=until, embed=embed, listener=Pulse(sys.stderr)
    )
    sys.stdout.write(f"{made.path}\n")
    for note in made.notes:
        say(printable(note))
    if not conversation:
        _tell(made)
    return 3 if made.without_page else 0


def _tell(made: Report) -> None:
    for name, reason in made.without_page.items():
        say(f"no page for {name}: {printable(reason)}")
    counts = f"{made.calls} calls: {made.written} pages written, {made.kept} unchanged"
    say(f"{counts}, {made.removed} removed" if made.removed else counts)


def _span(last: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,5})([hdw])", last)
    if not found:
        raise Misconfigured(f"{last!a} is not a span of time", key="--last", hint="Say 12h, 7d or 2w.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
