"""Several OAuth clients of one organisation as one: each request takes the token with the most room.

A client whose credentials are refused is put aside and the others go on. Knows tokens and paces, and no HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import anyio

from turnkeeper.clock import Clock
from turnkeeper.errors import Denied, Misconfigured
from turnkeeper.events import Listener, Noted
from turnkeeper.genesys.auth import Tokens
from turnkeeper.genesys.rate_limit import Pacer, Ticket, is_tenant_limit

__all__ = ["Pool", "Quota", "Seat"]

_EXPIRIES = 5
_LONGEST_BLOCK_S = 120.0
_TENANT_PAUSE_S = 1.0
_REST_S = 900.0


@dataclass(frozen=True)
class Quota:
    """The rate limits of all tokens together: requests per window, those still left in it, seconds a window lasts."""

    allowed: int
    left: int
    seconds: float


class _Client:
    """One OAuth client: its token of the moment, and that token's pace."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.aside_until = 0.0
        self._bearer = ""
        self._pacer: Pacer | None = None

    @property
    def pacer(self) -> Pacer | None:
        """The pace of the token in use; None before the first."""
        return self._pacer

    def pace(self, bearer: str) -> Pacer:
        """The pace of this token. A new token has a budget of its own."""
        if self._pacer is None or bearer != self._bearer:
            self._bearer, self._pacer = bearer, Pacer()
        return self._pacer

    def room(self, now: float, otherwise: int) -> int:
        room = self._pacer.room(now) if self._pacer is not None else None
        return otherwise if room is None else room


@dataclass(frozen=True, slots=True)
class Seat:
    """One request that may be sent now, and with which token. Then ``answered`` or ``lost``, exactly once."""

    bearer: str
    client: _Client
    pacer: Pacer
    ticket: Ticket

    def answered(self, headers: Mapping[str, str], now: float, status: int) -> None:
        """What came; header names are lower-case."""
        self.pacer.answered(self.ticket, headers, now, status)
        if status != 401:
            self.client.tokens.prove(self.bearer)

    def lost(self, now: float) -> None:
        """Nothing came."""
        self.pacer.lost(now)


class Pool:
    """Whose turn it is."""

    def __init__(self, clients: Sequence[Tokens], clock: Clock, listener: Listener) -> None:
        self._clients = [_Client(tokens) for tokens in clients]
        self._clock = clock
        self._listener = listener
        # First come, first served; and one who waits for all, so that a full window does not wake everybody.
        self._line = anyio.Lock(fast_acquire=True)
        self._blocked = 0.0

    @property
    def requests(self) -> int:
        """Requests for tokens sent so far."""
        return sum(client.tokens.requests for client in self._clients)

    @property
    def quota(self) -> Quota | None:
        """What the platform has said of its limits; None before it said anything."""
        now = self._clock.monotonic()
        paces = [client.pacer for client in self._clients if client.pacer is not None and client.pacer.allowed]
        if not paces:
            return None
        return Quota(
            sum(pacer.allowed for pacer in paces),
            sum(pacer.room(now) or 0 for pacer in paces),
            max(pacer.span for pacer in paces),
        )

    async def seat(self) -> Seat:
        """Wait until one more request fits into some token's window, and claim it.

        Raises ``Denied`` or ``Misconfigured`` where no client is left, ``Throttled`` or ``Unavailable`` where a token
        cannot be had.
        """
        while True:
            async with self._line:
                found = self._found(self._clock.monotonic())
                while isinstance(found, float):
                    await self._clock.sleep(found)
                    found = self._found(self._clock.monotonic())
            if isinstance(found, Seat):
                return found
            # Outside the line: fifty who wait for one token share one answer, and nobody else waits for it.
            await self._sign_in(found)

    async def refused(self, seat: Seat, renewals: int, reason: str) -> bool:
        """A token was refused: get another one. False where that was in vain: a fresh token was refused as well.

        A token that worked for somebody and is refused now has expired: that may happen again while many tasks share
        short-lived ones, so it is replaced a few times more. Raises as ``seat``.
        """
        tokens = seat.client.tokens
        most = _EXPIRIES if tokens.worked(seat.bearer) else 1
        if renewals >= most and not await tokens.replaced():
            return False
        try:
            await tokens.renew(seat.bearer, reason)
        except (Denied, Misconfigured) as cause:
            if not self.put_aside(seat, cause):
                raise
        return True

    def put_aside(self, seat: Seat, cause: Denied | Misconfigured) -> bool:
        """Go on without this client for a while; False where it is the last one."""
        return self._put_aside(seat.client, cause, self._clock.monotonic())

    def throttled(self, seat: Seat, seconds: float | None, limit_key: str) -> None:
        """A 429: an organisation's limit stops everybody, any other one this token."""
        now = self._clock.monotonic()
        if is_tenant_limit(limit_key):
            wait = _TENANT_PAUSE_S if seconds is None else min(seconds, _LONGEST_BLOCK_S)
            self._blocked = max(self._blocked, now + wait)
        elif seconds is not None:
            seat.pacer.block(min(seconds, _LONGEST_BLOCK_S), now)

    async def sign_in(self) -> None:
        """Fetch every client's token. Raises what stands in the way, where no client is left without."""
        for client in self._clients:
            await self._sign_in(client)

    def _found(self, now: float) -> Seat | _Client | float:
        """A seat, a client that needs a token first, or the seconds until it is worth looking again."""
        if now < self._blocked:
            return self._blocked - now
        waits: list[float] = []
        for client in self._ranked(now):
            bearer = client.tokens.living(now)
            if bearer is None:
                return client
            pacer = client.pace(bearer)
            wait = pacer.wait(now)
            if wait <= 0:
                return Seat(bearer, client, pacer, pacer.claim(now))
            waits.append(wait)
        return min(waits)

    def _ranked(self, now: float) -> list[_Client]:
        """Those at work, the most room first. A client not used yet comes when another one is half used up."""
        clients = self._clients
        if len(clients) == 1:
            return clients
        allowed = max(client.pacer.allowed if client.pacer else 0 for client in clients)
        working = [client for client in clients if client.aside_until <= now]
        return sorted(working, key=lambda client: -client.room(now, allowed // 2))

    async def _sign_in(self, client: _Client) -> None:
        try:
            await client.tokens.current()
        except (Denied, Misconfigured) as cause:
            if not self._put_aside(client, cause, self._clock.monotonic()):
                raise

    def _put_aside(self, client: _Client, cause: Denied | Misconfigured, now: float) -> bool:
        if not any(other is not client and other.aside_until <= now for other in self._clients):
            return False
        if client.aside_until <= now:
            client.aside_until = now + _REST_S
            note = f"OAuth client {client.tokens.client_id} is put aside, the others go on: {cause}"
            self._listener(Noted(note=note))
        return True
