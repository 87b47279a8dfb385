"""A bare HTTP client for the simulator's tests: it follows nothing, retries nothing and hides nothing."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from turnkeeper.simulator import Running, Simulation, serve


@dataclass(frozen=True)
class Reply:
    """One HTTP answer, header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """Requests to one running simulation."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.simulation = running.simulation
        self._bearer = ""

    def send(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Reply:
        """Any request to any of the two ports; a path means the API."""
        parts = urlsplit(url if "://" in url else self.running.base_url + url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        try:
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            connection.request(method, target, body, dict(headers or {}))
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, named, answer.read())
        finally:
            connection.close()

    def token(self, secret: str | None = None, client: str | None = None, path: str = "/oauth/token") -> Reply:
        pair = f"{client or self.running.client_id}:{secret or self.running.client_secret}"
        basic = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        return self.send("POST", path, basic, b"grant_type=client_credentials")

    def form(self, fields: Mapping[str, str]) -> Reply:
        return self.send("POST", "/oauth/token", {}, urlencode(fields).encode())

    @property
    def bearer(self) -> dict[str, str]:
        if not self._bearer:
            self._bearer = self.token().json["access_token"]
        return {"Authorization": f"Bearer {self._bearer}"}

    def get(self, path: str, **headers: str) -> Reply:
        """An API request with a bearer token."""
        return self.send("GET", path, {**self.bearer, **headers})

    def post(self, path: str, body: Any) -> Reply:
        return self.send("POST", path, self.bearer, json.dumps(body).encode())

    def fetch(self, url: str, **headers: str) -> Reply:
        """A storage request, with no token."""
        return self.send("GET", url, {name.replace("_", "-"): value for name, value in headers.items()})

    def query(self, interval: str, **more: Any) -> Reply:
        return self.post("/api/v2/analytics/conversations/details/query", {"interval": interval, **more})

    def details(self, conversation: str) -> Any:
        return self.get(f"/api/v2/analytics/conversations/{conversation}/details").json

    def sessions(self, conversation: str) -> list[str]:
        return [one["sessionId"] for p in self.details(conversation)["participants"] for one in p["sessions"]]

    def transcripturl(self, conversation: str, communication: str) -> Reply:
        home = f"/api/v2/speechandtextanalytics/conversations/{conversation}"
        return self.get(f"{home}/communications/{communication}/transcripturl")

    def media(self, conversation: str) -> Reply:
        return self.get(f"/api/v2/conversations/media/{conversation}/transcripts")

    def link(self, index: int = 0) -> str:
        """A fresh link to the first speech file of an index."""
        conversation = self.simulation.id_of(index)
        return str(self.transcripturl(conversation, self.sessions(conversation)[0]).json["url"])

    def advance(self, seconds: float) -> None:
        self.send("POST", "/_sim/clock", {}, json.dumps({"advance": seconds}).encode())


Start = Callable[..., Wire]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start simulations: ``start("gzip", conversations=3)``."""
    with ExitStack() as stack:

        def started(*faults: str, **settings: Any) -> Wire:
            simulation = Simulation(**{"conversations": 30, "rate_limit": 10_000, **settings}, faults=frozenset(faults))
            return Wire(stack.enter_context(serve(simulation)))

        yield started


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    """One simulation without faults, shared by a module's reading tests."""
    with serve(Simulation(conversations=160, rate_limit=100_000)) as running:
        yield Wire(running)
