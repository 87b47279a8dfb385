"""The stream parser: any JSON, any chunking, and a clear no with a place for everything else."""

from __future__ import annotations

import gzip
import json
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.jsonstream import fuzz
from turnkeeper.errors import TooLarge, Unread
from turnkeeper.jsonstream.limits import Limits
from turnkeeper.jsonstream.ndjson import DocumentStream
from turnkeeper.jsonstream.stream import Stream

CHUNKS = (1, 5, 64, 1 << 18)


class Item(msgspec.Struct):
    start_time: float | None = None
    text: str | None = None


def read(raw: bytes, chunk: int = 1 << 18, *, limits: Limits | None = None) -> tuple[list[Item], object, int]:
    stream = Stream({("transcript",): Item}, limits, chunk=chunk)
    found = [
        item
        for at in range(0, len(raw), 7 * chunk)
        for batch in stream.feed(raw[at : at + 7 * chunk])
        for item in batch.items
    ]
    found += [item for batch in stream.finish() for item in batch.items]
    return found, stream.skeleton, stream.repaired


def refused(raw: bytes, kind: type[Unread] = Unread, *, limits: Limits | None = None) -> Unread:
    """The refusal, which must be the same whatever the chunks."""
    seen = []
    for chunk in CHUNKS:
        with pytest.raises(kind) as caught:
            read(raw, chunk, limits=limits)
        seen.append((type(caught.value), caught.value.offset, caught.value.field, caught.value))
    assert len({one[:3] for one in seen}) == 1, seen
    return seen[0][3]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_random_documents_in_random_chunks(seed: int) -> None:
    for number in range(150):
        fuzz.once(random.Random(f"suite/{seed}/{number}"))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=5), below, max_size=4),
    max_leaves=12,
)


@given(
    rest=st.dictionaries(st.text(max_size=4), JSON, max_size=4),
    items=st.lists(st.tuples(st.floats(-1e6, 1e6), st.text())),
    chunk=st.sampled_from((1, 3, 17, 1 << 18)),
    indent=st.sampled_from((None, 1)),
    escape=st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_like_json_loads(rest: dict, items: list, chunk: int, indent: int | None, escape: bool) -> None:
    document = {**rest, "transcript": [{"start_time": start, "text": text} for start, text in items]}
    raw = json.dumps(document, indent=indent, ensure_ascii=escape).encode("utf-8", "replace")
    truth = fuzz.scrubbed(json.loads(raw))
    found, skeleton, _ = read(raw, chunk)
    assert [(one.start_time, one.text) for one in found] == [
        (one["start_time"], one["text"]) for one in truth["transcript"]
    ]
    assert skeleton == {**truth, "transcript": []}


@given(st.text(st.characters(), max_size=60), st.integers(1, 20))
@settings(deadline=None, max_examples=200)
def test_every_lone_surrogate_is_read_as_ufffd_and_counted(text: str, chunk: int) -> None:
    halves = text + "\ud800" + text + "\udc00\\\ud83d"
    raw = json.dumps({"transcript": [{"text": halves, "other": halves}], "more": halves}).encode()
    found, skeleton, repaired = read(raw, chunk)
    truth = json.loads(json.dumps(halves)).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert found[0].text == truth
    assert skeleton == {"transcript": [], "more": truth}
    assert repaired == 3 * sum("\ud800" <= char <= "\udfff" for char in json.loads(json.dumps(halves)))


def test_several_arrays_inside_an_array_know_their_place() -> None:
    document = {
        "a": [{"z": 1, "b": [{"text": "0"}]}, {"b": []}, {}, {"b": None}, {"b": [{"text": "4"}, {"text": "5"}], "y": 2}]
    }
    for chunk in CHUNKS:
        stream = Stream({("a", "[]", "b"): Item}, chunk=chunk)
        batches = stream.feed(json.dumps(document).encode()) + stream.finish()
        found = [(batch.parents, batch.first + at, one.text) for batch in batches for at, one in enumerate(batch.items)]
        assert found == [((0,), 0, "0"), ((4,), 0, "4"), ((4,), 1, "5")]
        assert stream.skeleton == {"a": [{"z": 1, "b": []}, {"b": []}, {}, {"b": None}, {"b": [], "y": 2}]}


def test_thousands_of_small_arrays() -> None:
    document = {"a": [{"b": [{"text": str(n)}]} for n in range(5000)]}
    stream = Stream({("a", "[]", "b"): Item})
    batches = stream.feed(json.dumps(document).encode()) + stream.finish()
    assert [batch.parents[0] for batch in batches] == list(range(5000))


def test_a_root_array_and_offsets() -> None:
    raw = b' [ {"text":"a"} , {"text":"b"} ] '
    for chunk in CHUNKS:
        stream = Stream({(): Item}, chunk=chunk)
        batches = stream.feed(raw) + stream.finish()
        assert [one.text for batch in batches for one in batch.items] == ["a", "b"]
        assert all(raw[batch.offset : batch.offset + 1] in (b"[", b",") for batch in batches)


@pytest.mark.parametrize("value", ["null", "[]", "{}", '"text"', "3"])
def test_a_target_that_holds_no_elements(value: str) -> None:
    found, skeleton, _ = read(f'{{"transcript":{value},"z":1}}'.encode(), 3)
    assert found == []
    assert skeleton == {"transcript": json.loads(value), "z": 1}


def test_duplicate_keys_last_one_wins_but_not_for_the_turns() -> None:
    assert read(b'{"a":1,"a":2,"transcript":[]}')[1] == {"a": 2, "transcript": []}
    problem = refused(b'{"transcript":[{}],"transcript":[]}')
    assert (problem.offset, problem.field) == (19, "transcript")


def test_gzip_bom_and_whitespace() -> None:
    raw = b'\xef\xbb\xbf \t\r\n{"transcript" :\n[\r{"text":"x"}\t]} \n'
    packed = gzip.compress(raw[:9]) + b"\0\0" + gzip.compress(raw[9:])
    for body in (raw, packed):
        for chunk in CHUNKS:
            assert read(body, chunk)[0][0].text == "x"
    with pytest.raises(Unread, match="ends in the middle"):
        read(gzip.compress(raw)[:-9])
    with pytest.raises(Unread, match="damaged"):
        read(gzip.compress(raw)[:-8] + b"12345678")


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "nul", "01", "1.", "'x'"])
@pytest.mark.parametrize(
    "place",
    ['{{"transcript":[{{"x":{}}}]}}', '{{"transcript":[{{"start_time":{}}}]}}', '{{"other":{},"transcript":[]}}'],
)
def test_what_is_not_json_is_named_by_its_byte(word: str, place: str) -> None:
    raw = place.format(word).encode()
    offset = refused(raw).offset
    assert offset is not None
    assert 0 <= offset - raw.index(word.encode()) <= len(word) + 1


