"""One conversation of an archive as what its page is told."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

from turnkeeper.archive import inputs, keys
from turnkeeper.archive.bundle import Archive
from turnkeeper.archive.manifest import Manifest
from turnkeeper.audio.alignment import Alignment, RecordingView, read_alignment
from turnkeeper.audio.containers import content_type
from turnkeeper.errors import TooLarge, Unread
from turnkeeper.model import Participant, TranscriptHeader, Turn
from turnkeeper.transcript.summary import Tally
from turnkeeper.viewer.marks import covered, overtalk, quiet, silences, union
from turnkeeper.viewer.naming import Naming, facts
from turnkeeper.viewer.records import Mark, PageCall, PagePerson, PageRecording, PageTurn
from turnkeeper.viewer.words import place_words

__all__ = ["LARGEST", "Call", "Sound", "missing", "read_call"]

LARGEST = 64 << 20
"""A transcript view beyond this many bytes has no page: no browser would show it."""


@dataclass(frozen=True)
class Sound:
    """One recording's objects in the archive: the files of its audio; ``peaks`` is empty where there are none."""

    audio: tuple[str, ...]
    peaks: str


@dataclass(frozen=True)
class Call:
    """What a page shows, and the objects that go with it: ``sounds`` in the order of ``page.recordings``."""

    page: PageCall
    sounds: list[Sound] = field(default_factory=list)


class _Document(TranscriptHeader, frozen=True, omit_defaults=True, kw_only=True):
    transcript: tuple[Turn, ...]


_WITH_AUDIO = ("done", "redacted")

# Made while importing, one thread at a time: msgspec crashes when two threads first use a type at the same moment.
_DOCUMENT = msgspec.json.Decoder(_Document)


def read_call(archive: Archive, manifest: Manifest, naming: Naming) -> Call:
    """Everything the page of a conversation shows. ``manifest`` must be ``done``.

    Raises ``TooLarge`` for a transcript beyond ``LARGEST``, ``Unread`` for a damaged view, ``NotFound`` where a view is
    gone.
    """
    conversation = manifest.conversation
    document = _document(archive, manifest)
    alignment = _alignment(archive, manifest)
    sounds, recordings = _recordings(archive, manifest, alignment)
    turns = document.transcript
    names = naming.of(manifest)
    overlaps = overtalk(turns)
    pauses = _pauses(alignment) if recordings else []
    paused = [(one.start, one.end) for one in pauses]
    tally = Tally(conversation, document.dialect)
    tally.add_all(turns)
    summary = manifest.summary or tally.summary()
    ends = [turn.end_ms for turn in turns if turn.end_ms is not None]
    ends += [segment[1] for recording in recordings for segment in recording.segments]
    page = PageCall(
        conversation=conversation,
        facts=facts(document, naming.details(manifest), names),
        summary=summary,
        length=max([*ends, round(summary.total_duration_seconds * 1000)]),
        people=_people(document.participants, turns, names),
        turns=_turns(document, overlaps, alignment, recordings),
        marks=sorted([*overlaps, *silences(turns, paused), *pauses], key=lambda mark: mark.start),
        recordings=recordings,
        talk={role: covered(union(t for t in turns if t.role == role)) for role in sorted({t.role for t in turns})},
        silence=covered(quiet(turns, paused)),
        overtalk=covered((mark.start, mark.end) for mark in overlaps),
        missing=missing(manifest, heard=bool(recordings) or document.media_type not in (None, "voice")),
        notes=list(manifest.notes),
        archived=manifest.archived_at,
        producer=manifest.producer,
    )
    return Call(page, sounds)


def missing(manifest: Manifest, *, heard: bool) -> list[str]:
    """What an archive lacks of a conversation, in words; ``heard``: audio is there, or none is to be expected."""
    reasons = [
        f"leg {leg.id}: {leg.state}{f' ({leg.reason})' if leg.reason else ''}"
        for leg in manifest.communications
        if leg.state not in ("done", "absent")
    ]
    done = any(leg.state == "done" for leg in manifest.communications)
    if not done:
        reasons += [f"leg {leg.id}: no transcript" for leg in manifest.communications if leg.state == "absent"]
    if manifest.unread:
        reasons.append(f"cannot be read: {manifest.unread.message}")
    silent = [one for one in manifest.recordings if one.state not in _WITH_AUDIO]
    reasons += [f"recording {one.id}: {one.state}{f' ({one.reason})' if one.reason else ''}" for one in silent]
    if heard or silent:
        return reasons
    return [*reasons, "no recording" if manifest.sync_mode else "no recording was asked for"]


def _document(archive: Archive, manifest: Manifest) -> _Document:
    conversation = manifest.conversation
    name = keys.transcript(conversation)
    view = manifest.view(name)
    if view is not None and view.size > LARGEST:
        hint = "Read it with turnkeeper turns."
        words = f"{view.size >> 20} MiB of transcript make no page"
        raise TooLarge(words, operation="report", key=conversation, hint=hint)
    try:
        return _DOCUMENT.decode(archive.read_view(manifest, name))
    except msgspec.DecodeError as cause:
        hint = "Run turnkeeper reread --every."
        raise Unread(f"not a transcript ({cause})", operation="report", key=name, hint=hint) from None


