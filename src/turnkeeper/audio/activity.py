"""Find speech on each channel from its loudness alone. Needs no transcript.

A channel counts as active where it is well above its own noise floor, not far below its own loud speech, and louder
than what can leak into it from the other channel.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from turnkeeper.audio.loudness import Loudness

__all__ = ["Activity", "activity"]

Levels = NDArray[np.float32]

_ABOVE_FLOOR_DB = 7.0
# Loud speech minus 30 dB: quieter syllables than that are not told from room noise and breathing.
_BELOW_LOUD_DB = 30.0
_ABOVE_LEAK_DB = 8.0
_SOFT_DB = 10.0
# Nobody talks for 25 s without a breath, so a window of that length always contains a moment of noise alone.
_FLOOR_REACH_S = 12
_ALIKE_DB = 1.0
# Just above the -80 dB at which ``loudness`` clips: muted lines and voice-activity detection give exact zeros.
_DIGITAL_SILENCE_DB, _LEAST_OPEN = -79.0, 0.1
_LONGEST_RUN_S, _BREAK_S = 4.0, 0.035


class Activity(msgspec.Struct, frozen=True):
    """Speech per channel. All arrays have the shape (channels, frames) and the frames of ``loudness``.

    ``least`` is the level in dB above which a frame counts as speech. ``mask`` says how surely it does, from 0 to 1: it
    rises over 10 dB and is 0 in music. ``loud_db`` is the level of each channel's loud speech. ``snr_db`` is how far
    the channel's speech lies above its noise. ``alike`` is True where both channels carry the same sound.
    """

    loudness: Loudness
    least: Levels
    mask: Levels
    loud_db: tuple[float, ...]
    snr_db: tuple[float, ...]
    alike: bool


def activity(audio: Loudness) -> Activity:
    """Find speech in the loudness of one or two channels."""
    levels = audio.levels
    if not levels.shape[1]:
        nothing = (0.0,) * len(levels)
        return Activity(audio, levels, levels, nothing, nothing, alike=False)
    # The floor follows the noise over time: a caller walks, a car starts, a codec changes.
    floor = np.stack([_noise_floor(channel, audio.hop_s) for channel in levels])
    loud = [_loud_level(channel, low) for channel, low in zip(levels, floor, strict=True)]
    own = np.maximum(floor + np.float32(_ABOVE_FLOOR_DB), np.array(loud, dtype=np.float32)[:, None] - _BELOW_LOUD_DB)
    alike = len(levels) == 2 and _carry_same_sound(levels, own)
    least = own
    if len(levels) == 2 and not alike:
        # Crosstalk puts one side's voice on the other channel, above its noise: it must not count as speech there.
        leaks = [_leak_level(levels[channel], levels[1 - channel], loud[1 - channel]) for channel in (0, 1)]
        least = np.maximum(own, np.stack(leaks))
    # A soft edge: a frame just above the threshold is weak evidence, and a hard one would make it count fully.
    mask = np.clip((levels - least) / _SOFT_DB, 0, 1)
    mask = np.stack([_without_long_runs(channel, audio.hop_s) for channel in mask])
    snr = tuple(_speech_snr_db(channel, low, here) for channel, low, here in zip(levels, floor, mask, strict=True))
    return Activity(audio, least, mask, tuple(loud), snr, alike)


def _carry_same_sound(levels: Levels, least: Levels) -> bool:
    """Whether two channels carry the same sound.

    Only frames in which somebody is heard are compared: digital silence is the same on every channel.
    """
    audible = (levels > least).any(0)
    return bool(audible.any() and np.median(np.abs(levels[0] - levels[1])[audible]) < _ALIKE_DB)


def _noise_floor(channel: Levels, hop_s: float) -> Levels:
    """The noise floor per frame in dB: the tenth percentile of each second, then the minimum over 12 seconds on either
    side.

    Digital silence does not count as noise. Where a line is muted or gated, its noise is what is heard while it is
    open.
    """
    second = max(1, round(1 / hop_s))
    count = max(1, len(channel) // second)
    whole = channel[: count * second] if len(channel) >= second else channel
    low = _low_percentiles(whole.reshape(count, -1)) if whole.size else np.zeros(1)
    padded = np.pad(low, _FLOOR_REACH_S, mode="edge")
    low = np.lib.stride_tricks.sliding_window_view(padded, 2 * _FLOOR_REACH_S + 1).min(axis=1)
    places = (np.arange(len(channel)) - second / 2) / second
    return np.asarray(np.interp(places, np.arange(count), low), dtype=np.float32)


def _low_percentiles(seconds: Levels) -> NDArray[np.float64]:
    """The tenth percentile of each second, without the frames of digital silence.

    A second that is nearly all silence gets no value of its own: infinity, which the sliding minimum skips. Where a
    whole neighbourhood is silent, silence is the floor there.
    """
    audible = seconds > _DIGITAL_SILENCE_DB
    silent = ~audible.any(1) | (audible.sum(1) < _LEAST_OPEN * seconds.shape[1])
    low = np.asarray(np.percentile(seconds, 10, axis=1), dtype=np.float64)
    for row in np.flatnonzero(~silent & ~audible.all(1)):
        low[row] = np.percentile(seconds[row, audible[row]], 10)
    if silent.all():
        return low
    # Infinity is the neutral element of the minimum that is taken over the neighbourhood afterwards.
    low[silent] = np.inf
    reach = np.lib.stride_tricks.sliding_window_view(
        np.pad(low, _FLOOR_REACH_S, constant_values=np.inf), 2 * _FLOOR_REACH_S + 1
    ).min(axis=1)
    low[np.isinf(low) & np.isinf(reach)] = float(seconds.min())
    return low


def _loud_level(channel: Levels, floor: Levels) -> float:
    """The 90th percentile of the frames that lie above the noise floor."""
    above = channel[channel > floor + _ABOVE_FLOOR_DB]
    return float(np.percentile(above, 90)) if above.size else 0.0


def _leak_level(channel: Levels, other: Levels, loud: float) -> Levels:
    """The level that the other channel can cause here by crosstalk.

    It is the other channel's level, less the difference that is usual while the other side speaks, plus a margin.
    """
    reach = 3
    around = np.lib.stride_tricks.sliding_window_view(np.pad(other, reach, mode="edge"), 2 * reach + 1).max(axis=1)
    # Crosstalk can only be estimated while the other side speaks clearly: within 15 dB of its loud speech.
    speaking = around > loud - 15
    if not speaking.any():
        return np.full_like(channel, -np.inf)
    # A low percentile: where both sides speak at once, the difference says nothing about crosstalk.
    usual = np.percentile((channel - around)[speaking], 30)
    return np.asarray(around + np.float32(usual + _ABOVE_LEAK_DB), dtype=np.float32)


def _without_long_runs(mask: Levels, hop_s: float) -> Levels:
    """The mask without sound that goes on for more than 4 s: music and tones. Speech has a gap every second or two."""
    active = np.flatnonzero(mask > 0)
    if not active.size:
        return mask
    gaps = np.flatnonzero(np.diff(active) > _BREAK_S / hop_s)
    first, last = active[np.concatenate([[0], gaps + 1])], active[np.concatenate([gaps, [-1]])]
    shortened = mask.copy()
    for begin, end in zip(first, last, strict=True):
        if (end - begin) * hop_s > _LONGEST_RUN_S:
            shortened[begin : end + 1] = 0
    return shortened


def _speech_snr_db(channel: Levels, floor: Levels, mask: Levels) -> float:
    """The power of the speech frames, less the noise's power, over the usual noise level, in dB."""
    speech, noise = channel[mask > 0], channel[mask == 0]
    # All speech or none: no ratio can be measured, and 0 dB keeps the verdict cautious.
    if not speech.size or not noise.size:
        return 0.0
    power = float(np.mean(10 ** (speech / 10))) - float(10 ** (np.median(noise) / 10))
    return float(10 * np.log10(max(power, 1e-9)) - np.median(np.minimum(noise, floor[mask == 0] + 3)))
