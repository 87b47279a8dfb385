"""Small frozen settings, one class per connection (platform, archive), read from options and environment variables.

The command line builds them from options, a library caller by hand or ``from_environment``. ``repr`` shows no secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self, get_args

import msgspec

from turnkeeper.clock import Clock, RemoteClock, SystemClock
from turnkeeper.environment import environment
from turnkeeper.errors import Misconfigured
from turnkeeper.known_secrets import remember

__all__ = [
    "Api",
    "BodyLimits",
    "Checksum",
    "ClientSettings",
    "JwtSettings",
    "PlatformSettings",
    "RetrySettings",
    "StoreSettings",
    "clock_from_environment",
    "hosts_in",
    "in_home",
    "jwt_from_file",
    "seconds_in",
    "secret_from_file",
    "size_in",
    "state_folder",
]

_AWS_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_YEAR_S = 366 * 86_400.0

Api = Literal["auto", "speech", "media"]
"""Which dialect to ask for: ``auto`` tries the likelier one first and falls back to the other."""

Checksum = Literal["sha256", "off"]
"""What goes with each object for S3 to compare."""


class JwtSettings(msgspec.Struct, frozen=True):
    """``private_key_jwt`` (RFC 7523), for gateways that accept it. The platform's public API does not document it.

    ``private_key`` is PEM text, ``audience`` the token's address unless the gateway wants another, ``expires_in`` is in
    seconds.
    """

    private_key: str
    client_id: str = ""
    alg: str = "RS256"
    kid: str = ""
    audience: str = ""
    expires_in: int = 300

    def __repr__(self) -> str:
        return f"JwtSettings(client_id={self.client_id!r}, alg={self.alg!r}, private_key=<hidden>)"


@dataclass(frozen=True)
class ClientSettings:
    """One OAuth client: its id with a secret, or with a key pair where a gateway accepts one."""

    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    jwt: JwtSettings | None = field(default=None, repr=False)


@dataclass(frozen=True)
class RetrySettings:
    """Limits of retrying one request: attempts, total seconds, and the longest single wait in seconds."""

    attempts: int = 8
    total_seconds: float = 300.0
    max_wait: float = 30.0
    renewals: int = 3
    """New presigned addresses (and download restarts) for one body."""


@dataclass(frozen=True)
class BodyLimits:
    """Limits of downloading one transcript or recording: ``seconds`` and ``size`` in bytes.

    Exceeding a limit fails that conversation only.
    """

    seconds: float = 3600.0
    size: int = 4 << 30


@dataclass(frozen=True)
class PlatformSettings:
    """How to reach the platform. ``region`` in any form (AWS region, domain, address); ``base_url`` wins over it.

    ``poll_seconds`` is the pause between requests for a transcript that is not ready. ``wait_seconds`` is the deadline
    for one conversation; None waits two minutes, and only where that can help: while the platform says that the
    transcript is being made, or for a conversation that ended less than a day ago. ``ca`` is a PEM file for a private
    certificate authority. ``allow_hosts`` are hosts that the platform's links may lead to although they are private, or
    reached by plain http.

    ``clients`` are further OAuth clients of the same organisation: together they make one pool. ``reread`` reads the
    credentials' source again, for a secret that is replaced while a process runs. ``profile`` names where all this came
    from.
    """

    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    jwt: JwtSettings | None = field(default=None, repr=False)
    region: str = ""
    base_url: str = ""
    api: Api = "auto"
    ca: Path | None = None
    poll_seconds: float = 5.0
    wait_seconds: float | None = None
    retry: RetrySettings = RetrySettings()
    body: BodyLimits = BodyLimits()
    allow_hosts: tuple[str, ...] = ()
    clients: tuple[ClientSettings, ...] = ()
    reread: Callable[[], PlatformSettings] | None = field(default=None, repr=False, compare=False)
    profile: str = ""

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] | None = None) -> Self:
        """Read ``GENESYS_*`` (see ``turnkeeper get --help``). Raises ``Misconfigured`` naming the variable."""
        found = environment() if variables is None else variables
        first, *more = _all_clients(found)
        return cls(
            client_id=first.client_id,
            client_secret=first.client_secret,
            jwt=first.jwt,
            region=found.get("GENESYS_REGION", ""),
            base_url=found.get("GENESYS_BASE_URL", "").rstrip("/"),
            api=_one_of(found, "GENESYS_API", Api),
            ca=_ca_file(found),
            body=_body_limits(found),
            allow_hosts=hosts_in(found.get("GENESYS_ALLOW_HOST", "")),
            clients=tuple(more),
            reread=partial(cls.from_environment, variables),
        )

    @property
    def every_client(self) -> tuple[ClientSettings, ...]:
        """All clients of the pool, the main one first."""
        return (ClientSettings(self.client_id, self.client_secret, self.jwt), *self.clients)

    def but(self, **changes: object) -> Self:
        """Return a copy with the changes that are not None. Credentials given this way are not read again."""
        given = {name: value for name, value in changes.items() if value is not None}
        if given.keys() & {"client_id", "client_secret", "jwt", "clients"}:
            given.setdefault("reread", None)
        return replace(self, **given)  # type: ignore[arg-type]


@dataclass(frozen=True)
class StoreSettings:
    """How to reach the archive. AWS credentials come from the usual chain; nothing here is a secret.

    ``sse`` asks S3 to encrypt every object: ``AES256``, ``aws:kms`` (the bucket's own key) or ``aws:kms:KEY``;
    ``kms_key`` is another way to say the last. ``checksum`` is sent with every object, for S3 to compare;
    ``off`` is for servers that refuse it. ``profile`` is an ``~/.aws`` profile (extra ``[aws]``). ``shared`` makes a
    folder's files readable and writable for its group; without, they are their owner's alone.
    ``require_audit`` refuses to read an archive whose audit cannot be written.
    ``list_seconds`` is how long a listing may take to give its next keys.

    Raises ``Misconfigured`` for an encryption that is none, or two of them.
    """

    ca: Path | None = None
    sse: str = ""
    kms_key: str = ""
    checksum: Checksum = "sha256"
    profile: str = ""
    shared: bool = False
    endpoint: str = ""
    region: str = ""
    require_audit: bool = False
    home: Path = Path()
    list_seconds: float = 600.0
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] | None = None) -> Self:
        """Read the ``AWS_*`` variables that choose profile and endpoint; ``variables`` keeps the rest for the chain.

        Raises ``Misconfigured`` naming the variable.
        """
        found = environment() if variables is None else variables
        list_seconds = found.get("TURNKEEPER_LIST_TIMEOUT", "")
        return cls(
            ca=_ca_file(found),
            sse=found.get("TURNKEEPER_SSE", ""),
            kms_key=found.get("TURNKEEPER_KMS_KEY", ""),
            checksum=_one_of(found, "TURNKEEPER_CHECKSUM", Checksum),
            shared=_is_on(found, "TURNKEEPER_SHARED"),
            profile=found.get("AWS_PROFILE", ""),
            endpoint=found.get("AWS_ENDPOINT_URL_S3") or found.get("AWS_ENDPOINT_URL", ""),
            region=found.get("AWS_REGION") or found.get("AWS_DEFAULT_REGION", ""),
            require_audit=_is_on(found, "TURNKEEPER_REQUIRE_AUDIT"),
            home=Path(found.get("HOME", "")),
            list_seconds=seconds_in(list_seconds, "TURNKEEPER_LIST_TIMEOUT") if list_seconds else cls.list_seconds,
            variables=dict(found),
        )

    def __post_init__(self) -> None:
        remember(*(self.variables.get(name, "") for name in _AWS_SECRETS))
        kind, _, key = self.sse.partition("aws:kms:")
        if self.sse and self.sse not in ("AES256", "aws:kms") and (kind or not key):
            hint = "Write AES256, aws:kms, or aws:kms:KEY with the key's id or ARN."
            raise Misconfigured(f"{self.sse[:80]!a} is no encryption of S3", key="--sse (TURNKEEPER_SSE)", hint=hint)
        if self.sse and self.kms_key and self.sse != f"aws:kms:{self.kms_key}":
            hint = "Leave one out: --sse (TURNKEEPER_SSE) aws:kms:KEY says what --kms-key (TURNKEEPER_KMS_KEY) says."
            raise Misconfigured("two encryptions were asked for", key="--sse", hint=hint)

    @property
    def encryption(self) -> tuple[str, str]:
        """The S3 name of the algorithm, and the key's id. Both are empty if the bucket's default applies."""
        if self.kms_key:
            return "aws:kms", self.kms_key
        _, _, key = self.sse.partition("aws:kms:")
        return ("aws:kms", key) if key else (self.sse, "")

    def but(self, **changes: object) -> Self:
        """Return a copy with the changes that are not None."""
        return replace(self, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]


def _one_of(found: Mapping[str, str], name: str, kind: Any) -> Any:
    """Return the value of a variable with a fixed set of values; the first of them if it is not set."""
    known = get_args(kind)
    value = found.get(name, "") or known[0]
    if value not in known:
        hint = f"Unset it to use {known[0]}."
        raise Misconfigured(f"{value[:40]!r} is not one of {', '.join(known)}", key=name, hint=hint)
    return value


def _is_on(found: Mapping[str, str], name: str) -> bool:
    value = found.get(name, "").lower()
    if value not in ("", "0", "no", "false", "1", "yes", "true"):
        raise Misconfigured(f"{value[:40]!r} is neither yes nor no", key=name, hint="Write 1, or unset it.")
    return value in ("1", "yes", "true")


def in_home(path: str) -> Path:
    """Expand ``~`` in a path. Without a home folder (a container with an arbitrary user id) the path stays as it is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def state_folder(variables: Mapping[str, str] | None = None) -> Path:
    """Return the folder for local state such as queues: ``$XDG_STATE_HOME/turnkeeper``.

    Raises ``Misconfigured`` if neither that variable nor ``HOME`` is set.
    """
    found = _xdg_state(environment() if variables is None else variables)
    if found is None:
        hint = "Set XDG_STATE_HOME to a folder that can be written."
        raise Misconfigured("there is no home folder for the local queue", key="XDG_STATE_HOME", hint=hint)
    return found


def clock_from_environment(variables: Mapping[str, str] | None = None) -> Clock:
    """Return the simulator's clock if ``TURNKEEPER_CLOCK_URL`` is set, else the system clock."""
    url = (environment() if variables is None else variables).get("TURNKEEPER_CLOCK_URL", "")
    return RemoteClock(url) if url else SystemClock()


def _ca_file(found: Mapping[str, str]) -> Path | None:
    named = found.get("TURNKEEPER_CA") or found.get("SSL_CERT_FILE")
    return Path(named) if named else None


def hosts_in(text: str) -> tuple[str, ...]:
    """Split host names at commas and spaces."""
    return tuple(text.replace(",", " ").split())


_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"([0-9]{1,15}) ?([kmgt]?)(?:i?b)?", re.IGNORECASE)


