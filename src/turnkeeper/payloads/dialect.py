"""The contract of a dialect's reader, and the records that it exchanges with its callers. Knows no vendor."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from operator import lt
from typing import Any, Protocol

import msgspec

from turnkeeper.jsonstream.outline import Path
from turnkeeper.jsonstream.salvage import Flaw
from turnkeeper.jsonstream.stream import Batch
from turnkeeper.model import Dialect, TranscriptHeader, Turn
from turnkeeper.payloads.times import EPOCH, Time
from turnkeeper.speakers import Speakers

__all__ = [
    "Context",
    "Defects",
    "DocumentFacts",
    "DocumentLeg",
    "Mode",
    "Person",
    "Shape",
    "Survey",
    "WrongTurn",
    "element_types",
]


class Person(msgspec.Struct, frozen=True):
    """A participant as a payload describes one. Times are epoch ms, or offsets where they are small."""

    id: str | None = None
    purpose: str | None = None
    name: str | None = None
    user_id: str | None = None
    queue_id: str | None = None
    start: float | None = None
    end: float | None = None


class DocumentLeg(msgspec.Struct, frozen=True):
    """A communication as a payload describes one. ``start`` is epoch ms, ``duration`` ms."""

    id: str | None
    language: str | None = None
    start: int | None = None
    duration: int | None = None


class DocumentFacts(msgspec.Struct, frozen=True):
    """Everything that a payload says except its turns, in one form for all shapes.

    ``conversation_start``, ``transcript_start``, ``first_phrase`` and ``last_phrase`` are epoch ms. ``offset_times``
    says that turns have offsets, ``relative`` that they have seconds from the conversation's start, so that no base
    applies. ``header`` is set where the document is turnkeeper's own. ``private`` is for the shape's own use.
    ``left_out`` names parts of the body that are not among the turns, ``notes`` fields that cannot be right; both hold
    one sentence each.
    """

    dialect: Dialect
    conversation: str | None = None
    communication: str | None = None
    status: str = "completed"
    media_type: str | None = None
    people: tuple[Person, ...] = ()
    legs: tuple[DocumentLeg, ...] = ()
    conversation_start: int | None = None
    transcript_start: int | None = None
    first_phrase: int | None = None
    last_phrase: int | None = None
    offset_times: bool | None = None
    relative: bool = False
    header: TranscriptHeader | None = None
    private: Any = None
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Context(msgspec.Struct, frozen=True):
    """What a shape needs to make turns.

    ``base`` is time zero as epoch ms, 0 where times are relative. ``communication`` is the one to use where the payload
    names none. ``conversation`` is the id where it is known. ``exact`` refuses a turn with a defect.
    """

    base: int
    communication: str | None
    cast: Speakers
    facts: DocumentFacts
    conversation: str | None = None
    exact: bool = False


class Survey(msgspec.Struct):
    """The results of the first pass over a body.

    ``ordered`` is True while every turn so far starts no earlier than the one before. ``count`` is the number of turns,
    or of the elements that turns are made of, and ``interim`` the number of those that are not final. ``asked`` is the
    id of the conversation to read from a body of several. ``within`` holds turns that stand in the skeleton. ``seen``
    and ``again`` are for a shape whose turns may be delivered twice. ``foreign`` are the places of documents of no
    known shape among others.

    A Struct, because one is made for every small body. Each has its own dicts and lists: msgspec copies empty defaults.
    """

    skeleton: Any = None
    records: bool = False
    ordered: bool = True
    count: int = 0
    repaired: int = 0
    earliest: float | None = None
    latest: float | None = None
    offset_times: bool | None = None
    notes: dict[str, Any] = {}
    asked: str | None = None
    exact: bool = False
    within: list[Batch] = []
    seen: dict[Any, Any] = {}
    again: dict[int, str | None] = {}
    foreign: list[int] = []
    interim: int = 0
    _last: float | None = None
    _untimed: bool = False
    _array: tuple[Path, tuple[int, ...]] | None = None

    def starts(self, batch: Batch, values: list[Any], *, strict: bool = False) -> None:
        """Note the start times of a batch, None for a turn without one. ``strict`` takes equal starts for disorder."""
        self.count += len(values)
        if batch.flaws:
            # The time of a damaged turn is known only when its element is read field by field.
            self.ordered = False
        if self._array not in (None, (batch.path, batch.parents)):
            # Offsets in two arrays may count from two starts, so their order is known only after sorting.
            self.ordered = False
        self._array = (batch.path, batch.parents)
        if self._in_order(values):
            return
        try:
            rising = sorted(values)
        except TypeError:
            # There is a None among them. That is rare, and looking for one first takes longer than sorting.
            rising = sorted(value for value in values if value is not None)
        if not rising or rising[0] is None:
            self._untimed = True
            self.ordered = self.ordered and self._last is None
            return
        # Turns without times are in the document's order. Where only some have one, sorting decides.
        self.ordered = self.ordered and not self._untimed
        if self.ordered:
            self._order(values, rising, strict=strict)
        self._extremes(rising)

    def _in_order(self, values: list[Any]) -> bool:
        """Whether every turn certainly starts after the one before, which is the usual case. False proves nothing."""
        if not self.ordered or self._untimed or not values or values[0] is None:
            return False
        try:
            if not all(map(lt, values, values[1:])) or not (self._last is None or self._last < values[0]):
                return False
        except TypeError:
            return False
        self._last = values[-1]
        self._extremes(values)
        return True

    def _order(self, values: list[Any], rising: list[Any], *, strict: bool) -> None:
        same = strict and (len(set(rising)) < len(rising) or rising[0] == self._last)
        behind = self._last is None or self._last <= rising[0]
        self.ordered = behind and not same and rising == values
        self._last = rising[-1]

    def _extremes(self, rising: list[Any]) -> None:
        offsets = bisect_right(rising, EPOCH) if rising[0] <= EPOCH else 0
        self.offset_times = offsets > 0 or bool(self.offset_times)
        if offsets < len(rising):
            self.earliest = rising[offsets] if self.earliest is None else min(rising[offsets], self.earliest)
            self.latest = rising[-1] if self.latest is None else max(rising[-1], self.latest)


class WrongTurn(Exception):
    """A turn that cannot be right: its ``index`` within the batch, the payload's ``field``, and what is wrong."""

    def __init__(self, index: int, field: str, message: str) -> None:
        super().__init__(message)
        self.index, self.field, self.message = index, field, message


