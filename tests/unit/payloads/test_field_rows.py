"""What the world gave: each test is one row of the faults that were met in the field, with an input of its own."""

from __future__ import annotations

import copy
import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import turnkeeper as tk
from tests.unit.payloads.sources import Bytes
from turnkeeper.calls.turns import read_batches, read_turns
from turnkeeper.errors import Misconfigured, NotReady, TooLarge, UnknownShape, Unread, WrongConversation
from turnkeeper.model import Turn
from turnkeeper.payloads.details import read_details
from turnkeeper.payloads.dialect import Mode
from turnkeeper.transcript.assemble import Body, assemble
from turnkeeper.transcript.formats import write_transcript
from turnkeeper.transcript.select import Selection
from turnkeeper.transcript.turn_lines import cell, turn_writer

T0 = 1_790_600_000_000
CALL = "5c0e8a52-1a6f-4f3b-9f0e-0d6a7c1b2e01"


def raw(*documents: Any, between: str = "") -> bytes:
    return between.join(json.dumps(one) for one in documents).encode()


def texts(body: bytes, **more: Any) -> list[str]:
    return [turn.text for turn in read_turns(body, **more)]


def leg(name: str, start: int, *said: str) -> dict[str, Any]:
    """A whole transcript of one communication."""
    found = [
        {
            "phraseIndex": at,
            "participantPurpose": "external",
            "text": text,
            "startTimeMs": start + at * 2000,
            "duration": {"milliseconds": 900},
        }
        for at, text in enumerate(said)
    ]
    return {
        "conversationId": CALL,
        "communicationId": name,
        "mediaType": "call",
        "conversationStartTime": T0,
        "startTime": start,
        "participants": [{"participantPurpose": "customer", "startTimeMs": T0, "endTimeMs": T0 + 60_000}],
        "transcripts": [{"transcriptId": "t", "language": "en-gb", "startTime": start, "phrases": found}],
    }


def media(*said: str, first: float = 1.0) -> dict[str, Any]:
    return {
        "conversation": CALL,
        "status": "completed",
        "participants": [{"id": "p", "role": "agent"}],
        "transcript": [
            {"start_time": first + at, "end_time": first + at + 0.5, "text": text, "speaker_id": "p", "confidence": 0.9}
            for at, text in enumerate(said)
        ],
    }


def legacy(*said: str) -> dict[str, Any]:
    turns = [{"start": at, "end": at + 0.5, "text": text, "speaker": "agent"} for at, text in enumerate(said)]
    return {"conversation": CALL, "turns": turns}


def view(*said: str) -> dict[str, Any]:
    out = io.BytesIO()
    write_transcript(assemble([Body(Bytes(raw(media(*said))))]), out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def utterance(number: int, text: str, at: int, **more: Any) -> dict[str, Any]:
    said = {"confidence": 0.8, "offsetMs": at, "durationMs": 700, "transcript": text}
    return {"utteranceId": f"u-{number}", "isFinal": True, "channel": "EXTERNAL", "alternatives": [said]} | more


def message(*utterances: Any, communication: str | None = "leg-1", **more: Any) -> dict[str, Any]:
    named = {} if communication is None else {"communicationId": communication}
    body = {"conversationId": CALL, "sessionStartTimeMs": T0, "transcriptionStartTimeMs": T0, **named, **more}
    return {"detail": {"eventBody": body | {"transcripts": list(utterances)}}}


ONE_EVENT = message(utterance(1, "good evening", 400))


# ---- K1: success that lost everything ----


def test_lines_with_one_wrapped_utterance_each() -> None:
    """K1: events with one utterance a line under ``transcript``."""
    lines = [
        {"conversationId": CALL, "receivedAt": 17.5, "transcript": utterance(at, text, at * 1000)}
        for at, text in enumerate(["is the shop open", "until six"])
    ]
    assert texts(raw(*lines, between="\n")) == ["is the shop open", "until six"]
    assert texts(raw(lines[0])) == ["is the shop open"]


def test_a_real_event_and_a_wrapped_line() -> None:
    """K1: mixed lines, one real event and one wrapped."""
    wrapped = {"conversationId": CALL, "transcript": utterance(2, "yes", 900)}
    assert texts(raw(ONE_EVENT, wrapped, between="\n")) == ["good evening", "yes"]


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ({"conversationId": CALL, "speaker": "agent", "start": 1.0, "end": 2.0, "text": "hello"}, "speaker"),
        ({"conversationId": CALL, "conversationStart": "2026-10-02T08:00:00.000Z", "participants": []}, "participants"),
    ],
)
def test_lines_that_are_no_events(line: dict[str, Any], key: str) -> None:
    """K1: flat turn lines and analytics rows are no events, though they name a conversation."""
    for lines in ([line], [line, line], [line, line | {"conversationId": "another"}]):
        with pytest.raises(UnknownShape, match=key):
            texts(raw(*lines, between="\n"))


