"""Every shape a transcript comes in, the people in it, and what is refused."""

from __future__ import annotations

import json
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import turnkeeper.transcript
from tests.unit.payloads.sources import Bytes, body, data, read, written
from turnkeeper.audio.timeline import sample
from turnkeeper.errors import UnknownShape, Unread, WrongConversation
from turnkeeper.jsonstream.stream import Batch
from turnkeeper.model import Turn
from turnkeeper.payloads.details import read_details
from turnkeeper.payloads.dialect import Context, DocumentFacts, Mode, Survey
from turnkeeper.payloads.dialects import SHAPES
from turnkeeper.payloads.times import milliseconds
from turnkeeper.transcript.assemble import Body

SCHEMAS = Path(turnkeeper.transcript.__file__).parent / "schemas"
T0 = 1_749_243_600_000

MEDIA: dict[str, Any] = {
    "self": "/api/x",
    "conversation": "c1",
    "transcript": [
        {
            "start_time": 0.29,
            "end_time": 1.0005,
            "text": "Good day",
            "speaker_id": "a",
            "confidence": 0.9,
            "new": {"x": []},
        },
        {"start_time": 1.0005, "end_time": 2, "text": "", "speaker_id": "c", "confidence": 0.7},
        {"start_time": 2, "end_time": 2.5, "text": "beep", "speaker_id": "s"},
        {"start_time": 2.5, "end_time": 2.5, "text": "?", "speaker_id": "nobody"},
    ],
    "participants": [
        {"id": "a", "name": "Ann", "role": "agent"},
        {"id": "c", "role": "Customer"},
        {"id": "s", "role": "system"},
    ],
}


def speech(*phrases: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "conversationId": "c1",
        "communicationId": "k1",
        "conversationStartTime": T0,
        "transcripts": [{"startTime": T0 + 1000, "phrases": list(phrases)}],
    } | more


def phrase(
    start: float, length: int | None = 1000, channel: str = "internal", text: str = "x", **more: Any
) -> dict[str, Any]:
    timed = {} if length is None else {"duration": {"milliseconds": length}}
    return {"startTimeMs": start, "participantPurpose": channel, "text": text, **timed, **more}


def person(purpose: str, start: int | None, end: int | None, user: str | None = None) -> dict[str, Any]:
    return {"participantPurpose": purpose, "startTimeMs": start, "endTimeMs": end, "userId": user}


def roles(document: Any, **options: Any) -> list[tuple[str, str | None]]:
    return [(turn.role, turn.speaker_id) for turn in read(document, **options).turns()]


@pytest.mark.parametrize("large", [False, True])
def test_media(large: bool) -> None:
    found = read(body(MEDIA, large=large))
    turns = list(found.turns())
    assert [(turn.start_ms, turn.end_ms, turn.role, turn.speaker_id, turn.index) for turn in turns] == [
        (290, 1001, "agent", "a", 0),
        (1001, 2000, "customer", "c", 1),
        (2000, 2500, "system", "s", 2),
        (2500, 2500, "unknown", "nobody", 3),
    ]
    assert found.header.conversation == "c1"
    assert found.header.time_base.kind == "relative"
    assert [one.name for one in found.header.participants] == ["Ann", None, None]
    assert sample(turns[0].start_ms or 0, 100) == 29


def test_participants_of_the_envelope_when_the_download_has_none() -> None:
    download = {"conversation": "c1", "transcript": MEDIA["transcript"]}
    envelope = {
        "conversation": "c1",
        "status": "completed",
        "downloadUrl": "https://x",
        "participants": MEDIA["participants"],
    }
    found = read(body(envelope, metadata=True), body(download))
    assert [turn.role for turn in found.turns()] == ["agent", "customer", "system", "unknown"]
    assert len(list(read(body(MEDIA, metadata=True)).turns())) == 4


@given(st.decimals(-1000, 10**7, places=5, allow_nan=False))
def test_decimal_seconds_are_read_as_decimals_half_up(seconds: Decimal) -> None:
    truth = int((seconds * 1000 + Decimal("0.5")).to_integral_value(ROUND_FLOOR))
    assert milliseconds(float(str(seconds))) == truth
    raw = f'{{"transcript":[{{"start_time":{seconds},"end_time":{seconds}}}]}}'.encode()
    assert next(read(raw).turns()).start_ms == truth


