"""The bodies of one conversation into one transcript: time zero chosen, speakers resolved, legs merged."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from itertools import chain
from typing import Literal

import msgspec

from turnkeeper.errors import NotReady, TurnkeeperError, UnknownShape, Unread, WrongConversation
from turnkeeper.jsonstream.documents import parts_of
from turnkeeper.jsonstream.limits import Limits
from turnkeeper.jsonstream.outline import Trailing
from turnkeeper.jsonstream.text_reader import TextReader
from turnkeeper.model import Communication, Participant, TimeBase, TranscriptHeader, Turn
from turnkeeper.payloads.details import CONVERSATION_ID, Details
from turnkeeper.payloads.dialect import Context, DocumentFacts, DocumentLeg, Mode, Person, Shape
from turnkeeper.payloads.dialects import SHAPES
from turnkeeper.payloads.document import Document, link_in, open_document
from turnkeeper.payloads.times import LONGEST, rfc3339_ms
from turnkeeper.payloads.turn_batch import TurnBatch
from turnkeeper.payloads.whole_document import open_whole
from turnkeeper.speakers import Speakers
from turnkeeper.spool import Source
from turnkeeper.transcript.merge import batched, in_order, mark_duplicates, merged
from turnkeeper.transcript.participants import from_details, from_file, together

__all__ = ["Assembly", "Body", "assemble"]

PENDING = frozenset(
    {"processing", "pending", "inprogress", "in_progress", "queued", "submitted", "started", "created", "interim"}
)
LATER = "Ask for the transcript again later."
_LIMITS, _MODE = Limits(), Mode()


class Body(msgspec.Struct, frozen=True):
    """One body and the communication it was fetched for. ``metadata`` marks a media envelope: its participants and
    status count, its turns do not."""

    source: Source
    communication: str | None = None
    metadata: bool = False


@dataclass(eq=False)
class Assembly:
    """A transcript whose header is known and whose turns can be read as often as needed, each time afresh.

    ``repaired_surrogates`` counts the lone surrogates read as U+FFFD in all bodies.
    """

    conversation: str
    repaired_surrogates: int
    _told: Callable[[], TranscriptHeader] = field(repr=False)
    _documents: tuple[Document, ...] = field(repr=False)
    contexts: tuple[Context, ...] = field(repr=False)

    @cached_property
    def header(self) -> TranscriptHeader:
        """Everything but the turns; whoever only reads turns of many small bodies never asks."""
        return self._told()

    @property
    def is_empty(self) -> bool:
        """Whether the bodies hold nothing that turns are made of."""
        return not sum([document.survey.count for document in self._documents])

    @property
    def left_out(self) -> tuple[str, ...]:
        """What of the bodies is not among the turns, one sentence each."""
        return tuple([said for document in self._documents for said in document.facts.left_out])

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the bodies could not be right, one sentence each."""
        return tuple([said for document in self._documents for said in document.facts.notes])

    def unfinished(self) -> NotReady | None:
        """That the platform still makes the transcript, of which the bodies hold some turns; None where it does not."""
        status = self._status
        if status not in PENDING or self.is_empty:
            return None
        said = f"the transcript may go on: its status is {status}"
        return NotReady(said, operation="read transcript", key=self.conversation, hint=LATER)

    @property
    def _status(self) -> str:
        return next((one.facts.status.lower() for one in self._documents if one.facts.status != "completed"), "")

    def unready(self) -> TurnkeeperError | None:
        """Why bodies without turns are not the transcript: ``NotReady``, or ``Unread`` where they only name where it
        lies. None for a transcript that is complete and empty: a call in which nobody spoke."""
        status = self._status
        if status in PENDING:
            return NotReady(f"not ready ({status})", operation="read transcript", key=self.conversation, hint=LATER)
        link = next(filter(None, [link_in(one.survey.skeleton) for one in self._documents]), None)
        if link:
            said, hint = f"the body lies behind {link}", "Fetch that address and read what it gives."
        elif all(one.says_it_is_empty for one in self._documents):
            return None
        else:
            said, hint = "holds no turns: there is no array of them", "Download the body again."
        return Unread(said, operation="read transcript", key=self.conversation, hint=hint)

    def absence(self) -> TurnkeeperError:
        """Why there are no turns, as an error for whoever needs some."""
        hint = "A call in which nobody spoke looks like this."
        said = "holds no turns: its array of turns is empty"
        empty = Unread(said, operation="read transcript", key=self.conversation, hint=hint)
        return self.unready() or empty

    def turns(self) -> Iterator[Turn]:
        """All turns in one timeline, times in ms from the time base. Raises ``Unread`` with offset and field when a
        turn cannot be right: what came before it has been given by then."""
        return chain.from_iterable(self.batches())

    def batches(self) -> Iterator[list[Turn]]:
        """``turns`` in lists, which is faster where every turn is looked at."""
        try:
            yield from self._merged()
        except Unread as cause:
            raise _placed(cause, self.conversation) from cause.__cause__

    def unsorted(self) -> Iterator[list[Turn]]:
        """The turns as they stand in the bodies, one body behind the other."""
        try:
            for document, context in zip(self._documents, self.contexts, strict=True):
                yield from document.turns(context)
        except Unread as cause:
            raise _placed(cause, self.conversation) from cause.__cause__

    def columns(self) -> Iterator[TurnBatch]:
        """``unsorted``, by columns."""
        try:
            for document, context in zip(self._documents, self.contexts, strict=True):
                yield from document.columns(context)
        except Unread as cause:
            raise _placed(cause, self.conversation) from cause.__cause__

    def _merged(self) -> Iterator[list[Turn]]:
        if len(self._documents) == 1 and self._documents[0].survey.ordered:
            return self._documents[0].turns(self.contexts[0])
        both = zip(self._documents, self.contexts, strict=True)
        turns = merged([in_order(one.turns(context), ordered=one.survey.ordered) for one, context in both])
        legs = {context.communication for context in self.contexts} | {leg.id for leg in self.header.communications}
        own = any(document.facts.header for document in self._documents)
        return batched(turns if own or len(legs) < 2 else mark_duplicates(turns))