def _alignment(archive: Archive, manifest: Manifest) -> Alignment | None:
    name = keys.alignment(manifest.conversation)
    if manifest.view(name) is None:
        return None
    return read_alignment(archive.read_view(manifest, name), name)


def _people(people: Sequence[Participant], turns: Sequence[Turn], names: Mapping[str, str]) -> list[PagePerson]:
    said: dict[str, list[Turn]] = {}
    for turn in turns:
        said.setdefault(turn.speaker_id or "", []).append(turn)
    return [
        PagePerson(
            role=person.role,
            name=person.name or "",
            queue=names.get(person.queue_id or "", ""),
            start=person.start_ms,
            end=person.end_ms,
            turns=len(said.get(person.id, ())),
            talk=covered(union(said.get(person.id, ()))),
        )
        for person in people
    ]


def _turns(
    document: _Document, overlaps: Sequence[Mark], alignment: Alignment | None, recordings: Sequence[PageRecording]
) -> list[PageTurn]:
    places = {person.id: place for place, person in enumerate(document.participants)}
    order = {recording.id: place for place, recording in enumerate(alignment.recordings)} if alignment else {}
    aligned = {turn.index: turn for turn in alignment.turns} if alignment and recordings else {}
    shown = []
    for index, turn in enumerate(document.transcript):
        words, low = place_words(turn.text, turn.words)
        found = aligned.get(index)
        shown.append(
            PageTurn(
                role=turn.role,
                text=turn.text,
                start=turn.start_ms,
                end=turn.end_ms,
                who=places.get(turn.speaker_id or ""),
                conf=turn.confidence,
                mood=turn.sentiment,
                dup=turn.duplicate_of is not None,
                over=_overlapped(turn, overlaps),
                words=words,
                low=low,
                rec=order.get(found.recording, 0) if found else 0,
                at=found.spans[0][0] if found and found.spans else None,
                flags=list(found.flags) if found else [],
            )
        )
    return shown


def _overlapped(turn: Turn, overlaps: Sequence[Mark]) -> bool:
    if turn.start_ms is None or turn.end_ms is None:
        return False
    # Marks are apart and in order: the last that starts before the turn's end is the only one that can matter.
    place = bisect_left(overlaps, turn.end_ms, key=lambda mark: mark.start)
    return place > 0 and turn.start_ms < overlaps[place - 1].end


def _recordings(
    archive: Archive, manifest: Manifest, alignment: Alignment | None
) -> tuple[list[Sound], list[PageRecording]]:
    """All recordings with their bytes, or none at all: places in the lists must agree with the alignment's."""
    files = inputs.audio_keys(manifest.inputs)
    found = alignment.recordings if alignment else ()
    if not all(one.id in files for one in found):
        return [], []
    sounds = [Sound(files[one.id], _peaks(archive, manifest, one)) for one in found]
    reasons = {state.id: state.reason for state in manifest.recordings}
    return sounds, [_recording(one, files[one.id][0], reasons.get(one.id, "")) for one in found]


def _peaks(archive: Archive, manifest: Manifest, recording: RecordingView) -> str:
    view = manifest.view(keys.peaks(manifest.conversation, recording.id))
    return view.key if view and archive.store.size(view.key) else ""


def _recording(recording: RecordingView, key: str, reason: str) -> PageRecording:
    # The manifest repeats the remarks; of a recording that is redacted, or gone at the platform, it says more.
    known = not reason or reason == "; ".join(recording.notes)
    return PageRecording(
        rate=recording.rate,
        frames=recording.frames,
        type=content_type(key.rpartition(".")[2]),
        src=[],
        codec=recording.codec,
        roles=list(recording.channel_roles),
        segments=[[s.start_ms, s.end_ms, s.start_sample, s.end_sample] for s in recording.segments],
        sync=recording.sync,
        notes=[*recording.notes] if known else [*recording.notes, reason],
    )


def _pauses(alignment: Alignment | None) -> list[Mark]:
    """Holds and pauses by the platform's own words: a ``cut`` where the audio lacks the stretch, else a ``pause``."""
    marks: dict[tuple[int, int], Mark] = {}
    for recording in alignment.recordings if alignment else ():
        gaps = [(one.end_ms, other.start_ms) for one, other in pairwise(recording.segments)]
        for start, end in gaps:
            reasons = [pause.reason for pause in recording.pauses if pause.start_ms < end and start < pause.end_ms]
            marks[start, end] = Mark("cut", start, end, next(iter(reasons), ""))
        for pause in recording.pauses:
            if not any(start < pause.end_ms and pause.start_ms < end for start, end in gaps):
                stretch = (pause.start_ms, pause.end_ms)
                marks.setdefault(stretch, Mark("pause", *stretch, pause.reason))
    return [marks[stretch] for stretch in sorted(marks) if stretch[0] < stretch[1]]
