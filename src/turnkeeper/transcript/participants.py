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


def _is_same_person(one: Person, other: Person) -> bool:
    if one.id is not None or other.id is not None:
        return one.id == other.id
    if (one.purpose, one.user_id) != (other.purpose, other.user_id):
        return False
    if (one.start, one.end) == (other.start, other.end):
        return True
    # Two agents that nobody names may be on the line at once; an IVR or the customer is the same one.
    nameless = one.user_id is None and role_of(one.purpose) == "agent"
    return not nameless and _overlap_in_time(one, other)


def _overlap_in_time(one: Person, other: Person) -> bool:
    ends_before = one.end is not None and other.start is not None and one.end <= other.start
    starts_after = one.start is not None and other.end is not None and other.end <= one.start
    return not (ends_before or starts_after)


def _join_person(one: Person, other: Person) -> Person:
    """One person from two documents: present from the earlier start to the later end."""
    return msgspec.structs.replace(
        one,
        name=one.name or other.name,
        queue_id=one.queue_id or other.queue_id,
        start=None if one.start is None or other.start is None else min(one.start, other.start),
        end=None if one.end is None or other.end is None else max(one.end, other.end),
    )


def participants_from_details(details: Details | None, base: int, names: Mapping[str, str]) -> tuple[Participant, ...]:
    """The participants of the analytics document, times in ms from ``base`` (epoch ms)."""
    return tuple(
        Participant(
            id=one.id,
            role=role_of(one.purpose),
            name=_display_name(one.name, one.user_id, one.queue_id, names),
            purpose=one.purpose,
            user_id=one.user_id,
            queue_id=one.queue_id,
            start_ms=_ms_since(one.start, base),
            end_ms=_ms_since(one.end, base),
        )
        for one in (details.participants if details else ())
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
        counts[word] = counts.get(word, 0) + 1
        match = _best_match(person, left, base) if left else None
        if match is not None:
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
        return next((one for one in left if one.id == person.id), None)
    alike = [
        one
        for one in left
        if (one.purpose or "").lower() == (person.purpose or "").lower()
        and (person.user_id is None or one.user_id is None or one.user_id == person.user_id)
    ]
    return max(alike, key=lambda one: (one.user_id == person.user_id, _overlap_ms(person, one, base)), default=None)


def _overlap_ms(person: Person, other: DetailParticipant, base: int) -> int:
    start, end = _offset_ms(person.start, base), _offset_ms(person.end, base)
    since, until = _ms_since(other.start, base), _ms_since(other.end, base)
    far = 1 << 62
    last = min(far if end is None else end, far if until is None else until)
    return last - max(-far if start is None else start, -far if since is None else since)


def _offset_ms(value: float | None, base: int) -> int | None:
    """A payload's time as an offset from ``base``. Small numbers are offsets already, but seconds of the epoch are
    not.
    """
    if value is None:
        return None
    whole = value if isinstance(value, int) else round(value)
    if SECONDS <= whole <= EPOCH:
        whole *= 1000
    return whole - base if whole > EPOCH else whole


def _ms_since(epoch: int | None, base: int) -> int | None:
    return None if epoch is None or not base else epoch - base


def _display_name(name: str | None, user: str | None, queue: str | None, names: Mapping[str, str]) -> str | None:
    return names.get(user or "") or name or names.get(queue or "")
