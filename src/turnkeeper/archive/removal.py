"""Remove every object of one conversation from a store, and every version where those are kept. Knows no reasons.

What cannot be removed yet is said: which version, under which lock, until when. Removing again is always safe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from turnkeeper.archive import keys
from turnkeeper.storage.contract import Store
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.versions import Bucket, History, Lock, Version

__all__ = ["Removed", "held_keys", "remove", "remove_earlier", "survey"]

ROUNDS = 3
LINKED = "a link stood in place of its folder: it is removed, and what it led to was not touched"
BUSY = "objects kept appearing while they were removed: something is still writing this conversation"


@dataclass
class Removed:
    """What was removed: the ``keys``, the number of ``versions`` (markers are none), and what ``locks`` still hold.

    ``doubt`` says why something may be left.
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
    if isinstance(store, FolderStore):
        _remove_links(store, conversation, removed)
    if history.kept and history.bucket:
        _remove_versions(store, history.bucket, conversation, removed)
    else:
        _remove_visible(store, conversation, removed)
    if isinstance(store, FolderStore):
        _prune(store, conversation)
    return removed


def _remove_visible(store: Store, conversation: str, removed: Removed) -> None:
    for _ in range(ROUNDS):
        visible = list(held_keys(store, conversation))
        if not visible:
            break
        for key in visible:
            store.delete(key)
        removed.keys.update(visible)
    else:
        removed.doubt = BUSY
    removed.versions = len(removed.keys)


def _versions(bucket: Bucket, conversation: str) -> Iterator[Version]:
    for place in keys.places(conversation):
        yield from bucket.versions(place)


def _remove_versions(store: Store, bucket: Bucket, conversation: str, removed: Removed) -> None:
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


def remove_earlier(bucket: Bucket, place: str) -> list[Lock]:
    """Remove every version below a folder but what stands there now; the locks of those that are held."""
    listed = list(bucket.versions(place))
    locks = bucket.delete([one for one in listed if not one.marker and not one.latest])
    held = {lock.version.key for lock in locks}
    bucket.delete([one for one in listed if one.marker and not _hides(one, held)])
    return locks


def _hides(version: Version, held: set[str]) -> bool:
    return version.marker and version.key in held


def _remove_links(store: FolderStore, conversation: str, removed: Removed) -> None:
    """Links in the conversation's places go first: they are not followed, and hide what they lead to."""
    for place in keys.places(conversation):
        if store.drop_links(place):
            removed.doubt = LINKED


def _prune(store: FolderStore, conversation: str) -> None:
    for place in keys.places(conversation):
        if place.endswith("/"):
            store.prune(place)
