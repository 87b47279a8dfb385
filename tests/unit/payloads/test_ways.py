"""One document, three ways to read it: whole, streamed, by columns. All say the same."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import AsyncIterator, Iterator
from decimal import ROUND_FLOOR, Decimal
from importlib import import_module
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.payloads.sources import Bytes, body
from tests.unit.payloads.test_dialects import LEGACY, MEDIA, T0, Shouted, person, phrase, speech
from turnkeeper.calls.turns import read_batches, read_turns
from turnkeeper.errors import Misconfigured, Unread
from turnkeeper.jsonstream import decompress
from turnkeeper.jsonstream.limits import Limits
from turnkeeper.jsonstream.stream import Stream, async_batches, batches_of
from turnkeeper.model import Turn
from turnkeeper.payloads.dialect import Mode
from turnkeeper.payloads.dialects import SHAPES
from turnkeeper.payloads.whole_document import open_whole
from turnkeeper.transcript.assemble import Assembly, assemble

times = st.none() | st.integers(0, 10**7).map(lambda ms: ms / 1000) | st.floats(-10, 1e12)
texts = st.none() | st.text(max_size=8) | st.just("\ud800 half")
strange = st.sampled_from([None, True, "x", [], {"a": [1]}, 7])
media_turns = st.fixed_dictionaries(
    {},
    optional={
        "start_time": times,
        "end_time": times,
        "text": texts,
        "speaker_id": st.sampled_from(["a", "c", "nobody", None]),
        "confidence": st.none() | st.floats(0, 1),
        "startTime": times,
        "speakerId": st.sampled_from(["a", None]),
        "extra": strange,
    },
)
people = st.lists(st.sampled_from([{"id": "a", "role": "agent"}, {"id": "c", "role": "customer"}, None]), max_size=3)
media = st.fixed_dictionaries(
    {"transcript": st.none() | st.lists(media_turns, max_size=5)},
    optional={
        "conversation": st.just("c1"),
        "participants": st.none() | people,
        "format": st.just("x"),
        "status": st.sampled_from(["completed", None, 5]),
        "transcripts": strange,
        "other": strange,
    },
)
stamps = st.none() | st.integers(0, 20_000).map(lambda ms: T0 + ms) | st.integers(0, 10**6) | st.just(float(T0) + 0.5)
phrases = st.fixed_dictionaries(
    {"participantPurpose": st.sampled_from(["internal", "external", "INTERNAL", "acd", None])},
    optional={
        "startTimeMs": stamps,
        "duration": st.none()
        | st.fixed_dictionaries({}, optional={"milliseconds": st.integers(-5, 9000) | st.floats(0, 9)}),
        "text": texts,
        "decoratedText": texts,
        "phraseIndex": st.integers(0, 9),
        "confidence": st.none() | st.floats(0, 1),
        "words": st.lists(st.fixed_dictionaries({"word": texts, "startTimeMs": stamps}), max_size=2),
    },
)
transcripts = st.fixed_dictionaries(
    {},
    optional={
        "language": st.sampled_from(["en-us", "es-us", None]),
        "startTime": st.sampled_from([T0 + 1000, None, 5]),
        "analytics": st.just({"sentiment": [{"phraseIndex": 1, "sentiment": 0.5}]}),
        "phrases": st.none() | st.lists(phrases, max_size=5),
    },
)
spans = st.tuples(st.sampled_from(["ivr", "agent", "customer"]), st.integers(0, 9), st.integers(0, 20))
calls = st.fixed_dictionaries(
    {"transcripts": st.none() | st.lists(st.none() | transcripts, max_size=3)},
    optional={
        "conversationId": st.just("c1"),
        "communicationId": st.just("k1"),
        "conversationStartTime": st.sampled_from([T0, 5, None]),
        "participants": st.lists(
            spans.map(lambda one: person(one[0], T0 + one[1] * 1000, T0 + one[2] * 1000)), max_size=4
        ),
        "status": st.just("completed"),
        "other": strange,
    },
)
documents = media | calls


def verdict(assembly: Any) -> Any:
    """What a reader says: header and turns, or the refusal with its place."""
    try:
        found: Assembly = assembly()
        return found.header, list(found.turns()), found.repaired_surrogates
    except Unread as cause:
        return type(cause), cause.message, cause.offset, cause.field


def raw_of(document: Any, escaped: bool) -> bytes:
    return json.dumps(document, ensure_ascii=escaped).encode("utf-8", "replace")


UNTIMED_FIRST: Any = {
    "transcripts": [
        {
            "phrases": [
                {"participantPurpose": "internal", "words": [{"startTimeMs": T0 + 1}]},
                {"participantPurpose": "internal", "startTimeMs": T0},
            ]
        }
    ]
}


OFFSET_FIRST: Any = {
    "transcripts": [
        {
            "phrases": [
                {"participantPurpose": "internal", "startTimeMs": 5},
                {"participantPurpose": "internal", "startTimeMs": T0},
            ]
        }
    ]
}
"""Time zero is the earliest epoch time, wherever a batch may end before it."""


@example(document=OFFSET_FIRST, escaped=False, words=True, cut=-1)
@example(document=UNTIMED_FIRST, escaped=False, words=True, cut=0)
@given(documents, st.booleans(), st.booleans(), st.integers(-3, 400))
@settings(max_examples=400, deadline=None)
def test_small_bodies_are_read_as_the_stream_reads_them(document: Any, escaped: bool, words: bool, cut: int) -> None:
    raw = raw_of(document, escaped)
    raw = raw if cut < 0 else raw[: max(len(raw) - cut, 1)] if cut < 40 else raw[:cut] + b"," + raw[cut:]
    mode = Mode(words=words)
    small = verdict(lambda: assemble([body(raw)], mode=mode))
    # A shape of somebody's own in front closes the short way.
    shapes: Any = (Shouted(), *SHAPES)
    assert small == verdict(lambda: assemble([body(raw)], mode=mode, shapes=shapes))
    large = verdict(lambda: assemble([body(raw, large=True)], mode=mode))
    assert small == large or small[0] is large[0]


@pytest.mark.slow
@given(calls, st.booleans())
@settings(max_examples=200, deadline=None)
def test_turns_without_words_are_the_same_turns(document: Any, large: bool) -> None:
    raw = raw_of(document, escaped=True)
    whole = verdict(lambda: assemble([body(raw, large=large)], mode=Mode(words=True)))
    brief = verdict(lambda: assemble([body(raw, large=large)], mode=Mode(words=False)))
    if isinstance(whole[0], type):
        assert brief == whole
    else:
        assert [(one.start_ms, one.end_ms, one.role, one.speaker_id, one.text, one.index) for one in brief[1]] == [
            (one.start_ms, one.end_ms, one.role, one.speaker_id, one.text, one.index) for one in whole[1]
        ]


@given(documents, st.booleans(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_columns_say_the_same(document: Any, large: bool, exact: bool) -> None:
    raw = raw_of(document, escaped=True)
    mode = Mode(strict=False, words=False, exact=exact)
    found = [stated(lambda: batched(assemble([body(raw, large=large)], mode=mode), one)) for one in (False, True)]  # noqa: B023
    assert found[0] == found[1]


def batched(assembly: Assembly, columns: bool) -> list[Any]:
    return list(assembly.columns() if columns else assembly.unsorted())


def stated(read: Any) -> tuple[str, list[Any]]:
    try:
        batches = read()
    except Unread:
        return "refused", []
    rows = []
    for batch in batches:
        turns = batch if isinstance(batch, list) else batch.turns
        if not isinstance(batch, list):
            assert len(batch) == len(turns)
            for name in ("start_ms", "end_ms", "text", "role", "speaker_id", "confidence"):
                assert getattr(batch, name) == [getattr(turn, name) for turn in turns]
        assert all(type(turn) is Turn for turn in turns)
        rows += [tuple(getattr(turn, name) for name in Turn.__struct_fields__) for turn in turns]
    return "turns", rows


def test_a_turn_that_was_read_is_a_turn_in_every_way() -> None:
    import msgspec

    for document in (MEDIA, speech(phrase(T0 + 5, text="x"))):
        for turn in read_turns(json.dumps(document).encode()):
            fields = {name: getattr(turn, name) for name in Turn.__struct_fields__}
            again = Turn(**fields)
            assert type(turn) is Turn
            assert turn == again
            assert hash(turn) == hash(again)
            assert msgspec.json.encode(turn) == msgspec.json.encode(again)
            assert msgspec.json.decode(msgspec.json.encode(turn), type=Turn) == turn
            with pytest.raises(AttributeError):
                turn.text = "changed"  # type: ignore[misc]


def test_reading_twice_gives_the_same_twice() -> None:
    for document in (MEDIA, speech(phrase(T0), phrase(T0 + 5)), LEGACY[0]):
        for large in (False, True):
            found = assemble([body(document, large=large)])
            assert list(found.turns()) == list(found.turns()) == list(found.turns())


def test_small_really_takes_the_short_way() -> None:
    for document, words in ((MEDIA, True), (speech(phrase(T0)), True), (speech(phrase(T0)), False)):
        source = Bytes(json.dumps(document).encode())
        assert open_whole(source, SHAPES, Limits(), Mode(words=words)) is not None
    twice = b'{"transcript":[],"transcript":[]}'
    assert open_whole(Bytes(twice), SHAPES, Limits(), Mode()) is None
    spelled = b'{"transcript":[],"tr\\u0061nscript":[]}'
    assert open_whole(Bytes(spelled), SHAPES, Limits(), Mode()) is None


OLDER = {
    "conversationId": "c9",
    "participants": [{"id": "a", "role": "agent"}, {"id": "c", "role": "customer"}],
    "transcript": [
        {"startTime": 0.29, "endTime": 1.5, "text": "hello", "speakerId": "a", "confidence": 0.5},
        {"startTime": 1.5, "endTime": 2, "text": "yes", "speakerId": "c"},
    ],
}


@pytest.mark.parametrize("large", [False, True])
def test_the_media_document_in_camel_case(large: bool) -> None:
    found = assemble([body(OLDER, large=large)])
    assert found.header.conversation == "c9"
    assert [(turn.start_ms, turn.end_ms, turn.role, turn.speaker_id, turn.text) for turn in found.turns()] == [
        (290, 1500, "agent", "a", "hello"),
        (1500, 2000, "customer", "c", "yes"),
    ]


decimals = st.integers(3, 9).flatmap(lambda places: st.decimals(0, 10**6, places=places, allow_nan=False))
halves = st.builds(
    lambda ms, tail: Decimal(ms) / 1000 + Decimal(tail),
    st.integers(0, 10**9),
    st.sampled_from(["0.0005", "0.00049999"]),
)


@given(st.lists(decimals | halves, min_size=1, max_size=5))
@settings(max_examples=300, deadline=None)
def test_every_way_reads_seconds_as_decimals_half_up(seconds: list[Decimal]) -> None:
    truth = [int((one * 1000 + Decimal("0.5")).to_integral_value(ROUND_FLOOR)) for one in seconds]
    turns = ",".join(f'{{"start_time":{one:f},"end_time":{one:f},"text":"","speaker_id":"a"}}' for one in seconds)
    raw = f'{{"participants":[{{"id":"a","role":"agent"}}],"transcript":[{turns}]}}'.encode()
    for source in (Bytes(raw), Bytes(raw, 1 << 30)):
        assert [turn.start_ms for turn in read_turns(source, order="document")] == truth
        assert [turn.end_ms for turn in read_turns(source)] == sorted(truth)
        assert [ms for batch in read_batches(source) for ms in batch.start_ms] == truth
        assert [ms for batch in read_batches(source) for ms in batch.end_ms] == truth


@pytest.mark.parametrize("speaker", ['"nobody"', "null", None])
def test_speakers_that_nobody_named(speaker: str | None) -> None:
    known = '{"start_time":1,"end_time":2,"text":"x","speaker_id":"a"}'
    other = known.replace('"speaker_id":"a"', f'"speaker_id":{speaker}' if speaker else '"speakerId":"nobody"')
    raw = f'{{"participants":[{{"id":"a","role":"agent"}}],"transcript":[{known},{other},{known}]}}'.encode()
    who = None if speaker == "null" else "nobody"
    truth = [("agent", "a"), ("unknown", who), ("agent", "a")]
    for source in (Bytes(raw), Bytes(raw, 1 << 30)):
        for order in ("time", "document"):
            assert [(turn.role, turn.speaker_id) for turn in read_turns(source, order=order)] == truth  # type: ignore[arg-type]
        rows = [zip(batch.role, batch.speaker_id, strict=True) for batch in read_batches(source)]
        assert [row for batch in rows for row in batch] == truth


def test_in_order_of_time_and_as_they_stand() -> None:
    turns = [{"start_time": 9 - n, "end_time": 9, "text": str(n), "speaker_id": "a"} for n in range(9)]
    document = {"participants": [{"id": "a", "role": "agent"}], "transcript": turns}
    for source in (Bytes(json.dumps(document).encode()), Bytes(json.dumps(document).encode(), 1 << 30)):
        assert [turn.text for turn in read_turns(source)] == list("876543210")
        assert [turn.text for turn in read_turns(source, order="document")] == list("012345678")
        assert [text for batch in read_batches(source) for text in batch.text] == list("012345678")


def test_a_wrong_turn_has_its_place_by_every_way() -> None:
    turns = [{"start_time": n, "end_time": n + 1, "text": "é" * 30, "speaker_id": "a"} for n in range(3000)]
    turns[2222]["end_time"] = 1
    document = {"participants": [{"id": "a", "role": "agent"}], "transcript": turns}
    raw = json.dumps(document, ensure_ascii=False).encode()
    for source in (Bytes(raw), Bytes(raw, 1 << 30)):
        assert [turn.index for turn in read_turns(source) if turn.defects] == [2222]
        for order in ("time", "document"):
            with pytest.raises(Unread, match="ends before") as caught:
                list(read_turns(source, order=order, strict=True))  # type: ignore[arg-type]
            assert caught.value.field == "transcript[2222].end_time"
            assert raw[caught.value.offset or 0 :].startswith(b'{"start_time": 2222,')


def test_zstd_like_gzip() -> None:
    zstd = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    raw = json.dumps(MEDIA).encode()
    truth = list(read_turns(raw))
    for packed in (zstd.compress(raw), zstd.compress(raw[:50]) + zstd.compress(raw[50:]), gzip.compress(raw)):
        assert list(read_turns(packed)) == truth
        for piece in (1, 7, 1000):
            stream = Stream({("transcript",): dict})
            found = [one for at in range(0, len(packed), piece) for one in stream.feed(packed[at : at + piece])]
            assert sum(len(batch.items) for batch in found + stream.finish()) == 4
    with pytest.raises(Unread, match="zstd stream ends in the middle"):
        list(read_turns(zstd.compress(raw)[:-3]))


def test_zstd_without_the_package_names_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(decompress, "import_module", absent)
    with pytest.raises(Misconfigured, match="pip install"):
        list(read_turns(b"\x28\xb5\x2f\xfd" + b"x" * 50))
    assert len(list(read_turns(gzip.compress(json.dumps(MEDIA).encode())))) == 4


def pieces() -> Iterator[bytes]:
    raw = json.dumps(MEDIA).encode()
    return iter([raw[:10], b"", raw[10:200], raw[200:]])


def test_iterators_of_bytes() -> None:
    found = [len(batch.items) for batch in batches_of(Stream({("transcript",): dict}), pieces())]
    assert sum(found) == 4


def test_asynchronous_iterators_of_bytes() -> None:
    import anyio

    async def arriving() -> AsyncIterator[bytes]:
        for piece in pieces():
            yield piece

    async def count() -> int:
        stream = Stream({("transcript",): dict})
        return sum([len(batch.items) async for batch in async_batches(stream, arriving())])

    assert anyio.run(count) == 4
