"""Download presigned addresses into spools: whole, decoded, in constant memory, and without a token.

A presigned address carries its own signature and lives minutes (ten for transcripts). When it has expired, the caller's
``renew`` gives a fresh one. A body that broke off is resumed where storage proves that it is still the same document.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path

from turnkeeper.clock import Clock, SystemClock
from turnkeeper.errors import Incomplete, LinkExpired, NotFound, Skippable, TooLarge, Unavailable
from turnkeeper.events import Listener, Renewed, silent
from turnkeeper.genesys.errors import error_body, refusal
from turnkeeper.genesys.http import Answer, Http
from turnkeeper.genesys.link_rules import LinkRules
from turnkeeper.genesys.redaction import where
from turnkeeper.genesys.resumable_download import ResumableBody
from turnkeeper.genesys.retry import RetryPolicy, retry_after
from turnkeeper.settings import BodyLimits, PlatformSettings, RetrySettings
from turnkeeper.spool import Spool

__all__ = ["Downloads", "Renew", "download", "too_large"]

Renew = Callable[[], Awaitable[str]]
"""Asks the platform again, and returns a fresh presigned address."""

_OPERATION = "download"
_HOPS = 5
_ERROR_LIMIT = 1 << 16
_LITTLE_SPACE = 128 << 20


class _LinkExpired(Exception):
    """The presigned address is no longer honoured."""


class _BodyBroke(Exception):
    """The body ended early, after some of its bytes."""


class _LinkRefused(Exception):
    """The rules for links do not allow the address, or one that it redirects to."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint


