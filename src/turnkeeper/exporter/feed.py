"""Where the conversations of an export come from: batches of a window, and the progress of listing the windows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from turnkeeper.archive.index import CallState
from turnkeeper.archive.index_entries import with_details
from turnkeeper.errors import Retriable
from turnkeeper.exporter.discovery import Discovered, RejectedElement, Unknown
from turnkeeper.exporter.ledger import NewConversation
from turnkeeper.exporter.run_report import Failure
from turnkeeper.ids import is_id

__all__ = [
    "LISTED_AGAIN",
    "PAGE",
    "Feed",
    "ListingProgress",
    "WindowBatch",
    "failure_of_malformed_id",
    "failure_of_rejected",
    "paged",
]

PAGE = 100

LISTED_AGAIN = (30.0, 120.0, 600.0)
"""Seconds until a listing that failed for a moment goes on; after that the run ends, and the next one goes on."""


@dataclass(frozen=True)
class WindowBatch:
    """Part of one window: conversations found. ``last`` ends the window; ``found`` is then the sum of its batches, and
    ``complete`` says that the platform gave everything that it counts there, and adds nothing more to it.

    ``missing`` of a ``last`` batch is how many conversations the platform counts and did not give. ``refused`` were
    listed and cannot be asked for, each with the reason.
    """

    start: str
    stop: str
    wanted: tuple[NewConversation, ...] = ()
    last: bool = False
    complete: bool = False
    found: int = 0
    missing: int = 0
    refused: tuple[Failure, ...] = ()


Feed = Callable[[], AsyncIterator[WindowBatch]]
"""The source of conversations; it is called again for every pass."""


@dataclass
class ListingProgress:
    """How the listing of one run goes: the window it is in, those left out, and the waits that are left."""

    window: tuple[str, str] = ("", "")
    left_out: dict[tuple[str, str], None] = field(default_factory=dict)
    waits: list[float] = field(default_factory=lambda: list(LISTED_AGAIN))
    ended: int = 0
    cause: Retriable | None = None

    def ends(self) -> None:
        """A window was listed to its end: the platform answers."""
        self.ended += 1
        self.waits = list(LISTED_AGAIN)
        self.cause = None


async def paged(
    found: AsyncGenerator[Discovered | Unknown] | AsyncGenerator[Discovered], start: str = "", stop: str = ""
) -> AsyncGenerator[WindowBatch]:
    """The conversations in batches of a hundred. Malformed ids are refused."""
    batch: list[NewConversation] = []
    refused: list[Failure] = []
    async with aclosing(found):
        async for one in found:
            if is_id(one.conversation):
                batch.append(_new_conversation(one))
            else:
                refused.append(failure_of_malformed_id(one.conversation))
            if len(batch) == PAGE:
                yield WindowBatch(start, stop, tuple(batch))
                batch.clear()
    if batch or refused:
        yield WindowBatch(start, stop, tuple(batch), refused=tuple(refused))


def failure_of_malformed_id(text: str) -> Failure:
    """A conversation that cannot be asked for: its id would become part of addresses and keys."""
    shown = ascii(text[:40])[1:-1] + ("…" if len(text) > 40 else "")
    hint = "Ids are letters, digits, '.', '_' and '-', at most 128 of them; the others were exported."
    return Failure(conversation=shown, error="Refused", message="is not an id", hint=hint)


def failure_of_rejected(element: RejectedElement) -> Failure:
    """An element of a listing that is no conversation."""
    hint = "The others of the listing were exported; tell the platform's support."
    return Failure(conversation=element.shown, error="Refused", message=element.reason, hint=hint)


def _new_conversation(one: Discovered | Unknown) -> NewConversation:
    call = CallState(conversation=one.conversation, state="pending")
    return (
        NewConversation(with_details(call, one.details), one.body, one.listed)
        if isinstance(one, Discovered)
        else NewConversation(call)
    )
