"""List and delete the versions that an S3 bucket keeps of its objects. Uses boto3 (``[aws]``).

A bucket with versioning keeps every content that a key ever had. Deleting an object there only hides it with a marker.
Its bytes are gone when each version was deleted by its id, which an object lock may forbid until a date.
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
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.object_store import ObjectStore
from turnkeeper.storage.parallel import THREADS
from turnkeeper.storage.store import Store

__all__ = ["ObjectVersion", "VersionLock", "VersionedBucket", "Versioning", "detect_versioning"]

# S3 deletes at most 1000 objects with one request.
BATCH = 1000
POLICY = (
    "s3:GetBucketVersioning, s3:ListBucketVersions, s3:DeleteObjectVersion, s3:GetObjectVersion, "
    "s3:ListBucketMultipartUploads and s3:AbortMultipartUpload"
)
POLICY_HINT = f"To erase, allow {POLICY} to this identity."


@dataclass(frozen=True)
class ObjectVersion:
    """One version of one object, or the ``marker`` that hides it; ``key`` is relative to the archive."""

    key: str
    id: str
    marker: bool
    latest: bool


@dataclass(frozen=True)
class VersionLock:
    """Why a version cannot be deleted: the retention's ``mode`` and end (RFC 3339), or a legal hold, or both."""

    version: ObjectVersion
    mode: str = ""
    until: str = ""
    legal_hold: bool = False


class VersionedBucket:
    """The versions of an archive's objects in an S3 bucket. ``client`` is botocore's. Safe to use from threads.

    Every method may raise ``Denied`` (naming the permissions), ``StoreRefused`` or ``Unavailable``.
    """

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    def versioning(self) -> str:
        """``Enabled``, ``Suspended``, or empty for a bucket that never kept versions."""
        with _translated_errors("ask for versioning", self._bucket):
            return str(self._client.get_bucket_versioning(Bucket=self._bucket).get("Status", ""))

    def versions(self, place: str) -> Iterator[ObjectVersion]:
        """Every version and marker of one key, or of all keys below a folder (a ``place`` that ends with a slash)."""
        pages = self._client.get_paginator("list_object_versions")
        with _translated_errors("list versions", place):
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + place):
                for kind in ("Versions", "DeleteMarkers"):
                    for entry in page.get(kind, ()):
                        key = entry["Key"].removeprefix(self._prefix)
                        # S3 matches prefixes of text, so a key also matches the keys that begin with it.
                        if place.endswith("/") or key == place:
                            yield ObjectVersion(
                                key, entry["VersionId"], kind == "DeleteMarkers", bool(entry["IsLatest"])
                            )

    def delete(self, versions: Sequence[ObjectVersion]) -> list[VersionLock]:
        """Delete versions by their ids, and return the locks of those that cannot be deleted yet.

        Raises ``Denied`` if a deletion is refused and no lock is the reason.
        """
        locks: list[VersionLock] = []
        for start in range(0, len(versions), BATCH):
            batch = versions[start : start + BATCH]
            by_id = {(self._prefix + version.key, version.id): version for version in batch}
            objects = [{"Key": key, "VersionId": version} for key, version in by_id]
            with _translated_errors("delete versions", batch[0].key):
                response = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})
            for error in response.get("Errors", ()):
                version = by_id[error["Key"], error.get("VersionId", "")]
                locks.append(self._read_lock(version, str(error.get("Code", ""))))
        return locks

    def abort_uploads(self, is_selected: Callable[[str], bool]) -> int:
        """Abort the multipart uploads to the selected keys that were never completed: the bucket keeps their parts.

        Returns the number of aborted uploads.
        """
        count = 0
        with _translated_errors("list unfinished uploads", self._bucket):
            pages = self._client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for upload in page.get("Uploads", ()):
                    if is_selected(upload["Key"].removeprefix(self._prefix)):
                        self._client.abort_multipart_upload(
                            Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                        )
                        count += 1
        return count

    def _read_lock(self, version: ObjectVersion, code: str) -> VersionLock:
        """The lock of a version whose deletion was refused with an error code."""
        with _translated_errors("look for the lock of", version.key):
            head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + version.key, VersionId=version.id)
        until = head.get("ObjectLockRetainUntilDate")
        legal_hold = head.get("ObjectLockLegalHoldStatus") == "ON"
        # No lock, so the identity lacks a permission.
        if until is None and not legal_hold:
            raise _error_of_code(code, "delete versions", version.key)
        return VersionLock(version, head.get("ObjectLockMode", ""), rfc3339(until) if until else "", legal_hold)


