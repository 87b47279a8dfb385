"""The platform's account of a conversation's recordings. What is absent or cannot be right is left out.

Three shapes are known: the answer of ``/conversations/{id}/recordings``, the one of ``/recordingmetadata``, and the
``…_metadata.json`` files of the platform's own export to S3 (several of them in one array).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from turnkeeper.errors import Unread
from turnkeeper.ids import is_id
from turnkeeper.jsonstream.surrogates import without_lone_surrogates
from turnkeeper.model import Pause, Recording
from turnkeeper.payloads.decode_json import decode_json, foreign_answer
from turnkeeper.payloads.details import CONVERSATION_ID
from turnkeeper.payloads.times import EPOCH, LAST, epoch_ms
from turnkeeper.payloads.transcript_link import is_web_address

__all__ = [
    "AUDIBLE",
    "OUTPUT_DURATION",
    "AudioFormat",
    "RecordingAnswer",
    "read_recording_answer",
    "read_recordings",
]

AudioFormat = Literal["original", "WAV", "WAV_ULAW", "OGG_OPUS", "OGG_VORBIS", "WEBM", "MP3"]
"""What a recording is asked for in: as stored, or the platform's own names of what it transcodes to."""

AUDIBLE = frozenset({"audio", "call", "voice", "callback", ""})
"""The words for recordings that can be heard; the others hold messages, mail or a screen."""

_Json = dict[str, Any]

OUTPUT_DURATION = "outputDurationMs"
"""The field that says how long the sound of a recording is, in milliseconds."""


@dataclass(frozen=True)
class RecordingAnswer:
    """What one answer of the platform lists: its recordings, and the ids of the conversations that it names.

    ``links`` holds the presigned addresses (secrets) by recording and part, as far as the answer has them.
    """

    recordings: tuple[Recording, ...]
    conversations: frozenset[str]
    links: Mapping[str, Mapping[str, str]] = field(repr=False)


def read_recordings(data: bytes) -> tuple[Recording, ...]:
    """The recordings in a document, each id once, in the document's order.

    Raises ``Unread`` for what is not JSON or not a list of objects. A recording without an id is left out.
    """
    try:
        document = msgspec.json.decode(without_lone_surrogates(data)[0])
    except (ValueError, RecursionError) as cause:
        raise Unread(f"not a list of recordings ({cause})", operation="read recordings") from None
    return _distinct_recordings(_entries(document))


def read_recording_answer(data: bytes) -> RecordingAnswer:
    """Read an answer of the platform: a list of objects, or a page of one.

    Raises ``Unavailable`` where it is something else.
    """
    try:
        document = decode_json(data)
    except ValueError:
        document = None
    entries = document.get("entities") if isinstance(document, dict) else document
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise foreign_answer("the answer is no list of recordings", "recordings", "")
    conversations = {str(entry[CONVERSATION_ID]) for entry in entries if entry.get(CONVERSATION_ID)}
    # These ids become parts of keys, so one that cannot be a part is left out.
    recordings = tuple(recording for recording in _distinct_recordings(entries) if is_id(recording.id))
    return RecordingAnswer(recordings, frozenset(conversations), _links(entries))


def _distinct_recordings(entries: Iterable[_Json]) -> tuple[Recording, ...]:
    found: dict[str, Recording] = {}
    for entry in entries:
        recording = _recording_of(entry)
        if recording is not None:
            found.setdefault(recording.id, recording)
    return tuple(found.values())


def _links(entries: Iterable[_Json]) -> dict[str, dict[str, str]]:
    links: dict[str, dict[str, str]] = {}
    for entry in entries:
        uris, name = entry.get("mediaUris"), entry.get("id")
        if isinstance(uris, dict) and isinstance(name, str):
            addresses = ((part, uri.get("mediaUri")) for part, uri in uris.items() if isinstance(uri, dict))
            links[name] = {part: link for part, link in addresses if is_web_address(link) and is_id(part)}
    return links


