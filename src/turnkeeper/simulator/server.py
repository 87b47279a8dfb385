"""Serve a simulation on two loopback ports, from a thread of its own."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import uvicorn
from starlette.types import ASGIApp

from turnkeeper.simulator.api import api_app, storage_app
from turnkeeper.simulator.simulation import Simulation
from turnkeeper.simulator.tokens import pem

_HOST = "127.0.0.1"
_SHOWN = 20
_KEY_HINT = "--key-out FILE writes the private key of private_key_client_id"
_PATIENCE_S = 30.0


class Running:
    """A simulation that accepts connections."""

    def __init__(self, simulation: Simulation, base_url: str, storage_url: str) -> None:
        self.simulation = simulation
        self.base_url = base_url
        self.storage_url = storage_url
        self.client_id = simulation.tokens.client_id
        self.client_secret = simulation.tokens.client_secret
        self.private_key_client_id = simulation.tokens.key_client_id
        self.truth_url = f"{base_url}/_sim/truth"
        self.clock_url = f"{base_url}/_sim/clock"
        self.conversation_ids = [simulation.id_of(n) for n in range(min(_SHOWN, simulation.conversations))]

    @property
    def giant_id(self) -> str | None:
        """The giant conversation's id, if there is one."""
        giant = self.simulation.giant
        return None if giant is None else giant.script.id

    @property
    def private_key_pem(self) -> str:
        """The RSA private key of the client that signs assertions (RS256)."""
        return pem(self.simulation.tokens.rsa_key)

    @property
    def ec_private_key_pem(self) -> str:
        """The same client's elliptic-curve private key (ES256)."""
        return pem(self.simulation.tokens.ec_key)

    def ready(self) -> dict[str, Any]:
        """What a client needs to know, as one JSON object."""
        facts: dict[str, Any] = {
            "base_url": self.base_url,
            "storage_url": self.storage_url,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "private_key_client_id": self.private_key_client_id,
            "conversation_ids": self.conversation_ids,
            "conversations": self.simulation.conversations,
            "calls": self.simulation.call_ids,
            "truth_url": self.truth_url,
            "clock_url": self.clock_url,
            "faults": list(self.simulation.faults.names),
        }
        return facts | ({"giant_id": self.giant_id} if self.giant_id else {})


@contextmanager
def serve(simulation: Simulation, port: int = 0) -> Iterator[Running]:
    """Serve a simulation while the context lasts; port 0 takes a free one, storage always does."""
    # Bind the sockets here, so that both addresses are known before the applications are made.
    with socket.create_server((_HOST, port)) as api, socket.create_server((_HOST, 0)) as storage:
        for door in (api, storage):
            # Accepted connections inherit this option. asyncio sets it only for sockets with an explicit protocol.
            # Without it, a response of two writes waits 40 ms for the client's delayed acknowledgement.
            door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        base_url, storage_url = (f"http://{_HOST}:{one.getsockname()[1]}" for one in (api, storage))
        other_url = f"http://localhost:{storage.getsockname()[1]}"
        doors = (
            (_uvicorn_server(api_app(simulation, storage_url)), api),
            (_uvicorn_server(storage_app(simulation, other_url)), storage),
        )
        thread = threading.Thread(target=_keep_open, args=(doors,), name="turnkeeper-simulator", daemon=True)
        thread.start()
        try:
            _await_start(thread, [server for server, _ in doors])
            yield Running(simulation, base_url, storage_url)
        finally:
            for server, _ in doors:
                server.should_exit = True
            thread.join(_PATIENCE_S)


def run(simulation: Simulation, port: int, out: TextIO, key_file: Path | None = None) -> int:
    """Serve until SIGTERM or SIGINT; one JSON line on out when both ports accept connections.

    ``key_file`` takes the private key of the client that signs assertions. Raises ``FileExistsError`` where there is
    such a file already, and other ``OSError`` where it cannot be written.
    """
    if key_file is not None:
        _write_key(key_file, pem(simulation.tokens.rsa_key))
    over = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        over.set()

    former = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with serve(simulation, port) as running:
            key = {"private_key_file": str(key_file)} if key_file else {"private_key_hint": _KEY_HINT}
            ready = running.ready() | key
            out.write(json.dumps(ready) + "\n")
            out.flush()
            over.wait()
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    return 0


def _write_key(path: Path, text: str) -> None:
    """Write a new file that only its owner can read. An existing file is not replaced, as it may hold another key."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _uvicorn_server(app: ASGIApp) -> uvicorn.Server:
    logging.getLogger("uvicorn.error").addFilter(_is_unintended)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


def _is_unintended(record: logging.LogRecord) -> bool:
    """Filter uvicorn's complaint about responses that a fault cut short. Other records stay."""
    return record.msg != "ASGI callable returned without completing response."


def _keep_open(doors: tuple[tuple[uvicorn.Server, socket.socket], ...]) -> None:
    async def both() -> None:
        await asyncio.gather(*(server.serve(sockets=[door]) for server, door in doors))

    asyncio.run(both())


def _await_start(thread: threading.Thread, servers: list[uvicorn.Server]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not all(server.started for server in servers):
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the simulator did not start")
        time.sleep(0.005)
