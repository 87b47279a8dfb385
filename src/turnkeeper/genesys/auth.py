"""Fetch tokens: with client credentials, or with a signed assertion (RFC 7523) for gateways that accept one.

Authlib makes the client's proof, which is a Basic header or a signed JWT. The request itself goes through ``http`` and
the clock that was given. Authlib's own client does not fit: it fetches no first token by itself, reads the machine's
clock, and renews a token that lives a minute or less before every request.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import anyio
from authlib.oauth2.auth import ClientAuth  # type: ignore[import-untyped]
from authlib.oauth2.rfc7523 import private_key_jwt_sign  # type: ignore[import-untyped]
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from turnkeeper.clock import Clock
from turnkeeper.errors import Denied, Misconfigured, TurnkeeperError
from turnkeeper.events import Listener, Renewed
from turnkeeper.genesys.errors import error_body, refusal
from turnkeeper.genesys.http import Answer, Http
from turnkeeper.genesys.redaction import plain, where
from turnkeeper.genesys.regions import Hosts
from turnkeeper.genesys.retry import RetryPolicy, retry_after
from turnkeeper.known_secrets import remember, remember_client
from turnkeeper.payloads.error_body import ErrorBody
from turnkeeper.payloads.token import read_token
from turnkeeper.settings import ClientSettings, JwtSettings

__all__ = ["Tokens"]

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
# A larger answer is no token, and may be a gigabyte once unpacked.
_ANSWER_LIMIT = 1 << 16
_OPERATION = "get a token"


@dataclass(frozen=True)
class _Token:
    bearer: str
    renew_at: float


class Tokens:
    """One client's bearer token, shared by all tasks: however many need it at once, one request is made.

    ``reread`` reads the client's credentials from their source again. It is called when they are refused, because
    somebody may have replaced them while this process runs.

    ``current`` and ``renew`` raise ``Misconfigured`` (no credentials, an unusable key, no token endpoint), ``Denied``
    (refused), ``Throttled`` or ``Unavailable``.
    """

    def __init__(
        self,
        client: ClientSettings,
        hosts: Hosts,
        http: Http,
        policy: RetryPolicy,
        clock: Clock,
        listener: Listener,
        reread: Callable[[], ClientSettings | None] = lambda: None,
    ) -> None:
        self._client = client
        _remember_secrets(client)
        self._reread = reread
        self._hosts = hosts
        self._http = http
        self._policy = policy
        self._clock = clock
        self._listener = listener
        self._urls = list(hosts.token_urls)
        self._lock = anyio.Lock()
        self._token: _Token | None = None
        # Several tokens may be in use at once, while requests that began with an older one are in flight.
        self._accepted: deque[str] = deque(maxlen=8)
        self._fetches = 0
        self._failure: TurnkeeperError | None = None
        self._key: Key | None = None
        self.requests = 0

    @property
    def client_id(self) -> str:
        """Whose tokens these are, for messages."""
        return self._client.client_id or (self._client.jwt.client_id if self._client.jwt else "")

    def unexpired(self, now: float) -> str | None:
        """The bearer token, None where one has to be fetched."""
        token = self._token
        return token.bearer if token is not None and now < token.renew_at else None

    async def current(self) -> str:
        """The bearer token, fetched first where there is none or it has expired."""
        bearer = self.unexpired(self._clock.monotonic())
        if bearer is not None:
            return bearer
        token = self._token
        return await self._fetch_shared(token.bearer if token else "", "end of life" if token else "")

    async def reload_credentials(self) -> bool:
        """Read the credentials from their source again. Returns whether they differ from those in use."""
        try:
            client = await anyio.to_thread.run_sync(self._reread)
        except Misconfigured:
            # The file is being replaced at this moment, or the keyring is locked: the refusal stands.
            return False
        if client is None or client == self._client:
            return False
        # The parsed key belongs to the credentials that were replaced.
        self._client, self._key = client, None
        _remember_secrets(client)
        self._listener(Renewed(what="credentials", reason="they were refused, and have changed at their source"))
        return True

    def mark_accepted(self, bearer: str) -> None:
        """Remember that the platform accepted this token."""
        if bearer not in self._accepted:
            self._accepted.append(bearer)

    def was_accepted(self, bearer: str) -> bool:
        """Whether this token was accepted before, so that a refusal means that it has expired."""
        return bearer in self._accepted

    async def renew(self, refused: str, reason: str) -> str:
        """A token other than the refused one, which another task may have fetched meanwhile."""
        return await self._fetch_shared(refused, reason)

    async def _fetch_shared(self, old: str, reason: str) -> str:
        """Fetch a token once for all tasks that need another one than ``old``."""
        fetches = self._fetches
        async with self._lock:
            # An expired token is refused to all tasks that use it. Only the first of them has to fetch a new one.
            if self._token is not None and self._token.bearer != old:
                return self._token.bearer
            # A task that waited while another one's request failed shares that error: fifty tasks, one attempt.
            # Its traceback is dropped, because it would grow with each task that raises the same object.
            if fetches != self._fetches and self._failure is not None:
                raise self._failure.with_traceback(None)
            self._token = await self._fetch_and_note()
        if reason:
            self._listener(Renewed(what="token", reason=reason))
        return self._token.bearer

    async def _fetch_and_note(self) -> _Token:
        try:
            token = await self._fetch_with_reload()
        except TurnkeeperError as error:
            self._failure = error
            raise
        else:
            self._failure = None
        finally:
            self._fetches += 1
        return token

    async def _fetch_with_reload(self) -> _Token:
        at = where(self._urls[0])
        try:
            return await self._policy.run(self._request, at)
        except Denied:
            if not await self.reload_credentials():
                raise
        return await self._policy.run(self._request, at)

    async def _request(self) -> _Token:
        """Send one request to each address until one is a token endpoint, and remember which one is."""
        for url in list(self._urls):
            headers, content = self._proof(url)
            self.requests += 1
            async with self._http.send("POST", url, headers, content) as answer:
                body = await answer.text(_ANSWER_LIMIT)
            if answer.status == 404 and len(self._urls) > 1:
                continue
            token = self._token_or_error(answer, body)
            self._urls = [url]
            return token
        raise self._no_endpoint("there is no token endpoint")

    def _token_or_error(self, answer: Answer, body: bytes) -> _Token:
        if answer.status == 200:
            return self._token_in(body)
        error = error_body(body)
        # An unknown client is answered 400, a wrong secret 401 or 400. Neither gets better by a retry.
        if answer.status in (400, 401, 403):
            raise self._denied(answer.status, error)
        if answer.status == 404:
            raise self._no_endpoint("there is no token endpoint")
        # Not followed: credentials go to the configured address only.
        if 300 <= answer.status < 400:
            raise self._no_endpoint(f"it redirects to {where(answer.headers.get('location', ''))}")
        wait = retry_after(answer.headers, self._clock.now())
        raise refusal(answer.status, error, operation=_OPERATION, key=self._hosts.name, wait=wait)

    def _token_in(self, body: bytes) -> _Token:
        try:
            # A sign-in page also answers 200. Then the configured address is wrong, and no retry helps.
            answer = read_token(body)
        except ValueError:
            raise self._no_endpoint("its answer is no token") from None
        if not answer.bearer:
            raise self._no_endpoint("its answer holds no token")
        # Known from here on, because an error body may repeat the token of the request.
        remember(answer.bearer, token=True)
        # Renewed a minute early, or at nine tenths of a short life, so that no request meets an expired token.
        return _Token(answer.bearer, self._clock.monotonic() + answer.seconds - min(60.0, answer.seconds / 10))

    def _proof(self, url: str) -> tuple[Mapping[str, str], bytes]:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        form = {"grant_type": "client_credentials"}
        jwt = self._client.jwt
        if jwt is not None:
            form |= {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": self._assertion(jwt, url)}
            return headers, urlencode(form).encode()
        return self._basic_proof(url, headers, urlencode(form).encode())

    def _basic_proof(self, url: str, headers: dict[str, str], content: bytes) -> tuple[Mapping[str, str], bytes]:
        client, secret = self._client.client_id, self._client.client_secret
        missing = [
            name for name, value in (("GENESYS_CLIENT_ID", client), ("GENESYS_CLIENT_SECRET", secret)) if not value
        ]
        if missing:
            raise Misconfigured(f"{' and '.join(missing)} not set", operation=_OPERATION, hint=_CREDENTIALS)
        try:
            _, headers, content = ClientAuth(client, secret).prepare("POST", url, headers, content)
        except UnicodeEncodeError:
            raise Misconfigured(
                "the credentials hold characters that cannot be sent", operation=_OPERATION, hint=_CREDENTIALS
            ) from None
        return headers, content

    def _assertion(self, jwt: JwtSettings, url: str) -> str:
        client = jwt.client_id or self._client.client_id
        if not client:
            raise Misconfigured("GENESYS_CLIENT_ID not set", operation=_OPERATION, hint=_CREDENTIALS)
        self._key = self._key or _private_key(jwt)
        try:
            signed = private_key_jwt_sign(
                self._key,
                client,
                # RFC 7523 names the token endpoint as the usual audience.
                jwt.audience or url,
                alg=jwt.alg,
                claims={},  # a new dictionary each time, because Authlib writes the jti into it
                header={"kid": jwt.kid} if jwt.kid else {},
                issued_at=int(self._clock.now().timestamp()),
                expires_in=jwt.expires_in,
            )
        except (JoseError, ValueError, TypeError) as cause:
            raise _unusable_key(jwt, type(cause).__name__) from None
        remember(str(signed), token=True)
        return str(signed)

    def _denied(self, status: int, error: ErrorBody) -> Denied:
        shown = plain(f"{status} {error}")
        if error.code != "invalid_client":
            return Denied(shown, operation=_OPERATION, key=self._hosts.name, hint=_credentials_hint(self._client))
        used = where(self._urls[0]) if self._hosts.gateway else self._hosts.name
        mend = "GENESYS_BASE_URL or --base-url" if self._hosts.gateway else "GENESYS_REGION or --region"
        place = f"The commonest cause is the wrong region: this run asked {used}; set {mend} to your organisation's."
        return Denied(
            shown, operation=_OPERATION, key=self._hosts.name, hint=f"{place} {_credentials_hint(self._client)}"
        )

    def _no_endpoint(self, reason: str) -> Misconfigured:
        return Misconfigured(
            reason,
            operation=_OPERATION,
            key=where(self._urls[0]),
            hint=f"Check {'GENESYS_BASE_URL' if self._hosts.gateway else 'GENESYS_REGION'}.",
        )


_CREDENTIALS = (
    "Set GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET; for a gateway that takes a key pair, GENESYS_CLIENT_ID and "
    "GENESYS_PRIVATE_KEY or GENESYS_JWT_CONFIG."
)


def _remember_secrets(client: ClientSettings) -> None:
    remember_client(client.client_id, client.client_secret)
    if client.jwt is not None:
        remember(client.jwt.private_key)


def _credentials_hint(client: ClientSettings) -> str:
    if client.jwt is None:
        return "Check GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET; after a rotation, renew the stored secret."
    return (
        "Check GENESYS_CLIENT_ID and the private key; after a rotation, renew the key. The platform itself documents "
        "no sign-in by key pair: only gateways take one."
    )


def _private_key(jwt: JwtSettings) -> Key:
    kind = _KEY_TYPES.get(jwt.alg[:2])
    if kind is None:
        raise Misconfigured(
            f"{jwt.alg[:20]!r} is no signature of a key pair",
            key="GENESYS_JWT_CONFIG alg",
            hint="Use RS256, PS256, ES256 or EdDSA.",
        )
    try:
        key = import_key(jwt.private_key, kind)  # type: ignore[call-overload]
    except (JoseError, ValueError, TypeError) as cause:
        raise _unusable_key(jwt, type(cause).__name__) from None
    if not key.is_private:
        raise _unusable_key(jwt, "it is a public key")
    return key  # type: ignore[no-any-return]


def _unusable_key(jwt: JwtSettings, reason: str) -> Misconfigured:
    # Only the kind of error is shown: a parser's message may quote what it read.
    return Misconfigured(
        f"the private key cannot sign with {jwt.alg} ({reason})",
        key="GENESYS_PRIVATE_KEY",
        hint="Give an unencrypted PEM private key that fits alg (RS256: RSA, ES256: P-256; see GENESYS_JWT_CONFIG).",
    )
