"""Which archived conversations are a customer's: found in their analytics details, kept beside every call."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Literal

import msgspec

from turnkeeper.archive import keys
from turnkeeper.errors import NotFound, Unread
from turnkeeper.payloads.customers import CustomerQuery, read_customers
from turnkeeper.storage.contract import Store
from turnkeeper.storage.parallel import each

__all__ = ["Match", "find"]

DETAILS = "_conversation"


class Match(msgspec.Struct, frozen=True):
    """``found``: the customer's. ``similar``: perhaps (the number in another spelling or another place).
    ``unsearched``: there are no details to look into, or they cannot be read.
    """

    conversation: str
    how: Literal["found", "similar", "unsearched"]


def find(store: Store, wanted: CustomerQuery) -> Iterator[Match]:
    """Look through every conversation's details, all generations of them. One small request for each.

    Conversations that are somebody else's are not named. Memory stays constant.
    """

    def look(group: tuple[str, list[str]]) -> Match | None:
        conversation, details = group
        return _look(store, wanted, conversation, details)

    yield from (match for match in each(look, _details(store)) if match)


def _details(store: Store) -> Iterator[tuple[str, list[str]]]:
    placed = (
        (*found, key) for key in store.list("raw/") if (found := keys.parse_raw(key)) and keys.conversation_of(key)
    )
    for conversation, group in groupby(placed, key=lambda one: one[0]):
        yield conversation, [key for _, part, key in group if part == DETAILS]


def _look(store: Store, wanted: CustomerQuery, conversation: str, details: list[str]) -> Match | None:
    searched = similar = False
    for key in details:
        try:
            customers = read_customers(store.get(key))
        except (NotFound, Unread):
            continue
        searched = True
        if wanted.is_in(customers):
            return Match(conversation, "found")
        similar = similar or wanted.resembles(customers)
    if similar:
        return Match(conversation, "similar")
    return None if searched else Match(conversation, "unsearched")
