"""Open one body: find its shape, read everything but its turns, and give the turns in batches. Knows no vendor.

A body is read in two passes, because participants may stand behind the turns. The first one collects the skeleton, the
order and the earliest time; the second one gives the turns. Of a body under 1 MiB, the first pass keeps the decoded
batches, so there is no second one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from turnkeeper.errors import UnknownShape, Unread
from turnkeeper.jsonstream.errors import Trailing
from turnkeeper.jsonstream.limits import Limits
from turnkeeper.jsonstream.ndjson import DocumentStream
from turnkeeper.jsonstream.outline import Path
from turnkeeper.jsonstream.scan import element_offset
from turnkeeper.jsonstream.stream import CHUNK, Batch, Stream, element_name, stream_batches
from turnkeeper.jsonstream.text_reader import TextReader
from turnkeeper.known_secrets import redact
from turnkeeper.model import Turn
from turnkeeper.payloads.dialect import Context, DocumentFacts, Mode, Shape, Survey, WrongTurn, element_types
from turnkeeper.payloads.turn_batch import TurnBatch
from turnkeeper.spool import Source

__all__ = ["HELD", "Document", "link_in", "open_document", "printable_key", "unknown_shape"]

HELD = 1 << 20
"""Bodies with fewer bytes are parsed once, and their batches held."""


class Document(msgspec.Struct):
    """A body whose shape is known.

    ``held`` are batches that are decoded already. They are given only once, because turns may be made by changing their
    elements.
    """

    source: Source
    shape: Shape
    survey: Survey
    facts: DocumentFacts
    limits: Limits
    mode: Mode
    held: list[Batch] | None = None

    @property
    def says_it_is_empty(self) -> bool:
        """Whether a document without turns has an empty array in their place."""
        return any(_is_empty(self.survey.skeleton, path) for path in self.shape.targets if path)

    def turns(self, context: Context) -> Iterator[list[Turn]]:
        """The turns in batches, in the document's order; new objects at each call. Raises ``Unread`` with offset."""
        for batch in self._next_batches():
            yield self.turns_of(batch, context)

    def columns(self, context: Context) -> Iterator[TurnBatch]:
        """The turns as ``turns`` gives them, by columns."""
        for batch in self._next_batches():
            yield self.columns_of(batch, context)

    def turns_of(self, batch: Batch, context: Context) -> list[Turn]:
        """The turns of one batch of this document. Raises ``Unread``."""
        try:
            return self.shape.turns(batch, context)
        except WrongTurn as wrong:
            raise self._unread_turn(batch, wrong, context) from None

    def columns_of(self, batch: Batch, context: Context) -> TurnBatch:
        """The turns of one batch, by columns. Raises ``Unread``."""
        columns = getattr(self.shape, "columns", None)
        if columns is None:
            return TurnBatch.of(batch.first, self.turns_of(batch, context))
        try:
            turns: TurnBatch = columns(batch, context)
        except WrongTurn as wrong:
            raise self._unread_turn(batch, wrong, context) from None
        return turns

    def _unread_turn(self, batch: Batch, wrong: WrongTurn, context: Context) -> Unread:
        if batch.offset < 0:
            # The document was decoded whole, without offsets. Streamed again, the same turn raises with its offset.
            for again in self._streamed_batches():
                self.turns_of(again, context)
        return self._unread_at(batch, wrong)

    def _next_batches(self) -> Iterator[Batch]:
        if self.survey.within:
            return iter(self.survey.within)
        held, self.held = self.held, None
        return self._streamed_batches() if held is None else iter(held)

    def _streamed_batches(self) -> Iterator[Batch]:
        with self.source.open() as reader:
            if self.survey.records:
                yield from stream_batches(self._record_stream(), reader)
            else:
                yield from stream_batches(
                    Stream(self._element_types(), self.limits, strict=False, salvage=not self.mode.exact), reader
                )

    def _record_stream(self) -> DocumentStream:
        return DocumentStream(self.shape.record, self.limits, strict=False, salvage=not self.mode.exact)

    def _element_types(self) -> dict[Path, Any]:
        return element_types(self.shape, self.mode)

    def _unread_at(self, batch: Batch, wrong: WrongTurn) -> Unread:
        offset = batch.offset if self.survey.records or not batch.path else self._offset_of_element(batch, wrong.index)
        name = element_name(batch.path, batch.parents, batch.first + wrong.index, wrong.field)
        return Unread(f"{name}: {wrong.message}, in the element at byte {offset}", offset=offset, field=name)

    def _offset_of_element(self, batch: Batch, index: int) -> int:
        """The exact byte offset of one element. It is needed only for an error, so the body is read again for it."""
        decoder, text, skip = TextReader(strict=False), bytearray(), batch.offset
        with self.source.open() as reader:
            while len(text) < HELD and (data := reader.read(CHUNK)):
                for piece in decoder.pieces(data):
                    begin = decoder.offset - len(piece)
                    text += piece[max(skip - begin, 0) :]
        text[:1] = b"["
        return batch.offset + element_offset(text, index)


