"""The body of an answer that is not a success: the platform's own form, the form of OAuth, or the XML of storage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from turnkeeper.payloads.decode_json import decode_json

__all__ = ["ErrorBody", "read_error_body"]


@dataclass(frozen=True)
class ErrorBody:
    """What an error body says. A field is empty where the body does not have it.

    ``context`` is the platform's id of this one answer, which its support asks for. ``limit_key`` names the rate limit
    that was passed.
    """

    code: str = ""
    message: str = ""
    context: str = ""
    limit_key: str = ""

    def __str__(self) -> str:
        text = ": ".join(part for part in (self.code, self.message) if part)
        context = f"context {self.context}" if self.context else ""
        return "; ".join(part for part in (text, context) if part)


def read_error_body(data: bytes) -> ErrorBody:
    """Read an error body as it was sent: it may hold control characters, and addresses that are secret.

    A body that is neither JSON nor XML (a proxy's page, or nothing) gives an empty ``ErrorBody``.
    """
    try:
        document = decode_json(data)
    except ValueError:
        return _storage_error(data)
    if not isinstance(document, dict):
        return ErrorBody()
    limit = document.get("limit")
    return ErrorBody(
        code=_first_text(document, "code", "error"),
        message=_first_text(document, "message", "error_description", "description"),
        context=_first_text(document, "contextId"),
        limit_key=_first_text(limit, "key") if isinstance(limit, dict) else "",
    )


def _first_text(values: Mapping[str, object], *names: str) -> str:
    texts = (values.get(name) for name in names)
    return next((text for text in texts if isinstance(text, str) and text), "")


def _storage_error(data: bytes) -> ErrorBody:
    # S3 and CloudFront. Two elements are not worth an XML parser and its traps.
    code, message = (re.search(rb"<%s>([^<]{1,400})</%s>" % (name, name), data) for name in (b"Code", b"Message"))
    return ErrorBody(*(match[1].decode("utf-8", "replace") if match else "" for match in (code, message)))