def test_times_that_cannot_be() -> None:
    assert milliseconds(0.0005) == 1
    for wrong in (1e12, -1e12, 1e308, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="time"):
            milliseconds(wrong)


def test_speech_fixture() -> None:
    found = read(data("speech-ivr.json"))
    assert [(turn.role, turn.start_ms, turn.end_ms, turn.sentiment) for turn in found.turns()] == [
        ("ivr", 0, 0, None),
        ("customer", 5000, 5000, 1),
    ]
    assert [one.id for one in found.header.participants] == ["ivr-1", "customer-1"]
    slice_ = read(data("speech-slice.json"))
    assert slice_.header.time_base.kind == "transcript"
    assert [turn.start_ms for turn in slice_.turns()] == [20_000, 24_000, 27_000]


def test_epoch_and_offset_times_are_told_apart() -> None:
    epoch = read(speech(phrase(T0 + 1500), phrase(T0 + 3000)))
    offset = read(speech(phrase(500), phrase(2000)))
    assert [turn.start_ms for turn in epoch.turns()] == [turn.start_ms for turn in offset.turns()] == [1500, 3000]
    assert (epoch.header.time_base.offset_times, offset.header.time_base.offset_times) == (False, True)


def test_text_words_and_missing_lengths() -> None:
    words = [
        {"word": "a", "confidence": 0.5, "startTimeMs": T0 + 100, "duration": {"milliseconds": 80}},
        {"word": "b", "startTimeMs": T0 + 300},
    ]
    decorated = [{"word": "A", "startTimeMs": T0 + 100, "duration": {"milliseconds": 90}}]
    document = speech(
        phrase(T0 + 100, None, decoratedText="A, b.", words=words),
        phrase(T0 + 500, None, decoratedText=None),
        phrase(T0 + 600, 5, decoratedText="A", decoratedWords=decorated, words=words),
    )
    first, second, third = read(document).turns()
    assert (first.text, first.end_ms, [(one.word, one.start_ms, one.end_ms) for one in first.words]) == (
        "A, b.",
        300,
        [("a", 100, 180), ("b", 300, 300)],
    )
    assert (second.text, second.start_ms, second.end_ms) == ("x", 500, 500)
    assert [one.word for one in third.words] == ["A"]


@pytest.mark.parametrize("large", [False, True])
def test_all_transcripts_are_read_whatever_stands_before_or_behind(large: bool) -> None:
    document = speech()
    document["transcripts"] = [
        {
            "phrases": [phrase(9000, text="late", phraseIndex=0)],
            "language": "es-us",
            "startTime": T0,
            "analytics": {"sentiment": [{"phraseIndex": 0, "sentiment": -1}]},
        },
        {"language": "en-us", "startTime": T0 + 100, "phrases": [phrase(0, text="early", phraseIndex=7)]},
        None,
        {"phrases": None},
    ]
    found = read(body(document, large=large))
    assert [(turn.text, turn.language, turn.start_ms, turn.sentiment, turn.index) for turn in found.turns()] == [
        ("early", "en-us", 100, None, 7),
        ("late", "es-us", 9000, -1, 0),
    ]


def test_digital_text_without_times_keeps_its_order() -> None:
    document = speech(
        {"text": "hello", "participantPurpose": "external"},
        {"text": "hi", "participantPurpose": "internal"},
        mediaType="Message",
    )
    document["participants"] = [person("agent", None, None, "u1"), person("customer", None, None)]
    found = read(document, names={"u1": "Ann"})
    assert [(turn.text, turn.start_ms, turn.role, turn.speaker_id) for turn in found.turns()] == [
        ("hello", None, "customer", "customer-1"),
        ("hi", None, "agent", "agent-1"),
    ]
    assert found.header.media_type == "message"
    assert found.header.participants[0].name == "Ann"


