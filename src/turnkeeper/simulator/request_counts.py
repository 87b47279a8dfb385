"""Counts per kind of request, so that tests can check what a client did."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ENDINGS = (
    ("/transcripturl", "transcripturl"),
    ("/transcripturls", "transcripturls"),
    ("/details/query", "details_query"),
    ("/details", "details"),
    ("/transcripts/search", "search"),
    ("/recordings", "recordings"),
    ("/recordingmetadata", "recordingmetadata"),
    ("/oauth/token", "token"),
    ("/oauth/scopes", "scopes"),
)
_WITHIN = (
    ("/conversations/media/", "media"),
    ("/details/jobs", "jobs"),
    ("/recording/batchrequests", "batchrequests"),
    ("/api/v2/users", "users"),
    ("/api/v2/routing/queues", "queues"),
    ("/api/v2/routing/wrapupcodes", "wrapupcodes"),
)


def kind_of(path: str) -> str:
    """The kind an API path is counted under."""
    for ending, kind in _ENDINGS:
        if path.endswith(ending):
            return kind
    return next((kind for part, kind in _WITHIN if part in path), "other")


class RequestCounts:
    """Counts, and the most requests ever in flight at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {"authorization_on_storage": 0}
        self._in_flight: dict[str, int] = {}

    def count(self, kind: str) -> int:
        """Count one more."""
        with self._lock:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            return self._counts[kind]

    @contextmanager
    def passing(self, port: str) -> Iterator[None]:
        """Count a request as in flight while it lasts."""
        with self._lock:
            now = self._in_flight[port] = self._in_flight.get(port, 0) + 1
            self._counts[f"peak_{port}"] = max(self._counts.get(f"peak_{port}", 0), now)
        try:
            yield
        finally:
            with self._lock:
                self._in_flight[port] -= 1

    def snapshot(self) -> dict[str, int]:
        """All counts so far."""
        with self._lock:
            return dict(sorted(self._counts.items()))
