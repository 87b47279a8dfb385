"""One body read once, front to back, its turns in the order in which they stand. Knows no vendor.

Possible where all that turns need stands before them. What stands behind is compared with it at the end, and a document
that says otherwise there is refused: reading it twice, in order of time, is the exact way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from turnkeeper.errors import Unread
from turnkeeper.transcript.assembly import of_document
from turnkeeper.transcript.columns import TurnBatch
from turnkeeper.transcript.dialect import Context, Mode, Shape, Survey, wanted
from turnkeeper.transcript.document import Document, Source, open_document
from turnkeeper.transcript.limits import Limits
from turnkeeper.transcript.skeleton import Path
from turnkeeper.transcript.stream import Batch, Stream, stream_batches

__all__ = ["Forward", "TwoPasses"]

T = TypeVar("T")


class TwoPasses(Exception):
    """What turns need does not stand before the first of them: the body has to be surveyed."""


class Forward:
    """``turns`` and ``columns`` once, in batches. They raise ``TwoPasses`` before the first batch where one pass is not
    enough, and ``Unread`` as every reader does."""

    def __init__(self, source: Source, shapes: Sequence[Shape], limits: Limits, mode: Mode) -> None:
        self._source, self._shapes, self._limits, self._mode = source, shapes, limits, mode
        self._document: Document | None = None
        self._context: Context | None = None

    def turns(self) -> Iterator[list[Any]]:
        return self._read(Document.made)

    def columns(self) -> Iterator[TurnBatch]:
        return self._read(Document.in_columns)

    def _read(self, made: Callable[[Document, Batch, Context], T]) -> Iterator[T]:
        targets: dict[Path, Any] = {path: msgspec.Raw for shape in self._shapes for path in shape.targets}
        stream = Stream(targets, self._limits, strict=self._mode.strict, choose=self._choose)
        with self._source.open() as reader:
            try:
                for batch in stream_batches(stream, reader):
                    document, context = self._document, self._context
                    if document is not None and context is not None and batch.path in document.shape.targets:
                        yield made(document, batch, context)
            except Unread:
                if self._document is None:
                    raise TwoPasses from None
                raise
        if self._document is None:
            raise TwoPasses
        self._compare(stream)

    def _choose(self, path: Path, head: Callable[[], object]) -> Any:
        """The type to read an array with that has just opened; the facts are taken anew, as there are more by now."""
        if self._document is None or path in self._document.shape.targets:
            self._settle(path, head)
        document = self._document
        return (
            wanted(document.shape, self._mode, document.facts)[path]
            if document and path in document.shape.targets
            else msgspec.Raw
        )

    def _settle(self, path: Path, head: Callable[[], object]) -> None:
        survey = Survey(skeleton=head())
        shape = next((shape for shape in self._shapes if shape.matches(survey)), None)
        ready = getattr(shape, "ready", None)
        if shape is None or ready is None or path not in shape.targets or not ready(survey):
            if self._document is None:
                raise TwoPasses
            found = open_document(self._source, self._shapes, self._limits, mode=self._mode)
        else:
            facts = shape.facts(survey)
            found = Document(self._source, shape, survey, facts, self._limits, self._mode)
        self._agree(found)
        self._document, (self._context,) = found, of_document(found).contexts

    def _compare(self, stream: Stream) -> None:
        survey = Survey(skeleton=stream.skeleton)
        shape = next((shape for shape in self._shapes if shape.matches(survey)), None)
        if shape is None or self._document is None or shape is not self._document.shape:
            raise _otherwise()
        self._agree(Document(self._source, shape, survey, shape.facts(survey), self._limits, self._mode))

    def _agree(self, found: Document) -> None:
        """Whether the facts that turns were given by still hold."""
        if self._document is None:
            return
        before, after = self._document.facts, found.facts
        same = (
            before.people == after.people
            and before.conversation_start == after.conversation_start
            and before.communication == after.communication
            and (before.header is None) == (after.header is None)
            and (before.private is None or before.private == after.private[: len(before.private)])
        )
        if not same:
            raise _otherwise()


def _otherwise() -> Unread:
    return Unread(
        "what stands behind the turns contradicts what stands before them",
        hint="Read it in order of time: that looks at the whole document first.",
    )
