"""Turns of any payload: a file, bytes, an address, or an archive of turnkeeper's own."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from turnkeeper.errors import Misconfigured
from turnkeeper.model import Turn
from turnkeeper.settings import PlatformSettings, StoreSettings
from turnkeeper.spool import BytesSource, PathSource, Spool
from turnkeeper.transcript.assembly import Assembly, Body, assemble
from turnkeeper.transcript.document import Source
from turnkeeper.transcript.select import Selection

__all__ = ["open_transcripts", "read_turns"]

Place = str | Path | bytes | Source
"""A path, an address (``https://``, ``s3://``, ``file://`` …), the bytes themselves, or anything that reopens."""


def read_turns(place: Place, selection: Selection | None = None) -> Iterator[Turn]:
    """The turns of any payload in any dialect, merged and attributed, in constant memory.

    ``place`` is a file (gzip or not), an ``http(s)://`` address, bytes, or an archive (its folder or address: every
    conversation in it). ``selection`` keeps only what it matches. Times are milliseconds from the conversation's start.
    Raises ``Unread`` and its kin with the byte offset, ``NotFound`` for a missing file.
    """
    wanted = selection.interactions if selection else ()
    for transcript in open_transcripts(place, interactions=wanted):
        turns = transcript.turns()
        yield from selection.apply(turns, transcript.header.conversation) if selection else turns


def open_transcripts(
    place: Place,
    *,
    interactions: Collection[str] = (),
    platform: PlatformSettings | None = None,
    store: StoreSettings | None = None,
) -> Iterator[Assembly]:
    """The transcripts found at ``place``, each with its header and a fresh iterator of turns.

    ``interactions`` narrows an archive to those conversations without opening the others; a single payload is always
    given, whichever conversation it is about.
    """
    if isinstance(place, str) and place.startswith(("http://", "https://")):
        with _download(place, platform) as body:
            yield assemble([Body(body)])
    elif isinstance(place, str | Path) and _is_archive(place):
        yield from _archived(str(place), interactions, store)
    else:
        yield assemble([Body(_source(place))])


def spooled(stream: BinaryIO) -> Spool:
    """Everything a stream gives (standard input, say), so that it can be read twice."""
    body = Spool()
    while block := stream.read(1 << 18):
        body.write(block)
    return body.seal()


def _source(place: Place) -> Source:
    if isinstance(place, bytes):
        return BytesSource(place)
    if not isinstance(place, str | Path):
        return place
    path = Path(str(place).removeprefix("file://"))
    if not path.exists():
        raise Misconfigured("no such file", operation="read", key=str(path), hint="Check the path.")
    return PathSource(path)


def _is_archive(place: str | Path) -> bool:
    text = str(place)
    if text.startswith("file://"):
        return Path(text.removeprefix("file://")).is_dir()
    return "://" in text or Path(text).is_dir()


def _archived(url: str, interactions: Collection[str], store: StoreSettings | None) -> Iterator[Assembly]:
    # Reading a file must not load an object store's client: a command's start-up time is part of its promise.
    from turnkeeper.archive.bundle import Archive

    archive = Archive(url, store)
    for conversation in interactions or archive.conversations():
        manifest = archive.manifest(conversation)
        if manifest is not None and manifest.state == "done":
            with archive.transcript(conversation) as reader, spooled(reader) as body:
                yield assemble([Body(body)])


def _download(url: str, platform: PlatformSettings | None) -> Spool:
    from turnkeeper.genesys.address import download
    from turnkeeper.runs.portal import run

    async def verb() -> Spool:
        return await download(url, platform)

    return run(verb)
