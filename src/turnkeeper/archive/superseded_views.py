"""Views that no current manifest names: they stay a day, for whoever is reading them, and are then swept.

A note says which conversations have such views, one object for each and day, so that sweeping asks for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec

from turnkeeper.archive import keys
from turnkeeper.archive.generations import generations
from turnkeeper.archive.manifest import Manifest, decode
from turnkeeper.clock import Clock, rfc3339
from turnkeeper.errors import Skippable
from turnkeeper.storage.contract import Store

__all__ = ["GRACE", "SupersededViews"]

FORMAT = "turnkeeper.superseded/1"
GRACE = timedelta(hours=24)
"""How long a superseded view can still be read by whoever opened its manifest before."""


class _Note(msgspec.Struct, frozen=True, kw_only=True):
    """``at`` (RFC 3339) is when the last of the views was superseded."""

    format: str
    conversation: str
    at: str


class SupersededViews:
    """The superseded views of a store. ``clock`` is the archive's."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def note(self, conversation: str) -> None:
        """Remember that views of a conversation were superseded just now."""
        now = self._clock.now().astimezone(UTC)
        note = _Note(format=FORMAT, conversation=conversation, at=rfc3339(now))
        key = keys.superseded(now.date().isoformat(), conversation)
        self._store.put(key, msgspec.json.encode(note) + b"\n")

    def sweep(self, rebuild: Callable[[str], object]) -> int:
        """Delete the views that were superseded more than a day ago; how many. One request where there are none.

        ``rebuild`` makes the views of a conversation again: for a generation that was committed while its conversation
        was swept, and shares a view with a superseded one. A conversation whose manifests cannot be read stays as it
        is.
        """
        return sum(self._swept(key, conversation, rebuild) for key, conversation in list(self._due()))

    def forget(self, conversations: Collection[str]) -> None:
        """Remove the notes of conversations that were erased."""
        for key in list(self._store.list(keys.SUPERSEDED)):
            found = keys.parse_superseded(key)
            if found and found[1] in conversations:
                self._store.delete(key)

    def _due(self) -> Iterator[tuple[str, str]]:
        now = self._clock.now()
        for key in self._store.list(keys.SUPERSEDED):
            found = keys.parse_superseded(key)
            if found is None:
                continue
            day = datetime.fromisoformat(found[0]).replace(tzinfo=UTC)
            if day + timedelta(days=1) + GRACE > now:
                return  # days are listed in order
            yield key, found[1]

    def _swept(self, note: str, conversation: str, rebuild: Callable[[str], object]) -> int:
        try:
            manifests = self._manifests(conversation)
            idle = _idle(manifests, self._clock.now() - GRACE)
            for key in sorted(idle):
                self._store.delete(key)
            if idle and generations(self._store, conversation)[-1:] != [one.generation for one in manifests[-1:]]:
                rebuild(conversation)
        except Skippable:
            return 0
        self._store.delete(note)
        return len(idle)

    def _manifests(self, conversation: str) -> list[Manifest]:
        listed = [keys.manifest(conversation, number) for number in generations(self._store, conversation)]
        return [decode(self._store.get(key), key) for key in listed]


def _idle(manifests: list[Manifest], limit: datetime) -> set[str]:
    """The keys of the views that only generations superseded before ``limit`` name."""
    live = {view.key for view in manifests[-1].views} if manifests else set()
    idle: set[str] = set()
    for one, next_one in pairwise(manifests):
        young = datetime.fromisoformat(next_one.archived_at) > limit
        (live if young else idle).update(view.key for view in one.views)
    return idle - live