def open_document(
    source: Source, shapes: Sequence[Shape], limits: Limits, conversation: str | None = None, mode: Mode | None = None
) -> Document:
    """Make the first pass over a body, and find its shape.

    Raises ``Unread``, ``UnknownShape``, ``TooLarge``, ``WrongConversation``.
    """
    mode = mode or Mode()
    _refuse_pages(source)
    surveys, held = _survey_body(source, shapes, limits, mode)
    match = next(
        ((shape, survey) for shape, survey in zip(shapes, surveys, strict=True) if shape.matches(survey)), None
    )
    if match is None:
        raise unknown_shape(surveys[0].skeleton if surveys else None)
    shape, survey = match
    survey.asked = conversation
    facts = shape.facts(survey)
    if not survey.records:
        held = _reusable_batches(held, shape, shapes)
    return Document(source, shape, survey, facts, limits, mode, held)


def _reusable_batches(held: list[Batch] | None, shape: Shape, shapes: Sequence[Shape]) -> list[Batch] | None:
    """The held batches of ``shape``'s arrays; None where another shape's types decoded them."""
    if held is None or any(_first_with_path(shapes, path) is not shape for path in shape.targets):
        return None
    return [batch for batch in held if batch.path in shape.targets]


def _refuse_pages(source: Source) -> None:
    decoder = TextReader(strict=False)
    with source.open() as reader:
        head = b""
        while not (head := head.lstrip(b" \t\r\n")) and (data := reader.read(1 << 16)):
            head = decoder.feed(data)
    if not head and not decoder.finish().strip(b" \t\r\n"):
        raise Unread("the body is empty", offset=0, hint="Ask for the transcript again later.")
    if head.startswith(b"<"):
        hint = "A dead link or a proxy answers with a page: ask for a fresh link, and check the proxy."
        raise Unread("HTML or XML instead of JSON", offset=0, hint=hint)


def _first_with_path(shapes: Sequence[Shape], path: Path) -> Shape | None:
    return next((shape for shape in shapes if path in shape.targets), None)


def _survey_body(
    source: Source, shapes: Sequence[Shape], limits: Limits, mode: Mode
) -> tuple[list[Survey], list[Batch] | None]:
    """One survey per shape, and the batches where the body is small enough to keep them."""
    keep = source.size < HELD
    try:
        return _survey_one(source, shapes, limits, mode, keep=keep)
    except Trailing as cause:
        if all(shape.record is None for shape in shapes):
            raise
        return _survey_records(source, shapes, limits, mode, cause, keep=keep)


