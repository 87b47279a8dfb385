"""An object store that is wrong, foreign, silent or gone: one line, the mend, and no secret in it."""

from __future__ import annotations

import hashlib
import http.server
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from obstore.store import MemoryStore

from turnkeeper.cli.local_s3 import LocalS3
from turnkeeper.errors import (
    Conflict,
    Denied,
    DiskFull,
    Misconfigured,
    NotFound,
    StoreRefused,
    TurnkeeperError,
    Unavailable,
)
from turnkeeper.settings import StoreSettings
from turnkeeper.spool import BytesSource
from turnkeeper.storage.errors import StorePlace, store_error
from turnkeeper.storage.key_rules import MARKER
from turnkeeper.storage.object_store import ObjectStore, Store, open_store

LARGE = 9 << 20


def calls(store: Store) -> dict[str, Callable[[], object]]:
    return {
        "put": lambda: store.put("a/b.json", b"1"),
        "create": lambda: store.put("a/b.json", b"1", create=True),
        "stream": lambda: store.put_stream("a/b.json", BytesSource(b"x" * LARGE)),
        "get": lambda: store.get("a/b.json"),
        "list": lambda: list(store.list("a/")),
    }


@pytest.mark.parametrize("call", ["put", "create", "stream", "get", "list"])
def test_a_missing_bucket_is_named(s3_settings: StoreSettings, call: str) -> None:
    with pytest.raises(StoreRefused) as caught:
        calls(open_store("s3://nosuchbucket/calls", s3_settings))[call]()
    assert "'nosuchbucket' does not exist" in str(caught.value)
    assert "Create it" in caught.value.hint


@pytest.mark.parametrize("call", ["put", "create", "stream", "get", "list"])
def test_a_wrong_secret_is_denied_and_shown_nowhere(local_s3: LocalS3, call: str) -> None:
    wrong = local_s3.environment() | {"AWS_SECRET_ACCESS_KEY": "wrong-secret-value"}
    store = open_store("s3://kept/calls", StoreSettings.from_environment(wrong))
    with pytest.raises(Denied) as caught:
        calls(store)[call]()
    shown = "".join(traceback.format_exception(caught.value))
    assert "AWS_SECRET_ACCESS_KEY" in caught.value.hint
    for secret in ("wrong-secret-value", local_s3.access_key, "Signature=", "<Error>", "X-Amz"):
        assert secret not in shown


def test_an_unknown_access_key_is_denied(local_s3: LocalS3) -> None:
    wrong = local_s3.environment() | {"AWS_ACCESS_KEY_ID": "nobody"}
    with pytest.raises(Denied) as caught:
        open_store("s3://kept/calls", StoreSettings.from_environment(wrong)).put("a.json", b"1")
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint


@pytest.mark.parametrize("call", ["put", "get", "list"])
def test_a_server_that_is_down_fails_soon(local_s3: LocalS3, call: str) -> None:
    gone = local_s3.environment() | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    started = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        calls(open_store("s3://kept/calls", StoreSettings.from_environment(gone)))[call]()
    assert time.monotonic() - started < 10
    assert "127.0.0.1:9" in str(caught.value)


def _e_tag(body: bytes) -> str:
    """As S3 gives it for what is put whole."""
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


class Recorder(http.server.BaseHTTPRequestHandler):
    """Answers every PUT with 200 and remembers its headers."""

    seen: list[dict[str, str]]

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(200)
        self.send_header("ETag", _e_tag(body))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler], tls: trustme.LeafCert | None = None) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls:
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def static(endpoint: str, **more: str) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK", "AWS_ENDPOINT_URL": endpoint}
    return keys | {"AWS_REGION": "eu-west-1"} | more


def test_every_put_carries_type_checksum_and_encryption() -> None:
    handler = type("Fresh", (Recorder,), {"seen": []})
    with serving(handler) as port:
        settings = StoreSettings.from_environment(
            static(f"http://127.0.0.1:{port}", TURNKEEPER_KMS_KEY="arn:aws:kms:k")
        )
        store = open_store("s3://kept/calls", settings)
        store.put("a.json", b"{}", create=True)
        store.put_stream("b.json", BytesSource(b"{}"), content_type="text/csv")
    created, streamed = handler.seen
    assert created["if-none-match"] == "*"
    assert created["content-type"] == "application/json"
    assert streamed["content-type"] == "text/csv"
    for headers in handler.seen:
        assert headers["x-amz-checksum-sha256"] == "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="
        assert headers["x-amz-server-side-encryption"] == "aws:kms"
        assert headers["x-amz-server-side-encryption-aws-kms-key-id"] == "arn:aws:kms:k"
        assert "/eu-west-1/s3/" in headers["authorization"]