def test_roles_by_overlap_tie_and_none() -> None:
    people = [
        person("ivr", T0, T0 + 5000),
        person("agent", T0 + 5000, T0 + 9000, "u1"),
        person("agent", T0 + 8000, T0 + 12_000, "u2"),
        person("customer", T0, T0 + 12_000),
    ]
    document = speech(
        phrase(T0 + 1000),
        phrase(T0 + 4000, 1900),
        phrase(T0 + 4900, 300),
        phrase(T0 + 8000, 1000),
        phrase(T0 + 8900, 0),
        phrase(T0 + 9000, 0),
        phrase(T0 + 20_000),
        phrase(T0 + 4000, 10, "external"),
        phrase(T0, 10, "both"),
        participants=people,
    )
    found = {turn.index: (turn.role, turn.speaker_id) for turn in read(document).turns()}
    assert [found[n] for n in range(9)] == [
        ("ivr", "ivr-1"),
        ("ivr", "ivr-1"),
        ("agent", "agent-1"),
        ("unknown", None),
        ("unknown", None),
        ("agent", "agent-2"),
        ("unknown", None),
        ("customer", "customer-1"),
        ("unknown", None),
    ]
    assert next(read(speech(phrase(T0), mediaType="call")).turns()).role == "unknown"


def test_details_give_names_time_zero_and_people() -> None:
    details = read_details(
        {
            "conversationId": "C1",
            "conversationStart": "2025-06-06T20:59:59.000Z",
            "participants": [
                {
                    "participantId": "P1",
                    "participantName": "Ann",
                    "purpose": "agent",
                    "userId": "u1",
                    "sessions": [
                        {
                            "sessionId": "k1",
                            "mediaType": "voice",
                            "recording": True,
                            "segments": [
                                {
                                    "segmentStart": "2025-06-06T21:00:00.000Z",
                                    "segmentEnd": "2025-06-06T21:01:00.000Z",
                                    "queueId": "q1",
                                }
                            ],
                        }
                    ],
                },
                {
                    "participantId": "P2",
                    "purpose": "customer",
                    "sessions": [{"sessionId": "k0", "mediaType": "voice", "recording": True}],
                },
            ],
        }
    )
    found = read(speech(phrase(T0 + 100)), conversation="c1", details=details, names={"u1": "Ann Smith"})
    turn = next(found.turns())
    assert (turn.start_ms, turn.role, turn.speaker_id) == (1100, "agent", "P1")
    assert (found.header.time_base.kind, found.header.started_at) == ("analytics", "2025-06-06T20:59:59.000Z")
    assert [(one.id, one.name, one.queue_id) for one in found.header.participants] == [
        ("P1", "Ann Smith", "q1"),
        ("P2", None, None),
    ]
    assert [one.id for one in details.communications()] == ["k0", "k1"]
    with_people = speech(phrase(T0 + 100), participants=[person("agent", T0, T0 + 9000, "u1")])
    assert roles(with_people, details=details) == [("agent", "P1")]


def test_message_details() -> None:
    details = read_details(data("details-message.json"))
    assert [one.id for one in details.communications()] == ["33333333-3333-4333-8333-333333333333"]
    assert details.wrap_up_codes == ("Billing",)
    assert details.media_types == ("message",)
    assert details.start == 1_790_596_800_000
    for wrong in (b"", b"[]", b"{}", b"[" * 100_000):
        with pytest.raises(Unread):
            read_details(wrong)


def test_events_out_of_order_are_put_in_order() -> None:
    found = read(data("events-call.jsonl"))
    turns = list(found.turns())
    assert len(turns) == 11
    assert [turn.start_ms for turn in turns] == sorted(turn.start_ms or 0 for turn in turns)
    assert {turn.channel for turn in turns} == {"internal", "external"}
    assert turns[0].text.startswith("and now mr.")
    assert found.header.communications[0].language == "en-us"
    lines = [json.loads(line) for line in data("events-call.jsonl").splitlines()]
    bare = b"".join(json.dumps(one["detail"]["eventBody"], indent=1).encode() for one in lines)
    assert list(read(bare).turns()) == turns
    assert list(read(body(bare, large=True)).turns()) == turns


def test_one_event_and_an_end_without_words() -> None:
    turn = next(read(data("events-one.json")).turns())
    assert (turn.start_ms, turn.end_ms, turn.confidence) == (278_620, 291_100, 0.6584736842105261)
    assert "10 cissians" in turn.text
    two = data("events-two-conversations.jsonl")
    with pytest.raises(Unread, match="2 conversations"):
        read(two)
    assert [turn.language for turn in read(two, conversation="TEST-conversation-id-1").turns()] == ["es-us", "es-us"]
    assert list(read(two, conversation="test-conversation-id-2").turns()) == []
    with pytest.raises(WrongConversation):
        read(two, conversation="other")


