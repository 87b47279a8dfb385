"""How fast one token may send requests, learnt from the headers of answers, so that the platform never answers 429.

The rule: requests that the platform has counted, plus requests that it may have counted, never exceed what it allows in
one window. Each process has a token of its own, and so a limit of its own. Downloads from storage do not count against
the limit. This module knows no HTTP.

``inin-ratelimit-reset`` is in whole seconds, and the vendor does not say how it is rounded. An answer to a request sent
at ``s`` and received at ``r`` therefore places the window's end after ``s + reset - 1``, and before ``r + reset`` if
the platform rounds up, or a second later if it rounds down. Many answers together narrow that to milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

__all__ = ["TENANT_LIMIT_HINT", "RateLimiter", "Ticket", "is_tenant_limit"]

TENANT_LIMIT_HINT = (
    "This limit is the whole organisation's: a second OAuth client does not help; spread the work over time, "
    "or ask the vendor to raise it."
)

_POLL_S = 0.05
_SHORTEST_WAIT_S = 0.005
_SILENT_S = 5.0
_ROUNDING_S = 1.02
"""The second that rounding may hide, and what two clocks drift apart in a minute."""
_USUAL_WINDOW_S = 66.0
"""Seconds within which a window ends, rounding included, unless a longer one was seen. The platform says 60 and 61."""
_LONGEST_WINDOW_S = 600.0
_RESERVE_FROM = 50
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request that may be sent: when it was claimed, and its number."""

    sent: float
    order: int


class RateLimiter:
    """One token's budget.

    Ask ``wait``; when it returns 0, ``claim`` a ticket and send. Then report ``answered`` or ``lost``, exactly once.
    Every ``now`` is in seconds of one monotonic clock. Where the platform names no limit, nothing is delayed.
    """

    def __init__(self) -> None:
        self._window = _RateWindow()
        self._unlimited = False
        self._in_flight = 0
        self._uncertain = 0
        self._uncertain_at, self._uncertain_order = 0.0, 0
        self._order = 0
        self._claimed_at = 0.0

    @property
    def allowed(self) -> int:
        """Requests allowed per window; 0 where the platform has named no limit (yet)."""
        return self._window.allowed

    @property
    def span(self) -> float:
        """Seconds that a window lasts, as far as is known; 0 before the first answer."""
        return self._window.span

    def room(self, now: float) -> int | None:
        """Requests left in this window, as far as is known; None before the first answer."""
        window = self._window
        if not window.allowed:
            return None
        return window.allowed if now >= window.latest_end else max(window.allowed - window.count - self._own, 0)

    def wait(self, now: float) -> float:
        """Seconds to wait before asking again; 0 means that one more request may be claimed now."""
        window = self._window
        if now < window.blocked_until:
            return window.blocked_until - now
        if self._unlimited:
            return 0.0
        if not window.allowed:
            # One request finds out what is allowed before many are sent. If it hangs, it does not hold up the others.
            return 0.0 if not self._in_flight or now - self._claimed_at >= _SILENT_S else _POLL_S
        self._expire_uncertain(now)
        window.roll_over(now)
        if window.room(now) > self._own:
            return 0.0
        # The platform may have counted requests that are still in flight, so that they are counted twice here. The
        # next answer tells, so look again soon.
        left = max(window.seconds_left(now), _SHORTEST_WAIT_S)
        return min(left, _POLL_S) if self._own else left

    def claim(self, now: float) -> Ticket:
        """Take the request that ``wait`` found room for."""
        self._in_flight += 1
        self._order += 1
        self._claimed_at = now
        return Ticket(now, self._order)

    def answered(self, ticket: Ticket, headers: Mapping[str, str], now: float, status: int = 200) -> None:
        """Report an answer and its headers (lower-case names)."""
        self._in_flight -= 1
        figures = _read_headers(headers)
        if figures is None:
            self._answered_without_figures(now, status)
            return
        self._unlimited = False
        if not self._window.update(ticket.sent, now, figures):
            self._add_uncertain(now)
        elif ticket.order > self._uncertain_order:
            # The platform counted this request after the uncertain ones, so its count includes them.
            self._uncertain = 0

    def lost(self, now: float) -> None:
        """Report that no answer came. The platform may have counted the request all the same."""
        self._in_flight -= 1
        self._add_uncertain(now)

    def block(self, seconds: float, now: float) -> None:
        """Let nobody use this token for so long, because a 429 says so."""
        self._window.blocked_until = max(self._window.blocked_until, now + seconds)

    @property
    def _own(self) -> int:
        """Our own requests that are not known to be in the platform's count."""
        return self._in_flight + self._uncertain

    def _answered_without_figures(self, now: float, status: int) -> None:
        if self._window.allowed:
            self._add_uncertain(now)
        elif status < 500 and status not in (401, 429):
            # The platform itself answers. Only proxies and gateways in front of it leave its headers out of errors.
            self._unlimited = True

    def _add_uncertain(self, now: float) -> None:
        self._uncertain += 1
        self._uncertain_at, self._uncertain_order = now, self._order
        self._window.assume_end(now)

    def _expire_uncertain(self, now: float) -> None:
        """Forget uncertain requests once the window that may have counted them has ended."""
        if self._uncertain and now - self._uncertain_at > max(self._window.span + _ROUNDING_S, _USUAL_WINDOW_S):
            self._uncertain = 0


