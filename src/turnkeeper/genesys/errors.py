"""What an answer that is no success means: the platform's error body -> one of our errors. Pure.

Knows the vendor's permission table. Bodies may be HTML, or nothing at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from turnkeeper.errors import Denied, NotFound, Skippable, Throttled, TurnkeeperError, Unavailable
from turnkeeper.genesys.rate_limit import TENANT_LIMIT_HINT, is_tenant_limit
from turnkeeper.genesys.redaction import plain
from turnkeeper.payloads.decode_json import document_in

__all__ = ["ErrorBody", "error_body", "permissions_hint", "refusal"]

_ROLES = (
    "Assign the OAuth client a role that holds it, in the conversation's division "
    "(client credentials get roles and divisions, not scopes; a gateway may want interaction:read, media:read, "
    "analytics:read)."
)
_PERMISSIONS = {
    "transcript link": "recording:recording:view and speechAndTextAnalytics:data:view",
    "transcript links": "recording:recording:view or recording:recordingSegment:view",
    "media transcript": "recording:recording:view and speechAndTextAnalytics:data:view",
    "details": "analytics:conversationDetail:view or analytics:agentConversationDetail:view",
    "details query": "analytics:conversationDetail:view or analytics:agentConversationDetail:view",
    "details by id": "analytics:conversationDetail:view or analytics:agentConversationDetail:view",
    "details job": "analytics:conversationDetail:view or analytics:agentConversationDetail:view",
    "job availability": "analytics:conversationDetail:view",
    "transcript search": "analytics:conversationDetail:view, recording:recording:view or "
    "recording:recordingSegment:view",
    "recordings": "recording:recording:view, recording:recordingSegment:view, recording:snippetRecording:view "
    "or recording:screenRecording:view",
    "names of users": "directory:user:view",
    "names of queues": "routing:queue:view",
    "names of wrapups": "routing:wrapupCode:view",
}
"""Operation -> what it needs, from the vendor's own command line tool and SDK."""


@dataclass(frozen=True)
class ErrorBody:
    """The platform's error body, made safe to show. Empty strings where something is missing."""

    code: str = ""
    message: str = ""
    context: str = ""
    limit_key: str = ""

    def __str__(self) -> str:
        said = ": ".join(part for part in (self.code, self.message) if part)
        context = f"context {self.context}" if self.context else ""
        return "; ".join(part for part in (said, context) if part)


def error_body(body: bytes) -> ErrorBody:
    """Read the platform's shape, the OAuth shape, S3's XML, or nothing."""
    try:
        found = document_in(body)
    except ValueError:
        return _xml(body)
    if not isinstance(found, dict):
        return ErrorBody()
    limit = found.get("limit")
    return ErrorBody(
        code=_text(found, "code", "error"),
        message=_text(found, "message", "error_description", "description"),
        context=_text(found, "contextId"),
        limit_key=_text(limit, "key") if isinstance(limit, dict) else "",
    )


def refusal(status: int, body: ErrorBody, *, operation: str, key: str, wait: float | None = None) -> TurnkeeperError:
    """The error for a status that is no success (401 is the caller's: only it knows about tokens).

    ``wait`` is what ``Retry-After`` asked for, in seconds.
    """
    said = f"{status} {body}".strip()
    if status == 429:
        hint = TENANT_LIMIT_HINT if is_tenant_limit(body.limit_key) else _CLIENT_LIMIT
        named = f" (limit {body.limit_key})" if body.limit_key else ""
        return Throttled(
            f"{said}{named}", operation=operation, key=key, hint=hint, retry_after=wait, limit_key=body.limit_key
        )
    if status == 408 or (status >= 500 and status != 501):
        return Unavailable(said, operation=operation, key=key, retry_after=wait)
    if status in (401, 403):
        return Denied(said, operation=operation, key=key, hint=permissions_hint(operation))
    if status in (404, 410):
        return NotFound(said, operation=operation, key=key)
    return Skippable(f"not accepted: {said}", operation=operation, key=key)


_CLIENT_LIMIT = "The client's own limit; fewer parallel runs with the same OAuth client help."


def permissions_hint(operation: str) -> str:
    """Which permissions an operation needs, and how a client gets them."""
    needed = _PERMISSIONS.get(operation)
    return f"It needs {needed}. {_ROLES}" if needed else _ROLES.replace("it, in", "the permission, in")


def _text(values: Mapping[str, object], *names: str) -> str:
    found = (values.get(name) for name in names)
    return next((plain(value) for value in found if isinstance(value, str) and value), "")


def _xml(body: bytes) -> ErrorBody:
    # S3 and CloudFront; nothing here is worth an XML parser and its traps.
    code, message = (re.search(rb"<%s>([^<]{1,400})</%s>" % (name, name), body) for name in (b"Code", b"Message"))
    return ErrorBody(*(plain(found[1].decode("utf-8", "replace")) if found else "" for found in (code, message)))
