"""Remove every object of one conversation from a store, and every version where those are kept. Knows no reasons.

What cannot be removed yet is said: which version, under which lock, until when. Removing again is always safe.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from turnkeeper.archive import keys
from turnkeeper.archive.contract import Store
from turnkeeper.archive.folder import FolderStore
from turnkeeper.archive.versions import Bucket, History, Lock, Version
from turnkeeper.errors import Denied, StoreRefused

__all__ = ["Removed", "held_keys", "remove", "survey"]

ROUNDS = 3


@dataclass
class Removed:
    """What was removed: the ``keys``, the number of ``versions`` (markers are none), and what ``locks`` still hold.

    ``doubt`` says why something may be left: objects kept appearing, or uploads could not be looked for.
    """

    keys: set[str] = field(default_factory=set)
    versions: int = 0
    locks: list[Lock] = field(default_factory=list)
    doubt: str = ""


def held_keys(store: Store, conversation: str) -> Iterator[str]:
    """The conversation's visible objects, manifests first: a removal that stops midway shows no half conversation."""
    for place in keys.places(conversation):
        if place.endswith("/"):
            yield from (key for key in store.list(place) if keys.conversation_of(key) == conversation)
        elif store.size(place) is not None:
            yield place


def survey(store: Store, history: History, conversation: str) -> Removed:
    """What ``remove`` would remove. Changes nothing; locks are found only by trying."""
    found = Removed(set(held_keys(store, conversation)))
    if not (history.kept and history.bucket):
        found.versions = len(found.keys)
        return found
    for version in _versions(history.bucket, conversation):
        found.keys.add(version.key)
        found.versions += not version.marker
    return found


def remove(store: Store, history: History, conversation: str) -> Removed:
    """Remove everything that is there. Raises what the store raises; what was removed until then stays removed."""
    removed = Removed()
    removed.doubt = _abandon_uploads(history.bucket, conversation) if history.bucket else ""
    for _ in range(ROUNDS):
        visible = list(held_keys(store, conversation))
        removed.keys.update(visible)
        for key in visible:
            store.delete(key)
        if history.kept and history.bucket:
            _remove_versions(store, history.bucket, conversation, removed)
        else:
            removed.versions = len(removed.keys)
        if not any(True for _ in held_keys(store, conversation)):
            break
    else:
        removed.doubt = "objects kept appearing while they were removed: something is still writing this conversation"
    if isinstance(store, FolderStore):
        _prune(store, conversation)
    return removed


def _versions(bucket: Bucket, conversation: str) -> Iterator[Version]:
    for place in keys.places(conversation):
        yield from bucket.versions(place)


def _remove_versions(store: Store, bucket: Bucket, conversation: str, removed: Removed) -> None:
    """Contents first, then the markers that hide them: a marker stays as long as it hides something held."""
    found: dict[bool, list[Version]] = defaultdict(list)
    for version in _versions(bucket, conversation):
        found[version.marker].append(version)
    removed.locks = bucket.delete(found[False])
    removed.keys.update(version.key for version in found[False])
    removed.versions += len(found[False]) - len(removed.locks)
    held = {lock.version.key for lock in removed.locks}
    bucket.delete([marker for marker in found[True] if marker.key not in held])
    for key in sorted(held):
        if store.size(key) is not None:
            store.delete(key)


def _abandon_uploads(bucket: Bucket, conversation: str) -> str:
    """Abort uploads that never ended; why not, where this identity may not."""
    try:
        for place in keys.places(conversation):
            bucket.abandon_uploads(place)
    except (Denied, StoreRefused) as cause:
        return f"whether parts of broken uploads are left cannot be known ({cause.message})"
    return ""


def _prune(store: FolderStore, conversation: str) -> None:
    for place in keys.places(conversation):
        if place.endswith("/"):
            store.prune(place)
