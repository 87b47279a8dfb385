"""Remove every object of one conversation from a store, with all versions if the store keeps them.

The result names the versions that cannot be removed yet, each with its lock. Removing again is always safe.
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
    """What was removed: the ``keys``, and the number of ``versions`` (not counting markers). ``locks`` hold what could
    not be removed; ``doubt`` says why something else may be left.
    """

    keys: set[str] = field(default_factory=set)
    versions: int = 0
    locks: list[VersionLock] = field(default_factory=list)
    doubt: str = ""


def visible_keys(store: Store, conversation: str) -> Iterator[str]:
    """The keys of the conversation's visible objects. Manifests come first, so that a removal that is interrupted
    leaves no manifest that names missing objects."""
    for place in keys.places(conversation):
        if place.endswith("/"):
            yield from (key for key in store.list(place) if keys.conversation_of(key) == conversation)
        elif store.size(place) is not None:
            yield place


def find_objects(store: Store, versioning: Versioning, conversation: str) -> Removal:
    """What ``remove_conversation`` would remove. Changes nothing. Locks are not found: only a deletion shows them."""
    objects = Removal(set(visible_keys(store, conversation)))
    if not (versioning.keeps_versions and versioning.bucket):
        objects.versions = len(objects.keys)
        return objects
    for version in _versions_of(versioning.bucket, conversation):
        objects.keys.add(version.key)
        objects.versions += not version.marker
    return objects


def remove_conversation(store: Store, versioning: Versioning, conversation: str) -> Removal:
    """Remove everything of a conversation. Raises what the store raises; what was removed until then stays removed."""
    removal = Removal()
    # Links first: behind one, the objects of the conversation cannot be listed.
    if isinstance(store, FolderStore):
        _remove_links(store, conversation, removal)
    if versioning.keeps_versions and versioning.bucket:
        _remove_versions(store, versioning.bucket, conversation, removal)
    else:
        _remove_visible(store, conversation, removal)
    # The name of an empty folder would still be the conversation's id.
    if isinstance(store, FolderStore):
        _remove_empty_folders(store, conversation)
    return removal


def _remove_visible(store: Store, conversation: str, removal: Removal) -> None:
    # A writer may store objects in the meantime: so remove until a listing is empty.
    for _ in range(ROUNDS):
        visible = list(visible_keys(store, conversation))
        if not visible:
            break
        for key in visible:
            store.delete(key)
        removal.keys.update(visible)
    else:
        removal.doubt = BUSY
    removal.versions = len(removal.keys)


def _versions_of(bucket: VersionedBucket, conversation: str) -> Iterator[ObjectVersion]:
    for place in keys.places(conversation):
        yield from bucket.versions(place)


def _remove_versions(store: Store, bucket: VersionedBucket, conversation: str, removal: Removal) -> None:
    """Delete versions until only those that locks hold are listed."""
    # Another process may be writing the conversation, so one round may not be enough.
    for _ in range(ROUNDS):
        held = {(lock.version.key, lock.version.id) for lock in removal.locks}
        held_keys = {key for key, _ in held}
        listed = _versions_of(bucket, conversation)
        versions = [one for one in listed if (one.key, one.id) not in held and not _hides_held(one, held_keys)]
        if not versions:
            return
        # The newest content of a key goes last: without it, an older one would become visible.
        contents = sorted((one for one in versions if not one.marker), key=lambda one: one.latest)
        locks = bucket.delete(contents)
        removal.locks += locks
        removal.keys.update(one.key for one in contents)
        removal.versions += len(contents) - len(locks)
        # A marker goes after the contents that it hides, and stays if a lock holds one of them.
        held_keys |= {lock.version.key for lock in locks}
        bucket.delete([one for one in versions if one.marker and not _hides_held(one, held_keys)])
        # Contents that are held but visible get a marker.
        for key in sorted({lock.version.key for lock in locks}):
            if store.size(key) is not None:
                store.delete(key)
    removal.doubt = BUSY


def remove_noncurrent_versions(bucket: VersionedBucket, place: str) -> list[VersionLock]:
    """Delete every version below a folder except the current ones. Returns the locks of those that are held."""
    versions = list(bucket.versions(place))
    locks = bucket.delete([one for one in versions if not one.marker and not one.latest])
    held_keys = {lock.version.key for lock in locks}
    bucket.delete([one for one in versions if one.marker and not _hides_held(one, held_keys)])
    return locks


def _hides_held(version: ObjectVersion, held_keys: set[str]) -> bool:
    return version.marker and version.key in held_keys


def _remove_links(store: FolderStore, conversation: str, removal: Removal) -> None:
    """Delete the links in the conversation's places. They are not followed, so what is behind one is not removed."""
    for place in keys.places(conversation):
        if store.drop_links(place):
            removal.doubt = LINKED


def _remove_empty_folders(store: FolderStore, conversation: str) -> None:
    for place in keys.places(conversation):
        if place.endswith("/"):
            store.prune(place)
