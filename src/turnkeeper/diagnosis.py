"""Check every precondition of an export. Nothing is changed except for one probe object in the archive's store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal

import msgspec

from turnkeeper.archive.probe import probe_store
from turnkeeper.calls.transcripts import spool_stream
from turnkeeper.clock import Clock, SystemClock
from turnkeeper.display import html_table, one_line
from turnkeeper.errors import TurnkeeperError
from turnkeeper.events import Event, Listener, Noted, silent
from turnkeeper.genesys.api import PermissionProbe
from turnkeeper.genesys.client import Genesys
from turnkeeper.jsonstream.native import native
from turnkeeper.payloads.details import read_details
from turnkeeper.payloads.shape import describe
from turnkeeper.portal import run
from turnkeeper.proxies import Proxy, checked_proxies, is_proxy_variable
from turnkeeper.settings import PlatformSettings, StoreSettings
from turnkeeper.storage.object_store import open_store

__all__ = ["BUCKET_POLICY", "LEAST_ROLE", "Check", "doctor", "payload_shape"]

LEAST_ROLE: Mapping[str, str] = {
    "analytics:conversationDetail:view": "find conversations and read their details",
    "recording:recording:view": "fetch transcripts (needed together with the next)",
    "speechAndTextAnalytics:data:view": "fetch transcripts (needed together with the former)",
    "directory:user:view": "names of people",
    "routing:queue:view": "names of queues",
    "routing:wrapupCode:view": "names of wrap-up codes",
}
"""The least role an export needs: permission -> what for. Roles count per division; scopes do not count for client
credentials. Gateways that speak the media dialect may instead ask for the scopes interaction:read, media:read and
analytics:read."""

BUCKET_POLICY: Mapping[str, object] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"],
            "Resource": "arn:aws:s3:::BUCKET/PREFIX/*",
        },
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": "arn:aws:s3:::BUCKET"},
    ],
}
"""The least bucket policy. Deleting is used for the probe object and for erasing. With a KMS key, add
kms:GenerateDataKey and kms:Decrypt on that key."""

# No conversation has this id. A response of 404 shows that the client has the permission, 403 that it has not.
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"

ENDPOINTS: Mapping[str, tuple[str, str]] = {
    "conversation details": (
        f"/api/v2/analytics/conversations/{UNKNOWN_ID}/details",
        "analytics:conversationDetail:view",
    ),
    "transcripts (speech)": (
        f"/api/v2/speechandtextanalytics/conversations/{UNKNOWN_ID}/communications/{UNKNOWN_ID}/transcripturl",
        "recording:recording:view and speechAndTextAnalytics:data:view",
    ),
    "transcripts (media)": (f"/api/v2/conversations/media/{UNKNOWN_ID}/transcripts", "recording:recording:view"),
    "names of people": ("/api/v2/users?pageSize=1", "directory:user:view"),
    "names of queues": ("/api/v2/routing/queues?pageSize=1", "routing:queue:view"),
    "names of wrap-up codes": ("/api/v2/routing/wrapupcodes?pageSize=1", "routing:wrapupCode:view"),
}
"""The endpoints that are probed: name -> (path, permission needed)."""

MAX_SKEW_SECONDS = 60
"""S3 refuses requests that are 15 minutes off. A minute already shows that the clock is not synchronised."""


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of one check: ``state`` ok, warn (works, but worth knowing) or fail. ``mend`` says how to fix it."""

    __repr__ = one_line
    _repr_html_ = html_table

    name: str
    state: Literal["ok", "warn", "fail"]
    found: str
    mend: str = ""


def doctor(
    to: str = "",
    *,
    platform: PlatformSettings | None = None,
    store: StoreSettings | None = None,
    clock: Clock | None = None,
) -> list[Check]:
    """Check credentials, region, permissions, quota, clock, proxy and the destination ``to`` (skipped where empty).

    A failed check does not raise: it is a ``Check`` with ``mend``. Raises ``Misconfigured`` for an unusable proxy
    variable, because nothing could be checked through it.
    """
    settings = platform or PlatformSettings.from_environment()
    storing = store or StoreSettings.from_environment()
    proxies = checked_proxies(storing.variables)

    async def verb() -> list[Check]:
        answers = await _platform_checks(settings, clock or SystemClock())
        return [
            _profile_check(settings),
            _reader_check(),
            *_proxy_check(proxies, answers),
            _authority_check(settings),
            *answers,
        ]

    checks = run(verb)
    return checks + (list(_destination_checks(to, storing)) if to else [])


def _profile_check(settings: PlatformSettings) -> Check:
    clients = ", ".join(client.client_id or "a client without an id" for client in settings.every_client)
    source = f"{settings.profile} (--org, TURNKEEPER_ORG)" if settings.profile else "none: the environment"
    return Check("profile", "ok", f"{source}; {clients}")


def _reader_check() -> Check:
    """Check whether turns are read by the C extension. It affects only the speed."""
    if native is not None:
        return Check("reader", "ok", "in C")
    mend = "Install a C compiler and Python's headers, then turnkeeper again: turns are read about twice as fast."
    return Check("reader", "warn", "in Python: the same results, slower", mend)


