"""Which conversation of an archive is meant by an id that somebody typed: capital letters may differ."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from turnkeeper.archive import keys
from turnkeeper.archive.index import Index
from turnkeeper.archive.removal import survey
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.errors import Unread
from turnkeeper.ids import check_id
from turnkeeper.storage.contract import Store
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.versions import History

__all__ = ["Meant", "meant"]


class Meant(msgspec.Struct, frozen=True):
    """The ``conversation`` that ``asked`` means. ``held``: the archive has objects of it, or its index names it.
    ``erased``: a tombstone is all there is. ``absent``: neither; ``conversation`` is then ``asked``, and ``others``
    counts the ids that differ from it in capital letters only.
    """

    asked: str
    conversation: str
    how: Literal["held", "erased", "absent"]
    others: int = 0


def meant(store: Store, history: History, asked: Iterable[str]) -> Iterator[Meant]:
    """What each id means. One look at the objects of each; where an id has none, the manifests, the index and the
    tombstones are listed once for all of them. Raises ``Misconfigured`` for what cannot be an id.
    """
    unknown: list[str] = []
    for name in dict.fromkeys(asked):
        check_id(name, "conversation")
        if survey(store, history, name).keys or _is_linked(store, name):
            yield Meant(name, name, "held")
        else:
            unknown.append(name)
    if unknown:
        folded = frozenset(name.lower() for name in unknown)
        held = _by_letters(_held(store), folded)
        erased = _by_letters(_erased(store, folded), folded)
        yield from (_chosen(name, held.get(name.lower(), ()), erased.get(name.lower(), ())) for name in unknown)


def _is_linked(store: Store, conversation: str) -> bool:
    """Whether a link stands where objects of the conversation would be: erasing removes it."""
    return isinstance(store, FolderStore) and any(next(store.links(place), "") for place in keys.places(conversation))


def _chosen(asked: str, held: Sequence[str], erased: Sequence[str]) -> Meant:
    if one := _one(asked, held):
        return Meant(asked, one, "held")
    if not held and (one := _one(asked, erased)):
        return Meant(asked, one, "erased")
    return Meant(asked, asked, "absent", len(held) or len(erased))


def _one(asked: str, found: Sequence[str]) -> str:
    """The id itself where it is there, else the only one that is there."""
    if asked in found:
        return asked
    return found[0] if len(found) == 1 else ""


def _by_letters(names: Iterable[str], wanted: frozenset[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for name in names:
        if name.lower() in wanted:
            found.setdefault(name.lower(), {})[name] = None
    return {letters: tuple(spelled) for letters, spelled in found.items()}


def _held(store: Store) -> Iterator[str]:
    """The conversations that have a manifest, and those that the index names and does not call erased."""
    for key in store.list(keys.MANIFESTS):
        found = keys.parse_manifest(key)
        if found:
            yield found[0]
    states = Index(store)
    for day in states.days():
        with contextlib.suppress(Unread):  # erasing says that a day cannot be read
            yield from (call.conversation for call in states.read(day).calls if call.state != "erased")


def _erased(store: Store, folded: frozenset[str]) -> Iterator[str]:
    tombstones = Tombstones(store)
    for name in tombstones.all():
        if name.lower() in folded and tombstones.was_held(name):
            yield name
