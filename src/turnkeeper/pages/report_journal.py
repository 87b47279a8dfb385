"""What a report folder holds already, so that a report that was interrupted, or is made again, goes on from there."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import BinaryIO, Self

import msgspec

from turnkeeper.pages.call_list import ListedCall
from turnkeeper.pages.page import replaced

__all__ = ["NAME", "Entry", "Journal"]

NAME = ".turnkeeper-report.jsonl"


class Entry(msgspec.Struct, kw_only=True):
    """One page: a hash of everything it was made from, the audio files beside it, and its line in the list."""

    inputs: str
    audio: list[str] = []
    listed: ListedCall


# Made while importing, one thread at a time: msgspec crashes when two threads first use a type at the same moment.
_ENTRY = msgspec.json.Decoder(Entry)


class _OwnerLine(msgspec.Struct, kw_only=True):
    """Whose report the folder is: ``archive`` is the journal's first line. Older versions wrote none."""

    archive: str


_OWNER_LINE = msgspec.json.Decoder(_OwnerLine)


class Journal:
    """Entries by conversation, one JSON line each, written as pages are finished; a torn last line costs one page.

    ``archive`` names the archive whose report this is, ``owner`` the one that the folder names, or empty.
    """

    def __init__(self, folder: Path, archive: str = "") -> None:
        self._path = folder / NAME
        self._archive, self.owner = archive, ""
        self.entries: dict[str, Entry] = {}
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
        self.rewrite()
        self._out = self._path.open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        if self._out:
            self._out.close()

    def add(self, entry: Entry) -> None:
        """Remember a finished page, on disk as well."""
        self.entries[entry.listed.conversation] = entry
        if self._out:
            self._out.write(msgspec.json.encode(entry) + b"\n")
            self._out.flush()

    def drop(self, conversation: str) -> None:
        """Forget a page that is gone."""
        self.entries.pop(conversation, None)

    def rewrite(self) -> None:
        """Write only what holds now."""
        with replaced(self._path) as out:
            if self._archive:
                out.write(msgspec.json.encode(_OwnerLine(archive=self._archive)) + b"\n")
            for conversation in sorted(self.entries):
                out.write(msgspec.json.encode(self.entries[conversation]) + b"\n")
