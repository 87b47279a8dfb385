"""``turnkeeper status``: how complete an archive is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from turnkeeper.atomic_file import write_atomically
from turnkeeper.cli.console import format_duration, print_note, printable
from turnkeeper.cli.options import PlatformOptions, StoreOptions, platform_settings, required_archive, store_settings
from turnkeeper.cli.output_file import refuse_foreign_file
from turnkeeper.errors import Misconfigured
from turnkeeper.exporter.status import Status
from turnkeeper.exporter.status import status as look
from turnkeeper.exporter.windows import length_of, range_of
from turnkeeper.settings import clock_from_environment

__all__ = ["status"]

STALE = 6


def status(
    archive: str = "",
    /,
    *,
    since: str = "",
    until: str = "",
    last: str = "",
    ask: Annotated[bool, Parameter(negative="--no-ask")] = True,
    max_lag: str = "",
    openmetrics: Path | None = None,
    platform: PlatformOptions | None = None,
    destination: StoreOptions | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """How complete an archive is: what the platform counts, what is archived, what is missing and why, day by day.

        turnkeeper status s3://calls/genesys --last 30d

    Where credentials are set, the platform is asked about every day of the range, also those of which the archive knows
    nothing; without a range, from the first day that the archive knows until now.

    Exit code 3 says that something failed, is unread or is missing (listed), or that the index does not know what the
    archive holds; waiting for late transcripts is none of these. Exit code 6 says that the archive is older than
    `--max-lag`.

    Parameters
    ----------
    archive
        The archive's folder or address; else the organisation's archive. [env:
        TURNKEEPER_ARCHIVE]
    since
        Only days from this one on (UTC).
    until
        Only days before this one.
    last
        Short for --since so long ago: 30d, 1w.
    ask
        Ask the platform for its own counts where credentials are set: about one request a day.
    max_lag
        The oldest that the last finished run, or an overdue conversation, may be: 6h.
    openmetrics
        Write the figures to this file as OpenMetrics text, for a textfile collector.
    json
        The whole as one JSON document.
    """
    if openmetrics is not None:
        refuse_foreign_file(openmetrics, "turnkeeper_", "--openmetrics")
    platform, clock = platform or PlatformOptions(), clock_from_environment()
    archive = required_archive(archive, platform)
    chosen = range_of(clock.now(), since=since, until=until, last=last) if since or last else None
    if until and chosen is None:
        raise Misconfigured("--until needs --since")
    settings = platform_settings(platform)
    result = look(
        archive,
        since=chosen.start if chosen else None,
        until=chosen.end if chosen else None,
        store=store_settings(destination or StoreOptions(), platform.ca),
        platform=settings if ask and settings.client_id else None,
        clock=clock,
    )
    if openmetrics is not None:
        _write_metrics(openmetrics, result.openmetrics())
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(result), indent=2).decode() + "\n")
    else:
        _print_table(result)
    return _exit_code(result, max_lag)


def _exit_code(result: Status, max_lag: str) -> int:
    if max_lag:
        allowed = length_of(max_lag, "--max-lag").total_seconds()
        if result.lag_seconds is None or result.lag_seconds > allowed:
            lag = result.lag_seconds
            behind = "no run has finished yet" if lag is None else f"{format_duration(lag)} behind"
            print_note(f"stale: {behind} (allowed: {max_lag})")
            return STALE
    troubled = result.failed or result.unread or result.missing or result.unread_recordings
    return 3 if troubled or result.unindexed or result.uncounted or result.unreadable_days else 0


def _write_metrics(path: Path, text: str) -> None:
    """Write the file atomically, since a collector may read it at any time."""
    with write_atomically(path, "write metrics") as out:
        os.fchmod(out.fileno(), 0o644)  # readable by the collector, which is another user; it holds counts only
        out.write(text.encode())


def _print_table(result: Status) -> None:
    head = ("day", "platform", "done", "absent", "unread", "failed", "pending", "erased", "missing")
    rows: list[tuple[str, ...]] = [head]
    for day in result.days:
        counts = [str(day.states.get(state, 0) or "") for state in head[2:-1]]
        asked = "" if day.platform is None else str(day.platform)
        rows.append((day.day, asked, *counts, str(day.missing or "")))
    total = [str(getattr(result, state)) for state in head[2:-1]]
    counted = [day.platform for day in result.days if day.platform is not None]
    rows.append(("all", str(sum(counted)) if counted else "", *total, str(result.missing)))
    widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
    for row in rows:
        sys.stdout.write("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")
    if result.waiting:
        sys.stdout.write(f"\n{result.waiting:,} of the absent are asked again, the next at {result.next_ask}\n")
    for state, reasons in result.reasons.items():
        for reason, count in reasons.items():
            sys.stdout.write(printable(f"{count:>8,} {state}: {reason}") + "\n")
    for line in _remark_lines(result):
        sys.stdout.write(line + "\n")
    if result.lag_seconds is not None:
        until = f"listed until {result.listed_until}" if result.listed_until else "no run has listed calls yet"
        sys.stdout.write(f"{format_duration(result.lag_seconds)} behind ({until})\n")


def _remark_lines(result: Status) -> Iterator[str]:
    """Yield what the table has no column for, and what it does not cover."""
    if result.defects:
        yield f"{result.defects:,} turns have a field that cannot be right (they name it in defects)"
    if result.unread_recordings:
        yield f"{result.unread_recordings:,} conversations have a recording that cannot be read or is incomplete"
    yield from result.notes
    if result.platform != "asked":
        yield "the platform was not asked, so nothing says what the index lacks"
