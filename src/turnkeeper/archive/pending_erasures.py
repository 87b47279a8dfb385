"""Erasures that are not finished: begun and interrupted, held by an object lock, or impossible to prove.

The note is written before anything is erased and removed when nothing is left, so the next erasure knows what to do.
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
from turnkeeper.storage.contract import Store
from turnkeeper.storage.parallel import each

__all__ = ["FORMAT", "Note", "PendingErasures", "State"]

FORMAT = "turnkeeper.erasing/1"

State = Literal["begun", "held", "unproven"]


class Note(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """``begun`` (RFC 3339) says when; ``until`` the date of the last lock, absent where none is known (legal hold)."""

    format: str
    conversation: str
    begun: str
    state: State
    reason: Reason
    until: str = ""


_NOTE = msgspec.json.Decoder(Note)


class PendingErasures:
    """The unfinished erasures of an archive."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, conversation: str, at: datetime, reason: Reason, state: State = "begun", until: str = "") -> None:
        """Note where the erasure stands."""
        note = Note(
            format=FORMAT, conversation=conversation, begun=rfc3339(at), state=state, reason=reason, until=until
        )
        self._store.put(keys.erasing(conversation), msgspec.json.encode(note) + b"\n")

    def remove(self, conversation: str) -> None:
        """Nothing is left of the conversation."""
        self._store.delete(keys.erasing(conversation))

    def all(self) -> Iterator[Note]:
        """The notes. Raises ``Unread`` for one that cannot be read."""
        yield from (note for note in each(self._read, self._store.list(keys.ERASING)) if note)

    def _read(self, key: str) -> Note | None:
        try:
            note = _NOTE.decode(self._store.get(key))
        except NotFound:
            return None  # finished by another process meanwhile
        except msgspec.DecodeError as cause:
            raise Unread(f"not a note of an erasure ({cause})", operation="read", key=key) from None
        return note if note.conversation == keys.parse_note(key) else None
