"""One page of conversations as the query, a job or a read by ids gives it: each conversation's own bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from turnkeeper.genesys.answers import read_answer
from turnkeeper.spool import Spool

__all__ = ["Page", "read_page"]


@dataclass(frozen=True)
class Page:
    """``conversations`` are elements exactly as they stood in the answer.

    ``total`` is how many the whole query has, ``cursor`` where a job goes on, ``available`` up to when the data lake is
    complete; each is None where the answer does not say.
    """

    conversations: tuple[bytes, ...]
    total: int | None = None
    cursor: str | None = None
    available: datetime | None = None


class _Answer(msgspec.Struct, rename="camel"):
    conversations: list[msgspec.Raw] | None = None
    total_hits: int | None = None
    cursor: str | None = None
    data_availability_date: datetime | None = None


_DECODER = msgspec.json.Decoder(_Answer)


def read_page(body: Spool, operation: str, key: str) -> Page:
    """The page in a body; raises what ``read_answer`` raises."""
    answer = read_answer(body, _DECODER, operation, key)
    # Where nothing matches, the list is absent.
    found = tuple(bytes(one) for one in answer.conversations or ())
    return Page(found, answer.total_hits, answer.cursor or None, _aware(answer.data_availability_date))


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
