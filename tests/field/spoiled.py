"""A proxy in front of an honest platform that changes what a case wants changed: status, headers, body."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

__all__ = ["Answer", "Change", "Request", "Spoiled"]

_HOPS = {"connection", "content-length", "transfer-encoding", "date", "server"}


@dataclass(frozen=True)
class Request:
    """What was asked, and how often something of this path was asked before (from 1)."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    count: int

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"null")


@dataclass
class Answer:
    """What goes out. Change what you like; ``json`` is decoded and, where it was touched, encoded again."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"null")

    @json.setter
    def json(self, value: Any) -> None:
        self.body = json.dumps(value).encode()

    def say(self, status: int, value: Any, **headers: str) -> None:
        """Another answer altogether. Underscores in names of headers become dashes."""
        self.status, self.headers = status, {"content-type": "application/json"}
        self.headers |= {name.replace("_", "-"): text for name, text in headers.items()}
        self.body = value if isinstance(value, bytes) else json.dumps(value).encode()


Change = Callable[[Request, Answer], None]


class _Server(ThreadingHTTPServer):
    def handle_error(self, *arguments: Any) -> None:
        """A client that hangs up is nobody's error."""


class Spoiled:
    """Listens on a free port of the loopback while it is entered. ``asked`` counts requests by path."""

    def __init__(self, upstream: str, change: Change | None) -> None:
        self.change = change
        self.asked: Counter[str] = Counter()
        self._upstream = urlsplit(upstream).netloc
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Ask the platform and let the change have its way."""
        connection = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            connection.request(method, path, body or None, headers)
            came = connection.getresponse()
            kept = {name.lower(): value for name, value in came.getheaders() if name.lower() not in _HOPS}
            answer = Answer(came.status, kept, came.read())
        finally:
            connection.close()
        bare = path.partition("?")[0]
        self.asked[bare] += 1
        if self.change:
            self.change(Request(method, path, headers, body, self.asked[bare]), answer)
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        spoiled = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {k: v for k, v in self.headers.items() if k.lower() not in {"host", "connection"}}
                headers["Accept-Encoding"] = "identity"
                answer = spoiled.answer(self.command, self.path, headers, body)
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if "content-length" not in answer.headers:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = handle_any  # noqa: N815

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        return Handler
