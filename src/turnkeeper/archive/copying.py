"""Copy an archive, byte for byte: it is only objects, so any store can hold it."""

from __future__ import annotations

from turnkeeper.archive.bundle import Archive
from turnkeeper.archive.store import open_store
from turnkeeper.settings import StoreSettings

__all__ = ["copy"]


def copy(archive: Archive, to: str, settings: StoreSettings | None = None) -> int:
    """Copy every object of ``archive`` to the store at ``to``; manifests come last, so a cut copy shows nothing half.

    Returns the number of objects. Raises what either store raises.
    """
    target = open_store(to, settings)
    keys = sorted(archive.store.list(""), key=lambda key: key.startswith("manifests/"))
    for key in keys:
        target.put(key, archive.store.get(key))
    return len(keys)
