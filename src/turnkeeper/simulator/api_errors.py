"""The platform's error responses, one function for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

Json = dict[str, Any]

_TIP = "Tip: When extracting large chunks of data, query in smaller intervals"


class ApiError(Exception):
    """An error response. Handlers raise it, and the application converts it to a response."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers: dict[str, str] = more.pop("headers", {})
        self.more: Json = more

    def response(self, correlation: str) -> Response:
        """Return the error body of the platform."""
        body: Json = {"message": self.message, "code": self.code, "status": self.status, "messageParams": {}}
        body |= {"contextId": correlation, "details": [], "errors": []} | self.more
        return JSONResponse(body, self.status, self.headers)


def missing(entity: str = "") -> ApiError:
    """404 for something that does not exist, or not yet."""
    params: Json = {"messageParams": {"id": entity}} if entity else {}
    code = "resource.not.found" if entity else "not.found"
    return ApiError(404, code, "The requested resource was not found.", **params)


def malformed(message: str, code: str = "bad.request") -> ApiError:
    """400 with the platform's own words."""
    return ApiError(400, code, message)


def interval_too_long() -> ApiError:
    """400 of the details query beyond 31 days."""
    return malformed("You must specify a search interval as part of your query that does not exceed 31 days.")


def too_deep(deepest: int) -> ApiError:
    """400 of the details query beyond 100,000 results."""
    return malformed(f"Pagination may not exceed {deepest} results.\n\n{_TIP}")


def no_bearer() -> ApiError:
    """401 where no token was sent."""
    message = "No authentication bearer token specified in authorization header."
    return ApiError(401, "authentication.required", message)


def bad_bearer() -> ApiError:
    """401 where the token was never issued."""
    return ApiError(401, "bad.credentials", "Invalid login credentials.")


def stale_bearer() -> ApiError:
    """401 where the token has expired."""
    return ApiError(401, "credentials.expired", "The login credentials have expired.")


def denied(*permissions: str) -> ApiError:
    """403 naming the permissions of which one is needed."""
    listed = ", ".join(permissions)
    message = (
        "Unable to perform the requested action. You must have at least one of the following permissions "
        f"assigned: [{listed}]"
    )
    return ApiError(403, "missing.permissions", message, messageParams={"permissions": listed})


def throttled(seconds: int | None, key: str, namespace: str, value: int) -> ApiError:
    """429. Without ``seconds`` there is no Retry-After header."""
    wait = 1 if seconds is None else seconds
    message = f"Rate limit exceeded the maximum. Retry the request in [{wait}] seconds"
    headers: Mapping[str, str] = {} if seconds is None else {"Retry-After": str(seconds)}
    limit = {"key": key, "namespace": namespace, "value": value}
    return ApiError(429, "too.many.requests", message, headers=dict(headers), limit=limit)


def broken(turn: int) -> ApiError:
    """500, 503 or 504, in turn."""
    status, code, message = (
        (500, "internal.server.error", "The server encountered an unexpected condition which prevented it."),
        (503, "service.unavailable", "Service Unavailable - The server is currently unavailable."),
        (504, "gateway.timeout", "The request timed out."),
    )[turn % 3]
    return ApiError(status, code, message)
