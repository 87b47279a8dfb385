"""Clips: one turn, all turns of a role, or a stretch of time, as sound files cut on exact samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from turnkeeper.audio.alignment import SyncMode, flags
from turnkeeper.audio.clips import ClipCut, Stretch, check_clip_name, write_clips
from turnkeeper.calls.call import Call, Spoken, archived_call, local_call
from turnkeeper.calls.turns import Place, is_archive
from turnkeeper.display import html_table, one_line
from turnkeeper.errors import Misconfigured, NotFound
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.address import local_path
from turnkeeper.transcript.select import Selection

__all__ = ["Clip", "clip"]


@dataclass(frozen=True)
class Clip:
    """One file that was written. ``turns`` are the places in the transcript of what is heard in it, ``spans`` the
    samples of the recording, ``frames`` the clip's length; ``rate`` in Hz. ``flags`` as in an alignment document.

    ``path`` is None where the recording holds nothing of it (``outside``): then nothing was written.
    """

    __repr__ = one_line
    _repr_html_ = html_table

    path: Path | None
    recording: str
    rate: int
    codec: str
    frames: int
    turns: tuple[int, ...]
    spans: tuple[Stretch, ...]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class _PlannedClip:
    """What one file shall hold, before it is cut."""

    recording: int
    name: str
    turns: tuple[int, ...]
    spans: tuple[Stretch, ...]
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
    or an archive's folder or address, with ``conversation``. What is cut out: the ``turn`` at that place of the
    transcript (from 0), or all turns of ``selection``, one behind the other, or the time from ``start_ms`` to
    ``end_ms`` of the conversation. ``recording_start_ms`` is the conversation time of a file's first sample.
    With ``sync="correct"`` the file is first compared with its transcript, and a reliable correction applied.

    ``out`` names the file, its extension the format: ``.wav``, ``.flac``, ``.opus``, ``.ogg``. WAV cut to WAV keeps its
    bytes, u-law stays u-law. With ``each`` every turn has a file, its number and role added to the name.

    Raises ``Misconfigured`` for a question without an answer, ``NotFound`` where no turn matches, ``Unread`` for
    damaged audio.
    """
    target = check_clip_name(Path(out))
    _check_request(turn, selection, start_ms, end_ms, each=each)
    if is_archive(audio):
        call = _require_archived_call(str(audio), conversation, store)
    else:
        path = local_path(audio)
        assert path is not None  # noqa: S101 - what lies elsewhere is an archive
        other = local_path(second) if second else None
        call = local_call(path, transcript, second=other, recording_start_ms=recording_start_ms, sync=sync)
    if turn is None and not selection:
        wanted = _clip_of_time(call, start_ms, end_ms)
    else:
        chosen = _chosen_turns(call, turn, selection or Selection(), transcript is None and not call.conversation)
        wanted = (
            [_clip_of_turns([one], _numbered_name(target, one)) for one in chosen] if each else _one_clip_of(chosen)
        )
    return _write_clips(call, wanted, target)


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
    """A stretch of the conversation, from the recording that holds most of it."""
    found = []
    for number, one in enumerate(call.recordings):
        first, last = one.timeline.moment(0), one.timeline.moment(one.timeline.frames)
        spans = one.timeline.spans(first if start_ms is None else start_ms, last if end_ms is None else end_ms)
        found.append(_PlannedClip(number, "", (), tuple((part.start, part.end) for part in spans), flags(spans)))
    return [max(found, key=lambda one: sum(end - start for start, end in one.spans))]


def _chosen_turns(call: Call, turn: int | None, selection: Selection, no_transcript: bool) -> list[Spoken]:
    if no_transcript:
        raise Misconfigured("turns are asked for and no transcript is given", operation="cut", hint="Add --transcript.")
    chosen = [one for one in call.spoken() if (one.index == turn if turn is not None else selection.matches(one.turn))]
    if not chosen:
        named = f"turn {turn}" if turn is not None else f"turn of {selection.sentence()}"
        raise NotFound(f"there is no {named} with times", operation="cut", hint="Look at them: turnkeeper turns.")
    return chosen


def _clip_of_turns(turns: Sequence[Spoken], name: str) -> _PlannedClip:
    spans = tuple(span for one in turns for span in one.spans if span[1] > span[0])
    said = dict.fromkeys(flag for one in turns for flag in one.flags)
    return _PlannedClip(turns[0].recording, name, tuple(one.index for one in turns), spans, tuple(said))


def _one_clip_of(turns: Sequence[Spoken]) -> list[_PlannedClip]:
    if len({one.recording for one in turns}) > 1:
        raise Misconfigured(
            "these turns stand in several recordings", operation="cut", hint="Give each a file of its own: --each."
        )
    return [_clip_of_turns(sorted(turns, key=lambda one: one.spans[0]), "")]


def _numbered_name(target: Path, one: Spoken) -> str:
    return f"{target.stem}-{one.index:04d}-{one.turn.role}{target.suffix}"


def _write_clips(call: Call, wanted: Sequence[_PlannedClip], target: Path) -> list[Clip]:
    """Cut what each recording holds. A clip of nothing is not written."""
    done: dict[int, tuple[str, int]] = {}
    for number in sorted({one.recording for one in wanted}):
        places = [place for place, one in enumerate(wanted) if one.recording == number and one.frames]
        if places:
            first, other = call.recordings[number].sources()
            cuts = [ClipCut(_clip_path(wanted[place], target), wanted[place].spans) for place in places]
            codec, held = write_clips(first, cuts, second=other)
            done |= {place: (codec, frames) for place, frames in zip(places, held, strict=True)}
    return [_clip_result(call, one, target, *done.get(place, ("", 0))) for place, one in enumerate(wanted)]


def _clip_path(one: _PlannedClip, target: Path) -> Path:
    return target.with_name(one.name) if one.name else target


def _clip_result(call: Call, one: _PlannedClip, target: Path, codec: str, held: int) -> Clip:
    heard = call.recordings[one.recording]
    path: Path | None = _clip_path(one, target) if one.frames else None
    said = one.flags
    if path is not None and held < one.frames:
        # What the file holds counts, not what was meant to be in it.
        said = tuple(dict.fromkeys([*said, "clipped_end" if held else "outside"]))
        if not held:
            path.unlink(missing_ok=True)
            path = None
    return Clip(path, heard.id, heard.timeline.rate, codec, held, one.turns, one.spans, said)
