"""Whole documents, read with the part in C and without it: the same turns, the same refusals at the same places."""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.jsonstream.elements import dice
from tests.unit.jsonstream.spelling import damaged
from tests.unit.payloads.sources import Bytes, body
from tests.unit.payloads.test_dialects import T0, person
from tests.unit.payloads.test_ways import batched, documents, verdict
from turnkeeper.calls.turns import read_turns
from turnkeeper.jsonstream.outline import Path
from turnkeeper.jsonstream.stream import ElementType
from turnkeeper.model import Turn
from turnkeeper.payloads.dialect import Mode
from turnkeeper.payloads.dialects import SHAPES, media, phrases, speech
from turnkeeper.payloads.whole_document import WholeType
from turnkeeper.transcript.assemble import Body, assemble

pytestmark = pytest.mark.needs(part="native")


class PythonMedia(media.MediaDialect):
    """The dialect as it is where nothing was built."""

    targets: Mapping[Path, tuple[Any, Any]] = {("transcript",): (ElementType(media._Probe), ElementType(media._Row))}

    def whole(self, mode: Mode) -> WholeType:
        return msgspec.structs.replace(super().whole(mode), table=None)


class PythonSpeech(speech.SpeechDialect):
    targets: Mapping[Path, tuple[Any, Any]] = {
        ("transcripts", "[]", "phrases"): (ElementType(phrases.PhraseProbe), ElementType(phrases.Phrase))
    }

    def kinds(self, mode: Mode) -> Mapping[Path, Any]:
        return {
            ("transcripts", "[]", "phrases"): ElementType(
                phrases.Phrase if mode.words else phrases.Brief, phrases.Phrase
            )
        }

    def whole(self, mode: Mode) -> WholeType:
        return msgspec.structs.replace(super().whole(mode), table=None)


_TWINS: Any = {media.MediaDialect: PythonMedia(), speech.SpeechDialect: PythonSpeech()}
PYTHON: Any = tuple(_TWINS.get(type(shape), shape) for shape in SHAPES)

times = st.integers(0, 20_000)
far = st.sampled_from(
    [-1, -5000, 10**11 - 1, 10**11, 10**11 + 1, 2 * 10**11, 10**13, 10**13 + 5, 10**15 - 1, 10**15, 1 << 62, 10**30]
)
purposes = st.sampled_from(["internal", "external", "INTERNAL", "acd", "ivr", "", "nobody", None])
said = st.text(max_size=6) | st.sampled_from(["", "one two", "é", "😀"])
usual = st.fixed_dictionaries(
    {
        "startTimeMs": times.map(lambda ms: T0 + ms) | times,
        "duration": st.integers(0, 5000).map(lambda ms: {"milliseconds": ms}),
        "text": said,
    },
    optional={
        "participantPurpose": purposes,
        "decoratedText": said | st.none(),
        "confidence": st.none() | st.floats(0, 1),
        "phraseIndex": st.none() | st.integers(0, 6),
        "words": st.just([{"word": "a", "startTimeMs": T0 + 1, "duration": {"milliseconds": 5}}]),
    },
)
unusual = st.builds(
    lambda phrase, start, length: (
        phrase
        | ({} if start is None else {"startTimeMs": start})
        | ({} if length is None else {"duration": {"milliseconds": length}})
    ),
    usual,
    st.none() | far,
    st.none() | far,
)
moments = times.map(lambda ms: T0 + ms) | st.none()
transcripts = st.fixed_dictionaries(
    {"phrases": st.lists(usual, max_size=6) | st.lists(usual | unusual, max_size=4)},
    optional={
        "language": st.sampled_from(["en-us", "es-us", None]),
        "startTime": moments | far,
        "analytics": st.just({"sentiment": [{"phraseIndex": n, "sentiment": n / 4} for n in range(3)]}),
    },
)
spoken = st.fixed_dictionaries(
    {"transcripts": st.lists(transcripts, max_size=3)},
    optional={
        "conversationId": st.just("c1"),
        "communicationId": st.just("k1"),
        "conversationStartTime": moments | far,
        "startTime": moments,
        "participants": st.lists(
            st.builds(person, st.sampled_from(["ivr", "agent", "customer", "acd"]), moments | far, moments | far),
            max_size=4,
        ),
    },
)
seconds = st.integers(0, 10**7).map(lambda ms: ms / 1000)
flat = st.fixed_dictionaries(
    {
        "transcript": st.lists(
            st.fixed_dictionaries(
                {
                    "start_time": seconds,
                    "end_time": (seconds.map(lambda one: one + 10**4)) | seconds,
                    "text": said,
                    "speaker_id": st.sampled_from(["a", "c", "nobody", None]),
                },
                optional={"confidence": st.none() | st.floats(0, 1), "more": st.just({"a": [1, "b"]})},
            ),
            max_size=6,
        )
    },
    optional={
        "participants": st.just([{"id": "a", "role": "agent"}, {"id": "c", "role": "customer"}]),
        "conversation": st.just("c1"),
    },
)
modes = st.builds(Mode, strict=st.booleans(), words=st.sampled_from([False]), exact=st.booleans())


