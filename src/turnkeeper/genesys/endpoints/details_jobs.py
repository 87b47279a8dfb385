"""Conversations by asynchronous job: for long backfills, from the platform's data lake.

A job gives conversations with activity in its interval. The lake lags hours behind; nothing after its availability date
is complete.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime

import anyio
import msgspec

from turnkeeper.clock import Clock
from turnkeeper.errors import NotFound, TurnkeeperError, Unavailable
from turnkeeper.events import Listener, Noted
from turnkeeper.genesys.api import Api, ApiCall
from turnkeeper.genesys.endpoints.conversations import is_id
from turnkeeper.genesys.endpoints.details_page import DetailsPage, moment_in, read_results
from turnkeeper.genesys.endpoints.details_query import asked
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval
from turnkeeper.genesys.redaction import plain
from turnkeeper.payloads.decode_json import LARGEST, not_the_platforms, read_answer
from turnkeeper.spool import Spool

__all__ = ["BATCH", "Jobs"]

BATCH = 250
"""Conversations a page. The platform allows 1,000, which may be 20 MB at once."""
STARTS = 4
_HOME = "/api/v2/analytics/conversations/details/jobs"
_FIRST_LOOK = 1.0
_LONGEST_LOOK = 30.0
_LONGEST_JOB = 3600.0
_FAREWELL = 5.0
_RUNNING = frozenset({"QUEUED", "PENDING"})


class _Job(msgspec.Struct, rename="camel"):
    job_id: str = ""
    state: str = ""
    error_message: str | None = None


class _Availability(msgspec.Struct, rename="camel"):
    data_availability_date: object = None


_JOB = msgspec.json.Decoder(_Job)
_AVAILABILITY = msgspec.json.Decoder(_Availability)


class _Lost(Exception):
    """The job failed, expired or is gone: another may do."""


class Jobs:
    """Submits, waits on the clock, reads by cursor, and cancels what it leaves unfinished."""

    def __init__(self, api: Api, clock: Clock, listener: Listener) -> None:
        self._api = api
        self._clock = clock
        self._listener = listener

    async def available(self) -> datetime:
        """Up to when the data lake is complete. Raises ``NotFound`` where a gateway offers no jobs, ``Denied``."""
        call = ApiCall("job availability", f"{_HOME}/availability")

        def read(body: Spool) -> datetime:
            moment = moment_in(read_answer(body, _AVAILABILITY, call.operation, "").data_availability_date)
            if moment is None:
                raise not_the_platforms("the answer holds no date", call.operation, "")
            return moment

        return await self._api.read(call, read)

    async def pages(self, interval: Interval, wanted: Filters) -> AsyncGenerator[DetailsPage, None]:
        """Pages of a job's results.

        A job that fails or expires is started again up to three times, and then the pages come from the beginning: the
        same conversation may come twice. Raises ``Unavailable`` where no job came through.
        """
        for number in range(1, STARTS + 1):
            job = await self._submitted(interval, wanted)
            over = False
            try:
                await self._fulfilled(job)
                cursor: str | None = ""
                seen, last = {""}, tuple[bytes, ...]()
                while cursor is not None:
                    page = await self._results(job, cursor)
                    if page.conversations and page.conversations == last:
                        raise not_the_platforms("the same page of its results came twice", "details job", job)
                    last = page.conversations
                    yield page
                    cursor = page.cursor
                    if cursor in seen:
                        raise not_the_platforms("its results lead back to a cursor that was read", "details job", job)
                    seen.add(cursor or "")
                over = True
                return
            except _Lost as lost:
                over = True
                self._listener(Noted(note=f"details job {job} of {interval}, start {number} of {STARTS}: {lost}"))
            finally:
                if not over:
                    await self._cancel(job)
        raise Unavailable(
            f"{STARTS} jobs failed or expired",
            operation="details job",
            key=str(interval),
            hint="Choose a shorter range, or --by query.",
        )

    async def _submitted(self, interval: Interval, wanted: Filters) -> str:
        body = asked(interval, wanted)
        call = ApiCall("details job", _HOME, str(interval), method="POST", json=body, statuses=(200, 201, 202))

        def read(body: Spool) -> str:
            job = read_answer(body, _JOB, call.operation, call.key).job_id
            # It becomes part of an address.
            if not is_id(job):
                raise not_the_platforms("the answer names no job", call.operation, call.key)
            return job

        return await self._api.read(call, read)

    async def _fulfilled(self, job: str) -> None:
        """Wait for a job, looking ever more rarely. Raises ``_Lost`` for one that will not come."""
        wait, deadline = _FIRST_LOOK, self._clock.monotonic() + _LONGEST_JOB
        while (found := await self._state(job)).state in _RUNNING:
            if self._clock.monotonic() >= deadline:
                raise Unavailable(f"still {found.state} after an hour", operation="details job", key=job)
            await self._clock.sleep(wait)
            wait = min(2 * wait, _LONGEST_LOOK)
        if found.state != "FULFILLED":
            raise _Lost(f"{plain(found.state)} {plain(found.error_message or '')}".strip())

    async def _state(self, job: str) -> _Job:
        call = ApiCall("details job", f"{_HOME}/{job}", job)

        def read(body: Spool) -> _Job:
            found = read_answer(body, _JOB, call.operation, job)
            if not found.state:
                raise not_the_platforms("the answer names no state", call.operation, job)
            return found

        try:
            return await self._api.read(call, read)
        except NotFound as gone:
            raise _Lost(gone.message) from None

    async def _results(self, job: str, cursor: str) -> DetailsPage:
        params = [("pageSize", str(BATCH)), *([("cursor", cursor)] if cursor else [])]
        call = ApiCall("details job", f"{_HOME}/{job}/results", job, params=params, limit=LARGEST)
        try:
            return await self._api.read(call, lambda body: read_results(body, call.operation, job))
        except NotFound as gone:
            raise _Lost(gone.message) from None

    async def _cancel(self, job: str) -> None:
        """On the way out, whatever happens there; the platform forgets a job by itself after a week."""
        with anyio.move_on_after(_FAREWELL, shield=True):
            try:
                call = ApiCall("details job", f"{_HOME}/{job}", job, method="DELETE", statuses=(200, 202, 204))
                (await self._api.fetch(call)).close()
            except TurnkeeperError as cause:
                self._listener(Noted(note=f"details job {job} was left running: {cause.message}"))
