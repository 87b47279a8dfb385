"""The rate limit: a number of requests per token and window of the simulation's clock."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass

from turnkeeper.simulator.clock import SimulatorClock

_MAX_WINDOWS = 1000


@dataclass(frozen=True, slots=True)
class QuotaState:
    """The state of a token's window, as the inin-ratelimit headers report it."""

    count: int
    allowed: int
    reset: int

    @property
    def exceeded(self) -> bool:
        """Whether this request was one too many."""
        return self.count > self.allowed

    def headers(self) -> dict[str, str]:
        """The three headers every API answer carries."""
        return {
            "inin-ratelimit-count": str(self.count),
            "inin-ratelimit-allowed": str(self.allowed),
            "inin-ratelimit-reset": str(self.reset),
        }


class RequestQuota:
    """Counts requests per token and window, and remembers earlier windows."""

    def __init__(self, clock: SimulatorClock, allowed: int, window_s: float) -> None:
        self._clock = clock
        self.allowed = allowed
        self._window_ms = max(1, round(window_s * 1000))
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[int, int]] = {}
        self._seen: dict[str, list[list[int]]] = {}
        self.peak = 0

    def take(self, bearer: str) -> QuotaState:
        """Count one request of a token."""
        now = self._clock.epoch_ms()
        with self._lock:
            began, count = self._windows.get(bearer, (now, 0))
            if not began <= now < began + self._window_ms:
                began, count = now, 0
            self._record(bearer, began, count)
            self._windows[bearer] = (began, count + 1)
            self.peak = max(self.peak, count + 1)
        left = began + self._window_ms - now
        return QuotaState(count + 1, self.allowed, max(1, -(-left // 1000)))

    def windows(self) -> dict[str, list[list[int]]]:
        """When each window of a token began (epoch ms) and its requests, refused ones included; the newest is last.

        Tokens are named by a hash.
        """
        with self._lock:
            return {
                hashlib.sha256(bearer.encode()).hexdigest()[:12]: [list(one) for one in seen]
                for bearer, seen in self._seen.items()
            }

    def _record(self, bearer: str, began: int, count: int) -> None:
        seen = self._seen.setdefault(bearer, [])
        if count == 0:
            seen.append([began, 0])
            del seen[:-_MAX_WINDOWS]
        seen[-1][1] += 1
