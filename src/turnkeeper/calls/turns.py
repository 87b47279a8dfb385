"""Turns of any payload: a file, bytes, an address, or an archive of turnkeeper's own."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeVar, cast

from turnkeeper.errors import (
    Defect,
    Misconfigured,
    NotFound,
    Retriable,
    Skippable,
    TurnkeeperError,
    UnknownShape,
    Unread,
)
from turnkeeper.model import Turn
from turnkeeper.payloads.details import CONVERSATION_ID
from turnkeeper.payloads.dialect import Mode
from turnkeeper.payloads.turn_batch import TurnBatch
from turnkeeper.spool import Source
from turnkeeper.storage.address import local_path
from turnkeeper.transcript.assemble import Assembly, Body, assemble
from turnkeeper.transcript.select import Selection

if TYPE_CHECKING:
    from turnkeeper.archive.archive import Archive
    from turnkeeper.settings import PlatformSettings, StoreSettings
    from turnkeeper.spool import Spool

__all__ = [
    "Findings",
    "Place",
    "is_archive",
    "open_transcripts",
    "read_batches",
    "read_turns",
    "refuse_left_out",
    "refuse_unready",
    "spooled",
]

Place = str | Path | bytes | BinaryIO | Source
"""A path, an address (``https://``, ``s3://``, ``file://`` …), the bytes themselves, an open binary file (read from
where it stands), or anything that reopens."""


_SHOWN = 200
_NO_MORE = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EBADF}

T = TypeVar("T")
Order = Literal["time", "document"]


def read_turns(
    place: Place,
    selection: Selection | None = None,
    *,
    order: Order = "time",
    words: bool = False,
    strict: bool = False,
) -> Iterator[Turn]:
    """The turns of any payload in any dialect, attributed to their speakers, in constant memory.

    ``place`` is a file (gzip or zstd or not), an ``http(s)://`` address, bytes, an open binary file, or an archive (its
    folder or address: every conversation in it). ``selection`` keeps only what it matches. Times are milliseconds from
    the conversation's start. ``words`` fills in each turn's words, where the payload lists them. ``order="time"`` gives
    one timeline, ``"document"`` the turns as they stand.

    A field that cannot be right costs that field: the turn has its default there and names it in ``defects``. With
    ``strict`` it raises ``Unread`` with the byte offset and the field.

    Raises ``Unread`` and its kin with the byte offset, ``NotReady`` for a transcript that the platform still makes
    (after the turns that it holds already),
    ``Misconfigured`` for a missing file or a folder that is no archive. What can be read of an archive, or of a body
    that also holds documents of no known shape, is given first; what cannot is raised at the end. Conversations of an
    archive that it knows to be unread (``Archive.unread``) are left out.
    """
    _refuse_other(selection, order)
    mode = Mode(strict=False, words=words, exact=strict)
    return chain.from_iterable(_selected(place, selection, order, mode))


def _refuse_other(selection: object, order: object) -> None:
    if order not in ("time", "document"):
        raise Misconfigured(f"{order!r} is no order", key="order", hint="Write order='time' or order='document'.")
    if selection is not None and not isinstance(selection, Selection):
        hint = "Write tk.Selection(roles={'agent'})."
        raise Misconfigured(f"a {type(selection).__name__} is no selection", key="selection", hint=hint)


def read_batches(place: Place) -> Iterator[TurnBatch]:
    """The turns of any payload in batches with columns (``start_ms``, ``end_ms``, ``text``, ``role`` …), as they stand.

    For sums, tables and arrays: the same turns as ``read_turns(place, order="document")``, without an object for each.
    Raises what ``read_turns`` raises.
    """
    return chain.from_iterable(_each(place, Mode(strict=False, words=False), (), Assembly.columns))


def _selected(place: Place, selection: Selection | None, order: Order, mode: Mode) -> Iterator[Iterable[Turn]]:
    read = Assembly.batches if order == "time" else Assembly.unsorted
    if selection is None:
        return chain.from_iterable(_each(place, mode, (), read))
    chosen = selection

    def apply(transcript: Assembly) -> Iterator[Iterable[Turn]]:
        return iter([chosen.apply(chain.from_iterable(read(transcript)), transcript.conversation)])

    return chain.from_iterable(_each(place, mode, chosen.interactions, apply))


def _each(
    place: Place, mode: Mode, interactions: Collection[str], read: Callable[[Assembly], Iterable[T]]
) -> Iterator[Iterable[T]]:
    """What ``read`` gives of every transcript at a place; then what could not be read is raised."""
    with _single(place) as source:
        if source is not None:
            for transcript in _of_body(source, interactions, mode):
                refuse_unready(transcript)
                yield read(transcript)
                refuse_left_out(transcript)
            return
        findings = Findings()
        for transcript in _archived(str(place), interactions, None, mode, findings):
            with findings.item(transcript.conversation):
                yield from ([part] for part in read(transcript))
        findings.raise_any()


def _of_body(source: Source, interactions: Collection[str], mode: Mode | None) -> Iterator[Assembly]:
    """The transcript of one body; of a body with events of several conversations, those that are asked for."""
    try:
        transcript = assemble([Body(source)], mode=mode)
    except Unread as cause:
        if not interactions or cause.field != CONVERSATION_ID:
            raise
    else:
        yield transcript
        return
    for conversation in interactions:
        yield assemble([Body(source)], conversation=conversation, mode=mode)


def refuse_unready(transcript: Assembly) -> None:
    """Raise why a body holds no turns where it says so itself: ``NotReady``, or ``Unread`` for one that only names
    where they lie. A call in which nobody spoke is no error."""
    if transcript.is_empty and (error := transcript.unready()):
        raise error


def refuse_left_out(transcript: Assembly) -> None:
    """Raise ``UnknownShape`` where the body also holds documents that are not among the turns, ``NotReady`` where the
    platform still makes the transcript."""
    for said in transcript.left_out:
        raise UnknownShape(said, operation="read transcript", key=transcript.conversation)
    if unfinished := transcript.unfinished():
        raise unfinished


class Findings:
    """What could not be read while the rest was: collected, and raised when everything else has been given.

    ``listener`` is told each finding at once; then nothing is raised at the end.
    """

    def __init__(self, listener: Callable[[TurnkeeperError], None] | None = None) -> None:
        self._listener = listener
        self._found: list[TurnkeeperError] = []

    @property
    def has_listener(self) -> bool:
        """Whether somebody is told each finding at once."""
        return self._listener is not None

    def add(self, error: TurnkeeperError) -> None:
        """Note one finding."""
        self._found.append(error)
        if self._listener:
            self._listener(error)

    @contextmanager
    def item(self, key: str) -> Iterator[None]:
        """One of many things: what cannot be read of it is a finding, and the others go on."""
        try:
            yield
        except (Skippable, Retriable) as cause:
            cause.key = cause.key or key
            self.add(cause)
        except TurnkeeperError:
            raise
        except OSError as cause:
            # Nobody can write there any more, so the others cannot be printed either.
            if cause.errno in _NO_MORE:
                raise
            self.add(_defect(cause, key))
        except Exception as cause:
            self.add(_defect(cause, key))

    def raise_any(self) -> None:
        """Raise what was found. Raises the one finding, or ``Unread`` that counts them and quotes the first."""
        if self._listener or not self._found:
            return
        first = self._found[0]
        if len(self._found) > 1:
            raise Unread(f"{len(self._found)} could not be read; the first: {first}", operation="read") from first
        raise first


def _defect(cause: Exception, key: str) -> Defect:
    defect = Defect(f"{type(cause).__name__} while it was read", operation="read transcript", key=key)
    defect.__cause__ = cause
    return defect


def open_transcripts(
    place: Place,
    *,
    interactions: Collection[str] = (),
    platform: PlatformSettings | None = None,
    store: StoreSettings | None = None,
    mode: Mode | None = None,
    findings: Findings | None = None,
    audited: bool = True,
) -> Iterator[Assembly]:
    """The transcripts found at ``place``, each with its header and a fresh iterator of turns.

    ``interactions`` narrows an archive to those conversations without opening the others; a single payload is always
    given, whichever conversation it is about. ``mode`` says how closely to look. Conversations of an archive that
    cannot be read go to ``findings``; without any they are raised at the end. The audit of an archive gets one line,
    unless the caller wrote one (``audited``).
    """
    own = findings or Findings()
    with _single(place, platform) as source:
        if source is not None:
            yield from _of_body(source, interactions, mode)
            return
        yield from _archived(str(place), interactions, store, mode, own, audited=audited)
    if findings is None:
        own.raise_any()


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
        return place if hasattr(place, "size") and hasattr(place, "open") else _of_file(place)
    path = local_path(place)
    if path is None or not os.path.exists(path):  # noqa: PTH110 - of a name that is too long, Path.exists raises
        raise Misconfigured(
            "no such file", operation="read", key=_shortened(str(path or place)), hint="Check the path."
        )
    return _File(path)


def _shortened(name: str) -> str:
    """A name as a sentence can hold it: a document that was given for its path would fill the screen."""
    return name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"


def _of_file(place: object) -> Source:
    """An open file, spooled so that it can be read twice. Raises ``Misconfigured`` where it gives no bytes."""
    read = getattr(place, "read", None)
    if read is None or not isinstance(read(0), bytes):
        hint = "Give a path, an address, bytes, or a file opened with open(path, 'rb')."
        raise Misconfigured(f"cannot read a {type(place).__name__}", operation="read", hint=hint)
    return spooled(cast("BinaryIO", place))


def is_archive(place: str | Path) -> bool:
    """Whether a place is an archive: a folder, or an address of a store. Raises ``Misconfigured`` for an address that
    leads nowhere."""
    path = local_path(place)
    return path is None or os.path.isdir(path)  # noqa: PTH112 - of a name that is too long, Path.is_dir raises


def _archived(
    url: str,
    interactions: Collection[str],
    store: StoreSettings | None,
    mode: Mode | None,
    findings: Findings,
    *,
    audited: bool = True,
) -> Iterator[Assembly]:
    # Reading a file must not load an object store's client: a command's start-up time is part of its promise.
    from turnkeeper.archive.archive import Archive

    archive, count = Archive(url, store), 0
    archive.require()
    if audited:
        archive.audit.record_or_warn("turns", conversations=interactions, every=not interactions)
    for conversation in interactions or archive.conversations():
        count += 1
        with findings.item(conversation):
            manifest = archive.manifest(conversation)
            if manifest is None:
                raise NotFound("not in the archive", operation="read transcript", key=conversation)
            if manifest.state == "unread" and not (findings.has_listener or interactions):
                continue  # the archive names it itself (``Archive.unread``); whoever reads all has no use for an error
            # An unread one raises the reason that its manifest gives; the others have no transcript yet.
            if manifest.state in ("done", "unread"):
                with archive.transcript(conversation) as reader, spooled(reader) as body:
                    yield assemble([Body(body)], mode=mode)
    if not count:
        _refuse_no_archive(archive)


def _refuse_no_archive(archive: Archive) -> None:
    from turnkeeper.archive.metadata import read_metadata

    if read_metadata(archive.store) is None:
        hint = "Name an archive's folder or address, or a file."
        raise Misconfigured("there is no archive here", operation="read", key=archive.url, hint=hint)


def _download(url: str, platform: PlatformSettings | None) -> Spool:
    from turnkeeper.genesys.download import download
    from turnkeeper.portal import run

    async def verb() -> Spool:
        return await download(url, platform)

    return run(verb)