@dataclass(frozen=True)
class Versioning:
    """Whether a store keeps versions of deleted objects. None if that cannot be known: ``reason`` says why, ``hint``
    what to do about it.

    ``bucket`` is set for an S3 bucket that answered, whether or not it keeps versions.
    """

    keeps_versions: bool | None
    reason: str = ""
    hint: str = ""
    bucket: VersionedBucket | None = None


def detect_versioning(store: Store) -> Versioning:
    """Find out whether a store keeps versions, with one request to an S3 bucket. Does not raise if that fails."""
    if isinstance(store, FolderStore) or store.url.startswith("memory:"):
        return Versioning(keeps_versions=False)
    if not isinstance(store, ObjectStore) or store.settings is None or not store.url.startswith("s3://"):
        name = store.url.partition("://")[0]
        return Versioning(None, f"whether {name}:// keeps deleted objects cannot be asked", "Ask your administrator.")
    return _detect_in_bucket(store.url, store.settings)


def _detect_in_bucket(url: str, settings: StoreSettings) -> Versioning:
    address = parse_address(url)
    try:
        bucket = VersionedBucket(_retrying_client(settings), address.bucket, address.prefix)
        status = bucket.versioning()
    except ImportError:
        return Versioning(None, "whether the bucket keeps versions cannot be asked without boto3", install_hint("aws"))
    except TurnkeeperError as cause:
        return Versioning(None, f"whether the bucket keeps versions cannot be known ({cause.message})", cause.hint)
    # A bucket whose versioning is suspended still has the versions from before.
    return Versioning(keeps_versions=bool(status), bucket=bucket)


def _retrying_client(settings: StoreSettings) -> Any:
    import botocore.config  # type: ignore[import-untyped]

    config = botocore.config.Config(
        connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 4}, max_pool_connections=2 * THREADS
    )
    with _translated_errors("open the bucket", settings.profile):
        return aws.s3_client(settings, config)


@contextlib.contextmanager
def _translated_errors(operation: str, key: str) -> Iterator[None]:
    """Translate botocore's errors into ours, without their texts: those may hold signed addresses."""
    import botocore.exceptions  # type: ignore[import-untyped]

    try:
        yield
    except botocore.exceptions.ClientError as cause:
        status = cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        raise _error_of_code(str(cause.response["Error"]["Code"]), operation, key, status) from None
    except botocore.exceptions.NoCredentialsError:
        raise Denied("no credentials were found", operation=operation, key=key, hint="Check AWS_PROFILE.") from None
    except botocore.exceptions.BotoCoreError as cause:
        words = f"the store does not answer ({type(cause).__name__})"
        raise Unavailable(words, operation=operation, key=key, hint="Check the network and run it again.") from None


def _error_of_code(code: str, operation: str, key: str, status: int = 0) -> TurnkeeperError:
    # The errors of single objects in a batch have a code and no status.
    if status >= 500 or code in ("SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout"):
        return Unavailable(f"the store failed ({code})", operation=operation, key=key, hint="Run it again.")
    # A response to HEAD has no body, so botocore takes the status for the code.
    if status == 403 or code in ("AccessDenied", "Forbidden", "403"):
        return Denied(f"the store does not permit this ({code})", operation=operation, key=key, hint=POLICY_HINT)
    return StoreRefused(f"the store refused ({code})", operation=operation, key=key, hint=POLICY_HINT)
