"""Translate the errors of object stores into errors that say how to fix the problem. Pure: texts in, errors out.

The responses of object stores hold signed addresses, access key ids and whole bodies. Only the error's code and a
shortened message without secrets leave this module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from turnkeeper.errors import Denied, DiskFull, Misconfigured, NotFound, StoreRefused, TurnkeeperError, Unavailable
from turnkeeper.known_secrets import redact
from turnkeeper.proxies import refused_by_proxy

__all__ = ["POLICY", "StorePlace", "store_error"]

POLICY = "s3:PutObject, s3:GetObject and s3:ListBucket (and s3:DeleteObject to erase)"
KMS_POLICY = "kms:GenerateDataKey and kms:Decrypt"

_actions = {"write": "s3:PutObject", "create": "s3:PutObject", "read": "s3:GetObject", "look for": "s3:GetObject"}
_actions |= {"list": "s3:ListBucket", "delete": "s3:DeleteObject"}
_bad_credentials = {
    "SignatureDoesNotMatch": "The secret key does not belong to the access key: check AWS_SECRET_ACCESS_KEY.",
    "InvalidAccessKeyId": "The store does not know the access key: check AWS_ACCESS_KEY_ID and the endpoint.",
    "InvalidToken": "The session token is not valid: renew the credentials, or unset AWS_SESSION_TOKEN.",
    "ExpiredToken": "The credentials have expired: renew them (for SSO: aws sso login).",
    "RequestTimeTooSkewed": "This machine's clock is wrong: set it.",
}
_bad_region = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
_full = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage"}
_code = re.compile(r"<Code>([\w.]{1,80})</Code>")
_message = re.compile(r"<Message>([^<]{1,2000})</Message>")
_user = re.compile(r"(?<=//)[^/]*@")
_status = re.compile(r"status code: (\d{3})")


@dataclass(frozen=True)
class StorePlace:
    """Where the refused request went, for the error's message; no secrets."""

    bucket: str = ""
    endpoint: str = ""
    region: str = ""
    kms_key: str = ""
    proxy: str = ""
    """The variable that names the proxy between here and the store."""

    @property
    def where(self) -> str:
        """The endpoint in words, without a user's name or a query; empty for the usual one."""
        shown = _user.sub("", self.endpoint.partition("?")[0])
        return f" at {shown}" if shown else ""


def store_error(kind: str, text: str, place: StorePlace, operation: str, key: str) -> TurnkeeperError:
    """Translate an exception of the client: ``kind`` is the name of its class, ``text`` its message.

    Returns an error for the bucket, the credentials, the request or a passing condition, tried in this order.
    """
    code = _search_first(_code, text)
    status = int(_search_first(_status, text) or 0)
    if status == 407 or "ProxyAuthRequired" in text:
        return refused_by_proxy(place.proxy)
    # The client reports a missing bucket and a missing object with the same class.
    if kind == "FileNotFoundError" and code != "NoSuchBucket":
        return NotFound("not in the archive", operation=operation, key=key)
    # The most specific first: a code says more than a status.
    error = (
        _bucket_error(code, place)
        or _credentials_error(kind, code, text, place, operation)
        or _request_error(code, status, text, place)
        or _passing_error(status, text, place)
        or StoreRefused(_short_message(code, status, text))
    )
    error.operation, error.key = operation, key
    return error


def _bucket_error(code: str, place: StorePlace) -> TurnkeeperError | None:
    if code == "NoSuchBucket":
        hint = f"Create it, or correct its name{' or the endpoint' if place.endpoint else ''}."
        return StoreRefused(f"the bucket {place.bucket!r} does not exist{place.where}", hint=hint)
    if code == "InvalidBucketName":
        return Misconfigured(f"{place.bucket[:80]!r} is not a bucket's name", hint="Check the archive's address.")
    if code in _bad_region:
        region = place.region or "us-east-1 (nothing else was named)"
        return Misconfigured(f"the bucket is not in region {region}", hint="Set AWS_REGION to the bucket's own region.")
    return None


def _credentials_error(kind: str, code: str, text: str, place: StorePlace, operation: str) -> TurnkeeperError | None:
    if code in _bad_credentials:
        return Denied(f"the store does not accept the credentials ({code})", hint=_bad_credentials[code])
    if code.startswith("KMS") or "kms:" in text.lower():
        hint = f"Check --kms-key, and that the key's policy allows {KMS_POLICY} to this identity."
        return StoreRefused(f"the encryption key was refused ({code or 'KMS'})", hint=hint)
    if kind in ("PermissionDeniedError", "UnauthenticatedError"):
        action = _actions.get(operation, "s3:GetObject")
        hint = f"The identity lacks {action}{_list_permission(operation)}, or the credentials are another account's"
        hint += f"{_ENCRYPTED if action == 's3:PutObject' else ''}."
        reason = _short_message(code, 0, text) if code else "no reason given"
        return Denied(f"the store does not permit this in {place.bucket!r} ({reason})", hint=hint)
    return None


_ENCRYPTED = ", or the bucket demands encryption (--sse AES256, --sse aws:kms); turnkeeper doctor tries which"


def _list_permission(operation: str) -> str:
    # Without s3:ListBucket S3 answers 403 instead of 404 for a key that does not exist.
    return " (or s3:ListBucket, without which a missing object looks forbidden)" if operation == "look for" else ""


def _request_error(code: str, status: int, text: str, place: StorePlace) -> TurnkeeperError | None:
    if code in _full or status == 507:
        return DiskFull(f"the store has no room left ({code or status})", hint="Free some space or raise the quota.")
    if status in (301, 307) or "incorrectly configured region" in text:
        return _bucket_error("PermanentRedirect", place)
    if code == "NotImplemented" or status in (405, 501):
        hint = "The server does not speak enough of S3: checksums and conditional writes are needed."
        return StoreRefused(_short_message(code, status, text), hint=hint)
    if "checksum" in text.partition("\n")[0].lower() and status == 400:
        return StoreRefused(
            _short_message(code, status, text), hint="A server that knows no checksums is written with --checksum off."
        )
    if "InvalidCertificate" in text or "UnknownIssuer" in text:
        return Misconfigured(f"the certificate{place.where} is not trusted", hint="Name its authority with --ca FILE.")
    return None


def _passing_error(status: int, text: str, place: StorePlace) -> TurnkeeperError | None:
    if status in (408, 409, 412, 429) or status >= 500:
        hint = "If this stays, check that the key named with --kms-key exists." if place.kms_key else ""
        return Unavailable(_short_message(_search_first(_code, text), status, text), hint=hint)
    if not status and re.search(r"HTTP error|error sending request|timed out|Connect|dns", text):
        hint = "Check the network, the proxy variables and AWS_ENDPOINT_URL."
        return Unavailable(f"the store does not answer{place.where}", hint=hint)
    return None


def _short_message(code: str, status: int, text: str) -> str:
    """The status, code and message of a response, without secrets and query strings, in at most 200 characters."""
    parts = [str(status) if status else "", code, _search_first(_message, text)]
    message = " ".join(part for part in parts if part) or text.partition("\n")[0]
    return re.sub(r"\?\S*", "?…", redact(message))[:200]


def _search_first(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1] if match else ""
