"""Copy an archive, byte for byte: it is only objects, so any store can hold it."""

from __future__ import annotations

from turnkeeper.archive import keys
from turnkeeper.archive.archive import Archive
from turnkeeper.audio.media_types import content_type
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.contract import Stored
from turnkeeper.storage.object_store import open_store

__all__ = ["copy"]


def copy(archive: Archive, to: str, settings: StoreSettings | None = None) -> int:
    """Copy every object of ``archive`` to the store at ``to``; manifests come last, so a cut copy shows nothing half.

    Returns the number of objects. Constant memory. Raises what either store raises.
    """
    target = open_store(to, settings)
    held = sorted(archive.store.list(""), key=lambda key: key.startswith(keys.MANIFESTS))
    for key in held:
        source = Stored(archive.store, key, archive.store.size(key) or 0)
        target.put_stream(key, source, content_type=content_type(key.rpartition(".")[2]))
    return len(held)
