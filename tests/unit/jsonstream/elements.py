"""Elements for each native reader, plain and odd, and the typed decoder that has to read the same."""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any

import msgspec
from hypothesis import strategies as st

from tests.unit.jsonstream.spelling import Members, Written
from turnkeeper.jsonstream.decoders import decoder_for
from turnkeeper.jsonstream.native import ColumnReader, Field
from turnkeeper.payloads.dialects import media, phrases
from turnkeeper.payloads.times import LONGEST, milliseconds

__all__ = ["CASES", "LONG", "SIX", "Case", "agreed", "decoded", "dice", "odd_arrays", "plain_arrays", "told"]

LONG = "a confidence whose name is as long as the name of a key ever may be."
"""69 bytes with its quotes are the most that there is room for."""


Seconds = Annotated[float, msgspec.Meta(ge=-LONGEST, le=LONGEST)]


class _Inner(msgspec.Struct):
    n: int


class _Media(msgspec.Struct):
    start_time: Seconds
    end_time: Seconds
    text: str
    speaker_id: str | None
    confidence: float | None = None


class _First(msgspec.Struct):
    start_time: Seconds


class _Length(msgspec.Struct):
    milliseconds: Annotated[int, msgspec.Meta(ge=0)]


class _Phrase(msgspec.Struct, rename="camel"):
    start_time_ms: int
    duration: _Length
    text: str
    decorated_text: str | None = None
    participant_purpose: str | None = None
    confidence: float | None = None
    phrase_index: int | None = None


class _FirstPhrase(msgspec.Struct, rename="camel"):
    start_time_ms: int | None = None


class TypedSix(msgspec.Struct, kw_only=True):
    """A member of each form, under keys of many lengths, as the decoder reads it."""

    text: str = msgspec.field(default="absent", name="t")
    who: str | None = msgspec.field(name="speaks")
    at: Seconds | None = msgspec.field(default=None, name="größe")
    sure: float | None = msgspec.field(default=None, name=LONG)
    count: int = 7
    length: _Inner | None = msgspec.field(default=None, name="lasting")


@dataclass(frozen=True, repr=False)
class Case:
    """One table. ``told`` is what the decoder's object says in the order of the columns; ``plain`` are what the keys
    of an element may hold, ``needed`` those that it must have, ``passed`` those of arrays that nobody asks for."""

    name: str
    table: ColumnReader
    kind: Any
    told: Callable[[Any], tuple[Any, ...]]
    plain: st.SearchStrategy[dict[str, Any]]
    needed: frozenset[str] = frozenset()
    passed: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return self.name


