"""What the platform says of recordings, and what a file is by its first bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeeper.audio.media_types import content_type, extension
from turnkeeper.errors import Unread
from turnkeeper.model import Pause
from turnkeeper.payloads.recordings import read_recordings

TOLD = {
    "id": "r1",
    "sessionId": "leg",
    "startTime": "2026-10-05T06:00:00.037Z",
    "endTime": "2026-10-05T06:01:00.037Z",
    "media": "audio",
    "fileState": "AVAILABLE",
    "outputDurationMs": 50_000,
}


def read(*told: Any) -> Any:
    return read_recordings(json.dumps(list(told)).encode())


def pauses(*annotations: Any) -> list[tuple[int, int, str]]:
    (one,) = read({**TOLD, "annotations": list(annotations)})
    return [(pause.start_ms, pause.end_ms, pause.reason) for pause in one.pauses]


def test_an_answer_of_the_platform() -> None:
    (one,) = read(TOLD)
    assert (one.id, one.communication, one.media, one.state) == ("r1", "leg", "audio", "AVAILABLE")
    assert one.start == 1_791_180_000_037
    assert one.end == one.start + 60_000
    assert one.duration_ms == 50_000


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        ({"media": "audio"}, "audio"),
        ({"mediaType": "Call"}, "audio"),
        ({}, "audio"),
        ({"media": "audio", "mediaSubtype": "Screen"}, "screen"),
        ({"media": "messaging"}, "messaging"),
        ({"media": "screen"}, "screen"),
    ],
)
def test_only_audio_is_audio(media: dict[str, str], expected: str) -> None:
    assert read({"id": "r"} | media)[0].media == expected


def test_nulls_and_absences_are_nothing_known() -> None:
    (one,) = read({"id": "r", "endTime": None, "startTime": "soon", "annotations": None, "outputDurationMs": None})
    assert (one.start, one.end, one.duration_ms, one.pauses) == (None, None, None, ())


def test_the_metadata_of_the_platforms_own_export() -> None:
    told = {"recordingId": "r9", "mediaType": "Call", "startTime": 1_791_180_000_000, "communicationId": "c"}
    (one,) = read_recordings(json.dumps([[told]]).encode())
    assert (one.id, one.start, one.communication) == ("r9", 1_791_180_000_000, "c")


def test_the_first_of_two_with_one_id_counts_and_one_without_an_id_does_not() -> None:
    assert [one.state for one in read(TOLD, {**TOLD, "fileState": "DELETED"}, {"media": "audio"})] == ["AVAILABLE"]


def test_the_clock_with_the_pauses_in_it_is_the_one_that_counts() -> None:
    first = {
        "type": "pause",
        "reason": "SecurePause",
        "realtimeLocation": 10_000,
        "location": 10_000,
        "durationMs": 5_000,
    }
    second = {"type": "pause", "reason": "Pause", "realtimeLocation": 30_000, "location": 25_000, "durationMs": 1_000}
    assert pauses(second, first) == [(10_000, 15_000, "SecurePause"), (30_000, 31_000, "Pause")]


def test_where_only_the_other_clock_is_told_earlier_pauses_are_put_back() -> None:
    first = {"type": "pause", "absoluteLocation": 10_000, "durationMs": 5_000}
    hold = {"type": "hold", "absoluteLocation": 12_000, "durationMs": 3_000}
    last = {"type": "pause", "absoluteLocation": 25_000, "durationMs": 1_000}
    assert pauses(first, hold, last) == [(10_000, 15_000, "Pause"), (17_000, 20_000, "Hold"), (30_000, 31_000, "Pause")]


@pytest.mark.parametrize(
    "annotation",
    [
        {"type": "bookmark", "location": 5, "durationMs": 7},
        {"type": "pause", "durationMs": 7},
        {"type": "pause", "location": 5},
        {"type": "pause", "location": 5, "durationMs": -1},
        {"type": "pause", "location": "x", "durationMs": True},
        "pause",
    ],
)
def test_what_is_no_pause_is_none(annotation: Any) -> None:
    assert pauses(annotation) == []


@pytest.mark.parametrize("data", [b"", b"<html>", b'"text"', b"[" * 100_000, b"7"])
def test_what_is_no_list_is_unread(data: bytes) -> None:
    with pytest.raises(Unread):
        read_recordings(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*TOLD, "annotations", "type", "location", "durationMs"]), inner, max_size=6)
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_read_or_unread(document: Any) -> None:
    try:
        found = read_recordings(json.dumps(document).encode())
    except Unread:
        return
    for one in found:
        assert all(isinstance(pause, Pause) and pause.end_ms > pause.start_ms for pause in one.pauses)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "wav"),
        (b"RF64\xff\xff\xff\xffWAVE", "wav"),
        (b"RIFF\x00\x00\x00\x00AVI ", "bin"),
        (b"OggS" + bytes(24) + b"OpusHead", "opus"),
        (b"OggS" + bytes(24) + b"\x01vorbis", "ogg"),
        (b"fLaC", "flac"),
        (b"\x1a\x45\xdf\xa3", "webm"),
        (b"\x00\x00\x00\x20ftypM4A ", "m4a"),
        (b"ID3\x04", "mp3"),
        (b"\xff\xfb\x90\x00", "mp3"),
        (b"\xff\xf1\x50\x80", "bin"),
        (b"<!DOCTYPE html>", "bin"),
        (b"", "bin"),
    ],
)
def test_the_first_bytes_say_what_a_file_is(head: bytes, expected: str) -> None:
    assert extension(head) == expected


def test_media_types() -> None:
    assert content_type("wav") == "audio/wav"
    assert content_type("bin") == "application/octet-stream"
