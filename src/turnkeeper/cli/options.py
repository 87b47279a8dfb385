"""Options that several verbs share, and the settings made from them."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from turnkeeper.archive.manifest import SyncMode
from turnkeeper.cli.filter import split_names
from turnkeeper.environment import environment
from turnkeeper.errors import Misconfigured
from turnkeeper.payloads.recordings import AudioFormat
from turnkeeper.profiles import Profile, read_profile
from turnkeeper.settings import (
    Api,
    BodyLimits,
    Checksum,
    PlatformSettings,
    StoreSettings,
    seconds_in,
    size_in,
)
from turnkeeper.transcript.select import Selection

__all__ = [
    "AudioOptions",
    "PlatformOptions",
    "StoreOptions",
    "TurnOptions",
    "archive_address",
    "checked_count",
    "milliseconds",
    "platform_settings",
    "profile",
    "required_archive",
    "selection",
    "split_names",
    "store_settings",
]

PLATFORM = Group("Platform")
STORE = Group("Archive")
TURNS = Group("Which turns")
AUDIO = Group("Recordings")


@Parameter(name="*", group=PLATFORM)
@dataclass(frozen=True)
class PlatformOptions:
    """How to reach the platform."""

    org: str = ""
    """Organisation of profiles.toml: its region, credentials and archive. [env: TURNKEEPER_ORG]"""
    region: str = ""
    """Region in any form: us-east-1, euw2, mypurecloud.de, an api. or login. address. [env: GENESYS_REGION]"""
    base_url: str = ""
    """A gateway or a simulator instead of a region. [env: GENESYS_BASE_URL]"""
    api: Api | None = None
    """Which dialect to ask for; auto tries the likelier one first. [env: GENESYS_API]"""
    wait: float | None = None
    """Seconds to wait for a transcript that is not ready (default 120)."""
    poll: float | None = None
    """Seconds between two asks while waiting (default 5)."""
    ca: Path | None = None
    """PEM file of a private certificate authority, for the platform and the archive alike. [env: TURNKEEPER_CA]"""
    allow_host: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """Host that links may lead to although it is private or reached by plain http. Repeat it or separate with commas.
    [env: GENESYS_ALLOW_HOST]"""
    max_body: str = ""
    """Size of the largest transcript or recording, such as 500M or 8G (default 4G). [env: TURNKEEPER_MAX_BODY]"""
    body_timeout: float | None = None
    """Seconds that one transcript or recording may take (default 3600). [env: TURNKEEPER_BODY_TIMEOUT]"""


@Parameter(name="*", group=STORE)
@dataclass(frozen=True)
class StoreOptions:
    """How to reach the archive."""

    sse: str = ""
    """Encryption to ask S3 for: AES256, aws:kms or aws:kms:KEY (default: the bucket's). [env: TURNKEEPER_SSE]"""
    kms_key: str = ""
    """KMS key id or ARN: short for --sse aws:kms:KEY. [env: TURNKEEPER_KMS_KEY]"""
    checksum: Checksum | None = None
    """Checksum sent with every object (default sha256); off for servers that refuse it. [env: TURNKEEPER_CHECKSUM]"""
    profile: str = ""
    """Profile of ~/.aws to use (needs the extra [aws]). [env: AWS_PROFILE]"""
    shared: Annotated[bool, Parameter(negative="")] = False
    """Let the group of a folder read and write what is made in it; without, it is yours alone. [env:
    TURNKEEPER_SHARED]"""
    require_audit: Annotated[bool, Parameter(negative="")] = False
    """Refuse to read an archive whose audit cannot be written. [env: TURNKEEPER_REQUIRE_AUDIT]"""


@Parameter(name="*", group=TURNS)
@dataclass(frozen=True)
class TurnOptions:
    """Which turns to choose."""

    role: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """Only turns of this role: customer, agent, ivr, acd, bot, unknown; system means ivr, acd, bot and system together.
    Repeat it or separate with commas."""
    conversation: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """Only this conversation. Repeat it or separate with commas."""
    after: float | None = None
    """Only turns that end after this second of the conversation."""
    before: float | None = None
    """Only turns that start before this second of the conversation."""
    min_confidence: float | None = None
    """Only turns with at least this confidence (0..1); turns without one are left out."""


def profile(platform: PlatformOptions) -> Profile | None:
    """Return the profile chosen with ``--org`` or ``TURNKEEPER_ORG``, or None."""
    name = platform.org or environment().get("TURNKEEPER_ORG", "")
    return read_profile(name) if name else None


def archive_address(to: str, platform: PlatformOptions) -> str:
    """Return ``--to``, else the profile's archive, else ``TURNKEEPER_ARCHIVE``, else an empty string.

    The profile comes before the environment, so that the calls of one organisation do not get into another's archive.
    """
    chosen = profile(platform)
    return to or (chosen.archive if chosen else "") or environment().get("TURNKEEPER_ARCHIVE", "")


def required_archive(archive: str, platform: PlatformOptions) -> str:
    """Return what ``archive_address`` returns. Raises ``Misconfigured`` if that is empty."""
    if address := archive_address(archive, platform):
        return address
    hint = "Name it, choose an organisation whose profile names one (--org), or set TURNKEEPER_ARCHIVE."
    raise Misconfigured("no archive was named", hint=hint)


@Parameter(name="*", group=AUDIO)
@dataclass(frozen=True)
class AudioOptions:
    """Recordings too, and how."""

    audio: Annotated[bool, Parameter(negative="")] = False
    """Archive the recordings too."""
    sync: SyncMode = "report"
    """What to do about audio that is not where the platform says: report it, correct the alignment too, or off."""
    audio_format: AudioFormat = "original"
    """What to ask the platform for: original (as stored, through a batch request), or a format it transcodes to."""
    audio_from: str = ""
    """Take recordings from the platform's own export instead of the API: s3://BUCKET[/ORGANISATION] or a folder."""


def platform_settings(platform: PlatformOptions) -> PlatformSettings:
    """Build settings from, in this order: options, the chosen profile, the environment, defaults."""
    chosen = profile(platform)
    settings = chosen.platform if chosen else PlatformSettings.from_environment()
    return settings.but(
        body=_body_limits(platform, settings.body),
        allow_hosts=tuple(split_names(platform.allow_host, "--allow-host")) or None,
        region=platform.region or None,
        # An explicit region overrides a gateway of the environment or the profile.
        base_url=platform.base_url.rstrip("/") or ("" if platform.region else None),
        api=platform.api,
        wait_seconds=_wait_seconds(platform.wait),
        poll_seconds=None if platform.poll is None else seconds_in(platform.poll, "--poll"),
        ca=platform.ca,
    )


def _wait_seconds(seconds: float | None) -> float | None:
    """Read ``--wait``. Zero is allowed and means not to wait."""
    return seconds_in(seconds, "--wait") if seconds else seconds


def _body_limits(platform: PlatformOptions, settings: BodyLimits) -> BodyLimits:
    seconds, size = platform.body_timeout, platform.max_body
    return BodyLimits(
        settings.seconds if seconds is None else seconds_in(seconds, "--body-timeout"),
        size_in(size, "--max-body") if size else settings.size,
    )


def store_settings(destination: StoreOptions, ca: Path | None) -> StoreSettings:
    """Build settings from, in this order: options, the environment, defaults."""
    variables = dict(environment())
    if destination.sse or destination.kms_key:
        # An explicit encryption overrides both variables, which could name another one.
        variables |= {"TURNKEEPER_SSE": "", "TURNKEEPER_KMS_KEY": ""}
    settings = StoreSettings.from_environment(variables).but(
        sse=destination.sse or None,
        kms_key=destination.kms_key or None,
        checksum=destination.checksum,
        profile=destination.profile or None,
        shared=destination.shared or None,
        require_audit=destination.require_audit or None,
        ca=ca,
    )
    if settings.shared:
        # The command starts with a umask of 077, which would take the group's rights away again.
        os.umask(0o007)
    return settings


def selection(choice: TurnOptions) -> Selection:
    """Build a selection from the options. Raises ``Misconfigured`` naming the known roles."""
    return Selection.from_options(
        roles=split_names(choice.role, "--role"),
        interactions=split_names(choice.conversation, "--conversation"),
        start_ms=milliseconds(choice.after, "--after"),
        end_ms=milliseconds(choice.before, "--before"),
        min_confidence=choice.min_confidence,
    )


def milliseconds(seconds: float | None, option: str) -> int | None:
    """Convert seconds to milliseconds. Raises ``Misconfigured`` naming the option for inf and nan."""
    if seconds is None:
        return None
    if not math.isfinite(seconds):
        raise Misconfigured(f"{seconds} is no number of seconds", key=option, hint="Write 12.5, or leave it out.")
    return round(seconds * 1000)


def checked_count(count: int, option: str) -> int:
    """Return a count. Raises ``Misconfigured`` naming the option if it is less than one."""
    if count < 1:
        raise Misconfigured(f"{count} is too few", key=option, hint="Write 1 or more.")
    return count