class Multipart(Recorder):
    """Takes an upload in parts."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append({name.lower(): value for name, value in self.headers.items()} | {"path": self.path})
        answer = b"<R><UploadId>u</UploadId><ETag>e</ETag></R>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(LARGE))
        self.send_header("ETag", '"e-2"')
        self.send_header("Last-Modified", "Sun, 22 Nov 2026 10:00:00 GMT")
        self.end_headers()


def test_an_upload_in_parts_is_encrypted_typed_and_checked_too() -> None:
    handler = type("Fresh", (Multipart,), {"seen": []})
    with serving(handler) as port:
        settings = StoreSettings.from_environment(
            static(f"http://127.0.0.1:{port}", TURNKEEPER_KMS_KEY="arn:aws:kms:k")
        )
        open_store("s3://kept", settings).put_stream("a.json", BytesSource(b"x" * LARGE))
    opened, *parts, _ = handler.seen
    assert "?uploads" in opened["path"]
    assert opened["content-type"] == "application/json"
    assert opened["x-amz-checksum-algorithm"] == "SHA256"
    assert opened["x-amz-server-side-encryption-aws-kms-key-id"] == "arn:aws:kms:k"
    assert len(parts) == 2
    assert all("x-amz-checksum-sha256" in part for part in parts)


class Losing(Multipart):
    """Answers every PUT with 200 and an error in its body, and keeps nothing."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = b"<Error><Code>InternalError</Code></Error>"
        self.send_response(200)
        self.send_header("ETag", '"e"')
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_HEAD(self) -> None:
        self.send_error(404)


@pytest.mark.parametrize("size", [2, LARGE])
def test_what_the_store_only_says_it_stored_is_unavailable(size: int) -> None:
    """K1: a 200 with an error in its body. Nothing counts as done whose bytes the store does not hold."""
    handler = type("Fresh", (Losing,), {"seen": []})
    with serving(handler) as port:
        store = open_store("s3://kept", StoreSettings.from_environment(static(f"http://127.0.0.1:{port}")))
        with pytest.raises(Unavailable, match="does not hold it"):
            store.put_stream("a.json", BytesSource(b"x" * size))
        with pytest.raises(Unavailable, match="does not hold it"):
            store.put("a.json", b"{}", create=True)


class Unlisting(Losing):
    """Holds every object that it is asked for, and answers every list with 200 and an error."""

    def do_GET(self) -> None:
        answer = b"<Error><Code>InternalError</Code></Error>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_HEAD(self) -> None:
        Multipart.do_HEAD(self)


def test_a_listing_that_is_an_error_with_status_200_is_not_empty() -> None:
    """K1: an erasure would find nothing to erase, and prove it."""
    with serving(type("Fresh", (Unlisting,), {"seen": []})) as port:
        store = open_store("s3://kept", StoreSettings.from_environment(static(f"http://127.0.0.1:{port}")))
        with pytest.raises(Unavailable, match="its listing is empty, and objects are there"):
            list(store.list("raw/call-1"))


class Growing:
    """An empty store, into which another writer puts the archive's note when its place has just been listed."""

    def __init__(self) -> None:
        self._store = MemoryStore()

    def list(self, folder: str, **options: Any) -> Iterator[Any]:
        pages = [*self._store.list(folder, **options)]
        if MARKER.startswith(folder):
            self._store.put(MARKER, b"{}")
        return iter(pages)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_an_archive_that_begins_while_it_is_listed_is_no_broken_listing() -> None:
    assert list(ObjectStore(Growing(), "memory://", StorePlace()).list("manifests")) == []


