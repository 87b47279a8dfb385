"""The transcript search: the one endpoint that lists which communications have a transcript.

Content is searchable for sixty days; of each search only the first thousand results can be paged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from turnkeeper.clock import Clock
from turnkeeper.errors import Denied, Skippable, Unavailable
from turnkeeper.events import Listener, Noted
from turnkeeper.genesys.api import Api, ApiCall
from turnkeeper.genesys.interval import Interval
from turnkeeper.payloads.decode_json import not_the_platforms, read_answer
from turnkeeper.spool import Spool

__all__ = ["DEEPEST", "ListedTranscript", "Search"]

DEEPEST = 1000
BATCH = 100
SEARCHABLE = timedelta(days=60)
_SECOND = timedelta(seconds=1)
_ANY = 1 << 53
# A permission may be granted while a run goes on for years; a search that is down comes back.
_ASK_AGAIN = 86_400.0
_REST = 600.0
_GROWTH = 100
"""So many more may be listed between a look at the whole and one at its halves."""
_PATH = "/api/v2/speechandtextanalytics/transcripts/search"
_FORMAT = "yyyy-MM-dd'T'HH:mm:ss"


@dataclass
class ListedTranscript:
    """conversation -> its communications that have a transcript.

    ``complete`` is False where not all could be read: more began in one second than the platform lets anybody page.
    """

    # Tuples: a set of one takes four times as much, and there are days of many thousands.
    pairs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    complete: bool = True

    def of(self, conversation: str) -> frozenset[str]:
        return frozenset(self.pairs.get(conversation, ()))


class _Row(msgspec.Struct, rename="camel"):
    conversation_id: str | None = None
    communication_id: str | None = None


class _Answer(msgspec.Struct):
    total: int = -1
    results: list[_Row] | None = None


_DECODER = msgspec.json.Decoder(_Answer)


class Search:
    """Searches by the start of conversations. Remembers for a day that it is not offered."""

    def __init__(self, api: Api, clock: Clock, listener: Listener) -> None:
        self._api = api
        self._clock = clock
        self._listener = listener
        self._rests_until = 0.0

    async def listed(self, interval: Interval, worth: int) -> ListedTranscript | None:
        """What is listed of the conversations that began in an interval (to the second).

        None where it is not known: the interval is older than sixty days, the search is not offered, not permitted or
        down (said once), or the answer would take more than ``worth`` requests.
        """
        resting = self._clock.monotonic() < self._rests_until
        if resting or interval.start < self._clock.now() - SEARCHABLE:
            return None
        found = ListedTranscript()
        try:
            whole = await self._collect(_whole_seconds(interval), found, worth)
            return None if whole is None else found
        except (Denied, Skippable) as cause:
            self._rest(_ASK_AGAIN, f"is not available here: {cause}")
        except Unavailable as cause:
            self._rest(_REST, f"does not answer: {cause}")
        return None

    def _rest(self, seconds: float, why: str) -> None:
        """Do without it for a while: what it saves is requests, and nothing depends on it."""
        self._rests_until = self._clock.monotonic() + seconds
        self._listener(Noted(note=f"likely legs are asked one by one, since transcripts/search {why}"))

    async def _collect(
        self, interval: Interval, found: ListedTranscript, worth: int, most: int | None = None
    ) -> int | None:
        """Halves the interval until everything in it can be paged: how many it has; None where that is not worth it.

        ``most`` is how many it can have. Raises ``Unavailable`` where it says more: halves that hold more than the
        whole would be halved for ever.
        """
        first = await self._page(interval, 1)
        if -(-first.total // BATCH) > worth:
            return None
        if most is not None and first.total > most + _GROWTH:
            raise not_the_platforms("its totals do not get smaller", "transcript search", str(interval))
        if first.total > DEEPEST and interval.end - interval.start > _SECOND:
            middle = _middle(interval)
            # Together they hold what was promised to be worth it; neither is refused on its own.
            early = await self._collect(Interval(interval.start, middle), found, _ANY, first.total)
            await self._collect(Interval(middle, interval.end), found, _ANY, first.total - (early or 0))
            return first.total
        pages = -(-min(first.total, DEEPEST) // BATCH)
        seen = _add(first, found)
        for number in range(2, pages + 1):
            seen |= _add(await self._page(interval, number), found)
        # Nothing promises that pages come in one order: a pair that slid from one to another was not seen.
        found.complete = found.complete and len(seen) >= first.total
        return first.total

    async def _page(self, interval: Interval, number: int) -> _Answer:
        moments = {"startValue": _written(interval.start), "endValue": _written(interval.end)}
        between = {"type": "DATE_RANGE", "fields": ["conversationStartTime"], "dateFormat": _FORMAT} | moments
        asked = {
            "types": ["transcripts"],
            "returnFields": ["conversationId", "communicationId"],
            "query": [between],
            "pageSize": BATCH,
            "pageNumber": number,
        }
        call = ApiCall("transcript search", _PATH, str(interval), method="POST", json=asked)

        def read(body: Spool) -> _Answer:
            found = read_answer(body, _DECODER, call.operation, call.key)
            if found.total < 0 or (found.total and found.results is None):
                raise not_the_platforms("the answer holds no total, or no results", call.operation, call.key)
            return found

        return await self._api.read(call, read)


def _add(answer: _Answer, found: ListedTranscript) -> set[tuple[str, str]]:
    """The pairs of one page, noted."""
    rows = {(one.conversation_id or "", one.communication_id or "") for one in answer.results or ()}
    for conversation, communication in rows:
        known = found.pairs.get(conversation, ())
        if communication not in known:
            found.pairs[conversation] = (*known, communication)
    return rows


def _whole_seconds(interval: Interval) -> Interval:
    """The same, out to whole seconds: the search is asked in seconds."""
    return Interval(interval.start.replace(microsecond=0), (interval.end + _SECOND).replace(microsecond=0))


def _middle(interval: Interval) -> datetime:
    return (interval.start + (interval.end - interval.start) / 2).replace(microsecond=0)


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")
