"""One call with its recordings and the samples of each turn, read from local files or from an archive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from turnkeeper.audio.alignment import RecordingView, SyncMode, flags, read_alignment
from turnkeeper.audio.decode import Audio, open_audio
from turnkeeper.audio.timeline import Timeline
from turnkeeper.calls.transcripts import Place, is_archive, open_transcripts
from turnkeeper.errors import Misconfigured, NotFound
from turnkeeper.model import TranscriptHeader, Turn
from turnkeeper.settings import StoreSettings
from turnkeeper.transcript.assemble import Assembly

if TYPE_CHECKING:
    from turnkeeper.audio.loudness import Loudness
    from turnkeeper.audio.match import MatchResult

__all__ = ["Call", "CallRecording", "TimedTurn", "archived_call", "header_of", "local_call", "turns_of"]


@dataclass(frozen=True)
class CallRecording:
    """One recording of a call.

    ``sources`` opens its files: one, or two mono files of the two sides. ``matched`` is the comparison with the
    transcript; it is None for a recording of an archive. ``losses`` are sentences about missing sound.
    """

    id: str
    codec: str
    timeline: Timeline
    channel_roles: tuple[str, ...]
    sources: Callable[[], tuple[Path | BinaryIO, Path | BinaryIO | None]]
    matched: MatchResult | None = None
    notes: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()


@dataclass(frozen=True)
class TimedTurn:
    """A turn that has times.

    ``index`` is its place in the transcript, ``recording`` the index of its recording in ``Call.recordings``. ``spans``
    are the samples there, half-open; there are several if a pause was cut out of the turn.
    """

    index: int
    turn: Turn
    recording: int
    spans: tuple[tuple[int, int], ...]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Call:
    """A call: its recordings, and a function that iterates its turns from the beginning."""

    conversation: str
    recordings: tuple[CallRecording, ...]
    timed_turns: Callable[[], Iterator[TimedTurn]]


def local_call(
    audio: Path,
    transcript: Place | None,
    *,
    second: Path | None = None,
    recording_start_ms: int = 0,
    sync: SyncMode = "off",
) -> Call:
    """Open a recording (or two mono files of one call), with its transcript if there is one.

    ``recording_start_ms`` is the conversation time of the recording's first sample. ``sync`` says whether the recording
    is compared with the transcript, and whether a correction is applied. Raises what ``open_audio`` and
    ``open_transcripts`` raise, and ``Misconfigured`` if the transcript is an archive.
    """
    with open_audio(audio, second=second) as opened:
        from turnkeeper.audio.match import (
            match_transcript,  # needs numpy; open_audio raises an error that names the extra
        )

        mode: SyncMode = sync if transcript is not None else "off"
        measured = _loudness_of(opened, mode)
        uncorrected = Timeline(opened.rate, opened.count(), recording_start_ms)
        turns = turns_of(transcript) if transcript is not None and mode != "off" else ()
        match_result = match_transcript(opened, uncorrected, turns, mode, loudness=measured)
        # Read last, because they are complete only when the audio was decoded to its end.
        notes, losses, codec = opened.notes, opened.losses, opened.codec
    timeline = match_result.timeline
    recording = CallRecording(
        audio.name, codec, timeline, match_result.channel_roles, lambda: (audio, second), match_result, notes, losses
    )

    def timed_turns() -> Iterator[TimedTurn]:
        for index, turn in enumerate(turns_of(transcript) if transcript is not None else ()):
            if turn.start_ms is None or turn.end_ms is None:
                continue
            spans = timeline.spans(turn.start_ms, turn.end_ms)
            yield TimedTurn(index, turn, 0, tuple((item.start, item.end) for item in spans), flags(spans))

    return Call("", (recording,), timed_turns)


def _loudness_of(audio: Audio, mode: SyncMode) -> Loudness | None:
    """Measure the loudness for the comparison. This decodes the audio once, so its length is known afterwards."""
    if mode == "off" or audio.channels > 2:
        return None
    from turnkeeper.audio.loudness import loudness

    return loudness(audio.blocks(), audio.rate, audio.channels)


def turns_of(transcript: Place) -> Iterator[Turn]:
    """Yield the turns of the one conversation at ``transcript``, sorted by time."""
    for assembly in _one_transcript(transcript):
        yield from assembly.turns()


def header_of(transcript: Place) -> TranscriptHeader:
    """Return the header of the one transcript at ``transcript``: its conversation and participants."""
    return next(assembly.header for assembly in _one_transcript(transcript))


def _one_transcript(transcript: Place) -> Iterator[Assembly]:
    if isinstance(transcript, str | Path) and is_archive(transcript):
        hint = "Give the transcript's own file."
        raise Misconfigured("is an archive", operation="read", key=str(transcript), hint=hint)
    return open_transcripts(transcript)


def archived_call(url: str, conversation: str, store: StoreSettings | None = None) -> Call:
    """Open a call of an archive with its recordings, as the archive's alignment document describes them.

    One line is added to the archive's audit. Raises ``NotFound`` if the archive does not hold the conversation, or no
    recording of it.
    """
    from turnkeeper.archive import keys
    from turnkeeper.archive.archive import Archive

    archive = Archive(url, store)
    manifest = archive.manifest(conversation)
    name = keys.alignment(conversation)
    hint = "Fetch it with its recordings: turnkeeper get ID --audio."
    if manifest is None:
        raise NotFound("not in the archive", operation="read", key=conversation, hint=hint)
    archive.audit.record_or_warn("clip", conversations=[conversation])
    try:
        document = read_alignment(archive.read_view(manifest, name), name)
    except NotFound:
        raise NotFound("no recording of it is archived", operation="read", key=conversation, hint=hint) from None
    numbers = {item.id: number for number, item in enumerate(document.recordings)}

    def recording_of(view: RecordingView) -> CallRecording:
        prefix = f"audio/{view.id}/"
        # A source ends in the number of its file, which is the channel in a pair of mono files.
        inputs = sorted(manifest.inputs, key=lambda item: item.source)
        files = [item.key for item in inputs if item.source.startswith(prefix)]
        files = files or ([view.key] if view.key else [])

        def sources() -> tuple[BinaryIO, BinaryIO | None]:
            if not files:
                raise NotFound("its recording is not archived", operation="read", key=view.id, hint=hint)
            opened = [archive.store.open(name) for name in files[:2]]
            return opened[0], opened[1] if len(opened) > 1 else None

        return CallRecording(view.id, view.codec, view.timeline(), view.channel_roles, sources)

    def timed_turns() -> Iterator[TimedTurn]:
        places = {item.index: item for item in document.turns if item.recording in numbers}
        # The audit line above is about this reading too.
        for assembly in open_transcripts(url, interactions=[conversation], store=store, audited=False):
            for index, turn in enumerate(assembly.turns()):
                if place := places.get(index):
                    yield TimedTurn(index, turn, numbers[place.recording], place.spans, place.flags)

    return Call(conversation, tuple(map(recording_of, document.recordings)), timed_turns)
