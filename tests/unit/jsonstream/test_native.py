"""The part in C: what it gives is what the typed decoder gives, all else it refuses, and what is plain it does not."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.jsonstream.edge import Edge
from tests.unit.jsonstream.elements import CASES, LONG, SIX, Case, agreed, decoded, dice, odd_arrays, plain_arrays
from tests.unit.jsonstream.spelling import damaged, spelled
from turnkeeper.jsonstream.native import native

pytestmark = pytest.mark.needs(part="native")

edge = Edge()
every_case = pytest.mark.parametrize("case", CASES, ids=str)


def test_the_part_in_c_is_there() -> None:
    assert native is not None, (
        "the part in C is not built: python native/build.py (it needs apt-get install -y gcc libc6-dev python3-dev)"
    )
    assert all(case.table.native for case in CASES)


def placed(raw: bytes, mixed: Random) -> tuple[bytes | bytearray | memoryview, int]:
    """The array somewhere in a text, in any kind of buffer, and where it is."""
    before = mixed.choice((b"", b"[", b'{"transcript":', b"\xff\n"))
    text = before + raw + mixed.choice((b"}        ", b",[]:\xff}]}]", b']["1234567'))
    return mixed.choice((bytes, bytearray, memoryview))(text), len(before)


@every_case
@given(data=st.data())
@settings(max_examples=30)
def test_what_is_plain_is_read_and_as_the_decoder_reads_it(case: Case, data: Any) -> None:
    elements, mixed = data.draw(plain_arrays(case)), data.draw(dice)
    text, at = placed(spelled(elements, mixed), mixed)
    for strict in (True, False):
        found = agreed(case, text, at, strict=strict)
        assert found is not None, bytes(text)
        assert len(found) == len(elements)


@every_case
@given(data=st.data())
@settings(max_examples=40)
def test_what_is_odd_is_read_as_the_decoder_reads_it_or_refused(case: Case, data: Any) -> None:
    elements, mixed = data.draw(odd_arrays(case)), data.draw(dice)
    raw = spelled(elements, mixed, keys_as_they_are=mixed.random() < 0.7)
    text, at = placed(raw, mixed)
    agreed(case, text, at)
    if decoded(case, raw) is not None:
        agreed(case, text, at, strict=False)


@every_case
@given(data=st.data())
@settings(max_examples=15)
def test_what_is_cut_off_is_refused(case: Case, data: Any) -> None:
    elements, mixed = data.draw(plain_arrays(case, least=1)), data.draw(dice)
    raw = spelled(elements, mixed).rstrip()
    for strict in (True, False):
        assert all(case.table.read(edge(raw[:cut]), 0, strict=strict) is None for cut in range(len(raw)))
        # The end of the array is the last that is looked at: what follows may be anything, and may be missing.
        assert agreed(case, raw + b"        ", strict=strict) is not None


@every_case
@given(data=st.data())
@settings(max_examples=25)
def test_what_is_damaged_is_read_as_the_decoder_reads_it_or_refused(case: Case, data: Any) -> None:
    elements, mixed = data.draw(plain_arrays(case, least=1) | odd_arrays(case)), data.draw(dice)
    raw = spelled(elements, mixed)
    for _ in range(40):
        text = damaged(raw, mixed)
        agreed(case, edge(text + b"]        "))
        agreed(case, edge(text[: mixed.randrange(len(text) + 1)]))


@pytest.mark.parametrize("number", ["0", "-0", "0.0", "-0.0", "-0e0", "-0." + "0" * 30, "-0.5", "1e-400"])
def test_a_zero_has_the_sign_that_the_decoder_gives_it(number: str) -> None:
    assert agreed(SIX, f'[{{"speaks":null,"{LONG}":{number}}}]        '.encode()) is not None


@pytest.mark.parametrize(("length", "read"), [("0", True), ("7", True), ("-0", False), ("-1", False), ("1.0", False)])
def test_a_length_is_never_less_than_nothing(length: str, read: bool) -> None:
    raw = f'[{{"startTimeMs":-1,"text":"","duration":{{"milliseconds":{length}}}}}]        '.encode()
    assert (agreed(CASES[3], raw) is not None) == read
