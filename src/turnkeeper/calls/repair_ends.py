"""Where turns and words end, by ear: the platform stamps most words 80 ms long, whatever was said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec.structs import replace

from turnkeeper.atomic_file import written
from turnkeeper.audio.alignment import flags
from turnkeeper.audio.decode import open_audio
from turnkeeper.audio.timeline import Timeline
from turnkeeper.calls.call import Heard, header_of, local_call, turns_of
from turnkeeper.calls.turns import Place
from turnkeeper.model import Turn, Word
from turnkeeper.transcript.turn_lines import turn_record

if TYPE_CHECKING:
    from turnkeeper.audio.ends import HeardWords, RepairedTurn
    from turnkeeper.audio.sync import Sync

__all__ = ["Repair", "TurnRepair", "repair_ends", "write_repaired"]

_STAMP_MS = 80


@dataclass(frozen=True)
class TurnRepair:
    """A turn in the transcript's own clock. ``repaired`` says that its end, and the ends of its words, are heard ones;
    else it is as the transcript has it.
    """

    turn: Turn
    repaired: bool


@dataclass(frozen=True)
class Repair:
    """All turns of a call, by time. ``sync`` is the comparison it rests on; None where none was asked for."""

    turns: tuple[TurnRepair, ...]
    sync: Sync | None

    @property
    def count(self) -> int:
        """How many turns were repaired."""
        return sum(one.repaired for one in self.turns)


def repair_ends(
    audio: str | Path,
    transcript: Place,
    *,
    sync: Literal["correct", "off"] = "correct",
    second: str | Path | None = None,
    recording_start_ms: int = 0,
) -> Repair:
    """The turns of a call with the ends that are heard in its recording; starts stay as they are.

    A turn ends where its channel falls quiet, a word where its channel dips before the next word, or where that one
    starts. The recording is compared with its transcript first, to listen in the right place; where the verdict is
    ``unverified`` or ``mismatch`` nothing is repaired. ``sync="off"`` believes ``recording_start_ms`` instead. Turns
    without times, of unknown speakers, duplicates of another leg, and turns whose end is not in the recording stay.

    Raises what ``open_audio`` and ``read_turns`` raise.
    """
    path, other = Path(audio), Path(second) if second else None
    call = local_call(path, transcript, second=other, recording_start_ms=recording_start_ms, sync=sync)
    heard = call.recordings[0]
    found = heard.matched.sync if heard.matched else None
    turns = tuple(turns_of(transcript))
    if found is not None and found.verdict not in ("verified", "corrected"):
        return Repair(tuple(TurnRepair(turn, repaired=False) for turn in turns), found)
    ends = _measured_ends(path, other, heard, turns)
    return Repair(tuple(_repair_turn(turn, ends.get(place), heard.timeline) for place, turn in enumerate(turns)), found)


def write_repaired(repair: Repair, transcript: Place, out: Path) -> None:
    """Write turns as JSON lines, as ``turnkeeper turns`` prints them, with ``"repaired": true`` on turns and words."""
    header, encode = header_of(transcript), msgspec.json.Encoder().encode
    with written(out) as file:
        for one in repair.turns:
            record = turn_record(one.turn, header)
            if one.repaired:
                record |= {"repaired": True} | _mark_words(record)
            file.write(encode(record) + b"\n")


def _mark_words(record: dict[str, Any]) -> dict[str, Any]:
    words = record.get("words")
    return {"words": [word | {"repaired": True} for word in words]} if words else {}


def _measured_ends(path: Path, second: Path | None, heard: Heard, turns: Sequence[Turn]) -> dict[int, RepairedTurn]:
    """What is heard of each turn, by its place; those are missing that cannot be listened for."""
    from turnkeeper.audio import ends  # needs numpy

    asked = dict(_measurable_turns(heard, turns))
    with open_audio(path, second=second) as audio:
        found = ends.repair_ends(audio.blocks(), audio.rate, audio.channels, list(asked.values()))
    return {place: one for place, one in zip(asked, found, strict=True) if one.repaired}


def _measurable_turns(heard: Heard, turns: Sequence[Turn]) -> Iterator[tuple[int, HeardWords]]:
    from turnkeeper.audio.ends import HeardWords

    for place, turn in enumerate(turns):
        channel = _channel(turn, heard.channel_roles)
        if turn.start_ms is None or turn.end_ms is None or channel is None or turn.duplicate_of is not None:
            continue
        if {"outside", "clipped_end"} & set(flags(heard.timeline.spans(turn.start_ms, turn.end_ms))):
            continue
        starts = _word_starts(turn) or (turn.start_ms, max(turn.start_ms, turn.end_ms - _STAMP_MS))
        times = [_audio_ms(heard.timeline, ms) for ms in (turn.start_ms, turn.end_ms, *starts)]
        yield place, HeardWords(times[0], times[1], channel, tuple(times[2:]))


def _channel(turn: Turn, roles: tuple[str, ...]) -> int | None:
    if len(roles) == 1:
        return 0
    side = "customer" if turn.role == "customer" else "agent"
    return roles.index(side) if side in roles and turn.role != "unknown" else None


def _word_starts(turn: Turn) -> tuple[int, ...]:
    """The starts of the words; none unless all are there and in order."""
    starts = tuple(word.start_ms for word in turn.words if word.start_ms is not None)
    return starts if len(starts) == len(turn.words) and list(starts) == sorted(starts) else ()


def _audio_ms(timeline: Timeline, ms: int) -> int:
    return (timeline.sample(ms) * 1000 + timeline.rate // 2) // timeline.rate


def _repair_turn(turn: Turn, heard: RepairedTurn | None, timeline: Timeline) -> TurnRepair:
    starts = _word_starts(turn)
    if heard is None or turn.start_ms is None:
        return TurnRepair(turn, repaired=False)
    end = _conversation_ms(timeline, heard.end_ms, (starts or (turn.start_ms,))[-1])
    if not starts:
        return TurnRepair(replace(turn, end_ms=end), repaired=True)
    told = [
        _conversation_ms(timeline, ms, start) for ms, start in zip(heard.word_ends_ms[:-1], starts[:-1], strict=True)
    ]
    ends = [*(min(one, after) for one, after in zip(told, starts[1:], strict=True)), end]
    return TurnRepair(replace(turn, end_ms=end, words=_words_with_ends(turn.words, ends)), repaired=True)


def _words_with_ends(words: Sequence[Word], ends: Sequence[int]) -> tuple[Word, ...]:
    return tuple(replace(word, end_ms=end) for word, end in zip(words, ends, strict=True))


def _conversation_ms(timeline: Timeline, audio_ms: int, after: int) -> int:
    """The conversation's millisecond of an end: behind ``after``, and before what was cut out next."""
    ms = timeline.moment((audio_ms * timeline.rate + 500) // 1000)
    return max(after + 1, min([ms, *(start for start, _ in timeline.cuts if start > after)]))
