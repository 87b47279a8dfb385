"""Open the transcripts at a place: a file, bytes, a web address, or an archive."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

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
from turnkeeper.payloads.details import CONVERSATION_ID
from turnkeeper.payloads.dialect import Mode
from turnkeeper.spool import Source
from turnkeeper.storage.address import local_path
from turnkeeper.transcript.assemble import Assembly, Body, assemble

if TYPE_CHECKING:
    from turnkeeper.archive.archive import Archive
    from turnkeeper.settings import PlatformSettings, StoreSettings
    from turnkeeper.spool import Spool

__all__ = [
    "Findings",
    "Place",
    "is_archive",
    "open_transcripts",
    "refuse_left_out",
    "refuse_unready",
    "spool_stream",
]

Place = str | Path | bytes | BinaryIO | Source
"""A path, an address (``https://``, ``s3://``, ``file://`` …), the bytes themselves, an open binary file (read from its
current position), or any ``Source``, which can be opened again."""


_MAX_NAME = 200
_OUTPUT_ERRORS = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EBADF}


def _transcripts_in_body(source: Source, interactions: Collection[str], mode: Mode | None) -> Iterator[Assembly]:
    """Yield the transcript of one body, or of a body with events of several conversations, the requested ones."""
    try:
        transcript = assemble([Body(source)], mode=mode)
    except Unread as cause:
        # Only events of several conversations in one body can be read one conversation at a time.
        if not interactions or cause.field != CONVERSATION_ID:
            raise
    else:
        yield transcript
        return
    for conversation in interactions:
        yield assemble([Body(source)], conversation=conversation, mode=mode)


def refuse_unready(transcript: Assembly) -> None:
    """Raise the reason that an empty body itself gives: ``NotReady``, or ``Unread`` if it is only a link to the turns.

    A call in which nobody spoke is not an error.
    """
    if transcript.is_empty and (error := transcript.unready()):
        raise error


def refuse_left_out(transcript: Assembly) -> None:
    """Raise ``UnknownShape`` if the body also holds documents that could not be read, ``NotReady`` if the platform is
    still making the transcript."""
    for message in transcript.left_out:
        raise UnknownShape(message, operation="read transcript", key=transcript.conversation)
    if unfinished := transcript.unfinished():
        raise unfinished


class Findings:
    """Collects errors about single items, so that the others are read first.

    With a ``listener``, each error goes to it at once, and nothing is raised at the end.
    """

    def __init__(self, listener: Callable[[TurnkeeperError], None] | None = None) -> None:
        self._listener = listener
        self._errors: list[TurnkeeperError] = []

    @property
    def has_listener(self) -> bool:
        """Whether a listener receives each error at once."""
        return self._listener is not None

    def add(self, error: TurnkeeperError) -> None:
        """Add one error."""
        self._errors.append(error)
        if self._listener:
            self._listener(error)

    @contextmanager
    def item(self, key: str) -> Iterator[None]:
        """Read one of many items in this context: an error about it is added instead of raised."""
        try:
            yield
        except (Skippable, Retriable) as cause:
            cause.key = cause.key or key
            self.add(cause)
        # Fatal errors (credentials, a full disk) would meet every other item too.
        except TurnkeeperError:
            raise
        except OSError as cause:
            # The output is closed or full, so the other items could not be printed either.
            if cause.errno in _OUTPUT_ERRORS:
                raise
            self.add(_defect_of(cause, key))
        except Exception as cause:
            self.add(_defect_of(cause, key))

    def raise_any(self) -> None:
        """Raise the error if there is one; if there are several, ``Unread`` with their count and the first."""
        if self._listener or not self._errors:
            return
        first = self._errors[0]
        if len(self._errors) > 1:
            raise Unread(f"{len(self._errors)} could not be read; the first: {first}", operation="read") from first
        raise first


def _defect_of(cause: Exception, key: str) -> Defect:
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
    """Yield the transcripts at ``place``. Each has a header, and its turns can be iterated several times.

    ``interactions`` limits an archive to those conversations; the others are not opened. A single payload is always
    read, whichever conversation it is about. ``mode`` says how strictly and how fully to read. Errors about single
    conversations of an archive go to ``findings``; without it they are raised at the end. One line is added to the
    archive's audit, unless ``audited`` is false because the caller wrote one.
    """
    errors = findings or Findings()
    with _open_body(place, platform) as source:
        if source is not None:
            yield from _transcripts_in_body(source, interactions, mode)
            return
        yield from _open_archive(str(place), interactions, store, mode, errors, audited=audited)
    if findings is None:
        errors.raise_any()


def _open_body(place: Place, platform: PlatformSettings | None = None) -> AbstractContextManager[Source | None]:
    """Open the one body at ``place``; None if it is an archive."""
    if isinstance(place, str) and _is_web_address(place):
        return _download_body(place, platform)
    return nullcontext(None if is_archive(place) else _open_source(place))


def _is_web_address(place: str | Path) -> bool:
    return isinstance(place, str) and place.startswith(("http://", "https://"))


def spool_stream(stream: BinaryIO) -> Spool:
    """Copy a stream (such as standard input) to a spool, so that it can be read twice."""
    from turnkeeper.spool import Spool

    body = Spool()
    while block := stream.read(1 << 18):
        body.write(block)
    return body.seal()


class _FileSource:
    """A file on disk as a source. Not in ``spool``, whose import would slow the start of ``turnkeeper turns``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def size(self) -> int:
        return self._path.stat().st_size

    def open(self) -> BinaryIO:
        return self._path.open("rb")


