"""The wire: one way to send a request and read its answer piece by piece. Knows no token, no retry and no vendor.

The only file besides ``auth`` that knows the HTTP library. Whatever it, or a transport that was given, raises becomes
one of our errors here, without its text where that may hold an address; its log records lose their queries before any
handler sees them.
"""

from __future__ import annotations

import logging
import re
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from functools import partial
from urllib.parse import urljoin, urlsplit

import anyio
import httpx2

from turnkeeper.environment import environment
from turnkeeper.errors import Incomplete, Misconfigured, TurnkeeperError, Unavailable
from turnkeeper.genesys.decoding import BrokenEncoding, Decoder, announced
from turnkeeper.genesys.redaction import WithoutQueries, plain, where
from turnkeeper.proxies import checked_proxies, proxy_for, refused_by_proxy
from turnkeeper.settings import PlatformSettings
from turnkeeper.version import __version__

__all__ = ["Answer", "Http", "Transport", "host_of"]

Transport = httpx2.AsyncBaseTransport
"""What a test, or a user with an unusual network, may give instead of real sockets."""

_CONNECT_S, _READ_S = 10.0, 60.0
_HEAD_S = 120.0
"""An answer has begun by then. The library's own time-out begins anew with each ``100 Continue``."""
_ANSWER_S = 300.0
"""A body is whole by then, where the caller names no deadline of its own."""
_IDLE_S = 30.0
# No limit on waiting for a free connection: those who wait are bounded by those who work.
_TIMEOUTS = {"timeout": httpx2.Timeout(_READ_S, connect=_CONNECT_S, pool=None).as_dict()}
_OUR_HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip",
    "Connection": "keep-alive",
    "User-Agent": f"turnkeeper/{__version__}",
}
_LOGGERS = ("httpx2", *(f"httpcore2.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))
_HOST = re.compile(r"[A-Za-z0-9._%:~-]+")
_ON_THE_WIRE = ("content-encoding", "content-length")
_SCRUBBER = WithoutQueries()


class Answer:
    """An answer whose body is still on the wire. Header names are lower-case; ``where`` has no query.

    ``left`` gives the seconds until the body has to be whole.
    """

    def __init__(self, response: httpx2.Response, url: str, left: Callable[[], float] = lambda: _ANSWER_S) -> None:
        self._response = response
        self._url = url
        self._left = left
        self.status = response.status_code
        headers = _headers(response.headers.raw)
        # A transport that was given (MockTransport) may answer with content that the library has read and decoded.
        self._ready = response.content if response.is_stream_consumed else None
        if self._ready is not None:
            headers = {name: value for name, value in headers.items() if name not in _ON_THE_WIRE}
        self.headers: Mapping[str, str] = headers

    @property
    def where(self) -> str:
        """The address without its query."""
        return where(self._url)

    @property
    def redirect(self) -> str:
        """The address that the answer sends us to; empty where it is no redirection. Raises ``Unavailable`` for one
        that leads nowhere."""
        if self.status not in (301, 302, 303, 307, 308) or "location" not in self.headers:
            return ""
        try:
            return urljoin(self._url, self.headers["location"])
        except ValueError:
            raise Unavailable("redirects to an address that is none", operation="follow", key=self.where) from None

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The body as it travels, still encoded.

        Raises ``Unavailable`` where the connection breaks, ``Incomplete`` where the deadline passes.
        """
        if self._ready is not None:
            yield self._ready
            return
        stream = self._response.stream
        assert isinstance(stream, httpx2.AsyncByteStream)  # noqa: S101 - an asynchronous client gives no other
        # The stream itself, which ``send`` closes: the library's layers over it count and copy what we count ourselves.
        chunks = aiter(stream)
        while True:
            with _translated(self._url):
                try:
                    chunk = await anext(chunks)
                except StopAsyncIteration:
                    return
            if self._left() <= 0:
                raise Incomplete("not whole before its deadline", operation="read", key=self.where, hint=_SLOW)
            yield chunk

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The body, decoded. Raises ``Unavailable`` for a broken connection, a short or a damaged body."""
        received = 0
        try:
            decoder = Decoder(self.headers.get("content-encoding", ""))
            async with aclosing(self.chunks()) as chunks:
                async for chunk in chunks:
                    received += len(chunk)
                    for piece in decoder.feed(chunk):
                        yield piece
        except BrokenEncoding as cause:
            raise Unavailable(str(cause), operation="read", key=self.where) from None
        if not decoder.whole or received != self.length(received):
            raise Unavailable(f"the body ended early, after {received} bytes", operation="read", key=self.where)

    async def text(self, limit: int) -> bytes:
        """The first ``limit`` decoded bytes. Of an error's body whatever can be read; a success is read strictly."""
        found = bytearray()
        try:
            async with aclosing(self.pieces()) as pieces:
                async for piece in pieces:
                    found += piece
                    if len(found) >= limit:
                        break
        except (Unavailable, Incomplete):
            if self.status < 400:
                raise
        return bytes(found[:limit])

    def length(self, otherwise: int) -> int:
        """The announced number of encoded bytes; ``otherwise`` where there is none, or none that can be."""
        found = announced(self.headers.get("content-length", ""))
        return otherwise if found is None else found


class Http:
    """As many connections as requests are under way. Made twice: for the platform, and for storage, which must never
    see a token.

    Each connection has a client of its own, taken from a stack and put back on it: the library's pool would look at
    every connection twice for each request, which costs more than sending it. Those on top are used again and stay
    open, those below are closed after half a minute, with the next request.

    Raises ``Misconfigured`` where the certificate authority's file, or a proxy of the environment, cannot be used.
    """

    def __init__(
        self,
        settings: PlatformSettings,
        transport: Transport | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        # Who sets a short deadline for bodies does not wait longer for anything else.
        self._head_seconds = min(_HEAD_S, settings.body.seconds)
        self._body_seconds = min(_ANSWER_S, settings.body.seconds)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_SCRUBBER)
        if transport is None:
            checked_proxies(environment())
        # A context takes a while to make, and an injected transport has no use for one.
        verify = _trust(settings) if transport is None else True
        self._new = partial(httpx2.AsyncClient, verify=verify, transport=transport, follow_redirects=False)
        self._is_given = transport is not None
        self._idle: list[tuple[float, httpx2.AsyncClient]] = []
        self._all: list[httpx2.AsyncClient] = []

    def deadline(self, seconds: float | None = None) -> float:
        """What ``send`` takes as ``until``: so many seconds from now (usually five minutes)."""
        return self._now() + (self._body_seconds if seconds is None else seconds)

    @asynccontextmanager
    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        *,
        until: float | None = None,
    ) -> AsyncIterator[Answer]:
        """One request, one answer, whose body is whole by ``until`` (five minutes from now); redirects are the
        caller's to follow.

        Raises ``Unavailable`` where the network fails, ``Misconfigured`` where a certificate is not trusted or a proxy
        asks who we are.
        """
        await self.close_idle(_IDLE_S)
        client = self._taken()
        end = self.deadline() if until is None else until
        try:
            # The deadlines are the machine's own: a simulated clock leaps while a body is on its way.
            with _translated(url), anyio.fail_after(self._head_seconds):
                # Not the client's build_request, which parses and copies its own defaults anew for each request.
                request = httpx2.Request(
                    method,
                    url,
                    headers={**_OUR_HEADERS, **headers} if headers else _OUR_HEADERS,
                    content=content,
                    cookies=client.cookies,
                    extensions=_TIMEOUTS,
                )
                response = await client.send(request, stream=True)
            try:
                if response.status_code == 407:
                    raise _proxy_wants_credentials(url)
                with _translated(url):
                    answer = Answer(response, url, lambda: end - self._now())
                yield answer
            finally:
                # A connection that cannot be closed is closed all the same; its answer has come, or has failed.
                with suppress(Exception):
                    await response.aclose()
        finally:
            self._idle.append((self._now(), client))

    async def close_idle(self, seconds: float = 0) -> None:
        """Close the connections that nobody has used for so long. The other side closes them some day, and such a one
        would stay half open until it is used again."""
        # All clients share a transport that was given, and closing one of them would close it.
        while self._idle and not self._is_given and self._now() - self._idle[0][0] >= seconds:
            _, client = self._idle.pop(0)
            with suppress(Exception):
                await client.aclose()
            self._all.remove(client)

    async def close(self) -> None:
        """Close every connection."""
        while self._all:
            with suppress(Exception):
                await self._all.pop().aclose()

    def _taken(self) -> httpx2.AsyncClient:
        if self._idle:
            return self._idle.pop()[1]
        client = self._new()
        self._all.append(client)
        return client


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Names in lower case; one that comes again is joined to the first."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("utf-8", "replace")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def host_of(url: str) -> tuple[str, str] | None:
    """Scheme and host of an address as the HTTP library understands it, for that is where it connects; None where it
    is none."""
    try:
        parsed = httpx2.URL(url)
        scheme, host, port = parsed.scheme, parsed.raw_host.decode("ascii"), parsed.port
    except (httpx2.InvalidURL, ValueError, TypeError):
        return None
    named = bool(_HOST.fullmatch(host)) and scheme in ("http", "https") and (port is None or 0 < port < 1 << 16)
    return (scheme, host.lower()) if named else None


def _trust(settings: PlatformSettings) -> ssl.SSLContext:
    context = httpx2.create_ssl_context()
    if settings.ca is not None:
        try:
            # Added to the machine's own: storage usually has a public certificate where the gateway has a private one.
            context.load_verify_locations(cafile=str(settings.ca))
        except (OSError, ssl.SSLError) as cause:
            raise Misconfigured(
                f"cannot be used as certificate authorities ({plain(cause.strerror or 'not PEM')})",
                key=str(settings.ca),
                hint="Give --ca (TURNKEEPER_CA) a readable PEM file.",
            ) from cause
    return context


@contextmanager
def _translated(url: str) -> Iterator[None]:
    # Always "from None": the library's exceptions carry the request, and with it whole addresses and the token.
    try:
        yield
    except httpx2.LocalProtocolError:
        raise Misconfigured(
            "the request cannot be sent as it is", operation="send", key=where(url), hint=_ODD
        ) from None
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
        raise Unavailable("was given an address that is none", operation="send", key=where(url)) from None
    except httpx2.TransportError as error:
        raise _failure(error, url) from None
    except TurnkeeperError:
        raise
    except TimeoutError:
        hint = "The other side may be sending interim answers without an end."
        raise Unavailable("no answer began in time", operation="reach", key=where(url), hint=hint) from None
    except Exception as error:
        # The library, a transport or the system: whatever it is, only this request has failed.
        raise Unavailable(f"the request failed ({type(error).__name__})", operation="reach", key=where(url)) from None


def _proxy_wants_credentials(url: str) -> Misconfigured:
    parts = urlsplit(url)
    proxy = proxy_for(parts.scheme, parts.hostname or "", environment())
    return refused_by_proxy(proxy.variable if proxy else "")


def _failure(error: httpx2.TransportError, url: str) -> TurnkeeperError:
    text, at = plain(error), where(url)
    if isinstance(error, httpx2.ProxyError) and text.startswith(_WANTS_CREDENTIALS):
        return _proxy_wants_credentials(url)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return Misconfigured("its certificate is not trusted", operation="connect", key=at, hint=_CERTIFICATE)
    for kind, sentence, hint in _FAILURES:
        if isinstance(error, kind):
            said = f"{sentence} ({text})" if text else sentence
            return Unavailable(said, operation="reach", key=at, hint=hint)
    return Unavailable(f"the connection failed ({text or type(error).__name__})", operation="reach", key=at)


_WANTS_CREDENTIALS = ("407", "Invalid username/password", "Requested NO AUTHENTICATION")
"""How the library says that an http proxy, or a SOCKS proxy, does not know who asks."""
_SLOW = "A network or a server this slow may need a longer deadline: --body-timeout (TURNKEEPER_BODY_TIMEOUT)."
_ODD = "Look for line breaks or odd characters in the credentials."
_CERTIFICATE = "Behind a proxy that opens TLS, or for a private gateway, name its authority with --ca (TURNKEEPER_CA)."
_NETWORK = "Check the network, the proxy variables (HTTPS_PROXY, NO_PROXY) and the region or base URL."
_FAILURES: tuple[tuple[type[httpx2.TransportError], str, str], ...] = (
    (httpx2.ConnectTimeout, f"no connection within {_CONNECT_S:.0f} s", _NETWORK),
    (httpx2.ReadTimeout, f"nothing came for {_READ_S:.0f} s", ""),
    (httpx2.ProxyError, "the proxy refused", "Check HTTPS_PROXY and NO_PROXY."),
    (httpx2.ConnectError, "no connection", _NETWORK),
    (httpx2.RemoteProtocolError, "the connection broke", ""),
)
