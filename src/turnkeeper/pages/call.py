"""Read one conversation from an archive and collect what its page shows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

from turnkeeper.archive import inputs, keys
from turnkeeper.archive.archive import Archive
from turnkeeper.archive.manifest import CommunicationState, Manifest
from turnkeeper.audio.alignment import Alignment, RecordingView, read_alignment
from turnkeeper.audio.media_types import content_type
from turnkeeper.errors import NotFound, TooLarge, Unread
from turnkeeper.model import Participant, RecordingState, TranscriptHeader, Turn
from turnkeeper.pages.call_names import CallNames, call_facts
from turnkeeper.pages.marks import overtalk, silences, speech_stretches, total_ms
from turnkeeper.pages.page_data import Gap, Mark, PageData, PagePerson, PageRecording, PageTurn
from turnkeeper.pages.words import place_words
from turnkeeper.transcript.summary import SummaryTally

__all__ = ["MAX_TRANSCRIPT_BYTES", "CallPage", "PageAudio", "find_gaps", "read_call"]

MAX_TRANSCRIPT_BYTES = 64 << 20
"""A larger transcript view gets no page, because no browser could show it."""


@dataclass(frozen=True)
class PageAudio:
    """Where one recording lies in the archive.

    ``audio`` holds the object keys of its files: one, or two mono files. ``peaks`` is the id of the recording whose
    waveform belongs to it, empty if no waveform is archived.
    """

    audio: tuple[str, ...]
    peaks: str


@dataclass(frozen=True)
class CallPage:
    """The content of one call's page: the data that its script reads, and the audio in the archive.

    ``audio`` has the order of ``data.recordings``.
    """

    data: PageData
    audio: list[PageAudio] = field(default_factory=list)


class _TranscriptDocument(TranscriptHeader, frozen=True, omit_defaults=True, kw_only=True):
    transcript: tuple[Turn, ...]


_WITH_AUDIO = ("done", "redacted", "incomplete")
_LEG_GAPS = {
    "absent": "There is no transcript",
    "failed": "A transcript could not be fetched",
    "unread": "A transcript cannot be read",
}
_RECORDING_GAPS = {
    "archived": "The recording must be restored by the platform first",
    "deleted": "The recording was deleted on the platform",
    "failed": "The recording could not be fetched",
    "incomplete": "Sound is missing in the recording",
    "waiting": "The recording is not ready yet",
}

# Made while importing, one thread at a time: msgspec crashes when two threads first use a type at the same moment.
_TRANSCRIPT = msgspec.json.Decoder(_TranscriptDocument)


def read_call(archive: Archive, manifest: Manifest, call_names: CallNames) -> CallPage:
    """Read everything that the page of a conversation shows. The state of ``manifest`` must be ``done``.

    Raises ``TooLarge`` if the transcript has more than ``MAX_TRANSCRIPT_BYTES``, ``Unread`` if a view is damaged, and
    ``NotFound`` if a view is gone.
    """
    conversation = manifest.conversation
    document = _read_document(archive, manifest)
    alignment = _read_alignment(archive, manifest)
    audio, recordings = _page_recordings(archive, manifest, alignment)
    turns = document.transcript
    has_audio = bool(recordings) or document.media_type not in (None, "voice")
    names = call_names.names_for(manifest)
    overlaps = overtalk(turns)
    pauses = _pause_marks(alignment) if recordings else []
    paused = [(one.start, one.end) for one in pauses]
    tally = SummaryTally(conversation, document.dialect)
    tally.add_all(turns)
    summary = manifest.summary or tally.summary()
    ends = [turn.end_ms for turn in turns if turn.end_ms is not None]
    # The recording may go on behind the last turn.
    ends += [segment[1] for recording in recordings for segment in recording.segments]
    data = PageData(
        conversation=conversation,
        facts=call_facts(document, call_names.details(manifest), names),
        summary=summary,
        length=max([*ends, round(summary.total_duration_seconds * 1000)]),
        people=_page_people(document.participants, turns, names),
        turns=_page_turns(document, overlaps, alignment, recordings),
        marks=sorted([*overlaps, *silences(turns, paused), *pauses], key=lambda mark: mark.start),
        recordings=recordings,
        talk={
            role: total_ms(speech_stretches(t for t in turns if t.role == role))
            for role in sorted({t.role for t in turns})
        },
        overtalk=total_ms((mark.start, mark.end) for mark in overlaps),
        missing=find_gaps(manifest, has_audio=has_audio),
        notes=[*manifest.notes, *_no_audio_notes(manifest, has_audio=has_audio)],
        archived=manifest.archived_at,
        producer=manifest.producer,
    )
    return CallPage(data, audio)


def find_gaps(manifest: Manifest, *, has_audio: bool) -> list[Gap]:
    """List what an archive lacks of a conversation.

    ``has_audio`` is true if recordings are archived, and also for a digital conversation, which has none.
    """
    legs = manifest.communications
    lacking = [leg for leg in legs if leg.state not in ("done", "absent")]
    if not any(leg.state == "done" for leg in legs):
        lacking += [leg for leg in legs if leg.state == "absent"]
    gaps = [Gap(_LEG_GAPS.get(leg.state, "A transcript is missing"), _gap_detail("leg", leg)) for leg in lacking]
    if manifest.unread:
        gaps.append(Gap("The transcript cannot be read", manifest.unread.message))
    gaps += [
        Gap(_RECORDING_GAPS.get(one.state, "A recording is missing"), _gap_detail("recording", one))
        for one in manifest.recordings
        if one.state not in _WITH_AUDIO or one.state == "incomplete"
    ]
    silent = any(one.state not in _WITH_AUDIO for one in manifest.recordings)
    return gaps if has_audio or silent or not manifest.sync_mode else [*gaps, Gap("There is no recording")]


def _gap_detail(kind: str, one: CommunicationState | RecordingState) -> str:
    return f"{kind} {one.id}: {one.state}{f', {one.reason}' if one.reason else ''}"


def _no_audio_notes(manifest: Manifest, *, has_audio: bool) -> list[str]:
    """Explain why a page has no sound if nothing was lost: the recordings were never requested."""
    if has_audio or manifest.recordings or manifest.sync_mode:
        return []
    return ["no recording was asked for (turnkeeper get --audio)"]


def _read_document(archive: Archive, manifest: Manifest) -> _TranscriptDocument:
    conversation = manifest.conversation
    with archive.open_view(manifest, keys.transcript(conversation)) as view:
        # One byte more than allowed shows that there is more, without reading it all.
        data = view.read(MAX_TRANSCRIPT_BYTES + 1)
    if len(data) > MAX_TRANSCRIPT_BYTES:
        hint = "Read it with turnkeeper turns."
        said = f"more than {MAX_TRANSCRIPT_BYTES >> 20} MiB of transcript make no page"
        raise TooLarge(said, operation="report", key=conversation, hint=hint)
    try:
        return _TRANSCRIPT.decode(data)
    except msgspec.DecodeError as cause:
        hint = "Run turnkeeper reread --all."
        raise Unread(f"not a transcript ({cause})", operation="report", key=conversation, hint=hint) from None


def _read_alignment(archive: Archive, manifest: Manifest) -> Alignment | None:
    name = keys.alignment(manifest.conversation)
    if manifest.view(name) is None:
        return None
    return read_alignment(archive.read_view(manifest, name), name)


def _page_people(people: Sequence[Participant], turns: Sequence[Turn], names: Mapping[str, str]) -> list[PagePerson]:
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
            talk=total_ms(speech_stretches(said.get(person.id, ()))),
        )
        for person in people
    ]


def _page_turns(
    document: _TranscriptDocument,
    overlaps: Sequence[Mark],
    alignment: Alignment | None,
    recordings: Sequence[PageRecording],
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
                over=_is_overlapped(turn, overlaps),
                words=words,
                low=low,
                rec=order.get(found.recording, 0) if found else 0,
                at=found.spans[0][0] if found and found.spans else None,
                flags=list(found.flags) if found else [],
                defects=list(turn.defects),
            )
        )
    return shown


def _is_overlapped(turn: Turn, overlaps: Sequence[Mark]) -> bool:
    if turn.start_ms is None or turn.end_ms is None:
        return False
    # Marks are sorted and do not overlap, so only the last one that starts before the turn ends can overlap the turn.
    place = bisect_left(overlaps, turn.end_ms, key=lambda mark: mark.start)
    return place > 0 and turn.start_ms < overlaps[place - 1].end


def _page_recordings(
    archive: Archive, manifest: Manifest, alignment: Alignment | None
) -> tuple[list[PageAudio], list[PageRecording]]:
    """Return all recordings, or none if the bytes of one are not archived.

    A turn names its recording by its place in the alignment, so the lists must have the same places.
    """
    files = inputs.audio_keys(manifest.inputs)
    found = alignment.recordings if alignment else ()
    if not all(one.id in files for one in found):
        return [], []
    audio = [PageAudio(files[one.id], _peaks_id(archive, manifest.conversation, one.id)) for one in found]
    reasons = {state.id: state.reason for state in manifest.recordings}
    return audio, [_page_recording(one, files[one.id][0], reasons.get(one.id, "")) for one in found]


def _peaks_id(archive: Archive, conversation: str, recording: str) -> str:
    """Return the recording's id if its waveform is archived, else an empty string."""
    try:
        archive.peaks(conversation, recording).close()
    except NotFound:
        return ""
    return recording


def _page_recording(recording: RecordingView, key: str, reason: str) -> PageRecording:
    # The manifest's reason usually repeats the notes. For a recording that was redacted or deleted it says more.
    known = reason in "; ".join(recording.notes) or any(reason.startswith(said) for said in recording.incomplete)
    notes = [note for note in recording.notes if note not in recording.incomplete]
    return PageRecording(
        rate=recording.rate,
        frames=recording.frames,
        type=content_type(key.rpartition(".")[2]),
        src=[],
        codec=recording.codec,
        roles=list(recording.channel_roles),
        segments=[[s.start_ms, s.end_ms, s.start_sample, s.end_sample] for s in recording.segments],
        sync=recording.sync,
        notes=notes if known else [*notes, reason],
        incomplete=list(recording.incomplete),
    )


def _pause_marks(alignment: Alignment | None) -> list[Mark]:
    """Return a mark for each hold and pause, with the platform's reason.

    A ``cut`` is missing in the audio, so the alignment has a gap there. A ``pause`` is heard as silence.
    """
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
