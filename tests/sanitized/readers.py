"""The readers that are attacked: those of the dialects, and one with every form and the longest keys there may be.

Each stands beside the typed decoder whose results it has to give.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.sanitized.hostile import Member
from turnkeeper.model import Turn
from turnkeeper.transcript.dialects import media, phrases
from turnkeeper.transcript.hollow import Hollow
from turnkeeper.transcript.numbers import milliseconds
from turnkeeper.transcript.rows import Field, Rows

__all__ = ["READERS", "Attacked", "Wrong"]

INNER, LONGEST = "n" * 39, "k" * 69
NOTHING, ALWAYS = "what an absent key means".title(), "what every object holds".title()
"""Made here, so that whoever keeps a reference too many or too few is seen by their count."""


class Wrong(Exception):
    """The part in C gave what it should not have given."""


class _Whole(msgspec.Struct):
    n: int = msgspec.field(name=INNER)


class _Said(msgspec.Struct):
    t: str


class _Typed(msgspec.Struct):
    a: str
    c: float = msgspec.field(name="naming7")
    e: int = msgspec.field(name=LONGEST)
    f: int = msgspec.field(name="length")
    g: _Whole = msgspec.field(name="inner")
    b: str | None = msgspec.field(name="naming", default=NOTHING)
    d: float | None = msgspec.field(name="naming78", default=-1.5)
    h: _Said | msgspec.UnsetType = msgspec.field(name="said", default=msgspec.UNSET)


class _Every(msgspec.Struct, gc=False):
    a: str
    b: str | None
    c: int
    d: float | None
    e: int
    f: int
    g: int
    h: str
    i: str


_FIELDS = (
    Field("a", "a", "text"),
    Field("naming", "b", "name", nullable=True, absent=NOTHING),
    Field("naming7", "c", "millis"),
    Field("naming78", "d", "fraction", nullable=True, absent=-1.5),
    Field(LONGEST, "e", "whole"),
    Field("length", "f", "length"),
    Field("inner", "g", "whole", inner=INNER),
    Field("said", "h", "text", inner="t", absent=NOTHING),
)
_UNREAD = ("words", "w" * 39)


def _every(one: Any) -> tuple[Any, ...]:
    if one.f < 0:
        raise ValueError("of negative length")
    said = NOTHING if one.h is msgspec.UNSET else one.h.t
    return one.a, one.b, milliseconds(one.c), one.d, one.e, one.f, one.g.n, said


def _media(one: Any) -> tuple[Any, ...]:
    start, end = milliseconds(one.start_ms), milliseconds(one.end_ms)
    if start > end:
        raise ValueError("ends before it starts")
    return start, end, one.text, one.speaker_id, one.confidence


def _phrase(one: Any) -> tuple[Any, ...]:
    if one.end_ms.milliseconds < 0:
        raise ValueError("of negative length")
    return (
        one.start_ms,
        one.end_ms.milliseconds,
        one.text,
        one.duplicate_of,
        one.channel,
        one.confidence,
        one.index,
    )


@dataclass(frozen=True)
class Attacked:
    """A reader, the decoder it has to agree with, and how values of the one become those of the other."""

    name: str
    reader: Any
    kind: type[Any]
    fields: tuple[Field, ...]
    decoder: Any
    values: Callable[[Any], tuple[Any, ...]]
    constants: Mapping[str, Any] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    @property
    def members(self) -> tuple[Member, ...]:
        return tuple(Member(one.key, one.form, one.nullable, one.absent is not ..., one.inner) for one in self.fields)

    def compare(self, text: bytes, at: int, found: tuple[Any, int], *, by_columns: bool, strict: bool) -> None:
        """Raises ``Wrong`` where what was found is not what the decoder gives for the same bytes."""
        rows = list(zip(*found[0], strict=True)) if by_columns else self._rows(found[0])
        wanted = self._wanted(text[at : found[1]], strict=strict)
        if repr(rows) != repr(wanted) or rows != wanted:
            raise Wrong(f"{self.name} at {at} of {text!r}, strict={strict}: {rows} and not {wanted}")
        for row, other in zip(rows, wanted or (), strict=True):
            self._same_strings(row, other)

    def _wanted(self, text: bytes, *, strict: bool) -> list[tuple[Any, ...]] | None:
        try:
            return [self.values(one) for one in self.decoder.decode(text)]
        except (ValueError, msgspec.DecodeError, RecursionError):
            if strict or not self.unread:
                return None
        # What nobody asks for may be damaged: it is passed over unseen, and the rest is what counts.
        emptied = Hollow(self.unread).emptied(text, len(text))
        return None if emptied is None else self._wanted(emptied, strict=True)

    def _rows(self, objects: list[Any]) -> list[tuple[Any, ...]]:
        for one in objects:
            if type(one) is not self.kind or any(getattr(one, key) is not held for key, held in self.constants.items()):
                raise Wrong(f"{self.name}: {one!r}")
        return [tuple([getattr(one, told.member) for told in self.fields]) for one in objects]

    @staticmethod
    def _same_strings(row: tuple[Any, ...], other: tuple[Any, ...]) -> None:
        for mine, theirs in zip(row, other, strict=True):
            if not isinstance(mine, str):
                continue
            width = 1 if not mine or max(mine) < "\u0100" else 2 if max(mine) < "\U00010000" else 4
            behind = ctypes.string_at(id(mine) + sys.getsizeof(mine) - width, width)
            if behind.strip(b"\0") or (mine.isascii(), hash(mine)) != (theirs.isascii(), hash(theirs)):
                raise Wrong(f"{mine!r} is not made as it should be")


def _of(rows: Rows) -> Any:
    return rows._reader  # both ways of a reader are tried, whichever it was made for


READERS = (
    Attacked(
        "media", _of(media._TURNS), Turn, media._FIELDS, msgspec.json.Decoder(list[media._Turn]), _media, media._REST
    ),
    Attacked(
        "phrases",
        _of(phrases.TURNS),
        Turn,
        phrases._FIELDS,
        msgspec.json.Decoder(list[phrases.Brief]),
        _phrase,
        phrases._REST,
        phrases.WORDS,
    ),
    Attacked(
        "every form",
        _of(Rows(_Every, _FIELDS, {"i": ALWAYS}, unread=_UNREAD)),
        _Every,
        _FIELDS,
        msgspec.json.Decoder(list[_Typed]),
        _every,
        {"i": ALWAYS},
        _UNREAD,
    ),
    Attacked(
        "starts",
        _of(media._STARTS),
        media._Probe,
        (Field("start_time", "start_ms", "fraction"),),
        msgspec.json.Decoder(list[media._Probe]),
        lambda one: (one.start_ms,),
    ),
    Attacked(
        "first look",
        _of(phrases.STARTS),
        phrases.Probe,
        (Field("startTimeMs", "start_ms", "whole", nullable=True, absent=None),),
        msgspec.json.Decoder(list[phrases.Probe]),
        lambda one: (one.start_ms,),
        unread=phrases.WORDS,
    ),
)
