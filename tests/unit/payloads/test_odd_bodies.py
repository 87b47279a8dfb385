"""Bodies that are nearly right: read, marked or named, and never passed over without a word. One test is one row."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import math
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

import turnkeeper as tk
from tests.unit.payloads.test_field_rows import CALL, T0, leg, media, raw, texts
from turnkeeper.calls.turns import read_batches, read_turns
from turnkeeper.cli.filter import Request, write_turns
from turnkeeper.errors import Misconfigured, NotReady, UnknownShape, Unread
from turnkeeper.transcript.select import Selection

OTHER = "0b8f1f6c-52a7-4b0f-8f0e-6a1d2c3b4e05"


def turns(document: dict[str, Any]) -> list[tk.Turn]:
    return list(read_turns(raw(document)))


def printed(
    tmp_path: Path, body: bytes, capsys: pytest.CaptureFixture[str], *interactions: str
) -> tuple[int, list[str], str]:
    """The exit code of ``turns``, the texts it prints, and what it says beside them."""
    path = tmp_path / "body.json"
    path.write_bytes(body)
    code = write_turns(Request(str(path)), Selection(interactions=frozenset(interactions)))
    sys.stdout.flush()
    out, err = capsys.readouterr()
    return code, [json.loads(line)["text"] for line in out.splitlines()], err


def message(call: str, text: str, at: int = 1000) -> dict[str, Any]:
    said = {"confidence": 0.9, "offsetMs": at, "durationMs": 400, "transcript": text}
    return {
        "topicName": "v2.conversations.x.transcription",
        "eventBody": {
            "conversationId": call,
            "communicationId": f"leg-{call[:4]}",
            "sessionStartTimeMs": T0,
            "transcripts": [{"utteranceId": text, "isFinal": True, "channel": "EXTERNAL", "alternatives": [said]}],
        },
    }


def test_a_start_in_small_letters_is_rfc_3339() -> None:
    """f-iso-lower: 2026-09-28t12:00:00z counts from that moment."""
    document = leg("a", T0 + 5000, "hello")
    document["conversationStartTime"] = "2026-09-28t12:53:20z"
    expected = leg("a", T0 + 5000, "hello") | {"conversationStartTime": "2026-09-28T12:53:20Z"}
    assert turns(document) == turns(expected)


def test_a_start_that_is_no_time_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """f-iso-lower: times count from another start, with a word about it."""
    document = leg("a", T0 + 5000, "hello") | {"conversationStartTime": "yesterday"}
    code, found, said = printed(tmp_path, raw(document), capsys)
    assert (code, found) == (0, ["hello"])
    assert "conversationStartTime is no time: times count from another start" in said


@pytest.mark.parametrize("which", [(0,), (1,), (0, 1)])
def test_epoch_seconds_are_moments(which: tuple[int, ...]) -> None:
    """f-epoch-seconds, f-epoch-seconds-one: the same turns as from milliseconds."""
    document = leg("a", T0 + 5000, "one", "two")
    expected = turns(document)
    phrases = document["transcripts"][0]["phrases"]
    for at in which:
        phrases[at]["startTimeMs"] //= 1000
    assert turns(document) == expected
    assert [turn for batch in read_batches(raw(document)) for turn in batch.turns] == expected


def test_all_times_in_epoch_seconds() -> None:
    """f-epoch-seconds: the conversation, its people and its phrases."""
    document = leg("a", T0 + 5000, "one", "two")
    document["conversationStartTime"] //= 1000
    for person in document["participants"]:
        person["startTimeMs"], person["endTimeMs"] = person["startTimeMs"] // 1000, person["endTimeMs"] // 1000
    for phrase in document["transcripts"][0]["phrases"]:
        phrase["startTimeMs"] //= 1000
    assert turns(document) == turns(leg("a", T0 + 5000, "one", "two"))


def test_seconds_beyond_any_call_are_marked() -> None:
    """f-media-ms: milliseconds under a name of seconds."""
    document = media("one", "two")
    document["transcript"][1] |= {"start_time": 90_001_000, "end_time": 90_001_500}
    one, two = turns(document)
    assert (one.start_ms, one.defects) == (1000, ())
    assert (two.text, two.start_ms, two.defects) == ("two", None, ("start_ms",))


def test_names_of_another_format_are_marked() -> None:
    """f-media-start-end-keys: start, end and speaker are no fields of this shape."""
    document = {"transcript": [{"start": 1.0, "end": 2.0, "speaker": "c1", "text": "hi"}]}
    (turn,) = turns(document)
    assert (turn.text, turn.start_ms, turn.defects) == ("hi", None, ("start_ms", "end_ms", "speaker_id"))
    with pytest.raises(Unread, match="another format"):
        list(read_turns(raw(document), strict=True))


def test_turns_of_a_transcript_in_the_making(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """s-processing-partial: the turns, a sentence, and exit 5; the library raises behind the turns."""
    body = raw(media("one", "two") | {"status": "processing"})
    code, found, said = printed(tmp_path, body, capsys)
    assert (code, found) == (5, ["one", "two"])
    assert "its status is processing" in said
    given = []
    with pytest.raises(NotReady, match="may go on"):
        given.extend(turn.text for turn in read_turns(body))
    several = read_turns(body)
    assert [next(several).text, next(several).text] == ["one", "two"]


@pytest.mark.parametrize("phrases", [{"0": {}}, "none", 7])
def test_one_leg_whose_phrases_are_no_list(phrases: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """f-transcripts-one-broken-leg: the other's turns, and what is left out is said."""
    document = leg("a", T0 + 5000, "one")
    document["transcripts"].append({"transcriptId": "u", "phrases": phrases})
    code, found, said = printed(tmp_path, raw(document), capsys)
    assert (code, found) == (3, ["one"])
    assert "the phrases of 1 of 2 transcripts are no list" in said
    with pytest.raises(UnknownShape, match="are no list"):
        list(read_turns(raw(document)))