def _survey_one(
    source: Source, shapes: Sequence[Shape], limits: Limits, mode: Mode, *, keep: bool
) -> tuple[list[Survey], list[Batch] | None]:
    # In reverse, so that of two shapes with the same path the first one remains.
    owners = {path: place for place, shape in reversed(list(enumerate(shapes))) for path in shape.targets}
    types = {
        path: element_types(shapes[place], mode)[path] if keep else shapes[place].targets[path][0]
        for path, place in owners.items()
    }
    stream = Stream(types, limits, strict=mode.strict, salvage=not mode.exact)
    surveys = [Survey(exact=mode.exact) for _ in shapes]
    held: list[Batch] | None = [] if keep else None
    with source.open() as reader:
        for batch in stream_batches(stream, reader):
            place = owners[batch.path]
            shapes[place].survey(surveys[place], batch)
            # A small compressed body may decompress to a large one, whose batches are not held.
            held = _held_with(held, batch, stream.size)
    for survey in surveys:
        survey.skeleton, survey.repaired = stream.skeleton, stream.repaired
    # Where two shapes name the same array, both use the survey of the first one.
    return [surveys[_first_owner(shape, owners, place)] for place, shape in enumerate(shapes)], held


def _first_owner(shape: Shape, owners: Mapping[Path, int], place: int) -> int:
    return next((owners[path] for path in shape.targets), place)


def _survey_records(
    source: Source, shapes: Sequence[Shape], limits: Limits, mode: Mode, trailing: Trailing, *, keep: bool
) -> tuple[list[Survey], list[Batch] | None]:
    """Survey a body of several documents. Raises ``trailing`` where no shape takes them."""
    at = next(place for place, shape in enumerate(shapes) if shape.record is not None)
    surveys = [Survey(records=True, exact=mode.exact) for _ in shapes]
    records = DocumentStream(shapes[at].record, limits, strict=mode.strict, salvage=not mode.exact)
    held: list[Batch] | None = [] if keep else None
    try:
        with source.open() as reader:
            for batch in stream_batches(records, reader):
                shapes[at].survey(surveys[at], batch)
                held = _held_with(held, batch, records.size)
    except Unread:
        if shapes[at].matches(surveys[at]):
            raise
        raise trailing from None
    if not shapes[at].matches(surveys[at]):
        raise trailing
    surveys[at].repaired = records.repaired
    return surveys, held


def _held_with(held: list[Batch] | None, batch: Batch, size: int) -> list[Batch] | None:
    if held is None or size > 4 * HELD:
        return None
    held.append(batch)
    return held


def _is_empty(value: Any, path: Path) -> bool:
    """Whether an empty array stands at a path."""
    if not path:
        return bool(value == [])
    if path[0] == "[]":
        return isinstance(value, list) and any(_is_empty(element, path[1:]) for element in value)
    return isinstance(value, dict) and _is_empty(value.get(path[0]), path[1:])


def link_in(skeleton: object) -> str | None:
    """The key, at any depth, under which a document holds the address of the transcript; None without one."""
    unvisited = [skeleton]
    while unvisited:
        part = unvisited.pop()
        for key, value in part.items() if isinstance(part, dict) else ():
            if isinstance(value, str) and value and _LINK.fullmatch(key):
                return printable_key(key)
        unvisited += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return None


_LINK = re.compile(r"download_?ur[li]|transcript_?ur[li]", re.IGNORECASE)


def unknown_shape(skeleton: object) -> UnknownShape:
    """The error for a document that no shape takes. It names the document's keys, and never a value."""
    link = link_in(skeleton)
    if link:
        return UnknownShape(
            f"the body lies behind {link}", field=link, hint="Fetch that address and read what it gives."
        )
    if isinstance(skeleton, dict):
        keys = ", ".join(printable_key(key) for key in list(skeleton)[:20]) or "none"
        more = f" and {len(skeleton) - 20} more" if len(skeleton) > 20 else ""
        description = f"its keys are {keys}{more}"
    else:
        description = f"it is a bare {type(skeleton).__name__}"
    return UnknownShape(
        f"no known shape of a transcript: {description}",
        hint="Send `turnkeeper doctor --shape FILE` (it shows no content) to the project, or give a shape of your own.",
    )


def printable_key(key: str) -> str:
    """A key of a document as it may stand in a message: at most 64 characters, no secrets, no control characters."""
    # Redacted before it is cut to its length, because a part of a secret is not recognised.
    return redact(key[:4096])[:64].encode("unicode_escape").decode("ascii")
