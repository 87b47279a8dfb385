"""The simulation's clock: system time plus an offset, or frozen and moved by requests.

Everything that expires (tokens, links, rate windows, late transcripts) uses this clock.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from functools import lru_cache


def iso(epoch_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds, the way the platform writes every date."""
    return f"{_iso_second(epoch_ms // 1000)}.{epoch_ms % 1000:03d}Z"


@lru_cache(8192)
def _iso_second(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def from_iso(text: str) -> int:
    """Epoch milliseconds of an ISO-8601 text; a naive time is UTC."""
    return to_epoch_ms(datetime.fromisoformat(text))


def to_epoch_ms(moment: datetime) -> int:
    """Epoch milliseconds of a datetime; a naive one is UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


class SimulatorClock:
    """A clock in epoch milliseconds. Moving it freezes it, unless ``run`` is true."""

    def __init__(self, now: datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._offset_ms = 0
        self._frozen_ms: int | None = None if now is None else to_epoch_ms(now)

    def epoch_ms(self) -> int:
        """Return the current time."""
        with self._lock:
            return self._now_ms()

    def set(self, epoch_ms: int, *, run: bool = False) -> int:
        """Set the time, forward or back."""
        with self._lock:
            return self._set_now(epoch_ms, run)

    def advance(self, milliseconds: int, *, run: bool = False) -> int:
        """Advance by a number of milliseconds. A negative one is ignored."""
        with self._lock:
            return self._set_now(self._now_ms() + max(0, milliseconds), run)

    def until(self, epoch_ms: int, *, run: bool = False) -> int:
        """Advance to a time, never back, because parallel sleepers may each send their own."""
        with self._lock:
            return self._set_now(max(self._now_ms(), epoch_ms), run)

    def _now_ms(self) -> int:
        if self._frozen_ms is not None:
            return self._frozen_ms
        return time.time_ns() // 1_000_000 + self._offset_ms

    def _set_now(self, epoch_ms: int, run: bool) -> int:
        self._frozen_ms = None if run else epoch_ms
        self._offset_ms = epoch_ms - time.time_ns() // 1_000_000
        return epoch_ms
