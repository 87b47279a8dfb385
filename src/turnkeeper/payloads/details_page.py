"""A page of conversations, as the details query, a job or a read by ids gives it: each conversation's own bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import msgspec

from turnkeeper.payloads.decode_json import foreign_answer, read_answer
from turnkeeper.payloads.document_secrets import without_secrets
from turnkeeper.payloads.times import datetime_of
from turnkeeper.spool import Spool

__all__ = ["DetailsPage", "read_page", "read_results"]

_LARGEST_TOTAL = 1 << 53


@dataclass(frozen=True)
class DetailsPage:
    """``conversations`` are the page's elements byte for byte, without secrets (see ``document_secrets``).

    ``total`` is how many conversations the whole query has, ``cursor`` where a job goes on, ``available`` up to when
    the data lake is complete. Each of these is None where the answer does not say it, or says something impossible.
    ``censored`` holds those of the elements from which something was removed.
    """

    conversations: tuple[bytes, ...]
    total: int | None = None
    cursor: str | None = None
    available: datetime | None = None
    censored: frozenset[bytes] = frozenset()

    @classmethod
    def of(cls, elements: Iterable[bytes], **facts: Any) -> Self:
        """Make a page of elements as the platform sent them; ``facts`` are the other fields."""
        cleaned = [without_secrets(element) for element in elements]
        censored = frozenset(clean for clean, removed in cleaned if removed)
        return cls(tuple(clean for clean, _ in cleaned), censored=censored, **facts)


class _Answer(msgspec.Struct, rename="camel"):
    conversations: list[msgspec.Raw] | None = None
    total_hits: object = None
    cursor: str | None = None
    data_availability_date: object = None


_ANSWER = msgspec.json.Decoder(_Answer)


def read_page(body: Spool, operation: str, key: str) -> DetailsPage:
    """Read a page of the details query, or of a read by ids.

    Where nothing matches, the platform leaves the list out and says a total of 0 (vendor-facts C1). Raises
    ``Unavailable`` for an answer with neither and for one that is not JSON, and ``TooLarge``.
    """
    page, has_list = _read_either(body, operation, key)
    if has_list or page.total == 0:
        return page
    what = "the answer holds neither conversations nor a total of 0, so it does not say that there are none"
    raise foreign_answer(what, operation, key)


def read_results(body: Spool, operation: str, key: str) -> DetailsPage:
    """Read a page of a job's results. Raises as ``read_page`` does.

    It has no total, and names the data lake's date also where the list is left out.
    """
    page, has_list = _read_either(body, operation, key)
    if has_list or page.available is not None:
        return page
    what = "the answer holds neither conversations nor the data lake's date, so it does not say that there are none"
    raise foreign_answer(what, operation, key)


def _read_either(body: Spool, operation: str, key: str) -> tuple[DetailsPage, bool]:
    """The page, and whether the answer holds a list."""
    answer = read_answer(body, _ANSWER, operation, key)
    page = DetailsPage.of(
        map(bytes, answer.conversations or ()),
        total=_plausible_total(answer.total_hits),
        cursor=answer.cursor or None,
        available=datetime_of(answer.data_availability_date),
    )
    return page, answer.conversations is not None


def _plausible_total(value: object) -> int | None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value < _LARGEST_TOTAL else None  # type: ignore[return-value, operator]