def test_a_foreign_line_among_events_is_a_finding_behind_the_turns() -> None:
    """K1: what is left out of a body is said."""
    body = raw(ONE_EVENT, {"conversationId": CALL, "conversationStart": "2026-10-02"}, between="\n")
    found = read_turns(body)
    assert next(found).text == "good evening"
    with pytest.raises(UnknownShape, match="number 2"):
        next(found)


@pytest.mark.parametrize("between", ["", "\n", " \r\n\0", "\ufeff"])
@pytest.mark.parametrize(
    "documents",
    [
        (leg("a", T0, "one", "three"), leg("b", T0 + 1000, "two")),
        (media("one", "three"), media("two", first=1.5)),
        (legacy("one", "two"), legacy("three")),
        (view("one", "two"), view("three")),
    ],
    ids=["speech", "media", "legacy", "view"],
)
def test_two_documents_behind_one_another(documents: Any, between: str) -> None:
    """K1: two legs one behind the other, in every dialect."""
    found = list(read_turns(raw(*documents, between=between)))
    assert sorted(turn.text for turn in found) == ["one", "three", "two"]
    starts = [turn.start_ms or 0 for turn in found]
    assert starts == sorted(starts)
    packed = gzip.compress(raw(documents[0])) + gzip.compress(raw(documents[1]))
    assert list(read_turns(packed)) == found
    assert [text for batch in read_batches(packed) for text in batch.text] == [
        turn.text for turn in read_turns(packed, order="document")
    ]


def test_a_large_document_and_a_small_one_behind_it() -> None:
    """K1: the same beyond a mebibyte, where a body is streamed."""
    many = media(*[f"turn {at} " + "x" * 300 for at in range(4000)])
    found = [turn.index for turn in read_turns(raw(many, media("last", first=5000)))]
    assert len(found) == 4001


def test_documents_of_two_conversations_are_not_merged() -> None:
    """K1: nothing is joined that does not belong together."""
    with pytest.raises(WrongConversation, match="several conversations"):
        texts(raw(media("one"), media("two") | {"conversation": "another"}))


def test_something_else_behind_a_document_is_refused() -> None:
    """K1: more text behind a document that is no document."""
    for more in (b"garbage", b'{"cut": ', b"}", b'"x"', b"[1"):
        with pytest.raises(Unread, match="more text after the document's end"):
            texts(raw(media("one")) + more)


@pytest.mark.parametrize("named", ["sessionStartTimeMs", "transcriptionStartTimeMs"])
def test_an_event_without_a_communication(named: str) -> None:
    """K1: offsets count from the session's start, not from 1970."""
    body = {"conversationId": CALL, named: T0, "transcripts": [utterance(1, "hello", 17_820)]}
    for document in (body, {"eventBody": body}, {"detail": {"eventBody": body}}):
        (turn,) = read_turns(raw(document))
        assert (turn.start_ms, turn.end_ms) == (17_820, 18_520)
        assert turn.conversation == CALL