LEGACY = [
    [
        {"startTime": 1.5, "endTime": 2, "speakerId": "agent", "text": "a"},
        {"startTime": 2, "endTime": 3, "speakerId": 7, "role": "customer", "text": "b"},
    ],
    {
        "turns": [
            {"start": 1.5, "end": 2, "speaker": "agent", "transcript": "a"},
            {"startMs": 2000, "durationMs": 1000, "participantPurpose": "external", "content": "b"},
        ]
    },
    {
        "utterances": [
            {"start_ms": 1500, "end_ms": 2000, "speaker_id": "1", "text": "a"},
            {"start_ms": 2000, "end_ms": 3000, "speaker_id": "2", "text": "b"},
        ],
        "participants": [{"id": 1, "role": "user"}, {"participantId": "2", "purpose": "customer"}],
    },
    {
        "conversationId": "c",
        "segments": [
            {"startTime": T0, "endTime": T0 + 500, "role": "agent", "body": "a"},
            {"startTime": T0 + 500, "endTime": T0 + 1500, "role": "customer", "body": "b"},
        ],
    },
]


@pytest.mark.parametrize("document", LEGACY)
@pytest.mark.parametrize("large", [False, True])
def test_legacy(document: Any, large: bool) -> None:
    found = read(body(document, large=large))
    assert found.header.dialect == "legacy"
    first, second = found.turns()
    assert (first.text, first.role, second.text, second.role) == ("a", "agent", "b", "customer")
    assert (first.end_ms or 0) - (first.start_ms or 0) == 500
    assert second.start_ms == first.end_ms


BAD = [
    (b"", "empty"),
    (b" \n", "empty"),
    (b"<html><body>Error</body></html>", "HTML"),
    (b'\xef\xbb\xbf <?xml version="1.0"?><Error/>', "HTML"),
    (json.dumps(MEDIA).encode()[:-30], "ends in the middle"),
    (b'{"transcript":[{"start_time":NaN}]}', "not JSON"),
    (b'{"transcript":{"a":1}}', "no known shape"),
]
DEFECTS = [
    (b'{"transcript":[{"text":"","start_time":2,"end_time":1.9}]}', "ends before", ("end_ms",)),
    (b'{"transcript":[{"text":"","start_time":1,"end_time":1e30}]}', "too far", ("end_ms",)),
    (b'{"transcript":[{"text":"","start_time":"x","end_time":2}]}', "not a time", ("start_ms",)),
    (b'{"transcript":[{"start_time":1,"text":5}]}', "expected str", ("text",)),
    (b'{"transcript":[{"start_time":1,"text":""},7]}', "expected object", ("turn", "text")),
    (b'{"transcript":[{"text":"a"}],"participants":[{"id":[]}]}', "participants", ()),
    (json.dumps(speech(phrase(T0, -5))).encode(), "ends before", ("end_ms",)),
    (json.dumps(speech({"startTimeMs": "x", "text": ""})).encode(), "not a time", ("start_ms",)),
    (json.dumps([{"text": "a", "start": 2, "end": 1}]).encode(), "ends before", ("end_ms",)),
    (json.dumps([{"text": "a", "start": "x"}]).encode(), "not a time", ("start_ms",)),
]


@pytest.mark.parametrize(("raw", "said"), BAD)
@pytest.mark.parametrize("large", [False, True])
def test_bad_input_is_unread_with_a_reason(raw: bytes, said: str, large: bool) -> None:
    with pytest.raises(Unread, match=said) as caught:
        list(read(body(raw, large=large)).turns())
    assert caught.value.operation == "read transcript"


@pytest.mark.parametrize(("raw", "said", "names"), DEFECTS)
@pytest.mark.parametrize("large", [False, True])
def test_a_defect_is_marked_and_refused_where_reading_is_exact(
    raw: bytes, said: str, names: tuple[str, ...], large: bool
) -> None:
    """K2: one field that cannot be right costs that field."""
    turns = list(read(body(raw, large=large)).turns())
    assert [turn.defects for turn in turns if turn.defects] == ([names] if names else [])
    with pytest.raises(Unread, match=said):
        list(read(body(raw, large=large), mode=Mode(exact=True)).turns())