def size_in(text: str, name: str) -> int:
    """Read a number of bytes, such as ``4G`` or ``1048576``. Raises ``Misconfigured`` naming the option or variable."""
    found = _SIZE.fullmatch(text.strip())
    size = int(found[1]) * _UNITS[found[2].lower()] if found else 0
    if not size:
        raise Misconfigured(f"{text[:40]!r} is no size", key=name, hint="Write bytes, or 500M, 4G.")
    return size


def seconds_in(value: float | str, name: str) -> float:
    """Read a length of time in seconds. Raises ``Misconfigured`` naming the option or variable."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _YEAR_S:
        raise Misconfigured(f"{str(value)[:40]!r} is no number of seconds", key=name, hint="Write 3600 for an hour.")
    return seconds


def _body_limits(found: Mapping[str, str]) -> BodyLimits:
    usual = BodyLimits()
    seconds, size = found.get("TURNKEEPER_BODY_TIMEOUT", ""), found.get("TURNKEEPER_MAX_BODY", "")
    return BodyLimits(
        seconds_in(seconds, "TURNKEEPER_BODY_TIMEOUT") if seconds else usual.seconds,
        size_in(size, "TURNKEEPER_MAX_BODY") if size else usual.size,
    )


def _xdg_state(found: Mapping[str, str]) -> Path | None:
    """Return the state folder by the XDG base directory rules, None without a home."""
    named, home = found.get("XDG_STATE_HOME", ""), found.get("HOME", "")
    # A relative path there is invalid and ignored (XDG Base Directory Specification).
    if Path(named).is_absolute():
        return Path(named) / "turnkeeper"
    return Path(home) / ".local/state/turnkeeper" if home else None


def _all_clients(found: Mapping[str, str]) -> list[ClientSettings]:
    """The client of GENESYS_CLIENT_ID, then those of GENESYS_CLIENTS; one without anything where there is neither."""
    jwt = _jwt_from_variables(found)
    client, file = found.get("GENESYS_CLIENT_ID", ""), found.get("GENESYS_CLIENT_SECRET_FILE", "")
    secret = found.get("GENESYS_CLIENT_SECRET", "")
    if not secret and file:
        secret = secret_from_file(file, "GENESYS_CLIENT_SECRET_FILE")
    one = ClientSettings(client or (jwt.client_id if jwt else ""), secret, jwt)
    more = _more_clients(found.get("GENESYS_CLIENTS", ""))
    return [one, *more] if one.client_id or not more else more


class _ListedClient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    client_id: str
    client_secret: str = ""
    client_secret_file: str = ""


# Made at import, because msgspec crashes if two threads use a type for the first time at the same moment.
_LISTED_CLIENTS = msgspec.json.Decoder(list[_ListedClient])


def _more_clients(text: str) -> list[ClientSettings]:
    if not text:
        return []
    try:
        listed = _LISTED_CLIENTS.decode(
            text if text.lstrip().startswith("[") else _read_named_file(text, "GENESYS_CLIENTS")
        )
    except msgspec.DecodeError as cause:
        # The decoder's message names fields and types, never values.
        raise Misconfigured(
            f"is not a list of clients ({cause})",
            key="GENESYS_CLIENTS",
            hint="It is a JSON list, or a file with one, of objects with client_id and client_secret or "
            "client_secret_file.",
        ) from None
    return [
        ClientSettings(one.client_id, one.client_secret or secret_from_file(one.client_secret_file, "GENESYS_CLIENTS"))
        for one in listed
    ]


def secret_from_file(path: str, variable: str) -> str:
    """Read a secret from a file. Raises ``Misconfigured`` naming the variable if it is missing or empty."""
    secret = _read_named_file(path, variable).strip()
    if not secret:
        raise Misconfigured("the file it names is empty", key=variable, hint="Write the client's secret into it.")
    return secret


def jwt_from_file(path: str, variable: str) -> JwtSettings:
    """Read a key pair's settings from a JSON file like that of ``GENESYS_JWT_CONFIG``. Raises ``Misconfigured``."""
    return _jwt_config(_read_named_file(path, variable), "")