def test_an_event_that_is_delivered_twice_counts_once() -> None:
    """K1: the same utteranceId again is the same utterance; equal words under another id are two."""
    other = message(utterance(2, "good evening", 400))
    assert texts(raw(ONE_EVENT, ONE_EVENT, between="\n")) == ["good evening"]
    assert texts(raw(ONE_EVENT, other, ONE_EVENT, between="\n")) == ["good evening", "good evening"]
    changed = message(utterance(1, "good evening to you", 400))
    first, second = read_turns(raw(ONE_EVENT, changed, between="\n"))
    assert (first.duplicate_of, second.duplicate_of) == (None, "leg-1/0")


def test_a_list_of_events() -> None:
    """K1: a JSON list of events, as some tools store them."""
    assert texts(raw([ONE_EVENT, message(utterance(2, "who is calling", 2000))])) == ["good evening", "who is calling"]
    assert texts(raw([ONE_EVENT])) == ["good evening"]
    assert texts(raw([leg("a", T0, "one"), leg("b", T0 + 500, "two")])) == ["one", "two"]


def test_interim_results_alone_are_not_ready() -> None:
    """K1: a body that is not empty and gives no turns is an error."""
    with pytest.raises(NotReady, match="interim"):
        texts(raw(message(utterance(1, "good ev", 400, isFinal=False))))


def test_two_layers_of_gzip() -> None:
    """K1: a body that was packed twice is read."""
    assert texts(gzip.compress(gzip.compress(raw(media("one"))))) == ["one"]
    with pytest.raises(Unread, match="packed more than"):
        texts(gzip.compress(gzip.compress(gzip.compress(raw(media("one"))))))


def test_bytes_behind_a_gzip_stream() -> None:
    """K1: named for what it is."""
    with pytest.raises(Unread, match="other bytes stand behind the end of the gzip stream"):
        texts(gzip.compress(raw(media("one"))) + b"log line")
    assert texts(gzip.compress(raw(media("one"))) + b"\0" * 100) == ["one"]


@pytest.mark.parametrize("more", [b"\0", b"\x1a", b"\n\0\0\0\0", b"\r\n\x1a"])
def test_padding_behind_a_document(more: bytes) -> None:
    """K1: NUL bytes and the end-of-file mark of DOS hold nothing."""
    for document in (media("one"), leg("a", T0, "one"), legacy("one"), view("one"), message(utterance(1, "one", 5))):
        assert texts(raw(document) + more) == ["one"]
    assert texts(raw(ONE_EVENT, message(utterance(2, "two", 900)), between="\n") + more) == ["good evening", "two"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_other_encodings_are_named(encoding: str) -> None:
    """K1: UTF-16 is not damage."""
    with pytest.raises(Unread, match="UTF-16"):
        texts(raw(media("one")).decode().encode(encoding))


@pytest.mark.parametrize("key", ["transcript", "chatTranscript", "emailTranscript", "messagingTranscript"])
def test_messages_of_chats_are_no_turns_yet(key: str) -> None:
    """K1: recordings with a chat are of no known shape until digital conversations are read."""
    chat = [{"id": "r", "media": "chat", key: [{"body": "is it still there", "utc": "2026-10-02T08:00:00Z"}]}]
    with pytest.raises(UnknownShape):
        texts(raw(chat))
    with pytest.raises(UnknownShape):
        texts(raw(chat[0]))


def test_a_transcript_that_is_not_ready() -> None:
    """K1: ``turns`` on a body that says that it is processing."""
    for read in (read_turns, read_batches):
        with pytest.raises(NotReady, match="not ready \\(processing\\)"):
            list(read(raw({"status": "processing", "transcript": []})))


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"status": "completed", "transcript": [], "downloadUrl": "https://x.example/a?sig=1"}, "downloadUrl"),
        ({"status": "completed", "downloadUrl": "https://x.example/a?sig=1"}, "downloadUrl"),
        ({"id": 1, "media": {"download_url": "https://x.example/a?sig=1"}}, "download_url"),
    ],
)
def test_metadata_whose_body_lies_elsewhere(document: Any, key: str) -> None:
    """K1: the body lies behind downloadUrl."""
    with pytest.raises(Unread, match=f"the body lies behind {key}") as caught:
        texts(raw(document))
    assert "sig" not in str(caught.value)


