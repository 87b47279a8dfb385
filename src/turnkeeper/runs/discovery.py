"""Which conversations there are, each once, with what is known of their transcripts before anything is asked for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice

import msgspec

from turnkeeper.clock import Clock
from turnkeeper.errors import Denied, Misconfigured, NotFound, Skippable, TurnkeeperError, Unavailable, Unread
from turnkeeper.events import Listener, Noted, silent
from turnkeeper.genesys.conversations import checked_id
from turnkeeper.genesys.details_page import Page
from turnkeeper.genesys.details_query import BATCH
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval, moment_of
from turnkeeper.genesys.platform import Genesys
from turnkeeper.runs.windows import By, Rules, Window, days, midnight, plan, wants_jobs
from turnkeeper.transcript.details import Details, read_details

__all__ = [
    "Discovered",
    "Unknown",
    "discover",
    "discover_ids",
    "discover_window",
    "planned",
    "read_elements",
    "with_listed",
]

# A search page costs as much as asking one communication for nothing, so it is worth half a page of guesses.
_WORTH = 2


@dataclass(frozen=True)
class Discovered:
    """One conversation. ``body`` is its element exactly as it stood in the platform's page.

    ``listed`` holds the communications that transcripts/search lists for it (none: it has no transcript yet); None
    where the search was not asked or cannot be.
    """

    conversation: str
    body: bytes
    details: Details
    listed: frozenset[str] | None = None

    @property
    def open(self) -> bool:
        """Whether it was still going on (or its end is not known yet): to be visited again."""
        return self.details.end is None


@dataclass(frozen=True)
class Unknown:
    """An id that analytics does not know: mistyped, deleted, in a division this client may not see, or on a gateway
    without analytics."""

    conversation: str


async def planned(
    platform: Genesys, interval: Interval, *, by: By = "auto", clock: Clock, rules: Rules | None = None
) -> list[Window]:
    """The windows of a range, oldest first. Asks for the availability date where jobs may be used.

    Where jobs are not offered or not permitted, ``auto`` goes without; ``jobs`` raises ``Denied`` or ``Misconfigured``.
    """
    available = None
    if wants_jobs(interval, by, rules):
        try:
            available = await platform.available()
        except (Denied, Skippable) as cause:
            if by == "jobs":
                raise _without_jobs(cause) from cause
    return list(plan(interval, clock.now(), by=by, available=available, rules=rules))


async def discover(
    platform: Genesys,
    interval: Interval,
    wanted: Filters,
    *,
    by: By = "auto",
    clock: Clock,
    listener: Listener = silent,
    rules: Rules | None = None,
) -> AsyncGenerator[Discovered, None]:
    """The conversations that started in the interval and pass the filters; each once, oldest window first.

    ``by`` is ``query``, ``jobs`` (as far as the data lake reaches, the query after it) or ``auto``. Constant memory but
    for the ids of one window. Raises ``Denied`` naming the permission, and what the platform's door raises.
    """
    for window in await planned(platform, interval, by=by, clock=clock, rules=rules):
        async with aclosing(discover_window(platform, window, wanted, listener=listener, rules=rules)) as found:
            async for one in found:
                yield one


def discover_window(
    platform: Genesys, window: Window, wanted: Filters, *, listener: Listener = silent, rules: Rules | None = None
) -> AsyncGenerator[Discovered, None]:
    """The conversations of one window of a plan; see ``discover``."""
    return _fresh(platform, _pages(platform, window, wanted, rules or Rules()), window.interval, listener)


async def discover_ids(
    platform: Genesys, ids: Iterable[str], *, listener: Listener = silent
) -> AsyncGenerator[Discovered | Unknown, None]:
    """The conversations behind ids, in their order, each once; a hundred a request.

    Raises ``Misconfigured`` for a malformed id, before anything is asked with it.
    """
    wanted = iter(dict.fromkeys(checked_id(one) for one in ids))
    while batch := list(islice(wanted, BATCH)):
        elements = read_elements(Page(await _several(platform, batch)), listener)
        found = {one.conversation: one for one in await with_listed(platform, elements)}
        for conversation in batch:
            yield found.get(conversation) or Unknown(conversation)


async def _several(platform: Genesys, ids: Sequence[str]) -> tuple[bytes, ...]:
    """The elements behind ids. An id that the platform does not accept must not cost the others theirs."""
    try:
        return (await platform.several(ids)).conversations
    except NotFound:
        # A gateway without analytics: it may still have their transcripts.
        return ()
    except Skippable:
        if len(ids) == 1:
            return ()
    half = len(ids) // 2
    return await _several(platform, ids[:half]) + await _several(platform, ids[half:])


def _without_jobs(cause: TurnkeeperError) -> TurnkeeperError:
    if isinstance(cause, Denied):
        return cause
    return Misconfigured("jobs are not offered here", operation=cause.operation, hint="Leave out --by jobs.")


async def _fresh(
    platform: Genesys, pages: AsyncGenerator[Page, None], interval: Interval, listener: Listener
) -> AsyncGenerator[Discovered, None]:
    """What the pages of one window hold, each once, without what started outside it."""
    seen: set[str] = set()
    async with aclosing(pages):
        async for page in pages:
            fresh = [one for one in read_elements(page, listener) if one.conversation not in seen]
            seen.update(one.conversation for one in fresh)
            inside = [one for one in fresh if _starts_in(one.details, interval)]
            for one in await with_listed(platform, inside):
                yield one


def _pages(platform: Genesys, window: Window, wanted: Filters, rules: Rules) -> AsyncGenerator[Page, None]:
    if window.by == "query":
        return _by_query(platform, window.interval, wanted)
    return _by_job(platform, window.interval, wanted, rules.job_margin)


async def _by_query(platform: Genesys, day: Interval, wanted: Filters) -> AsyncGenerator[Page, None]:
    """All pages of a day. Where it has more than can be paged, the rest is read from its other end, or by a job.

    A narrower interval would not help: the query matches whole days.
    """
    reached, total = 0, None
    async with aclosing(platform.conversations(day, wanted)) as pages:
        async for page in pages:
            reached, total = reached + len(page.conversations), page.total
            yield page
    if total is None or reached >= total:
        return
    async with aclosing(platform.conversations(day, wanted, descending=True)) as pages:
        async for page in pages:
            reached += len(page.conversations)
            yield page
            if reached >= (page.total or 0):
                return
    async with aclosing(_beyond(platform, day, wanted, total)) as rest:
        async for page in rest:
            yield page


async def _beyond(platform: Genesys, day: Interval, wanted: Filters, total: int) -> AsyncGenerator[Page, None]:
    """A day with more than twice the query's depth: only a job goes that far, once the data lake holds the day."""
    available = None
    async with aclosing(platform.job(day, wanted)) as pages:
        async for page in pages:
            available = page.available or available
            yield page
    if available is None or available < day.end:
        raise Unavailable(
            f"{total} conversations are more than the query can page, and jobs reach no further than {available}",
            operation="details query",
            key=str(day),
            hint="Run it again when the data lake holds the whole day, or narrow it (--queue, --media-type).",
        )


