"""Cut clips: one turn, all turns of a role, or a stretch of time, as sound files cut on exact samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from turnkeeper.audio.alignment import SyncMode, flags
from turnkeeper.audio.clips import ClipCut, SampleRange, check_clip_name, write_clips
from turnkeeper.calls.call import Call, TimedTurn, archived_call, local_call
from turnkeeper.calls.transcripts import Place, is_archive
from turnkeeper.display import html_table, one_line
from turnkeeper.errors import Misconfigured, NotFound
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.address import local_path
from turnkeeper.transcript.select import Selection

__all__ = ["Clip", "clip"]


@dataclass(frozen=True)
class Clip:
    """One sound file that was written.

    ``turns`` are the indices in the transcript of the turns in it. ``spans`` are samples of the recording, half-open.
    ``frames`` is the clip's length in samples per channel, ``rate`` is in Hz. ``flags`` are those of an alignment
    document. ``path`` is None if the recording holds nothing of it (flag ``outside``); then no file was written.
    """

    __repr__ = one_line
    _repr_html_ = html_table

    path: Path | None
    recording: str
    rate: int
    codec: str
    frames: int
    turns: tuple[int, ...]
    spans: tuple[SampleRange, ...]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class _PlannedClip:
    """One clip before it is cut. ``name`` is the file's name, empty for the name that the caller gave."""

    recording: int
    name: str
    turns: tuple[int, ...]
    spans: tuple[SampleRange, ...]
    flags: tuple[str, ...]

    @property
    def frames(self) -> int:
        """Samples per channel."""
        return sum(end - start for start, end in self.spans)


def clip(
    audio: str | Path,
    transcript: Place | None = None,
    *,
    out: str | Path,
    conversation: str = "",
    turn: int | None = None,
    selection: Selection | None = None,
    start_ms: int | None = None,
    end_ms: int | None = None,
    each: bool = False,
    second: str | Path | None = None,
    recording_start_ms: int = 0,
    sync: SyncMode = "off",
    store: StoreSettings | None = None,
) -> list[Clip]:
    """Cut a recording on exact samples.

    ``audio`` is a file, with ``second`` two mono files of one call, and ``transcript`` its transcript in any dialect;
    or it is an archive's folder or address, with ``conversation``. Choose one of: the ``turn`` at that index of the
    transcript (from 0); all turns of ``selection``, joined without gaps; the time from ``start_ms`` to ``end_ms`` of
    the conversation. ``recording_start_ms`` is the conversation time of a file's first sample.
    With ``sync="correct"`` the file is first compared with its transcript, and a reliable correction applied.

    ``out`` names the file, its extension the format: ``.wav``, ``.flac``, ``.opus``, ``.ogg``. WAV cut to WAV keeps its
    bytes, u-law stays u-law. With ``each`` every turn has a file, its number and role added to the name.

    Raises ``Misconfigured`` for contradictory or missing arguments, ``NotFound`` if no turn matches, ``Unread`` for
    damaged audio.
    """
    target = check_clip_name(Path(out))
    _check_request(turn, selection, start_ms, end_ms, each=each)
    if is_archive(audio):
        call = _require_archived_call(str(audio), conversation, store)
    else:
        path = local_path(audio)
        assert path is not None  # noqa: S101 - every other address is an archive
        other = local_path(second) if second else None
        call = local_call(path, transcript, second=other, recording_start_ms=recording_start_ms, sync=sync)
    if turn is None and not selection:
        planned = _clip_of_time(call, start_ms, end_ms)
    else:
        chosen = _chosen_turns(call, turn, selection or Selection(), transcript is None and not call.conversation)
        planned = (
            [_clip_of_turns([item], _numbered_name(target, item)) for item in chosen] if each else _one_clip_of(chosen)
        )
    return _write_clips(call, planned, target)


def _check_request(
    turn: int | None, selection: Selection | None, start_ms: int | None, end_ms: int | None, *, each: bool
) -> None:
    timed = start_ms is not None or end_ms is not None
    if sum((turn is not None, bool(selection), timed)) != 1:
        raise Misconfigured(
            "which part is not said, or said twice",
            operation="cut",
            hint="Give one of: a turn (--turn), turns (--role …), or a stretch of time (--start, --end).",
        )
    if timed and each:
        raise Misconfigured("a stretch of time is one clip", operation="cut", hint="Leave out --each.")
    if start_ms is not None and end_ms is not None and end_ms <= start_ms:
        raise Misconfigured("the stretch ends before it starts", operation="cut", key="end")