def test_roles_that_are_none() -> None:
    """K1: a selection that would select nothing."""
    for roles in ({"agents"}, "agent", {"agent", "caller"}, 5):
        with pytest.raises(ValueError, match="customer, agent, ivr"):
            tk.Selection(roles=roles)  # type: ignore[arg-type]
    assert Selection(roles={"agent"}) == Selection(roles=frozenset({"agent"}))  # type: ignore[arg-type]
    with pytest.raises(Misconfigured):
        Selection(interactions=CALL)  # type: ignore[arg-type]


# ---- K2: one field costs the whole ----

SPEECH = leg("a", T0, *[f"turn {at}" for at in range(500)])
FLAT = media(*[f"turn {at}" for at in range(500)])
OLD = legacy(*[f"turn {at}" for at in range(500)])
LIVE = message(*[utterance(at, f"turn {at}", at * 1000) for at in range(500)])
OURS = view(*[f"turn {at}" for at in range(500)])
ELEMENTS: dict[str, Any] = {
    "speech": (SPEECH, lambda one: one["transcripts"][0]["phrases"]),
    "media": (FLAT, lambda one: one["transcript"]),
    "legacy": (OLD, lambda one: one["turns"]),
    "events": (LIVE, lambda one: one["detail"]["eventBody"]["transcripts"]),
    "view": (OURS, lambda one: one["transcript"]),
}
DAMAGE: list[tuple[str, str, Any, str]] = [
    ("speech", "duration", {"milliseconds": -5}, "end_ms"),
    ("speech", "duration", {"milliseconds": "soon"}, "end_ms"),
    ("speech", "duration", 7, "end_ms"),
    ("speech", "confidence", "high", "confidence"),
    ("speech", "startTimeMs", {"at": 5}, "start_ms"),
    ("speech", "startTimeMs", 1e300, "start_ms"),
    ("speech", "startTimeMs", "9999-12-31T23:59:59-14:00", "start_ms"),
    ("speech", "text", None, "text"),
    ("speech", "text", ["x"], "text"),
    ("speech", "participantPurpose", 3, "channel"),
    ("speech", "phraseIndex", "first", "index"),
    ("media", "end_time", 0, "end_ms"),
    ("media", "end_time", [1], "end_ms"),
    ("media", "start_time", "later", "start_ms"),
    ("media", "start_time", -1e30, "start_ms"),
    ("media", "confidence", "high", "confidence"),
    ("media", "confidence", {}, "confidence"),
    ("media", "text", 7, "text"),
    ("media", "text", None, "text"),
    ("media", "speaker_id", [], "speaker_id"),
    ("legacy", "end", -3, "end_ms"),
    ("legacy", "start", {"s": 1}, "start_ms"),
    ("legacy", "text", [], "text"),
    ("legacy", "confidence", "high", "confidence"),
    ("view", "end_ms", -7, "end_ms"),
    ("view", "start_ms", "x", "start_ms"),
    ("view", "confidence", "high", "confidence"),
    ("view", "role", "boss", "role"),
    ("view", "text", 5, "text"),
]


def read_large(body: bytes) -> list[Turn]:
    """Through the stream, however small the body is."""
    return list(assemble([Body(Bytes(body, 1 << 30))], mode=Mode(strict=False, words=False)).turns())


@pytest.mark.parametrize(("dialect", "key", "value", "defect"), DAMAGE)
def test_one_damaged_field_of_one_turn_in_five_hundred(dialect: str, key: str, value: Any, defect: str) -> None:
    """K2: 500 turns, one marked with defects; the other 499 as they were."""
    document, elements = ELEMENTS[dialect]
    whole = list(read_turns(raw(document)))
    assert len(whole) == 500
    damaged = copy.deepcopy(document)
    elements(damaged)[250][key] = value
    for found in (list(read_turns(raw(damaged), words=True)), list(read_turns(raw(damaged))), read_large(raw(damaged))):
        assert len(found) == 500
        marked = [turn for turn in found if turn.defects]
        assert [turn.defects for turn in marked] == [(defect,)]
        others = [turn for turn in found if turn is not marked[0]]
        assert others == [turn for turn in whole if turn.text != "turn 250"]
    if value is None:  # a text that is absent was always accepted
        assert len(list(read_turns(raw(damaged), strict=True))) == 500
    else:
        with pytest.raises(Unread):
            list(read_turns(raw(damaged), strict=True))


