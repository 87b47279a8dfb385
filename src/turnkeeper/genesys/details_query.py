"""Conversations by the details query, page by page, and by id, a hundred at a time.

The platform matches whole days: an interval within a day gives all that started on that day. It takes 31 days at most,
100 a page, and goes 100,000 results deep.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from turnkeeper.errors import Misconfigured, NotFound, Skippable
from turnkeeper.genesys.api import Api, Call
from turnkeeper.genesys.conversations import checked_id
from turnkeeper.genesys.details_page import Page, read_page
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval

__all__ = ["BATCH", "LONGEST_DAYS", "DetailsQuery", "asked"]

BATCH = 100
DEEPEST = 100_000
LONGEST_DAYS = 31
_HOME = "/api/v2/analytics/conversations/details"
# The platform's own words for going too deep.
_TOO_DEEP = "Pagination may not exceed"


class DetailsQuery:
    """The query and the read by ids of one client."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def pages(
        self, interval: Interval, wanted: Filters, *, descending: bool = False
    ) -> AsyncGenerator[Page, None]:
        """Pages in the order of the conversations' start, to the end or to the platform's depth.

        A conversation that begins while they are read may come twice. Raises what ``Api.fetch`` raises.
        """
        for number in range(1, DEEPEST // BATCH + 1):
            try:
                page = await self.page(interval, wanted, number=number, descending=descending)
            except Skippable as refused:
                if number > 1 and _TOO_DEEP in refused.message:
                    return
                raise
            yield page
            if len(page.conversations) < BATCH or (page.total is not None and number * BATCH >= page.total):
                return

    async def page(
        self, interval: Interval, wanted: Filters, *, number: int = 1, size: int = BATCH, descending: bool = False
    ) -> Page:
        """One page, counted from 1. Raises ``Misconfigured`` where a gateway offers no query."""
        body = asked(interval, wanted) | {
            "order": "desc" if descending else "asc",
            "paging": {"pageSize": size, "pageNumber": number},
        }
        try:
            return await self._fetch(Call("details query", f"{_HOME}/query", str(interval), method="POST", json=body))
        except NotFound as cause:
            raise Misconfigured(
                "conversations cannot be looked up here",
                operation=cause.operation,
                hint="A gateway may not offer the details query: name the conversations with --ids.",
            ) from cause

    async def several(self, ids: Sequence[str]) -> Page:
        """The conversations behind at most a hundred ids; those that the platform does not know are not among them."""
        listed = ",".join(checked_id(one) for one in ids)
        return await self._fetch(Call("details by id", _HOME, f"{len(ids)} ids", params=[("id", listed)]))

    async def _fetch(self, call: Call) -> Page:
        with await self._api.fetch(call) as body:
            return read_page(body, call.operation, call.key)


def asked(interval: Interval, wanted: Filters) -> dict[str, object]:
    """The part of a query's body that jobs share."""
    return {"interval": str(interval), "orderBy": "conversationStart", "order": "asc"} | wanted.query
