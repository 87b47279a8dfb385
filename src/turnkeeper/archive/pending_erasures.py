"""Erasures that are not finished: interrupted, held by an object lock, or impossible to prove.

The record is written before anything is erased, and deleted when nothing is left to erase. So the next erasure knows
what to finish.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import msgspec

from turnkeeper.archive import keys
from turnkeeper.archive.tombstones import Reason
from turnkeeper.clock import rfc3339
from turnkeeper.errors import NotFound, Unread
from turnkeeper.storage.parallel import parallel_map
from turnkeeper.storage.store import Store

__all__ = ["FORMAT", "PendingErasure", "PendingErasures", "State"]

FORMAT = "turnkeeper.erasing/1"

State = Literal["begun", "held", "unproven"]


class PendingErasure(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """``begun`` is when (RFC 3339); ``until`` is the end of the last lock, empty if it has none (a legal hold)."""

    format: str
    conversation: str
    begun: str
    state: State
    reason: Reason
    until: str = ""


_RECORD = msgspec.json.Decoder(PendingErasure)


class PendingErasures:
    """The unfinished erasures of an archive."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, conversation: str, at: datetime, reason: Reason, state: State = "begun", until: str = "") -> None:
        """Record the state of an erasure."""
        pending = PendingErasure(
            format=FORMAT, conversation=conversation, begun=rfc3339(at), state=state, reason=reason, until=until
        )
        self._store.put(keys.erasing(conversation), msgspec.json.encode(pending) + b"\n")

    def remove(self, conversation: str) -> None:
        """Delete the record: nothing of the conversation is left."""
        self._store.delete(keys.erasing(conversation))

    def all(self) -> Iterator[PendingErasure]:
        """All records. Raises ``Unread`` for one that cannot be read."""
        yield from (pending for pending in parallel_map(self._read_record, self._store.list(keys.ERASING)) if pending)

    def _read_record(self, key: str) -> PendingErasure | None:
        try:
            pending = _RECORD.decode(self._store.get(key))
        except NotFound:
            return None  # finished by another process meanwhile
        except msgspec.DecodeError as cause:
            raise Unread(f"not a note of an erasure ({cause})", operation="read", key=key) from None
        # A record under the key of another conversation does not say which of the two to erase.
        return pending if pending.conversation == keys.parse_note(key) else None