@pytest.mark.parametrize("dialect", ELEMENTS)
@pytest.mark.parametrize("value", [None, 5, "x", [], [1], True])
def test_an_element_that_is_no_object(dialect: str, value: Any) -> None:
    """K2: it costs its own turn, and is marked."""
    document, elements = ELEMENTS[dialect]
    whole = list(read_turns(raw(document)))
    damaged = copy.deepcopy(document)
    elements(damaged)[250] = value
    for found in (list(read_turns(raw(damaged))), read_large(raw(damaged))):
        assert [turn for turn in found if not turn.defects] == [turn for turn in whole if turn.text != "turn 250"]
        assert [turn.defects[0] for turn in found if turn.defects] == ["turn"]


SIX: dict[str, Any] = {
    "speech": (leg("a", T0, *"abcdef"), ELEMENTS["speech"][1]),
    "media": (media(*"abcdef"), ELEMENTS["media"][1]),
    "legacy": (legacy(*"abcdef"), ELEMENTS["legacy"][1]),
    "events": (message(*[utterance(at, text, at * 1000) for at, text in enumerate("abcdef")]), ELEMENTS["events"][1]),
    "view": (view(*"abcdef"), ELEMENTS["view"][1]),
}
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.text(max_size=3), below, max_size=2),
    max_leaves=4,
)


@given(
    dialect=st.sampled_from(sorted(SIX)),
    place=st.integers(1, 5),
    choice=st.integers(0, 20),
    value=odd,
    streamed=st.booleans(),
)
@example(dialect="speech", place=1, choice=3, value=100_000_000_001, streamed=False)  # March 1973
@example(dialect="speech", place=1, choice=3, value=100_000_000_001, streamed=True)
@settings(max_examples=400, deadline=None)
def test_any_change_of_one_element_leaves_the_others(
    dialect: str, place: int, choice: int, value: Any, streamed: bool
) -> None:
    """K2: whatever stands in one field of one element (but the first, whose start may be time zero)."""
    document, elements = SIX[dialect]
    damaged = copy.deepcopy(document)
    element = elements(damaged)[place]
    holder = element["alternatives"][0] if dialect == "events" and choice % 2 else element
    key = sorted(holder)[choice % len(holder)]
    if key == "utteranceId" and value == "u-0":
        return
    holder[key] = value
    whole = [turn for turn in read_turns(raw(document)) if turn.text != "abcdef"[place]]
    found = read_large(raw(damaged)) if streamed else list(read_turns(raw(damaged)))
    texts_of_others = {turn.text for turn in whole}
    # A start that moved may give the turn another place, and an interim utterance has none.
    mine = [turn for turn in found if turn.index == place or turn.text not in texts_of_others]
    assert [turn for turn in found if turn not in mine] == [turn for turn in whole if turn not in mine]


def test_events_are_damaged_utterance_by_utterance() -> None:
    """K2: one message holds many utterances; damage in one costs no other."""
    for key, value, defect in (
        ("durationMs", -5, "end_ms"),
        ("offsetMs", {}, "start_ms"),
        ("confidence", "high", "confidence"),
        ("transcript", 5, "text"),
        ("words", 7, "words"),
    ):
        damaged = copy.deepcopy(LIVE)
        damaged["detail"]["eventBody"]["transcripts"][250]["alternatives"][0][key] = value
        found = list(read_turns(raw(damaged)))
        assert [turn.defects for turn in found if turn.defects] == [(defect,)]
        assert len(found) == 500


