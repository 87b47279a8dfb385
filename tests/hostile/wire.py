"""An HTTP/1.1 server of raw sockets: every byte of an answer is the handler's choice, also those that are wrong."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

__all__ = ["Answer", "Handler", "Request", "Server", "Writer"]

HOST = "127.0.0.1"
Writer = Callable[[socket.socket], object]
"""Writes a whole answer, or something that looks like one; the connection is closed behind it."""


@dataclass(frozen=True)
class Request:
    """What came in. Header names are lower-case; ``port`` is the listener's."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    port: int

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"null")


@dataclass(frozen=True)
class Answer:
    """What goes out. ``raw`` replaces everything else: it is given the socket."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    raw: Writer | None = None

    @classmethod
    def of(cls, document: object, status: int = 200, **headers: str) -> Answer:
        """A JSON document. Lone surrogates stay as they are, as escapes."""
        return cls(status, json.dumps(document).encode(), {"Content-Type": "application/json", **headers})

    @property
    def document(self) -> Any:
        """The body as JSON, to be changed and sent instead."""
        return json.loads(self.body)

    def but(self, **headers: str) -> Answer:
        """The same with other headers; underscores in names are hyphens."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers=self.headers | given)

    def packed(self, length: int | None = None) -> bytes:
        """The bytes on the wire; ``length`` is what Content-Length says where that is not the truth."""
        headers = {"Content-Length": str(len(self.body) if length is None else length), **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} Whatever\r\n{head}\r\n".encode("latin-1") + self.body


Handler = Callable[[Request], Answer]


class Server:
    """Listens on a free port of loopback, with a thread per connection, until the context ends."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._listener = socket.create_server((HOST, 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://{HOST}:{self.port}"
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, name=f"hostile-{self.port}", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # shutdown wakes the thread that waits in accept; close alone would not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Close every connection, so that endless answers end."""
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._open.add(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # The other side may hang up at any time; a handler's own mistakes are printed by the thread.
        gone = contextlib.suppress(ConnectionError, TimeoutError, BrokenPipeError)
        with connection, gone, connection.makefile("rb") as stream:
            while request := self._read(stream):
                answer = self._handler(request)
                if answer.raw is not None:
                    answer.raw(connection)
                    break
                connection.sendall(answer.packed())
        with self._lock:
            self._open.discard(connection)

    def _read(self, stream: Any) -> Request | None:
        line = stream.readline(1 << 20).decode("latin-1").split()
        if len(line) != 3:
            return None
        headers: dict[str, str] = {}
        while text := stream.readline(1 << 20).decode("latin-1").strip():
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", "0")))
        return Request(line[0], line[1], headers, body, self.port)