def _entries(document: object) -> Iterator[_Json]:
    if isinstance(document, dict):
        inner = document.get("entities")
        yield from _entries(inner) if isinstance(inner, list) else [document]
    elif isinstance(document, list):
        for entry in document:
            yield from _entries(entry)
    elif document is not None:
        raise Unread("not a list of recordings", operation="read recordings")


def _recording_of(entry: _Json) -> Recording | None:
    name = _first_text(entry, "id", "recordingId")
    if not name:
        return None
    subtype = _first_text(entry, "mediaSubtype").lower()
    media = "screen" if subtype == "screen" else _first_text(entry, "media", "mediaType").lower()
    # An archived recording may come as a stub that says little more than where it went (vendor-facts M1.1).
    implied_state = "ARCHIVED" if _first_text(entry, "archiveMedium") else "AVAILABLE"
    return Recording(
        id=name,
        media="audio" if media in AUDIBLE else media,
        state=_first_text(entry, "fileState").upper() or implied_state,
        start=_first_time(entry, "startTime", "recordingStartTime"),
        end=_first_time(entry, "endTime", "recordingEndTime"),
        communication=_first_text(entry, "sessionId", "communicationId") or None,
        duration_ms=_first_number(entry, OUTPUT_DURATION),
        pauses=tuple(sorted(_pauses(entry), key=lambda pause: (pause.start_ms, pause.end_ms))),
    )


def _pauses(entry: _Json) -> Iterator[Pause]:
    """Pauses and holds on the recording's wall clock, which goes on while the recording pauses."""
    annotations = entry.get("annotations")
    listed = [item for item in annotations if isinstance(item, dict)] if isinstance(annotations, list) else []
    spans = [span for item in listed if (span := _pause_span(item)) is not None]
    for wall_clock, sound_clock, pause in spans:
        if wall_clock is not None:
            yield pause
        elif sound_clock is not None:
            # Only the place in the sound is known, where earlier pauses are cut out: add their lengths again.
            cut = _cut_before(sound_clock, spans)
            yield Pause(start_ms=sound_clock + cut, end_ms=sound_clock + cut + _length_of(pause), reason=pause.reason)


def _cut_before(at: int, spans: Iterable[tuple[int | None, int | None, Pause]]) -> int:
    # The platform gives a place in the sound with the pauses before it removed. A hold does not count as a pause.
    return sum(
        _length_of(pause) for _, start, pause in spans if start is not None and start < at and pause.reason != "Hold"
    )


def _pause_span(entry: _Json) -> tuple[int | None, int | None, Pause] | None:
    """Where a pause begins on the wall clock and in the sound, and the pause itself; None for other annotations."""
    kind, reason = _first_text(entry, "type").lower(), _first_text(entry, "reason")
    if kind not in ("hold", "pause") and not reason:
        return None
    wall_clock = _first_number(entry, "realtimeLocation")
    sound_clock = _first_number(entry, "absoluteLocation", "location", "recordingLocation")
    length = _first_number(entry, "durationMs", "absoluteDurationMs")
    start = wall_clock if wall_clock is not None else sound_clock
    if start is None or not length or length < 0:
        return None
    reason = reason or ("Hold" if kind == "hold" else "Pause")
    return wall_clock, sound_clock, Pause(start_ms=start, end_ms=start + length, reason=reason)


def _length_of(pause: Pause) -> int:
    return pause.end_ms - pause.start_ms


def _first_text(entry: _Json, *names: str) -> str:
    found = (entry.get(name) for name in names)
    return next((value for value in found if isinstance(value, str) and value), "")


def _first_number(entry: _Json, *names: str) -> int | None:
    for name in names:
        value = entry.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < EPOCH:
            return round(value)
    return None


def _first_time(entry: _Json, *names: str) -> int | None:
    """Epoch milliseconds of an ISO 8601 text or of a number of milliseconds; None for anything else."""
    for name in names:
        value = entry.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and EPOCH < value < LAST:
            return value
        if isinstance(value, str) and (moment := epoch_ms(value)) is not None:
            return moment
    return None
