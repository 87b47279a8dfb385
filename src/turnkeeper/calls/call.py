"""One call that can be heard: its recordings, its turns, and which samples each turn is. From files or an archive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from turnkeeper.audio.alignment import RecordingView, SyncMode, flags, read_alignment
from turnkeeper.audio.decode import Audio, open_audio
from turnkeeper.audio.timeline import Timeline
from turnkeeper.calls.turns import Place, is_archive, open_transcripts
from turnkeeper.errors import Misconfigured, NotFound
from turnkeeper.model import TranscriptHeader, Turn
from turnkeeper.settings import StoreSettings
from turnkeeper.transcript.assemble import Assembly

if TYPE_CHECKING:
    from turnkeeper.audio.loudness import Loudness
    from turnkeeper.audio.matching import Matched

__all__ = ["Call", "Heard", "Spoken", "archived_call", "header_of", "local_call", "turns_of"]


@dataclass(frozen=True)
class Heard:
    """One recording of a call. ``sources`` opens its files: one, or two mono ones of the two sides.

    ``matched`` is the comparison with the transcript, where one was made just now; ``losses`` say what is missing.
    """

    id: str
    codec: str
    timeline: Timeline
    channel_roles: tuple[str, ...]
    sources: Callable[[], tuple[Path | BinaryIO, Path | BinaryIO | None]]
    matched: Matched | None = None
    notes: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spoken:
    """One turn with times: its place in the transcript, the number of its recording, its samples there."""

    index: int
    turn: Turn
    recording: int
    spans: tuple[tuple[int, int], ...]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Call:
    """What was said and where it is heard. ``spoken`` begins anew at each call."""

    conversation: str
    recordings: tuple[Heard, ...]
    spoken: Callable[[], Iterator[Spoken]]


def local_call(
    audio: Path,
    transcript: Place | None,
    *,
    second: Path | None = None,
    recording_start_ms: int = 0,
    sync: SyncMode = "off",
) -> Call:
    """A recording (or two mono files of one call) and, where there is one, its transcript.

    ``recording_start_ms`` is the conversation time of the recording's first sample; ``sync`` says whether the two are
    compared, and a correction applied. Raises what ``open_audio`` and
    ``open_transcripts`` raise, and ``Misconfigured`` where the transcript is not of one conversation.
    """
    with open_audio(audio, second=second) as opened:
        from turnkeeper.audio.matching import match  # needs numpy, which open_audio has asked for by name

        mode: SyncMode = sync if transcript is not None else "off"
        heard_once = _loudness_of(opened, mode)
        uncorrected = Timeline(opened.rate, opened.count(), recording_start_ms)
        turns = turns_of(transcript) if transcript is not None and mode != "off" else ()
        found = match(opened, uncorrected, turns, mode, heard=heard_once)
        notes, losses, codec = opened.notes, opened.losses, opened.codec
    timeline = found.timeline
    heard = Heard(audio.name, codec, timeline, found.channel_roles, lambda: (audio, second), found, notes, losses)

    def spoken() -> Iterator[Spoken]:
        for index, turn in enumerate(turns_of(transcript) if transcript is not None else ()):
            if turn.start_ms is None or turn.end_ms is None:
                continue
            spans = timeline.spans(turn.start_ms, turn.end_ms)
            yield Spoken(index, turn, 0, tuple((one.start, one.end) for one in spans), flags(spans))

    return Call("", (heard,), spoken)


def _loudness_of(audio: Audio, mode: SyncMode) -> Loudness | None:
    """The loudness to compare with a transcript; the audio is then decoded, and its length known."""
    if mode == "off" or audio.channels > 2:
        return None
    from turnkeeper.audio.loudness import loudness

    return loudness(audio.blocks(), audio.rate, audio.channels)


def turns_of(transcript: Place) -> Iterator[Turn]:
    """The turns of the one conversation at ``transcript``, by time."""
    for assembly in _one_transcript(transcript):
        yield from assembly.turns()


def header_of(transcript: Place) -> TranscriptHeader:
    """What a transcript says before its turns: the conversation it is about, who took part."""
    return next(assembly.header for assembly in _one_transcript(transcript))


def _one_transcript(transcript: Place) -> Iterator[Assembly]:
    if isinstance(transcript, str | Path) and is_archive(transcript):
        hint = "Give the transcript's own file."
        raise Misconfigured("is an archive", operation="read", key=str(transcript), hint=hint)
    return open_transcripts(transcript)


def archived_call(url: str, conversation: str, store: StoreSettings | None = None) -> Call:
    """A call of an archive whose recordings were archived with it, by its alignment document, to cut clips from.

    Raises ``NotFound`` where the archive does not hold the conversation or no recording of it.
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
    numbers = {one.id: number for number, one in enumerate(document.recordings)}

    def heard(one: RecordingView) -> Heard:
        prefix = f"audio/{one.id}/"
        files = [taken.key for taken in sorted(manifest.inputs, key=_source_name) if taken.source.startswith(prefix)]
        files = files or ([one.key] if one.key else [])

        def sources() -> tuple[BinaryIO, BinaryIO | None]:
            if not files:
                raise NotFound("its recording is not archived", operation="read", key=one.id, hint=hint)
            opened = [archive.store.open(name) for name in files[:2]]
            return opened[0], opened[1] if len(opened) > 1 else None

        return Heard(one.id, one.codec, one.timeline(), one.channel_roles, sources)

    def spoken() -> Iterator[Spoken]:
        places = {one.index: one for one in document.turns if one.recording in numbers}
        for assembly in open_transcripts(url, interactions=[conversation], store=store, audited=False):
            for index, turn in enumerate(assembly.turns()):
                if place := places.get(index):
                    yield Spoken(index, turn, numbers[place.recording], place.spans, place.flags)

    return Call(conversation, tuple(map(heard, document.recordings)), spoken)


def _source_name(taken: object) -> str:
    return str(getattr(taken, "source", ""))
