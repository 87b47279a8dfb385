"""Decide who spoke: a purpose gives a role; a channel and the participants' intervals give a role and a participant.

Knows no payload.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from turnkeeper.model import Participant, Role

__all__ = ["Attribution", "PresenceIndex", "SpeakerInterval", "Speakers", "role_of"]

_FOREVER: Final = 1 << 62
_FEW: Final = 8
_INTERNAL: Final = "internal"
_OUTSIDE: Final = frozenset({"customer", "unknown"})

_ROLES: Final[dict[str, Role]] = {
    "customer": "customer",
    "external": "customer",
    "agent": "agent",
    "user": "agent",
    "ivr": "ivr",
    "acd": "acd",
    "bot": "bot",
    "botflow": "bot",
    "system": "system",
    "workflow": "system",
    "voicemail": "system",
    "fax": "system",
    "dialer": "system",
    "campaign": "system",
}


def role_of(purpose: str | None) -> Role:
    """The role of a participant's purpose or of a role word, in any case. ``unknown`` for every other word."""
    word = purpose or ""
    return _ROLES.get(word) or _ROLES.get(word.lower(), "unknown")


Attribution = tuple[Role, str | None, str | None]
"""Role, participant id, and the channel as turns have it."""


class PresenceIndex:
    """Participants by the time they were present.

    ``best`` takes O(log n + overlapping). A few participants are simply looked through, because sorting them costs
    more.
    """

    def __init__(self, people: Sequence[Participant]) -> None:
        self._people = people
        self._starts: list[int] = []
        if len(people) > _FEW:
            self._people = sorted(people, key=lambda person: (*_presence(person), person.id))
            spans = list(map(_presence, self._people))
            self._starts = [start for start, _ in spans]
            self._latest = list(accumulate([end for _, end in spans], max))

    def best(self, start: int | None, end: int | None) -> Sequence[Participant]:
        """Those whose interval overlaps ``[start, end)`` most: one participant, several for a tie, none where nobody
        was there.

        A stretch without length counts as a point, which lies in ``[a, b)`` where a <= start < b. Without a start
        everybody is possible. One participant who is listed twice with the same overlap is not a tie.
        """
        if start is None:
            return self._people
        last = start + 1 if end is None else max(end, start + 1)
        most, found = 0, list[Participant]()
        for person in self._candidates(start, last) if self._starts else self._people:
            begin, finish = _presence(person)
            overlap = min(finish, last) - max(begin, start)
            if overlap > most:
                most, found = overlap, [person]
            elif overlap == most and overlap > 0 and person not in found:
                found.append(person)
        return found

    def _candidates(self, start: int, last: int) -> Sequence[Participant]:
        """The participants who may overlap ``[start, last)``."""
        until = since = bisect_left(self._starts, last)
        # ``_latest`` never falls towards the end, so before this place nobody is left who is still there.
        while since and self._latest[since - 1] > start:
            since -= 1
        return self._people[since:until]


def _presence(person: Participant) -> tuple[int, int]:
    start, end = person.start_ms, person.end_ms
    # Somebody without a start or an end may have been there at any time.
    return -_FOREVER if start is None else start, _FOREVER if end is None else end


class Speakers:
    """Everybody in a conversation.

    ``file`` holds the participants that the transcript itself names, ``details`` those of the analytics document. The
    transcript's own take precedence.
    """

    def __init__(self, file: Sequence[Participant], details: Sequence[Participant] = ()) -> None:
        self.roles: dict[str, Role] = {person.id: person.role for people in (details, file) for person in people}
        self._people = [people for people in (file, details) if people]
        # Made when first asked for: a flat transcript names its speakers, and never asks.
        self._by_channel: dict[str, list[PresenceIndex]] = {}
        self._edges: list[int] = []

    def speaker_at(self, word: str | None, start: int | None, end: int | None) -> Attribution:
        """Who spoke between two times (ms, half-open) on the channel that a payload calls ``word``, in any case.

        ``internal`` is the internal participant whose interval overlaps most, the transcript's own first. A tie, or
        nobody, is ``unknown``. ``external`` is the customer. Where the channel is a role word, that is the role.
        """
        channel = word.lower() if word else ""
        role = role_of(channel)
        for people in self._people_on_channel(channel, role) if role != "unknown" or channel == _INTERNAL else ():
            best = people.best(start, end)
            if best:
                return (best[0].role, best[0].id, channel) if len(best) == 1 else (role, None, channel)
        return role, None, channel or None

    def interval_at(self, start: int) -> SpeakerInterval:
        """The interval around a time in which nobody joins or leaves."""
        edges = self._edges = self._edges or self._presence_edges()
        at = bisect_right(edges, start)
        return SpeakerInterval(self, edges[at - 1], edges[at])

    def _people_on_channel(self, channel: str, role: Role) -> list[PresenceIndex]:
        """Those who may speak on a channel. On the internal channel that is everybody but the customer."""
        found = self._by_channel.get(channel)
        if found is None:
            inside = channel == _INTERNAL
            found = [
                PresenceIndex(
                    [person for person in people if (person.role not in _OUTSIDE if inside else person.role == role)]
                )
                for people in self._people
            ]
            self._by_channel[channel] = found
        return found

    def _presence_edges(self) -> list[int]:
        times = [time for people in self._people for person in people for time in (person.start_ms, person.end_ms)]
        # The outer edges give every time an edge on either side.
        return sorted({-_FOREVER, _FOREVER, *[time for time in times if time is not None]})


class SpeakerInterval(dict[str | None, Attribution]):
    """Who speaks on each channel in ``[since, until)``, in which nobody joins or leaves.

    The answer is the same for every turn that begins and ends in it, so it is looked up once per channel. That spares
    the search per turn, which is most of the cost of long transcripts.
    """

    def __init__(self, speakers: Speakers, since: int, until: int) -> None:
        self.since, self.until, self._cast = since, until, speakers

    def __missing__(self, channel: str | None) -> Attribution:
        answer = self[channel] = self._cast.speaker_at(channel, self.since, self.until)
        return answer
