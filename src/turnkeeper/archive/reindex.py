"""Build the index of an archive again from its manifests.

What manifests tell is corrected: which conversations there are, their state, reason, generation, start, end, queues,
media and direction, and which legs are held. What they cannot tell stays as the index has it, if it can be read: calls
that have no transcript yet, and when each leg was asked for and is asked for again. The day of a call stays where the
index has it. Nothing is written where the index says everything already.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import Final

import msgspec

from turnkeeper.archive import inputs, keys
from turnkeeper.archive.generations import current_manifest
from turnkeeper.archive.index import CallState, Index
from turnkeeper.archive.index_entries import day_of, entry_of, restated
from turnkeeper.archive.manifest import Manifest
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.errors import NotFound, Skippable, TurnkeeperError, Unread
from turnkeeper.payloads.details import Details, read_details
from turnkeeper.storage.contract import Store
from turnkeeper.storage.parallel import each

__all__ = ["Reindexed", "reindex"]

BATCH: Final = 20_000
"""Entries that are held before they are written: about 10 MB."""


class Reindexed(msgspec.Struct, frozen=True, kw_only=True):
    """``conversations`` were looked at; of ``changed`` the index said nothing, or something else; ``unread`` could not
    be read, and stay as the index has them."""

    conversations: int
    changed: int
    unread: int


def reindex(store: Store, on_error: Callable[[TurnkeeperError], None]) -> Reindexed:
    """Rebuild the index. ``on_error`` is told of each manifest and each day that cannot be read; such a day is written
    anew from the manifests alone. Memory: some 150 bytes a conversation, for the day that each is in."""
    states = Index(store)
    days = _known_days(states, on_error)
    erased = frozenset(Tombstones(store).all())
    batch: dict[str, list[CallState]] = {}
    looked_at = changed = unread = 0
    for name, found in each(lambda name: (name, _entry(store, name)), _conversations(store, erased)):
        day = days.pop(name, "")
        if isinstance(found, CallState):
            looked_at += 1
            batch.setdefault(day or day_of(found), []).append(found)
            if looked_at % BATCH == 0:
                changed += _commit(states, store, batch)
                batch = {}
        elif found is not None:
            unread += 1
            on_error(found)
    changed += _commit(states, store, batch)
    changed += _correct_others(states, days, erased)
    return Reindexed(conversations=looked_at, changed=changed, unread=unread)


def _known_days(states: Index, on_error: Callable[[TurnkeeperError], None]) -> dict[str, str]:
    """The day that the index has each conversation in."""
    days: dict[str, str] = {}
    for day in states.days():
        try:
            days.update((call.conversation, day) for call in states.read(day).calls)
        except Unread as cause:
            on_error(cause)
            states.reset(day)
    return days


def _conversations(store: Store, erased: Collection[str]) -> Iterator[str]:
    last = ""
    for key in store.list(keys.MANIFESTS):
        found = keys.parse_manifest(key)
        if found and found[0] != last and found[0] not in erased:
            last = found[0]
            yield last


def _entry(store: Store, conversation: str) -> CallState | Skippable | None:
    """The entry of a conversation's current generation, or why there is none."""
    try:
        manifest = current_manifest(store, conversation)
        return entry_of(manifest, _details(store, manifest)) if manifest else None
    except Skippable as cause:
        return cause


def _details(store: Store, manifest: Manifest) -> Details | None:
    for one in manifest.inputs:
        if one.source == inputs.CONVERSATION:
            with contextlib.suppress(NotFound, Unread):
                return read_details(store.get(one.key))
    return None


def _commit(states: Index, store: Store, batch: dict[str, list[CallState]]) -> int:
    def corrected(known: CallState, entry: CallState) -> CallState:
        if known.generation > entry.generation:
            newer = keys.manifest(known.conversation, known.generation)
            if store.size(newer) is not None:
                return known  # committed since its manifests were listed
        return restated(known, entry)

    return sum(states.commit(day, entries, combine=corrected) for day, entries in sorted(batch.items()))


def _correct_others(states: Index, days: dict[str, str], erased: Collection[str]) -> int:
    """What the index says of conversations that have no manifest: nothing is archived of them."""
    by_day: dict[str, list[str]] = {}
    for name, day in days.items():
        by_day.setdefault(day, []).append(name)
    changed = 0
    for day, names in sorted(by_day.items()):
        named = frozenset(names)
        calls = [call for call in states.read(day).calls if call.conversation in named]
        told = [_without_manifest(call, gone=call.conversation in erased) for call in calls]
        changed += states.commit(day, told, combine=lambda _, told: told)
    return changed


def _without_manifest(call: CallState, *, gone: bool) -> CallState:
    if gone:
        return msgspec.structs.replace(call, state="erased", reason="", legs=())
    if call.generation or call.state in ("done", "unread"):
        return msgspec.structs.replace(call, state="pending", reason="", generation=0, legs=())
    return call
