"""Send one HTTP request, and read its answer piece by piece. Knows no tokens, no retries and no vendor.

Only this module and ``auth`` import the HTTP library. Its exceptions, and those of a transport that was given, become
errors of this package here, without their text where that may hold an address. Its log records lose the queries of
addresses before any handler gets them.
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
from turnkeeper.genesys.content_encoding import BrokenEncoding, Decoder, content_length
from turnkeeper.genesys.redaction import WithoutQueries, plain, where
from turnkeeper.proxies import checked_proxies, proxy_for, refused_by_proxy
from turnkeeper.settings import PlatformSettings
from turnkeeper.version import __version__

__all__ = ["Answer", "Http", "Transport", "host_of"]

Transport = httpx2.AsyncBaseTransport
"""What tests, and users with an unusual network, may pass instead of real sockets."""

_CONNECT_S, _READ_S = 10.0, 60.0
_HEAD_S = 120.0
"""Seconds within which an answer begins. The library's own time-out starts again with each ``100 Continue``."""
_ANSWER_S = 300.0
"""Seconds within which a body is whole, where the caller names no deadline of its own."""
_IDLE_S = 30.0
# No time-out for a free connection, since each client has one connection and is used for one request at a time.
_TIMEOUTS = {"timeout": httpx2.Timeout(_READ_S, connect=_CONNECT_S, pool=None).as_dict()}
_OUR_HEADERS = {
    "Accept": "*/*",
    # Nothing that ``Decoder`` cannot undo piece by piece, in bounded memory.
    "Accept-Encoding": "gzip",
    "Connection": "keep-alive",
    "User-Agent": f"turnkeeper/{__version__}",
}
_LOGGERS = ("httpx2", *(f"httpcore2.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))
_HOST = re.compile(r"[A-Za-z0-9._%:~-]+")
_ON_THE_WIRE = ("content-encoding", "content-length")
_LOG_FILTER = WithoutQueries()


class Answer:
    """An answer whose body is not read yet. Header names are lower-case.

    ``left`` returns the seconds until the deadline of the body.
    """

    def __init__(self, response: httpx2.Response, url: str, left: Callable[[], float] = lambda: _ANSWER_S) -> None:
        self._response = response
        self._url = url
        self._left = left
        self.status = response.status_code
        headers = _headers(response.headers.raw)
        # A transport that was given (MockTransport) may have read and decoded the body already.
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
        """The address to which the answer redirects; empty where it does not. Raises ``Unavailable`` for one that is
        not an address."""
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
        # The stream itself, which ``send`` closes: the library's layers above it only count and copy.
        chunks = aiter(stream)
        while True:
            with _translated(self._url):
                try:
                    chunk = await anext(chunks)
                except StopAsyncIteration:
                    return
            # The library's time-out starts again with each byte, so one byte a second would never end.
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
        """The first ``limit`` decoded bytes. The body of an error may be cut off; that of a success must be whole."""
        data = bytearray()
        try:
            async with aclosing(self.pieces()) as pieces:
                async for piece in pieces:
                    data += piece
                    if len(data) >= limit:
                        break
        except (Unavailable, Incomplete):
            if self.status < 400:
                raise
        return bytes(data[:limit])

    def length(self, otherwise: int) -> int:
        """The announced number of encoded bytes; ``otherwise`` where there is no plausible one."""
        length = content_length(self.headers.get("content-length", ""))
        return otherwise if length is None else length


class Http:
    """Sends requests over as many connections as there are requests in flight.

    There are two instances: one for the platform, and one for storage, which must never see a token.

    Each connection has a client of its own, which is taken from a stack and put back on it. One client for all would be
    simpler, but the library's pool examines every connection twice for each request, which costs more than sending it.
    The connections on top of the stack are reused and stay open. Those below are closed after half a minute, when the
    next request is sent.

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
        # A short deadline for bodies applies to everything that comes before them, too.
        self._head_seconds = min(_HEAD_S, settings.body.seconds)
        self._body_seconds = min(_ANSWER_S, settings.body.seconds)
        for name in _LOGGERS:
            # The same object for every instance: a logger ignores a filter that it has, so they do not pile up.
            logging.getLogger(name).addFilter(_LOG_FILTER)
        if transport is None:
            # Before the library reads the variables, because its exceptions quote them, passwords included.
            checked_proxies(environment())
        # An SSL context takes a while to make, and a transport that was given does not use it.
        verify = _ssl_context(settings) if transport is None else True
        self._new = partial(httpx2.AsyncClient, verify=verify, transport=transport, follow_redirects=False)
        self._is_given = transport is not None
        self._idle: list[tuple[float, httpx2.AsyncClient]] = []
        self._all: list[httpx2.AsyncClient] = []

    def deadline(self, seconds: float | None = None) -> float:
        """The ``until`` of ``send`` for a deadline in so many seconds (by default five minutes)."""
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
        """Send one request. The answer's body must be whole by ``until``, by default in five minutes.

        Redirects are not followed. Raises ``Unavailable`` where the network fails, and ``Misconfigured`` where a
        certificate is not trusted or a proxy wants credentials.
        """
        await self.close_idle(_IDLE_S)
        client = self._client_for_request()
        end = self.deadline() if until is None else until
        try:
            # Deadlines use the machine's clock, because a simulated clock jumps while a body arrives.
            with _translated(url), anyio.fail_after(self._head_seconds):
                # Not the client's build_request, which parses and copies its own defaults for each request.
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
                # The answer has come or failed by now, so an error while closing changes nothing.
                with suppress(Exception):
                    await response.aclose()
        finally:
            self._idle.append((self._now(), client))

    async def close_idle(self, seconds: float = 0) -> None:
        """Close connections that were not used for so long.

        The server closes them at some time, and such a connection would stay half open until it is used again.
        """
        # All clients share a transport that was given, and closing one client would close it for the others.
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

    def _client_for_request(self) -> httpx2.AsyncClient:
        if self._idle:
            return self._idle.pop()[1]
        client = self._new()
        self._all.append(client)
        return client


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by name in lower case; values of a repeated header are joined by commas (RFC 9110, section 5.3)."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("utf-8", "replace")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def host_of(url: str) -> tuple[str, str] | None:
    """Scheme and host of an address; None where it is not an http or https address.

    The HTTP library parses it here, because it connects to what it understands, whatever another parser would say.
    """
    try:
        parsed = httpx2.URL(url)
        scheme, host, port = parsed.scheme, parsed.raw_host.decode("ascii"), parsed.port
    except (httpx2.InvalidURL, ValueError, TypeError):
        return None
    named = bool(_HOST.fullmatch(host)) and scheme in ("http", "https") and (port is None or 0 < port < 1 << 16)
    return (scheme, host.lower()) if named else None


def _ssl_context(settings: PlatformSettings) -> ssl.SSLContext:
    context = httpx2.create_ssl_context()
    if settings.ca is not None:
        try:
            # Added to the machine's own authorities: storage has a public certificate even where the gateway has none.
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
    # Always "from None": the library's exceptions hold the request, and with it whole addresses and the token.
    try:
        yield
    except httpx2.LocalProtocolError:
        raise Misconfigured(
            "the request cannot be sent as it is", operation="send", key=where(url), hint=_ODD
        ) from None
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
        raise Unavailable("was given an address that is none", operation="send", key=where(url)) from None
    except httpx2.TransportError as error:
        raise _transport_error(error, url) from None
    except TurnkeeperError:
        raise
    except TimeoutError:
        hint = "The other side may be sending interim answers without an end."
        raise Unavailable("no answer began in time", operation="reach", key=where(url), hint=hint) from None
    except Exception as error:
        # Whatever the library, a transport or the system raises, only this request has failed.
        raise Unavailable(f"the request failed ({type(error).__name__})", operation="reach", key=where(url)) from None


def _proxy_wants_credentials(url: str) -> Misconfigured:
    parts = urlsplit(url)
    proxy = proxy_for(parts.scheme, parts.hostname or "", environment())
    return refused_by_proxy(proxy.variable if proxy else "")


def _transport_error(error: httpx2.TransportError, url: str) -> TurnkeeperError:
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
"""How the library reports that an http or a SOCKS proxy wants credentials."""
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