class Shortening(Multipart):
    """Gives a byte less than it says that an object has; of a range, with the length to match."""

    def do_GET(self) -> None:
        ranged = self.headers.get("Range", "")
        self.send_response(206 if ranged else 200)
        self.send_header("ETag", '"e"')
        self.send_header("Last-Modified", "Sun, 22 Nov 2026 10:00:00 GMT")
        self.send_header("Content-Length", "4" if ranged else "10")
        if ranged:
            self.send_header("Content-Range", f"{ranged.replace('=', ' ')}/{LARGE}")
        self.end_headers()
        self.wfile.write(b"xxxx")
        self.close_connection = True


def test_a_body_that_ends_early_is_unavailable() -> None:
    """K1: a truncated answer of the store is no short object."""
    with serving(type("Fresh", (Shortening,), {"seen": []})) as port:
        store = open_store("s3://kept", StoreSettings.from_environment(static(f"http://127.0.0.1:{port}")))
        with pytest.raises(Unavailable):
            store.get("a.json")
        with store.open("a.json") as body, pytest.raises(Unavailable):
            body.read(10)


class Flaky(Recorder):
    """Stores every PUT and answers 500; the next create-only PUT meets what the first one stored."""

    stored: dict[str, bytes]

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append({})
        known = self.path in self.stored
        self.stored.setdefault(self.path, body)
        self._answer(412 if known else 500, b"")

    def do_GET(self) -> None:
        self._answer(200, self.stored[self.path])

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("ETag", '"e"')
        self.send_header("Last-Modified", "Sun, 22 Nov 2026 10:00:00 GMT")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_a_retried_create_that_meets_its_own_success_is_one() -> None:
    handler = type("Fresh", (Flaky,), {"seen": [], "stored": {}})
    with serving(handler) as port:
        store = open_store("s3://kept", StoreSettings.from_environment(static(f"http://127.0.0.1:{port}")))
        store.put("a.json", b"mine", create=True)
        with pytest.raises(Conflict):
            store.put("a.json", b"other", create=True)


class Failing(Recorder):
    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append({})
        self.send_error(500)


@pytest.mark.slow
def test_a_server_that_always_fails_is_tried_four_times() -> None:
    handler = type("Fresh", (Failing,), {"seen": []})
    with serving(handler) as port:
        store = open_store("s3://kept", StoreSettings.from_environment(static(f"http://127.0.0.1:{port}")))
        started = time.monotonic()
        with pytest.raises(Unavailable):
            store.put("a.json", b"1")
    assert len(handler.seen) == 4
    assert time.monotonic() - started < 10


def test_a_token_from_elsewhere_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "somebody-elses")
    handler = type("Fresh", (Recorder,), {"seen": []})
    with serving(handler) as port:
        open_store("s3://kept", StoreSettings.from_environment(static(f"http://127.0.0.1:{port}"))).put("a.json", b"1")
    assert "somebody-elses" not in str(handler.seen)


