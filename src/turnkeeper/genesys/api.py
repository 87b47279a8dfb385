"""Send one API call: within the rate limit, with the bearer token, repeated where that helps, its refusal explained.

The token goes to the platform's own origin (scheme, host and port) and nowhere else. A redirect to another origin is
followed by ``Downloads``, which never has a token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlencode, urlsplit

import anyio
import msgspec

from turnkeeper.clock import Clock
from turnkeeper.errors import Denied, Retriable, TurnkeeperError, Unavailable
from turnkeeper.genesys.download import Downloads, too_large
from turnkeeper.genesys.errors import error_body, refusal
from turnkeeper.genesys.http import Answer, Http
from turnkeeper.genesys.pool import Permit, Pool
from turnkeeper.genesys.redaction import plain, where
from turnkeeper.genesys.regions import Hosts
from turnkeeper.genesys.retry import RetryPolicy, retry_after
from turnkeeper.payloads.decode_json import foreign_answer
from turnkeeper.payloads.error_body import ErrorBody
from turnkeeper.settings import BodyLimits
from turnkeeper.spool import Spool

__all__ = ["SMALL", "Api", "ApiCall", "PermissionProbe", "off_the_loop"]

_MOST_REDIRECTS = 5
# Only the beginning of an error is shown, so an error body without an end is not read on.
_ERROR_LIMIT = 1 << 16
SMALL = 16 << 20
"""Bytes of the largest usual answer: some hundred times the common size, and little memory."""
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

    ``statuses`` are those of a successful answer. ``means_pending`` says that the platform answers 202 while it still
    makes the result; such an answer counts as empty, whatever its body holds. ``limit`` is the largest answer in bytes,
    None for a body that may be as large as the settings allow.
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
        """The address under ``base``, with its parameters."""
        return f"{base}{self.path}{'?' + urlencode(self.params) if self.params else ''}"


@dataclass(frozen=True)
class PermissionProbe:
    """The answer to one request, whatever its status.

    ``headers`` holds Date, Retry-After and the rate limit's figures.
    """

    status: int
    code: str
    message: str
    headers: Mapping[str, str]
    limit_key: str = ""


class _Unauthorised(Exception):
    def __init__(self, permit: Permit, error: ErrorBody) -> None:
        super().__init__(str(error))
        self.permit, self.error = permit, error


class _NoToken(Exception):
    """No token could be fetched. Its own request was repeated already, so the call is not: waits would multiply."""

    def __init__(self, error: Retriable) -> None:
        super().__init__(str(error))
        self.error = error


class _MovedToStorage(Exception):
    """The platform redirects to another origin. The address holds a signature, so this never leaves this module."""

    def __init__(self, url: str) -> None:
        super().__init__("redirected")
        self.url = url


class Api:
    """Sends API calls with the tokens of a pool. ``requests`` counts all requests sent, repeats included."""

    def __init__(
        self,
        http: Http,
        pool: Pool,
        hosts: Hosts,
        policy: RetryPolicy,
        downloads: Downloads,
        clock: Clock,
        folder: Path | None = None,
        body: BodyLimits | None = None,
    ) -> None:
        self._body = body or BodyLimits()
        self._http = http
        self._pool = pool
        self._hosts = hosts
        self._policy = policy
        self._downloads = downloads
        self._clock = clock
        self._folder = folder
        self.requests = 0

    async def fetch(self, call: ApiCall) -> Spool:
        """Fetch the body of a successful answer, whole and sealed.

        Raises ``Denied`` (naming the permission), ``NotFound``, ``Throttled``, ``Unavailable``, ``DiskFull``,
        ``Skippable`` for a request that the platform does not accept, and the errors of ``Downloads.fetch`` where the
        platform redirects to storage.
        """
        return await self._process(call, _unchanged)

    async def read(self, call: ApiCall, reader: Callable[[Spool], T]) -> T:
        """Return what ``reader`` makes of the body of a successful answer, which is closed afterwards.

        Where the reader raises ``Unavailable``, because the answer has not the platform's shape, the call is repeated.
        Raises as ``fetch`` does.
        """
        return await self._process(call, partial(_read_and_close, reader))

    async def probe(self, call: ApiCall) -> PermissionProbe:
        """Send one request once; any answer is a result. Raises for the token and for a network that fails."""
        try:
            async with self._send(call, call.url(self._hosts.api)) as (answer, _):
                error = error_body(await answer.text(_ERROR_LIMIT)) if answer.status >= 300 else ErrorBody()
        except _NoToken as cause:
            raise cause.error from None
        headers = {name: plain(answer.headers[name], 64) for name in _PROBED if name in answer.headers}
        return PermissionProbe(answer.status, error.code, error.message, headers, error.limit_key)

    async def _process(self, call: ApiCall, process: Callable[[Spool], Awaitable[T]]) -> T:
        try:
            return await self._with_retries(call, process)
        except _MovedToStorage as moved:
            # Outside the call's own retries: a download retries by itself, and the waits would multiply.
            renew = partial(self._storage_address, call)
            return await process(await self._downloads.fetch(moved.url, renew, key=call.key, limit=call.limit))

    async def _storage_address(self, call: ApiCall) -> str:
        try:
            (await self._with_retries(call, _unchanged)).close()
        except _MovedToStorage as moved:
            return moved.url
        raise Unavailable("no longer redirects to storage", operation=call.operation, key=call.key)

    async def _with_retries(self, call: ApiCall, process: Callable[[Spool], Awaitable[T]]) -> T:
        async def attempt() -> T:
            return await process(await self._with_valid_token(call))

        try:
            return await self._policy.run(attempt, call.url(self._hosts.api))
        except _NoToken as cause:
            raise cause.error from None

    async def _with_valid_token(self, call: ApiCall) -> Spool:
        """One attempt, in which refused tokens are replaced. A client whose fresh token is refused is suspended."""
        # Counted by client: when one is suspended, the next one begins with a token that nobody refused yet.
        renewals: Counter[str] = Counter()
        while True:
            try:
                return await self._follow_redirects(call)
            except _Unauthorised as cause:
                permit, error = cause.permit, cause.error
            client = permit.client.tokens.client_id
            with _without_repeats():
                renewed = await self._pool.refused(permit, renewals[client], error.code or "401")
            renewals[client] += 1
            if not renewed:
                denied = Denied(f"401 {error}".strip(), operation=call.operation, key=call.key, hint=_REFUSED_TWICE)
                if not self._pool.suspend(permit, denied):
                    raise denied

    async def _follow_redirects(self, call: ApiCall) -> Spool:
        url = call.url(self._hosts.api)
        # A body of any size gets the time of a download, every other answer the usual time.
        until = self._http.deadline(self._body.seconds) if call.limit is None else self._http.deadline()
        for _ in range(_MOST_REDIRECTS + 1):
            async with self._send(call, url, until) as (answer, permit):
                if 200 <= answer.status < 300:
                    return await self._stored_body(call, answer)
                url = answer.redirect
                if not url:
                    raise await self._error(call, answer, permit)
                # 303 turns a request into a GET, whose answer belongs to another request than the one that was made.
                if call.method != "GET" and answer.status == 303:
                    raise Unavailable(f"a {call.method} was answered with 303", operation=call.operation, key=call.key)
            if not _same_origin(url, self._hosts.api):
                if call.method != "GET":
                    # Storage would take a GET, which is another request than the one that was made.
                    raise foreign_answer(f"a {call.method} was redirected to {where(url)}", call.operation, call.key)
                raise _MovedToStorage(url)
        raise Unavailable("redirected in circles", operation=call.operation, key=call.key)

    async def _stored_body(self, call: ApiCall, answer: Answer) -> Spool:
        spool = Spool(self._folder)
        # Whatever the body of this answer holds, it is not the result.
        if answer.status == 202 and call.means_pending:
            return spool.seal()
        # A 202, 204 or 206 with a plausible body would pass for an empty result, and a day would be closed for ever.
        if answer.status not in call.statuses:
            spool.close()
            raise foreign_answer(f"answered {answer.status}, which is no result", call.operation, call.key)
        limit = self._downloads.largest if call.limit is None else call.limit
        try:
            async with aclosing(answer.pieces()) as pieces:
                async for piece in pieces:
                    # Counted after decoding: a megabyte of gzip may hold a gigabyte.
                    if spool.size + len(piece) > limit:
                        raise too_large(limit, call.operation, call.key, settable=call.limit is None)
                    spool.write(piece)
        except BaseException:
            spool.close()
            raise
        return spool.seal()

    async def _error(self, call: ApiCall, answer: Answer, permit: Permit) -> TurnkeeperError | _Unauthorised:
        error = error_body(await answer.text(_ERROR_LIMIT))
        if answer.status == 401:
            return _Unauthorised(permit, error)
        wait = retry_after(answer.headers, self._clock.now())
        if answer.status == 429:
            # Reported at once, so that the other tasks do not run into the same refusal while this one waits.
            self._pool.throttled(permit, wait, error.limit_key)
        return refusal(answer.status, error, operation=call.operation, key=call.key, wait=wait)

    @asynccontextmanager
    async def _send(self, call: ApiCall, url: str, until: float | None = None) -> AsyncIterator[tuple[Answer, Permit]]:
        headers = {"Accept": "application/json"}
        content = call.content
        if content is not None:
            headers["Content-Type"] = "application/json"
        with _without_repeats():
            permit = await self._pool.acquire()
        headers["Authorization"] = f"Bearer {permit.bearer}"
        self.requests += 1
        reported = False
        try:
            async with self._http.send(call.method, url, headers, content, until=until) as answer:
                # Before the body is read, which may take minutes: the other tasks need these figures now.
                permit.answered(answer.headers, self._clock.monotonic(), answer.status)
                reported = True
                yield answer, permit
        finally:
            # A request without a report would count as in flight for ever, and its room in the window would be lost.
            if not reported:
                permit.lost(self._clock.monotonic())


@contextmanager
def _without_repeats() -> Iterator[None]:
    try:
        yield
    except Retriable as error:
        raise _NoToken(error) from None


async def off_the_loop(size: int, work: Callable[[], T]) -> T:
    """Run ``work`` on ``size`` bytes: in a thread where it would hold up the event loop, else at once."""
    return work() if size <= _OFF_THE_LOOP else await anyio.to_thread.run_sync(work)


async def _unchanged(body: Spool) -> Spool:
    return body


async def _read_and_close(reader: Callable[[Spool], T], body: Spool) -> T:
    with body:
        return await off_the_loop(body.size, partial(reader, body))


def _same_origin(url: str, base: str) -> bool:
    """Whether scheme, host and port are the same; a port left out is the scheme's own."""
    try:
        origins = [_origin(urlsplit(address)) for address in (url, base)]
    # An address that cannot be parsed is foreign, so it never gets the token.
    except ValueError:
        return False
    # A user name in the address could make another host look like ours.
    return origins[0] == origins[1] and "@" not in urlsplit(url).netloc


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
