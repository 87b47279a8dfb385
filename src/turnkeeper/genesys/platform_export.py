"""Read recordings from the platform's own export to S3: a bucket, or a copy of it in a folder.

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
    """One file in the export: the id of its recording, its key, and the key of its metadata, if there is any."""

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
        """Raise ``Misconfigured`` where the address is a folder that does not exist.

        A missing bucket raises by itself when it is listed, while a missing folder looks like an empty one.
        """
        path = local_path(self._store.url)
        if path is not None and not path.is_dir():
            raise Misconfigured(
                "no such folder", operation="read recordings", key=str(path), hint="Check --audio-from."
            )

    def find(self, conversation: str, started_ms: int | None) -> tuple[ExportedFile, ...]:
        """The files of one conversation, in the order of their keys.

        ``started_ms`` is its start in epoch milliseconds, which names the folder to list. Without it, only a folder of
        the conversation's own at the address is looked for, because listing a whole bucket may take hours.
        """
        check_id(conversation)
        for folder in self._folders(conversation, started_ms):
            keys = set(self._store.list(folder))
            if keys:
                return tuple(_exported_files(keys))
        return ()

    def fetch(self, key: str) -> Spool:
        """Download one object. The caller closes the spool. Raises ``NotFound``, ``DiskFull``."""
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
        """The metadata of all files as one JSON array, without the documents that are not JSON."""
        joined = Spool(self._folder)
        joined.write(b"[")
        written = False
        for key in sorted({file.metadata for file in files if file.metadata}):
            try:
                data = self._store.get(key)
                msgspec.json.decode(data)
            # One damaged document must not cost the metadata of the other recordings.
            except (NotFound, msgspec.DecodeError, RecursionError):
                continue
            joined.write((b"," if written else b"") + data)
            written = True
        joined.write(b"]")
        return joined.seal()

    def _folders(self, conversation: str, started_ms: int | None) -> Iterator[str]:
        """The folders that may hold a conversation.

        The address may name the bucket or the organisation's folder in it, and months are written with and without a
        leading zero.
        """
        inside = f"conversation_id={conversation}/"
        if started_ms is not None:
            at = datetime.fromtimestamp(started_ms // 1000, UTC)
            for root in self._roots_of_years():
                for width in ("02", ""):
                    parts = (f"month={at.month:{width}}", f"day={at.day:{width}}", f"hour={at.hour:{width}}")
                    yield f"{root}year={at.year}/{'/'.join(parts)}/{inside}"
        yield inside

    def _roots_of_years(self) -> tuple[str, ...]:
        """The folders that may hold those of years: the address itself, and every folder in it.

        A bucket may also hold the results of queries and the exports of other organisations.
        """
        if self._roots is None:
            folders = self._store.folders()
            years_here = any(_year.fullmatch(name) for name in folders)
            others = [f"{name}/" for name in folders if not _year.fullmatch(name)]
            self._roots = ("", *others) if years_here or not others else tuple(others)
        return self._roots


def _exported_files(keys: set[str]) -> Iterator[ExportedFile]:
    for key in sorted(keys):
        name = key.rpartition("/")[2]
        if name.endswith(_METADATA):
            continue
        recording = name.partition(".")[0]
        if not is_id(recording):
            continue  # a file that some tool left beside the recordings, like _SUCCESS
        places = (f"{key}{_METADATA}", f"{key.removesuffix(name)}{recording}{_METADATA}")
        yield ExportedFile(recording, key, next((place for place in places if place in keys), None))
