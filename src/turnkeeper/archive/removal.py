"""Remove every object of one conversation from a store, and every version where those are kept. Knows no reasons.

What cannot be removed yet is said: which version, under which lock, until when. Removing again is always safe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from turnkeeper.archive import keys
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.store import Store
from turnkeeper.storage.versions import ObjectVersion, VersionedBucket, Versioning, VersionLock

__all__ = ["Removal", "find_objects", "remove_conversation", "remove_noncurrent_versions", "visible_keys"]

ROUNDS = 3
LINKED = "a link stood in place of its folder: it is removed, and what it led to was not touched"
BUSY = "objects kept appearing while they were removed: something is still writing this conversation"


@dataclass
class Removal:
    """What was removed: the ``keys``, the number of ``versions`` (markers are none), and what ``locks`` still hold.

    ``doubt`` says why something may be left.
    """

    keys: set[str] = field(default_factory=set)
    versions: int = 0
    locks: list[VersionLock] = field(default_factory=list)
    doubt: str = ""


def visible_keys(store: Store, conversation: str) -> Iterator[str]:
    """The conversation's visible objects, manifests first: a removal that stops midway shows no half conversation."""
    for place in keys.places(conversation):
        if place.endswith("/"):
            yield from (key for key in store.list(place) if keys.conversation_of(key) == conversation)
        elif store.size(place) is not None:
            yield place


def find_objects(store: Store, versioning: Versioning, conversation: str) -> Removal:
    """What ``remove_conversation`` would remove. Changes nothing; locks are found only by trying."""
    found = Removal(set(visible_keys(store, conversation)))
    if not (versioning.keeps_versions and versioning.bucket):
        found.versions = len(found.keys)
        return found
    for version in _versions(versioning.bucket, conversation):
        found.keys.add(version.key)
        found.versions += not version.marker
    return found


def remove_conversation(store: Store, versioning: Versioning, conversation: str) -> Removal:
    """Remove everything that is there. Raises what the store raises; what was removed until then stays removed."""
    removed = Removal()
    if isinstance(store, FolderStore):
        _remove_links(store, conversation, removed)
    if versioning.keeps_versions and versioning.bucket:
        _remove_versions(store, versioning.bucket, conversation, removed)
    else:
        _remove_visible(store, conversation, removed)
    if isinstance(store, FolderStore):
        _prune(store, conversation)
    return removed


def _remove_visible(store: Store, conversation: str, removed: Removal) -> None:
    for _ in range(ROUNDS):
        visible = list(visible_keys(store, conversation))
        if not visible:
            break
        for key in visible:
            store.delete(key)
        removed.keys.update(visible)
    else:
        removed.doubt = BUSY
    removed.versions = len(removed.keys)


def _versions(bucket: VersionedBucket, conversation: str) -> Iterator[ObjectVersion]:
    for place in keys.places(conversation):
        yield from bucket.versions(place)


def _remove_versions(store: Store, bucket: VersionedBucket, conversation: str, removed: Removal) -> None:
    """Until only what is held is listed. The newest content goes last, so that no older one comes to light; markers
    go after what they hide, and stay where that is held."""
    for _ in range(ROUNDS):
        held = {(lock.version.key, lock.version.id) for lock in removed.locks}
        hiding = {key for key, _ in held}
        listed = _versions(bucket, conversation)
        found = [one for one in listed if (one.key, one.id) not in held and not _hides(one, hiding)]
        if not found:
            return
        contents = sorted((one for one in found if not one.marker), key=lambda one: one.latest)
        locks = bucket.delete(contents)
        removed.locks += locks
        removed.keys.update(one.key for one in contents)
        removed.versions += len(contents) - len(locks)
        hiding |= {lock.version.key for lock in locks}
        bucket.delete([one for one in found if one.marker and not _hides(one, hiding)])
        for key in sorted({lock.version.key for lock in locks}):
            if store.size(key) is not None:
                store.delete(key)
    removed.doubt = BUSY


def remove_noncurrent_versions(bucket: VersionedBucket, place: str) -> list[VersionLock]:
    """Remove every version below a folder but what stands there now; the locks of those that are held."""
    listed = list(bucket.versions(place))
    locks = bucket.delete([one for one in listed if not one.marker and not one.latest])
    held = {lock.version.key for lock in locks}
    bucket.delete([one for one in listed if one.marker and not _hides(one, held)])
    return locks


def _hides(version: ObjectVersion, held: set[str]) -> bool:
    return version.marker and version.key in held


def _remove_links(store: FolderStore, conversation: str, removed: Removal) -> None:
    """Links in the conversation's places go first: they are not followed, and hide what they lead to."""
    for place in keys.places(conversation):
        if store.drop_links(place):
            removed.doubt = LINKED


def _prune(store: FolderStore, conversation: str) -> None:
    for place in keys.places(conversation):
        if place.endswith("/"):
            store.prune(place)
