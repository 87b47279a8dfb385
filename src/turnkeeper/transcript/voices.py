"""Who speaks, remembered: between two moments at which somebody comes or goes, the answer on a channel is the same."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from turnkeeper.model import Participant, Role
from turnkeeper.transcript.roles import Cast

__all__ = ["Voices"]

Answer = tuple[Role, str | None, str | None]
"""Role, participant id, and the channel as turns have it."""

_FOREVER = 1 << 62


class Voices:
    """A cast and its comings and goings. Turns come in order, so most ask about the stretch that the last one asked."""

    def __init__(self, cast: Cast, people: Iterable[Participant]) -> None:
        self.speaks = cast.speaks
        times = {time for person in people for time in (person.start_ms, person.end_ms) if time is not None}
        self._edges = [-_FOREVER, *sorted(times), _FOREVER]
        self._stretches: dict[int, dict[str | None, Answer]] = {}

    def stretch(self, start: int) -> tuple[int, int, dict[str | None, Answer]]:
        """The stretch ``[since, until)`` that a time lies in, and what is known of it: by channel, for turns that begin
        and end in it. The caller adds to it."""
        at = bisect_right(self._edges, start) - 1
        return self._edges[at], self._edges[at + 1], self._stretches.setdefault(at, {})
