"""Build the index of an archive again from its manifests.

Manifests say which conversations there are, their state, reason, generation, start, end, queues, media and direction,
and which legs have a transcript. This is corrected. They do not say which calls have no transcript yet, nor when each
leg was requested and is due again. This stays as the index has it, if it can be read. A call stays in the day that the
index has it in. Nothing is written if the index is right already.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

import msgspec

from turnkeeper.archive import keys
from turnkeeper.archive.generations import archived_details, current_manifest, list_conversations
from turnkeeper.archive.index import CallState, Index
from turnkeeper.archive.index_entries import correct_entry, day_of, entry_from_manifest
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.errors import Skippable, TurnkeeperError, Unread
from turnkeeper.storage.parallel import parallel_map
from turnkeeper.storage.store import Store

__all__ = ["ReindexResult", "reindex"]

BATCH: Final = 20_000
"""Entries that are collected before they are written: about 10 MB."""


class ReindexResult(msgspec.Struct, frozen=True, kw_only=True):
    """``conversations`` counts those that were read, ``changed`` those for which the index was corrected, ``unread``
    those that could not be read and stay as the index has them."""

    conversations: int
    changed: int
    unread: int


def reindex(store: Store, on_error: Callable[[TurnkeeperError], None]) -> ReindexResult:
    """Build the index again. ``on_error`` is called for each manifest and each day that cannot be read; such a day is
    built from the manifests alone. Uses some 150 bytes of memory a conversation, for its day in the index."""
    index = Index(store)
    days = _indexed_days(index, on_error)
    erased = frozenset(Tombstones(store).all())
    # Manifests of an erased conversation may be left, and must not bring it back into the index.
    names = (name for name in list_conversations(store) if name not in erased)
    batch: dict[str, list[CallState]] = {}
    count = changed = unread = 0
    for name, entry in parallel_map(lambda name: (name, _entry_or_error(store, name)), names):
        # What is left at the end has no manifest.
        day = days.pop(name, "")
        if isinstance(entry, CallState):
            count += 1
            batch.setdefault(day or day_of(entry), []).append(entry)
            if count % BATCH == 0:
                changed += _commit_batch(index, store, batch)
                batch = {}
        elif entry is not None:
            unread += 1
            on_error(entry)
    changed += _commit_batch(index, store, batch)
    changed += _correct_without_manifests(index, days, erased)
    return ReindexResult(conversations=count, changed=changed, unread=unread)


def _indexed_days(index: Index, on_error: Callable[[TurnkeeperError], None]) -> dict[str, str]:
    """The day that the index has each conversation in. Days that cannot be read are emptied."""
    days: dict[str, str] = {}
    for day in index.days():
        try:
            days.update((call.conversation, day) for call in index.read(day).calls)
        except Unread as cause:
            on_error(cause)
            # A day that cannot be read would refuse every commit.
            index.reset(day)
    return days


def _entry_or_error(store: Store, conversation: str) -> CallState | Skippable | None:
    """The entry of a conversation's current generation, or why there is none."""
    try:
        manifest = current_manifest(store, conversation)
        return entry_from_manifest(manifest, archived_details(store, manifest)) if manifest else None
    except Skippable as cause:
        return cause


def _commit_batch(index: Index, store: Store, batch: dict[str, list[CallState]]) -> int:
    def correct(known: CallState, entry: CallState) -> CallState:
        if known.generation > entry.generation:
            # A higher generation in the index is right only if its manifest exists: an archive may have been restored.
            newer = keys.manifest(known.conversation, known.generation)
            if store.size(newer) is not None:
                return known  # committed after its manifests were listed
        return correct_entry(known, entry)

    return sum(index.commit(day, entries, combine=correct) for day, entries in sorted(batch.items()))


def _correct_without_manifests(index: Index, days: dict[str, str], erased: Collection[str]) -> int:
    """Correct the entries of conversations that have no manifest: nothing of them is archived."""
    by_day: dict[str, set[str]] = {}
    for name, day in days.items():
        by_day.setdefault(day, set()).add(name)
    changed = 0
    for day, names in sorted(by_day.items()):
        calls = [call for call in index.read(day).calls if call.conversation in names]
        entries = [_without_manifest(call, is_erased=call.conversation in erased) for call in calls]
        changed += index.commit(day, entries, combine=lambda _, entry: entry)
    return changed


def _without_manifest(call: CallState, *, is_erased: bool) -> CallState:
    if is_erased:
        return msgspec.structs.replace(call, state="erased", reason="", legs=())
    if call.generation or call.state in ("done", "unread"):
        return msgspec.structs.replace(call, state="pending", reason="", generation=0, legs=())
    return call
