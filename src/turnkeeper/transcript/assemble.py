"""Combine the bodies of one conversation into one transcript: choose time zero, resolve speakers, merge legs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from itertools import chain

import msgspec

from turnkeeper.errors import NotReady, TurnkeeperError, UnknownShape, Unread, WrongConversation
from turnkeeper.jsonstream.documents import split_documents
from turnkeeper.jsonstream.errors import Trailing
from turnkeeper.jsonstream.limits import Limits
from turnkeeper.jsonstream.text_reader import TextReader
from turnkeeper.model import TranscriptHeader, Turn
from turnkeeper.payloads.details import CONVERSATION_ID, Details
from turnkeeper.payloads.dialect import Context, DocumentFacts, Mode, Shape
from turnkeeper.payloads.dialects import SHAPES
from turnkeeper.payloads.document import Document, link_in, open_document
from turnkeeper.payloads.turn_batch import TurnBatch
from turnkeeper.payloads.whole_document import open_whole
from turnkeeper.speakers import Speakers
from turnkeeper.spool import Source
from turnkeeper.transcript.header import make_header, time_base
from turnkeeper.transcript.merge import mark_duplicates, merge_sorted, sorted_turns, turn_batches
from turnkeeper.transcript.participants import merge_people, participants_from_details, participants_from_transcript

__all__ = ["Assembly", "Body", "assemble"]

PENDING = frozenset(
    {"processing", "pending", "inprogress", "in_progress", "queued", "submitted", "started", "created", "interim"}
)
LATER = "Ask for the transcript again later."
_LIMITS, _MODE = Limits(), Mode()


class Body(msgspec.Struct, frozen=True):
    """One body, and the communication that it was fetched for.

    ``metadata`` marks the envelope of the media API: its participants and status count, its turns do not.
    """

    source: Source
    communication: str | None = None
    metadata: bool = False


@dataclass(eq=False)
class Assembly:
    """A transcript whose header is known, and whose turns can be read as often as needed. Each reading starts again.

    ``repaired_surrogates`` counts the lone surrogates of all bodies that were read as U+FFFD.
    """

    conversation: str
    repaired_surrogates: int
    _header_maker: Callable[[], TranscriptHeader] = field(repr=False)
    _documents: tuple[Document, ...] = field(repr=False)
    contexts: tuple[Context, ...] = field(repr=False)

    @cached_property
    def header(self) -> TranscriptHeader:
        """Everything but the turns.

        Built when it is first used: a caller that only reads turns of many small bodies never needs it.
        """
        return self._header_maker()

    @property
    def is_empty(self) -> bool:
        """Whether the bodies contain nothing that turns are made of."""
        return not sum([document.survey.count for document in self._documents])

    @property
    def left_out(self) -> tuple[str, ...]:
        """The parts of the bodies that are not among the turns, one sentence each."""
        return tuple([sentence for document in self._documents for sentence in document.facts.left_out])

    @property
    def notes(self) -> tuple[str, ...]:
        """The values in the bodies that cannot be right, one sentence each."""
        return tuple([sentence for document in self._documents for sentence in document.facts.notes])

    def unfinished(self) -> NotReady | None:
        """``NotReady`` where the platform is still making the transcript although some turns are there; None
        otherwise.
        """
        status = self._open_status
        if status not in PENDING or self.is_empty:
            return None
        message = f"the transcript may go on: its status is {status}"
        return NotReady(message, operation="read transcript", key=self.conversation, hint=LATER)

    @property
    def _open_status(self) -> str:
        return next(
            (document.facts.status.lower() for document in self._documents if document.facts.status != "completed"), ""
        )

    def unready(self) -> TurnkeeperError | None:
        """The reason why bodies without turns are not the transcript.

        ``NotReady`` while the platform makes it, ``Unread`` where the bodies only link to it or hold no array of turns.
        None for a transcript that is complete and empty: a call in which nobody spoke.
        """
        status = self._open_status
        if status in PENDING:
            return NotReady(f"not ready ({status})", operation="read transcript", key=self.conversation, hint=LATER)
        link = next(filter(None, [link_in(document.survey.skeleton) for document in self._documents]), None)
        if link:
            message, hint = f"the body lies behind {link}", "Fetch that address and read what it gives."
        elif all(document.says_it_is_empty for document in self._documents):
            return None
        else:
            message, hint = "holds no turns: there is no array of them", "Download the body again."
        return Unread(message, operation="read transcript", key=self.conversation, hint=hint)

    def absence(self) -> TurnkeeperError:
        """The error for a caller that needs turns where there are none."""
        hint = "A call in which nobody spoke looks like this."
        message = "holds no turns: its array of turns is empty"
        empty = Unread(message, operation="read transcript", key=self.conversation, hint=hint)
        return self.unready() or empty

    def turns(self) -> Iterator[Turn]:
        """All turns in one timeline, times in ms from the time base.

        Raises ``Unread`` with offset and field at a turn that cannot be right. The turns before it have been given by
        then.
        """
        return chain.from_iterable(self.batches())

    def batches(self) -> Iterator[list[Turn]]:
        """Like ``turns``, in lists. This is faster where every turn is needed."""
        try:
            yield from self._merged_batches()
        except Unread as cause:
            raise _with_place(cause, self.conversation) from cause.__cause__

    def unsorted(self) -> Iterator[list[Turn]]:
        """The turns in the order of the bodies, one body after another."""
        try:
            for document, context in zip(self._documents, self.contexts, strict=True):
                yield from document.turns(context)
        except Unread as cause:
            raise _with_place(cause, self.conversation) from cause.__cause__

    def columns(self) -> Iterator[TurnBatch]:
        """Like ``unsorted``, by columns."""
        try:
            for document, context in zip(self._documents, self.contexts, strict=True):
                yield from document.columns(context)
        except Unread as cause:
            raise _with_place(cause, self.conversation) from cause.__cause__

    def _merged_batches(self) -> Iterator[list[Turn]]:
        # The usual case, a single body in order, needs no keys and no heap.
        if len(self._documents) == 1 and self._documents[0].survey.ordered:
            return self._documents[0].turns(self.contexts[0])
        both = zip(self._documents, self.contexts, strict=True)
        streams = [sorted_turns(body.turns(context), ordered=body.survey.ordered) for body, context in both]
        turns = merge_sorted(streams)
        legs = {context.communication for context in self.contexts} | {leg.id for leg in self.header.communications}
        # Our own documents have their duplicates marked already.
        own = any(document.facts.header for document in self._documents)
        return turn_batches(turns if own or len(legs) < 2 else mark_duplicates(turns))


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

    ``conversation`` is the requested id. With None it is taken from the bodies, or is "unknown". ``details`` gives time
    zero and more participants. ``names`` maps ids of users and queues to names. ``shapes`` are tried in order. ``mode``
    says how closely to check.

    Raises ``Unread`` (also for a truncated body and for a turn that cannot be right), ``UnknownShape``,
    ``WrongConversation`` and ``TooLarge``. A wrong turn may only be noticed when ``Assembly.turns`` reaches it.
    """
    asked = conversation or (details.conversation if details else None)
    limits, mode = limits or _LIMITS, mode or _MODE
    try:
        if conversation and details and conversation.casefold() != details.conversation.casefold():
            raise WrongConversation("the conversation details belong to another conversation", field=CONVERSATION_ID)
        # Lists where a generator would do: this is done once for every small body, and a generator takes longer.
        opened = [
            (body, document)
            for body in bodies
            for document in _open_documents(body.source, shapes, limits, asked, mode)
        ]
        found = _conversation_id([document.facts for _, document in opened], asked)
    except Unread as cause:
        raise _with_place(cause, asked or "") from cause.__cause__
    return _make_assembly(found, opened, details, names or {})


