"""Where an export's conversations come from: batches of a window, and how the listing of the windows goes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from turnkeeper.errors import Retriable
from turnkeeper.runs.ledger import Wanted
from turnkeeper.runs.report import Failure

__all__ = ["LISTED_AGAIN", "Batch", "Feed", "ListingProgress"]

LISTED_AGAIN = (30.0, 120.0, 600.0)
"""Seconds until a listing that failed for a moment goes on; after that the run ends, and the next one goes on."""


@dataclass(frozen=True)
class Batch:
    """Part of one window: conversations found. ``last`` ends the window; ``found`` is then the sum of its batches, and
    ``complete`` says that the platform gave everything that it counts there, and adds nothing more to it.

    ``missing`` of a ``last`` batch is how many conversations the platform counts and did not give. ``refused`` were
    listed and cannot be asked for, each with the reason.
    """

    start: str
    stop: str
    wanted: tuple[Wanted, ...] = ()
    last: bool = False
    complete: bool = False
    found: int = 0
    missing: int = 0
    refused: tuple[Failure, ...] = ()


Feed = Callable[[], AsyncIterator[Batch]]
"""Where conversations come from; asked again for every pass."""


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
