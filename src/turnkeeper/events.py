"""Facts of a run, as frozen records. A listener is a callable given as an argument; printing happens only in ``cli``.

No event holds a secret or the query of an address: ``where`` is always scheme, host and path.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

__all__ = [
    "Absent",
    "Alive",
    "Archived",
    "Committed",
    "Event",
    "Fetched",
    "Listed",
    "Listener",
    "Noted",
    "Paged",
    "Paused",
    "Progressed",
    "Renewed",
    "Retried",
    "Settled",
    "Waiting",
    "silent",
]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="event"):
    """Base of all events. ``conversation`` is empty where the fact is not about one."""

    conversation: str = ""


class Fetched(Event, frozen=True):
    """A body arrived whole."""

    source: str
    size: int
    dialect: str = ""


class Retried(Event, frozen=True):
    """A request failed for a moment and is tried again after ``wait`` seconds."""

    where: str
    reason: str
    attempt: int
    wait: float
    limit_key: str = ""


class Renewed(Event, frozen=True):
    """A token or a presigned address was replaced by a fresh one."""

    what: str
    reason: str


class Waiting(Event, frozen=True):
    """The platform is not ready with a transcript; it is asked again after ``wait`` seconds."""

    status: str
    wait: float


class Absent(Event, frozen=True):
    """The platform has no transcript of this communication."""

    communication: str
    reason: str


class Archived(Event, frozen=True):
    """A manifest was stored (``generation``), or the archive already held exactly this (``changed`` is False)."""

    generation: int
    state: str
    changed: bool


class Noted(Event, frozen=True):
    """Something a person should know: the default region, names that could not be read, a carried-over leg."""

    note: str


class Listed(Event, frozen=True):
    """A part of a window was listed: so many conversations, so many of them new."""

    start: str
    stop: str
    found: int
    new: int


class Settled(Event, frozen=True):
    """A visit to a conversation ended: its state, why, and when it is due again (RFC 3339; empty: never)."""

    state: str
    reason: str = ""
    due: str = ""


class Progressed(Event, frozen=True):
    """How a run stands: conversations visited, left to visit now, due later; transcripts, failures, requests sent;
    ``quota`` is the used share (0..1) of the platform's current window, where it is known."""

    visited: int
    left: int
    waiting: int
    transcripts: int
    failed: int
    requests: int
    quota: float = 0.0


class Paused(Event, frozen=True):
    """A run that follows has nothing to do until then (RFC 3339)."""

    until: str


class Alive(Event, frozen=True):
    """The run's loop turns: every ten seconds of this machine's clock, and once when it was asked to stop."""

    stopping: bool = False


class Paged(Event, frozen=True):
    """A report is so far: ``done`` of its ``calls``."""

    done: int
    calls: int


class Committed(Event, frozen=True):
    """The archive's index was told of so many conversations."""

    calls: int


Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """The listener for callers who want none."""
