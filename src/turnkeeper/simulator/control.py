"""The endpoints under /_sim, which no real platform has: clock, truth, and counts of requests.

They need no authentication.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from turnkeeper.simulator.clock import from_iso, iso
from turnkeeper.simulator.simulation import Simulation


class Control:
    """The /_sim endpoints of one simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def routes(self) -> list[Route]:
        """Clock, truth, requests, conversations, rate limit, clients."""
        return [
            Route("/_sim/clock", self.clock, methods=["GET"]),
            Route("/_sim/clock", self.move, methods=["POST"]),
            Route("/_sim/truth", self.truth),
            Route("/_sim/truth/{conversation}", self.verdict),
            Route("/_sim/requests", self.requests),
            Route("/_sim/conversations", self.conversations),
            Route("/_sim/pace", self.pace, methods=["GET", "POST"]),
            Route("/_sim/clients", self.clients, methods=["GET", "POST"]),
        ]

    async def clock(self, _: Request) -> Response:
        """GET: the current time."""
        return self._time_response()

    async def move(self, request: Request) -> Response:
        """POST: {"set": iso} | {"advance": seconds} | {"until": iso}, each with or without "run": true."""
        clock = self._simulation.clock
        try:
            body = json.loads(await request.body())
            run = body.get("run") is True
            if "set" in body:
                clock.set(from_iso(body["set"]), run=run)
            elif "until" in body:
                clock.until(from_iso(body["until"]), run=run)
            else:
                clock.advance(round(float(body.get("advance", 0)) * 1000), run=run)
        except (ValueError, TypeError, AttributeError) as wrong:
            return JSONResponse({"message": str(wrong)}, 400)
        return self._time_response()

    async def truth(self, _: Request) -> Response:
        """GET: what a correct exporter must find for each conversation, streamed."""
        return StreamingResponse(self._truth_lines(), media_type="application/json")

    async def verdict(self, request: Request) -> Response:
        """GET: the truth about one conversation."""
        index = self._simulation.index_of(request.path_params["conversation"])
        if index is None:
            return JSONResponse({"message": "no such conversation"}, 404)
        return JSONResponse(self._simulation.verdict(index))

    async def requests(self, _: Request) -> Response:
        """GET: counts of the requests so far."""
        counts = self._simulation.counts.snapshot()
        seen = {"tokens_issued": self._simulation.tokens.issued, "peak_in_window": self._simulation.quota.peak}
        return JSONResponse(counts | seen)

    async def conversations(self, request: Request) -> Response:
        """GET: ids with scenario and outcome, a page of them."""
        try:
            offset = max(0, int(request.query_params.get("offset", "0")))
            limit = min(1000, max(0, int(request.query_params.get("limit", "100"))))
        except ValueError:
            return JSONResponse({"message": "offset and limit must be numbers"}, 400)
        total = self._simulation.total
        listed = [self._list_item(index) for index in range(min(offset, total), min(offset + limit, total))]
        return JSONResponse({"total": total, "offset": offset, "conversations": listed})

    async def pace(self, request: Request) -> Response:
        """GET: when each token's windows began, and their requests. POST: {"allowed": n} changes the limit."""
        pace = self._simulation.quota
        if request.method == "POST":
            try:
                pace.allowed = max(1, int(json.loads(await request.body())["allowed"]))
            except (ValueError, TypeError, KeyError) as wrong:
                return JSONResponse({"message": f"allowed must be a number: {wrong}"}, 400)
        return JSONResponse({"allowed": pace.allowed, "windows": pace.windows()})

    async def clients(self, request: Request) -> Response:
        """GET: clients and their secrets. POST: {"rotate": id} makes a new one; "revoke": false keeps its tokens."""
        tokens = self._simulation.tokens
        if request.method == "POST":
            try:
                body = json.loads(await request.body())
                tokens.rotate(body["rotate"], revoke=body.get("revoke") is not False)
            except (ValueError, TypeError, KeyError, AttributeError):
                return JSONResponse({"message": "rotate must name a client"}, 400)
        return JSONResponse(tokens.clients)

    def _list_item(self, index: int) -> dict[str, Any]:
        verdict = self._simulation.verdict(index)
        return {"id": self._simulation.id_of(index), "scenario": verdict["scenario"], "outcome": verdict["outcome"]}

    def _time_response(self) -> Response:
        now = self._simulation.clock.epoch_ms()
        return JSONResponse({"now": iso(now), "epoch_ms": now})

    def _truth_lines(self) -> Iterator[str]:
        yield '{"conversations":{'
        for index in range(self._simulation.total):
            comma = "," if index else ""
            yield f'{comma}\n"{self._simulation.id_of(index)}":{json.dumps(self._simulation.verdict(index))}'
        yield "\n}}\n"