def assemble(
    bodies: Sequence[Body],
    *,
    conversation: str | None = None,
    details: Details | None = None,
    names: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    shapes: Sequence[Shape] = SHAPES,
    mode: Mode | None = None,
) -> Assembly:
    """Read the bodies of one conversation.

    ``conversation`` is the id asked for; None takes it from the bodies, else "unknown". ``details`` gives time zero and
    more participants, ``names`` maps ids of users and queues to names. ``shapes`` are tried in their order,
    ``mode`` says how closely to look.

    Raises ``Unread`` (also when a body is cut off, or a turn cannot be right), ``UnknownShape``, ``WrongConversation``,
    ``TooLarge``. A wrong turn may show only when ``Assembly.turns`` reaches it.
    """
    asked = conversation or (details.conversation if details else None)
    limits, mode = limits or _LIMITS, mode or _MODE
    try:
        if conversation and details and conversation.casefold() != details.conversation.casefold():
            raise WrongConversation("the conversation details belong to another conversation", field=CONVERSATION_ID)
        # Lists where a generator would do: this is done once for every small body, and a generator takes longer.
        opened = [(body, one) for body in bodies for one in _opened(body.source, shapes, limits, asked, mode)]
        found = _conversation([document.facts for _, document in opened], asked)
    except Unread as cause:
        raise _placed(cause, asked or "") from cause.__cause__
    return _assembled(found, opened, details, names or {})


def _assembled(
    found: str,
    opened: Sequence[tuple[Body, Document]],
    details: Details | None,
    names: Mapping[str, str],
) -> Assembly:
    # An envelope that is all there is holds the transcript itself.
    turning = [pair for pair in opened if not pair[0].metadata] or opened
    facts = [one.facts for _, one in turning]
    base, own = _time_base(facts, details), next(filter(None, [one.header for one in facts]), None)
    zero = base.epoch_ms or (details.start if details and details.start else 0)
    people = together([document.facts.people for _, document in opened])
    file = own.participants if own else from_file(people, details, zero, names)
    known = () if own or details is None else from_details(details, zero, names)
    cast = Speakers(file, known)
    contexts = [
        Context(
            0 if document.facts.relative else base.epoch_ms or 0,
            body.communication,
            cast,
            document.facts,
            None if found == "unknown" else found,
            document.mode.exact,
        )
        for body, document in turning
    ]
    repaired = sum([document.survey.repaired for _, document in opened])

    def told() -> TranscriptHeader:
        return own or _header(found, facts, base, turning, details, people, file, known)

    return Assembly(found, repaired, told, tuple([document for _, document in turning]), tuple(contexts))


def _opened(source: Source, shapes: Sequence[Shape], limits: Limits, asked: str | None, mode: Mode) -> list[Document]:
    """The document of a body, or all of them where several stand in it, one behind the other or in one array."""
    try:
        return [_one(source, shapes, limits, asked, mode)]
    except (Trailing, UnknownShape) as cause:
        array = not isinstance(cause, Trailing)
        if array and not _is_array(source):
            raise
        found = parts_of(source, array=array)
        if found is None:
            raise
    everything, parts = found
    if array and len(parts) > 1:
        # Messages of one conversation, which a shape reads as one document.
        with contextlib.suppress(Trailing):
            return [open_document(everything, shapes, limits, asked, mode)]
    # A document that comes again byte by byte is the same one.
    once = {_digest(part): part for part in reversed(parts)}
    return [_one(part, shapes, limits, asked, mode) for part in reversed(once.values())]


