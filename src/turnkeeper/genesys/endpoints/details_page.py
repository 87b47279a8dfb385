"""One page of conversations as the query, a job or a read by ids gives it: each conversation's own bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import msgspec

from turnkeeper.genesys.withheld import clean_bytes
from turnkeeper.payloads.decode_json import not_the_platforms, read_answer
from turnkeeper.spool import Spool

__all__ = ["DetailsPage", "moment_in", "read_page", "read_results"]

_MOST = 1 << 53


@dataclass(frozen=True)
class DetailsPage:
    """``conversations`` are elements exactly as they stood in the answer, but for what opens something (see
    ``withheld``).

    ``total`` is how many the whole query has, ``cursor`` where a job goes on, ``available`` up to when the data lake is
    complete; each is None where the answer does not say, or says what cannot be. ``censored`` are those of the elements
    that something was withheld from.
    """

    conversations: tuple[bytes, ...]
    total: int | None = None
    cursor: str | None = None
    available: datetime | None = None
    censored: frozenset[bytes] = frozenset()

    @classmethod
    def of(cls, elements: Iterable[bytes], **said: Any) -> Self:
        """The page with these elements, as the platform sent them."""
        cleaned = [clean_bytes(one) for one in elements]
        censored = frozenset(kept for kept, withheld in cleaned if withheld)
        return cls(tuple(kept for kept, _ in cleaned), censored=censored, **said)


class _Answer(msgspec.Struct, rename="camel"):
    conversations: list[msgspec.Raw] | None = None
    total_hits: object = None
    cursor: str | None = None
    data_availability_date: object = None


_DECODER = msgspec.json.Decoder(_Answer)


def read_page(body: Spool, operation: str, key: str) -> DetailsPage:
    """The page in an answer of the query, or of the read by ids.

    Where nothing matches, the platform leaves the list out, and its total of 0 says so (vendor-facts C1). An answer
    with neither is none: raises ``Unavailable``, as for what is not JSON, and ``TooLarge``.
    """
    page, listed = _read(body, operation, key)
    if listed or page.total == 0:
        return page
    what = "the answer holds neither conversations nor a total of 0, so it does not say that there are none"
    raise not_the_platforms(what, operation, key)


def read_results(body: Spool, operation: str, key: str) -> DetailsPage:
    """The page in an answer of a job's results; raises as ``read_page``. It has no total, and names the data lake's
    date also where the list is left out."""
    page, listed = _read(body, operation, key)
    if listed or page.available is not None:
        return page
    what = "the answer holds neither conversations nor the data lake's date, so it does not say that there are none"
    raise not_the_platforms(what, operation, key)


def moment_in(value: object) -> datetime | None:
    """An ISO 8601 time, UTC where it does not say; None for anything else."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
    except ValueError:
        return None


def _read(body: Spool, operation: str, key: str) -> tuple[DetailsPage, bool]:
    """The page, and whether the answer holds a list."""
    answer = read_answer(body, _DECODER, operation, key)
    page = DetailsPage.of(
        map(bytes, answer.conversations or ()),
        total=_total(answer.total_hits),
        cursor=answer.cursor or None,
        available=moment_in(answer.data_availability_date),
    )
    return page, answer.conversations is not None


def _total(value: object) -> int | None:
    plain = isinstance(value, int) and not isinstance(value, bool)
    return value if plain and 0 <= value < _MOST else None  # type: ignore[return-value, operator]
