"""Dates as people give them -> windows as the platform takes them. Pure.

The query matches conversations by the UTC day they started on, so windows end at midnight (UTC), each conversation
belongs to the one window that holds its start, and nothing comes twice.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from turnkeeper.errors import Misconfigured
from turnkeeper.genesys.interval import Interval

__all__ = ["By", "Method", "Rules", "Window", "days", "length_of", "midnight", "plan", "range_of", "wants_jobs"]

Method = Literal["query", "jobs"]
By = Literal["auto", "query", "jobs"]
"""How conversations are found; ``auto`` takes jobs for long backfills and the query for the rest."""

DAY = timedelta(days=1)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"(\d{1,9}) ?([smhdw])")
_HINT = "Write a date (2026-11-05), a time (2026-11-05T14:00, UTC unless it says otherwise), 2d, 6h, 30m or now."


@dataclass(frozen=True)
class Rules:
    """When a job is worth while, and when a window is settled.

    ``long``: a range of at least this is a backfill. ``job_days``: days one job covers (the platform takes 31).
    ``job_margin``: how far before the data lake's availability date a window must end to be read by a job, because a
    call that began in the window may end after it, and the lake knows ended ones only. ``grace_period``: how long after
    a window's end the query may still come to know of a conversation that began in it.
    """

    long: timedelta = timedelta(days=31)
    job_days: int = 7
    job_margin: timedelta = timedelta(days=1)
    grace_period: timedelta = timedelta(minutes=15)


@dataclass(frozen=True)
class Window:
    """A part of a range, found by one method. ``settled`` says that no conversation can begin in it any more and that
    the platform knows of all that did; what is not settled is asked again."""

    interval: Interval
    by: Method
    settled: bool


def days(interval: Interval, step: int = 1) -> Iterator[Interval]:
    """The interval cut at midnights (UTC), at most so many days a piece; oldest first. Nothing where it is empty.

    The cuts are the same for every interval: a range that moves with the clock has the same pieces between its ends.
    """
    start = interval.start
    while start < interval.end:
        whole = midnight(start)
        end = min(_add_without_overflow(whole, (step - whole.toordinal() % step) * DAY), interval.end)
        yield Interval(start, end)
        start = end


def midnight(moment: datetime) -> datetime:
    """The beginning of the UTC day that a moment lies in."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def wants_jobs(interval: Interval, by: By, rules: Rules | None = None) -> bool:
    """Whether jobs may be used for a range, so that the availability date has to be known."""
    return by == "jobs" or (by == "auto" and interval.end - interval.start >= (rules or Rules()).long)


def plan(
    interval: Interval, now: datetime, *, by: By = "auto", available: datetime | None = None, rules: Rules | None = None
) -> Iterator[Window]:
    """The windows of a range that have begun by ``now``, oldest first; together they are the range, without overlap.

    ``available`` is the data lake's availability date; where it is not known, jobs are not used. Jobs cover several
    days up to a day before it; after that, and without jobs, a window is the part of one UTC day in the range.
    """
    rules = rules or Rules()
    border = interval.start
    if available is not None and wants_jobs(interval, by, rules):
        border = min(max(midnight(available - rules.job_margin), interval.start), interval.end)
    for part in days(Interval(interval.start, border), rules.job_days):
        yield Window(part, "jobs", settled=True)
    for part in days(Interval(border, interval.end)):
        if part.start <= now:
            yield Window(part, "query", settled=part.end <= now - rules.grace_period)


def range_of(now: datetime, *, since: str = "", until: str = "", last: str = "") -> Interval:
    """What ``--since``, ``--until`` and ``--last`` say together: ``[since, until)``, until now where nothing is said.

    ``last`` is short for ``since`` that long ago. Raises ``Misconfigured`` naming the option.
    """
    if last and (since or until):
        raise Misconfigured("--last was given together with --since or --until", hint="Leave one of them out.")
    if last:
        length_of(last, "--last")
    if not (since or last):
        raise Misconfigured("no range of time was given", hint="Give --since (and --until), --last 2d, or --ids FILE.")
    start = _parse_moment(last or since, now, "--last" if last else "--since")
    end = _parse_moment(until or "now", now, "--until")
    if end <= start:
        raise Misconfigured(
            "the range of time is empty: it ends before it begins, or there",
            key="--last" if last else "--since",
            hint="Name a time before --until, and before now where that is left out.",
        )
    return Interval(start, end)


def length_of(text: str, option: str) -> timedelta:
    """A length of time: ``2d``, ``6h``, ``30m``, ``45s``, ``1w``. Raises ``Misconfigured`` naming the option."""
    found = _AGO.fullmatch(text.strip())
    with contextlib.suppress(OverflowError):
        if found:
            return timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    raise Misconfigured(f"{text!r} is no length of time", key=option, hint="Write 2d, 6h, 30m or 1w.")


def _parse_moment(text: str, now: datetime, option: str) -> datetime:
    """A date, a time, ``now``, or so long ago."""
    written = text.strip()
    try:
        if _AGO.fullmatch(written):
            return now.astimezone(UTC) - length_of(written, option)
        moment = now if written == "now" else datetime.fromisoformat(written)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Misconfigured(f"{text!r} is no date and no time", key=option, hint=_HINT) from None


def _add_without_overflow(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
