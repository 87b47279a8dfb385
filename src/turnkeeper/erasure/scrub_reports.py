"""Take conversations out of the archive's own reports about earlier runs. Pure, except ``scrub_reports``."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from turnkeeper.archive import keys
from turnkeeper.errors import NotFound
from turnkeeper.storage.key_rules import INCOMING
from turnkeeper.storage.parallel import parallel_map
from turnkeeper.storage.store import Store

__all__ = ["scrub_document", "scrub_reports"]

NOTES = "_turnkeeper/"
_SKIPPED = (
    f"{INCOMING}/",
    "_turnkeeper/probe/",
    keys.TOMBSTONES,
    keys.ERASING,
    keys.AUDIT,
    keys.STATES,
    keys.WINDOWS,
    keys.SUPERSEDED,
    *(f"{folder}/" for folder in keys.OWN_FOLDERS),
)


def scrub_reports(store: Store, conversations: Collection[str]) -> int:
    """Rewrite every report that names one of the conversations, and return how many did.

    The index is cleared by ``Index.mark_erased``. Tombstones and the audit keep the ids on purpose.
    """

    def scrub(key: str) -> int:
        try:
            data = store.get(key)
        except NotFound:
            return 0
        cleaned = scrub_document(data, conversations)
        if cleaned != data:
            store.put(key, cleaned)
        return cleaned != data

    folders = (f"{folder}/" for folder in store.folders(NOTES))
    reports = (key for folder in folders if not folder.startswith(_SKIPPED) for key in store.list(folder))
    return sum(parallel_map(scrub, reports))


def scrub_document(data: bytes, conversations: Collection[str]) -> bytes:
    """A JSON document, or JSON lines, without the parts that name one of the conversations.

    In a list, the whole entry is removed; any other text becomes ``erased``. Data that names none of them, or is not
    JSON, is returned unchanged.
    """
    # Most reports name none of them, and searching the bytes costs less than decoding.
    ids = [name for name in conversations if name.encode() in data]
    if not ids:
        return data
    try:
        return msgspec.json.format(msgspec.json.encode(_scrub_value(msgspec.json.decode(data), ids)), indent=2) + b"\n"
    except msgspec.DecodeError:
        return b"".join(_scrub_lines(data, ids))


def _scrub_lines(data: bytes, ids: Collection[str]) -> Iterator[bytes]:
    for line in data.splitlines(keepends=True):
        try:
            entry = msgspec.json.decode(line)
        except msgspec.DecodeError:
            yield line
        else:
            if not _mentions(entry, ids):
                yield line


def _scrub_value(value: object, ids: Collection[str]) -> object:
    if isinstance(value, list):
        return [_scrub_value(entry, ids) for entry in value if not _mentions(entry, ids, deep=False)]
    if isinstance(value, dict):
        return {name: _scrub_value(entry, ids) for name, entry in value.items() if not _mentions(name, ids)}
    return "erased" if isinstance(value, str) and _mentions(value, ids) else value


def _mentions(value: object, ids: Collection[str], *, deep: bool = True) -> bool:
    """Whether a text, or a text directly in an object, contains an id; with ``deep``, a text at any depth."""
    if isinstance(value, str):
        return any(name in value for name in ids)
    if isinstance(value, dict):
        inside = value.values() if deep else [entry for entry in value.values() if isinstance(entry, str)]
        return any(_mentions(entry, ids, deep=deep) for entry in inside)
    return deep and isinstance(value, list) and any(_mentions(entry, ids) for entry in value)
