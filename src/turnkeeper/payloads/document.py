"""One body opened: its shape found, its skeleton read, its raw turns given as often as needed. Knows no vendor.

Two passes: the first surveys (skeleton, order, earliest time), because participants may stand behind the turns; the
second gives the turns. A body under 1 MiB is read once and held.
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
from turnkeeper.known_secrets import hidden
from turnkeeper.model import Turn
from turnkeeper.payloads.dialect import Context, DocumentFacts, Mode, Shape, Survey, WrongTurn, wanted
from turnkeeper.payloads.turn_batch import TurnBatch
from turnkeeper.spool import Source

__all__ = ["HELD", "Document", "link_in", "open_document", "printable_key", "unknown_shape"]

HELD = 1 << 20
"""Bodies smaller than this are parsed once and kept."""


class Document(msgspec.Struct):
    """A body whose shape is known. ``held`` are batches decoded already; they are given once, as turns may be made of
    the very objects."""

    source: Source
    shape: Shape
    survey: Survey
    facts: DocumentFacts
    limits: Limits
    mode: Mode
    held: list[Batch] | None = None

    @property
    def says_it_is_empty(self) -> bool:
        """Whether a document without turns has an empty array where they would stand."""
        return any(_is_empty(self.survey.skeleton, path) for path in self.shape.targets if path)

    def turns(self, context: Context) -> Iterator[list[Turn]]:
        """The turns in file order, in batches; fresh each call. Raises ``Unread`` with offset and field."""
        for batch in self._batches():
            yield self.made(batch, context)

    def columns(self, context: Context) -> Iterator[TurnBatch]:
        """The same by columns."""
        for batch in self._batches():
            yield self.in_columns(batch, context)

    def made(self, batch: Batch, context: Context) -> list[Turn]:
        """The turns of one batch of this document. Raises ``Unread``."""
        try:
            return self.shape.turns(batch, context)
        except WrongTurn as wrong:
            raise self._wrong(batch, wrong, context) from None

    def in_columns(self, batch: Batch, context: Context) -> TurnBatch:
        """The same by columns."""
        columns = getattr(self.shape, "columns", None)
        if columns is None:
            return TurnBatch.of(batch.first, self.made(batch, context))
        try:
            found: TurnBatch = columns(batch, context)
        except WrongTurn as wrong:
            raise self._wrong(batch, wrong, context) from None
        return found

    def _wrong(self, batch: Batch, wrong: WrongTurn, context: Context) -> Unread:
        if batch.offset < 0:
            # It was decoded whole, without offsets: the stream meets the same turn again and knows its place.
            for again in self._streamed():
                self.made(again, context)
        return self._unread(batch, wrong)

    def _batches(self) -> Iterator[Batch]:
        if self.survey.within:
            return iter(self.survey.within)
        held, self.held = self.held, None
        return self._streamed() if held is None else iter(held)

    def _streamed(self) -> Iterator[Batch]:
        with self.source.open() as reader:
            if self.survey.records:
                yield from stream_batches(self._records(), reader)
            else:
                yield from stream_batches(
                    Stream(self._types(), self.limits, strict=False, salvage=not self.mode.exact), reader
                )

    def _records(self) -> DocumentStream:
        return DocumentStream(self.shape.record, self.limits, strict=False, salvage=not self.mode.exact)

    def _types(self) -> dict[Path, Any]:
        return wanted(self.shape, self.mode)

    def _unread(self, batch: Batch, wrong: WrongTurn) -> Unread:
        offset = batch.offset if self.survey.records or not batch.path else self._find(batch, wrong.index)
        name = element_name(batch.path, batch.parents, batch.first + wrong.index, wrong.field)
        return Unread(f"{name}: {wrong.message}, in the element at byte {offset}", offset=offset, field=name)

    def _find(self, batch: Batch, index: int) -> int:
        """The exact body offset of one element: only asked when something is wrong with it, so read it again."""
        intake, text, skip = TextReader(strict=False), bytearray(), batch.offset
        with self.source.open() as reader:
            while len(text) < HELD and (data := reader.read(CHUNK)):
                for piece in intake.pieces(data):
                    begin = intake.offset - len(piece)
                    text += piece[max(skip - begin, 0) :]
        text[:1] = b"["
        return batch.offset + element_offset(text, index)


def open_document(
    source: Source, shapes: Sequence[Shape], limits: Limits, conversation: str | None = None, mode: Mode | None = None
) -> Document:
    """Survey a body and find its shape. Raises ``Unread``, ``UnknownShape``, ``TooLarge``, ``WrongConversation``."""
    mode = mode or Mode()
    _refuse_pages(source)
    surveys, held = _survey(source, shapes, limits, mode)
    found = next(
        ((shape, survey) for shape, survey in zip(shapes, surveys, strict=True) if shape.matches(survey)), None
    )
    if found is None:
        raise unknown_shape(surveys[0].skeleton if surveys else None)
    shape, survey = found
    survey.asked = conversation
    facts = shape.facts(survey)
    if not survey.records:
        held = _own(held, shape, shapes)
    return Document(source, shape, survey, facts, limits, mode, held)


def _own(held: list[Batch] | None, shape: Shape, shapes: Sequence[Shape]) -> list[Batch] | None:
    """The batches to keep for ``shape``: its arrays only, and only where they were decoded with its own types."""
    if held is None or any(_owner(shapes, path) is not shape for path in shape.targets):
        return None
    return [batch for batch in held if batch.path in shape.targets]


def _refuse_pages(source: Source) -> None:
    intake = TextReader(strict=False)
    with source.open() as reader:
        head = b""
        while not (head := head.lstrip(b" \t\r\n")) and (data := reader.read(1 << 16)):
            head = intake.feed(data)
    if not head and not intake.finish().strip(b" \t\r\n"):
        raise Unread("the body is empty", offset=0, hint="Ask for the transcript again later.")
    if head.startswith(b"<"):
        hint = "A dead link or a proxy answers with a page: ask for a fresh link, and check the proxy."
        raise Unread("HTML or XML instead of JSON", offset=0, hint=hint)


def _owner(shapes: Sequence[Shape], path: Path) -> Shape | None:
    return next((shape for shape in shapes if path in shape.targets), None)


def _survey(
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
    owners = {path: element_name for element_name, shape in reversed(list(enumerate(shapes))) for path in shape.targets}
    types = {
        path: wanted(shapes[element_name], mode)[path] if keep else shapes[element_name].targets[path][0]
        for path, element_name in owners.items()
    }
    stream = Stream(types, limits, strict=mode.strict, salvage=not mode.exact)
    surveys = [Survey(exact=mode.exact) for _ in shapes]
    held: list[Batch] | None = [] if keep else None
    with source.open() as reader:
        for batch in stream_batches(stream, reader):
            element_name = owners[batch.path]
            shapes[element_name].survey(surveys[element_name], batch)
            # A small body that inflates to a large one is not kept.
            held = _keep(held, batch, stream.size)
    for survey in surveys:
        survey.skeleton, survey.repaired = stream.skeleton, stream.repaired
    # A shape whose arrays another one owns goes by the owner's survey.
    return [surveys[_first_owner(shape, owners, element_name)] for element_name, shape in enumerate(shapes)], held


def _first_owner(shape: Shape, owners: Mapping[Path, int], element_name: int) -> int:
    return next((owners[path] for path in shape.targets), element_name)


def _survey_records(
    source: Source, shapes: Sequence[Shape], limits: Limits, mode: Mode, trailing: Trailing, *, keep: bool
) -> tuple[list[Survey], list[Batch] | None]:
    """The body as several documents. Raises ``trailing`` where they are not of a shape that comes so."""
    at = next(element_name for element_name, shape in enumerate(shapes) if shape.record is not None)
    surveys = [Survey(records=True, exact=mode.exact) for _ in shapes]
    records = DocumentStream(shapes[at].record, limits, strict=mode.strict, salvage=not mode.exact)
    held: list[Batch] | None = [] if keep else None
    try:
        with source.open() as reader:
            for batch in stream_batches(records, reader):
                shapes[at].survey(surveys[at], batch)
                held = _keep(held, batch, records.size)
    except Unread:
        if shapes[at].matches(surveys[at]):
            raise
        raise trailing from None
    if not shapes[at].matches(surveys[at]):
        raise trailing
    surveys[at].repaired = records.repaired
    return surveys, held


def _keep(held: list[Batch] | None, batch: Batch, size: int) -> list[Batch] | None:
    if held is None or size > 4 * HELD:
        return None
    held.append(batch)
    return held


def _is_empty(value: Any, path: Path) -> bool:
    """Whether an empty array stands at a path."""
    if not path:
        return bool(value == [])
    if path[0] == "[]":
        return isinstance(value, list) and any(_is_empty(one, path[1:]) for one in value)
    return isinstance(value, dict) and _is_empty(value.get(path[0]), path[1:])


def link_in(skeleton: object) -> str | None:
    """The key under which a document names an address where the transcript lies, at any depth; None for none."""
    waiting = [skeleton]
    while waiting:
        one = waiting.pop()
        for key, value in one.items() if isinstance(one, dict) else ():
            if isinstance(value, str) and value and _LINK.fullmatch(key):
                return printable_key(key)
        waiting += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
    return None


_LINK = re.compile(r"download_?ur[li]|transcript_?ur[li]", re.IGNORECASE)


def unknown_shape(skeleton: object) -> UnknownShape:
    """The refusal of a document that no shape takes: it names the keys, never a value."""
    link = link_in(skeleton)
    if link:
        return UnknownShape(
            f"the body lies behind {link}", field=link, hint="Fetch that address and read what it gives."
        )
    if isinstance(skeleton, dict):
        keys = ", ".join(printable_key(key) for key in list(skeleton)[:20]) or "none"
        more = f" and {len(skeleton) - 20} more" if len(skeleton) > 20 else ""
        found = f"its keys are {keys}{more}"
    else:
        found = f"it is a bare {type(skeleton).__name__}"
    return UnknownShape(
        f"no known shape of a transcript: {found}",
        hint="Send `turnkeeper doctor --shape FILE` (it shows no content) to the project, or give a shape of your own.",
    )


def printable_key(key: str) -> str:
    """A key of a document as it may stand in a message: at most 64 characters, no secrets, no control characters."""
    return hidden(key[:4096])[:64].encode("unicode_escape").decode("ascii")
