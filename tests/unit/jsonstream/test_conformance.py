"""JSON texts that must and must not be read, as public conformance suites have them; each stands in three places.

A case is a JSON value: it stands outside the turns, in a field of a turn that nobody asked for, and as the whole
document. The exceptions are the last tests here; docs/parsing.md gives the reason of each.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.unit.jsonstream.fuzz import scrubbed
from turnkeeper.errors import Unread
from turnkeeper.jsonstream.stream import Stream, batches_of

ACCEPTED = {
    "array empty": b"[]",
    "array with spaces": b"[ \t\r\n]",
    "array of one": b"[1]",
    "array of arrays": b"[[],[[]],[[[]]]]",
    "array mixed": b'[null,1,"1",{},[]]',
    "array with several nulls": b"[1,null,null,null,2]",
    "number zero": b"0",
    "number minus zero": b"-0",
    "number minus": b"-123",
    "number fraction": b"123.456789",
    "number exponent": b"1e22",
    "number exponent plus": b"1E+2",
    "number exponent minus": b"123e-5",
    "number zero exponent": b"0e1",
    "number huge integer": b"123456789012345678901234567890",
    "number largest double": b"1.7976931348623157e308",
    "number smallest double": b"5e-324",
    "number too small for a double": b"1e-400",
    "number many digits": b"0.1000000000000000055511151231257827021181583404541015625",
    "object empty": b"{}",
    "object empty key": b'{"":0}',
    "object duplicate keys": b'{"a":1,"a":2}',
    "object duplicate keys and values": b'{"a":1,"a":1}',
    "object escaped key": b'{"\\u0061\\n":1}',
    "object null key": b'{"foo\\u0000bar":42}',
    "object long strings": b'{"x":[{"id":"' + b"x" * 5000 + b'"}]}',
    "object with new lines": b'{\n"a"\n:\n1\n}',
    "string empty": b'""',
    "string escapes": b'"\\"\\\\\\/\\b\\f\\n\\r\\t"',
    "string unicode escape": b'"\\u0060\\u012a\\u12AB"',
    "string surrogate pair": b'"\\uD83D\\uDE39"',
    "string last surrogates": b'"\\uDBFF\\uDFFF"',
    "string escaped control": b'"\\u0012"',
    "string escaped null": b'"\\u0000"',
    "string backslash and u": b'"\\\\u0061"',
    "string looks like a separator": b'"},{\\"start_time\\":1"',
    "string brackets": b'"[{]}"',
    "string utf-8 of two bytes": '"é"'.encode(),
    "string utf-8 of three bytes": '"日本"'.encode(),
    "string utf-8 of four bytes": '"😀"'.encode(),
    "string line separators": '"\u2028\u2029"'.encode(),
    "string last code point": '"\U0010ffff"'.encode(),
    "string noncharacter": '"\uffff"'.encode(),
    "string delete": b'"\x7f"',
    "string lone high surrogate": b'"\\uD800"',
    "string lone low surrogate": b'"\\uDC00x"',
    "string two high surrogates": b'"\\uD800\\uD800"',
    "string surrogates the wrong way": b'"\\uDE39\\uD83D"',
    "string high surrogate and escape": b'"\\uD800\\n"',
    "literal true": b"true",
    "literal false": b"false",
    "literal null": b"null",
}

REFUSED = {
    "array comma only": b"[,]",
    "array trailing comma": b"[1,]",
    "array leading comma": b"[,1]",
    "array double comma": b"[1,,2]",
    "array no comma": b"[1 2]",
    "array colon": b'["a":1]',
    "array closed by brace": b"[1}",
    "array unclosed": b"[1",
    "array extra close": b"[1]]",
    "number leading zero": b"012",
    "number minus alone": b"-",
    "number minus leading zero": b"-01",
    "number plus": b"+1",
    "number ends with a point": b"1.",
    "number begins with a point": b".5",
    "number exponent without digits": b"1e",
    "number exponent sign only": b"1e+",
    "number hexadecimal": b"0x1",
    "number nan": b"NaN",
    "number infinity": b"Infinity",
    "number minus infinity": b"-Infinity",
    "number with a space": b"1 000",
    "number underscore": b"1_000",
    "object trailing comma": b'{"a":1,}',
    "object no colon": b'{"a" 1}',
    "object no value": b'{"a":}',
    "object double colon": b'{"a"::1}',
    "object unquoted key": b"{a:1}",
    "object number key": b"{1:1}",
    "object single quotes": b"{'a':1}",
    "object comma for colon": b'{"a",1}',
    "object unclosed": b'{"a":1',
    "object comment": b'{"a":1/* no */}',
    "string unclosed": b'"a',
    "string single quotes": b"'a'",
    "string unknown escape": b'"\\x41"',
    "string half an escape": b'"\\u00"',
    "string escape without digits": b'"\\u00GG"',
    "string backslash at the end": b'"\\"',
    "string unescaped new line": b'"a\nb"',
    "string unescaped tab": b'"a\tb"',
    "string unescaped null": b'"a\x00b"',
    "string invalid utf-8": b'"\xff"',
    "string overlong utf-8": b'"\xc0\xaf"',
    "string cut utf-8": b'"\xe2\x82"',
    "string surrogate in utf-8": b'"\xed\xa0\x80"',
    "string beyond unicode": b'"\xf4\x90\x80\x80"',
    "string latin-1": b'"\xe9"',
    "literal capital": b"True",
    "literal cut": b"tru",
    "literal word": b"undefined",
    "nothing": b"",
    "only a comma": b",",
    "form feed": b"\x0c1",
    "no-break space": b"\xc2\xa01",
}

PLACES = {"outside": b'{"more":%b,"transcript":[]}', "inside": b'{"transcript":[{"x":%b,"text":"t"}]}', "whole": b"%b"}


class Line(msgspec.Struct):
    text: str | None = None


def read(raw: bytes, chunk: int) -> tuple[list[str | None], object]:
    stream = Stream({("transcript",): Line}, chunk=chunk)
    batches = [batch for at in range(0, len(raw), chunk) for batch in stream.feed(raw[at : at + chunk])]
    return [line.text for batch in batches + stream.finish() for line in batch.items], stream.skeleton


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ACCEPTED)
def test_must_be_read(name: str, place: str) -> None:
    raw = PLACES[place] % ACCEPTED[name]
    truth: Any = scrubbed(json.loads(raw))
    if place == "inside":
        truth["transcript"] = []
    for chunk in (1, 7, 1 << 17):
        found, skeleton = read(raw, chunk)
        assert found == (["t"] if place == "inside" else [])
        assert skeleton == truth


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", REFUSED)
def test_must_be_refused(name: str, place: str) -> None:
    raw = PLACES[place] % REFUSED[name]
    for chunk in (1, 7, 1 << 17):
        with pytest.raises(Unread):
            read(raw, chunk)


@pytest.mark.parametrize("name", [name for name in REFUSED if "number na" not in name and "infinity" not in name])
def test_the_standard_library_refuses_them_too(name: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        json.loads(REFUSED[name].decode())


def test_a_byte_order_mark_is_stepped_over() -> None:
    assert read(b"\xef\xbb\xbf[]", 1) == ([], [])


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"9" * 400 + b".0"])
def test_a_number_beyond_a_double_is_refused_where_it_is_looked_at(number: bytes) -> None:
    for place in ("outside", "whole"):
        with pytest.raises(Unread):
            read(PLACES[place] % number, 7)
    assert read(PLACES["inside"] % number, 7)[0] == ["t"]


def test_without_strict_skipped_fields_are_not_looked_into() -> None:
    raw = PLACES["inside"] % b'"\xff"'
    with pytest.raises(Unread):
        read(raw, 7)
    stream = Stream({("transcript",): Line}, strict=False)
    assert [line.text for batch in batches_of(stream, [raw]) for line in batch.items] == ["t"]
    for raw in (b'{"transcript":[{"text":"\xff"}]}', b'{"x":"\xff","transcript":[]}'):
        stream = Stream({("transcript",): Line}, strict=False)
        with pytest.raises(Unread, match="UTF-8") as caught:
            list(batches_of(stream, [raw]))
        assert raw[caught.value.offset or 0] == 0xFF
