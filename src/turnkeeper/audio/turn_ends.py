"""Find the ends of turns and words in the sound. The platform stamps most words 80 ms long, so only starts can be
trusted.

A turn ends where its channel falls quiet for good before the same side speaks again. A word ends where its channel
falls quiet before the next word, else where the next word starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from turnkeeper.audio.activity import Activity, activity
from turnkeeper.audio.loudness import loudness

__all__ = ["RepairedTurn", "TurnOnChannel", "repair_ends"]

_BREAK_S = 0.25
_LONGEST_WORD_S = 1.5
_LATEST_S = 1.5


class TurnOnChannel(msgspec.Struct, frozen=True):
    """A turn whose ends are wanted: nominal audio milliseconds after offset and drift, and the speaker's channel."""

    start_ms: int
    end_ms: int
    channel: int
    word_starts_ms: tuple[int, ...] = ()


class RepairedTurn(msgspec.Struct, frozen=True):
    """New ends in audio milliseconds.

    ``repaired`` is False where nothing was heard. Then ``end_ms`` is the given end, and each word ends where the next
    one starts.
    """

    end_ms: int
    word_ends_ms: tuple[int, ...]
    repaired: bool


def repair_ends(
    blocks: Iterable[NDArray[np.int16]], rate: int, channels: int, turns: Sequence[TurnOnChannel]
) -> tuple[RepairedTurn, ...]:
    """An end for every turn of ``turns`` and for each of its words, in their order.

    An end lies after the start of the turn's last word, and before the next turn on the same channel begins.
    """
    audio = activity(loudness(blocks, rate, channels))
    by_start = sorted(range(len(turns)), key=lambda place: turns[place].start_ms)
    limits: dict[int, int] = {}
    following: dict[int, int] = {}
    # Backwards in time: the next turn of the same channel is then known when a turn is reached.
    for place in reversed(by_start):
        turn = turns[place]
        limits[place] = following.get(turn.channel, round(audio.loudness.duration_s * 1000))
        following[turn.channel] = turn.start_ms
    return tuple(_repair_turn(audio, turn, limits[place]) for place, turn in enumerate(turns))


def _repair_turn(audio: Activity, turn: TurnOnChannel, limit_ms: int) -> RepairedTurn:
    starts = turn.word_starts_ms or (turn.start_ms,)
    latest = min(limit_ms, max(turn.end_ms, starts[-1]) + round(_LATEST_S * 1000))
    end = _end_of_speech(audio, turn.channel, starts[-1], latest)
    if end is not None and latest < limit_ms and end > latest - round(_BREAK_S * 1000):
        end = None  # it never falls quiet: crosstalk from the other channel goes on
    repaired = end is not None
    # The last word lasts at least a millisecond, so that no span is empty.
    end_ms = max(end if end is not None else turn.end_ms, starts[-1] + 1)
    if not turn.word_starts_ms:
        return RepairedTurn(end_ms, (), repaired)
    ends = [_word_end(audio, turn.channel, start, following) for start, following in pairwise(starts)]
    return RepairedTurn(end_ms, (*ends, end_ms), repaired)


def _word_end(audio: Activity, channel: int, start_ms: int, next_ms: int) -> int:
    """The fall before the next word where there is one, at most 1.5 s after the start of the word."""
    latest = min(next_ms, start_ms + round(_LONGEST_WORD_S * 1000))
    end = _end_of_speech(audio, channel, start_ms, next_ms, break_s=0.06)
    return max(start_ms, min(end if end is not None else latest, next_ms))


def _end_of_speech(
    audio: Activity, channel: int, from_ms: int, until_ms: int, *, break_s: float = _BREAK_S
) -> int | None:
    """The end of the speech that is heard after ``from_ms``: the first quiet of ``break_s`` seconds, or
    ``until_ms``.
    """
    hop, begin = audio.loudness.hop_s, audio.loudness.start_s
    first = max(0, round((from_ms / 1000 - begin) / hop))
    last = min(audio.mask.shape[1], round((until_ms / 1000 - begin) / hop))
    speech = np.flatnonzero(audio.mask[channel, first:last] > 0)
    if not len(speech):
        return None
    # A pause within a word is shorter than ``break_s``; the first longer one ends the speech.
    pauses = np.flatnonzero(np.diff(speech) > break_s / hop)
    final = int(speech[pauses[0]] if len(pauses) else speech[-1])
    return min(until_ms, round((begin + (first + final + 0.5) * hop) * 1000))