def _open_source(place: Place) -> Source:
    if isinstance(place, bytes):
        from turnkeeper.spool import BytesSource

        return BytesSource(place)
    if not isinstance(place, str | Path):
        return place if hasattr(place, "size") and hasattr(place, "open") else _spool_file(place)
    path = local_path(place)
    if path is None or not os.path.exists(path):  # noqa: PTH110 - of a name that is too long, Path.exists raises
        raise Misconfigured(
            "no such file", operation="read", key=_short_name(str(path or place)), hint="Check the path."
        )
    return _FileSource(path)


def _short_name(name: str) -> str:
    """Shorten a name for an error. Somebody may have passed a whole document instead of its path."""
    return name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…"


def _spool_file(place: object) -> Source:
    """Copy an open file to a spool. Raises ``Misconfigured`` if it does not return bytes."""
    # Reading no bytes shows whether the file is open in binary mode, and moves nothing.
    read = getattr(place, "read", None)
    if read is None or not isinstance(read(0), bytes):
        hint = "Give a path, an address, bytes, or a file opened with open(path, 'rb')."
        raise Misconfigured(f"cannot read a {type(place).__name__}", operation="read", hint=hint)
    return spool_stream(cast("BinaryIO", place))


def is_archive(place: Place) -> bool:
    """Whether a place is an archive: a folder, or the address of an object store. Raises ``Misconfigured`` for a
    malformed address."""
    if not isinstance(place, str | Path) or _is_web_address(place):
        return False
    path = local_path(place)
    return path is None or os.path.isdir(path)  # noqa: PTH112 - of a name that is too long, Path.is_dir raises


def _open_archive(
    url: str,
    interactions: Collection[str],
    store: StoreSettings | None,
    mode: Mode | None,
    findings: Findings,
    *,
    audited: bool = True,
) -> Iterator[Assembly]:
    # Imported here because it loads the client of object stores, which reading a file does not need.
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
                continue  # ``Archive.unread`` lists it; a caller who reads everything needs no error about it
            # ``transcript`` raises the manifest's reason for an unread one. Other states have no transcript yet.
            if manifest.state in ("done", "unread"):
                with archive.transcript(conversation) as reader, spool_stream(reader) as body:
                    yield assemble([Body(body)], mode=mode)
    if not count:
        _refuse_no_archive(archive)


def _refuse_no_archive(archive: Archive) -> None:
    from turnkeeper.archive.metadata import read_metadata

    if read_metadata(archive.store) is None:
        hint = "Name an archive's folder or address, or a file."
        raise Misconfigured("there is no archive here", operation="read", key=archive.url, hint=hint)


def _download_body(url: str, platform: PlatformSettings | None) -> Spool:
    from turnkeeper.genesys.download import download
    from turnkeeper.portal import run

    async def verb() -> Spool:
        return await download(url, platform)

    return run(verb)
