"""Recordings that the platform's own S3 export already put into a bucket, or a copy of it in a folder. Reads only.

Layout: ``{organisation}/year=/month=/day=/hour=/conversation_id={id}/{recording}[.ext]``, each file with its
``…_metadata.json``; the time is the conversation's start in UTC
(https://help.mypurecloud.com/articles/working-with-exported-recordings-in-aws-s3-bucket).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from turnkeeper.errors import Misconfigured, NotFound
from turnkeeper.ids import check_id, is_id
from turnkeeper.settings import StoreSettings
from turnkeeper.spool import Spool
from turnkeeper.storage.address import local_path
from turnkeeper.storage.object_store import open_store
from turnkeeper.storage.store import Store

__all__ = ["ExportedFile", "PlatformExport"]

_METADATA = "_metadata.json"
_year = re.compile(r"year=[0-9]{4}")


@dataclass(frozen=True)
class ExportedFile:
    """One file in the export: whose recording it is, and where it and its metadata lie (``metadata`` may be absent)."""

    recording: str
    key: str
    metadata: str | None


class PlatformExport:
    """The export at an address: the bucket, the organisation's folder in it, or a folder laid out the same way.

    Methods raise ``Denied``, ``StoreRefused``, ``Misconfigured``, ``Unavailable`` as any store does.
    """

    def __init__(self, url: str | Store, settings: StoreSettings | None = None, folder: Path | None = None) -> None:
        self._store: Store = open_store(url, settings) if isinstance(url, str) else url
        self._folder = folder
        self._roots: tuple[str, ...] | None = None

    @property
    def url(self) -> str:
        """The address, without credentials."""
        return self._store.url

    def require(self) -> None:
        """Raise ``Misconfigured`` where the address is a folder that does not exist: nothing would ever be found. A
        bucket says so itself when it is asked."""
        path = local_path(self._store.url)
        if path is not None and not path.is_dir():
            raise Misconfigured(
                "no such folder", operation="read recordings", key=str(path), hint="Check --audio-from."
            )

    def find(self, conversation: str, started_ms: int | None) -> tuple[ExportedFile, ...]:
        """The files of one conversation, by key. ``started_ms`` is its start in epoch milliseconds: without it, and
        where the hour's folder holds nothing, nothing is found (the whole bucket is never listed)."""
        check_id(conversation)
        for folder in self._folders(conversation, started_ms):
            listed = set(self._store.list(folder))
            if listed:
                return tuple(_files(listed))
        return ()

    def fetch(self, key: str) -> Spool:
        """One object, in a spool that is the caller's to close. Raises ``NotFound``, ``DiskFull``."""
        spool = Spool(self._folder)
        try:
            with self._store.open(key) as body:
                while block := body.read(1 << 20):
                    spool.write(block)
        except BaseException:
            spool.close()
            raise
        return spool.seal()

    def metadata(self, files: tuple[ExportedFile, ...]) -> Spool:
        """The metadata of all files as one JSON array of the documents as they came, without those that are no JSON."""
        joined = Spool(self._folder)
        joined.write(b"[")
        written = False
        for key in sorted({one.metadata for one in files if one.metadata}):
            try:
                data = self._store.get(key)
                msgspec.json.decode(data)
            except (NotFound, msgspec.DecodeError, RecursionError):
                continue
            joined.write((b"," if written else b"") + data)
            written = True
        joined.write(b"]")
        return joined.seal()

    def _folders(self, conversation: str, started_ms: int | None) -> Iterator[str]:
        """Where it may lie: an address may name the bucket or the organisation's folder in it, months come with and
        without a leading zero."""
        inside = f"conversation_id={conversation}/"
        if started_ms is not None:
            at = datetime.fromtimestamp(started_ms // 1000, UTC)
            for above in self._above():
                for width in ("02", ""):
                    parts = (f"month={at.month:{width}}", f"day={at.day:{width}}", f"hour={at.hour:{width}}")
                    yield f"{above}year={at.year}/{'/'.join(parts)}/{inside}"
        yield inside

    def _above(self) -> tuple[str, ...]:
        """The folders that years may lie in: the address itself, and every folder in it. Buckets also hold the results
        of queries, and the exports of other organisations."""
        if self._roots is None:
            folders = self._store.folders()
            here = any(_year.fullmatch(name) for name in folders)
            others = [f"{name}/" for name in folders if not _year.fullmatch(name)]
            self._roots = ("", *others) if here or not others else tuple(others)
        return self._roots


def _files(listed: set[str]) -> Iterator[ExportedFile]:
    for key in sorted(listed):
        name = key.rpartition("/")[2]
        if name.endswith(_METADATA):
            continue
        recording = name.partition(".")[0]
        if not is_id(recording):
            continue  # what some tool left beside the recordings (_SUCCESS)
        places = (f"{key}{_METADATA}", f"{key.removesuffix(name)}{recording}{_METADATA}")
        yield ExportedFile(recording, key, next((place for place in places if place in listed), None))
