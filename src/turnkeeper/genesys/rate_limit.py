"""How fast one token may ask, learnt from the platform's own headers, so that no 429 happens.

Requests counted by the platform plus requests that it may have counted never pass what it allows: that is the whole
plan. Every process has a token of its own, and so a limit of its own. Downloads from storage do not count against the
limit and are not paced. Knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from turnkeeper.genesys.rate_window import LONGEST_USUAL, ROUNDING, RateWindow, figures

__all__ = ["TENANT_LIMIT_HINT", "Pacer", "Ticket", "is_tenant_limit"]

_GLANCE = 0.05
_TICK = 0.005
_SILENT_S = 5.0

TENANT_LIMIT_HINT = (
    "This limit is the whole organisation's: a second OAuth client does not help; spread the work over time, "
    "or ask the vendor to raise it."
)


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request that may be sent: when it was, and how many were before it."""

    sent: float
    order: int


class Pacer:
    """One token's budget. ``wait``; when that says 0, ``claim``; then ``answered`` or ``lost`` exactly once.

    Every ``now`` is in seconds of one monotonic clock. Where the platform names no limit, nothing is paced.
    """

    def __init__(self) -> None:
        self._window = RateWindow()
        self._mute = False
        self._flying = 0
        self._unsure = 0
        self._unsure_at, self._unsure_order = 0.0, 0
        self._order = 0
        self._claimed = 0.0

    @property
    def allowed(self) -> int:
        """Requests allowed per window; 0 where the platform has named no limit (yet)."""
        return self._window.allowed

    @property
    def span(self) -> float:
        """Seconds a window lasts, as far as is known; 0 before the first answer."""
        return self._window.span

    def room(self, now: float) -> int | None:
        """Requests left in this window as far as is known; None before the first answer."""
        window = self._window
        if not window.allowed:
            return None
        return window.allowed if now >= window.hi else max(window.allowed - window.count - self._own, 0)

    def wait(self, now: float) -> float:
        """Seconds to wait before asking again; 0 says that one more request may be claimed now."""
        window = self._window
        if now < window.blocked:
            return window.blocked - now
        if self._mute:
            return 0.0
        if not window.allowed:
            # One request finds out what is allowed, before many are sent; one that hangs does not hold up the rest.
            return 0.0 if not self._flying or now - self._claimed >= _SILENT_S else _GLANCE
        self._forget(now)
        window.roll(now)
        if window.room(now) > self._own:
            return 0.0
        # What is under way may be in the platform's count already, so the next answer may show that there is room.
        left = max(window.left(now), _TICK)
        return min(left, _GLANCE) if self._own else left

    def claim(self, now: float) -> Ticket:
        """Take the request that ``wait`` found room for."""
        self._flying += 1
        self._order += 1
        self._claimed = now
        return Ticket(now, self._order)

    def answered(self, ticket: Ticket, headers: Mapping[str, str], now: float, status: int = 200) -> None:
        """An answer came; its headers (lower-case names) are the truth about the window."""
        self._flying -= 1
        seen = figures(headers)
        if seen is None:
            self._unheaded(now, status)
            return
        self._mute = False
        if self._window.learn(ticket.sent, now, seen) is None:
            self._doubt(now)
        elif ticket.order > self._unsure_order:
            # Whatever became of those, this one was counted after them.
            self._unsure = 0

    def lost(self, now: float) -> None:
        """No answer came: the platform may have counted the request all the same."""
        self._flying -= 1
        self._doubt(now)

    def block(self, seconds: float, now: float) -> None:
        """A 429 asked everybody who uses this token to wait so long."""
        self._window.blocked = max(self._window.blocked, now + seconds)

    @property
    def _own(self) -> int:
        return self._flying + self._unsure

    def _unheaded(self, now: float, status: int) -> None:
        if self._window.allowed:
            self._doubt(now)
        elif status < 500 and status not in (401, 429):
            # The platform itself answers; only proxies and gates in front of it leave its headers out of errors.
            self._mute = True

    def _doubt(self, now: float) -> None:
        self._unsure += 1
        self._unsure_at, self._unsure_order = now, self._order
        self._window.bound(now)

    def _forget(self, now: float) -> None:
        """Doubts end with the window that the doubtful requests may have been counted in."""
        if self._unsure and now - self._unsure_at > max(self._window.span + ROUNDING, LONGEST_USUAL):
            self._unsure = 0


def is_tenant_limit(key: str) -> bool:
    """Whether a limit's key (``org.app.user.rate.per.minute``) counts the whole organisation, not one client."""
    return key.startswith("org.")
