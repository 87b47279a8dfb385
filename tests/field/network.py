"""What stands between a user and the platform or the bucket: proxies of two kinds, and a bucket with demands."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["AWS", "Bucket", "Refusal", "refusing_proxy", "socks_proxy"]

AWS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "not-a-secret-of-anybody", "AWS_REGION": "us-east-1"}
Refusal = Callable[[dict[str, str]], tuple[int, str, str] | None]
"""Headers of a PUT (in lower case) -> status, code and message; None where it is taken."""


@contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@contextmanager
def refusing_proxy() -> Iterator[tuple[int, list[str]]]:
    """A proxy that knows nobody: 407 to everything. Its port, and the first lines of what it was asked."""
    asked: list[str] = []

    def serve(client: socket.socket) -> None:
        with client:
            asked.append(client.recv(65536).decode("latin-1").partition("\r\n")[0])
            client.sendall(
                b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n'
                b"Content-Length: 0\r\nConnection: close\r\n\r\n"
            )

    with _listening(serve) as port:
        yield port, asked


@contextmanager
def socks_proxy() -> Iterator[tuple[int, list[str]]]:
    """A SOCKS5 proxy (RFC 1928) without credentials. Its port, and the places it connected to."""
    asked: list[str] = []

    def serve(client: socket.socket) -> None:
        with client:
            client.recv(client.recv(2)[1])
            client.sendall(b"\x05\x00")
            kind = client.recv(4)[3]
            size = client.recv(1)[0] if kind == 3 else 4
            host = client.recv(size)
            name = host.decode() if kind == 3 else socket.inet_ntoa(host)
            port = int.from_bytes(client.recv(2), "big")
            asked.append(f"{name}:{port}")
            with socket.create_connection(("127.0.0.1", port)) as upstream:
                client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
                threading.Thread(target=_copy, args=(client, upstream), daemon=True).start()
                _copy(upstream, client)

    with _listening(serve) as port:
        yield port, asked


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


def _key(path: str) -> str:
    """The key of ``/bucket/key``."""
    return unquote(urlsplit(path).path).lstrip("/").partition("/")[2]


class Bucket:
    """As much of S3 as an archive needs, in memory; ``refusal`` looks at each PUT first."""

    def __init__(self, refusal: Refusal = lambda _: None) -> None:
        self.refusal = refusal
        self.objects: dict[str, bytes] = {}
        self.puts: list[dict[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def env(self) -> dict[str, str]:
        return AWS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}"}

    def put(self, key: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        self.puts.append(headers)
        if refused := self.refusal(headers):
            status, code, message = refused
            return status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        if headers.get("if-none-match") == "*" and key in self.objects:
            return 412, "<Error><Code>PreconditionFailed</Code></Error>"
        self.objects[key] = body
        return 200, ""

    def listed(self, query: dict[str, list[str]]) -> str:
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        after = query.get("start-after", [""])[0]
        found, folders = [], set()
        for key in sorted(self.objects):
            if key.startswith(prefix) and key > after:
                below, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
                if cut:
                    folders.add(prefix + below + cut)
                else:
                    found.append(key)
        rows = "".join(
            f"<Contents><Key>{key}</Key><Size>{len(self.objects[key])}</Size><ETag>x</ETag>"
            "<LastModified>2026-10-07T00:00:00.000Z</LastModified></Contents>"
            for key in found
        )
        rows += "".join(f"<CommonPrefixes><Prefix>{one}</Prefix></CommonPrefixes>" for one in sorted(folders))
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        bucket = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: object) -> None:
                """Nobody reads it."""

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, said = bucket.put(_key(self.path), headers, body)
                self._answer(status, said.encode())

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if "list-type" in parts.query:
                    self._answer(200, bucket.listed(parse_qs(parts.query)).encode())
                    return
                data = bucket.objects.get(_key(self.path))
                if data is None:
                    self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
                    return
                span = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
                start, stop = (int(span[1]), min(int(span[2]) + 1, len(data))) if span else (0, len(data))
                more = {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"} if span else {}
                self._answer(206 if span else 200, data[start:stop], **more)

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_DELETE(self) -> None:
                bucket.objects.pop(_key(self.path), None)
                self._answer(204, b"")

            def _answer(self, status: int, body: bytes, **more: str) -> None:
                self.send_response(status)
                headers = {"ETag": '"x"', "Last-Modified": "Wed, 07 Oct 2026 00:00:00 GMT", **more}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

        return Handler
