"""What a store keeps of objects that were deleted or replaced, and how to delete that too. Knows boto3 (``[aws]``).

A bucket with versioning keeps every content that a key ever had. Deleting such an object only hides it; its bytes go
when each version is deleted by its id, and not even then while a lock holds them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from turnkeeper.clock import rfc3339
from turnkeeper.errors import Denied, StoreRefused, TurnkeeperError, Unavailable
from turnkeeper.installation import install_hint
from turnkeeper.settings import StoreSettings
from turnkeeper.storage import aws
from turnkeeper.storage.address import parse_address
from turnkeeper.storage.contract import Store
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.object_store import ObjectStore
from turnkeeper.storage.parallel import THREADS

__all__ = ["Bucket", "History", "Lock", "Version", "history"]

BATCH = 1000
POLICY = (
    "s3:GetBucketVersioning, s3:ListBucketVersions, s3:DeleteObjectVersion, s3:GetObjectVersion, "
    "s3:ListBucketMultipartUploads and s3:AbortMultipartUpload"
)
ASK = f"To erase, allow {POLICY} to this identity."


@dataclass(frozen=True)
class Version:
    """One version of one object, or the ``marker`` that hides it; ``key`` is relative to the archive."""

    key: str
    id: str
    marker: bool
    latest: bool


@dataclass(frozen=True)
class Lock:
    """Why a version cannot be deleted: the retention's ``mode`` and end (RFC 3339), or a legal hold, or both."""

    version: Version
    mode: str = ""
    until: str = ""
    legal_hold: bool = False


class Bucket:
    """The versions of an archive's objects in an S3 bucket. ``client`` is botocore's; safe to use from threads.

    Every call may raise ``Denied`` (naming the permissions), ``StoreRefused`` or ``Unavailable``.
    """

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    def versioning(self) -> str:
        """``Enabled``, ``Suspended``, or empty for a bucket that never kept versions."""
        with _told("ask for versioning", self._bucket):
            return str(self._client.get_bucket_versioning(Bucket=self._bucket).get("Status", ""))

    def versions(self, place: str) -> Iterator[Version]:
        """Every version and marker of one key, or below a folder (a place that ends with a slash)."""
        pages = self._client.get_paginator("list_object_versions")
        with _told("list versions", place):
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + place):
                for kind in ("Versions", "DeleteMarkers"):
                    for found in page.get(kind, ()):
                        key = found["Key"].removeprefix(self._prefix)
                        if place.endswith("/") or key == place:
                            yield Version(key, found["VersionId"], kind == "DeleteMarkers", bool(found["IsLatest"]))

    def delete(self, versions: Sequence[Version]) -> list[Lock]:
        """Delete versions by their ids; the locks of those that are held. Raises ``Denied`` where nothing holds one."""
        locks: list[Lock] = []
        for start in range(0, len(versions), BATCH):
            part = versions[start : start + BATCH]
            wanted = {(self._prefix + version.key, version.id): version for version in part}
            objects = [{"Key": key, "VersionId": version} for key, version in wanted]
            with _told("delete versions", part[0].key):
                answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})
            for refused in answer.get("Errors", ()):
                version = wanted[refused["Key"], refused.get("VersionId", "")]
                locks.append(self._lock(version, str(refused.get("Code", ""))))
        return locks

    def abandon_uploads(self, is_wanted: Callable[[str], bool]) -> int:
        """Abort the uploads in parts, to the keys wanted, that were never completed: their parts are bytes too."""
        count = 0
        with _told("list unfinished uploads", self._bucket):
            pages = self._client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for found in page.get("Uploads", ()):
                    if is_wanted(found["Key"].removeprefix(self._prefix)):
                        self._client.abort_multipart_upload(
                            Bucket=self._bucket, Key=found["Key"], UploadId=found["UploadId"]
                        )
                        count += 1
        return count

    def _lock(self, version: Version, code: str) -> Lock:
        """What holds a version whose deletion was refused."""
        with _told("look for the lock of", version.key):
            head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + version.key, VersionId=version.id)
        until = head.get("ObjectLockRetainUntilDate")
        legal = head.get("ObjectLockLegalHoldStatus") == "ON"
        if until is None and not legal:
            raise _refusal(code, "delete versions", version.key)
        return Lock(version, head.get("ObjectLockMode", ""), rfc3339(until) if until else "", legal)


@dataclass(frozen=True)
class History:
    """What a store keeps of deleted objects. ``kept`` is None where that cannot be known: ``why`` and ``mend`` say it.

    ``bucket`` is there for an S3 bucket that answered; its versions count only where they are ``kept``.
    """

    kept: bool | None
    why: str = ""
    mend: str = ""
    bucket: Bucket | None = None


def history(store: Store) -> History:
    """Find out whether a store keeps versions. Asks an S3 bucket one question; never raises for the answer."""
    if isinstance(store, FolderStore) or store.url.startswith("memory:"):
        return History(kept=False)
    if not isinstance(store, ObjectStore) or store.settings is None or not store.url.startswith("s3://"):
        name = store.url.partition("://")[0]
        return History(None, f"whether {name}:// keeps deleted objects cannot be asked", "Ask your administrator.")
    return _history_of_bucket(store.url, store.settings)


def _history_of_bucket(url: str, settings: StoreSettings) -> History:
    address = parse_address(url)
    try:
        bucket = Bucket(_client(settings), address.bucket, address.prefix)
        status = bucket.versioning()
    except ImportError:
        return History(None, "whether the bucket keeps versions cannot be asked without boto3", install_hint("aws"))
    except TurnkeeperError as cause:
        return History(None, f"whether the bucket keeps versions cannot be known ({cause.message})", cause.hint)
    return History(kept=bool(status), bucket=bucket)


def _client(settings: StoreSettings) -> Any:
    import botocore.config  # type: ignore[import-untyped]

    patient = botocore.config.Config(
        connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 4}, max_pool_connections=2 * THREADS
    )
    return aws.client(settings, patient)


@contextlib.contextmanager
def _told(operation: str, key: str) -> Iterator[None]:
    """Errors of botocore as errors a person can act on; its texts hold addresses and stay here."""
    import botocore.exceptions  # type: ignore[import-untyped]

    try:
        yield
    except botocore.exceptions.ClientError as cause:
        status = cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        raise _refusal(str(cause.response["Error"]["Code"]), operation, key, status) from None
    except botocore.exceptions.NoCredentialsError:
        raise Denied("no credentials were found", operation=operation, key=key, hint="Check AWS_PROFILE.") from None
    except botocore.exceptions.BotoCoreError as cause:
        words = f"the store does not answer ({type(cause).__name__})"
        raise Unavailable(words, operation=operation, key=key, hint="Check the network and run it again.") from None


def _refusal(code: str, operation: str, key: str, status: int = 0) -> TurnkeeperError:
    if status >= 500 or code in ("SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout"):
        return Unavailable(f"the store failed ({code})", operation=operation, key=key, hint="Run it again.")
    if status == 403 or code in ("AccessDenied", "Forbidden", "403"):
        return Denied(f"the store does not permit this ({code})", operation=operation, key=key, hint=ASK)
    return StoreRefused(f"the store refused ({code})", operation=operation, key=key, hint=ASK)