def _require_archived_call(url: str, conversation: str, store: StoreSettings | None) -> Call:
    if not conversation:
        hint = "Name it with --conversation."
        raise Misconfigured("which conversation of the archive is not said", operation="cut", hint=hint)
    return archived_call(url, conversation, store)


def _clip_of_time(call: Call, start_ms: int | None, end_ms: int | None) -> list[_PlannedClip]:
    """Plan a clip of a stretch of time, from the recording that holds most of it."""
    candidates = []
    for number, item in enumerate(call.recordings):
        first, last = item.timeline.moment(0), item.timeline.moment(item.timeline.frames)
        spans = item.timeline.spans(first if start_ms is None else start_ms, last if end_ms is None else end_ms)
        candidates.append(_PlannedClip(number, "", (), tuple((part.start, part.end) for part in spans), flags(spans)))
    return [max(candidates, key=lambda item: sum(end - start for start, end in item.spans))]


def _chosen_turns(call: Call, turn: int | None, selection: Selection, no_transcript: bool) -> list[TimedTurn]:
    if no_transcript:
        raise Misconfigured("turns are asked for and no transcript is given", operation="cut", hint="Add --transcript.")
    chosen = [
        item
        for item in call.timed_turns()
        if (item.index == turn if turn is not None else selection.matches(item.turn))
    ]
    if not chosen:
        named = f"turn {turn}" if turn is not None else f"turn of {selection.sentence()}"
        raise NotFound(f"there is no {named} with times", operation="cut", hint="Look at them: turnkeeper turns.")
    return chosen


def _clip_of_turns(turns: Sequence[TimedTurn], name: str) -> _PlannedClip:
    spans = tuple(span for item in turns for span in item.spans if span[1] > span[0])
    flags_of_turns = dict.fromkeys(flag for item in turns for flag in item.flags)
    return _PlannedClip(turns[0].recording, name, tuple(item.index for item in turns), spans, tuple(flags_of_turns))


def _one_clip_of(turns: Sequence[TimedTurn]) -> list[_PlannedClip]:
    if len({item.recording for item in turns}) > 1:
        raise Misconfigured(
            "these turns stand in several recordings", operation="cut", hint="Give each a file of its own: --each."
        )
    return [_clip_of_turns(sorted(turns, key=lambda item: item.spans[0]), "")]


def _numbered_name(target: Path, item: TimedTurn) -> str:
    return f"{target.stem}-{item.index:04d}-{item.turn.role}{target.suffix}"


def _write_clips(call: Call, planned: Sequence[_PlannedClip], target: Path) -> list[Clip]:
    """Cut the clips of each recording in one pass. A clip without samples is not written."""
    written: dict[int, tuple[str, int]] = {}
    for number in sorted({item.recording for item in planned}):
        places = [place for place, item in enumerate(planned) if item.recording == number and item.frames]
        if places:
            first, other = call.recordings[number].sources()
            cuts = [ClipCut(_clip_path(planned[place], target), planned[place].spans) for place in places]
            codec, frames_written = write_clips(first, cuts, second=other)
            written |= {place: (codec, frames) for place, frames in zip(places, frames_written, strict=True)}
    return [_clip_result(call, item, target, *written.get(place, ("", 0))) for place, item in enumerate(planned)]


def _clip_path(item: _PlannedClip, target: Path) -> Path:
    return target.with_name(item.name) if item.name else target


def _clip_result(call: Call, item: _PlannedClip, target: Path, codec: str, frames_written: int) -> Clip:
    recording = call.recordings[item.recording]
    path: Path | None = _clip_path(item, target) if item.frames else None
    all_flags = item.flags
    if path is not None and frames_written < item.frames:
        # The recording ended earlier than its header says: report what the file holds, not what was planned.
        all_flags = tuple(dict.fromkeys([*all_flags, "clipped_end" if frames_written else "outside"]))
        if not frames_written:
            path.unlink(missing_ok=True)
            path = None
    return Clip(path, recording.id, recording.timeline.rate, codec, frames_written, item.turns, item.spans, all_flags)