async def _by_job(
    platform: Genesys, interval: Interval, wanted: Filters, margin: timedelta
) -> AsyncGenerator[Page, None]:
    """All pages of a job, and of the query for the days that turn out not to be in the data lake yet."""
    available = None
    async with aclosing(platform.job(interval, wanted)) as pages:
        async for page in pages:
            available = page.available or available
            yield page
    known = interval.end if available is None else midnight(available - margin)
    if known < interval.end:
        for day in days(Interval(max(known, interval.start), interval.end)):
            async with aclosing(_by_query(platform, day, wanted)) as rest:
                async for page in rest:
                    yield page


def read_elements(page: Page, listener: Listener) -> list[Discovered]:
    """A page's conversations, each once."""
    found = (_read(body, listener) for body in page.conversations)
    return list({one.conversation: one for one in found}.values())


def _read(body: bytes, listener: Listener) -> Discovered:
    """One element understood; what cannot be read is still a conversation whose bytes are kept."""
    try:
        details = read_details(body)
    except Unread as cause:
        details = _barely(body)
        listener(Noted(conversation=details.conversation, note=f"its details cannot be read: {cause.message}"))
    return Discovered(details.conversation, body, details)


class _Bare(msgspec.Struct, rename="camel"):
    conversation_id: str


_BARE = msgspec.json.Decoder(_Bare)


def _barely(body: bytes) -> Details:
    try:
        return Details(conversation=_BARE.decode(body).conversation_id)
    except msgspec.DecodeError:
        raise Unavailable("a conversation without an id", operation="details query") from None


def _starts_in(details: Details, interval: Interval) -> bool:
    return details.start is None or interval.holds(details.start)


async def with_listed(platform: Genesys, found: Sequence[Discovered]) -> Sequence[Discovered]:
    """The same with what the search says of them, where it says anything and the answer is worth its requests."""
    starts = [one.details.start for one in found if one.details.start is not None]
    if not starts or len(starts) < len(found):
        return found
    span = Interval(moment_of(min(starts)), moment_of(max(starts)) + timedelta(milliseconds=1))
    listed = await platform.listed(span, worth=max(1, len(found) // _WORTH))
    if listed is None or not listed.complete:
        return found
    return [replace(one, listed=listed.of(one.conversation)) for one in found]
