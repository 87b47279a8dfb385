"""Decide which AWS credentials a store uses, before the first request. Uses boto3 (``[aws]``), as ``versions`` does.

The order is the usual one: keys in the environment, a named profile, a web identity or a container's role, the files
in ``~/.aws``, the role of the EC2 machine. The metadata service of EC2 is asked only on an EC2 machine (its firmware
says so, or ``AWS_EC2_METADATA_DISABLED=false`` does). Elsewhere that request waits for a timeout that no user could
explain.
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

__all__ = ["AwsCredentials", "BucketProtection", "bucket_protection", "find_credentials", "s3_client"]

LIFETIME = timedelta(minutes=15)
FIRMWARE = Path("/sys/class/dmi/id/sys_vendor")
_native = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
Credential = dict[str, Any]


@dataclass(frozen=True)
class AwsCredentials:
    """How to sign: static ``config`` for the client, or a ``provider`` that is called again when credentials expire.

    Both are empty if the client's own chain (web identity, container, EC2) is to be used.
    """

    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    provider: Callable[[], Credential] | None = field(default=None, repr=False)
    region: str = ""


@dataclass(frozen=True)
class BucketProtection:
    """Whether a bucket has versioning and object lock; None if this identity may not read that."""

    versioning: bool | None = None
    object_lock: bool | None = None


def find_credentials(settings: StoreSettings, firmware: Path = FIRMWARE) -> AwsCredentials:
    """Find the credentials to use. ``firmware`` is the file that names the machine's vendor.

    Raises ``Misconfigured`` (there are none, or an extra is missing) or ``Denied`` (they have expired).
    """
    variables = settings.variables
    # A profile named by an option overrides the keys in the environment; one named by AWS_PROFILE does not.
    option = settings.profile if settings.profile != variables.get("AWS_PROFILE", "") else ""
    if variables.get("AWS_ACCESS_KEY_ID") and variables.get("AWS_SECRET_ACCESS_KEY") and not option:
        return AwsCredentials(_static_config(variables), region=settings.region)
    if settings.profile:
        return _from_profile(settings, firmware)
    if any(variables.get(name) for name in _native) or variables.get("AWS_SKIP_SIGNATURE") == "true":
        return AwsCredentials(region=settings.region)
    if any(path.is_file() for path in _aws_files(settings).values()):
        return _from_profile(settings, firmware)
    if _is_ec2(variables, firmware):
        return AwsCredentials(region=settings.region)
    raise _none_found(settings)


def bucket_protection(settings: StoreSettings, bucket: str) -> BucketProtection | None:
    """Ask a bucket for its versioning and object lock, in two requests. None without the extra ``[aws]``."""
    try:
        import botocore.config  # type: ignore[import-untyped]
        import botocore.exceptions  # type: ignore[import-untyped]
    except ImportError:
        return None
    config = botocore.config.Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})
    failures = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)
    try:
        client = s3_client(settings, config)
    except failures:
        # An unknown profile, for example. Other checks name it.
        return BucketProtection(None, None)

    def request(operation: str) -> Any:
        try:
            return getattr(client, operation)(Bucket=bucket)
        except failures as cause:
            code = cause.response["Error"]["Code"] if isinstance(cause, botocore.exceptions.ClientError) else ""
            # S3 answers with this error for a bucket that has no object lock.
            return {} if code == "ObjectLockConfigurationNotFoundError" else None

    versions, lock = request("get_bucket_versioning"), request("get_object_lock_configuration")
    return BucketProtection(
        versioning=None if versions is None else versions.get("Status") == "Enabled",
        object_lock=None if lock is None else "ObjectLockConfiguration" in lock,
    )


def s3_client(settings: StoreSettings, config: Any = None) -> Any:
    """A boto3 client that signs as the archive's store does. Raises ``ImportError`` without the extra ``[aws]``."""
    return _session(settings).create_client(
        "s3",
        config=config,
        region_name=settings.region or None,
        endpoint_url=settings.endpoint or None,
        verify=str(settings.ca) if settings.ca else None,
        **_client_keys(settings),
    )


def _static_config(variables: Mapping[str, str]) -> dict[str, str]:
    # The client reads the process's environment for what is missing here. An empty token prevents that it takes one
    # that belongs to other keys.
    return {
        "access_key_id": variables["AWS_ACCESS_KEY_ID"],
        "secret_access_key": variables["AWS_SECRET_ACCESS_KEY"],
        "session_token": variables.get("AWS_SESSION_TOKEN", ""),
    }


def _client_keys(settings: StoreSettings) -> dict[str, str | None]:
    variables = settings.variables
    has_keys = variables.get("AWS_ACCESS_KEY_ID") and variables.get("AWS_SECRET_ACCESS_KEY")
    if not has_keys or settings.profile != variables.get("AWS_PROFILE", ""):
        return {}
    return {
        "aws_access_key_id": variables["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": variables["AWS_SECRET_ACCESS_KEY"],
        "aws_session_token": variables.get("AWS_SESSION_TOKEN"),
    }


def _aws_files(settings: StoreSettings) -> dict[str, Path]:
    """The two files of ``~/.aws``, by botocore's names for them."""
    folder = settings.home / ".aws"
    return {
        "config_file": in_home(settings.variables.get("AWS_CONFIG_FILE") or str(folder / "config")),
        "credentials_file": in_home(
            settings.variables.get("AWS_SHARED_CREDENTIALS_FILE") or str(folder / "credentials")
        ),
    }


def _from_profile(settings: StoreSettings, firmware: Path) -> AwsCredentials:
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
            # botocore would ask the metadata service too, and wait for its timeout.
            session.get_component("credential_provider").remove("iam-role")
        credentials = session.get_credentials()
        if credentials is None:
            raise _none_found(settings)
        # A sign-in that has expired fails here, and not in the middle of a run.
        credentials.get_frozen_credentials()
    except botocore.exceptions.BotoCoreError as cause:
        raise Denied(
            f"{what} gives no credentials ({type(cause).__name__})",
            operation="sign in to S3",
            hint=f"Check it with: aws sts get-caller-identity{_profile_flag(settings)} (for SSO, aws sso login first).",
        ) from None
    region = settings.region or session.get_config_variable("region") or ""
    return AwsCredentials(provider=lambda: _current_keys(credentials), region=region)


def _session(settings: StoreSettings) -> Any:
    import botocore.session  # type: ignore[import-untyped]

    session = botocore.session.Session(profile=settings.profile or None)
    for name, path in _aws_files(settings).items():
        session.set_config_variable(name, str(path))
    return session


def _current_keys(credentials: Any) -> Credential:
    frozen = credentials.get_frozen_credentials()  # renews them if they are about to expire
    remember(frozen.secret_key or "")
    remember(frozen.token or "", token=True)
    return {
        "access_key_id": frozen.access_key,
        "secret_access_key": frozen.secret_key,
        "token": frozen.token,
        # The client asks again only when this time is near, and botocore renews credentials only when it is asked.
        "expires_at": datetime.now(UTC) + LIFETIME,
    }


def _profile_flag(settings: StoreSettings) -> str:
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