def is_tenant_limit(key: str) -> bool:
    """Whether a limit's key (``org.app.user.rate.per.minute``) counts the whole organisation, not one client."""
    return key.startswith("org.")


@dataclass(frozen=True, slots=True)
class _Figures:
    """One answer's headers: requests counted in this window, requests allowed in it, seconds until it ends."""

    count: int
    allowed: int
    reset: float


@dataclass(slots=True)
class _RateWindow:
    """The present window: ``allowed`` requests of which ``count`` are counted (0 allowed: nothing is known yet).

    It ends between ``earliest_end`` and ``latest_end`` on a monotonic clock, or up to a second later. The latest end is
    ``assumed`` where no answer says it. ``span`` is the longest ``reset`` seen. Until ``blocked_until`` no request may
    be sent at all.
    """

    allowed: int = 0
    count: int = 0
    earliest_end: float = -inf
    latest_end: float = inf
    span: float = 0.0
    blocked_until: float = -inf
    assumed: bool = False

    def update(self, sent: float, received: float, figures: _Figures) -> bool:
        """Take in one answer. False where it was too slow to tell which window it is of."""
        self.span = max(self.span, figures.reset)
        if self.allowed and self.latest_end < inf and received - sent > max(self.span, 3.0) / 3:
            return False
        earliest, latest = sent + figures.reset - 1, received + figures.reset
        if latest + _ROUNDING_S <= self.earliest_end:
            return True  # of a window that is over
        is_newer = not self.allowed or earliest > self.latest_end + _ROUNDING_S
        # Answers overtake each other: within one window the largest count is the newest.
        if is_newer or figures.count >= self.count:
            self.allowed, self.count = figures.allowed, figures.count
        if is_newer:
            self.earliest_end, self.latest_end = earliest, latest
        else:
            # An assumed end is a bound for lost requests only, so an answer replaces it even by a later end.
            self.earliest_end = max(self.earliest_end, earliest)
            self.latest_end = latest if self.assumed else min(self.latest_end, latest)
        self.assumed = False
        return True

    def roll_over(self, now: float) -> None:
        """Begin a new window, whose end is unknown, where the old one has certainly ended."""
        if now >= self.latest_end + _ROUNDING_S:
            # Windows are equally long. The bound keeps late answers of the old window from counting for the new one.
            self.count, self.earliest_end, self.latest_end = 0, max(now, self.earliest_end + self.span - 2), inf
            self.assumed = False

    def assume_end(self, now: float) -> None:
        """Assume the usual length for a window in which a request was counted before now and whose end is unknown.

        ``span`` alone may be too short, because a process that joins a window late has not seen a whole one.
        """
        if self.latest_end == inf:
            self.latest_end, self.assumed = now + max(self.span + _ROUNDING_S, _USUAL_WINDOW_S), True

    def room(self, now: float) -> int:
        """How many more requests fit in.

        One is reserved until the end is near. Sent then, it shows whether the new window has begun, and cannot be
        refused.
        """
        reserve = 1 if now < self.latest_end and self.allowed >= _RESERVE_FROM else 0
        return self.allowed - self.count - reserve

    def seconds_left(self, now: float) -> float:
        """Seconds until it is worth asking again: to the likely end, and from there to the certain one."""
        return (self.latest_end if now < self.latest_end else self.latest_end + _ROUNDING_S) - now


def _read_headers(headers: Mapping[str, str]) -> _Figures | None:
    """The rate limit's headers (lower-case names); None where they are missing or senseless."""
    count, allowed, reset = (
        _plain_number(headers.get(f"inin-ratelimit-{name}", "")) for name in ("count", "allowed", "reset")
    )
    if count is None or not allowed or reset is None:
        return None
    # A senseless reset would otherwise stop this token for years.
    return _Figures(count, allowed, min(reset, _LONGEST_WINDOW_S))


def _plain_number(text: str) -> int | None:
    """A number without a sign and with few enough digits to be a count; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None
