"""Values read in C: seconds to milliseconds as ``numbers.milliseconds`` has it, UTF-8 as Python has it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.jsonstream.elements import told
from turnkeeper.jsonstream.native import ColumnReader, Field
from turnkeeper.payloads.times import LONGEST, milliseconds

pytestmark = pytest.mark.needs(part="native")

MILLIS = ColumnReader(Field("at", "millis"))
TEXT = ColumnReader(Field("said", "text"))
NAME = ColumnReader(Field("said", "name"))
FRACTION = ColumnReader(Field("at", "fraction"))


def read(table: ColumnReader, values: Iterable[bytes], key: bytes = b"at") -> list[Any] | None:
    """The column of elements that hold just these values; None where one of them is refused."""
    raw = b"[" + b",".join(b'{"%s":%s}' % (key, value) for value in values) + b"]       "
    found = table.read(raw, 0, strict=True)
    return None if found is None else found[0].lists[0]


def given_ms(*numbers: str) -> list[int] | None:
    return read(MILLIS, [number.encode() for number in numbers])


# ---- seconds ----


def every_decimal(decimals: int, whole: int) -> Iterator[str]:
    """All decimals with so many digits behind the point between a whole number and the next, and their negatives."""
    for sign in ("", "-"):
        for part in range(10**decimals):
            yield f"{sign}{whole}.{part:0{decimals}}" if decimals else f"{sign}{whole}"


@pytest.mark.parametrize("decimals", range(5))
@pytest.mark.parametrize("whole", [0, 1, 29, 8191, 99_999_999_999])
def test_every_decimal_of_a_second_is_milliseconds_half_up(decimals: int, whole: int) -> None:
    numbers = list(every_decimal(decimals, whole))
    assert given_ms(*numbers) == [milliseconds(float(number)) for number in numbers]


def near_halves() -> Iterator[str]:
    """Halves of a millisecond with 4 to 12 decimals, the decimals beside them, and those beside whole milliseconds."""
    for decimals, whole, thousandth in itertools.product(range(4, 13), (0, 1, 100), (0, 1, 2, 289, 998, 999)):
        half = Decimal(whole) + Decimal(thousandth) / 1000 + Decimal(5) / 10**4
        for off, sign in itertools.product((-1, 0, 1), (1, -1)):
            yield f"{sign * (half + Decimal(off) / 10**decimals):.{decimals}f}"
            yield f"{sign * (half - Decimal(5) / 10**4 + Decimal(off) / 10**decimals):.{decimals}f}"


def test_halves_and_their_neighbours() -> None:
    numbers = list(near_halves())
    assert given_ms(*numbers) == [milliseconds(float(number)) for number in numbers]


@given(st.decimals(-LONGEST, LONGEST, places=None, allow_nan=False), st.integers(0, 12))
@example(Decimal("-0.0005"), 4)
@example(Decimal("99999999999.9995"), 4)
@settings(max_examples=200)
def test_any_decimal_with_as_many_digits_as_a_double_holds(number: Decimal, places: int) -> None:
    text = f"{number:.{places}f}"
    digits = len(text.lstrip("-").replace(".", ""))
    found = given_ms(text)
    if digits > 15 or abs(Decimal(text)) >= LONGEST:
        assert found is None
    else:
        assert found == [milliseconds(float(text))]


@pytest.mark.parametrize(
    "number",
    ["100000000000", "100000000000.0", "-100000000000", "1e3", "1E0", "0.1234567890123456", "1234567890123456", "-"],
)
def test_a_time_that_is_too_far_or_has_too_many_digits_is_left_to_the_decoder(number: str) -> None:
    assert given_ms(number) is None
    assert given_ms("1.5", number, "2") is None


def test_the_furthest_times() -> None:
    numbers = ["99999999999", "-99999999999", "99999999999.999", "99999999999.9994", "99999999999.9995"]
    assert given_ms(*numbers) == [milliseconds(float(number)) for number in numbers]


# ---- fractions ----


@given(
    st.from_regex(r"-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
)
@settings(max_examples=200)
def test_fractions_are_the_nearest_double(number: str) -> None:
    found = read(FRACTION, [number.encode()])
    if "inf" in repr(float(number)) or len(number) > 47:
        assert found is None
    else:
        assert found is not None
        told([(one,) for one in found], [(msgspec.json.decode(number, type=float),)])


def test_a_fraction_that_was_remembered_is_no_other_one() -> None:
    numbers = [f"{digits / 10**places:.{places}f}" for places in range(6) for digits in range(0, 4000, 7)]
    found = read(FRACTION, [number.encode() for number in numbers * 2])
    assert found is not None
    told([(one,) for one in found], [(float(number),) for number in numbers * 2])


# ---- text ----


def text_of(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def check_text(raw: bytes) -> None:
    """A string of these bytes: as Python decodes it, or refused; the same behind an escape, and as a name."""
    truth = text_of(raw)
    for table in (TEXT, NAME):
        found = read(table, [b'"%s"' % raw], b"said")
        assert (found and found[0]) == truth, raw
        if found is not None and truth is not None:
            told([(found[0],)], [(truth,)])
    escaped = read(TEXT, [b'"\\n%s"' % raw], b"said")
    assert (escaped and escaped[0]) == (None if truth is None else "\n" + truth), raw


# What JSON means something else by, and what it forbids in a string.
_OTHERS = {*range(32), 0x22, 0x5C}
_BYTES = [byte for byte in range(256) if byte not in _OTHERS]


def test_every_byte_and_every_two() -> None:
    for first in _BYTES:
        check_text(bytes([first]))
        # ASCII around them: eight bytes at a time are looked at.
        check_text(b"seven b" + bytes([first]) + b"and nine more")
        for second in _BYTES:
            if first > 127 or second > 127:
                found = read(TEXT, [b'"%c%c"' % (first, second)], b"said")
                assert (found and found[0]) == text_of(bytes([first, second])), (first, second)


@pytest.mark.parametrize("byte", sorted(_OTHERS - {0x22, 0x5C}))
def test_a_control_character_is_refused(byte: int) -> None:
    for around in (b"", b"seven b"):
        assert read(TEXT, [b'"%s%c%s"' % (around, byte, around)], b"said") is None
        assert read(TEXT, [b'"\\%c%s"' % (byte, around)], b"said") is None


_LEADS = (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF)
_SECONDS = (0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xF0)
_REST = (0x41, 0x7F, 0x80, 0xBF, 0xC0)


@pytest.mark.parametrize("lead", _LEADS)
def test_three_and_four_bytes_at_their_limits(lead: int) -> None:
    for second, third in itertools.product(_SECONDS, _REST):
        check_text(bytes([lead, second, third]))
        for fourth in _REST:
            check_text(bytes([lead, second, third, fourth]))
            check_text(b"0123456789" + bytes([lead, second, third, fourth]) + b"0123456789")


@given(
    st.binary(max_size=24)
    | st.lists(st.sampled_from([b"a", b"\x80", b"\xc3", "é".encode(), "😀".encode()])).map(b"".join)
)
@settings(max_examples=150)
def test_any_bytes(raw: bytes) -> None:
    check_text(bytes(byte for byte in raw if byte not in _OTHERS))


@given(st.text(max_size=80))
@settings(max_examples=150)
def test_any_text(text: str) -> None:
    check_text("".join(char for char in text if char.isprintable() and char not in '"\\').encode())


def test_every_character() -> None:
    for start in range(0, 0x110000, 0x400):
        chars = [chr(point) for point in range(start, start + 0x400) if point > 31 and chr(point) not in '"\\']
        sound = [char for char in chars if not "\ud800" <= char <= "\udfff"]
        found = read(TEXT, [b'"%s"' % char.encode() for char in sound], b"said")
        assert found is not None
        assert found == sound
        together = read(TEXT, [b'"%s"' % "".join(sound).encode()], b"said")
        assert together is not None
        assert together[0] == "".join(sound)


def test_every_character_as_an_escape() -> None:
    for start in range(0, 0x10000, 0x400):
        points = range(start, start + 0x400)
        found = read(TEXT, [b'"\\u%04x"' % point for point in points], b"said")
        if 0xD800 <= start < 0xE000:
            assert found is None
            assert all(read(TEXT, [b'"\\u%04X"' % point], b"said") is None for point in points[::0x3F])
        else:
            assert found is not None
            assert found == [chr(point) for point in points]


@given(st.integers(0x10000, 0x10FFFF), st.integers(0, 0xFFFF))
def test_two_halves_make_one_and_one_half_none(point: int, other: int) -> None:
    units = chr(point).encode("utf-16-be").hex()
    high, low = units[:4], units[4:]
    found = read(TEXT, [f'"\\u{high}\\u{low}"'.encode()], b"said")
    assert found is not None
    assert found[0] == chr(point)
    if not 0xDC00 <= other < 0xE000:
        assert read(TEXT, [f'"\\u{high}\\u{other:04x}"'.encode()], b"said") is None
    for half in (f"\\u{low}\\u{high}", f"\\u{high}", f"\\u{high}x\\u{low}", f"\\u{high}\\n", f"\\u{high}\\u{low[:3]}"):
        assert read(TEXT, [f'"{half}"'.encode()], b"said") is None