@pytest.mark.parametrize(
    "raw",
    [
        b'{"transcript":[{"text":"a"},{"te',
        b'{"transcript":[{"text":"a"}',
        b'{"a":"b',
        b'{"transcript":[]',
        b'{"a":[1,2',
    ],
)
def test_a_truncated_document_ends_in_the_middle(raw: bytes) -> None:
    problem = refused(raw)
    assert "ends in the middle" in problem.message
    assert problem.offset == len(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"transcript":[{},]}',
        b'{"transcript":[,{}]}',
        b'{"transcript":[{},,{}]}',
        b'{"transcript":[{}}',
        b'{"a":1}]',
        b'{"transcript":[{} {}]}',
    ],
)
def test_brackets_and_commas_out_of_place(raw: bytes) -> None:
    for chunk in CHUNKS:
        with pytest.raises(Unread):
            read(raw, chunk)


def test_trailing_text() -> None:
    assert refused(b'{"transcript":[]}  x').offset == 19


@pytest.mark.parametrize(
    "raw",
    [
        b'{"x":"\xff"}',
        b'{"transcript":[{"x":"\xc3"}]}',
        b'{"transcript":[{"text":"\xed\xa0\x80"}]}',
        b'{"a":1}\xe2\x82',
    ],
)
def test_invalid_utf8_anywhere(raw: bytes) -> None:
    problem = refused(raw)
    assert problem.offset is not None
    assert raw[problem.offset] > 127


def test_a_wrong_type_names_element_field_and_offset() -> None:
    items = [{"start_time": n, "text": "t" * 50} for n in range(500)]
    items[202]["start_time"] = "secret words"
    raw = json.dumps({"transcript": items}).encode()
    problem = refused(raw)
    assert problem.field == "transcript[202].start_time"
    assert raw[problem.offset or 0 :].startswith(b'{"start_time": "secret')
    assert "secret" not in str(problem)


@pytest.mark.parametrize(
    "place", [b'{"x":%s,"transcript":[]}', b'{"transcript":[{"x":%s}]}', b'{"transcript":[{"a":1},{"x":[%s]}]}']
)
@pytest.mark.parametrize(("opened", "closed"), [(b"[", b"]"), (b'{"":', b"}")])
def test_nesting_is_refused_with_its_place(place: bytes, opened: bytes, closed: bytes) -> None:
    raw = place % (opened * 100_000 + b"1" + closed * 100_000)
    problem = refused(raw, TooLarge)
    assert problem.offset is not None
    assert raw[problem.offset : problem.offset + 1] in (b"[", b"{")
    fine = place % (opened * 400 + b"1" + closed * 400)
    assert read(fine)[1] is not None
    assert refused(fine, TooLarge, limits=Limits(nesting=100)).offset is not None


def test_limits_on_an_element_and_on_the_skeleton() -> None:
    small = Limits(element=1000, skeleton=2000)
    problem = refused(
        json.dumps({"transcript": [{"text": "a"}, {"text": "b" * 1500}]}).encode(), TooLarge, limits=small
    )
    assert problem.field == "transcript[1]"
    refused(json.dumps({"x": "b" * 2500, "transcript": []}).encode(), TooLarge, limits=small)
    refused(json.dumps({"transcript": [], "x": ["b"] * 2500}).encode(), TooLarge, limits=small)
    assert len(read(json.dumps({"transcript": [{"text": "b" * 900}] * 9}).encode(), limits=small)[0]) == 9


@given(
    st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=9), max_size=3)),
    st.sampled_from(("", "\n", "\r\n", " ")),
    st.integers(1, 30),
)
@settings(deadline=None)
def test_documents_one_behind_the_other(documents: list, between: str, piece: int) -> None:
    raw = between.join(json.dumps(one) for one in documents).encode()
    records = DocumentStream(dict)
    found = [
        batch for at in range(0, len(raw), piece) for batch in records.feed(raw[at : at + piece])
    ] + records.finish()
    assert [batch.items[0] for batch in found] == documents
    assert [batch.first for batch in found] == list(range(len(documents)))
    assert all(raw[batch.offset : batch.offset + 1] == b"{" for batch in found)
