"""List conversations, each once, with the transcripts that the platform lists for them."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice

from turnkeeper.clock import Clock
from turnkeeper.errors import Denied, Misconfigured, NotFound, Skippable, TurnkeeperError, Unavailable, Unread
from turnkeeper.events import Listener, Noted, silent
from turnkeeper.exporter.windows import By, Rules, Window, days, midnight, plan, wants_jobs
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.endpoints.details_query import BATCH
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval, moment_of
from turnkeeper.genesys.redaction import plain
from turnkeeper.ids import check_id, is_id
from turnkeeper.payloads.details import Details, conversation_id_in, read_details
from turnkeeper.payloads.details_page import DetailsPage

__all__ = [
    "Discovered",
    "ListingResult",
    "RejectedElement",
    "Unknown",
    "discover",
    "discover_ids",
    "discover_window",
    "planned",
    "read_elements",
    "with_listed",
]

# A page of the search costs as much as one ask without a result, so it is worth half a page of guesses.
_PAGES_WORTH = 2


@dataclass(frozen=True)
class Discovered:
    """One conversation. ``body`` is its element exactly as it stood in the platform's page. It is None where something
    was withheld from it: then the details are fetched again when it is archived, so that its manifest can say what.

    ``listed`` holds the communications that transcripts/search lists for it (none: it has no transcript yet); None
    where the search was not asked or cannot be.
    """

    conversation: str
    body: bytes | None
    details: Details
    listed: frozenset[str] | None = None

    @property
    def open(self) -> bool:
        """Whether it was still going on, or its end is not known yet: it is processed again later."""
        return self.details.end is None


@dataclass(frozen=True)
class RejectedElement:
    """An element of a listing that is no conversation: it has no id, or a malformed one.

    ``shown`` is the id as far as it can be shown, on one line.
    """

    shown: str
    reason: str


@dataclass
class ListingResult:
    """The result of listing one window, filled in while its conversations are read.

    ``distinct`` counts the conversations and rejected elements, each once; ``missing`` how many more the platform's own
    totals count. ``ended`` is True when everything was read.
    """

    distinct: int = 0
    missing: int = 0
    rejected: list[RejectedElement] = field(default_factory=list)
    ended: bool = False

    @property
    def proven(self) -> bool:
        """Whether the listing is as complete as the platform's totals say; otherwise it has to be done again."""
        return self.ended and not self.missing and not self.rejected


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
        except Unavailable:
            # The query gives the same, more slowly.
            if by == "jobs":
                raise
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
    for the ids of one window. Raises ``Denied`` naming the permission, and what ``Genesys`` raises.
    """
    for window in await planned(platform, interval, by=by, clock=clock, rules=rules):
        async with aclosing(discover_window(platform, window, wanted, listener=listener, rules=rules)) as found:
            async for one in found:
                yield one


def discover_window(
    platform: Genesys,
    window: Window,
    wanted: Filters,
    *,
    listener: Listener = silent,
    rules: Rules | None = None,
    result: ListingResult | None = None,
) -> AsyncGenerator[Discovered, None]:
    """The conversations of one window of a plan; see ``discover``. ``result`` says at the end whether they are all."""
    listing = _Listing(platform, wanted, listener, result or ListingResult())
    return listing.fresh(window, (rules or Rules()).job_margin)


async def discover_ids(
    platform: Genesys, ids: Iterable[str], *, listener: Listener = silent
) -> AsyncGenerator[Discovered | Unknown, None]:
    """The conversations behind ids, in their order, each once; a hundred a request.

    Raises ``Misconfigured`` for a malformed id, before anything is asked with it.
    """
    wanted = iter(dict.fromkeys(check_id(one) for one in ids))
    while batch := list(islice(wanted, BATCH)):
        elements, _ = read_elements(DetailsPage(await _elements_by_id(platform, batch)), listener)
        found = {one.conversation: one for one in await with_listed(platform, elements)}
        for conversation in batch:
            yield found.get(conversation) or Unknown(conversation)


async def _elements_by_id(platform: Genesys, ids: Sequence[str]) -> tuple[bytes, ...]:
    """The elements of these ids. An id that the platform does not accept must not cost the others theirs."""
    try:
        return (await platform.several(ids)).conversations
    except NotFound:
        # A gateway without analytics: it may still have their transcripts.
        return ()
    except Skippable:
        if len(ids) == 1:
            return ()
    # The whole request is refused, and nothing says because of which id.
    half = len(ids) // 2
    return await _elements_by_id(platform, ids[:half]) + await _elements_by_id(platform, ids[half:])


def _without_jobs(cause: TurnkeeperError) -> TurnkeeperError:
    if isinstance(cause, Denied):
        return cause
    return Misconfigured("jobs are not offered here", operation=cause.operation, hint="Leave out --by jobs.")


class _Listing:
    """The listing of one window: conversations page by page, compared with the platform's totals."""

    def __init__(self, platform: Genesys, wanted: Filters, listener: Listener, result: ListingResult) -> None:
        self._platform = platform
        self._filters = wanted
        self._listener = listener
        self._result = result
        self._seen: set[str] = set()

    async def fresh(self, window: Window, margin: timedelta) -> AsyncGenerator[Discovered, None]:
        """The conversations that started in the window, each once."""
        interval = window.interval
        pages = self._by_query(interval) if window.by == "query" else self._by_job(interval, margin)
        given: set[str] = set()
        async with aclosing(pages):
            async for found in pages:
                # A job that is started again, and the query for days that it did not reach, repeat conversations.
                fresh = [one for one in found if one.conversation not in given]
                given.update(one.conversation for one in fresh)
                # The query matches whole days and a job any activity, so both give conversations that started outside.
                inside = [one for one in fresh if _starts_in(one.details, interval)]
                for one in await with_listed(self._platform, inside):
                    yield one
        # Not reached where a page fails or the caller stops reading: then the window stays open.
        self._result.ended = True

    async def _by_query(self, day: Interval) -> AsyncGenerator[list[Discovered], None]:
        """All conversations of a day. Where the pages give fewer than the platform counts (because there are more than
        can be paged, or a page is short), the rest is read from the day's other end, and of a very full day by a job.

        A narrower interval would not help: the query matches whole days.
        """
        ids: set[str] = set()
        total: int | None = None
        paged = 0
        for descending in (False, True):
            async with aclosing(self._platform.conversations(day, self._filters, descending=descending)) as pages:
                async for page in pages:
                    # Counted in whole pages: pages that come short are no sign of a day too deep to page.
                    paged += BATCH
                    total = page.total if total is None else max(total, page.total or 0)
                    yield self._conversations_of_page(page, ids)
                    if descending and len(ids) >= (total or 0):
                        return
            if total is None or len(ids) >= total:
                return
        if total is not None and total > paged:
            async with aclosing(self._by_job_beyond_paging(day, total, ids)) as rest:
                async for found in rest:
                    yield found
        if total is not None and len(ids) < total:
            self._note_missing(day, total, len(ids))

    async def _by_job_beyond_paging(
        self, day: Interval, total: int, ids: set[str]
    ) -> AsyncGenerator[list[Discovered], None]:
        """A day with more than twice the query's depth: only a job goes that far, once the data lake holds the day."""
        available = None
        async with aclosing(self._platform.job(day, self._filters)) as pages:
            async for page in pages:
                available = page.available or available
                yield self._conversations_of_page(page, ids)
        if available is None or available < day.end:
            raise Unavailable(
                f"{total} conversations are more than the query can page, and jobs reach no further than {available}",
                operation="details query",
                key=str(day),
                hint="Run it again when the data lake holds the whole day, or narrow it (--queue, --media-type).",
            )

    async def _by_job(self, interval: Interval, margin: timedelta) -> AsyncGenerator[list[Discovered], None]:
        """All conversations of a job, and by query those of the days that turn out not to be in the data lake yet."""
        available = None
        ids: set[str] = set()
        async with aclosing(self._platform.job(interval, self._filters)) as pages:
            async for page in pages:
                available = page.available or available
                yield self._conversations_of_page(page, ids)
        # A job without a date proves nothing about how far it reaches, and jobs have no total: all days are queried.
        known = interval.start if available is None else midnight(available - margin)
        if known < interval.end:
            for day in days(Interval(max(known, interval.start), interval.end)):
                async with aclosing(self._by_query(day)) as rest:
                    async for found in rest:
                        yield found

    def _conversations_of_page(self, page: DetailsPage, ids: set[str]) -> list[Discovered]:
        """The conversations of a page. Their ids, and the keys of rejected elements, are added to ``ids``."""
        found, rejected = read_elements(page, self._listener)
        new = {one.conversation for one in found} | rejected.keys()
        ids |= new
        for key in rejected.keys() - self._seen:
            self._note_rejected(rejected[key])
        self._seen |= new
        self._result.distinct = len(self._seen)
        return found

    def _note_rejected(self, element: RejectedElement) -> None:
        self._result.rejected.append(element)
        self._listener(Noted(note=f"a conversation in the listing is refused: {element.reason} ({element.shown})"))

    def _note_missing(self, day: Interval, total: int, listed: int) -> None:
        self._result.missing += total - listed
        self._listener(
            Noted(
                note=f"the platform counts {total} conversations in {day} and gave {listed} of them: "
                "that day stays open, and the next run lists it again"
            )
        )


