"""A page of ``transcripts/search``: which communications have a transcript."""

from __future__ import annotations

import msgspec

from turnkeeper.payloads.decode_json import foreign_answer, read_answer
from turnkeeper.spool import Spool

__all__ = ["SearchPage", "read_search_page"]


class SearchPage(msgspec.Struct, frozen=True):
    """``total`` is how many results the whole search has; ``pairs`` are (conversation, communication) of this page."""

    total: int
    pairs: frozenset[tuple[str, str]]


class _Result(msgspec.Struct, rename="camel"):
    conversation_id: str | None = None
    communication_id: str | None = None


class _Answer(msgspec.Struct):
    total: int = -1
    results: list[_Result] | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


def read_search_page(body: Spool, operation: str, key: str) -> SearchPage:
    """Read one page. Raises ``Unavailable`` where it has no total, or a total and no results."""
    answer = read_answer(body, _ANSWER, operation, key)
    if answer.total < 0 or (answer.total and answer.results is None):
        raise foreign_answer("the answer holds no total, or no results", operation, key)
    pairs = ((result.conversation_id or "", result.communication_id or "") for result in answer.results or ())
    return SearchPage(answer.total, frozenset(pairs))