class Defects:
    """Collects the fields of one turn that cannot be right. With ``exact``, the first one raises ``WrongTurn``."""

    def __init__(self, index: int, *, exact: bool = False) -> None:
        self.names: tuple[str, ...] = ()
        self._index, self._exact = index, exact

    def note(self, name: str, field: str, reason: str) -> None:
        """Mark one field of the turn; ``field`` is its name in the payload."""
        if self._exact:
            raise WrongTurn(self._index, field, reason)
        if name not in self.names:
            self.names = (*self.names, name)

    def take(self, flaws: Sequence[Flaw], places: Mapping[str, str]) -> None:
        """Mark the fields that are made of damaged parts; ``places`` maps the payload's names to the turn's."""
        for flaw in flaws:
            name = places.get(_ROOT.split(flaw.field)[0]) if flaw.field else "turn"
            if name:
                self.note(name, flaw.field, flaw.said.replace("`", "").replace("Expected", "expected"))

    def time(self, read: Callable[[Time], int | None], value: Time, name: str, field: str) -> int | None:
        """A time in milliseconds, as ``read`` converts it; None and a mark where it raises."""
        try:
            return read(value)
        except (ValueError, OverflowError) as wrong:
            self.note(name, field, str(wrong))
            return None

    def confidence(self, value: float | None) -> float | None:
        """A confidence; None and a mark where it does not lie between 0 and 1."""
        if value is None or 0 <= value <= 1:
            return value
        self.note("confidence", "confidence", "does not lie between 0 and 1")
        return None


_ROOT = re.compile(r"[.\[]")


class Shape(Protocol):
    """One dialect's reader. It has no state: what it learns goes into ``Survey.notes`` and ``DocumentFacts.private``.

    ``targets`` maps the path of each array of turns to two types, a small one for the survey and the whole one for the
    turns; both have the attributes that ``survey`` reads. Where two shapes name the same path, the first one's small
    type and survey serve both. ``record`` is the type of one document where a body may hold several.

    Three methods are optional. ``kinds(mode)`` gives other types of elements for a mode, ``columns(batch, context)``
    gives the turns as a ``TurnBatch``, and ``whole(mode)`` says how to decode a small document in one piece.
    """

    @property
    def name(self) -> Dialect: ...

    @property
    def targets(self) -> Mapping[Path, tuple[Any, Any]]: ...

    @property
    def record(self) -> Any | None: ...

    def survey(self, survey: Survey, batch: Batch) -> None:
        """Note what is needed of a batch: its start times (``Survey.starts``) at least."""
        ...

    def matches(self, survey: Survey) -> bool:
        """Return whether the document is of this shape. Must not raise."""
        ...

    def facts(self, survey: Survey) -> DocumentFacts:
        """Return everything but the turns. Turns that stand in the skeleton are put into ``survey.within``.

        Raises ``Unread`` and ``WrongConversation``.
        """
        ...

    def turns(self, batch: Batch, context: Context) -> list[Turn]:
        """Return the turns of a batch. Raises ``WrongTurn``."""
        ...


class Mode(msgspec.Struct, frozen=True):
    """How a body is read.

    ``strict`` also checks UTF-8 and nesting in fields that no turn is made of. Without ``words``, turns have none,
    which makes reading several times faster where a payload lists them. ``exact`` refuses a document with a field that
    cannot be right; otherwise only that field is left out.
    """

    strict: bool = True
    words: bool = True
    exact: bool = False


def element_types(shape: Shape, mode: Mode) -> dict[Path, Any]:
    """The type of each array's elements: the whole one, or the one that the shape has for this mode."""
    kinds = getattr(shape, "kinds", None)
    return {path: whole for path, (_, whole) in shape.targets.items()} | (kinds(mode) if kinds else {})
