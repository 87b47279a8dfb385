"""Read what an archive holds: its conversations, the generations of each, and what the current one says."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from turnkeeper.archive import inputs, keys
from turnkeeper.archive.manifest import Manifest, decode
from turnkeeper.errors import NotFound, Unread
from turnkeeper.payloads.details import Details, read_details
from turnkeeper.storage.store import Store

__all__ = ["archived_details", "current_manifest", "generations", "list_conversations"]

_ATTEMPTS = 3


def list_conversations(store: Store) -> Iterator[str]:
    """The ids of all conversations that have a manifest, sorted."""
    last = ""
    for key in store.list(keys.MANIFESTS):
        parsed = keys.parse_manifest(key)
        if parsed and parsed[0] != last:
            last = parsed[0]
            yield last


def generations(store: Store, conversation: str) -> list[int]:
    """The numbers of a conversation's generations, ascending. One request."""
    parsed = (keys.parse_manifest(key) for key in store.list(keys.manifests(conversation)))
    # A store that ignores capital letters may list the manifests of another id.
    return sorted(pair[1] for pair in parsed if pair and pair[0] == conversation)


def current_manifest(store: Store, conversation: str) -> Manifest | None:
    """The current generation; None for a conversation that the archive does not hold.

    Raises ``Unread`` if it is damaged, of a newer format, or lists objects of another conversation.
    """
    for _ in range(_ATTEMPTS):
        numbers = generations(store, conversation)
        if not numbers:
            return None
        key = keys.manifest(conversation, numbers[-1])
        try:
            return decode(store.get(key), key)
        except NotFound:
            continue  # erased between the two requests
    return None


def archived_details(store: Store, manifest: Manifest) -> Details | None:
    """The parsed analytics details of a generation; None if there are none, or they cannot be read."""
    for body in manifest.inputs:
        if body.source == inputs.CONVERSATION:
            with contextlib.suppress(NotFound, Unread):
                return read_details(store.get(body.key))
    return None
