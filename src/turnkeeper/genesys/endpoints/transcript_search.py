"""``POST /speechandtextanalytics/transcripts/search``: which communications have a transcript.

It is the one endpoint that lists them. Content is searchable for sixty days, and only the first thousand results of a
search can be paged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from turnkeeper.clock import Clock
from turnkeeper.errors import Denied, Skippable, Unavailable
from turnkeeper.events import Listener, Noted
from turnkeeper.genesys.api import Api, ApiCall
from turnkeeper.genesys.interval import Interval
from turnkeeper.payloads.decode_json import foreign_answer
from turnkeeper.payloads.transcript_search import SearchPage, read_search_page

__all__ = ["DEEPEST", "TranscriptListing", "TranscriptSearch"]

DEEPEST = 1000
BATCH = 100
SEARCHABLE = timedelta(days=60)
_SECOND = timedelta(seconds=1)
_UNLIMITED = 1 << 53
# A run may go on for years: a permission may be granted meanwhile, and a search that is down comes back.
_PAUSE_IF_REFUSED_S = 86_400.0
_PAUSE_IF_DOWN_S = 600.0
_GROWTH = 100
"""How many more transcripts may be listed between a request for an interval and those for its halves."""
_PATH = "/api/v2/speechandtextanalytics/transcripts/search"
_FORMAT = "yyyy-MM-dd'T'HH:mm:ss"


@dataclass
class TranscriptListing:
    """Maps a conversation to those of its communications that have a transcript.

    ``complete`` is False where not all could be read, because more began in one second than can be paged.
    """

    # Tuples, because a set of one element takes four times the memory, and a day may have many thousands.
    pairs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    complete: bool = True

    def of(self, conversation: str) -> frozenset[str]:
        return frozenset(self.pairs.get(conversation, ()))


class TranscriptSearch:
    """Searches by the start of conversations. Remembers for a day that the search is not available."""

    def __init__(self, api: Api, clock: Clock, listener: Listener) -> None:
        self._api = api
        self._clock = clock
        self._listener = listener
        self._paused_until = 0.0

    async def listed(self, interval: Interval, worth: int) -> TranscriptListing | None:
        """The transcripts of the conversations that began in an interval (to the second).

        None where they are not known: the interval is older than sixty days, the search is not offered, not permitted
        or down (which is noted once), or the answer would take more than ``worth`` requests.
        """
        paused = self._clock.monotonic() < self._paused_until
        if paused or interval.start < self._clock.now() - SEARCHABLE:
            return None
        listing = TranscriptListing()
        try:
            total = await self._collect(_whole_seconds(interval), listing, worth)
            return None if total is None else listing
        except (Denied, Skippable) as cause:
            self._pause(_PAUSE_IF_REFUSED_S, f"is not available here: {cause}")
        except Unavailable as cause:
            self._pause(_PAUSE_IF_DOWN_S, f"does not answer: {cause}")
        return None

    def _pause(self, seconds: float, why: str) -> None:
        """Send no search for a while. It only saves requests, and nothing depends on it."""
        self._paused_until = self._clock.monotonic() + seconds
        self._listener(Noted(note=f"likely legs are asked one by one, since transcripts/search {why}"))

    async def _collect(
        self, interval: Interval, listing: TranscriptListing, worth: int, most: int | None = None
    ) -> int | None:
        """Halve the interval until everything in it can be paged.

        Returns how many results the interval has; None where reading them takes more than ``worth`` requests. ``most``
        is how many it can have. Raises ``Unavailable`` where the platform says more, because halves that hold more than
        the whole would be halved for ever.
        """
        first = await self._search_page(interval, 1)
        if -(-first.total // BATCH) > worth:
            return None
        if most is not None and first.total > most + _GROWTH:
            raise foreign_answer("its totals do not get smaller", "transcript search", str(interval))
        if first.total > DEEPEST and interval.end - interval.start > _SECOND:
            middle = _middle(interval)
            # Both together hold what was accepted as worth reading, so neither half is refused by itself.
            early = await self._collect(Interval(interval.start, middle), listing, _UNLIMITED, first.total)
            await self._collect(Interval(middle, interval.end), listing, _UNLIMITED, first.total - (early or 0))
            return first.total
        pages = -(-min(first.total, DEEPEST) // BATCH)
        seen = _add_page(first, listing)
        for number in range(2, pages + 1):
            seen |= _add_page(await self._search_page(interval, number), listing)
        # Nothing promises that pages keep one order, so a result may move from a page not yet read to one that was.
        listing.complete = listing.complete and len(seen) >= first.total
        return first.total

    async def _search_page(self, interval: Interval, number: int) -> SearchPage:
        moments = {"startValue": _in_seconds(interval.start), "endValue": _in_seconds(interval.end)}
        between = {"type": "DATE_RANGE", "fields": ["conversationStartTime"], "dateFormat": _FORMAT} | moments
        request = {
            "types": ["transcripts"],
            "returnFields": ["conversationId", "communicationId"],
            "query": [between],
            "pageSize": BATCH,
            "pageNumber": number,
        }
        call = ApiCall("transcript search", _PATH, str(interval), method="POST", json=request)
        return await self._api.read(call, lambda body: read_search_page(body, call.operation, call.key))


def _add_page(page: SearchPage, listing: TranscriptListing) -> frozenset[tuple[str, str]]:
    """Add a page's pairs to the listing, and return them."""
    for conversation, communication in page.pairs:
        known = listing.pairs.get(conversation, ())
        if communication not in known:
            listing.pairs[conversation] = (*known, communication)
    return page.pairs


def _whole_seconds(interval: Interval) -> Interval:
    """The interval widened to whole seconds, because the search takes no fractions."""
    return Interval(interval.start.replace(microsecond=0), (interval.end + _SECOND).replace(microsecond=0))


def _middle(interval: Interval) -> datetime:
    return (interval.start + (interval.end - interval.start) / 2).replace(microsecond=0)


def _in_seconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")
