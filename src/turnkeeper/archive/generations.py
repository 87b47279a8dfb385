"""The generations of one conversation: which there are, and what the current one says."""

from __future__ import annotations

from turnkeeper.archive import keys
from turnkeeper.archive.manifest import Manifest, decode
from turnkeeper.errors import NotFound
from turnkeeper.storage.contract import Store

__all__ = ["current_manifest", "generations"]

_ATTEMPTS = 3


def generations(store: Store, conversation: str) -> list[int]:
    """The numbers of a conversation's generations, ascending. One request."""
    listed = (keys.parse_manifest(key) for key in store.list(keys.manifests(conversation)))
    return sorted(found[1] for found in listed if found and found[0] == conversation)


def current_manifest(store: Store, conversation: str) -> Manifest | None:
    """The current generation; None for a conversation that the archive does not hold.

    Raises ``Unread`` where it is damaged, of a newer format, or lists what is not its own.
    """
    for _ in range(_ATTEMPTS):
        found = generations(store, conversation)
        if not found:
            return None
        key = keys.manifest(conversation, found[-1])
        try:
            return decode(store.get(key), key)
        except NotFound:
            continue  # erased between the two requests
    return None
