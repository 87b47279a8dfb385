"""Options that select conversations, for verbs that process many."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from turnkeeper.cli.options import split_names
from turnkeeper.errors import Misconfigured
from turnkeeper.exporter.id_list import read_ids
from turnkeeper.exporter.range import Range
from turnkeeper.exporter.windows import By
from turnkeeper.genesys.filters import Filters

__all__ = ["SelectionOptions", "range_from_options"]

SELECTION = Group("Which conversations")


@Parameter(name="*", group=SELECTION)
@dataclass(frozen=True)
class SelectionOptions:
    """Which conversations."""

    since: str = ""
    """Those that started then or later: a date, a time (UTC unless it says otherwise), or 2d for two days ago."""
    until: str = ""
    """Those that started before this time (default: now)."""
    last: str = ""
    """Short for --since so long ago: 2d, 6h, 30m, 1w."""
    # The parser would take a lone ``-`` for an option.
    ids: Annotated[Path | None, Parameter(allow_leading_hyphen=True)] = None
    """These ids: a file with one a line (or a column conversationId), or - for standard input."""
    queue: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """Only of this queue (id or name). Repeat it or separate with commas."""
    user: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """Only with this user (id or name)."""
    division: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """Only of this division (id)."""
    media_type: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """Only of this media type: voice, chat, message, email, callback …"""
    direction: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """Only inbound, or only outbound ones."""
    by: By = "auto"
    """How to find them: query, jobs (for long backfills), or auto."""

    def filters(self) -> Filters:
        """Return the filters for the platform's queries. Raises ``Misconfigured`` naming a bad value."""
        return Filters.from_options(
            queues=split_names(self.queue, "--queue"),
            users=split_names(self.user, "--user"),
            divisions=split_names(self.division, "--division"),
            media_types=split_names(self.media_type, "--media-type"),
            directions=split_names(self.direction, "--direction"),
        )


def range_from_options(wanted: SelectionOptions, now: datetime, *, follow: bool = False) -> Range | None:
    """Return the range that the options select, None if they select none. Raises ``Misconfigured``."""
    if wanted.ids is not None and follow:
        raise Misconfigured("--ids was given together with --follow", hint="Leave one of them out.")
    return Range.of(
        now,
        since=wanted.since,
        until=wanted.until,
        last=wanted.last,
        ids=() if wanted.ids is None else _read_id_file(wanted.ids),
        filters=wanted.filters(),
        by=wanted.by,
    )


def _read_id_file(path: Path) -> tuple[str, ...]:
    if str(path) == "-" and sys.stdin is None:
        raise Misconfigured("standard input is closed", operation="read ids", key="-", hint="Name a file.")
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as cause:
        raise Misconfigured(f"cannot be read ({cause.strerror})", operation="read ids", key=str(path)) from None
    try:
        return read_ids(data)
    except Misconfigured as cause:
        raise Misconfigured(cause.message, operation="read ids", key=str(path), hint=cause.hint) from None
