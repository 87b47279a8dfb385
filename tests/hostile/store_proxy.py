"""A proxy between turnkeeper and an object store, which breaks one answer at a time. Raw sockets on our side."""

from __future__ import annotations

import http.client
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from tests.hostile.wire import HOST, Answer, Request, Server

__all__ = ["Backend", "Break", "StoreProxy"]

_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "date", "server"}


@dataclass(frozen=True)
class Backend:
    """The honest store: its address, and the environment with which a client finds it."""

    endpoint: str
    environment: dict[str, str]


class StoreProxy:
    """Hands every request on, unless the attack answers it itself."""

    def __init__(self, backend: Backend) -> None:
        self._backend = urlsplit(backend.endpoint)
        self._environment = backend.environment
        self.attack: Break | None = None
        self.asked: Counter[str] = Counter()
        self.signatures: set[str] = set()
        """Of every request that came by: none of them may be written down anywhere."""
        self._lock = threading.Lock()
        self._server = Server(self._answer)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.__exit__(None, None, None)

    @property
    def secrets(self) -> dict[str, str]:
        """What must not be found in anything that a run leaves."""
        signatures = {f"signature {number}": one for number, one in enumerate(sorted(self.signatures))}
        return {"store's secret key": self._environment["AWS_SECRET_ACCESS_KEY"], **signatures}

    def environment(self) -> dict[str, str]:
        """The environment of a client that goes through the proxy."""
        return {**self._environment, "AWS_ENDPOINT_URL": self._server.url, "AWS_EC2_METADATA_DISABLED": "true"}

    def _answer(self, request: Request) -> Answer:
        self.signatures |= set(re.findall(r"Signature=([0-9a-f]{64})", request.headers.get("authorization", "")))
        with self._lock:
            self.asked[request.method] += 1
        if self.attack is None:
            return self._forward(request)
        return self.attack(request, lambda: self._forward(request))

    def _forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(HOST, int(self._backend.port or 80), timeout=30)
        try:
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                connection.putheader(name, value)
            connection.endheaders(request.body)
            answer = connection.getresponse()
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            if request.method == "HEAD":
                headers["Content-Length"] = answer.getheader("Content-Length") or "0"
            return Answer(answer.status, answer.read(), headers)
        finally:
            connection.close()


Break = Callable[[Request, Callable[[], Answer]], Answer]
"""Gives the answer that goes out; ``forward`` asks the honest store."""
