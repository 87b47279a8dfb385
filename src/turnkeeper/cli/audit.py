"""``turnkeeper audit``: who did what with an archive's content, and whether a line of it was changed or is gone."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from turnkeeper.archive.archive import Archive
from turnkeeper.archive.audit import HEAD_FORMAT, AuditCheck, AuditLine, Breach, Head
from turnkeeper.atomic_file import write_atomically
from turnkeeper.cli.console import print_note, printable
from turnkeeper.cli.options import StoreOptions, store_settings
from turnkeeper.cli.output_file import refuse_foreign_file
from turnkeeper.clock import rfc3339
from turnkeeper.errors import Misconfigured
from turnkeeper.exporter.windows import range_of
from turnkeeper.settings import clock_from_environment

__all__ = ["audit"]

SHOWN = 3
"""The number of conversations in a line for people. JSON has all of them."""


def audit(
    archive: Annotated[str, Parameter(env_var="TURNKEEPER_ARCHIVE")],
    /,
    *,
    since: str = "",
    conversation: str = "",
    who: str = "",
    head: Path | None = None,
    destination: StoreOptions | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Who did what with an archive's content, and whether a line of it was changed or is gone.

    Every line is read and the chain is checked, whichever lines are shown. Nothing is written into the archive.

        turnkeeper audit s3://calls/genesys --since 30d --conversation 4d3c…
        turnkeeper audit s3://calls/genesys --head audit-head.json

    The chain itself cannot show that its newest lines were removed, or that somebody wrote it anew to its end. Keep a
    file of `--head` where those who write to the archive cannot write.

    Exit code 3 says that the chain is broken; each place is listed.

    Parameters
    ----------
    archive
        The archive's folder or address.
    since
        Only lines from then on: a date, a time (UTC unless it says otherwise), or so long ago (30d).
    conversation
        Only lines that name this conversation, and those of runs over many that name none.
    who
        Only lines of this user, host, or user@host.
    head
        Compare the chain with this file, and write its newest line there if nothing is wrong.
    json
        One JSON object per line on standard output, and last one with what was looked at.
    """
    clock = clock_from_environment()
    printer = _AuditPrinter(_since_text(since, clock.now()), conversation, who, as_json=json)
    known = _read_head(head) if head is not None else None
    opened = Archive(archive, store_settings(destination or StoreOptions(), None), clock=clock)
    opened.require()
    check = opened.audit.check(known)
    for item in check:
        printer.print_line(item)
    printer.print_summary(check)
    number, sha256 = check.newest
    if check.breaches:
        return 3
    if head is not None:
        at = rfc3339(clock.now())
        _write_head(head, Head(format=HEAD_FORMAT, archive=opened.url, number=number, sha256=sha256, at=at))
    return 0


class _AuditPrinter:
    """Prints the requested lines and every breach of the chain."""

    def __init__(self, since: str, conversation: str, who: str, *, as_json: bool) -> None:
        self._since, self._conversation, self._who, self._as_json = since, conversation, who, as_json
        self.count = 0

    def print_line(self, item: AuditLine | Breach) -> None:
        """Print a line if it was requested, and every breach."""
        if isinstance(item, Breach):
            if self._as_json:
                _print_json_line(msgspec.to_builtins(item))
            else:
                print_note(f"wrong: {item.detail}")
        elif self._is_wanted(item):
            self.count += 1
            if self._as_json:
                _print_json_line({"kind": "line"} | msgspec.to_builtins(item))
            else:
                sys.stdout.write(printable(_line_sentence(item)) + "\n")

    def _is_wanted(self, line: AuditLine) -> bool:
        if self._who and self._who not in (line.user, line.host, f"{line.user}@{line.host}"):
            return False
        if self._conversation and line.concerns(self._conversation) is False:
            return False
        return line.at >= self._since

    def print_summary(self, check: AuditCheck) -> None:
        """Print the counts of lines and the newest line."""
        number, sha256 = check.newest
        if self._as_json:
            counts = {"lines": check.lines, "shown": self.count, "unchained": check.unchained}
            _print_json_line(
                {"kind": "summary", **counts, "breaches": check.breaches, "newest": number, "sha256": sha256}
            )
        if number:
            print_note(f"the newest is line {number}, SHA-256 {sha256}")
        earlier = f" ({check.unchained:,} of an earlier version, not chained)" if check.unchained else ""
        print_note(f"lines looked at: {check.lines:,}{earlier}, shown: {self.count:,}, wrong: {check.breaches:,}")


def _line_sentence(line: AuditLine) -> str:
    facts = dict(line.facts)
    named = list(line.conversations) or [str(facts.pop(name)) for name in ("conversation",) if name in facts]
    more = [f"and {len(named) - SHOWN:,} more"] * (len(named) > SHOWN)
    fact_texts = [f"{name} {_fact_text(fact)}" for name, fact in facts.items() if fact is not False]
    at = line.at[:19].replace("T", " ")
    return (
        f"{at} UTC  {line.user}@{line.host}  {line.action}  {', '.join([*named[:SHOWN], *more, *fact_texts])}".rstrip()
    )


def _fact_text(fact: object) -> str:
    return "yes" if fact is True else str(fact)


def _print_json_line(document: Mapping[str, object]) -> None:
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")


def _since_text(since: str, now: datetime) -> str:
    interval = range_of(now, since=since) if since else None
    return rfc3339(interval.start) if interval else ""


def _read_head(file: Path) -> Head | None:
    """Read the head that an earlier run wrote; None if the file does not exist yet."""
    refuse_foreign_file(file, HEAD_FORMAT, "--head")
    if not file.exists():
        return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=Head)
    except msgspec.DecodeError:
        hint = "Give the file as --head wrote it, or another name to begin anew."
        raise Misconfigured("is no head of an audit", operation="read --head", key=str(file), hint=hint) from None


def _write_head(file: Path, head: Head) -> None:
    """Write the head file atomically, since a partial one could not be read."""
    with write_atomically(file, "write --head") as out:
        out.write(msgspec.json.format(msgspec.json.encode(head), indent=2) + b"\n")
