"""Events of a run, as frozen records. Pass a callable as ``listener`` to receive them.

No event contains a secret or the query string of an address: ``where`` is scheme, host and path.
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
    """Base class of all events. ``conversation`` is empty if the event is not about one."""

    conversation: str = ""


class Fetched(Event, frozen=True):
    """A response body was downloaded completely. ``size`` is in bytes."""

    source: str
    size: int
    dialect: str = ""


class Retried(Event, frozen=True):
    """A request failed temporarily and is sent again after ``wait`` seconds."""

    where: str
    reason: str
    attempt: int
    wait: float
    limit_key: str = ""


class Renewed(Event, frozen=True):
    """A token or a presigned address was replaced by a new one."""

    what: str
    reason: str


class Waiting(Event, frozen=True):
    """The platform has no finished transcript yet. It is requested again after ``wait`` seconds."""

    status: str
    wait: float


class Absent(Event, frozen=True):
    """The platform has no transcript of this communication, and none is expected."""

    communication: str
    reason: str


class Archived(Event, frozen=True):
    """A manifest was stored as ``generation``, or nothing had changed (``changed`` is False)."""

    generation: int
    state: str
    changed: bool


class Noted(Event, frozen=True):
    """A remark for a person, such as the default region or names that could not be read."""

    note: str


class Listed(Event, frozen=True):
    """A part of the range was listed: ``found`` conversations, of which ``new`` are not in the queue yet."""

    start: str
    stop: str
    found: int
    new: int


class Settled(Event, frozen=True):
    """Processing of a conversation ended. ``due`` is when it is tried again (RFC 3339), empty for never."""

    state: str
    reason: str = ""
    due: str = ""


class Progressed(Event, frozen=True):
    """The progress of a run.

    ``visited`` conversations were processed, ``left`` are still to do now, ``waiting`` are due later. ``quota`` is the
    used share (0..1) of the platform's current rate-limit window, 0 if it is unknown.
    """

    visited: int
    left: int
    waiting: int
    transcripts: int
    failed: int
    requests: int
    quota: float = 0.0


class Paused(Event, frozen=True):
    """A following run has nothing to do until this time (RFC 3339)."""

    until: str


class Alive(Event, frozen=True):
    """The run's event loop is alive: sent every ten seconds of system time, and once when a stop was requested."""

    stopping: bool = False


class Paged(Event, frozen=True):
    """The progress of a report: ``done`` of its ``calls``."""

    done: int
    calls: int


class Committed(Event, frozen=True):
    """The archive's index was updated with this number of calls."""

    calls: int


Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """A listener that ignores every event."""
