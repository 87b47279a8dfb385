"""What an export of a range would cost, from totals and a sample: conversations, requests, hours at the quota."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from turnkeeper.clock import Clock
from turnkeeper.events import Listener, silent
from turnkeeper.exporter.discovery import Discovered, planned, read_elements, with_listed
from turnkeeper.exporter.windows import By, Window, days
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.endpoints import details_jobs
from turnkeeper.genesys.endpoints.details_query import BATCH, LONGEST_DAYS
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval

__all__ = ["RequestEstimate", "estimate_requests"]

# Submitting a job, three looks at it, and whether the lake reaches that far.
_JOB_OVERHEAD = 5


@dataclass(frozen=True)
class RequestEstimate:
    """``conversations`` counts whole UTC days, so it is an upper bound where the range begins or ends within one.

    ``discovery_requests`` find them, ``transcript_requests`` ask for their transcripts (downloads do not count against
    the quota); ``asks`` is how many of those a conversation takes, averaged over ``sampled`` of them.
    """

    conversations: int
    discovery_requests: int
    transcript_requests: int
    asks: float
    sampled: int

    @property
    def requests(self) -> int:
        """All requests that count against the quota."""
        return self.discovery_requests + self.transcript_requests

    def hours(self, per_minute: float) -> float:
        """Hours at so many requests a minute: a token's quota, or the sum of several tokens'."""
        return self.requests / per_minute / 60


async def estimate_requests(
    platform: Genesys,
    interval: Interval,
    wanted: Filters,
    *,
    by: By = "auto",
    clock: Clock,
    listener: Listener = silent,
) -> RequestEstimate:
    """One request per 31 days for the totals, and a sample of at most a hundred conversations from either end."""
    total, parts = 0, []
    for part in days(interval, LONGEST_DAYS):
        there = (await platform.conversation_page(part, wanted, size=1)).total or 0
        total += there
        parts += [part] if there else []
    sample: list[Discovered] = []
    for part, descending in zip(dict.fromkeys((parts[0], parts[-1])) if parts else (), (False, True), strict=False):
        sample += await _sample_conversations(platform, part, wanted, descending, listener)
    asks = sum(_asks_of_conversation(one) for one in sample) / len(sample) if sample else 1.0
    windows = await planned(platform, interval, by=by, clock=clock)
    finding = len(parts) + _requests_to_list(windows, total) + _requests_to_search(sample, total)
    return RequestEstimate(total, finding, round(total * asks), round(asks, 2), len(sample))


async def _sample_conversations(
    platform: Genesys, part: Interval, wanted: Filters, descending: bool, listener: Listener
) -> Sequence[Discovered]:
    async with aclosing(platform.conversations(part, wanted, descending=descending)) as pages:
        async for page in pages:
            return await with_listed(platform, read_elements(page, listener)[0])
    return ()


def _asks_of_conversation(one: Discovered) -> int:
    """Requests for one conversation's transcripts: a link per listed leg, else one per recorded leg, at least one."""
    if one.listed is not None:
        return len(one.listed)
    return max(1, sum(session.recorded for session in one.details.communications()))


def _requests_to_list(windows: Sequence[Window], total: int) -> int:
    """Pages: the last one of each window is half full on average."""
    by_job = sum(window.by == "jobs" for window in windows)
    share = by_job / len(windows) if windows else 0.0
    return (
        round(len(windows) + total * share / details_jobs.BATCH + total * (1 - share) / BATCH) + by_job * _JOB_OVERHEAD
    )


def _requests_to_search(sample: Sequence[Discovered], total: int) -> int:
    listed = [len(one.listed) for one in sample if one.listed is not None]
    return round(total * (1 + sum(listed) / len(listed)) / BATCH) if listed else 0
