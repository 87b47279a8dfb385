"""The header of a transcript: its time zero, communications and participants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from turnkeeper.model import Communication, Participant, TimeBase, TranscriptHeader
from turnkeeper.payloads.details import Details
from turnkeeper.payloads.dialect import DocumentFacts, DocumentLeg, Person
from turnkeeper.payloads.document import Document
from turnkeeper.payloads.times import LONGEST, rfc3339_ms

__all__ = ["make_header", "time_base"]


def make_header(
    conversation: str,
    facts: Sequence[DocumentFacts],
    base: TimeBase,
    turning: Sequence[tuple[str | None, Document]],
    details: Details | None,
    people: Sequence[Person],
    file: Sequence[Participant],
    known: Sequence[Participant],
) -> TranscriptHeader:
    # People whom the file names by its own ids are not listed a second time under the analytics' ids.
    listed = () if any(person.id for person in people) else known
    rest = tuple(person for person in listed if person.id not in {person.id for person in file})
    return TranscriptHeader(
        conversation=conversation,
        dialect=facts[0].dialect if facts else "speech",
        status=next((fact.status for fact in facts if fact.status != "completed"), "completed"),
        started_at=rfc3339_ms(base.epoch_ms if base.epoch_ms else details.start if details else None),
        time_base=base,
        media_type=next((fact.media_type for fact in facts if fact.media_type), _media_type(details)),
        communications=_list_communications(turning, base),
        participants=_sorted_people((*file, *rest)),
    )


def time_base(facts: Sequence[DocumentFacts], details: Details | None) -> TimeBase:
    """Time zero: conversationStart of the analytics document, else the file's own, else the earliest startTime, else
    the first phrase.
    """
    offset_times = next(iter([fact.offset_times for fact in facts if fact.offset_times is not None]), None)
    if facts and all(fact.relative for fact in facts):
        return TimeBase("relative", None, offset_times=None)
    first = min([fact.first_phrase for fact in facts if fact.first_phrase is not None], default=None)
    last = max([fact.last_phrase for fact in facts if fact.last_phrase is not None], default=None)
    choices: Sequence[tuple[Literal["analytics", "conversation", "transcript", "phrase"], list[int | None]]] = (
        ("analytics", [details.start] if details else []),
        ("conversation", [fact.conversation_start for fact in facts]),
        ("transcript", [fact.transcript_start for fact in facts]),
        ("phrase", [first]),
    )
    for kind, starts in choices:
        near = [start for start in starts if start and _is_near(start, first, last)]
        if near:
            return TimeBase(kind, min(near), offset_times)
    return TimeBase("relative" if offset_times else "none", None, offset_times)


def _is_near(start: int, first: int | None, last: int | None) -> bool:
    """Whether turns between ``first`` and ``last`` can belong to a conversation that begins at ``start``.

    A start that is years away from the turns is damaged. Using it would cost every turn its times. One of the turns may
    be damaged too, and then it is the first or the last one: a start that fits the other one is right.
    """
    return first is None or any(abs(phrase - start) <= LONGEST for phrase in (first, last) if phrase is not None)


def _media_type(details: Details | None) -> str | None:
    return details.media_types[0] if details and len(details.media_types) == 1 else None


def _list_communications(turning: Sequence[tuple[str | None, Document]], base: TimeBase) -> tuple[Communication, ...]:
    """The legs that the bodies are about. A leg without an id gets the id that its body was fetched by."""
    named = [
        (leg.id or fetched_for, leg)
        for fetched_for, document in turning
        for leg in document.facts.legs or (DocumentLeg(fetched_for),)
    ]
    legs = {key: leg for key, leg in named if key}
    zero = base.epoch_ms
    return tuple(
        Communication(
            id=key,
            language=leg.language,
            start_ms=leg.start - zero if leg.start is not None and zero is not None else None,
            duration_ms=leg.duration,
        )
        for key, leg in sorted(legs.items(), key=lambda pair: (pair[1].start or 0, pair[0]))
    )


def _sorted_people(people: Sequence[Participant]) -> tuple[Participant, ...]:
    """Participants in order of arrival where that is known, else as given.

    The same inputs always give the same document.
    """
    if any(person.start_ms is None for person in people):
        return tuple(people)
    return tuple(sorted(people, key=lambda person: (person.start_ms or 0, person.id)))