def _make_assembly(
    found: str,
    opened: Sequence[tuple[Body, Document]],
    details: Details | None,
    names: Mapping[str, str],
) -> Assembly:
    # The turns of a media envelope do not count, unless it is the only body: then it contains the transcript itself.
    turning = [pair for pair in opened if not pair[0].metadata] or opened
    facts = [document.facts for _, document in turning]
    base, own = time_base(facts, details), next(filter(None, [fact.header for fact in facts]), None)
    zero = base.epoch_ms or (details.start if details and details.start else 0)
    people = merge_people([document.facts.people for _, document in opened])
    file = own.participants if own else participants_from_transcript(people, details, zero, names)
    known = () if own or details is None else participants_from_details(details, zero, names)
    speakers = Speakers(file, known)
    contexts = [
        Context(
            0 if document.facts.relative else base.epoch_ms or 0,
            body.communication,
            speakers,
            document.facts,
            None if found == "unknown" else found,
            document.mode.exact,
        )
        for body, document in turning
    ]
    repaired = sum([document.survey.repaired for _, document in opened])

    def header() -> TranscriptHeader:
        documents = [(body.communication, document) for body, document in turning]
        return own or make_header(found, facts, base, documents, details, people, file, known)

    return Assembly(found, repaired, header, tuple([document for _, document in turning]), tuple(contexts))


def _open_documents(
    source: Source, shapes: Sequence[Shape], limits: Limits, asked: str | None, mode: Mode
) -> list[Document]:
    """The document of a body, or all documents where several stand in it, one after another or in one array."""
    try:
        return [_open_document(source, shapes, limits, asked, mode)]
    except (Trailing, UnknownShape) as cause:
        array = not isinstance(cause, Trailing)
        if array and not _is_array(source):
            raise
        found = split_documents(source, array=array)
        if found is None:
            raise
    everything, parts = found
    if array and len(parts) > 1:
        # The array may be the messages of one conversation, which a shape reads as one document.
        with contextlib.suppress(Trailing):
            return [open_document(everything, shapes, limits, asked, mode)]
    # A document that is repeated byte by byte counts once: a gateway or a retry delivered it twice.
    once = {_body_digest(part): part for part in reversed(parts)}
    return [_open_document(part, shapes, limits, asked, mode) for part in reversed(once.values())]


def _body_digest(source: Source) -> bytes:
    digest = blake2b()
    with source.open() as reader:
        while data := reader.read(1 << 18):
            digest.update(data)
    return digest.digest()


def _open_document(source: Source, shapes: Sequence[Shape], limits: Limits, asked: str | None, mode: Mode) -> Document:
    return open_whole(source, shapes, limits, mode) or open_document(source, shapes, limits, asked, mode)


def _is_array(source: Source) -> bool:
    text = TextReader(strict=False)
    with source.open() as reader:
        return text.feed(reader.read(1 << 10)).lstrip().startswith(b"[")


def _with_place(cause: Unread, key: str) -> Unread:
    cause.operation = cause.operation or "read transcript"
    cause.key = cause.key or key
    return cause


def _conversation_id(facts: Sequence[DocumentFacts], asked: str | None) -> str:
    if len(facts) == 1 and asked is None:
        return facts[0].conversation or "unknown"
    named = {fact.conversation.casefold(): fact.conversation for fact in facts if fact.conversation}
    if asked is None:
        if len(named) > 1:
            raise WrongConversation("the bodies belong to several conversations", field=CONVERSATION_ID)
        return next(iter(named.values()), "unknown")
    if any(name != asked.casefold() for name in named):
        raise WrongConversation(
            "the document belongs to another conversation",
            field=CONVERSATION_ID,
            hint="Check the id, and whether the gateway mixes up answers.",
        )
    return asked
