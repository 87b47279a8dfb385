"""Use several OAuth clients of one organisation as one: each request takes the token with the most room.

A client whose credentials are refused is suspended while the others go on. This module knows tokens and rate limits,
and no HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import anyio

from turnkeeper.clock import Clock
from turnkeeper.errors import Denied, Misconfigured
from turnkeeper.events import Listener, Noted
from turnkeeper.genesys.auth import Tokens
from turnkeeper.genesys.rate_limit import RateLimiter, Ticket, is_tenant_limit

__all__ = ["Permit", "Pool", "Quota"]

_MOST_EXPIRIES = 5
# Windows last a minute. A 429 that asks for an hour must not stop every task for an hour.
_LONGEST_BLOCK_S = 120.0
_TENANT_PAUSE_S = 1.0
# Not for ever, because a run may go on for years and a secret is replaced meanwhile.
_SUSPENSION_S = 900.0


@dataclass(frozen=True)
class Quota:
    """The rate limits of all tokens together: requests per window, those still left in it, seconds a window lasts."""

    allowed: int
    left: int
    seconds: float


class _Client:
    """One OAuth client, its present token, and the rate limit of that token."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.suspended_until = 0.0
        self._bearer = ""
        self._limiter: RateLimiter | None = None

    @property
    def limiter(self) -> RateLimiter | None:
        """The rate limit of the token in use; None before the first token."""
        return self._limiter

    def limiter_of(self, bearer: str) -> RateLimiter:
        """The rate limit of this token. A new token has a budget of its own."""
        if self._limiter is None or bearer != self._bearer:
            self._bearer, self._limiter = bearer, RateLimiter()
        return self._limiter

    def room(self, now: float, otherwise: int) -> int:
        room = self._limiter.room(now) if self._limiter is not None else None
        return otherwise if room is None else room


@dataclass(frozen=True, slots=True)
class Permit:
    """Permission to send one request now with one token. Report ``answered`` or ``lost``, exactly once."""

    bearer: str
    client: _Client
    limiter: RateLimiter
    ticket: Ticket

    def answered(self, headers: Mapping[str, str], now: float, status: int) -> None:
        """Report an answer; header names are lower-case."""
        self.limiter.answered(self.ticket, headers, now, status)
        if status != 401:
            self.client.tokens.mark_accepted(self.bearer)

    def lost(self, now: float) -> None:
        """Report that no answer came."""
        self.limiter.lost(now)


class Pool:
    """Chooses the token of each request, and waits where no token has room."""

    def __init__(self, clients: Sequence[Tokens], clock: Clock, listener: Listener) -> None:
        self._clients = [_Client(tokens) for tokens in clients]
        self._clock = clock
        self._listener = listener
        # First come, first served. Only the first in the queue waits for room, so that a window which opens does not
        # wake all tasks at once.
        self._queue = anyio.Lock(fast_acquire=True)
        self._blocked = 0.0

    @property
    def requests(self) -> int:
        """Requests for tokens sent so far."""
        return sum(client.tokens.requests for client in self._clients)

    @property
    def quota(self) -> Quota | None:
        """The limits that the platform has named; None before it has named one."""
        now = self._clock.monotonic()
        limiters = [client.limiter for client in self._clients if client.limiter is not None and client.limiter.allowed]
        if not limiters:
            return None
        return Quota(
            sum(limiter.allowed for limiter in limiters),
            sum(limiter.room(now) or 0 for limiter in limiters),
            max(limiter.span for limiter in limiters),
        )

    async def acquire(self) -> Permit:
        """Wait until one more request fits into some token's window, and claim it.

        Raises ``Denied`` or ``Misconfigured`` where no client is left, ``Throttled`` or ``Unavailable`` where a token
        cannot be had.
        """
        while True:
            async with self._queue:
                chosen = self._next_permit(self._clock.monotonic())
                while isinstance(chosen, float):
                    await self._clock.sleep(chosen)
                    chosen = self._next_permit(self._clock.monotonic())
            if isinstance(chosen, Permit):
                return chosen
            # Outside the queue: tasks that need this token share one request for it, and the others need not wait.
            await self._sign_in(chosen)

    async def refused(self, permit: Permit, renewals: int, reason: str) -> bool:
        """Replace a token that was refused. False where a fresh token was refused as well.

        A token that was accepted before and is refused now has expired. That may happen several times to one request
        while many tasks share short-lived tokens, so such a token is replaced a few times more. Raises as ``acquire``.
        """
        tokens = permit.client.tokens
        most = _MOST_EXPIRIES if tokens.was_accepted(permit.bearer) else 1
        if renewals >= most and not await tokens.reload_credentials():
            return False
        try:
            await tokens.renew(permit.bearer, reason)
        except (Denied, Misconfigured) as cause:
            # Where other clients are left, the request goes on with one of their tokens.
            if not self.suspend(permit, cause):
                raise
        return True

    def suspend(self, permit: Permit, cause: Denied | Misconfigured) -> bool:
        """Do without this client for a while; False where it is the last one."""
        return self._suspend(permit.client, cause, self._clock.monotonic())

    def throttled(self, permit: Permit, seconds: float | None, limit_key: str) -> None:
        """Report a 429: the limit of an organisation stops every client, any other limit this token."""
        now = self._clock.monotonic()
        if is_tenant_limit(limit_key):
            wait = _TENANT_PAUSE_S if seconds is None else min(seconds, _LONGEST_BLOCK_S)
            self._blocked = max(self._blocked, now + wait)
        # Without a Retry-After, the figures in the answer's headers say when there is room again.
        elif seconds is not None:
            permit.limiter.block(min(seconds, _LONGEST_BLOCK_S), now)

    async def sign_in(self) -> None:
        """Fetch every client's token. Raises the error of a client where no other client is left."""
        for client in self._clients:
            await self._sign_in(client)

    def _next_permit(self, now: float) -> Permit | _Client | float:
        """A permit, a client that needs a token first, or the seconds to wait before the next call."""
        if now < self._blocked:
            return self._blocked - now
        waits: list[float] = []
        for client in self._ranked(now):
            bearer = client.tokens.unexpired(now)
            # The client with the most room comes first, so its token is worth a request although another may have room.
            if bearer is None:
                return client
            limiter = client.limiter_of(bearer)
            wait = limiter.wait(now)
            if wait <= 0:
                return Permit(bearer, client, limiter, limiter.claim(now))
            waits.append(wait)
        # Never empty, because the last client is not suspended.
        return min(waits)

    def _ranked(self, now: float) -> list[_Client]:
        """The clients that are not suspended, the most room first.

        A client that was not used yet counts as half full, so its token is fetched only when it is needed.
        """
        clients = self._clients
        if len(clients) == 1:
            return clients
        allowed = max(client.limiter.allowed if client.limiter else 0 for client in clients)
        active = [client for client in clients if client.suspended_until <= now]
        return sorted(active, key=lambda client: -client.room(now, allowed // 2))

    async def _sign_in(self, client: _Client) -> None:
        try:
            await client.tokens.current()
        except (Denied, Misconfigured) as cause:
            if not self._suspend(client, cause, self._clock.monotonic()):
                raise

    def _suspend(self, client: _Client, cause: Denied | Misconfigured, now: float) -> bool:
        if not any(other is not client and other.suspended_until <= now for other in self._clients):
            return False
        # Requests that were in flight together report the same refusal, and it is noted once.
        if client.suspended_until <= now:
            client.suspended_until = now + _SUSPENSION_S
            note = f"OAuth client {client.tokens.client_id} is put aside, the others go on: {cause}"
            self._listener(Noted(note=note))
        return True
