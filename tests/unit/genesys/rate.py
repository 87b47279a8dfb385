"""A platform that counts, and clients that ask it, in time that only this file moves: each answer at its moment."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import ceil, floor

from turnkeeper.genesys.rate_limit import RateLimiter, Ticket


@dataclass
class Counted:
    """Windows of so many requests, counted as they arrive. ``aligned`` ones begin by the clock, others when asked."""

    allowed: int
    window: float = 60.0
    up: bool = True
    aligned: bool = False
    phase: float = 0.0
    began: float = -1e9
    count: int = 0
    refused: int = 0
    windows: list[int] = field(default_factory=list)

    def ask(self, now: float) -> dict[str, str]:
        if now >= self.began + self.window:
            self.windows.append(self.count)
            self.count = 0
            self.began = now
            if self.aligned:
                self.began = self.phase + floor((now - self.phase) / self.window) * self.window
        self.count += 1
        self.refused += self.count > self.allowed
        left = self.began + self.window - now
        reset = max(1, ceil(left)) if self.up else floor(left)
        told = {"count": self.count, "allowed": self.allowed, "reset": reset}
        return {f"inin-ratelimit-{name}": str(value) for name, value in told.items()}


@dataclass
class Trouble:
    """How often (0..1) an answer never comes, and how often one comes without the rate's headers, uncounted."""

    lost: float = 0.0
    bare: float = 0.0


class Asking:
    """Several processes with so many workers each, all as fast as their pacers let them."""

    def __init__(
        self,
        platform: Counted,
        pacers: Sequence[RateLimiter],
        *,
        workers: int = 8,
        delay: Callable[[], tuple[float, float]] = lambda: (0.02, 0.02),
        trouble: Trouble | None = None,
        seed: int = 0,
    ) -> None:
        self.platform, self.pacers, self.delay = platform, pacers, delay
        self.trouble, self.dice = trouble or Trouble(), random.Random(seed)
        self.now = 0.0
        self.idle = [workers] * len(pacers)
        self.answered = 0
        self.flying = 0
        self.longest_wait = 0.0
        self.blind = 0
        """Refusals of requests that were sent before any answer had said what is allowed."""
        self._known_from = [float("inf")] * len(pacers)
        self._numbers = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._wakes = [0.0] * len(pacers)
        self._last = [0.0] * len(pacers)
        for index in range(len(pacers)):
            self._at(0.0, lambda index=index: self._send(index))

    def run(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = until

    def _at(self, moment: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._numbers), event))

    def _send(self, index: int) -> None:
        pacer = self.pacers[index]
        while self.idle[index]:
            wait = pacer.wait(self.now)
            if wait > 0:
                if self._wakes[index] <= self.now:
                    self._wakes[index] = self.now + wait
                    self._at(self.now + wait, lambda: self._send(index))
                return
            self.longest_wait = max(self.longest_wait, self.now - self._last[index])
            self._last[index] = self.now
            self.idle[index] -= 1
            self.flying += 1
            self._fly(index, pacer.claim(self.now))

    def _fly(self, index: int, ticket: Ticket) -> None:
        there, back = self.delay()
        fate = self.dice.random()
        if fate < self.trouble.lost:
            counted = self.dice.random() < 0.5
            self._at(self.now + there, lambda: self._arrive(index, ticket, back, counted=counted, lost=True))
        else:
            bare = fate < self.trouble.lost + self.trouble.bare
            self._at(self.now + there, lambda: self._arrive(index, ticket, back, counted=not bare, lost=False))

    def _arrive(self, index: int, ticket: Ticket, back: float, *, counted: bool, lost: bool) -> None:
        refused = self.platform.refused
        headers = self.platform.ask(self.now) if counted else {}
        if ticket.sent < self._known_from[index]:
            self.blind += self.platform.refused - refused
        self._at(self.now + back, lambda: self._answer(index, ticket, headers, lost=lost))

    def _answer(self, index: int, ticket: Ticket, headers: dict[str, str], *, lost: bool) -> None:
        self.flying -= 1
        self.idle[index] += 1
        if lost:
            self.pacers[index].lost(self.now)
        else:
            self.pacers[index].answered(ticket, headers, self.now, 200 if headers else 503)
            self.answered += 1
            if headers:
                self._known_from[index] = min(self._known_from[index], self.now)
        self._send(index)
