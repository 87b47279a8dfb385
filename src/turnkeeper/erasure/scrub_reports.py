"""Take a conversation out of the archive's own notes about earlier runs. Pure, but for ``scrub``."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from turnkeeper.archive import keys
from turnkeeper.errors import NotFound
from turnkeeper.storage.contract import Store
from turnkeeper.storage.keys import INCOMING
from turnkeeper.storage.parallel import each

__all__ = ["scrub", "without"]

NOTES = "_turnkeeper/"
_apart = (
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


def scrub(store: Store, conversations: Collection[str]) -> int:
    """Rewrite every run report that names one of the conversations. Returns how many were.

    States have their own way of forgetting, tombstones and the audit are to remember.
    """

    def look(key: str) -> int:
        try:
            data = store.get(key)
        except NotFound:
            return 0
        cleaned = without(data, conversations)
        if cleaned != data:
            store.put(key, cleaned)
        return cleaned != data

    places = (f"{folder}/" for folder in store.folders(NOTES))
    return sum(each(look, (key for place in places if not place.startswith(_apart) for key in store.list(place))))


def without(data: bytes, conversations: Collection[str]) -> bytes:
    """A JSON document, or JSON lines, without what names one of the conversations; unchanged where nothing does.

    From a list goes the whole entry; a text elsewhere becomes ``erased``. What is no JSON is returned as it is.
    """
    named = [name for name in conversations if name.encode() in data]
    if not named:
        return data
    try:
        return msgspec.json.format(msgspec.json.encode(_clean(msgspec.json.decode(data), named)), indent=2) + b"\n"
    except msgspec.DecodeError:
        return b"".join(_lines(data, named))


def _lines(data: bytes, named: Collection[str]) -> Iterator[bytes]:
    for line in data.splitlines(keepends=True):
        try:
            entry = msgspec.json.decode(line)
        except msgspec.DecodeError:
            yield line
        else:
            if not _names(entry, named):
                yield line


def _clean(value: object, named: Collection[str]) -> object:
    if isinstance(value, list):
        return [_clean(entry, named) for entry in value if not _names(entry, named, deep=False)]
    if isinstance(value, dict):
        return {name: _clean(entry, named) for name, entry in value.items() if not _names(name, named)}
    return "erased" if isinstance(value, str) and _names(value, named) else value


def _names(value: object, named: Collection[str], *, deep: bool = True) -> bool:
    """Whether a value names a conversation: a text, an object's own text, or ``deep`` anything inside."""
    if isinstance(value, str):
        return any(name in value for name in named)
    if isinstance(value, dict):
        inside = value.values() if deep else [entry for entry in value.values() if isinstance(entry, str)]
        return any(_names(entry, named, deep=deep) for entry in inside)
    return deep and isinstance(value, list) and any(_names(entry, named) for entry in value)
