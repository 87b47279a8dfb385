"""Conversations by the details query, page by page, and by id, a hundred at a time.

The platform matches whole days: an interval within a day gives all that started on that day. It takes 31 days at most,
100 a page, and goes 100,000 results deep.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from turnkeeper.errors import Misconfigured, NotFound, Skippable
from turnkeeper.genesys.api import Api, ApiCall
from turnkeeper.genesys.endpoints.conversations import checked_id
from turnkeeper.genesys.endpoints.details_page import DetailsPage, read_page
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval
from turnkeeper.payloads.decode_json import LARGEST, not_the_platforms
from turnkeeper.spool import Spool

__all__ = ["BATCH", "LONGEST_DAYS", "DetailsQuery", "asked"]

BATCH = 100
DEEPEST = 100_000
LONGEST_DAYS = 31
_HOME = "/api/v2/analytics/conversations/details"
_EMPTY = 16
# The platform's own words for going too deep.
_TOO_DEEP = "Pagination may not exceed"


class DetailsQuery:
    """The query and the read by ids of one client."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def pages(
        self, interval: Interval, wanted: Filters, *, descending: bool = False
    ) -> AsyncGenerator[DetailsPage, None]:
        """Pages in the order of the conversations' start, to the end or to the platform's depth.

        The end is where as many were asked for as the largest total that any page named; without a total, a page that
        is not full. A page may come short, and a conversation that begins while they are read may come twice: whoever
        needs them all holds the distinct ones against the total. Raises what ``Api.fetch`` raises, and ``Unavailable``
        where the same page comes again.
        """
        total: int | None = None
        last: tuple[bytes, ...] = ()
        for number in range(1, DEEPEST // BATCH + 1):
            try:
                page = await self.page(interval, wanted, number=number, descending=descending)
            except Skippable as refused:
                if number > 1 and _TOO_DEEP in refused.message:
                    return
                raise
            if page.conversations and page.conversations == last:
                raise not_the_platforms("the same page came twice", "details query", str(interval))
            last = page.conversations
            yield page
            total = page.total if total is None else max(total, page.total or 0)
            if number * BATCH >= total if total is not None else len(page.conversations) < BATCH:
                return

    async def page(
        self, interval: Interval, wanted: Filters, *, number: int = 1, size: int = BATCH, descending: bool = False
    ) -> DetailsPage:
        """One page, counted from 1. Raises ``Misconfigured`` where a gateway offers no query."""
        body = asked(interval, wanted) | {
            "order": "desc" if descending else "asc",
            "paging": {"pageSize": size, "pageNumber": number},
        }
        call = ApiCall("details query", f"{_HOME}/query", str(interval), method="POST", json=body, limit=LARGEST)
        try:
            return await self._fetch(call)
        except NotFound as cause:
            raise Misconfigured(
                "conversations cannot be looked up here",
                operation=cause.operation,
                hint="A gateway may not offer the details query: name the conversations with --ids.",
            ) from cause

    async def several(self, ids: Sequence[str]) -> DetailsPage:
        """The conversations behind at most a hundred ids; those that the platform does not know are not among them.

        An answer without a list may be how the platform says that it knows none of them, or nothing at all: then each
        is asked for by itself, where only a 404 says that it is not known.
        """
        listed = ",".join(checked_id(one) for one in ids)
        call = ApiCall("details by id", _HOME, f"{len(ids)} ids", params=[("id", listed)], limit=LARGEST)
        found = await self._api.read(call, lambda body: _read_or_empty(body, call))
        return DetailsPage.of([one for name in ids for one in await self._single(name)]) if found is None else found

    async def _single(self, conversation: str) -> list[bytes]:
        call = ApiCall("details", f"/api/v2/analytics/conversations/{conversation}/details", conversation)
        try:
            with await self._api.fetch(call) as body, body.open() as reader:
                return [reader.read()]
        except NotFound:
            return []

    async def _fetch(self, call: ApiCall) -> DetailsPage:
        return await self._api.read(call, lambda body: read_page(body, call.operation, call.key))


def _read_or_empty(body: Spool, call: ApiCall) -> DetailsPage | None:
    """The page in an answer; None for an object without anything in it."""
    if body.size <= _EMPTY:
        with body.open() as reader:
            if not reader.read().strip(b"{} \t\r\n"):
                return None
    return read_page(body, call.operation, call.key)


def asked(interval: Interval, wanted: Filters) -> dict[str, object]:
    """The part of a query's body that jobs share."""
    return {"interval": str(interval), "orderBy": "conversationStart", "order": "asc"} | wanted.query
