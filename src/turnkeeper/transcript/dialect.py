"""What a dialect's reader is, and what passes between it and the rest: facts, surveys, contexts. Knows no vendor."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from operator import lt
from typing import Any, Protocol

import msgspec

from turnkeeper.model import Dialect, TranscriptHeader, Turn
from turnkeeper.transcript.roles import Cast
from turnkeeper.transcript.skeleton import Path
from turnkeeper.transcript.stream import Batch
from turnkeeper.transcript.voices import Voices

__all__ = ["EPOCH", "Context", "Facts", "Leg", "Mode", "Person", "Shape", "Survey", "WrongTurn", "wanted"]

EPOCH = 1e11
"""A larger number is epoch milliseconds (after March 1973), a smaller one an offset. Vendor files hold either."""


class Person(msgspec.Struct, frozen=True):
    """A participant as a payload names one. Times are epoch ms, or offsets where small, some with fractions."""

    id: str | None = None
    purpose: str | None = None
    name: str | None = None
    user_id: str | None = None
    queue_id: str | None = None
    start: float | None = None
    end: float | None = None


class Leg(msgspec.Struct, frozen=True):
    """A communication as a payload names one, or leaves unnamed. ``start`` is epoch ms, ``duration`` ms."""

    id: str | None
    language: str | None = None
    start: int | None = None
    duration: int | None = None


class Facts(msgspec.Struct, frozen=True):
    """Everything a payload says but its turns, in one form for all shapes.

    ``conversation_start``, ``transcript_start`` and ``first_phrase`` are epoch ms. ``offset_times`` says that turns
    carry offsets. ``relative`` that they carry seconds from the conversation's start, so that no base applies.
    ``header`` is set where the document is turnkeeper's own. ``private`` belongs to the shape.
    """

    dialect: Dialect
    conversation: str | None = None
    communication: str | None = None
    status: str = "completed"
    media_type: str | None = None
    people: tuple[Person, ...] = ()
    legs: tuple[Leg, ...] = ()
    conversation_start: int | None = None
    transcript_start: int | None = None
    first_phrase: int | None = None
    offset_times: bool | None = None
    relative: bool = False
    header: TranscriptHeader | None = None
    private: Any = None


class Context(msgspec.Struct, frozen=True):
    """What a shape needs to make turns: time zero as epoch ms (0 where times are relative), the communication to use
    where the payload names none, who was there (``voices`` is for those who ask again and again), and what the shape
    itself found."""

    base: int
    communication: str | None
    cast: Cast
    facts: Facts
    voices: Voices


class Survey(msgspec.Struct):
    """What the first pass found. ``ordered`` is True while every turn so far starts no earlier than the one before.

    A Struct, as one is made for every small body. (Each has its own dict and list: msgspec copies empty defaults.)
    """

    skeleton: Any = None
    records: bool = False
    ordered: bool = True
    repaired: int = 0
    earliest: float | None = None
    offset_times: bool | None = None
    notes: dict[str, Any] = {}
    asked: str | None = None
    within: list[Batch] = []
    _last: float | None = None
    _untimed: bool = False
    _array: tuple[Path, tuple[int, ...]] | None = None

    def starts(self, batch: Batch, values: list[Any], *, strict: bool = False) -> None:
        """Note the start times of a batch, None for a turn without. ``strict`` calls equal starts disorder."""
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

    def facts(self, survey: Survey) -> Facts:
        """Everything but the turns; puts turns that stand in the skeleton into ``survey.within``. Raises ``Unread``
        and ``WrongConversation``."""
        ...

    def turns(self, batch: Batch, context: Context) -> list[Turn]:
        """The turns of a batch. Raises ``WrongTurn``."""
        ...


class Mode(msgspec.Struct, frozen=True):
    """How closely to look. ``strict`` checks what no turn is made of, too: UTF-8 and nesting in skipped fields.
    Without ``words`` turns have none, which makes reading several times faster where a payload lists them. ``columns``
    says that columns are asked for, not turns."""

    strict: bool = True
    words: bool = True
    columns: bool = False


def wanted(shape: Shape, mode: Mode, facts: Facts | None = None) -> dict[Path, Any]:
    """The type of each array's elements: the whole one, or what the shape has for this mode and these facts."""
    kinds = getattr(shape, "kinds", None)
    return {path: whole for path, (_, whole) in shape.targets.items()} | (kinds(mode, facts) if kinds else {})
