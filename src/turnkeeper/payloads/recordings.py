"""The platform's account of a conversation's recordings -> records. Pure and tolerant: what is absent is left out.

Knows three shapes: the answer of ``/conversations/{id}/recordings``, the one of ``/recordingmetadata``, and the
``…_metadata.json`` files of the platform's own export to S3 (several of them in one array).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from turnkeeper.errors import Unread
from turnkeeper.jsonstream.surrogates import without_lone_surrogates
from turnkeeper.model import Pause, Recording

__all__ = ["AUDIBLE", "AudioFormat", "read_recordings"]

AudioFormat = Literal["original", "WAV", "WAV_ULAW", "OGG_OPUS", "OGG_VORBIS", "WEBM", "MP3"]
"""What a recording is asked for in: as stored, or the platform's own names of what it transcodes to."""

AUDIBLE = frozenset({"audio", "call", "voice", "callback", ""})
"""The words for recordings that can be heard; the others hold messages, mail or a screen."""

_EPOCH_MS = 100_000_000_000
_LAST_MS = 253_402_300_800_000
"""The year 10000: a time after it is none."""
_Json = dict[str, Any]


def read_recordings(data: bytes) -> tuple[Recording, ...]:
    """The recordings in an answer, each id once, in the platform's order.

    Raises ``Unread`` for what is no JSON or no list of objects. A recording without an id is left out.
    """
    try:
        document = msgspec.json.decode(without_lone_surrogates(data)[0])
    except (ValueError, RecursionError) as cause:
        raise Unread(f"not a list of recordings ({cause})", operation="read recordings") from None
    found: dict[str, Recording] = {}
    for told in _listed(document):
        recording = _recording(told)
        if recording is not None:
            found.setdefault(recording.id, recording)
    return tuple(found.values())


def _listed(document: object) -> Iterator[_Json]:
    if isinstance(document, dict):
        inner = document.get("entities")
        yield from _listed(inner) if isinstance(inner, list) else [document]
    elif isinstance(document, list):
        for one in document:
            yield from _listed(one)
    elif document is not None:
        raise Unread("not a list of recordings", operation="read recordings")


def _recording(told: _Json) -> Recording | None:
    name = _text(told, "id", "recordingId")
    if not name:
        return None
    subtype = _text(told, "mediaSubtype").lower()
    media = "screen" if subtype == "screen" else _text(told, "media", "mediaType").lower()
    return Recording(
        id=name,
        media="audio" if media in AUDIBLE else media,
        # An archived recording may come as a stub that says little more than where it went (vendor-facts M1.1).
        state=_text(told, "fileState").upper() or ("ARCHIVED" if _text(told, "archiveMedium") else "AVAILABLE"),
        start=_moment(told, "startTime", "recordingStartTime"),
        end=_moment(told, "endTime", "recordingEndTime"),
        communication=_text(told, "sessionId", "communicationId") or None,
        duration_ms=_number(told, "outputDurationMs"),
        pauses=tuple(sorted(_pauses(told), key=lambda pause: (pause.start_ms, pause.end_ms))),
    )


def _pauses(told: _Json) -> Iterator[Pause]:
    """Pauses and holds on the recording's wall clock: the one on which earlier pauses still count."""
    annotations = told.get("annotations")
    listed = [one for one in annotations if isinstance(one, dict)] if isinstance(annotations, list) else []
    spans = [found for one in listed if (found := _pause(one)) is not None]
    for real, heard, pause in spans:
        if real is not None:
            yield pause
        elif heard is not None:
            # Only the clock without the pauses is told: put back those that come before.
            before = _before(heard, spans)
            yield Pause(start_ms=heard + before, end_ms=heard + before + _length(pause), reason=pause.reason)


def _before(heard: int, spans: Iterable[tuple[int | None, int | None, Pause]]) -> int:
    return sum(_length(one) for _, at, one in spans if at is not None and at < heard and one.reason != "Hold")


def _pause(told: _Json) -> tuple[int | None, int | None, Pause] | None:
    """When it begins, on the clocks with and without the pauses before it, and the pause itself."""
    kind, reason = _text(told, "type").lower(), _text(told, "reason")
    if kind not in ("hold", "pause") and not reason:
        return None
    real = _number(told, "realtimeLocation")
    heard = _number(told, "absoluteLocation", "location", "recordingLocation")
    lasting = _number(told, "durationMs", "absoluteDurationMs")
    begins = real if real is not None else heard
    if begins is None or not lasting or lasting < 0:
        return None
    named = reason or ("Hold" if kind == "hold" else "Pause")
    return real, heard, Pause(start_ms=begins, end_ms=begins + lasting, reason=named)


def _length(pause: Pause) -> int:
    return pause.end_ms - pause.start_ms


def _text(told: _Json, *names: str) -> str:
    found = (told.get(name) for name in names)
    return next((value for value in found if isinstance(value, str) and value), "")


def _number(told: _Json, *names: str) -> int | None:
    for name in names:
        value = told.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _EPOCH_MS:
            return round(value)
    return None


def _moment(told: _Json, *names: str) -> int | None:
    """Epoch milliseconds of an ISO 8601 text or of a number of milliseconds; None for anything else."""
    for name in names:
        value = told.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and _EPOCH_MS < value < _LAST_MS:
            return value
        if isinstance(value, str) and value:
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                continue
            since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
            return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    return None
