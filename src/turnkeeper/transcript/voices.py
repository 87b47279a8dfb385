"""Who speaks, remembered: between two moments at which somebody comes or goes, the answer on a channel is the same."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from turnkeeper.model import Participant, Role
from turnkeeper.transcript.roles import Cast

__all__ = ["Answer", "Voices"]

Answer = tuple[Role, str | None, str | None]
"""Role, participant id, and the channel as turns have it."""

_FOREVER = 1 << 62


class Voices:
    """A cast and its comings and goings. Turns come in order, so most ask about the stretch that the last one asked."""

    def __init__(self, cast: Cast, people: Iterable[Participant]) -> None:
        self._speaks, self._people = cast.speaks, people
        # Sought when first asked for: a flat transcript names its speakers, and never asks.
        self._edges: list[int] = []
        self._stretches: dict[int, dict[str | None, Answer]] = {}

    def on(self, word: str | None, start: int | None, end: int | None) -> Answer:
        """Who speaks between two times on the channel that a payload calls ``word``, in any case."""
        channel = word.lower() if word else None
        return (*self._speaks(channel, start, end), channel)

    def stretch(self, start: int) -> tuple[int, int, dict[str | None, Answer]]:
        """The stretch ``[since, until)`` that a time lies in, and what is known of it: by channel, for turns that begin
        and end in it. The caller adds to it."""
        edges = self._edges = self._edges or self._sought()
        at = bisect_right(edges, start) - 1
        return edges[at], edges[at + 1], self._stretches.setdefault(at, {})

    def _sought(self) -> list[int]:
        times = {time for person in self._people for time in (person.start_ms, person.end_ms) if time is not None}
        return [-_FOREVER, *sorted(time for time in times if -_FOREVER < time < _FOREVER), _FOREVER]
