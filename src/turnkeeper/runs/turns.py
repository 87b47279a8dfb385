"""Turns of any payload: a file, bytes, an address, or an archive of turnkeeper's own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from turnkeeper.errors import Misconfigured
from turnkeeper.model import Turn
from turnkeeper.transcript.assembly import Assembly, Body, assemble
from turnkeeper.transcript.columns import TurnBatch
from turnkeeper.transcript.dialect import Mode
from turnkeeper.transcript.dialects import SHAPES
from turnkeeper.transcript.document import HELD, Source
from turnkeeper.transcript.limits import Limits
from turnkeeper.transcript.select import Selection

if TYPE_CHECKING:
    from turnkeeper.settings import PlatformSettings, StoreSettings
    from turnkeeper.spool import Spool

__all__ = ["Place", "is_archive", "open_transcripts", "read_batches", "read_turns", "spooled"]

Place = str | Path | bytes | Source
"""A path, an address (``https://``, ``s3://``, ``file://`` …), the bytes themselves, or anything that reopens."""


Order = Literal["time", "document"]


def read_turns(
    place: Place, selection: Selection | None = None, *, order: Order = "time", words: bool = False
) -> Iterator[Turn]:
    """The turns of any payload in any dialect, attributed to their speakers, in constant memory.

    ``place`` is a file (gzip or zstd or not), an ``http(s)://`` address, bytes, or an archive (its folder or address:
    every conversation in it). ``selection`` keeps only what it matches. Times are milliseconds from the conversation's
    start. ``words`` fills in each turn's words, where the payload lists them.

    ``order="time"`` gives one timeline: a large document is looked through once before it is read. ``"document"`` gives
    turns as they stand, in one pass where the participants stand before them; of a large speech file they then lack
    the sentiment, which stands behind.

    Raises ``Unread`` and its kin with the byte offset, ``NotFound`` for a missing file.
    """
    mode = Mode(strict=False, words=words)
    if order == "document":
        return chain.from_iterable(_as_they_stand(place, selection, mode))
    return chain.from_iterable(_in_time(place, selection, mode))


def read_batches(place: Place) -> Iterator[TurnBatch]:
    """The turns of any payload in batches with columns (``start_ms``, ``end_ms``, ``text``, ``role`` …), as they stand.

    For sums, tables and arrays: the same turns as ``read_turns(place, order="document")``, without an object for each.
    Raises ``Unread`` and its kin with the byte offset, ``NotFound`` for a missing file.
    """
    mode = Mode(strict=False, words=False, columns=True)
    with _single(place) as source:
        if source is not None and source.size >= HELD:
            from turnkeeper.transcript.forward import Forward, TwoPasses

            try:
                yield from Forward(source, SHAPES, Limits(), mode).columns()
            except TwoPasses:
                yield from assemble([Body(source)], mode=mode).columns()
            return
        for transcript in _opened(place, source, mode):
            yield from transcript.columns()


def _in_time(place: Place, selection: Selection | None, mode: Mode) -> Iterator[Iterable[Turn]]:
    wanted = selection.interactions if selection else ()
    with _single(place) as source:
        for transcript in _opened(place, source, mode, wanted):
            if selection:
                yield selection.apply(transcript.turns(), transcript.conversation)
            else:
                yield from transcript.batches()


def _as_they_stand(place: Place, selection: Selection | None, mode: Mode) -> Iterator[Iterable[Turn]]:
    wanted = selection.interactions if selection else frozenset()
    with _single(place) as source:
        if source is not None and source.size >= HELD and not wanted:
            from turnkeeper.transcript.forward import Forward, TwoPasses

            try:
                for turns in Forward(source, SHAPES, Limits(), mode).turns():
                    yield selection.apply(turns) if selection else turns
            except TwoPasses:
                pass
            else:
                return
        for transcript in _opened(place, source, mode, wanted):
            for turns in transcript.unsorted():
                yield selection.apply(turns, transcript.conversation) if selection else turns


def open_transcripts(
    place: Place,
    *,
    interactions: Collection[str] = (),
    platform: PlatformSettings | None = None,
    store: StoreSettings | None = None,
    mode: Mode | None = None,
) -> Iterator[Assembly]:
    """The transcripts found at ``place``, each with its header and a fresh iterator of turns.

    ``interactions`` narrows an archive to those conversations without opening the others; a single payload is always
    given, whichever conversation it is about. ``mode`` says how closely to look.
    """
    with _single(place, platform) as source:
        yield from _opened(place, source, mode, interactions, store)


def _opened(
    place: Place,
    source: Source | None,
    mode: Mode | None,
    interactions: Collection[str] = (),
    store: StoreSettings | None = None,
) -> Iterable[Assembly]:
    """The transcript of a body, or those of the archive where there is none."""
    if source is not None:
        return [assemble([Body(source)], mode=mode)]
    return _archived(str(place), interactions, store, mode)


def _single(place: Place, platform: PlatformSettings | None = None) -> AbstractContextManager[Source | None]:
    """The one body at ``place``; None where it is an archive."""
    if isinstance(place, str) and place.startswith(("http://", "https://")):
        return _download(place, platform)
    if isinstance(place, str | Path) and is_archive(place):
        return nullcontext(None)
    return nullcontext(_source(place))


def spooled(stream: BinaryIO) -> Spool:
    """Everything a stream gives (standard input, say), so that it can be read twice."""
    from turnkeeper.spool import Spool

    body = Spool()
    while block := stream.read(1 << 18):
        body.write(block)
    return body.seal()


class _File:
    """A file on disk as a source. Here and not beside the spool: a command's start-up pays for what that imports."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def size(self) -> int:
        return self._path.stat().st_size

    def open(self) -> BinaryIO:
        return self._path.open("rb")


def _source(place: Place) -> Source:
    if isinstance(place, bytes):
        from turnkeeper.spool import BytesSource

        return BytesSource(place)
    if not isinstance(place, str | Path):
        return place
    path = Path(str(place).removeprefix("file://"))
    if not path.exists():
        raise Misconfigured("no such file", operation="read", key=str(path), hint="Check the path.")
    return _File(path)


def is_archive(place: str | Path) -> bool:
    """Whether a place is an archive: a folder, or an address of a store."""
    text = str(place)
    if text.startswith("file://"):
        return Path(text.removeprefix("file://")).is_dir()
    return "://" in text or Path(text).is_dir()


def _archived(
    url: str, interactions: Collection[str], store: StoreSettings | None, mode: Mode | None
) -> Iterator[Assembly]:
    # Reading a file must not load an object store's client: a command's start-up time is part of its promise.
    from turnkeeper.archive.bundle import Archive

    archive = Archive(url, store)
    for conversation in interactions or archive.conversations():
        manifest = archive.manifest(conversation)
        if manifest is not None and manifest.state == "done":
            with archive.transcript(conversation) as reader, spooled(reader) as body:
                yield assemble([Body(body)], mode=mode)


def _download(url: str, platform: PlatformSettings | None) -> Spool:
    from turnkeeper.genesys.address import download
    from turnkeeper.runs.portal import run

    async def verb() -> Spool:
        return await download(url, platform)

    return run(verb)
