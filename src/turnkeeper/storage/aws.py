"""Which AWS credentials a store uses, decided before the first request. Knows boto3 (``[aws]``), as ``versions`` does.

The order is the usual one: keys in the environment, a named profile, a web identity or a container's role, the files
in ``~/.aws``, the role of the EC2 machine this runs on. Nothing is ever asked of the metadata address unless this *is*
an EC2 machine (its firmware says so, or ``AWS_EC2_METADATA_DISABLED=false`` does): elsewhere that wait is a riddle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from turnkeeper.errors import Denied, Misconfigured
from turnkeeper.installation import install_hint
from turnkeeper.known_secrets import remember
from turnkeeper.settings import StoreSettings, in_home
from turnkeeper.storage.errors import POLICY

__all__ = ["Access", "Protection", "access", "client", "protection"]

LIFETIME = timedelta(minutes=15)
FIRMWARE = Path("/sys/class/dmi/id/sys_vendor")
_native = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
Credential = dict[str, Any]


@dataclass(frozen=True)
class Access:
    """How to sign: static ``config`` for the client, or a ``provider`` that is asked again as credentials expire.

    Neither holds anything where the client's own chain (web identity, container, EC2) is to be used.
    """

    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    provider: Callable[[], Credential] | None = field(default=None, repr=False)
    region: str = ""


@dataclass(frozen=True)
class Protection:
    """What the bucket itself does for the archive; None where this identity may not know."""

    versioning: bool | None = None
    object_lock: bool | None = None


def access(settings: StoreSettings, firmware: Path = FIRMWARE) -> Access:
    """The credentials to use. Raises ``Misconfigured`` (none found, or an extra is missing) or ``Denied`` (expired)."""
    variables = settings.variables
    named = settings.profile if settings.profile != variables.get("AWS_PROFILE", "") else ""
    if variables.get("AWS_ACCESS_KEY_ID") and variables.get("AWS_SECRET_ACCESS_KEY") and not named:
        return Access(_static(variables), region=settings.region)
    if settings.profile:
        return _from_profile(settings, firmware)
    if any(variables.get(name) for name in _native) or variables.get("AWS_SKIP_SIGNATURE") == "true":
        return Access(region=settings.region)
    if any(path.is_file() for path in _files(settings).values()):
        return _from_profile(settings, firmware)
    if _is_ec2(variables, firmware):
        return Access(region=settings.region)
    raise _none_found(settings)


def protection(settings: StoreSettings, bucket: str) -> Protection | None:
    """Versioning and object lock of a bucket; None without the extra ``[aws]``. Asks two cheap questions."""
    try:
        import botocore.config  # type: ignore[import-untyped]
        import botocore.exceptions  # type: ignore[import-untyped]
    except ImportError:
        return None
    once = botocore.config.Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})
    asked = client(settings, once)
    failures = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)

    def ask(question: str) -> Any:
        try:
            return getattr(asked, question)(Bucket=bucket)
        except failures as refused:
            code = refused.response["Error"]["Code"] if isinstance(refused, botocore.exceptions.ClientError) else ""
            return {} if code == "ObjectLockConfigurationNotFoundError" else None

    versions, lock = ask("get_bucket_versioning"), ask("get_object_lock_configuration")
    return Protection(
        versioning=None if versions is None else versions.get("Status") == "Enabled",
        object_lock=None if lock is None else "ObjectLockConfiguration" in lock,
    )


def client(settings: StoreSettings, config: Any = None) -> Any:
    """A client of S3 that signs as the archive's store does. Raises ``ImportError`` without the extra ``[aws]``."""
    return _session(settings).create_client(
        "s3",
        config=config,
        region_name=settings.region or None,
        endpoint_url=settings.endpoint or None,
        verify=str(settings.ca) if settings.ca else None,
        **_client_keys(settings),
    )


def _static(variables: Mapping[str, str]) -> dict[str, str]:
    # The client adds what it finds in the process's environment: an empty token keeps a foreign one out.
    return {
        "access_key_id": variables["AWS_ACCESS_KEY_ID"],
        "secret_access_key": variables["AWS_SECRET_ACCESS_KEY"],
        "session_token": variables.get("AWS_SESSION_TOKEN", ""),
    }


def _client_keys(settings: StoreSettings) -> dict[str, str | None]:
    variables = settings.variables
    if not variables.get("AWS_ACCESS_KEY_ID") or settings.profile != variables.get("AWS_PROFILE", ""):
        return {}
    return {
        "aws_access_key_id": variables["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": variables.get("AWS_SECRET_ACCESS_KEY"),
        "aws_session_token": variables.get("AWS_SESSION_TOKEN"),
    }


def _files(settings: StoreSettings) -> dict[str, Path]:
    """The two files of ``~/.aws``, by the names botocore has for them."""
    folder = settings.home / ".aws"
    return {
        "config_file": in_home(settings.variables.get("AWS_CONFIG_FILE") or str(folder / "config")),
        "credentials_file": in_home(
            settings.variables.get("AWS_SHARED_CREDENTIALS_FILE") or str(folder / "credentials")
        ),
    }


def _from_profile(settings: StoreSettings, firmware: Path) -> Access:
    what = f"profile {settings.profile!r}" if settings.profile else f"the files in {settings.home / '.aws'}"
    try:
        import botocore.exceptions
    except ImportError:
        raise Misconfigured(
            f"{what} cannot be read without boto3", operation="sign in to S3", hint=install_hint("aws")
        ) from None
    try:
        session = _session(settings)
        if not _is_ec2(settings.variables, firmware):
            session.get_component("credential_provider").remove("iam-role")
        credentials = session.get_credentials()
        if credentials is None:
            raise _none_found(settings)
        credentials.get_frozen_credentials()
    except botocore.exceptions.BotoCoreError as cause:
        raise Denied(
            f"{what} gives no credentials ({type(cause).__name__})",
            operation="sign in to S3",
            hint=f"Check it with: aws sts get-caller-identity{_option(settings)} (for SSO, aws sso login first).",
        ) from None
    region = settings.region or session.get_config_variable("region") or ""
    return Access(provider=lambda: _frozen(credentials), region=region)


def _session(settings: StoreSettings) -> Any:
    import botocore.session  # type: ignore[import-untyped]

    session = botocore.session.Session(profile=settings.profile or None)
    for name, path in _files(settings).items():
        session.set_config_variable(name, str(path))
    return session


def _frozen(credentials: Any) -> Credential:
    frozen = credentials.get_frozen_credentials()
    remember(frozen.secret_key or "")
    remember(frozen.token or "", token=True)
    return {
        "access_key_id": frozen.access_key,
        "secret_access_key": frozen.secret_key,
        "token": frozen.token,
        "expires_at": datetime.now(UTC) + LIFETIME,
    }


def _option(settings: StoreSettings) -> str:
    return f" --profile {settings.profile}" if settings.profile else ""


def _is_ec2(variables: Mapping[str, str], firmware: Path) -> bool:
    switch = variables.get("AWS_EC2_METADATA_DISABLED", "").lower()
    if switch in ("true", "false"):
        return switch == "false"
    try:
        return "amazon ec2" in firmware.read_text(encoding="ascii", errors="replace").lower()
    except OSError:
        return False


def _none_found(settings: StoreSettings) -> Misconfigured:
    return Misconfigured(
        "no AWS credentials were found",
        operation="sign in to S3",
        hint=(
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE (with turnkeeper[aws]), or run where a "
            f"role is attached; the identity needs {POLICY}. Looked in {settings.home / '.aws'} too."
        ),
    )
