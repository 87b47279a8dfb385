"""One API call: paced, with the bearer token, repeated where that helps, its refusal explained.

The token goes to the platform's own origin (scheme, host and port) and nowhere else: a redirect that leaves it is
fetched by ``Downloads``, which has never seen a token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import anyio
import msgspec

from turnkeeper.clock import Clock
from turnkeeper.errors import Denied, Retriable, TurnkeeperError, Unavailable
from turnkeeper.genesys.download import Downloads, too_large
from turnkeeper.genesys.errors import error_body, refusal
from turnkeeper.genesys.http import Answer, Http
from turnkeeper.genesys.pool import Pool, Seat
from turnkeeper.genesys.redaction import plain, where
from turnkeeper.genesys.regions import Hosts
from turnkeeper.genesys.retry import RetryPolicy, retry_after
from turnkeeper.payloads.decode_json import foreign_answer
from turnkeeper.payloads.error_body import ErrorBody
from turnkeeper.settings import BodyLimits
from turnkeeper.spool import Spool

__all__ = ["SMALL", "Api", "ApiCall", "PermissionProbe", "off_the_loop"]

_HOPS = 5
_ERROR_LIMIT = 1 << 16
SMALL = 16 << 20
"""Bytes of an answer that is decoded as a whole: some hundred times the usual one, and little memory."""
_OFF_THE_LOOP = 1 << 18
_PROBED = ("date", "inin-ratelimit-count", "inin-ratelimit-allowed", "inin-ratelimit-reset", "retry-after")

_REFUSED_TWICE = (
    "A freshly fetched token was refused too. Check that GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET (or the key) are "
    "those of an active OAuth client of this region's organisation, and that its role has the permissions that "
    "`turnkeeper doctor` lists (client credentials get roles and divisions, not scopes; a gateway may want "
    "interaction:read, media:read, analytics:read). After a rotation, renew the secret or key."
)

T = TypeVar("T")


@dataclass(frozen=True)
class ApiCall:
    """One request to the platform. ``operation`` and ``key`` name it in errors; ``path`` begins with ``/api``.

    ``statuses`` are those of a successful answer. A 202 ``means_pending`` where the platform answers so while it is
    still making the result: whatever its body holds, it counts as empty. ``limit`` is the size of the largest answer in
    bytes; None for a body that may be as large as the settings allow.
    """

    operation: str
    path: str
    key: str = ""
    params: Sequence[tuple[str, str]] = ()
    method: str = "GET"
    json: object = None
    statuses: tuple[int, ...] = (200, 203)
    means_pending: bool = False
    limit: int | None = SMALL

    @property
    def content(self) -> bytes | None:
        return None if self.json is None else msgspec.json.encode(self.json)

    def url(self, base: str) -> str:
        """The whole address."""
        return f"{base}{self.path}{'?' + urlencode(self.params) if self.params else ''}"


@dataclass(frozen=True)
class PermissionProbe:
    """What one request met, without judging it: ``headers`` holds Date, Retry-After and the rate limit's figures."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str]
    limit_key: str = ""


class _Unauthorised(Exception):
    def __init__(self, seat: Seat, said: ErrorBody) -> None:
        super().__init__(str(said))
        self.seat, self.said = seat, said


class _NoToken(Exception):
    """The token could not be had. Its own request was repeated already: doing so again would multiply the waits."""

    def __init__(self, error: Retriable) -> None:
        super().__init__(str(error))
        self.error = error


class _Elsewhere(Exception):
    """The platform redirects to another origin; the address holds a signature, so this never leaves this file."""

    def __init__(self, url: str) -> None:
        super().__init__("redirected")
        self.url = url


