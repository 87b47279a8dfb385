"""The conversation's details as an input: which answer is worth keeping, and what the one that holds says. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from turnkeeper.archive import inputs
from turnkeeper.archive.manifest import Input
from turnkeeper.errors import Unread
from turnkeeper.payloads.customers import read_customers
from turnkeeper.payloads.details import Details, read_details
from turnkeeper.spool import Source

__all__ = ["known_details", "without_known_details"]


def without_known_details(
    arrived: Mapping[Input, Source], earlier: Sequence[Input], back: inputs.Back, details: Details | None = None
) -> dict[Input, Source]:
    """The bodies that arrived, without details that say the same as the archived ones.

    The platform gives the same conversation as a document of its own, as an element of a query and as a row of a job,
    with other bytes each time. They are compared by everything that is read from them. ``details`` is what the body
    that arrived says, where it was parsed already.
    """
    now = _details_of(arrived)
    known = _details_of(earlier)
    if now is None or known is None or now == known:
        return dict(arrived)
    try:
        same = _facts(arrived[now], details) == _facts(back(known))
    except Unread:
        same = False  # one of them cannot be read: the bytes that arrived last are kept
    return {taken: body for taken, body in arrived.items() if not (same and taken == now)}


def known_details(arrived: Mapping[Input, Source], earlier: Sequence[Input], back: inputs.Back) -> Details | None:
    """What the details that arrived say, or else the archived ones; None where there are none that can be read."""
    now = _details_of(arrived)
    known = now or _details_of(earlier)
    if known is None:
        return None
    try:
        source = arrived[known] if known is now else back(known)
        with source.open() as body:
            return read_details(body.read())
    except Unread:
        return None


def _details_of(found: Iterable[Input]) -> Input | None:
    return next((taken for taken in found if taken.source == inputs.CONVERSATION), None)


def _facts(source: Source, details: Details | None = None) -> tuple[object, object]:
    with source.open() as body:
        data = body.read()
    return details or read_details(data), read_customers(data)