def both(raw: bytes, mode: Mode, *, large: bool, communication: str | None = None) -> tuple[Any, Any]:
    """What is said of a document with C and without."""
    return tuple(
        verdict(lambda: _told([body(raw, communication, large=large)], mode, shapes))  # noqa: B023 - called at once
        for shapes in (SHAPES, PYTHON)
    )  # type: ignore[return-value]


def _told(bodies: list[Body], mode: Mode, shapes: Any) -> Any:
    """An assembly whose turns have been read by columns, too."""
    found = assemble(bodies, mode=mode, shapes=shapes)
    for batch in batched(found, columns=True):
        for name in ("start_ms", "end_ms", "text", "role", "speaker_id", "confidence"):
            values = getattr(batch, name)
            assert values == [getattr(turn, name) for turn in batch.turns]
        assert all(type(turn) is Turn for turn in batch.turns)
    return found


def _phrase(start: int, length: int) -> Any:
    return {
        "participantPurpose": "internal",
        "startTimeMs": start,
        "duration": {"milliseconds": length},
        "text": "x",
    }


def _file(*found: Any, start: int = T0, **more: Any) -> Any:
    part = {"language": "en-us", "startTime": start, "phrases": list(found)}
    return {"conversationId": "c", "conversationStartTime": T0, "transcripts": [part], **more}


LONG = _file(_phrase(T0, 2 * 10**11), _phrase(T0 + 5, 10**15 - 1))
"""Longer than any conversation, and so it was handed to and fro between C and Python for ever."""
AS_LONG_AS_AN_EPOCH = _file(_phrase(T0, 0), _phrase(T0, 99_999_999_999), {"text": 1})
EPOCH_SECONDS = _file(_phrase(T0, 0), _phrase(99_999_999_999, 0))
BOTH_SPELLINGS = {"transcript": [{"start_time": 0, "end_time": 1, "text": "", "speaker_id": None, "speakerId": "a"}]}
LATE = _file(_phrase(10**13 + 5, 7), conversationStartTime=10**13)
EARLY = _file(_phrase(-2 * 10**11, 7), start=T0 + 2 * 10**11)
NEVER = _file(_phrase(T0 + 5, 7), conversationStartTime=10**30)
"""A time zero that no 64 bits hold, for which C raised OverflowError."""
AGES = _file(_phrase(T0 + 5, 7), participants=[person("agent", 10**30, 10**31), person("ivr", -(10**30), T0 + 8)])
OFFSET = _file(_phrase(5, 7), start=10**30)


