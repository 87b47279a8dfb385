"""Tombstones: the record of which conversations were erased, so that no export archives one again.

A tombstone has the conversation's id, when it was erased and why, and nothing of its content. It is written once and
stays.
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
from turnkeeper.storage.store import Store

__all__ = ["FORMAT", "Reason", "Tombstone", "Tombstones"]

FORMAT = "turnkeeper.tombstone/1"
_CACHE_SECONDS = 30.0
_FEW = 2000
"""Up to so many are listed at once (two requests). If there are more, each conversation is looked up by itself, because
listing a million takes a thousand requests."""

Reason = Literal["request", "expired"]
"""Why a conversation was erased: by request, or because it had become too old."""


class Tombstone(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """``erased_at`` (RFC 3339, UTC) is when the erasure began. ``held`` is False if the archive held nothing of the
    conversation. It is not archived later either."""

    format: str
    conversation: str
    erased_at: str
    reason: Reason
    held: bool = True


_TOMBSTONE = msgspec.json.Decoder(Tombstone)


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
        """Record that the conversation is erased from now on. An earlier tombstone stays as it is."""
        tombstone = Tombstone(format=FORMAT, conversation=conversation, erased_at=rfc3339(at), reason=reason, held=held)
        try:
            self._store.put(keys.tombstone(conversation), msgspec.json.encode(tombstone) + b"\n", create=True)
        except Conflict:
            return

    def all(self) -> Iterator[str]:
        """The ids of all erased conversations. One request a thousand."""
        for key in self._store.list(keys.TOMBSTONES):
            conversation = keys.parse_note(key)
            if conversation:
                yield conversation

    def was_held(self, conversation: str) -> bool:
        """Whether the archive held something of an erased conversation. True if its tombstone cannot be read."""
        try:
            return _TOMBSTONE.decode(self._store.get(keys.tombstone(conversation))).held
        except (NotFound, msgspec.DecodeError):
            return True

    def refuse(self, conversation: str, *, use_cache: bool = False) -> None:
        """Raise ``Erased`` if the conversation was erased.

        ``use_cache`` looks it up in a list that is at most half a minute old, for runs over many conversations. If
        there are many tombstones, the store is asked all the same.
        """
        recent = self._recent_list() if use_cache else None
        if self.has(conversation) if recent is None else conversation in recent:
            raise Erased(
                "it was erased from this archive and is not kept again",
                operation="keep",
                key=conversation,
                hint="Its tombstone in _turnkeeper/tombstones says when and why.",
            )

    def erased_among(self, conversations: Collection[str]) -> set[str]:
        """Which of these conversations are erased."""
        few = self.all_if_few() if conversations else frozenset()
        if few is None:
            return {conversation for conversation in conversations if self.has(conversation)}
        return set(few.intersection(conversations))

    def all_if_few(self) -> frozenset[str] | None:
        """The ids of all erased conversations; None if there are too many to list them again and again."""
        if not self._many:
            # One more than are permitted is enough to know that there are too many.
            erased = frozenset(islice(self.all(), _FEW + 1))
            # Remembered for ever, because tombstones are never deleted.
            self._many = len(erased) > _FEW
            if not self._many:
                return erased
        return None

    def _recent_list(self) -> frozenset[str] | None:
        with self._lock:
            # The machine's own clock, not the archive's: this is only the age of the cached list.
            if not self._many and (self._listed is None or time.monotonic() - self._listed[0] > _CACHE_SECONDS):
                erased = self.all_if_few()
                self._listed = None if erased is None else (time.monotonic(), erased)
            return None if self._many or self._listed is None else self._listed[1]
