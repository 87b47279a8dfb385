"""``POST /analytics/conversations/details/query``: the conversations of an interval, page by page.

The platform matches whole days: an interval within a day gives all conversations that started on that day. It accepts
31 days and 100 conversations a page at most, and pages no further than 100,000 results.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from turnkeeper.errors import Misconfigured, NotFound, Skippable
from turnkeeper.genesys.api import Api, ApiCall
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval
from turnkeeper.payloads.decode_json import LARGEST, foreign_answer
from turnkeeper.payloads.details_page import DetailsPage, read_page

__all__ = ["BATCH", "LONGEST_DAYS", "DetailsQuery", "interval_query"]

BATCH = 100
DEEPEST = 100_000
LONGEST_DAYS = 31
_HOME = "/api/v2/analytics/conversations/details"
# The platform's own words for a page beyond DEEPEST. It has no error code of its own for that.
_TOO_DEEP = "Pagination may not exceed"


class DetailsQuery:
    """Sends the details query."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def pages(
        self, interval: Interval, filters: Filters, *, descending: bool = False
    ) -> AsyncGenerator[DetailsPage, None]:
        """Pages in the order of the conversations' start, to the end or to the platform's depth.

        The last page is the one that reaches the largest total that any page named; without a total, it is the first
        page that is not full. A page may hold fewer than it should, and a conversation that begins meanwhile may move
        to the next page and come twice. A caller that needs all of them compares the number of distinct ones with the
        total.

        Raises what ``Api.fetch`` raises, and ``Unavailable`` where the same page comes again.
        """
        total: int | None = None
        last: tuple[bytes, ...] = ()
        for number in range(1, DEEPEST // BATCH + 1):
            try:
                page = await self.page(interval, filters, number=number, descending=descending)
            except Skippable as cause:
                if number > 1 and _TOO_DEEP in cause.message:
                    return
                raise
            # A server that ignores the page's number gives the same page for ever.
            if page.conversations and page.conversations == last:
                raise foreign_answer("the same page came twice", "details query", str(interval))
            last = page.conversations
            yield page
            # Conversations begin while pages are read, so a later total may be larger.
            total = page.total if total is None else max(total, page.total or 0)
            if number * BATCH >= total if total is not None else len(page.conversations) < BATCH:
                return

    async def page(
        self, interval: Interval, filters: Filters, *, number: int = 1, size: int = BATCH, descending: bool = False
    ) -> DetailsPage:
        """One page, counted from 1. Raises ``Misconfigured`` where a gateway offers no query."""
        body = interval_query(interval, filters) | {
            "order": "desc" if descending else "asc",
            "paging": {"pageSize": size, "pageNumber": number},
        }
        call = ApiCall("details query", f"{_HOME}/query", str(interval), method="POST", json=body, limit=LARGEST)
        try:
            return await self._api.read(call, lambda body: read_page(body, call.operation, call.key))
        except NotFound as cause:
            raise Misconfigured(
                "conversations cannot be looked up here",
                operation=cause.operation,
                hint="A gateway may not offer the details query: name the conversations with --ids.",
            ) from cause


def interval_query(interval: Interval, filters: Filters) -> dict[str, object]:
    """The part of a request's body that the query and the jobs share."""
    return {"interval": str(interval), "orderBy": "conversationStart", "order": "asc"} | filters.query
