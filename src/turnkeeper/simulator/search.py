"""The transcript search, the only endpoint that lists communications with a transcript.

Only the first thousand results can be paged. Transcripts can be searched for sixty days.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from turnkeeper.simulator import api_errors
from turnkeeper.simulator.clock import from_iso, iso
from turnkeeper.simulator.document_store import DocumentPlace
from turnkeeper.simulator.script import Script, ScriptLeg
from turnkeeper.simulator.simulation import Simulation

Json = dict[str, Any]

_PATH = "/api/v2/speechandtextanalytics/transcripts/search"
_MAX_RESULTS = 1000
_SEARCHABLE_MS = 60 * 86_400_000
_MAX_CACHED = 1 << 16
_STARTED = "conversationStartTime"


class SearchEndpoint:
    """The search endpoint of one simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._known: dict[int, list[tuple[Json, int]]] = {}

    def routes(self) -> list[Route]:
        """One endpoint."""
        return [Route(_PATH, self.search, methods=["POST"])]

    async def search(self, request: Request) -> Response:
        """POST: (conversation, communication) pairs, by start and by exact fields."""
        # A gateway that has only the media dialect has nothing of this API.
        if self._simulation.faults.on("search-missing") or self._simulation.faults.on("speech-missing"):
            raise api_errors.missing()
        try:
            asked = json.loads(await request.body())
            clauses = list(asked["query"])
            size, number = int(asked.get("pageSize", 25)), int(asked.get("pageNumber", 1))
            start, end = _date_range(clauses)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise api_errors.malformed("The search request could not be understood.", "invalid.value") from None
        if size < 1 or number < 1 or size * number > _MAX_RESULTS:
            raise api_errors.malformed(
                f"Only the first {_MAX_RESULTS} results of a search can be paged.", "invalid.value"
            )
        found = await run_in_threadpool(self._find_rows, start, end, clauses)
        fields = asked.get("returnFields") or None
        page = [_select_fields(row, fields) for row in found[(number - 1) * size : number * size]]
        counts = {"total": len(found), "pageCount": -(-len(found) // size), "pageSize": size, "pageNumber": number}
        return JSONResponse({**counts, "types": asked.get("types", ["transcripts"]), "results": page})

    def _find_rows(self, start: int, end: int, clauses: list[Json]) -> list[Json]:
        if self._simulation.faults.on("forever-processing"):
            return []
        exact = [clause for clause in clauses if clause.get("type") in ("EXACT", "EXACT_PHRASE")]
        now = self._simulation.clock.epoch_ms()
        rows = (
            row
            for index in self._started_between(start, end)
            for row, ready in self._result_rows(index)
            if ready <= now
        )
        return [row for row in rows if all(_clause_matches(row, clause) for clause in exact)]

    def _started_between(self, start: int, end: int) -> range:
        """Indices of the conversations that began from start to end, both included, as far as they can be searched."""
        start = max(start, self._simulation.clock.epoch_ms() - _SEARCHABLE_MS)
        if self._simulation.faults.on("live"):
            end = min(end, self._simulation.clock.epoch_ms())
        if end < start:
            return range(0)
        schedule = self._simulation.schedule
        days = (datetime.fromtimestamp(ms / 1000, UTC).date() for ms in (start, end))
        indices = schedule.started_on(*days)
        first = bisect_left(indices, start, key=schedule.began)
        return indices[first : bisect_right(indices, end, key=schedule.began)]

    def _result_rows(self, index: int) -> Sequence[tuple[Json, int]]:
        """One conversation's legs that have a file, each with the moment from which it has one."""
        rows = self._known.get(index)
        if rows is None:
            if len(self._known) >= _MAX_CACHED:
                self._known.clear()
            script = self._simulation.script(index)
            rows = self._known[index] = [
                (_result_row(script, leg), self._simulation.documents.ready_at(DocumentPlace(script, ordinal)))
                for ordinal, leg in enumerate(script.legs)
            ]
        return rows


def _result_row(script: Script, leg: ScriptLeg) -> Json:
    return {
        "conversationId": script.id,
        "communicationId": script.parties[leg.party].communication,
        "mediaType": "message" if script.media_type == "message" else "call",
        _STARTED: iso(script.began),
    }


def _date_range(clauses: list[Json]) -> tuple[int, int]:
    for clause in clauses:
        if clause.get("type") == "DATE_RANGE" and _STARTED in clause["fields"]:
            return from_iso(clause["startValue"]), from_iso(clause["endValue"])
    raise ValueError("a search needs a DATE_RANGE over conversationStartTime")


def _clause_matches(row: Json, clause: Json) -> bool:
    wanted = clause.get("values") or [clause.get("value")]
    return any(row.get(field) in wanted for field in clause.get("fields") or [])


def _select_fields(row: Json, fields: list[str] | None) -> Json:
    return {name: value for name, value in row.items() if fields is None or name in fields}