def test_a_summary_counts_the_turns_with_defects() -> None:
    """K2: counted in the summary, written in the view, read back from it."""
    damaged = copy.deepcopy(FLAT)
    damaged["transcript"][7]["end_time"] = 0
    damaged["transcript"][9]["confidence"] = "x"
    out = io.BytesIO()
    assert write_transcript(assemble([Body(Bytes(raw(damaged)))]), out).defects == 2
    again = [turn for turn in read_turns(out.getvalue()) if turn.defects]
    assert [(turn.index, turn.defects) for turn in again] == [(7, ("end_ms",)), (9, ("confidence",))]


ISO = "2026-09-28T12:00:01.500Z"
AT = 1_790_596_801_500


@pytest.mark.parametrize("start", [AT, float(AT), str(AT), ISO, "2026-09-28T14:00:01.500+02:00"])
@pytest.mark.parametrize("zero", [AT - 1500, str(AT - 1500), "2026-09-28T12:00:00.000Z"])
def test_times_in_every_spelling(start: Any, zero: Any) -> None:
    """K2: ISO, epoch and numeric strings are all times."""
    document = leg("a", AT, "one") | {"conversationStartTime": zero, "startTime": start}
    document["transcripts"][0]["phrases"][0] |= {"startTimeMs": start, "duration": {"milliseconds": "250"}}
    document["participants"] = [{"participantPurpose": "customer", "startTimeMs": zero, "endTimeMs": None}]
    (turn,) = read_turns(raw(document))
    assert (turn.start_ms, turn.end_ms, turn.role, turn.defects) == (1500, 1750, "customer", ())
    (event,) = read_turns(raw(message(utterance(1, "x", 0), sessionStartTimeMs=zero, transcriptionStartTimeMs=zero)))
    assert (event.start_ms, event.defects) == (0, ())


@pytest.mark.parametrize(("first", "second"), [("1.5", "2"), ("1.50", 2), (ISO, "2026-09-28T12:00:02Z")])
def test_seconds_in_every_spelling(first: Any, second: Any) -> None:
    """K2: the same where times are seconds."""
    for document in (media("a", "b"), legacy("a", "b")):
        turns = document.get("transcript") or document["turns"]
        names = ("start_time", "end_time") if "transcript" in document else ("start", "end")
        for turn, start in zip(turns, (first, second), strict=True):
            turn |= dict.fromkeys(names, start)
        one, two = read_turns(raw(document))
        assert ((two.start_ms or 0) - (one.start_ms or 0), one.defects, two.defects) == (500, (), ())


@pytest.mark.parametrize("odd", [None, 5, "x", [], [5, None, "y"], {"a": 1}, [{"id": {}, "role": 5, "name": []}]])
def test_metadata_that_is_not_needed_never_costs_a_transcript(odd: Any) -> None:
    """K2: participants, analytics and names of odd types."""
    for key in ("participants", "duration", "mediaType", "startTime", "conversationStartTime", "communicationId"):
        assert texts(raw(leg("a", T0, "one", "two") | {key: odd})) == ["one", "two"]
    for key in ("participants", "status"):
        assert texts(raw(media("one") | {key: odd})) == ["one"]
        assert texts(raw(legacy("one") | {key: odd})) == ["one"]
    for key in ("analytics", "language", "startTime", "transcriptId"):
        document = leg("a", T0, "one", "two")
        document["transcripts"][0][key] = odd
        assert texts(raw(document)) == ["one", "two"]


FAR = [10**30, -(10**30), 1e308, -1e308, 10**15, "9" * 400, "1e999", "9999-12-31T23:59:59.999-23:59", "0001-01-01"]


