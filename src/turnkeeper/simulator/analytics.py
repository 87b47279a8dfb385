"""The analytics endpoints: details by query, by id, and by job.

Works on indices. Only the conversations of the requested page are made, and their bytes are cached.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from turnkeeper.simulator import api_errors, query
from turnkeeper.simulator.clock import iso
from turnkeeper.simulator.ids import IdKind
from turnkeeper.simulator.query import Query
from turnkeeper.simulator.simulation import Simulation

_HOME = "/api/v2/analytics/conversations"
_JOBS = f"{_HOME}/details/jobs"
_DAY_MS = 86_400_000
# The data lake is hours behind. Newer conversations are not in the results of jobs.
_LAG_MS = 6 * 3_600_000
# No more conversations than this can still be open at midnight.
_STILL_OPEN = 20
# A conversation that began this long before the data lake's watermark has ended and is in it.
_SURELY_OVER_MS = _DAY_MS
_MAX_CACHED = 4096
_ACTIVE = "/api/v2/conversations"
_ACTIVE_KINDS = ("", "/calls", "/chats", "/emails", "/messages", "/callbacks")
_STAGES = ("QUEUED", "PENDING", "FULFILLED")
_JOB_LIFE_MS = 7 * _DAY_MS


class AnalyticsEndpoint:
    """Analytics endpoints of one simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._matches_cache: dict[tuple[str, str, range], list[int]] = {}
        self._details_cache: dict[int, bytes] = {}
        self._jobs: list[tuple[Query, int]] = []
        self._looks: dict[int, int] = {}
        self._final_states: dict[int, str] = {}
        self._results: dict[int, list[int]] = {}

    def routes(self) -> list[Route]:
        """Query, reads by id, jobs."""
        return [
            Route(f"{_HOME}/details/query", self.query, methods=["POST"]),
            Route(_JOBS, self.submit, methods=["POST"]),
            Route(f"{_JOBS}/availability", self.availability),
            Route(f"{_JOBS}/{{job}}", self.job, methods=["GET"]),
            Route(f"{_JOBS}/{{job}}", self.cancel, methods=["DELETE"]),
            Route(f"{_JOBS}/{{job}}/results", self.results),
            Route(f"{_HOME}/details", self.several),
            Route(f"{_HOME}/{{conversation}}/details", self.single),
            *(Route(f"{_ACTIVE}{kind}", self.active) for kind in _ACTIVE_KINDS),
        ]

    async def query(self, request: Request) -> Response:
        """POST: conversations that started on a day touched by the interval."""
        asked = query.read(await _read_body(request), deepest=self._simulation.query_depth)
        days = self._simulation.schedule.started_on(*asked.days)
        # In a thread, because a filter may have to make every conversation of a month while the other port serves.
        found = await run_in_threadpool(self._matching, asked, days)
        page = asked.page(found)
        # The platform omits the key if nothing was found.
        listed = b'"conversations":%b,' % self._page_bytes(page) if page else b""
        return _json_response(b'{%b"totalHits":%d}' % (listed, len(found)))

    async def single(self, request: Request) -> Response:
        """GET: one conversation."""
        conversation = request.path_params["conversation"]
        index = self._simulation.index_of(conversation)
        if index is None:
            raise api_errors.missing(conversation)
        return _json_response(self._details_bytes(index))

    async def several(self, request: Request) -> Response:
        """GET: up to a hundred conversations by id; unknown ids are left out."""
        wanted = [one for text in request.query_params.getlist("id") for one in text.split(",") if one]
        if not 1 <= len(wanted) <= 100:
            raise api_errors.malformed("Between 1 and 100 conversation ids are required.", "invalid.value")
        found = [self._simulation.index_of(one) for one in wanted]
        return _json_response(b'{"conversations":%b}' % self._page_bytes(n for n in found if n is not None))

    async def active(self, _: Request) -> Response:
        """GET: the signed-in user's conversations. A client is not a user, so the list is empty."""
        return JSONResponse({"entities": [], "pageSize": 25, "pageNumber": 1, "pageCount": 0, "total": 0})

    async def submit(self, request: Request) -> Response:
        """POST: start a job."""
        self._jobs.append((query.read(await _read_body(request), paged=False), self._simulation.clock.epoch_ms()))
        number = len(self._jobs) - 1
        if self._simulation.faults.strikes("job-failed", "jobs"):
            self._final_states[number] = "FAILED"
        elif self._simulation.faults.strikes("job-expired", "jobs"):
            self._final_states[number] = "EXPIRED"
        return JSONResponse({"jobId": self._simulation.ids.make(IdKind.JOB, number)}, 202)

    async def job(self, request: Request) -> Response:
        """GET: the state of a job. Each read advances it by one stage."""
        number, submitted = self._find_job(request)
        asked = self._looks[number] = self._looks.get(number, -1) + 1
        expires = submitted + _JOB_LIFE_MS
        state = self._job_state(number, asked, expires)
        fields = {"state": state, "submissionDate": iso(submitted), "expirationDate": iso(expires)}
        if state == "FAILED":
            fields["errorMessage"] = "Internal error while running the query."
        return JSONResponse(fields | ({"completionDate": iso(submitted)} if state == "FULFILLED" else {}))

    def _job_state(self, number: int, asked: int, expires: int) -> str:
        """Return the state of a job. One with the fault job-expired expires while its results are read."""
        ends = self._final_states.get(number)
        if ends == "CANCELLED" or (ends == "FAILED" and asked):
            return ends
        if self._simulation.clock.epoch_ms() >= expires:
            return "EXPIRED"
        return _STAGES[min(asked, 2)]

    async def cancel(self, request: Request) -> Response:
        """DELETE: cancel a job."""
        number, _ = self._find_job(request)
        self._final_states[number] = "CANCELLED"
        return Response(status_code=204)

    async def results(self, request: Request) -> Response:
        """GET: a page of a job's results; the cursor is absent on the last one."""
        number, _ = self._find_job(request)
        if self._looks.get(number, -1) < 2 or self._final_states.get(number) in ("FAILED", "CANCELLED"):
            raise api_errors.malformed("The job has not been fulfilled.")
        try:
            first = int(request.query_params.get("cursor", "0"), 36)
            size = min(1000, max(1, int(request.query_params.get("pageSize", "1000"))))
        except ValueError:
            raise api_errors.malformed("Invalid cursor or page size.", "invalid.value") from None
        if first and self._final_states.get(number) == "EXPIRED":
            raise api_errors.missing(request.path_params["job"])
        if number not in self._results:
            self._results[number] = await run_in_threadpool(self._active_indices, self._jobs[number][0])
        found = self._results[number]
        more = f'"cursor":"{_base36(first + size)}",' if first + size < len(found) else ""
        head = f'{{{more}"dataAvailabilityDate":"{iso(self._watermark())}","conversations":'.encode()
        return _json_response(b"%b%b}" % (head, self._page_bytes(found[first : first + size])))

    async def availability(self, _: Request) -> Response:
        """GET: up to when job results are complete."""
        return JSONResponse({"dataAvailabilityDate": iso(self._watermark())})

    def _watermark(self) -> int:
        stale = self._simulation.faults.on("stale-watermark")
        hours = self._simulation.faults.argument("stale-watermark", 72) if stale else 0
        return self._simulation.clock.epoch_ms() - max(_LAG_MS, hours * 3_600_000)

    def _page_bytes(self, indices: Iterable[int]) -> bytes:
        return b"[%b]" % b",".join(self._details_bytes(index) for index in indices)

    def _details_bytes(self, index: int) -> bytes:
        """Return a conversation's details as bytes. They are cached once the conversation has ended."""
        known = self._details_cache.get(index)
        if known is not None:
            return known
        details = self._simulation.detail(index)
        body = json.dumps(details, ensure_ascii=False, separators=(",", ":")).encode()
        if "conversationEnd" in details:
            if len(self._details_cache) >= _MAX_CACHED:
                self._details_cache.clear()
            self._details_cache[index] = body
        return body

    def _find_job(self, request: Request) -> tuple[int, int]:
        number = self._simulation.ids.index(IdKind.JOB, request.path_params["job"])
        if number is None or number >= len(self._jobs):
            raise api_errors.missing(request.path_params["job"])
        return number, self._jobs[number][1]

    def _matching(self, asked: Query, days: range) -> range | list[int]:
        """Return the indices that pass the filters. They are cached, because each page of a query needs them again."""
        live = self._simulation.faults.on("live")
        begun = bisect_left(days, 1, key=lambda n: not self._simulation.begun(n)) if live else len(days)
        if not asked.filtered:
            return days[:begun]
        if live and "conversationEnd" in asked.conversation_filters:
            # Do not cache these: whether a conversation has ended changes with the clock.
            return [n for n in days[:begun] if asked.matches(self._simulation.detail(n))]
        key = (asked.segment_filters, asked.conversation_filters, days)
        if key not in self._matches_cache:
            if len(self._matches_cache) > 16:
                self._matches_cache.clear()
            self._matches_cache[key] = [n for n in days if asked.matches(self._simulation.detail(n))]
        found = self._matches_cache[key]
        return found[: bisect_left(found, days[begun - 1] + 1)] if begun else []

    def _active_indices(self, asked: Query) -> list[int]:
        """Return the indices with activity in the interval that are already in the data lake."""
        first, last = asked.days
        days = self._simulation.schedule.started_on(first, last)
        earlier = range(max(0, days.start - _STILL_OPEN), days.stop)
        return [n for n in self._matching(asked, earlier) if self._overlaps(n, asked, self._watermark())]

    def _overlaps(self, index: int, asked: Query, known: int) -> bool:
        began = self._simulation.schedule.began(index)
        giant = index >= self._simulation.conversations
        if asked.start_ms <= began < min(asked.end_ms, known - _SURELY_OVER_MS) and not giant:
            return True
        script = self._simulation.script(index)
        return script.ended > asked.start_ms and script.began < asked.end_ms and script.ended <= known


def _json_response(body: bytes) -> Response:
    return Response(body, media_type="application/json")


async def _read_body(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError:
        raise api_errors.malformed(
            "The request could not be understood by the server due to malformed syntax."
        ) from None


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits or "0"
