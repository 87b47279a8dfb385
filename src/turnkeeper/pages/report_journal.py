"""The journal of a report folder: what it holds already, so that the next report goes on from there."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import BinaryIO, Self

import msgspec

from turnkeeper.pages.call_list import ListedCall
from turnkeeper.pages.page import report_file

__all__ = ["JOURNAL_NAME", "JournalEntry", "ReportJournal"]

JOURNAL_NAME = ".turnkeeper-report.jsonl"


class JournalEntry(msgspec.Struct, kw_only=True):
    """One page: the hash of its inputs, the names of its audio files beside it, and its row in the list."""

    inputs: str
    audio: list[str] = []
    listed: ListedCall


# Made while importing, one thread at a time: msgspec crashes when two threads first use a type at the same moment.
_ENTRY = msgspec.json.Decoder(JournalEntry)


class _OwnerLine(msgspec.Struct, kw_only=True):
    """The first line of the journal: a hash that identifies the archive. Older versions did not write it."""

    archive: str


_OWNER_LINE = msgspec.json.Decoder(_OwnerLine)


class ReportJournal:
    """Entries by conversation, one JSON line each, appended as pages are finished.

    A last line that a crash cut off costs one page. ``archive`` identifies the archive of this report. ``owner`` is the
    archive that the journal names; it is empty for a new folder.
    """

    def __init__(self, folder: Path, archive: str = "") -> None:
        self._path = folder / JOURNAL_NAME
        self._archive, self.owner = archive, ""
        self.entries: dict[str, JournalEntry] = {}
        self._out: BinaryIO | None = None
        with contextlib.suppress(FileNotFoundError):
            for line in self._path.read_bytes().splitlines():
                with contextlib.suppress(msgspec.DecodeError):
                    self.owner = _OWNER_LINE.decode(line).archive
                with contextlib.suppress(msgspec.DecodeError):
                    entry = _ENTRY.decode(line)
                    self.entries[entry.listed.conversation] = entry

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Removes a line that a crash cut off: the next entry would be appended to it.
        self.rewrite()
        self._out = self._path.open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        if self._out:
            self._out.close()

    def add(self, entry: JournalEntry) -> None:
        """Add a finished page, and append it to the file."""
        self.entries[entry.listed.conversation] = entry
        if self._out:
            self._out.write(msgspec.json.encode(entry) + b"\n")
            self._out.flush()

    def drop(self, conversation: str) -> None:
        """Remove the entry of a page that is gone."""
        self.entries.pop(conversation, None)

    def rewrite(self) -> None:
        """Write the file again with the current entries only."""
        with report_file(self._path) as out:
            if self._archive:
                out.write(msgspec.json.encode(_OwnerLine(archive=self._archive)) + b"\n")
            for conversation in sorted(self.entries):
                out.write(msgspec.json.encode(self.entries[conversation]) + b"\n")
