"""Presigned addresses -> a spool: whole, decoded, without a token, in constant memory.

A presigned address carries its own signature and lives minutes (ten for transcripts). When it died, the caller's
``renew`` is asked for a fresh one. A body that was cut is resumed where storage can prove that it is still the same.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path

from turnkeeper.clock import Clock
from turnkeeper.errors import Incomplete, LinkExpired, NotFound, Skippable, TooLarge, Unavailable
from turnkeeper.events import Listener, Renewed
from turnkeeper.genesys.errors import error_body, refusal
from turnkeeper.genesys.http import Answer, Http
from turnkeeper.genesys.links import LinkRules
from turnkeeper.genesys.redaction import where
from turnkeeper.genesys.resumable_download import Partial
from turnkeeper.genesys.retry import RetryPolicy, retry_after
from turnkeeper.settings import BodyLimits, RetrySettings
from turnkeeper.spool import Spool

__all__ = ["Downloads", "Renew", "too_large"]

Renew = Callable[[], Awaitable[str]]
"""Asks the platform again and gives a fresh presigned address."""

_OPERATION = "download"
_HOPS = 5
_ERROR_LIMIT = 1 << 16
_LITTLE = 128 << 20


class _Dead(Exception):
    """The presigned address is no longer honoured."""


class _Cut(Exception):
    """The body broke off after some bytes had come."""


class _Strayed(Exception):
    """The address, or one that it redirects to, is not to be fetched."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint


class Downloads:
    """Fetches presigned addresses. The pool of connections given here has never seen a token."""

    def __init__(
        self,
        http: Http,
        patience: RetryPolicy,
        retry: RetrySettings,
        clock: Clock,
        listener: Listener,
        folder: Path | None = None,
        *,
        body: BodyLimits | None = None,
        links: LinkRules | None = None,
    ) -> None:
        self._body = body or BodyLimits()
        self._links = links
        self._http = http
        self._patience = patience
        self._retry = retry
        self._clock = clock
        self._listener = listener
        self._folder = folder
        self.requests = 0

    @property
    def largest(self) -> int:
        """Bytes that one body may have now: as set, and never more than half of the disk's free space.

        Where little is free that rule is left out, and the disk itself ends the run.
        """
        try:
            half = shutil.disk_usage(self._folder or tempfile.gettempdir()).free // 2
        except OSError:
            return self._body.size
        return min(self._body.size, half) if half > _LITTLE else self._body.size

    async def fetch(self, url: str, renew: Renew, *, key: str, limit: int | None = None) -> Spool:
        """The body behind ``url``, sealed and checked against its announced length; ``limit`` is its largest size where
        that is not the usual one.

        Raises ``LinkExpired`` (no fresh address worked, or the platform gave a dead one again), ``Incomplete`` (the
        body kept breaking off, or was not whole before its deadline), ``TooLarge``, ``NotFound``, ``Throttled``,
        ``Unavailable`` (also for an address that the rules of links do not allow), ``DiskFull``, and whatever
        ``renew`` raises.
        """
        body, dead = Partial(self._folder, self.largest if limit is None else limit), set[str]()
        until = self._http.deadline(self._body.seconds)
        try:
            while True:
                try:
                    await self._patience.run(partial(self._pull, url, body, key, until), url)
                except _Strayed as cause:
                    raise Unavailable(cause.reason, operation=_OPERATION, key=key, hint=cause.hint) from None
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

    async def _pull(self, url: str, body: Partial, key: str, until: float) -> None:
        """One request, redirects included; returns when the body is whole."""
        at = url
        for _ in range(_HOPS + 1):
            self._look_at(at)
            self.requests += 1
            async with self._http.send("GET", at, body.request_headers, until=until) as answer:
                if answer.redirect:
                    at = answer.redirect
                    continue
                if answer.status == 416 or not body.accepts(answer.status, answer.headers):
                    body.forget()
                    raise _Cut(f"storage would not go on where it stopped ({answer.status})")
                if answer.status not in (200, 206):
                    await self._explain(answer, key)
                await self._drain(answer, body, key)
                return
        raise Unavailable("redirected in circles", operation=_OPERATION, key=key)

    def _look_at(self, url: str) -> None:
        refusal = self._links.refusal(url) if self._links is not None else None
        if refusal is not None:
            raise _Strayed(*refusal)

    async def _drain(self, answer: Answer, body: Partial, key: str) -> None:
        began = body.received
        try:
            async with aclosing(answer.chunks()) as chunks:
                async for chunk in chunks:
                    body.add(chunk)
                    if body.too_large:
                        raise too_large(body.limit, _OPERATION, key)
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


def too_large(limit: int, operation: str, key: str, *, settable: bool = True) -> TooLarge:
    """The error for a body that passed its limit."""
    mend = "Allow more with --max-body (TURNKEEPER_MAX_BODY), and give TMPDIR a disk with twice the room."
    return TooLarge(f"more than {limit} bytes came", operation=operation, key=key, hint=mend if settable else "")
