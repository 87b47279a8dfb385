"""Write the ledger's changes to the archive's index, and fill a new ledger from the index."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from turnkeeper.archive.index import CallState, Index
from turnkeeper.errors import Unread
from turnkeeper.exporter.ledger import Ledger

__all__ = ["commit", "epoch_ms", "restore"]


def commit(ledger: Ledger, index: Index) -> int:
    """Bring the archive's index up to date. Returns how many calls were written.

    A day of the index that cannot be read stays to be written. The others are written first, then its ``Unread`` is
    raised.
    """
    written = 0
    unread: Unread | None = None
    for day in ledger.dirty():
        calls = ledger.changes(day)
        try:
            index.commit(day, calls)
        except Unread as cause:
            unread = unread or cause
            continue
        ledger.committed(day, calls)
        written += len(calls)
    if unread is not None:
        raise unread
    return written


def restore(
    ledger: Ledger, index: Index, damaged: Callable[[Unread], None], stopped: Callable[[], bool] = lambda: False
) -> int:
    """Take over the days that this ledger has not seen. Returns how many calls they hold.

    What is done is not fetched again, and what was absent is asked for again when its schedule says so. A day that
    cannot be read is passed to ``damaged``: its calls are listed and fetched as if they were new. Where ``stopped``
    says so, the next run goes on with the days that are left.
    """
    known = ledger.restored()
    taken = 0
    for day in index.days():
        if stopped():
            break
        if day not in known:
            try:
                calls = index.read(day).calls
            except Unread as cause:
                damaged(cause)
                continue
            ledger.restore(day, ((call, _due_of_call(call)) for call in calls))
            taken += len(calls)
    return taken


def epoch_ms(text: str) -> int:
    """RFC 3339 as epoch milliseconds."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _due_of_call(call: CallState) -> int | None:
    if call.state == "erased":
        return None
    if call.state in ("pending", "failed"):
        # The tries and the details were in the ledger that was lost, so it starts anew at once.
        return 0
    waiting = [epoch_ms(leg.next_ask) for leg in call.legs if leg.next_ask and not leg.final]
    return min(waiting, default=None)
