"""What an object store's refusal means, and its mend. Pure: texts in, errors out.

Answers of object stores hold addresses with signatures, access key ids and whole bodies. Only the error's code and a
shortened, scrubbed message leave this file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from turnkeeper.errors import Denied, DiskFull, Misconfigured, NotFound, StoreRefused, TurnkeeperError, Unavailable
from turnkeeper.known_secrets import redact
from turnkeeper.proxies import refused_by_proxy

__all__ = ["POLICY", "StorePlace", "refusal"]

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
    """Where the refused request went, for the words of the error; no secrets."""

    bucket: str = ""
    endpoint: str = ""
    region: str = ""
    kms_key: str = ""
    proxy: str = ""
    """The variable that names the proxy on the way."""

    @property
    def where(self) -> str:
        shown = _user.sub("", self.endpoint.partition("?")[0])
        return f" at {shown}" if shown else ""


def refusal(kind: str, text: str, place: StorePlace, operation: str, key: str) -> TurnkeeperError:
    """The error for a foreign exception: ``kind`` is its class's name, ``text`` what it says."""
    code = _first(_code, text)
    status = int(_first(_status, text) or 0)
    if status == 407 or "ProxyAuthRequired" in text:
        return refused_by_proxy(place.proxy)
    found = (
        _of_bucket(code, place)
        or _of_credentials(kind, code, text, place, operation)
        or _of_request(code, status, text, place)
        or _of_moment(status, text, place)
        or StoreRefused(_said(code, status, text))
    )
    found.operation, found.key = operation, key
    return found if not (kind == "FileNotFoundError" and code != "NoSuchBucket") else _absent(operation, key)


def _of_bucket(code: str, place: StorePlace) -> TurnkeeperError | None:
    if code == "NoSuchBucket":
        hint = f"Create it, or correct its name{' or the endpoint' if place.endpoint else ''}."
        return StoreRefused(f"the bucket {place.bucket!r} does not exist{place.where}", hint=hint)
    if code == "InvalidBucketName":
        return Misconfigured(f"{place.bucket[:80]!r} is not a bucket's name", hint="Check the archive's address.")
    if code in _bad_region:
        region = place.region or "us-east-1 (nothing else was named)"
        return Misconfigured(f"the bucket is not in region {region}", hint="Set AWS_REGION to the bucket's own region.")
    return None


def _of_credentials(kind: str, code: str, text: str, place: StorePlace, operation: str) -> TurnkeeperError | None:
    if code in _bad_credentials:
        return Denied(f"the store does not accept the credentials ({code})", hint=_bad_credentials[code])
    if code.startswith("KMS") or "kms:" in text.lower():
        hint = f"Check --kms-key, and that the key's policy allows {KMS_POLICY} to this identity."
        return StoreRefused(f"the encryption key was refused ({code or 'KMS'})", hint=hint)
    if kind in ("PermissionDeniedError", "UnauthenticatedError"):
        action = _actions.get(operation, "s3:GetObject")
        hint = f"The identity lacks {action}{_listing(operation)}, or the credentials are another account's"
        hint += f"{_ENCRYPTED if action == 's3:PutObject' else ''}."
        said = _said(code, 0, text) if code else "no reason given"
        return Denied(f"the store does not permit this in {place.bucket!r} ({said})", hint=hint)
    return None


_ENCRYPTED = ", or the bucket demands encryption (--sse AES256, --sse aws:kms); turnkeeper doctor tries which"


def _listing(operation: str) -> str:
    # Without s3:ListBucket S3 answers 403 instead of 404 for a key that does not exist.
    return " (or s3:ListBucket, without which a missing object looks forbidden)" if operation == "look for" else ""


def _of_request(code: str, status: int, text: str, place: StorePlace) -> TurnkeeperError | None:
    if code in _full or status == 507:
        return DiskFull(f"the store has no room left ({code or status})", hint="Free some space or raise the quota.")
    if status in (301, 307) or "incorrectly configured region" in text:
        return _of_bucket("PermanentRedirect", place)
    if code == "NotImplemented" or status in (405, 501):
        hint = "The server does not speak enough of S3: checksums and conditional writes are needed."
        return StoreRefused(_said(code, status, text), hint=hint)
    if "checksum" in text.partition("\n")[0].lower() and status == 400:
        return StoreRefused(
            _said(code, status, text), hint="A server that knows no checksums is written with --checksum off."
        )
    if "InvalidCertificate" in text or "UnknownIssuer" in text:
        return Misconfigured(f"the certificate{place.where} is not trusted", hint="Name its authority with --ca FILE.")
    return None


def _of_moment(status: int, text: str, place: StorePlace) -> TurnkeeperError | None:
    if status in (408, 409, 412, 429) or status >= 500:
        hint = "If this stays, check that the key named with --kms-key exists." if place.kms_key else ""
        return Unavailable(_said(_first(_code, text), status, text), hint=hint)
    if not status and re.search(r"HTTP error|error sending request|timed out|Connect|dns", text):
        hint = "Check the network, the proxy variables and AWS_ENDPOINT_URL."
        return Unavailable(f"the store does not answer{place.where}", hint=hint)
    return None


def _absent(operation: str, key: str) -> NotFound:
    return NotFound("not in the archive", operation=operation, key=key)


def _said(code: str, status: int, text: str) -> str:
    parts = [str(status) if status else "", code, _first(_message, text)]
    said = " ".join(part for part in parts if part) or text.partition("\n")[0]
    return re.sub(r"\?\S*", "?…", redact(said))[:200]


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""
