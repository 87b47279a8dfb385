"""The answers of ``/analytics/conversations/details/jobs``, but for the pages of results (see ``details_page``)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from turnkeeper.ids import is_id
from turnkeeper.payloads.decode_json import foreign_answer, read_answer
from turnkeeper.payloads.times import datetime_of
from turnkeeper.spool import Spool

__all__ = ["JobState", "read_availability", "read_job_id", "read_job_state"]


class JobState(msgspec.Struct, rename="camel"):
    """A job's ``state`` (``FULFILLED`` …), and why it failed, in the platform's own words."""

    state: str = ""
    error_message: str | None = None


class _Job(msgspec.Struct, rename="camel"):
    job_id: str = ""


class _Availability(msgspec.Struct, rename="camel"):
    data_availability_date: object = None


_JOB = msgspec.json.Decoder(_Job)
_STATE = msgspec.json.Decoder(JobState)
_AVAILABILITY = msgspec.json.Decoder(_Availability)


def read_job_id(body: Spool, operation: str, key: str) -> str:
    """Read the id of a submitted job, which becomes part of an address. Raises ``Unavailable`` where there is none."""
    job = read_answer(body, _JOB, operation, key).job_id
    if not is_id(job):
        raise foreign_answer("the answer names no job", operation, key)
    return job


def read_job_state(body: Spool, operation: str, key: str) -> JobState:
    """Read a job's state. Raises ``Unavailable`` where the answer names none."""
    found = read_answer(body, _STATE, operation, key)
    if not found.state:
        raise foreign_answer("the answer names no state", operation, key)
    return found


def read_availability(body: Spool, operation: str) -> datetime:
    """Read up to when the data lake is complete. Raises ``Unavailable`` where the answer holds no date."""
    moment = datetime_of(read_answer(body, _AVAILABILITY, operation, "").data_availability_date)
    if moment is None:
        raise foreign_answer("the answer holds no date", operation, "")
    return moment