def test_an_event_whose_transcripts_are_no_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """e-transcripts-dict: counted among what is left out."""
    odd = message(CALL, "lost")
    odd["eventBody"]["transcripts"] = {"0": odd["eventBody"]["transcripts"][0]}
    code, found, said = printed(tmp_path, raw(message(CALL, "one"), odd, between="\n"), capsys)
    assert (code, found) == (3, ["one"])
    assert "number 2" in said


@pytest.mark.parametrize("document", [leg("a", T0 + 5000, "one", "two"), media("one", "two")])
@pytest.mark.parametrize("array", [False, True])
def test_the_same_document_twice_gives_each_turn_once(document: dict[str, Any], array: bool) -> None:
    """w-speech-same-doc-twice, w-jsonl-media-same-call-twice."""
    body = json.dumps([document, document]).encode() if array else raw(document, document, between="\n")
    assert texts(body) == ["one", "two"]


def test_events_of_two_conversations_when_one_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """w-events-two-calls-asked: that one's turns."""
    body = raw(message(CALL, "one"), message(OTHER, "other"), message(CALL, "two", 3000), between="\n")
    assert printed(tmp_path, body, capsys, CALL)[:2] == (0, ["one", "two"])
    assert texts(body, selection=Selection(interactions=frozenset({OTHER}))) == ["other"]
    with pytest.raises(Unread, match="2 conversations"):
        texts(body)


def _zip(data: bytes) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("call.json", data)
    return body.getvalue()


def _tar(data: bytes) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        entry = tarfile.TarInfo("call.json")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return body.getvalue()


@pytest.mark.parametrize(
    ("pack", "name"),
    [
        (_zip, "zip archive"),
        (_tar, "tar archive"),
        (lambda data: gzip.compress(_tar(data)), "tar archive"),
        (bz2.compress, "bzip2"),
        (lzma.compress, "xz"),
        (lambda data: gzip.compress(gzip.compress(gzip.compress(data))), "packed more than 2 times"),
        (lambda data: data.decode().encode("utf-16-le"), "UTF-16"),
        (lambda data: data.decode().encode("utf-16-be"), "UTF-16"),
        (lambda data: data.decode().encode("utf-32"), "UTF-32"),
    ],
)
def test_other_packings_are_named(pack: Any, name: str) -> None:
    """b-zip, b-tar, b-targz, b-bz2, b-xz, b-gz-triple, b-utf-16, b-utf-32: never "download again"."""
    with pytest.raises(Unread, match=name) as caught:
        texts(pack(raw(media("one"))))
    assert "ownload" not in str(caught.value)


def test_a_heartbeat_between_events_costs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """w-events-heartbeat-between: the socket's own messages are no transcripts, and known."""
    beat = {"topicName": "channel.metadata", "eventBody": {"message": "WebSocket Heartbeat"}}
    body = raw(message(CALL, "one"), beat, message(CALL, "two", 3000), between="\n")
    assert printed(tmp_path, body, capsys) == (0, ["one", "two"], "")


@pytest.mark.parametrize(
    "bounds",
    [
        {"start_ms": math.nan},
        {"end_ms": math.inf},
        {"start_ms": 9000, "end_ms": 10},
        {"min_confidence": 2},
        {"min_confidence": math.nan},
        {"start_ms": "1"},
    ],
)
def test_bounds_that_select_nothing_are_refused(bounds: dict[str, Any]) -> None:
    """lib: NaN, infinity, an end before the start, a confidence above 1."""
    with pytest.raises(ValueError, match=r"finite|before it starts|between 0 and 1"):
        Selection(**bounds)


def test_another_order_or_no_selection_is_refused() -> None:
    """lib: order="speaker", and a word or a dict where a selection is meant."""
    body = raw(media("one"))
    with pytest.raises(Misconfigured, match="'speaker' is no order"):
        read_turns(body, order="speaker")  # type: ignore[arg-type]
    for wrong in ("agent", {"roles": {"agent"}}):
        with pytest.raises(Misconfigured, match="is no selection"):
            read_turns(body, wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("confidence", [87, -1, 1e300, 1.5])
def test_a_confidence_outside_0_to_1_is_marked(confidence: float) -> None:
    """f-confidence-percent, f-confidence-negative: in every shape, by either reader."""
    speech, flat, event = leg("a", T0, "one", "two"), media("one", "two"), message(CALL, "one")
    speech["transcripts"][0]["phrases"][1]["confidence"] = confidence
    flat["transcript"][1]["confidence"] = confidence
    event["eventBody"]["transcripts"][0]["alternatives"][0]["confidence"] = confidence
    older = {"turns": [{"start": 1, "end": 2, "text": "one", "speaker": "agent", "confidence": confidence}]}
    for document in (speech, flat, event, older):
        found = turns(document)
        assert (found[-1].confidence, found[-1].defects) == (None, ("confidence",))
        assert all(turn.defects == () for turn in found[:-1])
        batches = [turn for batch in read_batches(raw(document)) for turn in batch.turns]
        assert batches == found
