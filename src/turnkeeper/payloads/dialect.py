"""What a dialect's reader is, and what passes between it and the rest: facts, surveys, contexts. Knows no vendor."""

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
    "wanted",
]


class Person(msgspec.Struct, frozen=True):
    """A participant as a payload names one. Times are epoch ms, or offsets where small, some with fractions."""

    id: str | None = None
    purpose: str | None = None
    name: str | None = None
    user_id: str | None = None
    queue_id: str | None = None
    start: float | None = None
    end: float | None = None


class DocumentLeg(msgspec.Struct, frozen=True):
    """A communication as a payload names one, or leaves unnamed. ``start`` is epoch ms, ``duration`` ms."""

    id: str | None
    language: str | None = None
    start: int | None = None
    duration: int | None = None


class DocumentFacts(msgspec.Struct, frozen=True):
    """Everything a payload says but its turns, in one form for all shapes.

    ``conversation_start``, ``transcript_start`` and ``first_phrase`` are epoch ms. ``offset_times`` says that turns
    carry offsets. ``relative`` that they carry seconds from the conversation's start, so that no base applies.
    ``header`` is set where the document is turnkeeper's own. ``private`` belongs to the shape. ``left_out`` says what
    of the body is not among the turns, ``notes`` what of the document could not be right, one sentence each.
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
    offset_times: bool | None = None
    relative: bool = False
    header: TranscriptHeader | None = None
    private: Any = None
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Context(msgspec.Struct, frozen=True):
    """What a shape needs to make turns: time zero as epoch ms (0 where times are relative), the communication to use
    where the payload names none, who was there, and what the shape itself found. ``conversation`` is the id where it is
    known. ``exact`` refuses a turn with a defect."""

    base: int
    communication: str | None
    cast: Speakers
    facts: DocumentFacts
    conversation: str | None = None
    exact: bool = False


class Survey(msgspec.Struct):
    """What the first pass found. ``ordered`` is True while every turn so far starts no earlier than the one before;
    ``count`` is the number of turns, or of what turns are made of. ``seen`` and ``again`` are for a shape whose turns
    may be delivered twice. ``interim`` counts what was not
    final. ``foreign`` are the places of documents that are of no known shape among others that are.

    A Struct, as one is made for every small body. (Each has its own dict and list: msgspec copies empty defaults.)
    """

    skeleton: Any = None
    records: bool = False
    ordered: bool = True
    count: int = 0
    repaired: int = 0
    earliest: float | None = None
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
        """Note the start times of a batch, None for a turn without. ``strict`` calls equal starts disorder."""
        self.count += len(values)
        if batch.flaws:
            # What such a turn's time is, the reader of turns decides.
            self.ordered = False
        if self._array not in (None, (batch.path, batch.parents)):
            # Offsets in two arrays count from two starts: only sorting tells.
            self.ordered = False
        self._array = (batch.path, batch.parents)
        if self._in_order(values):
            return
        try:
            rising = sorted(values)
        except TypeError:  # there is a None among them: rare, and looking for one takes longer than sorting
            rising = sorted(value for value in values if value is not None)
        if not rising or rising[0] is None:
            self._untimed = True
            self.ordered = self.ordered and self._last is None
            return
        # Turns without a time are in order among themselves; where some have one, only sorting tells.
        self.ordered = self.ordered and not self._untimed
        if self.ordered:
            self._order(values, rising, strict=strict)
        self._extremes(rising)

    def _in_order(self, values: list[Any]) -> bool:
        """The usual case seen at once: every turn starts behind the one before. False says nothing."""
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


class WrongTurn(Exception):
    """A turn that cannot be right, told by a shape: ``index`` within the batch, the field, and what is wrong."""

    def __init__(self, index: int, field: str, message: str) -> None:
        super().__init__(message)
        self.index, self.field, self.message = index, field, message


class Defects:
    """The fields of one turn that cannot be right.

    With ``exact`` the first defect raises ``WrongTurn``.
    """

    def __init__(self, index: int, *, exact: bool = False) -> None:
        self.names: tuple[str, ...] = ()
        self._index, self._exact = index, exact

    def note(self, name: str, field: str, said: str) -> None:
        """Mark one field of the turn; ``field`` is what the payload calls it."""
        if self._exact:
            raise WrongTurn(self._index, field, said)
        if name not in self.names:
            self.names = (*self.names, name)

    def take(self, flaws: Sequence[Flaw], places: Mapping[str, str]) -> None:
        """Mark what could not be read of the element; what no field of a turn is made of costs nothing."""
        for flaw in flaws:
            name = places.get(_ROOT.split(flaw.field)[0]) if flaw.field else "turn"
            if name:
                self.note(name, flaw.field, flaw.said.replace("`", "").replace("Expected", "expected"))

    def time(self, read: Callable[[Time], int | None], value: Time, name: str, field: str) -> int | None:
        """A time as ``read`` understands it, None where it is none."""
        try:
            return read(value)
        except (ValueError, OverflowError) as wrong:
            self.note(name, field, str(wrong))
            return None

    def confidence(self, value: float | None) -> float | None:
        """A confidence, None where it does not lie between 0 and 1."""
        if value is None or 0 <= value <= 1:
            return value
        self.note("confidence", "confidence", "does not lie between 0 and 1")
        return None


_ROOT = re.compile(r"[.\[]")


class Shape(Protocol):
    """One dialect's reader. Stateless: what it learns goes into ``Survey.notes`` and ``Facts.private``.

    ``targets`` maps the path of each array of turns to two types: a small one for the survey, the whole one for the
    turns; the attributes that ``survey`` looks at are in both. Of two shapes that name the same path, the first one's
    small type and survey are used for both. ``record`` is the type of one document where a body may hold several.
    """

    @property
    def name(self) -> Dialect: ...

    @property
    def targets(self) -> Mapping[Path, tuple[Any, Any]]: ...

    @property
    def record(self) -> Any | None: ...

    def survey(self, survey: Survey, batch: Batch) -> None:
        """Note what matters of a batch, with ``Survey.starts`` at least."""
        ...

    def matches(self, survey: Survey) -> bool:
        """Whether the document is of this shape. Must not raise."""
        ...

    def facts(self, survey: Survey) -> DocumentFacts:
        """Everything but the turns; puts turns that stand in the skeleton into ``survey.within``. Raises ``Unread``
        and ``WrongConversation``."""
        ...

    def turns(self, batch: Batch, context: Context) -> list[Turn]:
        """The turns of a batch. Raises ``WrongTurn``."""
        ...


class Mode(msgspec.Struct, frozen=True):
    """How closely to look. ``strict`` checks what no turn is made of, too: UTF-8 and nesting in skipped fields.
    Without ``words`` turns have none, which makes reading several times faster where a payload lists them. ``exact``
    refuses a document of which a field cannot be right; without it such a field costs only itself."""

    strict: bool = True
    words: bool = True
    exact: bool = False


def wanted(shape: Shape, mode: Mode) -> dict[Path, Any]:
    """The type of each array's elements: the whole one, or what the shape has for this mode."""
    kinds = getattr(shape, "kinds", None)
    return {path: whole for path, (_, whole) in shape.targets.items()} | (kinds(mode) if kinds else {})
