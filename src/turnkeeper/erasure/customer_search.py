"""Find the archived conversations of a customer, by the analytics details that are archived with each conversation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Literal

import msgspec

from turnkeeper.archive import keys
from turnkeeper.errors import NotFound, Unread
from turnkeeper.payloads.customers import CustomerQuery, read_customers
from turnkeeper.storage.parallel import parallel_map
from turnkeeper.storage.store import Store

__all__ = ["CustomerMatch", "find_conversations"]

DETAILS = "_conversation"


class CustomerMatch(msgspec.Struct, frozen=True):
    """A conversation, and ``how`` it matches.

    ``found``: it is the customer's. ``similar``: it may be (the number is spelled differently, or in another place of
    the details). ``unsearched``: it has no details, or they cannot be read.
    """

    conversation: str
    how: Literal["found", "similar", "unsearched"]


def find_conversations(store: Store, query: CustomerQuery) -> Iterator[CustomerMatch]:
    """Search the details of every conversation, those of all its generations. One small request for each document.

    Conversations of other customers are not returned. Uses constant memory.
    """

    def search_one(conversation_details: tuple[str, list[str]]) -> CustomerMatch | None:
        return _search_details(store, query, *conversation_details)

    yield from (match for match in parallel_map(search_one, _details_by_conversation(store)) if match)


def _details_by_conversation(store: Store) -> Iterator[tuple[str, list[str]]]:
    """Each conversation that has raw inputs, with the keys of its details: none if it has no details."""
    parsed = (
        (*parts, key) for key in store.list("raw/") if (parts := keys.parse_raw(key)) and keys.conversation_of(key)
    )
    for conversation, group in groupby(parsed, key=lambda entry: entry[0]):
        yield conversation, [key for _, part, key in group if part == DETAILS]


def _search_details(store: Store, query: CustomerQuery, conversation: str, details: list[str]) -> CustomerMatch | None:
    searched = similar = False
    for key in details:
        try:
            customers = read_customers(store.get(key))
        except (NotFound, Unread):
            continue
        searched = True
        if query.is_in(customers):
            return CustomerMatch(conversation, "found")
        similar = similar or query.resembles(customers)
    if similar:
        return CustomerMatch(conversation, "similar")
    return None if searched else CustomerMatch(conversation, "unsearched")
