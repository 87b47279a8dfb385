"""Make one of our errors of an answer that is not a success, with a hint from the vendor's table of permissions."""

from __future__ import annotations

from turnkeeper.errors import Denied, NotFound, Skippable, Throttled, TurnkeeperError, Unavailable
from turnkeeper.genesys.rate_limit import TENANT_LIMIT_HINT, is_tenant_limit
from turnkeeper.genesys.redaction import plain
from turnkeeper.payloads.error_body import ErrorBody, read_error_body

__all__ = ["error_body", "permissions_hint", "refusal"]

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
"""The permissions that each operation needs, from the vendor's own command line tool and SDK."""


def error_body(data: bytes) -> ErrorBody:
    """Read an error body, and make its texts safe to show: one line each, no queries of addresses, no secrets."""
    raw = read_error_body(data)
    return ErrorBody(plain(raw.code), plain(raw.message), plain(raw.context), plain(raw.limit_key))


def refusal(status: int, body: ErrorBody, *, operation: str, key: str, wait: float | None = None) -> TurnkeeperError:
    """The error for a status that is not a success. ``wait`` is the value of ``Retry-After`` in seconds.

    A 401 becomes ``Denied``; callers that can renew a token handle it before.
    """
    text = f"{status} {body}".strip()
    if status == 429:
        hint = TENANT_LIMIT_HINT if is_tenant_limit(body.limit_key) else _CLIENT_LIMIT
        limit = f" (limit {body.limit_key})" if body.limit_key else ""
        return Throttled(
            f"{text}{limit}", operation=operation, key=key, hint=hint, retry_after=wait, limit_key=body.limit_key
        )
    # 501 says that the request is not implemented, which no retry changes.
    if status == 408 or (status >= 500 and status != 501):
        return Unavailable(text, operation=operation, key=key, retry_after=wait)
    if status in (401, 403):
        return Denied(text, operation=operation, key=key, hint=permissions_hint(operation))
    if status in (404, 410):
        return NotFound(text, operation=operation, key=key)
    return Skippable(f"not accepted: {text}", operation=operation, key=key)


_CLIENT_LIMIT = "The client's own limit; fewer parallel runs with the same OAuth client help."


def permissions_hint(operation: str) -> str:
    """A hint that names the permissions of an operation, and says how a client gets them."""
    needed = _PERMISSIONS.get(operation)
    return f"It needs {needed}. {_ROLES}" if needed else _ROLES.replace("it, in", "the permission, in")