def _digits(most: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", max_size=most)


def _decimal(whole: int, decimals: str, negative: bool, room: int = 15) -> str:
    known = str(whole)[:room]
    kept = decimals[: room - len(known)]
    return f"{'-' if negative else ''}{known}{'.' if kept else ''}{kept}"


# Few strings of any characters, many of those that something may go wrong with.
texts = st.text('aé~ß€😀\U0010ffff "\\/\n\x00\x7fЖ', max_size=30) | st.text(max_size=12) | st.text("ab ", max_size=40)
names = st.sampled_from(["a", "agent-1", "customer", "", "é", "x" * 48, "x" * 49]) | st.text(max_size=5)
seconds = st.builds(
    _decimal, st.integers(0, 10**4) | st.integers(0, 10**11 - 1), _digits(3) | _digits(14), st.booleans()
).map(Written)
fractions = (
    st.builds(_decimal, st.integers(0, 10**9), _digits(20), st.booleans(), st.just(40))
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.integers(-(10**25), 10**25).map(str)
).map(Written)
whole = st.integers(-(10**15) + 1, 10**15 - 1) | st.integers(-3, 300)
counts = st.integers(0, 10**15 - 1) | st.integers(0, 9)

# What nobody asked for. Spelled here: an escape by number is left to the decoder.
_spelled = st.text(st.characters(exclude_characters='"\\[]', exclude_categories=("Cs", "Cc")), max_size=8)
_quiet = (
    st.none()
    | st.booleans()
    | _spelled.map(lambda text: Written(f'"{text}"'))
    | st.sampled_from([Written(one) for one in ("-0", "0.50", "9" * 40, '"},{\\"text\\":"')])
    | st.integers(-(10**20), 10**20)
)
_scalars = _quiet | st.sampled_from([Written(one) for one in ('"]"', '"["', '"\\n\\"]\\\\"', '"]}]},{"')])
_NEVER = {"text", "words", "n"}


def _members(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Members]:
    keys = _spelled.filter(lambda key: key not in _NEVER) | st.just("start_time2")
    return st.lists(st.tuples(keys, values), max_size=3).map(Members)


def _any(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(scalars, lambda below: st.lists(below, max_size=3) | _members(below), max_leaves=5)


extras = _any(_scalars)
# A bracket in a string ends an array that is passed over unseen: the element is refused then, or read after all.
unasked = _any(_quiet) | st.lists(_members(_quiet), max_size=3)


def _lasting(key: str) -> st.SearchStrategy[Members]:
    """An object with a length under one key, before, between or behind others."""
    around = _members(extras)
    return st.builds(lambda before, length, after: Members([*before, (key, length), *after]), around, counts, around)


SIX = Case(
    "six",
    ColumnReader(
        Field("t", "text", absent="absent"),
        Field("speaks", "name", nullable=True),
        Field("größe", "millis", nullable=True, absent=None),
        Field(LONG, "fraction", nullable=True, absent=None),
        Field("count", "whole", absent=7),
        Field("lasting", "length", absent=None, inner="n"),
        unread=("words", "t2"),
    ),
    TypedSix,
    lambda one: (
        one.text,
        one.who,
        None if one.at is None else milliseconds(one.at),
        one.sure,
        one.count,
        one.length and one.length.n,
    ),
    st.fixed_dictionaries(
        {"speaks": st.none() | names},
        optional={
            "t": texts,
            "größe": st.none() | seconds,
            LONG: st.none() | fractions,
            "count": whole,
            "lasting": _lasting("n"),
        },
    ),
    frozenset({"speaks"}),
    ("words", "t2"),
)
CASES = (
    SIX,
    Case(
        "media",
        media._TURNS,
        _Media,
        lambda one: (
            milliseconds(one.start_time),
            milliseconds(one.end_time),
            one.text,
            one.speaker_id,
            one.confidence,
        ),
        st.fixed_dictionaries(
            {"start_time": seconds, "end_time": seconds, "text": texts, "speaker_id": st.none() | names},
            optional={"confidence": st.none() | fractions},
        ),
        frozenset({"start_time", "end_time", "text", "speaker_id"}),
    ),
    Case(
        "media's first look",
        media._STARTS,
        _First,
        lambda one: (milliseconds(one.start_time),),
        st.fixed_dictionaries({"start_time": seconds}),
        frozenset({"start_time"}),
    ),
    Case(
        "phrases",
        phrases.TURNS,
        _Phrase,
        lambda one: (
            one.start_time_ms,
            one.duration.milliseconds,
            one.text,
            one.decorated_text,
            one.participant_purpose,
            one.confidence,
            one.phrase_index,
        ),
        st.fixed_dictionaries(
            {"startTimeMs": whole, "duration": _lasting("milliseconds"), "text": texts},
            optional={
                "decoratedText": st.none() | texts,
                "participantPurpose": st.none() | names,
                "confidence": st.none() | fractions,
                "phraseIndex": st.none() | whole,
            },
        ),
        frozenset({"startTimeMs", "duration", "text"}),
        phrases.WORDS,
    ),
    Case(
        "the first look at phrases",
        phrases.STARTS,
        _FirstPhrase,
        lambda one: (one.start_time_ms,),
        st.fixed_dictionaries({}, optional={"startTimeMs": st.none() | whole}),
        frozenset(),
        phrases.WORDS,
    ),
)

# Numbers that are none, and such as have more digits than a double holds.
_NUMBERS = """
    -0 -0.0 0e0 1e5 1E-7 1e400 -1e400 1e-400 5e-324 2.2250738585072011e-308 1.7976931348623159e308 0.1e-6 1.0 1e1
    123456789012345678 12345678901234567890123 9007199254740993 18446744073709551616 0.12345678901234567890123
    99999999999.9995 99999999999.9994 100000000000 1e11 100000000000.0001 -100000000000 -99999999999.9995
    01 00 1. .5 +1 1e 1e+ - -a NaN Infinity -Infinity nul nullx tru truex falsey 0x1 1_0 1.5.2 5-
"""
# Strings: halves of surrogates, wholes, escapes that are none, bytes that need one. And brackets out of place.
_OTHERS = r"""
    "\ud800" "\udc00\ud800" "\ud83d\ude00" "\ud83d\n" "\u00E9\u0000" "\u12" "\u12G4" "\x" "\\" "\" "a 'a'
    [1,] [,1] [1[]2] {"a":1,} {"a""b":1} {"a":} {1:1} {"a":"\u0041"} {"\u0061":1}
"""
ODD = [
    *(None, True, 7, "x", [], [1], Members(), Members([("n", 1), ("n", 2)]), Members([("milliseconds", 1.5)])),
    *map(Written, re.findall(r"\S+", _NUMBERS + _OTHERS)),
    *map(Written, ("", "9" * 41, '"\x01"', '"\t"', '"\x7f"', "[1 2]", '{"a" 1}')),
    *(Written(opened * depth + "1" + closed * depth) for opened, closed in ("[]", ('{"":', "}")) for depth in (60, 70)),
]
odd = st.sampled_from(ODD)


@st.composite
def plain_arrays(draw: st.DrawFn, case: Case, least: int = 0) -> list[Members]:
    """Elements that a native reader may not refuse."""
    found = draw(st.lists(st.tuples(case.plain, _members(extras), dice), min_size=least, max_size=5))
    return [_shuffled([*known.items(), *more, *_unasked(case, draw)], mixed) for known, more, mixed in found]


def _unasked(case: Case, draw: st.DrawFn) -> list[tuple[str, Any]]:
    """Arrays, or something else, under the keys that may be passed over."""
    return [(key, draw(unasked)) for key in case.passed if draw(st.booleans())]


def _shuffled(members: list[tuple[str, Any]], mixed: Random) -> Members:
    """In some order; most often in that of the fields, as files have it."""
    return Members(mixed.sample(members, len(members)) if mixed.random() < 0.6 else members)


@st.composite
def odd_arrays(draw: st.DrawFn, case: Case) -> list[Members]:
    """Elements of which some are not as they should be: a member missing, there twice, of another form, no JSON."""
    found = draw(plain_arrays(case, least=1))
    for _ in range(draw(st.integers(1, 2))):
        mixed = draw(dice)
        element = mixed.choice(found)
        at = mixed.randrange(len(element) + 1)
        key = mixed.choice([*case.needed, *case.passed, *(key for key, _ in element), "x"])
        if at < len(element) and mixed.random() < 0.7:
            key = element.pop(at)[0]
        if mixed.random() < 0.9:
            element.insert(at, (key, draw(odd)))
    return found


dice = st.integers(0, 1 << 64).map(Random)


def agreed(case: Case, text: bytes | bytearray | memoryview, at: int = 0, *, strict: bool = True) -> list[Any] | None:
    """What the native reader gives; the typed decoder must give the same of the same bytes."""
    found = case.table.read(text, at, strict=strict)
    if found is None:
        return None
    given, end = [*found[0]], found[1]
    truth = decoded(case, bytes(text)[at:end])
    assert truth is not None, bytes(text)[at:end]
    told(given, truth)
    return given


def decoded(case: Case, raw: bytes) -> list[tuple[Any, ...]] | None:
    """What the typed decoder reads; None where it refuses."""
    try:
        return [case.told(one) for one in decoder_for(list[case.kind]).decode(raw)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def told(given: Sequence[tuple[Any, ...]], truth: Sequence[tuple[Any, ...]]) -> None:
    """Whether the rows say just this, bit by bit."""
    assert len(given) == len(truth)
    for row, values in zip(given, truth, strict=True):
        for one, value in zip(row, values, strict=True):
            _same(one, value)


def _same(given: Any, truth: Any) -> None:
    assert type(given) is type(truth), (given, truth)
    if isinstance(given, float):
        assert struct.pack("d", given) == struct.pack("d", truth), (given, truth)
    assert given == truth
    if isinstance(given, str):
        # The size says which sort of str it is: it has to be the narrowest that holds its characters. (Two of them,
        # because one character is a str that Python may share, with more to it.)
        assert sys.getsizeof(given + given) == sys.getsizeof("".join([*given, *given]))
        assert given.isascii() == truth.isascii()
        assert hash(given) == hash(truth)
        assert given in {truth: None}
