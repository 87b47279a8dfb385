"""Who spoke: purpose -> role, and channel x participants' intervals -> role and participant. Knows no payload."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from turnkeeper.model import Participant, Role

__all__ = ["Cast", "Intervals", "role_of"]

_FOREVER: Final = 1 << 62
_FEW: Final = 8

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
    """The role of a participant's purpose (or of a role word), any case; ``unknown`` for every other word."""
    word = purpose or ""
    return _ROLES.get(word) or _ROLES.get(word.lower(), "unknown")


Span = tuple[int, int, Participant]


def _span(person: Participant) -> Span:
    return (
        -_FOREVER if person.start_ms is None else person.start_ms,
        _FOREVER if person.end_ms is None else person.end_ms,
        person,
    )


class Intervals:
    """Participants by time. ``best`` takes O(log n + overlapping); a few are just looked at: sorting costs more."""

    def __init__(self, people: Iterable[Participant]) -> None:
        self._people = list(people)
        self._spans = list(map(_span, self._people))
        self._starts: list[int] = []
        if len(self._people) > _FEW:
            self._spans.sort(key=lambda span: (span[0], span[1], span[2].id))
            self._starts = [span[0] for span in self._spans]
            self._latest = list(accumulate((span[1] for span in self._spans), max))

    def __len__(self) -> int:
        return len(self._people)

    def only(self) -> Participant | None:
        """The one participant, where there is just one."""
        return self._people[0] if len(self._people) == 1 else None

    def best(self, start: int, end: int) -> list[Participant]:
        """Those whose interval overlaps ``[start, end)`` most: one, several for a tie, none where nobody was there.

        A stretch without length counts as a point: it lies in ``[a, b)`` where a <= start < b. One participant present
        twice with the same overlap is no tie.
        """
        last = max(end, start + 1)
        most, found = 0, []
        for begin, finish, person in self._around(start, last) if self._starts else self._spans:
            overlap = min(finish, last) - max(begin, start)
            if overlap > most:
                most, found = overlap, [person]
            elif overlap == most and overlap > 0 and person not in found:
                found.append(person)
        return found

    def _around(self, start: int, last: int) -> list[Span]:
        """Everybody who may overlap ``[start, last)``."""
        until = since = bisect_left(self._starts, last)
        while since and self._latest[since - 1] > start:
            since -= 1
        return self._spans[since:until]


class Cast:
    """Everybody in a conversation. ``file`` are the participants that the transcript itself names, ``details`` those of
    the analytics document; the first have the say."""

    def __init__(self, file: Sequence[Participant], details: Sequence[Participant] = ()) -> None:
        everybody = {person.id: person for person in (*details, *file)}
        self.roles: dict[str, Role] = {key: person.role for key, person in everybody.items()}
        self._people = [people for people in (file, details) if people]
        # Made when first asked for: a flat transcript names its speakers, and never asks.
        self._inside: list[Intervals] = []
        self._by_role: dict[Role, list[Intervals]] = {}

    def _of_role(self, role: Role) -> list[Intervals]:
        if role not in self._by_role:
            self._by_role[role] = [_only(people, role) for people in self._people]
        return self._by_role[role]

    def speaks(self, channel: str | None, start: int | None, end: int | None) -> tuple[Role, str | None]:
        """Role and participant id of whoever spoke on ``channel`` between two times (ms, half-open).

        ``internal`` goes to the internal participant whose interval overlaps most, the file's first; a tie or none is
        ``unknown``. ``external`` is the customer. A role word as channel is taken at its word.
        """
        if channel == "internal":
            self._inside = self._inside or [_inside(people) for people in self._people]
            person = _first(self._inside, start, end)
            return (person.role, person.id) if person else ("unknown", None)
        role = role_of(channel)
        if role == "unknown":
            return "unknown", None
        person = _first(self._of_role(role), start, end)
        return role, person.id if person else None


def _first(choices: Sequence[Intervals], start: int | None, end: int | None) -> Participant | None:
    for people in choices:
        if not len(people):
            continue
        if start is None:
            return people.only()
        best = people.best(start, start if end is None else end)
        if best:
            return best[0] if len(best) == 1 else None
    return None


def _inside(people: Sequence[Participant]) -> Intervals:
    return Intervals([person for person in people if person.role not in ("customer", "unknown")])


def _only(people: Sequence[Participant], role: Role) -> Intervals:
    return Intervals([person for person in people if person.role == role])
