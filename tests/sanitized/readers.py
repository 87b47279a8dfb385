"""The readers that are attacked: those of the dialects, and one with every form and the longest keys there may be.

Each stands beside the typed decoder whose results it has to give.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from tests.sanitized.hostile import Member
from tests.unit.jsonstream.elements import CASES, Case
from turnkeeper.jsonstream.native import ColumnReader, Field
from turnkeeper.payloads.dialects import media, phrases
from turnkeeper.payloads.times import milliseconds

__all__ = ["READERS", "Attacked", "Wrong"]

INNER, LONGEST = "n" * 39, "k" * 69
NOTHING = "what an absent key means".title()
"""Made here, so that whoever keeps a reference too many or too few is seen by its count."""


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


_FIELDS = (
    Field("a", "text"),
    Field("naming", "name", nullable=True, absent=NOTHING),
    Field("naming7", "millis"),
    Field("naming78", "fraction", nullable=True, absent=-1.5),
    Field(LONGEST, "whole"),
    Field("length", "length"),
    Field("inner", "whole", inner=INNER),
    Field("said", "text", inner="t", absent=NOTHING),
)
_UNREAD = ("words", "w" * 39)


def _every(one: Any) -> tuple[Any, ...]:
    if one.f < 0:
        raise ValueError("of negative length")
    said = NOTHING if one.h is msgspec.UNSET else one.h.t
    return one.a, one.b, milliseconds(one.c), one.d, one.e, one.f, one.g.n, said


@dataclass(frozen=True)
class Attacked:
    """A reader, the decoder it has to agree with, and how values of the one become those of the other."""

    name: str
    fields: tuple[Field, ...]
    decoder: Any
    values: Callable[[Any], tuple[Any, ...]]
    unread: tuple[str, ...] = ()

    @cached_property
    def reader(self) -> Any:
        return ColumnReader(*self.fields, unread=self.unread)._reader

    @property
    def members(self) -> tuple[Member, ...]:
        return tuple(Member(one.key, one.form, one.nullable, one.absent is not ..., one.inner) for one in self.fields)

    def compare(self, text: bytes, at: int, found: tuple[Any, int], *, strict: bool) -> None:
        """Raises ``Wrong`` where what was found is not what the decoder gives for the same bytes."""
        rows = list(zip(*found[0], strict=True))
        wanted = self._wanted(text[at : found[1]])
        if wanted is None and not strict and self.unread:
            # What nobody asks for may be damaged: it is passed over from bracket to bracket, and the rest counts.
            wanted = self._wanted(_EMPTIED.sub(rb"\1[]", text[at : found[1]]))
        if repr(rows) != repr(wanted) or rows != wanted:
            raise Wrong(f"{self.name} at {at} of {text!r}, strict={strict}: {rows} and not {wanted}")
        for row, other in zip(rows, wanted or (), strict=True):
            self._same_strings(row, other)

    def _wanted(self, text: bytes) -> list[tuple[Any, ...]] | None:
        try:
            return [self.values(one) for one in self.decoder.decode(text)]
        except (ValueError, msgspec.DecodeError, RecursionError):
            return None

    @staticmethod
    def _same_strings(row: tuple[Any, ...], other: tuple[Any, ...]) -> None:
        for mine, theirs in zip(row, other, strict=True):
            if not isinstance(mine, str):
                continue
            width = 1 if not mine or max(mine) < "\u0100" else 2 if max(mine) < "\U00010000" else 4
            behind = ctypes.string_at(id(mine) + sys.getsizeof(mine) - width, width)
            if behind.strip(b"\0") or (mine.isascii(), hash(mine)) != (theirs.isascii(), hash(theirs)):
                raise Wrong(f"{mine!r} is not made as it should be")


_EMPTIED = re.compile(rb'("(?:words|decoratedWords|w{39})"[ \t\r\n]*:[ \t\r\n]*)\[[^][]*\]')


def _of_case(case: Case, fields: tuple[Field, ...]) -> Attacked:
    return Attacked(case.name, fields, msgspec.json.Decoder(list[case.kind]), case.told, case.passed)


_MEDIA, _FIRST, _PHRASES, _FIRST_PHRASES = CASES[1:]
READERS = (
    _of_case(_MEDIA, media._TURNS.fields),
    _of_case(_PHRASES, phrases.TURNS.fields),
    Attacked("every form", _FIELDS, msgspec.json.Decoder(list[_Typed]), _every, _UNREAD),
    _of_case(_FIRST, media._STARTS.fields),
    _of_case(_FIRST_PHRASES, phrases.STARTS.fields),
)