class Api:
    """The platform's API as one pool of clients sees it. ``requests`` counts what was sent, repeats included."""

    def __init__(
        self,
        http: Http,
        pool: Pool,
        hosts: Hosts,
        patience: RetryPolicy,
        downloads: Downloads,
        clock: Clock,
        folder: Path | None = None,
        body: BodyLimits | None = None,
    ) -> None:
        self._body = body or BodyLimits()
        self._http = http
        self._pool = pool
        self._hosts = hosts
        self._patience = patience
        self._downloads = downloads
        self._clock = clock
        self._folder = folder
        self.requests = 0

    async def fetch(self, call: ApiCall) -> Spool:
        """The body of a successful answer, whole and sealed.

        Raises ``Denied`` (naming the permission), ``NotFound``, ``Throttled``, ``Unavailable``, ``DiskFull``,
        ``Skippable`` for a request that the platform does not accept, and the errors of ``Downloads.fetch`` where the
        platform redirects to storage.
        """
        try:
            return await self._patiently(call)
        except _Elsewhere as moved:
            return await self._downloads.fetch(
                moved.url, partial(self._moved_again, call), key=call.key, limit=call.limit
            )

    async def read(self, call: ApiCall, reader: Callable[[Spool], T]) -> T:
        """What ``reader`` makes of a successful answer; asked again where it says ``Unavailable``, because the answer
        has not the platform's shape. Raises as ``fetch`` does."""
        try:
            return await self._patience.run(partial(self._read_once, call, reader), call.url(self._hosts.api))
        except _NoToken as none:
            raise none.error from None
        except _Elsewhere as moved:
            body = await self._downloads.fetch(
                moved.url, partial(self._moved_again, call), key=call.key, limit=call.limit
            )
            return await _read_and_close(reader, body)

    async def _read_once(self, call: ApiCall, reader: Callable[[Spool], T]) -> T:
        return await _read_and_close(reader, await self._renewing(call))

    async def probe(self, call: ApiCall) -> PermissionProbe:
        """One request, sent once; any answer is a result. Raises for the token and for a network that fails."""
        try:
            async with self._sent(call, call.url(self._hosts.api)) as (answer, _):
                said = error_body(await answer.text(_ERROR_LIMIT)) if answer.status >= 300 else ErrorBody()
        except _NoToken as none:
            raise none.error from None
        shown = {name: plain(answer.headers[name], 64) for name in _PROBED if name in answer.headers}
        return PermissionProbe(answer.status, said.code, said.message, shown, said.limit_key)

    async def _moved_again(self, call: ApiCall) -> str:
        try:
            (await self._patiently(call)).close()
        except _Elsewhere as moved:
            return moved.url
        raise Unavailable("no longer redirects to storage", operation=call.operation, key=call.key)

    async def _patiently(self, call: ApiCall) -> Spool:
        try:
            return await self._patience.run(partial(self._renewing, call), call.url(self._hosts.api))
        except _NoToken as none:
            raise none.error from None

    async def _renewing(self, call: ApiCall) -> Spool:
        """One attempt. Tokens that are refused are replaced; a client whose fresh token is refused too is put aside."""
        renewals: Counter[str] = Counter()
        while True:
            try:
                return await self._follow(call)
            except _Unauthorised as refused:
                seat, said = refused.seat, refused.said
            client = seat.client.tokens.client_id
            with _without_repeats():
                renewed = await self._pool.refused(seat, renewals[client], said.code or "401")
            renewals[client] += 1
            if not renewed:
                denied = Denied(f"401 {said}".strip(), operation=call.operation, key=call.key, hint=_REFUSED_TWICE)
                if not self._pool.put_aside(seat, denied):
                    raise denied

    async def _follow(self, call: ApiCall) -> Spool:
        url = call.url(self._hosts.api)
        until = self._http.deadline(self._body.seconds) if call.limit is None else self._http.deadline()
        for _ in range(_HOPS + 1):
            async with self._sent(call, url, until) as (answer, seat):
                if 200 <= answer.status < 300:
                    return await self._kept(call, answer)
                url = answer.redirect
                if not url:
                    raise await self._refused(call, answer, seat)
                if call.method != "GET" and answer.status == 303:
                    raise Unavailable(f"a {call.method} was answered with 303", operation=call.operation, key=call.key)
            if not _same_origin(url, self._hosts.api):
                if call.method != "GET":
                    # Fetching that address with GET would ask another question there.
                    raise foreign_answer(f"a {call.method} was redirected to {where(url)}", call.operation, call.key)
                raise _Elsewhere(url)
        raise Unavailable("redirected in circles", operation=call.operation, key=call.key)

    async def _kept(self, call: ApiCall, answer: Answer) -> Spool:
        spool = Spool(self._folder)
        if answer.status == 202 and call.means_pending:
            return spool.seal()
        if answer.status not in call.statuses:
            spool.close()
            raise foreign_answer(f"answered {answer.status}, which is no result", call.operation, call.key)
        limit = self._downloads.largest if call.limit is None else call.limit
        try:
            async with aclosing(answer.pieces()) as pieces:
                async for piece in pieces:
                    if spool.size + len(piece) > limit:
                        raise too_large(limit, call.operation, call.key, settable=call.limit is None)
                    spool.write(piece)
        except BaseException:
            spool.close()
            raise
        return spool.seal()

    async def _refused(self, call: ApiCall, answer: Answer, seat: Seat) -> TurnkeeperError | _Unauthorised:
        said = error_body(await answer.text(_ERROR_LIMIT))
        if answer.status == 401:
            return _Unauthorised(seat, said)
        wait = retry_after(answer.headers, self._clock.now())
        if answer.status == 429:
            self._pool.throttled(seat, wait, said.limit_key)
        return refusal(answer.status, said, operation=call.operation, key=call.key, wait=wait)

    @asynccontextmanager
    async def _sent(self, call: ApiCall, url: str, until: float | None = None) -> AsyncIterator[tuple[Answer, Seat]]:
        headers = {"Accept": "application/json"}
        content = call.content
        if content is not None:
            headers["Content-Type"] = "application/json"
        with _without_repeats():
            seat = await self._pool.seat()
        headers["Authorization"] = f"Bearer {seat.bearer}"
        self.requests += 1
        counted = False
        try:
            async with self._http.send(call.method, url, headers, content, until=until) as answer:
                seat.answered(answer.headers, self._clock.monotonic(), answer.status)
                counted = True
                yield answer, seat
        finally:
            if not counted:
                seat.lost(self._clock.monotonic())


@contextmanager
def _without_repeats() -> Iterator[None]:
    try:
        yield
    except Retriable as error:
        raise _NoToken(error) from None


async def off_the_loop(size: int, work: Callable[[], T]) -> T:
    """Do work on ``size`` bytes: in a thread where it would hold up the event loop, else at once."""
    return work() if size <= _OFF_THE_LOOP else await anyio.to_thread.run_sync(work)


async def _read_and_close(reader: Callable[[Spool], T], body: Spool) -> T:
    with body:
        return await off_the_loop(body.size, partial(reader, body))


def _same_origin(url: str, base: str) -> bool:
    """Scheme, host and port; a port left out is the scheme's own."""
    try:
        one, other = (urlsplit(address) for address in (url, base))
        ports = [part.port or {"http": 80, "https": 443}.get(part.scheme) for part in (one, other)]
    except ValueError:
        return False
    return (one.scheme, one.hostname, ports[0]) == (other.scheme, other.hostname, ports[1]) and "@" not in one.netloc