def test_a_private_authority_is_trusted_when_named(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    handler = type("Fresh", (Recorder,), {"seen": []})
    with serving(handler, authority.issue_cert("127.0.0.1")) as port:
        variables = static(f"https://127.0.0.1:{port}")
        trusting = StoreSettings.from_environment(variables | {"TURNKEEPER_CA": str(tmp_path / "ca.pem")})
        open_store("s3://kept", trusting).put("a.json", b"1")
        with pytest.raises(Misconfigured) as caught:
            open_store("s3://kept", StoreSettings.from_environment(variables)).put("a.json", b"1")
    assert len(handler.seen) == 1
    assert "--ca" in caught.value.hint


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_an_authority_that_cannot_be_read_is_said_at_once(tmp_path: Path, content: str | None) -> None:
    if content:
        (tmp_path / "ca.pem").write_text(content)
    variables = static("https://127.0.0.1:9", TURNKEEPER_CA=str(tmp_path / "ca.pem"))
    with pytest.raises(Misconfigured) as caught:
        open_store("s3://kept", StoreSettings.from_environment(variables))
    assert "--ca" in caught.value.hint


def test_the_proxy_variables_are_honoured_but_not_for_this_machine(local_s3: LocalS3) -> None:
    handler = type("Fresh", (Recorder,), {"seen": []})
    with serving(handler) as proxy:
        variables = static("http://store.example", HTTP_PROXY=f"http://127.0.0.1:{proxy}")
        open_store("s3://kept", StoreSettings.from_environment(variables)).put("a.json", b"1")
        assert [headers["host"] for headers in handler.seen] == ["store.example"]
        near = local_s3.environment() | {"HTTP_PROXY": "http://127.0.0.1:9"}
        open_store("s3://kept/proxy", StoreSettings.from_environment(near)).put("a.json", b"1")


def test_a_reader_notices_that_its_object_was_replaced(s3_store: Callable[[], Store]) -> None:
    store = s3_store()
    store.put_stream("a.json", BytesSource(b"1" * LARGE))
    with store.open("a.json") as body:
        body.read(10)
        store.put_stream("a.json", BytesSource(b"2" * LARGE))
        with pytest.raises(Unavailable):
            body.read()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://x/y", "s3://bucket/prefix"),
        ("s3://", "s3://bucket/prefix"),
        ("s3://b/../x", "prefix"),
        ("file://host/x", "folder"),
        ("s3://[b/x?sig=sekret", "s3://bucket/prefix"),
        ("~nobody-of-this-name/x", "whole path"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused(url: str, words: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        open_store(url, StoreSettings.from_environment(static("")))
    assert words in str(caught.value)
    assert "sekret" not in str(caught.value)


def xml(code: str, message: str = "said") -> str:
    return (
        "Error performing PUT https://b.s3/x?X-Amz-Signature=sekret in 1ms - Server returned non-2xx status code: 403 "
        f"Forbidden: <Error><Code>{code}</Code><Message>{message}</Message><HostId>h</HostId></Error>"
    )


@pytest.mark.parametrize(
    ("kind", "text", "expected", "words"),
    [
        ("PermissionDeniedError", xml("AccessDenied"), Denied, "s3:PutObject"),
        ("PermissionDeniedError", xml("ExpiredToken"), Denied, "aws sso login"),
        ("PermissionDeniedError", xml("RequestTimeTooSkewed"), Denied, "clock"),
        ("PermissionDeniedError", xml("AccessDenied", "not allowed kms:GenerateDataKey"), StoreRefused, "--kms-key"),
        ("GenericError", xml("KMS.DisabledException"), StoreRefused, "--kms-key"),
        ("GenericError", "status code: 301 Moved: <Code>PermanentRedirect</Code>", Misconfigured, "AWS_REGION"),
        ("GenericError", "Received redirect: incorrectly configured region", Misconfigured, "AWS_REGION"),
        ("GenericError", "status code: 503 <Code>SlowDown</Code>", Unavailable, "503 SlowDown"),
        ("GenericError", "status code: 507 <Code>QuotaExceeded</Code>", DiskFull, "quota"),
        ("GenericError", "status code: 501 <Code>NotImplemented</Code>", StoreRefused, "conditional writes"),
        ("GenericError", "HTTP error: error sending request\n\nDebug source: TimedOut", Unavailable, "network"),
        ("FileNotFoundError", "status code: 404 <Code>NoSuchKey</Code>", NotFound, "not in the archive"),
        ("FileNotFoundError", "status code: 404 <Code>NoSuchBucket</Code>", StoreRefused, "'b' does not exist"),
        ("InvalidPathError", xml("Weird"), StoreRefused, "403 Weird said"),
    ],
)
def test_each_refusal_names_its_mend(kind: str, text: str, expected: type[TurnkeeperError], words: str) -> None:
    error = store_error(kind, text, StorePlace(bucket="b"), "write", "a/b.json")
    assert type(error) is expected
    assert words in str(error)
    assert "sekret" not in str(error)
    assert (error.operation, error.key) == ("write", "a/b.json")


def test_an_unknown_refusal_is_short_and_scrubbed() -> None:
    error = store_error(
        "GenericError", "odd https://b.s3/x?X-Amz-Signature=sekret " + "y" * 5000, StorePlace(), "read", "k"
    )
    assert "sekret" not in str(error)
    assert len(str(error)) < 300


STREAM = """
import sys
from turnkeeper.storage.object_store import open_store
from turnkeeper.spool import Spool
spool = Spool()
block = bytes(range(256)) * 4096
for _ in range(300):
    spool.write(block)
store = open_store(sys.argv[1])
store.put_stream("raw/a/_media/0123456789abcdef.json", spool)
with store.open("raw/a/_media/0123456789abcdef.json") as body:
    while body.read(1 << 20):
        pass
# VmHWM and not ru_maxrss: a child inherits the latter from whoever started it.
peak = open("/proc/self/status").read().split("VmHWM:")[1].split()[0]
print(store.size("raw/a/_media/0123456789abcdef.json"), peak)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_memory_stays_small_for_a_large_stream(local_s3: LocalS3, tmp_path: Path, kind: str) -> None:
    url = "s3://kept/large" if kind == "s3" else str(tmp_path / "archive")
    ran = subprocess.run(
        [sys.executable, "-c", STREAM, url],
        env=local_s3.environment() | {"PATH": "/usr/bin", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    size, peak = map(int, ran.stdout.split())
    assert size == 300 << 20
    assert peak < 150 * 1024, f"{peak // 1024} MiB"


@pytest.mark.slow
def test_twenty_short_processes_end_well(local_s3: LocalS3) -> None:
    code = (
        "import sys; from turnkeeper.storage.object_store import open_store; store = open_store('s3://kept/short')\n"
        "store.put(f'a/{sys.argv[1]}.json', b'1', create=True); store.get(f'a/{sys.argv[1]}.json')"
    )
    environment = local_s3.environment() | {"PATH": "/usr/bin"}
    for batch in range(5):
        running = [
            subprocess.Popen([sys.executable, "-c", code, f"n{batch}{number}"], env=environment) for number in range(4)
        ]
        assert [process.wait() for process in running] == [0] * 4


class Busy(Recorder):
    """Refuses the first PUTs with what stores say that are busy."""

    refusals: int
    status: int
    code: str

    def do_GET(self) -> None:
        self.send_error(404)

    def do_PUT(self) -> None:
        put = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append({})
        refused = len(self.seen) <= self.refusals
        body = xml(self.code).encode() if refused else b""
        self.send_response(self.status if refused else 200)
        self.send_header("ETag", _e_tag(put))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def timed(port: int, sleep: Callable[[float], None]) -> ObjectStore:
    """The store of a server on that port, which waits by ``sleep``."""
    opened = open_store("s3://kept", StoreSettings.from_environment(static(f"http://127.0.0.1:{port}")))
    assert isinstance(opened, ObjectStore)
    return ObjectStore(opened._store, opened.url, opened._place, opened.settings, sleep=sleep)


@pytest.mark.parametrize(("refusals", "served"), [(3, True), (1000, False)])
def test_a_create_that_meets_another_one_is_waited_out(refusals: int, *, served: bool) -> None:
    """K3: 409 ConditionalRequestConflict is tried again for about a minute, and no longer."""
    told = {"seen": [], "refusals": refusals, "status": 409, "code": "ConditionalRequestConflict"}
    handler, slept = type("Fresh", (Busy,), told), []
    with serving(handler) as port:
        store = timed(port, slept.append)
        if served:
            store.put("a.json", b"1", create=True)
        else:
            with pytest.raises(Unavailable, match="another writer holds it"):
                store.put("a.json", b"1", create=True)
    assert 0 < sum(slept) < 70


def test_a_conflict_of_a_plain_write_is_waited_out() -> None:
    """K3: 409 came as "stored already" also where nothing was asked to be new."""
    told = {"seen": [], "refusals": 4, "status": 409, "code": "ConditionalRequestConflict"}
    handler, slept = type("Fresh", (Busy,), told), []
    with serving(handler) as port:
        store = timed(port, slept.append)
        store.put("a.json", b"1")
    assert (len(handler.seen), len(slept)) == (5, 4)


@pytest.mark.slow
def test_a_store_that_asks_to_slow_down_is_waited_for() -> None:
    """K3: 503 SlowDown beyond the client's own attempts."""
    told = {"seen": [], "refusals": 6, "status": 503, "code": "SlowDown"}
    handler, slept = type("Fresh", (Busy,), told), []
    with serving(handler) as port:
        store = timed(port, slept.append)
        store.put("a.json", b"1")
    assert len(handler.seen) == 7
    assert slept