def _digest(source: Source) -> bytes:
    digest = blake2b()
    with source.open() as reader:
        while data := reader.read(1 << 18):
            digest.update(data)
    return digest.digest()


def _one(source: Source, shapes: Sequence[Shape], limits: Limits, asked: str | None, mode: Mode) -> Document:
    return open_whole(source, shapes, limits, mode) or open_document(source, shapes, limits, asked, mode)


def _is_array(source: Source) -> bool:
    intake = TextReader(strict=False)
    with source.open() as reader:
        return intake.feed(reader.read(1 << 10)).lstrip().startswith(b"[")


def _placed(cause: Unread, key: str) -> Unread:
    cause.operation = cause.operation or "read transcript"
    cause.key = cause.key or key
    return cause


def _conversation(facts: Sequence[DocumentFacts], asked: str | None) -> str:
    if len(facts) == 1 and asked is None:
        return facts[0].conversation or "unknown"
    said = {one.conversation.casefold(): one.conversation for one in facts if one.conversation}
    if asked is None:
        if len(said) > 1:
            raise WrongConversation("the bodies belong to several conversations", field=CONVERSATION_ID)
        return next(iter(said.values()), "unknown")
    if any(one != asked.casefold() for one in said):
        raise WrongConversation(
            "the document belongs to another conversation",
            field=CONVERSATION_ID,
            hint="Check the id, and whether the gateway mixes up answers.",
        )
    return asked


def _header(
    conversation: str,
    facts: Sequence[DocumentFacts],
    base: TimeBase,
    turning: Sequence[tuple[Body, Document]],
    details: Details | None,
    people: Sequence[Person],
    file: Sequence[Participant],
    known: Sequence[Participant],
) -> TranscriptHeader:
    # People whom the file names by its own ids are not listed a second time under the analytics' ids.
    listed = () if any(person.id for person in people) else known
    rest = tuple(one for one in listed if one.id not in {person.id for person in file})
    return TranscriptHeader(
        conversation=conversation,
        dialect=facts[0].dialect if facts else "speech",
        status=next((one.status for one in facts if one.status != "completed"), "completed"),
        started_at=rfc3339_ms(base.epoch_ms if base.epoch_ms else details.start if details else None),
        time_base=base,
        media_type=next((one.media_type for one in facts if one.media_type), _media_type(details)),
        communications=_communications(turning, base),
        participants=_sorted_people((*file, *rest)),
    )


def _time_base(facts: Sequence[DocumentFacts], details: Details | None) -> TimeBase:
    """Time zero: analytics conversationStart, else the file's, else the earliest startTime, else the first phrase."""
    offset_times = next(iter([one.offset_times for one in facts if one.offset_times is not None]), None)
    if facts and all(one.relative for one in facts):
        return TimeBase("relative", None, offset_times=None)
    first = min([one.first_phrase for one in facts if one.first_phrase is not None], default=None)
    choices: Sequence[tuple[Literal["analytics", "conversation", "transcript", "phrase"], list[int | None]]] = (
        ("analytics", [details.start] if details else []),
        ("conversation", [one.conversation_start for one in facts]),
        ("transcript", [one.transcript_start for one in facts]),
        ("phrase", [first]),
    )
    for kind, starts in choices:
        near = [start for start in starts if start and _is_near(start, first)]
        if near:
            return TimeBase(kind, min(near), offset_times)
    return TimeBase("relative" if offset_times else "none", None, offset_times)


def _is_near(start: int, first: int | None) -> bool:
    """Whether turns that begin at ``first`` can belong to a conversation that begins at ``start``: a start that is
    years away from them is damaged, and would cost every turn its times."""
    return first is None or abs(first - start) <= LONGEST


def _media_type(details: Details | None) -> str | None:
    return details.media_types[0] if details and len(details.media_types) == 1 else None


def _communications(turning: Sequence[tuple[Body, Document]], base: TimeBase) -> tuple[Communication, ...]:
    """The legs that the bodies are about; one that its body leaves unnamed bears the id it was fetched by."""
    named = [
        (leg.id or body.communication, leg)
        for body, document in turning
        for leg in document.facts.legs or (DocumentLeg(body.communication),)
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
    """In order of arrival where known, else as given: the same inputs give the same document."""
    if any(person.start_ms is None for person in people):
        return tuple(people)
    return tuple(sorted(people, key=lambda person: (person.start_ms or 0, person.id)))
