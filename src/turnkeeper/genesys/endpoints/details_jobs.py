"""``/analytics/conversations/details/jobs``: conversations from the platform's data lake, for long backfills.

A job gives the conversations with activity in its interval. The data lake lags hours behind, and nothing after its
availability date is complete.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime

import anyio

from turnkeeper.clock import Clock
from turnkeeper.errors import NotFound, TurnkeeperError, Unavailable
from turnkeeper.events import Listener, Noted
from turnkeeper.genesys.api import Api, ApiCall
from turnkeeper.genesys.endpoints.details_query import interval_query
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval
from turnkeeper.genesys.redaction import plain
from turnkeeper.payloads.decode_json import LARGEST, foreign_answer
from turnkeeper.payloads.details_jobs import JobState, read_availability, read_job_id, read_job_state
from turnkeeper.payloads.details_page import DetailsPage, read_results

__all__ = ["BATCH", "DetailsJobs"]

BATCH = 250
"""Conversations a page. The platform allows 1,000, which may be 20 MB at once."""
STARTS = 4
_HOME = "/api/v2/analytics/conversations/details/jobs"
_FIRST_POLL_S = 1.0
_LONGEST_POLL_S = 30.0
_LONGEST_JOB_S = 3600.0
_CANCEL_S = 5.0
_RUNNING = frozenset({"QUEUED", "PENDING"})


class _JobLost(Exception):
    """The job failed, expired or is gone. Another one may succeed."""


class DetailsJobs:
    """Submits jobs, waits for them, reads their results by cursor, and cancels those that it leaves unfinished."""

    def __init__(self, api: Api, clock: Clock, listener: Listener) -> None:
        self._api = api
        self._clock = clock
        self._listener = listener

    async def available(self) -> datetime:
        """Up to when the data lake is complete. Raises ``NotFound`` where a gateway offers no jobs, ``Denied``."""
        call = ApiCall("job availability", f"{_HOME}/availability")
        return await self._api.read(call, lambda body: read_availability(body, call.operation))

    async def pages(self, interval: Interval, filters: Filters) -> AsyncGenerator[DetailsPage, None]:
        """Pages of a job's results.

        A job that fails or expires is started again up to three times. The pages come from the beginning then, so the
        same conversation may come twice. Raises ``Unavailable`` where no job succeeds.
        """
        for number in range(1, STARTS + 1):
            job = await self._submit(interval, filters)
            finished = False
            try:
                await self._wait_until_fulfilled(job)
                cursor: str | None = ""
                # The empty cursor is the first page: an answer that names it leads back to the beginning.
                seen, last = {""}, tuple[bytes, ...]()
                while cursor is not None:
                    page = await self._results(job, cursor)
                    # Cursors may change while the page stays the same, and would be followed for ever.
                    if page.conversations and page.conversations == last:
                        raise foreign_answer("the same page of its results came twice", "details job", job)
                    last = page.conversations
                    yield page
                    cursor = page.cursor
                    if cursor in seen:
                        raise foreign_answer("its results lead back to a cursor that was read", "details job", job)
                    seen.add(cursor or "")
                finished = True
                return
            except _JobLost as cause:
                # The platform has ended or forgotten the job, so there is nothing to cancel.
                finished = True
                self._listener(Noted(note=f"details job {job} of {interval}, start {number} of {STARTS}: {cause}"))
            finally:
                if not finished:
                    await self._cancel(job)
        raise Unavailable(
            f"{STARTS} jobs failed or expired",
            operation="details job",
            key=str(interval),
            hint="Choose a shorter range, or --by query.",
        )

    async def _submit(self, interval: Interval, filters: Filters) -> str:
        json = interval_query(interval, filters)
        call = ApiCall("details job", _HOME, str(interval), method="POST", json=json, statuses=(200, 201, 202))
        return await self._api.read(call, lambda body: read_job_id(body, call.operation, call.key))

    async def _wait_until_fulfilled(self, job: str) -> None:
        """Poll a job ever more rarely until it is fulfilled. Raises ``_JobLost`` where it never will be."""
        wait, deadline = _FIRST_POLL_S, self._clock.monotonic() + _LONGEST_JOB_S
        while (status := await self._job_state(job)).state in _RUNNING:
            if self._clock.monotonic() >= deadline:
                raise Unavailable(f"still {status.state} after an hour", operation="details job", key=job)
            await self._clock.sleep(wait)
            wait = min(2 * wait, _LONGEST_POLL_S)
        if status.state != "FULFILLED":
            raise _JobLost(f"{plain(status.state)} {plain(status.error_message or '')}".strip())

    async def _job_state(self, job: str) -> JobState:
        call = ApiCall("details job", f"{_HOME}/{job}", job)
        try:
            return await self._api.read(call, lambda body: read_job_state(body, call.operation, job))
        except NotFound as cause:
            raise _JobLost(cause.message) from None

    async def _results(self, job: str, cursor: str) -> DetailsPage:
        params = [("pageSize", str(BATCH)), *([("cursor", cursor)] if cursor else [])]
        call = ApiCall("details job", f"{_HOME}/{job}/results", job, params=params, limit=LARGEST)
        try:
            return await self._api.read(call, lambda body: read_results(body, call.operation, job))
        except NotFound as cause:
            # A job may expire while its results are read.
            raise _JobLost(cause.message) from None

    async def _cancel(self, job: str) -> None:
        """Cancel a job. Errors are only noted, because the platform forgets a job by itself after a week."""
        # Shielded: the task may itself be cancelled already, and then every await would fail at once.
        with anyio.move_on_after(_CANCEL_S, shield=True):
            try:
                call = ApiCall("details job", f"{_HOME}/{job}", job, method="DELETE", statuses=(200, 202, 204))
                (await self._api.fetch(call)).close()
            except TurnkeeperError as cause:
                self._listener(Noted(note=f"details job {job} was left running: {cause.message}"))