def _jwt_from_variables(found: Mapping[str, str]) -> JwtSettings | None:
    config = found.get("GENESYS_JWT_CONFIG", "")
    if config:
        return _jwt_config(config, found.get("GENESYS_PRIVATE_KEY", ""))
    key = found.get("GENESYS_PRIVATE_KEY", "")
    return JwtSettings(private_key=_private_key(key, "GENESYS_PRIVATE_KEY")) if key else None


def _jwt_config(config: str, fallback_key: str) -> JwtSettings:
    text = config if config.lstrip().startswith("{") else _read_named_file(config, "GENESYS_JWT_CONFIG")
    try:
        values = msgspec.json.decode(text, type=dict[str, str | int])
    except msgspec.DecodeError as cause:
        raise Misconfigured(
            "is not a JSON object of names and values",
            key="GENESYS_JWT_CONFIG",
            hint="It holds client_id, private_key or private_key_file, alg, kid, audience, expires_in.",
        ) from cause
    named_file = str(values.pop("private_key_file", ""))
    key = str(values.pop("private_key", "")) or named_file or fallback_key
    values["private_key"] = _private_key(key, "GENESYS_JWT_CONFIG private_key")
    try:
        # Not strict, because ``expires_in`` may be written as a string.
        return msgspec.convert(values, JwtSettings, strict=False)
    except msgspec.ValidationError as cause:
        raise Misconfigured(str(cause), key="GENESYS_JWT_CONFIG", hint="Check the value named there.") from None


def _private_key(text: str, variable: str) -> str:
    if not text:
        raise Misconfigured("no private key", key=variable, hint="Give PEM text or the path of a PEM file.")
    # A .env file often holds the PEM on one line with \n spelled out.
    return text.replace("\\n", "\n") if "-----BEGIN" in text else _read_named_file(text, variable)


def _read_named_file(path: str, variable: str) -> str:
    try:
        return in_home(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        reason = cause.strerror if isinstance(cause, OSError) else "not text"
        raise Misconfigured(
            f"cannot read the file it names ({reason})", key=variable, hint="Give the text itself or a readable path."
        ) from None
