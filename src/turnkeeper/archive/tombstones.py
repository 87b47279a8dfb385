"""Tombstones: which conversations were erased, so that no run and no rebuilt ledger brings one back.

A tombstone holds the conversation's id, when and why, and nothing of its content; it is written once and stays.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator
from datetime import datetime
from itertools import islice
from typing import Literal

import msgspec

from turnkeeper.archive import keys
from turnkeeper.clock import rfc3339
from turnkeeper.errors import Conflict, Erased, NotFound
from turnkeeper.storage.contract import Store

__all__ = ["FORMAT", "Reason", "Tombstone", "Tombstones"]

FORMAT = "turnkeeper.tombstone/1"
_BELIEVED_S = 30.0
_FEW = 2000
"""So many are listed at once (two requests). Of more, each conversation is asked about by itself: a million would
take a thousand requests each time."""

Reason = Literal["request", "expired"]
"""Why a conversation was erased: somebody asked for it, or it had become too old."""


class Tombstone(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """``erased_at`` (RFC 3339, UTC) is when the erasure began. ``held`` is False where nothing was there to erase: the
    conversation is not kept all the same."""

    format: str
    conversation: str
    erased_at: str
    reason: Reason
    held: bool = True


_STONE = msgspec.json.Decoder(Tombstone)


class Tombstones:
    """The tombstones of an archive. Safe to use from several threads, processes and machines."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._listed: tuple[float, frozenset[str]] | None = None
        self._many = False

    def has(self, conversation: str) -> bool:
        """Whether the conversation was erased. One request. Raises ``Misconfigured`` for what cannot be an id."""
        return self._store.size(keys.tombstone(conversation)) is not None

    def put(self, conversation: str, at: datetime, reason: Reason = "request", *, held: bool = True) -> None:
        """Say that the conversation is erased from now on; the first one to say so is remembered."""
        stone = Tombstone(format=FORMAT, conversation=conversation, erased_at=rfc3339(at), reason=reason, held=held)
        try:
            self._store.put(keys.tombstone(conversation), msgspec.json.encode(stone) + b"\n", create=True)
        except Conflict:
            return

    def all(self) -> Iterator[str]:
        """The ids of all erased conversations; one request for a thousand."""
        for key in self._store.list(keys.TOMBSTONES):
            conversation = keys.parse_note(key)
            if conversation:
                yield conversation

    def was_held(self, conversation: str) -> bool:
        """Whether something of an erased conversation was there. A tombstone that cannot be read says so."""
        try:
            return _STONE.decode(self._store.get(keys.tombstone(conversation))).held
        except (NotFound, msgspec.DecodeError):
            return True

    def refuse(self, conversation: str, *, believed: bool = False) -> None:
        """Raises ``Erased`` if the conversation was erased.

        ``believed`` takes the word of a list that is at most half a minute old, for runs over many conversations; where
        there are many tombstones, it asks.
        """
        recent = self._recent() if believed else None
        if self.has(conversation) if recent is None else conversation in recent:
            raise erased(conversation)

    def among(self, conversations: Collection[str]) -> set[str]:
        """Which of these were erased by now."""
        few = self.few() if conversations else frozenset()
        if few is None:
            return {conversation for conversation in conversations if self.has(conversation)}
        return set(few.intersection(conversations))

    def few(self) -> frozenset[str] | None:
        """All that were erased by now; None where they are too many to be listed again and again."""
        if not self._many:
            found = frozenset(islice(self.all(), _FEW + 1))
            self._many = len(found) > _FEW  # they never become fewer
            if not self._many:
                return found
        return None

    def _recent(self) -> frozenset[str] | None:
        with self._lock:
            # The machine's own clock: this is about how long a list was believed, not about when anything was erased.
            if not self._many and (self._listed is None or time.monotonic() - self._listed[0] > _BELIEVED_S):
                found = self.few()
                self._listed = None if found is None else (time.monotonic(), found)
            return None if self._many or self._listed is None else self._listed[1]


def erased(conversation: str) -> Erased:
    """The error for whoever wants to keep it again."""
    return Erased(
        "it was erased from this archive and is not kept again",
        operation="keep",
        key=conversation,
        hint="Its tombstone in _turnkeeper/tombstones says when and why.",
    )