@pytest.mark.parametrize("far", FAR)
def test_extreme_times_raise_nothing_of_others(far: Any) -> None:
    """K2: no OverflowError, ValueError or OSError comes out of a year that is none."""
    speech = leg("a", T0, "one", "two")
    for key in ("conversationStartTime", "startTime"):
        assert texts(raw(speech | {key: far})) == ["one", "two"]
    speech["participants"] = [{"participantPurpose": "customer", "startTimeMs": far, "endTimeMs": far}]
    speech["transcripts"][0] |= {"startTime": far}
    speech["transcripts"][0]["phrases"][0] |= {"startTimeMs": far, "duration": {"milliseconds": far}}
    flat, old = media("one", "two"), legacy("one", "two")
    flat["transcript"][0] |= {"start_time": far, "end_time": far}
    old["turns"][0] |= {"start": far, "end": far}
    live = message(
        utterance(1, "one", far), utterance(2, "two", 5), sessionStartTimeMs=far, transcriptionStartTimeMs=far
    )
    for document in (speech, flat, old, live):
        found = list(read_turns(raw(document)))
        assert sorted(turn.text for turn in found) == ["one", "two"]
        details = read_details({"conversationId": CALL, "conversationStart": far, "conversationEnd": far})
        list(assemble([Body(Bytes(raw(document)))], details=details).turns())


def test_half_a_surrogate_pair_is_never_fatal() -> None:
    """K2, K8: in texts, in names, in details; read as U+FFFD and counted."""
    body = raw(media("one \ud83d two") | {"participants": [{"id": "p", "name": "\udc00", "role": "agent"}]})
    found = assemble([Body(Bytes(body))])
    assert [turn.text for turn in found.turns()] == ["one \ufffd two"]
    assert found.header.participants[0].name == "\ufffd"
    assert found.repaired_surrogates == 2
    details = read_details(raw({"conversationId": CALL, "participants": [{"participantName": "A\ud800"}]}))
    assert (details.participants[0].name, details.repaired_surrogates) == ("A\ufffd", 1)


# ---- K7, K8 ----


def test_open_binary_files_and_turns_that_know_their_conversation(tmp_path: Path) -> None:
    """K7: ``read_turns(open(f, "rb"))`` and ``BytesIO``; a turn says its conversation."""
    path = tmp_path / "call.json"
    path.write_bytes(raw(media("one")))
    with path.open("rb") as file:
        assert [turn.conversation for turn in read_turns(file)] == [CALL]
    assert [turn.conversation for turn in read_turns(io.BytesIO(raw(leg("a", T0, "one"))))] == [CALL]
    assert [turn.conversation for turn in read_turns(raw(view("one")))] == [CALL]
    assert [turn.conversation for turn in read_turns(raw({"transcript": media("one")["transcript"]}))] == [None]
    with path.open() as text, pytest.raises(Misconfigured, match="TextIOWrapper"):
        list(read_turns(text))  # type: ignore[arg-type]


def test_damage_in_an_older_document_is_unread() -> None:
    """K8: a byte that is no UTF-8 within a key of a bare array of turns."""
    body = raw(legacy("one", "two")).replace(b'"speaker"', b'"\x89peaker"', 1)
    for mode in (Mode(strict=False), Mode()):
        with pytest.raises(Unread):
            list(assemble([Body(Bytes(body))], mode=mode).turns())


def test_csv_holds_nothing_that_a_terminal_obeys() -> None:
    """K8: ESC, BEL, NUL and direction overrides are escaped in CSV, too; joiners of scripts stay."""
    out = io.StringIO()
    writer = turn_writer("csv", out, fields=["text"])
    (turn,) = read_turns(raw(media("a\x1b[31m\x07\x00 \u202eb\u200cc\n=d")))
    writer.write(turn, assemble([Body(Bytes(raw(media("x"))))]).header)
    (_, (text,)) = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert text == "a\\x1b[31m\\x07\\x00 \\u202eb\u200cc\n=d"
    assert cell("=1+1") == "'=1+1"
    assert cell("\t=x") == "'\t=x"
    assert cell(5) == "5"


def test_details_are_bounded() -> None:
    """K8: details of millions of participants are refused before they are decoded."""
    many = b'{"conversationId":"c","participants":[' + b"{}," * 300_000 + b"{}]}"
    with pytest.raises(TooLarge, match="objects"):
        read_details(many)
    with pytest.raises(TooLarge, match="bytes"):
        read_details(gzip.compress(many), largest=1000)
    assert len(read_details(b'{"conversationId":"c","participants":[{},{},null,5]}').participants) == 2
