"""Find the calls of an archive that started in a period, with one read per day of the index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from turnkeeper.archive.archive import Archive
from turnkeeper.archive.index import Index
from turnkeeper.errors import Unread
from turnkeeper.payloads.times import epoch_ms

__all__ = ["Period"]


class Period:
    """The period ``[since, until)`` in which calls start. None leaves an end open; naive times are UTC."""

    def __init__(self, since: datetime | None, until: datetime | None) -> None:
        self._first, self._last = _epoch_of(since), _epoch_of(until)

    def conversations(self, archive: Archive, start_of: Callable[[str], int | None]) -> Iterator[str]:
        """Yield the archive's conversations that started in the period, sorted.

        ``start_of`` returns the start of a conversation that the index does not date, in epoch milliseconds: one that
        ``get`` archived, or one of a day whose index cannot be read. A conversation without any date belongs only to a
        period that is open at both ends.
        """
        if self._first is None and self._last is None:
            yield from archive.conversations()
            return
        dated = _indexed_starts(Index(archive.store))
        for conversation in archive.conversations():
            start = dated.get(conversation)
            if self._holds(start if start is not None else start_of(conversation)):
                yield conversation

    def _holds(self, start: int | None) -> bool:
        if start is None:
            return False
        return (self._first is None or start >= self._first) and (self._last is None or start < self._last)


def _indexed_starts(index: Index) -> dict[str, int]:
    starts: dict[str, int] = {}
    for day in index.days():
        try:
            known = index.read(day)
        except Unread:
            continue  # verify says which day is damaged; a report reads its calls' manifests instead
        starts |= {call.conversation: start for call in known.calls if (start := epoch_ms(call.started_at)) is not None}
    return starts


def _epoch_of(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)
