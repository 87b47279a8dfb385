"""The details query: parse a request body, check the platform's limits, match conversation details."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from turnkeeper.simulator import api_errors
from turnkeeper.simulator.clock import from_iso

Json = dict[str, Any]

_LONGEST_MS = 31 * 86_400_000
DEEPEST = 100_000
"""The number of results that can be paged."""
_FILTERS = ("segmentFilters", "conversationFilters")


@dataclass(frozen=True, slots=True)
class Query:
    """A details query that the platform would accept."""

    start_ms: int
    end_ms: int
    page_size: int
    page_number: int
    descending: bool
    segment_filters: str
    conversation_filters: str

    @property
    def days(self) -> tuple[date, date]:
        """First and last day of the interval. The platform matches whole days."""
        last = max(self.start_ms, self.end_ms - 1)
        return _day(self.start_ms), _day(last)

    @property
    def filtered(self) -> bool:
        """Whether anything but the interval decides."""
        return self.segment_filters != "[]" or self.conversation_filters != "[]"

    def page(self, found: range | list[int]) -> list[int]:
        """The indices on the page asked for."""
        ordered = found[::-1] if self.descending else found
        first = (self.page_number - 1) * self.page_size
        return list(ordered[first : first + self.page_size])

    def matches(self, details: Json) -> bool:
        """Whether a conversation passes both blocks of filters."""
        in_conversation = _parse_filters(self.conversation_filters)
        in_segments = _parse_filters(self.segment_filters)
        if not all(_filter_holds(block, details.get) for block in in_conversation):
            return False
        return not in_segments or any(
            all(_filter_holds(b, row.get) for b in in_segments) for row in _segment_rows(details)
        )


def read(body: Any, *, paged: bool = True, deepest: int = DEEPEST) -> Query:
    """Parse the query in a request body. Raises ``ApiError`` as the platform refuses it."""
    if not isinstance(body, dict):
        raise api_errors.malformed("The request could not be understood by the server due to malformed syntax.")
    start, end = _read_interval(body.get("interval"))
    if paged and end - start > _LONGEST_MS:
        raise api_errors.interval_too_long()
    paging = body.get("paging") or {}
    size, number = paging.get("pageSize", 25), paging.get("pageNumber", 1)
    if not (isinstance(size, int) and 1 <= size <= 100 and isinstance(number, int) and number >= 1):
        raise api_errors.malformed("pageSize must be between 1 and 100, pageNumber at least 1.", "invalid.value")
    if size * number > deepest:
        raise api_errors.too_deep(deepest)
    order = body.get("order", "asc")
    if order not in ("asc", "desc", "unordered"):
        raise api_errors.malformed(f"Unknown order: {order}", "invalid.value")
    segments, whole = (json.dumps(body.get(name) or [], sort_keys=True) for name in _FILTERS)
    return Query(start, end, size, number, order == "desc", segments, whole)


def _read_interval(text: object) -> tuple[int, int]:
    if not isinstance(text, str) or "/" not in text:
        raise api_errors.interval_too_long()
    first, _, last = text.partition("/")
    try:
        start, end = from_iso(first), from_iso(last)
    except ValueError:
        raise api_errors.malformed(f"Invalid interval: {text}", "invalid.date") from None
    if end < start:
        raise api_errors.malformed(f"The interval ends before it starts: {text}", "invalid.date")
    return start, end


def _day(epoch_ms: int) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=epoch_ms)).date()


@lru_cache(64)
def _parse_filters(text: str) -> Any:
    return json.loads(text)


def _segment_rows(details: Json) -> Iterator[Json]:
    """One row per segment, with what its session and participant say."""
    for participant in details["participants"]:
        for session in participant["sessions"]:
            for segment in session["segments"]:
                yield {**details, **participant, **session, **segment}


def _filter_holds(block: Json, value_of: Callable[[str], Any]) -> bool:
    """Whether a filter (or a clause of one) holds for a row."""
    parts = [_predicate_holds(one, value_of) for one in block.get("predicates") or []]
    parts += [_filter_holds(clause, value_of) for clause in block.get("clauses") or []]
    if not parts:
        return True
    return any(parts) if str(block.get("type", "and")).lower() == "or" else all(parts)


def _predicate_holds(predicate: Json, value_of: Callable[[str], Any]) -> bool:
    dimension = predicate.get("dimension") or predicate.get("metric") or predicate.get("property")
    if not dimension:
        raise api_errors.malformed("A predicate needs a dimension, a metric or a property.", "invalid.value")
    found = value_of("divisionIds" if dimension == "divisionId" else str(dimension))
    operator = predicate.get("operator", "matches")
    if operator == "exists":
        return found is not None
    if operator == "notExists":
        return found is None
    if "range" in predicate:
        return found is not None and _in_range(found, predicate["range"])
    wanted = str(predicate.get("value", "")).lower()
    listed = found if isinstance(found, list) else [found]
    return any(value is not None and str(value).lower() == wanted for value in listed)


def _in_range(found: Any, bounds: Json) -> bool:
    checks = {
        "gt": lambda limit: found > limit,
        "gte": lambda limit: found >= limit,
        "lt": lambda limit: found < limit,
        "lte": lambda limit: found <= limit,
    }
    return all(checks[name](type(found)(limit)) for name, limit in bounds.items() if limit is not None)
