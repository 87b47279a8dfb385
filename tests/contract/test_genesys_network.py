"""The wire itself: private certificate authorities and proxies, over real sockets."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from turnkeeper.clock import ManualClock
from turnkeeper.errors import Misconfigured, Unavailable
from turnkeeper.genesys.client import Genesys
from turnkeeper.settings import PlatformSettings

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Gateway(BaseHTTPRequestHandler):
    """Gives a token to anybody; as a proxy it gets whole addresses as paths."""

    paths: list[str]

    def do_POST(self) -> None:
        self.server.paths.append(self.path)  # type: ignore[attr-defined]
        body = json.dumps({"access_token": "t", "expires_in": 300}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def gateway(authority: trustme.CA | None = None) -> Iterator[Any]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    server.paths = []  # type: ignore[attr-defined]
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def probe(url: str, ca: Path | None = None) -> None:
    settings = PlatformSettings(client_id="id", client_secret="hush", base_url=url, ca=ca)
    async with Genesys(settings, clock=ManualClock()) as door:
        await door.token_probe()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def test_a_private_authority_is_trusted_when_named(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    named = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(named))
    with gateway(authority) as server:
        url = f"https://localhost:{server.server_port}"
        await probe(url, named)
        assert server.paths == ["/oauth/token"]
        with pytest.raises(Misconfigured, match="--ca"):
            await probe(url)


@pytest.mark.parametrize("text", [None, "no certificate"])
async def test_an_unusable_authority_is_named(tmp_path: Path, text: str | None) -> None:
    named = tmp_path / "ca.pem"
    if text is not None:
        named.write_text(text)
    with pytest.raises(Misconfigured, match="TURNKEEPER_CA"):
        await probe("https://localhost:1", named)


async def test_the_usual_proxy_variables_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    with gateway() as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        await probe("http://gateway.example")
        assert server.paths == ["http://gateway.example/oauth/token"]


async def test_a_closed_port_says_where_and_what_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(Unavailable, match="proxy variables") as caught:
        await probe("http://127.0.0.1:9")
    assert caught.value.key == "http://127.0.0.1:9/oauth/token"
    assert "hush" not in str(caught.value)