@pytest.mark.parametrize("large", [False, True])
def test_a_wrong_turn_is_named_with_its_exact_offset(large: bool) -> None:
    turns = [{"start_time": n, "end_time": n + 0.5, "text": "é" * 20} for n in range(3000)]
    turns[2222]["end_time"] = 2221
    raw = json.dumps({"transcript": turns}, ensure_ascii=False).encode()
    found = read(body(raw, large=large), mode=Mode(exact=True))
    with pytest.raises(Unread, match="ends before") as caught:
        list(found.turns())
    assert caught.value.field == "transcript[2222].end_time"
    assert raw[caught.value.offset or 0 :].startswith(b'{"start_time": 2222,')


def test_text_behind_the_end() -> None:
    raw = json.dumps(MEDIA).encode()
    for more in (b" garbage", b"{"):
        with pytest.raises(Unread, match="more text after") as caught:
            read(raw + more)
        assert caught.value.offset == len(raw) + (more[:1] == b" ")
    lines = data("events-call.jsonl")
    with pytest.raises(Unread, match="ends in the middle"):
        read(lines[:-20])


def test_unknown_shapes_are_named_by_their_keys_only() -> None:
    for document in (
        {"sec\x1bret": "v4lue", "b" * 99: 1},
        {"results": ["v4lue"]},
        {},
        [1, 2],
        "v4lue",
        5,
        {"turns": [{"x": "v4lue"}]},
    ):
        with pytest.raises(UnknownShape) as caught:
            read(document)
        assert "v4lue" not in str(caught.value)
        assert "\x1b" not in str(caught.value)
    with pytest.raises(UnknownShape, match="and 30 more"):
        read({f"k{n}": n for n in range(50)})


def test_another_conversation() -> None:
    for document in (MEDIA, speech(phrase(T0))):
        assert read(document, conversation="C1").header.conversation == "C1"
        with pytest.raises(WrongConversation):
            read(document, conversation="c2")
    with pytest.raises(WrongConversation):
        read(MEDIA, speech() | {"conversationId": "c3"})


def test_unrelated_arrays_of_other_types_do_no_harm() -> None:
    extra = MEDIA | {"messages": ["a"], "results": [1], "transcripts": None, "segments": [{"start": "x"}]}
    assert list(read(extra).turns()) == list(read(MEDIA).turns())
    assert list(read(body(extra, large=True)).turns()) == list(read(MEDIA).turns())


@pytest.mark.parametrize("document", [MEDIA, data("events-call.jsonl"), data("speech-ivr.json"), *LEGACY])
def test_the_view_is_valid_deterministic_and_read_back(document: Any) -> None:
    found = read(document)
    view = written(found)
    assert view == written(read(document)) == written(read(body(document, large=True)))
    schema = json.loads((SCHEMAS / "transcript.json").read_bytes())
    jsonschema.validate(json.loads(view), schema)
    again = read(view)
    assert list(again.turns()) == list(found.turns())
    assert again.header == found.header
    assert written(again) == view == written(read(body(view, large=True)))


class Shouted:
    """A shape of somebody's own."""

    name = "legacy"
    record = None

    class Line(msgspec.Struct):
        who: str
        said: str

    targets: ClassVar = {("LINES",): (Line, Line)}

    def survey(self, survey: Survey, batch: Batch) -> None:
        survey.starts(batch, [None for _ in batch.items])

    def matches(self, survey: Survey) -> bool:
        return isinstance(survey.skeleton, dict) and "LINES" in survey.skeleton

    def facts(self, survey: Survey) -> DocumentFacts:
        return DocumentFacts(dialect="legacy")

    def turns(self, batch: Batch, context: Context) -> list[Turn]:
        return [Turn(text=line.said, role="agent") for line in batch.items]


def test_a_shape_can_be_added_by_argument() -> None:
    document = {"LINES": [{"who": "x", "said": "HELLO"}]}
    with pytest.raises(UnknownShape):
        read(document)
    shapes: Any = (Shouted(), *SHAPES)
    assert [turn.text for turn in read(document, shapes=shapes).turns()] == ["HELLO"]
    assert len(list(read(MEDIA, shapes=shapes).turns())) == 4


def test_nothing_and_only_an_envelope() -> None:
    assert list(read().turns()) == []
    queued = read(Body(Bytes(b'{"conversation":"c","status":"queued"}')))
    assert (queued.header.status, list(queued.turns())) == ("queued", [])