def _proxy_check(proxies: Sequence[Proxy], answers: Sequence[Check]) -> Iterator[Check]:
    """Report the proxy as ok only if the platform answered through it. Its own refusal is already among ``answers``."""
    if any(check.name == "proxy" for check in answers):
        return
    hosts = ", ".join(sorted({f"{proxy.host} ({proxy.variable})" for proxy in proxies}))
    if not hosts:
        yield Check("proxy", "ok", "none")
    elif any(check.name == "credentials" and check.state == "ok" for check in answers):
        yield Check("proxy", "ok", f"through {hosts}, except for NO_PROXY")
    else:
        mend = "Where the platform cannot be reached, this may be why: look at the proxy's own log."
        yield Check("proxy", "warn", f"{hosts} is named; the platform has let nobody in", mend)


def _authority_check(settings: PlatformSettings) -> Check:
    if settings.ca is None:
        return Check("certificate authority", "ok", "the system's")
    if settings.ca.is_file():
        return Check("certificate authority", "ok", str(settings.ca))
    mend = "Give a readable PEM file with --ca or TURNKEEPER_CA."
    return Check("certificate authority", "fail", f"{settings.ca} is not a file", mend)


async def _platform_checks(settings: PlatformSettings, clock: Clock) -> list[Check]:
    try:
        events: list[Event] = []
        async with Genesys(settings, clock=clock, listener=events.append) as genesys:
            return [*await _endpoint_checks(genesys, clock), *_pool_checks(events)]
    except TurnkeeperError as error:
        return [_failed_check("proxy" if is_proxy_variable(error.key) else "credentials", error)]


def _pool_checks(events: Sequence[Event]) -> list[Check]:
    """Warn about clients of the pool that were refused. A run goes on with the others."""
    notes = [event.note for event in events if isinstance(event, Noted) and "put aside" in event.note]
    mend = "Renew the client's secret, or take it out of the pool."
    return [Check("pool", "warn", note, mend) for note in notes]


async def _endpoint_checks(genesys: Genesys, clock: Clock) -> list[Check]:
    checks = [Check("region", "ok", genesys.hosts.api)]
    await genesys.token_probe()
    checks.append(Check("credentials", "ok", "a token was issued"))
    checks.append(Check("organisation", "ok", await genesys.organisation() or "the gateway does not say"))
    token_probe = await genesys.probe("/api/v2/tokens/me")
    checks.append(_clock_check(token_probe, clock))
    for name, (path, needs) in ENDPOINTS.items():
        checks.append(_permission_check(name, await genesys.probe(path), needs))
    return [*checks, _quota_check(await genesys.probe("/api/v2/tokens/me"))]


def _permission_check(name: str, probe: PermissionProbe, permission: str) -> Check:
    if probe.status == 403:
        return Check(
            name, "fail", probe.message, f"Assign the client a role with {permission}, in the calls' division."
        )
    if probe.status in (200, 404):
        return Check(name, "ok", "allowed")
    return Check(name, "warn", f"answered {probe.status} {probe.message}".strip(), "Ask again later.")


def _quota_check(probe: PermissionProbe) -> Check:
    used, allowed = (probe.headers.get(f"inin-ratelimit-{name}", "") for name in ("count", "allowed"))
    if not (used.isdecimal() and allowed.isdecimal()):
        return Check(
            "quota", "warn", "the platform names no rate limit", "A gateway may hide it; turnkeeper then reacts to 429."
        )
    return Check("quota", "ok", f"{int(allowed) - int(used)} of {allowed} requests left in this minute")


def _clock_check(probe: PermissionProbe, clock: Clock) -> Check:
    try:
        theirs = parsedate_to_datetime(probe.headers.get("date", ""))
    except ValueError:
        return Check("clock", "warn", "the platform sent no date", "")
    ahead = (clock.now() - theirs.astimezone(UTC)).total_seconds()
    if abs(ahead) <= MAX_SKEW_SECONDS:
        return Check("clock", "ok", f"{ahead:+.0f} s against the platform")
    return Check(
        "clock",
        "fail",
        f"{ahead:+.0f} s against the platform",
        "Set this machine's clock (NTP): signed requests and tokens depend on it.",
    )


def _destination_checks(to: str, settings: StoreSettings) -> Iterator[Check]:
    try:
        for finding in probe_store(open_store(to, settings), settings):
            yield Check(f"archive: {finding.name}", finding.state, finding.found, finding.mend)
    except TurnkeeperError as error:
        yield _failed_check("archive", error)


def _failed_check(name: str, error: TurnkeeperError) -> Check:
    return Check(name, "fail", error.message, error.hint)


def payload_shape(
    conversation: str,
    *,
    platform: PlatformSettings | None = None,
    clock: Clock | None = None,
    listener: Listener = silent,
) -> dict[str, object]:
    """Describe the keys, types and ranges of a conversation's payloads without any value, so that it can be shared.

    Raises what ``get`` raises if the payload cannot be fetched.
    """

    async def verb() -> dict[str, object]:
        async with Genesys(platform, clock=clock, listener=listener) as genesys:
            details = read_details(await genesys.details(conversation))
            found = await genesys.transcripts(conversation, details)
            bodies = {body.source: describe(body.spool) for body in found.bodies}
            return {"conversation": conversation, "dialect": found.dialect, "bodies": bodies}

    return run(verb)


def file_shape(path: Path) -> dict[str, object]:
    """Describe the keys, types and ranges of a payload in a file, without any value."""
    with path.open("rb") as reader, spool_stream(reader) as body:
        return {"bodies": {path.name: describe(body)}}