@example(document=LONG, mode=Mode(words=False), large=False)
@example(document=AS_LONG_AS_AN_EPOCH, mode=Mode(words=False), large=False)
@example(document=EPOCH_SECONDS, mode=Mode(words=False), large=False)
@example(document=BOTH_SPELLINGS, mode=Mode(words=False), large=False)
@example(document=LATE, mode=Mode(words=False), large=False)
@example(document=EARLY, mode=Mode(words=False), large=False)
@example(document=NEVER, mode=Mode(words=False), large=False)
@example(document=AGES, mode=Mode(words=False), large=True)
@example(document=OFFSET, mode=Mode(words=False, exact=True), large=True)
@given(document=flat | spoken | documents, mode=modes, large=st.booleans())
@settings(max_examples=150)
def test_turns_and_refusals_are_the_same_with_c_and_without(document: Any, mode: Mode, large: bool) -> None:
    raw = json.dumps(document, ensure_ascii=large).encode("utf-8", "replace")
    with_c, without = both(raw, mode, large=large, communication="leg")
    assert with_c == without


@given(flat | spoken, modes, st.booleans(), dice)
@settings(max_examples=60)
def test_a_damaged_document_is_the_same_too(document: Any, mode: Mode, large: bool, mixed: Random) -> None:
    raw = json.dumps(document).encode()
    whole = both(raw, mode, large=large)[1]
    for _ in range(3):
        with_c, without = both(damaged(raw, mixed), mode, large=large)
        refused = isinstance(without[0], type)
        if with_c != without:
            # Damage in an array that nobody asks for may be passed over by one and not by the other.
            assert not mode.strict
            assert whole in ((with_c,) if refused else (with_c, without))


def test_what_is_usual_is_really_read_in_c() -> None:
    """Or the properties above would compare Python with itself."""
    for raw, table, key in (
        (json.dumps(_file(_phrase(T0, 5))).encode(), phrases.TURNS, b'"phrases": '),
        (
            json.dumps({"transcript": [{"start_time": 1, "end_time": 2, "text": "", "speaker_id": None}]}).encode(),
            media._TURNS,
            b": ",
        ),
    ):
        assert table.read(raw, raw.index(key) + len(key), strict=True) is not None
    assert all(
        not isinstance(shape, media.MediaDialect | speech.SpeechDialect) or shape in _TWINS.values() for shape in PYTHON
    )


@pytest.mark.parametrize("mode", [Mode(), Mode(words=False, exact=True)])
def test_order_is_seen_where_some_turns_are_read_in_c_and_some_are_not(mode: Mode) -> None:
    """Some starts were milliseconds and some were seconds, and 0.4 was before 1."""
    first = {"start_time": 0.4, "end_time": 2, "text": "later"}
    second = {"start_time": 0.001, "end_time": 1, "text": "earlier", "speaker_id": "a"}
    for turns in ([first, second], [second, first], [first, second] * 50):
        found = assemble([body({"transcript": turns})], mode=mode)
        starts = [turn.start_ms for turn in found.turns()]
        assert starts == sorted(starts)


def test_a_phrase_of_ages_is_a_point_in_time() -> None:
    found = list(read_turns(Bytes(json.dumps(LONG).encode())))
    assert [(one.start_ms, one.end_ms, one.defects) for one in found] == [(0, 2 * 10**11, ()), (5, 5, ("end_ms",))]


def test_a_time_zero_that_cannot_be_costs_no_turn_its_time() -> None:
    """K2: metadata that is not needed never costs a transcript."""
    assert [one.start_ms for one in read_turns(Bytes(json.dumps(NEVER).encode()))] == [5]


def test_half_a_surrogate_among_words_that_nobody_asked_for_changes_no_turn() -> None:
    """The turns are read in C then, and those words by nobody."""
    raw = json.dumps(_file(_phrase(T0, 5) | {"words": [{"word": "\ud83d half"}]}, _phrase(T0 + 9, 5))).encode()
    with_c, without = (
        list(assemble([body(raw)], mode=Mode(strict=False, words=False), shapes=shapes).turns())
        for shapes in (SHAPES, PYTHON)
    )
    assert with_c == without
    assert [one.text for one in with_c] == ["x", "x"]
    said = raw.replace(b'"x"', b'"x \\ud83d"')
    assert [one.text for one in read_turns(said)] == ["x \ufffd", "x \ufffd"]
