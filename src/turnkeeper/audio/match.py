"""Compare a recording with its transcript, and apply the measured correction where that is requested."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from turnkeeper.audio.alignment import SyncMode
from turnkeeper.audio.decode import Audio
from turnkeeper.audio.loudness import Loudness
from turnkeeper.audio.sync import Sync, compare_loudness, synchronise, with_losses
from turnkeeper.audio.timeline import Timeline
from turnkeeper.audio.turn_arrays import SIDES, Side
from turnkeeper.model import Turn

__all__ = ["MatchResult", "channel_roles", "match_transcript"]

_AROUND_MS = 90_000


@dataclass(frozen=True)
class MatchResult:
    """The result of a comparison.

    ``timeline`` and ``channel_roles`` contain the correction where it was ``applied``.
    """

    timeline: Timeline
    channel_roles: tuple[str, ...]
    sync: Sync | None = None
    applied: bool = False


def match_transcript(
    audio: Audio,
    timeline: Timeline,
    turns: Iterable[Turn],
    mode: SyncMode,
    *,
    loudness: Loudness | None = None,
    losses: Callable[[Sync], Sequence[str]] | None = None,
) -> MatchResult:
    """Measure where ``turns`` are heard in ``audio``, starting from where ``timeline`` (without a correction) puts
    them.

    ``report`` measures and changes nothing. ``correct`` also applies what was measured reliably and differs (verdict
    ``corrected``). ``off`` measures nothing. Turns of unknown speakers and duplicates of another leg do not count.
    ``loudness`` is given where the audio (one or two channels) was decoded already, which saves decoding it again.
    ``losses`` gives what is missing in the recording after a measurement; without it the ``losses`` of the audio count.
    """
    roles = channel_roles(audio.channels)
    if mode == "off":
        return MatchResult(timeline, roles)
    nominal = list(_nominal_turns(timeline, turns))
    sync = (
        compare_loudness(loudness, nominal)
        if loudness
        else synchronise(audio.blocks(), audio.rate, audio.channels, nominal)
    )
    complete = with_losses(sync, losses(sync) if losses else audio.losses)
    if mode == "report" or sync.verdict != "corrected":
        return MatchResult(timeline, roles, complete)
    found: tuple[str, ...] = sync.channels if len(sync.channels) == audio.channels else roles
    return MatchResult(_corrected_timeline(timeline, sync), found, complete, applied=True)


def channel_roles(channels: int) -> tuple[str, ...]:
    """Who is heard on each channel according to the platform's documentation: the external participant is on channel
    0.
    """
    known: dict[int, tuple[str, ...]] = {1: ("mixed",), 2: SIDES}
    return known.get(channels, ("unknown",) * channels)


def _nominal_turns(timeline: Timeline, turns: Iterable[Turn]) -> Iterator[tuple[int, int, Side]]:
    """Turns around the recording in its nominal milliseconds, each with its side of the call."""
    first, last = timeline.moment(0) - _AROUND_MS, timeline.moment(timeline.frames) + _AROUND_MS
    for turn in turns:
        # Turns of unknown speakers have no side, and duplicates would count one start twice.
        if turn.start_ms is None or turn.end_ms is None or turn.role == "unknown" or turn.duplicate_of is not None:
            continue
        if turn.end_ms > first and turn.start_ms < last:
            side: Side = "customer" if turn.role == "customer" else "agent"
            yield timeline.nominal(turn.start_ms), timeline.nominal(turn.end_ms), side


def _corrected_timeline(timeline: Timeline, sync: Sync) -> Timeline:
    """The timeline with what was measured: offset, drift, and cuts that the platform does not list."""
    starts = [(_conversation_ms(timeline, cut.start_ms), cut.end_ms - cut.start_ms) for cut in sync.cuts]
    cuts = (*timeline.cuts, *((start, start + length) for start, length in starts))
    return replace(timeline, cuts=cuts, offset_us=sync.offset_us, drift_ppb=sync.drift_ppb)


def _conversation_ms(timeline: Timeline, nominal_ms: int) -> int:
    """The conversation's millisecond of a nominal one. Right at a cut it is the moment behind it."""
    ms = timeline.start_ms + nominal_ms
    for start, end in timeline.cuts:
        if ms >= start:
            ms += end - start
    return ms
