"""Correct the ends of turns and words by their sound, because the platform gives most words a length of 80 ms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec.structs import replace

from turnkeeper.atomic_file import write_atomically
from turnkeeper.audio.alignment import flags
from turnkeeper.audio.decode import open_audio
from turnkeeper.audio.timeline import Timeline
from turnkeeper.calls.call import CallRecording, header_of, local_call, turns_of
from turnkeeper.calls.transcripts import Place
from turnkeeper.model import Turn, Word
from turnkeeper.transcript.turn_lines import turn_record

if TYPE_CHECKING:
    from turnkeeper.audio.sync import Sync
    from turnkeeper.audio.turn_ends import RepairedTurn, TurnOnChannel

__all__ = ["Repair", "TurnRepair", "repair_ends", "write_repaired"]

_STAMP_MS = 80


@dataclass(frozen=True)
class TurnRepair:
    """One turn, in the transcript's own time. If ``repaired``, its end and the ends of its words come from the audio;
    else the turn is unchanged.
    """

    turn: Turn
    repaired: bool


@dataclass(frozen=True)
class Repair:
    """All turns of a call, sorted by time. ``sync`` is the comparison with the audio, None with ``sync="off"``."""

    turns: tuple[TurnRepair, ...]
    sync: Sync | None

    @property
    def count(self) -> int:
        """How many turns were repaired."""
        return sum(item.repaired for item in self.turns)


def repair_ends(
    audio: str | Path,
    transcript: Place,
    *,
    sync: Literal["correct", "off"] = "correct",
    second: str | Path | None = None,
    recording_start_ms: int = 0,
) -> Repair:
    """Return the turns of a call with the ends that are heard in its recording. Starts are not changed.

    A turn ends where its channel falls quiet, a word where its channel dips before the next word, or where that one
    starts. The recording is compared with its transcript first, to find each turn in it. If the verdict is
    ``unverified`` or ``mismatch``, nothing is repaired. ``sync="off"`` trusts ``recording_start_ms`` instead. Turns
    without times, of unknown speakers, duplicates of another leg, and turns whose end is not in the recording are left
    unchanged.

    Raises what ``open_audio`` and ``read_turns`` raise.
    """
    path, other = Path(audio), Path(second) if second else None
    call = local_call(path, transcript, second=other, recording_start_ms=recording_start_ms, sync=sync)
    recording = call.recordings[0]
    sync_result = recording.matched.sync if recording.matched else None
    turns = tuple(turns_of(transcript))
    if sync_result is not None and sync_result.verdict not in ("verified", "corrected"):
        return Repair(tuple(TurnRepair(turn, repaired=False) for turn in turns), sync_result)
    ends = _measured_ends(path, other, recording, turns)
    return Repair(
        tuple(_repair_turn(turn, ends.get(index), recording.timeline) for index, turn in enumerate(turns)), sync_result
    )


def write_repaired(repair: Repair, transcript: Place, out: Path) -> None:
    """Write turns as JSON lines, as ``turnkeeper turns`` prints them, with ``"repaired": true`` on turns and words."""
    header, encode = header_of(transcript), msgspec.json.Encoder().encode
    with write_atomically(out) as file:
        for item in repair.turns:
            record = turn_record(item.turn, header)
            if item.repaired:
                record |= {"repaired": True} | _mark_words(record)
            file.write(encode(record) + b"\n")


def _mark_words(record: dict[str, Any]) -> dict[str, Any]:
    words = record.get("words")
    return {"words": [word | {"repaired": True} for word in words]} if words else {}


def _measured_ends(
    path: Path, second: Path | None, recording: CallRecording, turns: Sequence[Turn]
) -> dict[int, RepairedTurn]:
    """Measure the ends of turns in the audio, by index. Turns whose end cannot be measured are left out."""
    from turnkeeper.audio import turn_ends  # needs numpy

    measurable = dict(_measurable_turns(recording, turns))
    with open_audio(path, second=second) as audio:
        repaired_turns = turn_ends.repair_ends(audio.blocks(), audio.rate, audio.channels, list(measurable.values()))
    return {index: item for index, item in zip(measurable, repaired_turns, strict=True) if item.repaired}


def _measurable_turns(recording: CallRecording, turns: Sequence[Turn]) -> Iterator[tuple[int, TurnOnChannel]]:
    from turnkeeper.audio.turn_ends import TurnOnChannel

    for index, turn in enumerate(turns):
        channel = _channel(turn, recording.channel_roles)
        if turn.start_ms is None or turn.end_ms is None or channel is None or turn.duplicate_of is not None:
            continue
        if {"outside", "clipped_end"} & set(flags(recording.timeline.spans(turn.start_ms, turn.end_ms))):
            continue
        # Without words the stamped end stands for a last word, which the platform gives a length of 80 ms.
        starts = _word_starts(turn) or (turn.start_ms, max(turn.start_ms, turn.end_ms - _STAMP_MS))
        times = [_audio_ms(recording.timeline, ms) for ms in (turn.start_ms, turn.end_ms, *starts)]
        yield index, TurnOnChannel(times[0], times[1], channel, tuple(times[2:]))


def _channel(turn: Turn, roles: tuple[str, ...]) -> int | None:
    if len(roles) == 1:
        return 0
    side = "customer" if turn.role == "customer" else "agent"
    return roles.index(side) if side in roles and turn.role != "unknown" else None


def _word_starts(turn: Turn) -> tuple[int, ...]:
    """Return the starts of the words, or none if one is missing or they are not in order."""
    starts = tuple(word.start_ms for word in turn.words if word.start_ms is not None)
    return starts if len(starts) == len(turn.words) and list(starts) == sorted(starts) else ()


def _audio_ms(timeline: Timeline, ms: int) -> int:
    return (timeline.sample(ms) * 1000 + timeline.rate // 2) // timeline.rate


def _repair_turn(turn: Turn, measured: RepairedTurn | None, timeline: Timeline) -> TurnRepair:
    starts = _word_starts(turn)
    if measured is None or turn.start_ms is None:
        return TurnRepair(turn, repaired=False)
    end = _conversation_ms(timeline, measured.end_ms, (starts or (turn.start_ms,))[-1])
    if not starts:
        return TurnRepair(replace(turn, end_ms=end), repaired=True)
    new_ends = [
        _conversation_ms(timeline, ms, start) for ms, start in zip(measured.word_ends_ms[:-1], starts[:-1], strict=True)
    ]
    # Two words may start in the same millisecond, and then the first ends there.
    ends = [*(min(item, after) for item, after in zip(new_ends, starts[1:], strict=True)), end]
    return TurnRepair(replace(turn, end_ms=end, words=_words_with_ends(turn.words, ends)), repaired=True)


def _words_with_ends(words: Sequence[Word], ends: Sequence[int]) -> tuple[Word, ...]:
    return tuple(replace(word, end_ms=end) for word, end in zip(words, ends, strict=True))


def _conversation_ms(timeline: Timeline, audio_ms: int, after: int) -> int:
    """Convert an end to conversation time, at least 1 ms after ``after`` and at most at the start of the next cut."""
    ms = timeline.moment((audio_ms * timeline.rate + 500) // 1000)
    return max(after + 1, min([ms, *(start for start, _ in timeline.cuts if start > after)]))
