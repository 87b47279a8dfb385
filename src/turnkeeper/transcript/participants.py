"""Merge the transcript's own participants with those of the analytics document, with stable ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from turnkeeper.model import Participant
from turnkeeper.payloads.details import DetailParticipant, Details
from turnkeeper.payloads.dialect import Person
from turnkeeper.payloads.times import EPOCH, SECONDS
from turnkeeper.speakers import role_of

__all__ = ["merge_people", "participants_from_details", "participants_from_transcript"]


def merge_people(documents: Sequence[Sequence[Person]]) -> list[Person]:
    """The people of several documents of one conversation, each once.

    The file of each leg lists everybody in the conversation, so the same person appears once per leg. People of one
    document are never merged: a person who appears twice in it was there twice.
    """
    if len(documents) == 1:
        return list(documents[0])
    found: list[Person] = []
    for people in documents:
        earlier = len(found)
        for person in people:
            at = next((n for n in range(earlier) if _is_same_person(found[n], person)), None)
            if at is None:
                found.append(person)
            else:
                found[at] = _join_person(found[at], person)
    return found


def _is_same_person(first: Person, second: Person) -> bool:
    if first.id is not None or second.id is not None:
        return first.id == second.id
    if (first.purpose, first.user_id) != (second.purpose, second.user_id):
        return False
    if (first.start, first.end) == (second.start, second.end):
        return True
    # Two agents that nobody names may be on the line at once; an IVR or the customer is the same one.
    nameless = first.user_id is None and role_of(first.purpose) == "agent"
    return not nameless and _overlap_in_time(first, second)


def _overlap_in_time(first: Person, second: Person) -> bool:
    ends_before = first.end is not None and second.start is not None and first.end <= second.start
    starts_after = first.start is not None and second.end is not None and second.end <= first.start
    return not (ends_before or starts_after)


def _join_person(first: Person, second: Person) -> Person:
    """One person from two documents: present from the earlier start to the later end."""
    return msgspec.structs.replace(
        first,
        name=first.name or second.name,
        queue_id=first.queue_id or second.queue_id,
        start=None if first.start is None or second.start is None else min(first.start, second.start),
        end=None if first.end is None or second.end is None else max(first.end, second.end),
    )


def participants_from_details(details: Details | None, base: int, names: Mapping[str, str]) -> tuple[Participant, ...]:
    """The participants of the analytics document, times in ms from ``base`` (epoch ms)."""
    return tuple(
        Participant(
            id=person.id,
            role=role_of(person.purpose),
            name=_display_name(person.name, person.user_id, person.queue_id, names),
            purpose=person.purpose,
            user_id=person.user_id,
            queue_id=person.queue_id,
            start_ms=_ms_since(person.start, base),
            end_ms=_ms_since(person.end, base),
        )
        for person in (details.participants if details else ())
    )


def participants_from_transcript(
    people: Iterable[Person], details: Details | None, base: int, names: Mapping[str, str]
) -> tuple[Participant, ...]:
    """The participants of the transcript.

    One without an id gets the id of the analytics participant with the same purpose and user whose interval overlaps
    most. Without such a match it is called "purpose-N", counted in the order of the file.
    """
    left = list(details.participants if details else ())
    counts: dict[str, int] = {}
    found: dict[str, Participant] = {}
    for person in people:
        word = person.purpose or "participant"
        # Counted for every person, so that an id does not depend on who else has a match.
        counts[word] = counts.get(word, 0) + 1
        match = _best_match(person, left, base) if left else None
        if match is not None:
            # Each analytics participant stands for one person of the transcript.
            left.remove(match)
        key = person.id or (match.id if match else f"{word}-{counts[word]}")
        if key not in found:
            found[key] = _make_participant(key, person, match, base, names)
    return tuple(found.values())


def _make_participant(
    key: str, person: Person, match: DetailParticipant | None, base: int, names: Mapping[str, str]
) -> Participant:
    purpose, user, queue, name = person.purpose, person.user_id, person.queue_id, None
    start, end = _offset_ms(person.start, base), _offset_ms(person.end, base)
    if match is not None:
        purpose, name = purpose or match.purpose, match.name
        user, queue = user or match.user_id, queue or match.queue_id
        start = _ms_since(match.start, base) if start is None else start
        end = _ms_since(match.end, base) if end is None else end
    return Participant(
        id=key,
        role=role_of(purpose),
        name=person.name or (_display_name(name, user, queue, names) if names or name else None),
        purpose=purpose,
        user_id=user,
        queue_id=queue,
        start_ms=start,
        end_ms=end,
    )


def _best_match(person: Person, left: Sequence[DetailParticipant], base: int) -> DetailParticipant | None:
    if person.id is not None:
        return next((candidate for candidate in left if candidate.id == person.id), None)
    alike = [
        candidate
        for candidate in left
        if (candidate.purpose or "").lower() == (person.purpose or "").lower()
        and (person.user_id is None or candidate.user_id is None or candidate.user_id == person.user_id)
    ]
    return max(
        alike,
        key=lambda candidate: (candidate.user_id == person.user_id, _overlap_ms(person, candidate, base)),
        default=None,
    )


def _overlap_ms(person: Person, candidate: DetailParticipant, base: int) -> int:
    start, end = _offset_ms(person.start, base), _offset_ms(person.end, base)
    since, until = _ms_since(candidate.start, base), _ms_since(candidate.end, base)
    far = 1 << 62
    last = min(far if end is None else end, far if until is None else until)
    return last - max(-far if start is None else start, -far if since is None else since)


def _offset_ms(value: float | None, base: int) -> int | None:
    """A payload's time as an offset from ``base``.

    Small numbers are offsets already, but seconds of the epoch are not.
    """
    if value is None:
        return None
    whole = value if isinstance(value, int) else round(value)
    # Values in this range can only be seconds of the epoch: as offsets they would be eleven days and more.
    if SECONDS <= whole <= EPOCH:
        whole *= 1000
    return whole - base if whole > EPOCH else whole


def _ms_since(epoch: int | None, base: int) -> int | None:
    return None if epoch is None or not base else epoch - base


def _display_name(name: str | None, user: str | None, queue: str | None, names: Mapping[str, str]) -> str | None:
    return names.get(user or "") or name or names.get(queue or "")
