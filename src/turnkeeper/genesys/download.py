"""Presigned addresses -> a spool: whole, decoded, without a token, in constant memory.

A presigned address carries its own signature and lives minutes (ten for transcripts). When it died, the caller's
``renew`` is asked for a fresh one. A body that was cut is resumed where storage can prove that it is still the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path

from turnkeeper.clock import Clock
from turnkeeper.errors import Incomplete, LinkExpired, NotFound, Skippable, Unavailable
from turnkeeper.events import Listener, Renewed
from turnkeeper.genesys.http import Answer, Http
from turnkeeper.genesys.partial import Partial
from turnkeeper.genesys.refusals import error_body, refusal
from turnkeeper.genesys.retry import Patience, retry_after
from turnkeeper.genesys.scrub import where
from turnkeeper.settings import RetrySettings
from turnkeeper.spool import Spool

__all__ = ["Downloads", "Renew"]

Renew = Callable[[], Awaitable[str]]
"""Asks the platform again and gives a fresh presigned address."""

_OPERATION = "download"
_HOPS = 5
_ERROR_LIMIT = 1 << 16


class _Dead(Exception):
    """The presigned address is no longer honoured."""


class _Cut(Exception):
    """The body broke off after some bytes had come."""


class Downloads:
    """Fetches presigned addresses. The pool of connections given here has never seen a token."""

    def __init__(
        self,
        http: Http,
        patience: Patience,
        retry: RetrySettings,
        clock: Clock,
        listener: Listener,
        folder: Path | None = None,
    ) -> None:
        self._http = http
        self._patience = patience
        self._retry = retry
        self._clock = clock
        self._listener = listener
        self._folder = folder
        self.requests = 0

    async def fetch(self, url: str, renew: Renew, *, key: str) -> Spool:
        """The body behind ``url``, sealed and checked against its announced length.

        Raises ``LinkExpired`` (no fresh address worked, or the platform gave a dead one again), ``Incomplete`` (the
        body kept breaking off), ``NotFound``, ``Throttled``, ``Unavailable``, ``DiskFull``, and whatever ``renew``
        raises.
        """
        body, dead = Partial(self._folder), set[str]()
        try:
            while True:
                try:
                    await self._patience.run(partial(self._pull, url, body, key), url)
                except _Dead as cause:
                    url = await self._fresh(url, dead, renew, str(cause), key)
                except _Cut as cause:
                    await self._after_cut(body, url, str(cause), key)
                except Unavailable as cause:
                    if body.received:
                        raise Incomplete(cause.message, operation=_OPERATION, key=key, hint=cause.hint) from None
                    raise
                else:
                    return body.spool.seal()
        except BaseException:
            body.spool.close()
            raise

    async def _fresh(self, url: str, dead: set[str], renew: Renew, reason: str, key: str) -> str:
        dead.add(url)
        if len(dead) > self._retry.renewals:
            raise LinkExpired(
                f"{len(dead)} addresses in a row were refused ({reason})",
                operation=_OPERATION,
                key=key,
                hint="Check this machine's clock (turnkeeper doctor does): signed addresses live for minutes.",
            )
        fresh = await renew()
        if fresh in dead:
            raise LinkExpired(
                f"the platform gave a refused address again ({reason})",
                operation=_OPERATION,
                key=key,
                hint="Ask later; a cache in front of the platform may be handing out old answers.",
            )
        self._listener(Renewed(what="link", reason=reason))
        return fresh

    async def _after_cut(self, body: Partial, url: str, reason: str, key: str) -> None:
        body.broke()
        if body.restarts > self._retry.renewals or body.breaks > self._retry.attempts:
            hint = "Something on the way ends connections early (a proxy, a firewall, the network): run again later."
            raise Incomplete(f"the body kept breaking off ({reason})", operation=_OPERATION, key=key, hint=hint)
        await self._patience.back_off(body.breaks, where(url), reason)

    async def _pull(self, url: str, body: Partial, key: str) -> None:
        """One request, redirects included; returns when the body is whole."""
        at = url
        for _ in range(_HOPS + 1):
            self.requests += 1
            async with self._http.send("GET", at, body.request_headers) as answer:
                if answer.redirect:
                    at = answer.redirect
                    continue
                if answer.status == 416 or not body.accepts(answer.status, answer.headers):
                    body.forget()
                    raise _Cut(f"storage would not go on where it stopped ({answer.status})")
                if answer.status not in (200, 206):
                    await self._explain(answer, key)
                await self._drain(answer, body)
                return
        raise Unavailable("redirected in circles", operation=_OPERATION, key=key)

    async def _drain(self, answer: Answer, body: Partial) -> None:
        began = body.received
        try:
            async with aclosing(answer.chunks()) as chunks:
                async for chunk in chunks:
                    body.add(chunk)
        except Unavailable as cause:
            if body.received == began:
                raise
            raise _Cut(cause.message) from None
        if reason := body.wanting:
            raise _Cut(reason)

    async def _explain(self, answer: Answer, key: str) -> None:
        said = error_body(await answer.text(_ERROR_LIMIT))
        expired = answer.status == 400 and "expired" in f"{said.code} {said.message}".lower()
        if answer.status in (401, 403, 410) or expired:
            raise _Dead(f"{answer.status} {said}".strip())
        wait = retry_after(answer.headers, self._clock.now())
        error = refusal(answer.status, said, operation=_OPERATION, key=key, wait=wait)
        if isinstance(error, NotFound):
            error.hint = "Storage no longer has the file; it may have passed its retention."
        elif type(error) is Skippable:
            error.hint = f"Storage at {answer.where} refused the request."
        raise error
