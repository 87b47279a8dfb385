"""Copy an archive, byte for byte: it is only objects, so any store can hold it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from turnkeeper.archive import keys
from turnkeeper.archive.bundle import Archive
from turnkeeper.archive.store import Store, open_store
from turnkeeper.settings import StoreSettings

__all__ = ["copy"]


@dataclass(frozen=True)
class _Held:
    """An object of a store, as something to be read from the start."""

    store: Store
    key: str
    size: int

    def open(self) -> BinaryIO:
        return self.store.open(self.key)


def copy(archive: Archive, to: str, settings: StoreSettings | None = None) -> int:
    """Copy every object of ``archive`` to the store at ``to``; manifests come last, so a cut copy shows nothing half.

    Returns the number of objects. Constant memory. Raises what either store raises.
    """
    target = open_store(to, settings)
    held = sorted(archive.store.list(""), key=lambda key: key.startswith(keys.MANIFESTS))
    for key in held:
        target.put_stream(key, _Held(archive.store, key, archive.store.size(key) or 0), content_type="application/json")
    return len(held)
