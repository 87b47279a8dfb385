"""Whole documents, read with the part in C and without it: the same turns, the same refusals at the same places."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.transcript.elements import dice
from tests.unit.transcript.sources import Bytes, body
from tests.unit.transcript.spelling import damaged
from tests.unit.transcript.test_dialects import T0, person
from tests.unit.transcript.test_ways import batched, documents, verdict
from turnkeeper.errors import Unread
from turnkeeper.model import Turn
from turnkeeper.runs.turns import read_turns
from turnkeeper.transcript import rows
from turnkeeper.transcript.assembly import Body, assemble
from turnkeeper.transcript.columns import TurnBatch
from turnkeeper.transcript.dialect import Facts, Mode
from turnkeeper.transcript.dialects import SHAPES, media, phrases, speech
from turnkeeper.transcript.dialects.reading import finish
from turnkeeper.transcript.forward import Forward, TwoPasses
from turnkeeper.transcript.limits import Limits
from turnkeeper.transcript.skeleton import Path
from turnkeeper.transcript.small import Small
from turnkeeper.transcript.stream import Kind


class PythonMedia(media.Media):
    """The dialect as it is where nothing was built."""

    targets: Mapping[Path, tuple[Any, Any]] = {
        ("transcript",): (Kind(media._Probe, media._OlderProbe), Kind(media._Turn, media._Older))
    }

    def kinds(self, mode: Mode, facts: Facts | None) -> Mapping[Path, Any]:
        return {("transcript",): Kind(media._Turn, media._Older)}

    def small(self, mode: Mode) -> Small:
        return msgspec.structs.replace(super().small(mode), rows=None)


class PythonSpeech(speech.Speech):
    targets: Mapping[Path, tuple[Any, Any]] = {
        ("transcripts", "[]", "phrases"): (Kind(phrases.Probe, unread=phrases.WORDS), phrases.Phrase)
    }

    def kinds(self, mode: Mode, facts: Facts | None) -> Mapping[Path, Any]:
        brief = phrases.Phrase if mode.words else Kind(phrases.Brief, phrases.Phrase, unread=phrases.WORDS)
        return {("transcripts", "[]", "phrases"): brief}

    def small(self, mode: Mode) -> Small:
        return msgspec.structs.replace(super().small(mode), rows=None)


_TWINS: Any = {media.Media: PythonMedia(), speech.Speech: PythonSpeech()}
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
modes = st.builds(Mode, strict=st.booleans(), words=st.sampled_from([False]), columns=st.booleans())


def both(raw: bytes, mode: Mode, *, large: bool, communication: str | None = None) -> tuple[Any, Any]:
    """What is said of a document with C and without."""
    return tuple(
        verdict(lambda: _told([body(raw, communication, large=large)], mode, shapes))  # noqa: B023 - called at once
        for shapes in (SHAPES, PYTHON)
    )  # type: ignore[return-value]


def _told(bodies: list[Body], mode: Mode, shapes: Any) -> Any:
    """An assembly whose turns have been read, in every way that this mode has."""
    found = assemble(bodies, mode=mode, shapes=shapes)
    if not mode.columns:
        return found
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
LATE = _file(_phrase(10**13 + 5, 7), conversationStartTime=10**13)
EARLY = _file(_phrase(-2 * 10**11, 7), start=T0 + 2 * 10**11)
NEVER = _file(_phrase(T0 + 5, 7), conversationStartTime=10**30)
"""A time zero that no 64 bits hold, for which C raised OverflowError."""
AGES = _file(_phrase(T0 + 5, 7), participants=[person("agent", 10**30, 10**31), person("ivr", -(10**30), T0 + 8)])
OFFSET = _file(_phrase(5, 7), start=10**30)


@example(document=LONG, mode=Mode(words=False), large=False)
@example(document=LATE, mode=Mode(words=False), large=False)
@example(document=EARLY, mode=Mode(words=False), large=False)
@example(document=NEVER, mode=Mode(words=False), large=False)
@example(document=AGES, mode=Mode(words=False), large=True)
@example(document=OFFSET, mode=Mode(words=False, columns=True), large=True)
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


def _front_to_back(raw: bytes, mode: Mode, shapes: Any) -> Any:
    """The batches of one pass, and how it ended."""
    found: list[Any] = []
    forward = Forward(Bytes(raw, 1 << 30), shapes, Limits(), mode)
    try:
        for batch in forward.columns() if mode.columns else forward.turns():
            found += batch.turns if isinstance(batch, TurnBatch) else batch
    except TwoPasses:
        return TwoPasses
    except Unread as cause:
        return found, cause.message, cause.offset, cause.field
    return found


def _ready(document: Any, mixed: Random) -> Any:
    """A document whose turns stand behind all that they need, mostly: then one pass is enough."""
    head = {"conversationId": "c1", "communicationId": "k1", "conversationStartTime": T0}
    if "transcripts" in document:
        parts = [{"language": "en-us", "startTime": T0} | part for part in document["transcripts"]]
        turns = {"transcripts": [part | {"phrases": part.pop("phrases")} for part in parts]}
        head |= {"participants": [person("agent", T0, T0 + 9000), person("customer", T0, None)]}
    else:
        turns = {"transcript": document["transcript"]}
        head = {"participants": [{"id": "a", "role": "agent"}]}
    rest = {key: value for key, value in (head | document).items() if key not in turns and mixed.random() < 0.97}
    return rest | turns


@given(document=flat | spoken, mode=modes, mixed=dice)
@settings(max_examples=80)
def test_front_to_back_it_is_the_same_with_c_and_without(document: Any, mode: Mode, mixed: Random) -> None:
    raw = json.dumps(_ready(document, mixed)).encode()
    assert _front_to_back(raw, mode, SHAPES) == _front_to_back(raw, mode, PYTHON)


def test_what_is_usual_is_really_read_in_c() -> None:
    """Or the properties above would compare Python with itself."""
    for raw, rows_of, key in (
        (json.dumps(_file(_phrase(T0, 5))).encode(), phrases.TURNS, b'"phrases": '),
        (
            json.dumps({"transcript": [{"start_time": 1, "end_time": 2, "speaker_id": None}]}).encode(),
            media._TURNS,
            b": ",
        ),
    ):
        assert rows_of.read(raw, raw.index(key) + len(key), strict=True) is not None
    assert all(not isinstance(shape, media.Media | speech.Speech) or shape in _TWINS.values() for shape in PYTHON)
    assert finish is not None


# ---- turns made whole, asked for directly ----


def turn(**members: Any) -> Turn:
    return Turn(**{"text": "", "role": "unknown", "start_ms": 1, "end_ms": 2, **members})


def stretch(first: Any = 0, base: Any = 0, shift: Any = 0, since: Any = -(1 << 62), until: Any = 1 << 62) -> Any:
    return first, base, shift, since, until


ANSWERS: Any = {"a": ("agent", "id", "A"), None: ("unknown", None, None)}


def voiced(items: Any, at: Any = 0, stop: Any = 99, within: Any = None, answers: Any = None) -> Any:
    assert finish is not None
    return finish.voiced(items, at, stop, within or stretch(), ANSWERS if answers is None else answers, "k", "en", {})


@pytest.mark.parametrize(
    ("items", "more"),
    [
        ((), {}),
        ([1], {}),
        ([None], {}),
        ([turn(), "x"], {}),
        ([turn()], {"within": (1, 2, 3, 4)}),
        ([turn()], {"within": (1, 2, 3, 4, None)}),
        ([turn()], {"answers": {None: "agent"}}),
        ([turn()], {"answers": {None: ("agent", "id")}}),
        ([turn()], {"answers": [None]}),
        ([turn(channel=[])], {}),
        ([turn()], {"at": "0"}),
    ],
)
def test_what_cannot_be_voiced(items: Any, more: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        voiced(items, **more)


@pytest.mark.parametrize("items", [(), [1], [turn(), None], [turn(speaker_id=[])]])
def test_what_cannot_be_named(items: Any) -> None:
    assert finish is not None
    with pytest.raises(TypeError):
        finish.named(items, 0, {}, "unknown", None)


@pytest.mark.parametrize(
    ("one", "within"),
    [
        (turn(start_ms=None), stretch()),
        (turn(end_ms=None), stretch()),
        (turn(start_ms=1.5), stretch()),
        (turn(start_ms=1 << 63), stretch()),
        (turn(end_ms=1 << 70), stretch()),
        (turn(end_ms=-1), stretch()),
        (turn(start_ms=1, end_ms=(1 << 63) - 1), stretch()),
        (turn(start_ms=(1 << 63) - 1), stretch(base=-(1 << 63))),
        (turn(start_ms=-(1 << 63)), stretch(shift=-(1 << 63))),
        (turn(start_ms=10**11, end_ms=0), stretch(shift=1)),
        (turn(start_ms=-(10**11), end_ms=0), stretch(shift=-1)),
        (turn(start_ms=5, end_ms=0), stretch(until=5)),
        (turn(start_ms=4, end_ms=2), stretch(until=5)),
        (turn(start_ms=4, end_ms=2), stretch(since=5)),
        (turn(channel="somebody"), stretch()),
    ],
)
def test_a_turn_of_another_stretch_stays_as_it_is(one: Turn, within: Any) -> None:
    before = msgspec.structs.astuple(one)
    assert voiced([one, turn()], within=within) == 0
    assert msgspec.structs.astuple(one) == before


@pytest.mark.parametrize(("at", "stop", "done"), [(0, 2, 2), (1, 9, 3), (3, 3, 3), (9, 99, 9), (-1, 2, -1), (2, 1, 2)])
def test_only_the_turns_asked_for(at: int, stop: int, done: int) -> None:
    items = [turn() for _ in range(3)]
    assert voiced(items, at, stop) == done
    assert [one.language for one in items] == ["en" if at <= n < stop and at >= 0 else None for n in range(3)]


@pytest.mark.parametrize("member", Turn.__struct_fields__)
def test_a_turn_that_somebody_emptied_ends_nothing(member: str) -> None:
    """Its place holds no object at all: that is said where it is wanted, and ends no interpreter."""
    assert finish is not None
    for work in (lambda one: voiced([one]), lambda one: finish.named([one], 3, {"a": "agent"}, "unknown", "k")):
        emptied = turn()
        getattr(Turn, member).__delete__(emptied)
        with suppress(AttributeError):
            work(emptied)
        filled = {name for name in Turn.__struct_fields__ if hasattr(emptied, name)}
        assert filled >= {*Turn.__struct_fields__} - {member}


def test_an_error_in_the_middle_leaves_whole_turns() -> None:
    items: Any = [turn(), turn(channel={}), turn()]
    with pytest.raises(TypeError):
        voiced(items)
    assert [one.communication for one in items] == ["k", None, None]


@pytest.mark.parametrize("wrong", [(int, 1, 1), (msgspec.defstruct("Bare", [], gc=False), 1, 1), (Turn, 1 << 70, 1)])
def test_turns_of_what_is_none(wrong: Any) -> None:
    with pytest.raises((TypeError, OverflowError)):
        rows.native.Turns(*wrong)


@pytest.mark.parametrize("mode", [Mode(), Mode(words=False, columns=True)])
def test_order_is_seen_where_some_turns_are_read_in_c_and_some_are_not(mode: Mode) -> None:
    """Some starts were milliseconds and some were seconds, and 0.4 was before 1."""
    first = {"start_time": 0.4, "end_time": 2, "text": "later"}
    second = {"start_time": 0.001, "end_time": 1, "text": "earlier", "speaker_id": "a"}
    for turns in ([first, second], [second, first], [first, second] * 50):
        found = assemble([body({"transcript": turns})], mode=mode)
        starts = [turn.start_ms for turn in found.turns()]
        assert starts == sorted(starts)


def test_a_phrase_longer_than_any_conversation_is_read() -> None:
    found = list(read_turns(Bytes(json.dumps(LONG).encode())))
    assert [one.end_ms for one in found] == [2 * 10**11, 10**15 + 4]


def test_a_time_zero_beyond_64_bits_is_refused_like_any_wrong_one() -> None:
    with pytest.raises(Unread, match="too far from the conversation's start"):
        list(read_turns(Bytes(json.dumps(NEVER).encode())))
