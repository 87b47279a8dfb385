"""Delete views that no current manifest names, a day after they were superseded: a reader may still use them.

A note records which conversations have such views, one object for each conversation and day. So a sweep has to look at
no other conversations.
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
from turnkeeper.storage.store import Store

__all__ = ["GRACE", "SupersededViews"]

FORMAT = "turnkeeper.superseded/1"
GRACE = timedelta(hours=24)
"""How long a superseded view can still be read by a process that opened its manifest before."""


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
        """Record that views of a conversation were superseded just now."""
        now = self._clock.now().astimezone(UTC)
        note = _Note(format=FORMAT, conversation=conversation, at=rfc3339(now))
        key = keys.superseded(now.date().isoformat(), conversation)
        self._store.put(key, msgspec.json.encode(note) + b"\n")

    def sweep(self, rebuild: Callable[[str], object]) -> int:
        """Delete the views that were superseded more than a day ago, and return how many. One request if there are
        none.

        ``rebuild`` builds the views of a conversation again. It is called if a generation was committed during the
        sweep, because the new generation may share a view with a superseded one. A conversation whose manifests cannot
        be read stays as it is.
        """
        return sum(self._sweep_conversation(key, name, rebuild) for key, name in list(self._due_notes()))

    def forget(self, conversations: Collection[str]) -> None:
        """Delete the notes of conversations that were erased."""
        for key in list(self._store.list(keys.SUPERSEDED)):
            parsed = keys.parse_superseded(key)
            if parsed and parsed[1] in conversations:
                self._store.delete(key)

    def _due_notes(self) -> Iterator[tuple[str, str]]:
        """The keys of the notes whose day ended more than a day ago, with their conversations."""
        now = self._clock.now()
        for key in self._store.list(keys.SUPERSEDED):
            parsed = keys.parse_superseded(key)
            if parsed is None:
                continue
            day = datetime.fromisoformat(parsed[0]).replace(tzinfo=UTC)
            if day > now - GRACE - timedelta(days=1):
                return  # days are listed in order
            yield key, parsed[1]

    def _sweep_conversation(self, note: str, conversation: str, rebuild: Callable[[str], object]) -> int:
        try:
            manifests = self._all_manifests(conversation)
            unused = _unused_views(manifests, self._clock.now() - GRACE)
            for key in sorted(unused):
                self._store.delete(key)
            latest = [manifest.generation for manifest in manifests[-1:]]
            if unused and generations(self._store, conversation)[-1:] != latest:
                rebuild(conversation)
        except Skippable:
            return 0
        # The note goes last, so that a sweep that was killed is done again.
        self._store.delete(note)
        return len(unused)

    def _all_manifests(self, conversation: str) -> list[Manifest]:
        manifest_keys = [keys.manifest(conversation, number) for number in generations(self._store, conversation)]
        return [decode(self._store.get(key), key) for key in manifest_keys]


def _unused_views(manifests: list[Manifest], limit: datetime) -> set[str]:
    """The keys of the views that are named only by generations superseded before ``limit``."""
    used = {view.key for view in manifests[-1].views} if manifests else set()
    unused: set[str] = set()
    for manifest, successor in pairwise(manifests):
        # A generation is superseded when its successor is archived.
        is_recent = _archived_after(successor, limit)
        (used if is_recent else unused).update(view.key for view in manifest.views)
    # A view with the same content has the same key, so a later generation may name it again.
    return unused - used


def _archived_after(manifest: Manifest, limit: datetime) -> bool:
    """Whether a generation was archived after a moment. One that does not say when counts as recent: nothing goes."""
    try:
        return datetime.fromisoformat(manifest.archived_at) > limit
    except (ValueError, TypeError):
        return True