class Downloads:
    """Fetches presigned addresses. The connections in ``http`` are never used for requests with a token."""

    def __init__(
        self,
        http: Http,
        policy: RetryPolicy,
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
        self._policy = policy
        self._retry = retry
        self._clock = clock
        self._listener = listener
        self._folder = folder
        self.requests = 0

    @property
    def largest(self) -> int:
        """Bytes that one body may have now: as set, and at most half of the disk's free space.

        Where little is free, only the setting counts, and a full disk is reported as such.
        """
        try:
            half = shutil.disk_usage(self._folder or tempfile.gettempdir()).free // 2
        except OSError:
            return self._body.size
        return min(self._body.size, half) if half > _LITTLE_SPACE else self._body.size

    async def fetch(self, url: str, renew: Renew, *, key: str, limit: int | None = None) -> Spool:
        """Download the body behind ``url``, check it against its announced length, and seal it.

        ``key`` names it in errors. ``limit`` is its largest size in bytes, by default ``largest``. Raises
        ``LinkExpired`` (no fresh address worked, or the platform gave an expired one again), ``Incomplete`` (the body
        kept breaking off, or was not whole before its deadline), ``TooLarge``, ``NotFound``, ``Throttled``,
        ``Unavailable`` (also for an address that the rules for links do not allow), ``DiskFull``, and what ``renew``
        raises.
        """
        body, expired = ResumableBody(self._folder, self.largest if limit is None else limit), set[str]()
        # One deadline for all attempts, because each renewed link would otherwise bring a deadline of its own.
        until = self._http.deadline(self._body.seconds)
        try:
            while True:
                try:
                    await self._policy.run(partial(self._attempt, url, body, key, until), url)
                # Not an error that is retried: no repeat changes where a link leads.
                except _LinkRefused as cause:
                    raise Unavailable(cause.reason, operation=_OPERATION, key=key, hint=cause.hint) from None
                # The same address would be refused again, so the attempt is not repeated with it.
                except _LinkExpired as cause:
                    url = await self._renewed(url, expired, renew, str(cause), key)
                except _BodyBroke as cause:
                    await self._prepare_next_attempt(body, url, str(cause), key)
                except Unavailable as cause:
                    if body.received:
                        raise Incomplete(cause.message, operation=_OPERATION, key=key, hint=cause.hint) from None
                    raise
                else:
                    return body.spool.seal()
        except BaseException:
            body.spool.close()
            raise

    async def _renewed(self, url: str, expired: set[str], renew: Renew, reason: str, key: str) -> str:
        expired.add(url)
        if len(expired) > self._retry.renewals:
            raise LinkExpired(
                f"{len(expired)} addresses in a row were refused ({reason})",
                operation=_OPERATION,
                key=key,
                hint="Check this machine's clock (turnkeeper doctor does): signed addresses live for minutes.",
            )
        fresh = await renew()
        if fresh in expired:
            raise LinkExpired(
                f"the platform gave a refused address again ({reason})",
                operation=_OPERATION,
                key=key,
                hint="Ask later; a cache in front of the platform may be handing out old answers.",
            )
        self._listener(Renewed(what="link", reason=reason))
        return fresh

    async def _prepare_next_attempt(self, body: ResumableBody, url: str, reason: str, key: str) -> None:
        body.after_break()
        # Breaks are counted anew after each megabyte. A large body that cannot be resumed and always breaks late is
        # bounded by its restarts alone.
        if body.restarts > self._retry.renewals or body.breaks > self._retry.attempts:
            hint = "Something on the way ends connections early (a proxy, a firewall, the network): run again later."
            raise Incomplete(f"the body kept breaking off ({reason})", operation=_OPERATION, key=key, hint=hint)
        await self._policy.back_off(body.breaks, where(url), reason)

    async def _attempt(self, url: str, body: ResumableBody, key: str, until: float) -> None:
        """One request, redirects included; returns when the body is whole."""
        at = url
        for _ in range(_HOPS + 1):
            # At every hop: storage may redirect into the private network as well.
            self._check_link(at)
            self.requests += 1
            async with self._http.send("GET", at, body.request_headers, until=until) as answer:
                if answer.redirect:
                    at = answer.redirect
                    continue
                # Bytes of another document, or from another place of it, must never be joined to those that are there.
                if answer.status == 416 or not body.accepts(answer.status, answer.headers):
                    body.refuse_resuming()
                    raise _BodyBroke(f"storage would not go on where it stopped ({answer.status})")
                if answer.status not in (200, 206):
                    await self._raise_refusal(answer, key)
                await self._receive(answer, body, key)
                return
        raise Unavailable("redirected in circles", operation=_OPERATION, key=key)

    def _check_link(self, url: str) -> None:
        refusal = self._links.refusal(url) if self._links is not None else None
        if refusal is not None:
            raise _LinkRefused(*refusal)

    async def _receive(self, answer: Answer, body: ResumableBody, key: str) -> None:
        began = body.received
        try:
            async with aclosing(answer.chunks()) as chunks:
                async for chunk in chunks:
                    body.add(chunk)
                    if body.too_large:
                        raise too_large(body.limit, _OPERATION, key)
        except Unavailable as cause:
            # An attempt that brought nothing is an ordinary failure, which the policy retries and counts.
            if body.received == began:
                raise
            raise _BodyBroke(cause.message) from None
        if reason := body.missing:
            raise _BodyBroke(reason)

    async def _raise_refusal(self, answer: Answer, key: str) -> None:
        error_text = error_body(await answer.text(_ERROR_LIMIT))
        # S3 answers 400 ExpiredToken where the session that signed the link ended before the link did.
        expired = answer.status == 400 and "expired" in f"{error_text.code} {error_text.message}".lower()
        # Storage has no status of its own for an expired link: S3 and CloudFront answer 403, some gateways 410.
        if answer.status in (401, 403, 410) or expired:
            raise _LinkExpired(f"{answer.status} {error_text}".strip())
        wait = retry_after(answer.headers, self._clock.now())
        error = refusal(answer.status, error_text, operation=_OPERATION, key=key, wait=wait)
        if isinstance(error, NotFound):
            error.hint = "Storage no longer has the file; it may have passed its retention."
        elif type(error) is Skippable:
            error.hint = f"Storage at {answer.where} refused the request."
        raise error


async def download(url: str, settings: PlatformSettings | None = None, *, clock: Clock | None = None) -> Spool:
    """Download any address of a transcript, without a token. The caller closes the spool.

    Raises as ``Downloads.fetch`` does; an expired address is ``LinkExpired`` at once, since nobody here can renew it.
    """
    settings, clock = settings or PlatformSettings.from_environment(), clock or SystemClock()

    async def renew() -> str:
        raise LinkExpired(
            "the address is no longer honoured",
            operation=_OPERATION,
            key=where(url),
            hint="Ask for a fresh one, or let `turnkeeper get` fetch the conversation: it renews links by itself.",
        )

    http = Http(settings)
    try:
        policy = RetryPolicy(settings.retry, clock, silent)
        downloads = Downloads(http, policy, settings.retry, clock, silent, body=settings.body)
        return await downloads.fetch(url, renew, key=where(url))
    finally:
        await http.close()


def too_large(limit: int, operation: str, key: str, *, settable: bool = True) -> TooLarge:
    """The error for a body over its limit."""
    mend = "Allow more with --max-body (TURNKEEPER_MAX_BODY), and give TMPDIR a disk with twice the room."
    return TooLarge(f"more than {limit} bytes came", operation=operation, key=key, hint=mend if settable else "")
