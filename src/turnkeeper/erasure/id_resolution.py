"""Resolve ids that a person typed to conversations of the archive. Capital letters may differ."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from turnkeeper.archive import keys
from turnkeeper.archive.generations import list_conversations
from turnkeeper.archive.index import Index
from turnkeeper.archive.removal import find_objects
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.errors import Unread
from turnkeeper.ids import check_id
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.store import Store
from turnkeeper.storage.versions import Versioning

__all__ = ["ResolvedId", "resolve_ids"]


class ResolvedId(msgspec.Struct, frozen=True):
    """The ``conversation`` that the given id ``asked`` stands for.

    ``held``: the archive has objects of it, or its index names it. ``erased``: there is only a tombstone. ``absent``:
    there is nothing; then ``conversation`` is ``asked``, and ``others`` counts the ids that differ from it in capital
    letters only.
    """

    asked: str
    conversation: str
    how: Literal["held", "erased", "absent"]
    others: int = 0


def resolve_ids(store: Store, versioning: Versioning, asked: Iterable[str]) -> Iterator[ResolvedId]:
    """Resolve each id. Raises ``Misconfigured`` for what cannot be an id.

    The objects of each id are looked up. If some ids have none, the manifests, the index and the tombstones are listed
    once for all of those.
    """
    unknown: list[str] = []
    for name in dict.fromkeys(asked):
        check_id(name, "conversation")
        if find_objects(store, versioning, name).keys or _is_linked(store, name):
            yield ResolvedId(name, name, "held")
        else:
            unknown.append(name)
    if unknown:
        folded = frozenset(name.lower() for name in unknown)
        held = _group_by_lower(_ids_held(store), folded)
        erased = _group_by_lower(_ids_erased(store, folded), folded)
        yield from (_resolve_one(name, held.get(name.lower(), ()), erased.get(name.lower(), ())) for name in unknown)


def _is_linked(store: Store, conversation: str) -> bool:
    """Whether a link is in a place of the conversation's objects. An erasure removes it."""
    return isinstance(store, FolderStore) and any(next(store.links(place), "") for place in keys.places(conversation))


def _resolve_one(asked: str, held: Sequence[str], erased: Sequence[str]) -> ResolvedId:
    if name := _unambiguous(asked, held):
        return ResolvedId(asked, name, "held")
    if not held and (name := _unambiguous(asked, erased)):
        return ResolvedId(asked, name, "erased")
    return ResolvedId(asked, asked, "absent", len(held) or len(erased))


def _unambiguous(asked: str, candidates: Sequence[str]) -> str:
    """The id itself if it is a candidate, else the only candidate; empty if there are several."""
    if asked in candidates:
        return asked
    return candidates[0] if len(candidates) == 1 else ""


def _group_by_lower(names: Iterable[str], selected: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """The names whose lower-case form is selected, by that form, each name once."""
    groups: dict[str, dict[str, None]] = {}
    for name in names:
        if name.lower() in selected:
            groups.setdefault(name.lower(), {})[name] = None
    return {lower: tuple(spellings) for lower, spellings in groups.items()}


def _ids_held(store: Store) -> Iterator[str]:
    """The conversations that have a manifest, and those in the index that are not erased."""
    yield from list_conversations(store)
    index = Index(store)
    for day in index.days():
        with contextlib.suppress(Unread):  # the erasure itself reports a day that cannot be read
            yield from (call.conversation for call in index.read(day).calls if call.state != "erased")


def _ids_erased(store: Store, folded: frozenset[str]) -> Iterator[str]:
    tombstones = Tombstones(store)
    for name in tombstones.all():
        if name.lower() in folded and tombstones.was_held(name):
            yield name