def read_elements(page: DetailsPage, listener: Listener) -> tuple[list[Discovered], dict[str, RejectedElement]]:
    """The conversations of a page, each once, and the elements that are none, each by a key of its own."""
    found: dict[str, Discovered] = {}
    rejected: dict[str, RejectedElement] = {}
    for body in page.conversations:
        details = _details_of_element(body, listener)
        if is_id(details.conversation):
            whole = None if body in page.censored else body
            found[details.conversation] = Discovered(details.conversation, whole, details)
        else:
            # The id itself is no key: it may have any length, and may be the same as another element's.
            key = f"\0{hashlib.sha256(body).hexdigest()}"
            rejected[key] = _rejected_element(details.conversation)
    return list(found.values()), rejected


def _details_of_element(body: bytes, listener: Listener) -> Details:
    """The details of one element. One that cannot be read is still a conversation whose bytes are archived, if it has
    an id."""
    try:
        return read_details(body)
    except Unread as cause:
        details = Details(conversation=conversation_id_in(body))
        if is_id(details.conversation):
            listener(Noted(conversation=details.conversation, note=f"its details cannot be read: {cause.message}"))
        return details


def _rejected_element(conversation: str) -> RejectedElement:
    if not conversation:
        return RejectedElement("without an id", "it does not say which conversation it is")
    return RejectedElement(plain(repr(conversation), 80), "its id is none, so it can be no key in an archive")


def _starts_in(details: Details, interval: Interval) -> bool:
    # Without a start nothing says that it lies outside, and leaving it out would lose it.
    return details.start is None or interval.holds(details.start)


async def with_listed(platform: Genesys, found: Sequence[Discovered]) -> Sequence[Discovered]:
    """The same conversations with what the search lists for them, where its answer is worth the requests."""
    starts = [one.details.start for one in found if one.details.start is not None]
    # An interval covers no conversation without a start. The search would seem to say that it has no transcript.
    if not starts or len(starts) < len(found):
        return found
    # The end of an interval is excluded, and the last start has to lie in it.
    span = Interval(moment_of(min(starts)), moment_of(max(starts)) + timedelta(milliseconds=1))
    listed = await platform.listed(span, worth=max(1, len(found) // _PAGES_WORTH))
    # What an incomplete answer lacks would count as not transcribed yet.
    if listed is None or not listed.complete:
        return found
    return [replace(one, listed=listed.of(one.conversation)) for one in found]
