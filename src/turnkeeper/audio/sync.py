"""Decide whether this audio belongs to this transcript, and where exactly. Measures and gives evidence; changes
nothing.

The transcript says when each side begins to speak. The audio says when each channel rises out of quiet. A rough
position comes from correlating the two (``correlation``), unlisted cuts from dynamic programming (``turn_shifts``), and
the figures from a robust line through the differences between the onsets heard and the starts written
(``measurement``). All figures are relative to the speech recogniser's idea of where a word starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from turnkeeper.audio.activity import Activity, activity
from turnkeeper.audio.correlation import REACH_S
from turnkeeper.audio.durations import format_duration
from turnkeeper.audio.loudness import Loudness, loudness
from turnkeeper.audio.measurement import Measurement, measure
from turnkeeper.audio.turn_arrays import SIDES, Side, TurnArrays, turn_arrays

__all__ = ["Cut", "Evidence", "Sync", "Verdict", "compare_loudness", "synchronise", "with_losses"]

Verdict = Literal["verified", "corrected", "unverified", "mismatch"]
"""``verified``: as the metadata says. ``corrected``: measured reliably and different. ``unverified``: cannot tell.
``mismatch``: the audio of another conversation.
"""

TOLERANCE_MS = 60.0
"""Shifts up to this are "as the metadata says": where speech begins is itself only defined to about that."""

_LEAST_TURNS, _LEAST_AUDIO_S = 8, 5.0
_CUT_AT_MOST_S = 900.0
_DRIFT_SHOWS_MS, _DRIFT_ERRORS = 25.0, 4.0
_BIAS_MS = 5.0  # the bias of an onset by its definition and by noise, which does not average out over turns
_MISMATCH_TURNS, _MISMATCH_SNR_DB = 16, 12.0

# For each measure: hopeless, gate, sure. Set on calls of other seeds than those of the table in docs/sync.md.
_STEREO_RAMPS = {
    "turns_heard": (4.0, 8.0, 20.0),
    "score": (0.1, 0.35, 0.6),
    "margin": (0.05, 0.17, 0.4),
    "lead": (0.0, 0.05, 0.3),
    "matched_surely": (0.4, 0.65, 0.9),
    "own_channel_share": (0.5, 0.75, 0.95),
}
_MONO_RAMPS = {
    "turns_heard": (10.0, 20.0, 60.0),
    "score": (0.1, 0.25, 0.6),
    "lead": (0.0, 0.1, 0.4),
    "matched_surely": (0.4, 0.65, 0.9),
}
_WORDS = {
    "turns_heard": "too few turns begin after a silence, so there is little to compare",
    "score": "where the transcript has turns, little speech is heard",
    "margin": "it cannot be told which side is on which channel",
    "lead": "the transcript fits almost as well at another place of the recording",
    "matched_surely": "too few turns begin where speech is heard to begin",
    "own_channel_share": "much of what one side says is heard on the other side's channel",
}
_SILENT = "only one side can be heard: nobody speaks on channel {}"
_SILENT_SHARE, _SILENT_TURNS = 0.001, 3


class Cut(msgspec.Struct, frozen=True):
    """Nominal audio milliseconds ``[start_ms, end_ms)`` that are missing in the audio.

    The length is measured. The position is only known to lie in that silence of the transcript, and is centred in it.
    """

    start_ms: int
    end_ms: int


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the verdict rests on. Shares and scores are 0..1 (a score may be negative), errors are standard errors.

    ``score``: mean correlation of sides and channels. ``margin``: how much worse the channels fit when exchanged,
    wherever that fits best. ``rival``: the best score over 2 s away, without cuts. ``matched_share``: turns whose start
    is heard within 0.25 s, among ``turns_heard`` that begin after silence inside the audio. ``own_channel_share``:
    speech on the speaker's own channel while only that side speaks. ``residual_ms``: robust spread of the starts around
    the line. ``snr_db``: of the noisier channel.
    """

    reason: str
    score: float = 0.0
    margin: float = 0.0
    rival: float = 0.0
    matched_share: float = 0.0
    own_channel_share: float = 0.0
    residual_ms: float = 0.0
    offset_error_ms: float = 0.0
    drift_error_ppm: float = 0.0
    turns_heard: int = 0
    turns_used: int = 0
    snr_db: float = 0.0


class Sync(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``audio = nominal + offset + drift * nominal - cuts before``, where nominal is what the metadata says.

    ``channels`` names the side on each channel, in channel order; empty where it cannot be told. The integers
    ``offset_us`` and ``drift_ppb`` are the figures to apply. ``confidence`` is 0..1. ``incomplete`` says in words what
    is missing in the recording; the verdict is then ``unverified`` at best.
    """

    verdict: Verdict
    evidence: Evidence
    offset_ms: float = 0.0
    offset_us: int = 0
    drift_ppm: float = 0.0
    drift_ppb: int = 0
    channels: tuple[Side, ...] = ()
    swapped: bool = False
    confidence: float = 0.0
    cuts: tuple[Cut, ...] = ()
    incomplete: tuple[str, ...] = ()


def with_losses(sync: Sync, losses: Sequence[str]) -> Sync:
    """The same measurement for a recording in which sound is missing: never better than ``unverified``.

    The figures stay, because they hold for the part that is there. ``incomplete`` and the reason say what is missing.
    """
    if not losses:
        return sync
    found = replace(sync, incomplete=tuple(losses))
    if sync.verdict not in ("verified", "corrected"):
        return found
    reason = f"{losses[0]}; of what is there: {sync.evidence.reason}"
    return replace(found, verdict="unverified", evidence=replace(sync.evidence, reason=reason))


def synchronise(
    blocks: Iterable[NDArray[np.int16]],
    rate: int,
    channels: int,
    turns: Sequence[tuple[int, int, Side]],
    *,
    expected: tuple[Side, ...] = SIDES,
) -> Sync:
    """Measure ``turns`` (start_ms, end_ms, side; nominal audio time) against the audio, read once in ``blocks``.

    ``blocks`` are (channels, n) int16 as ``Audio.blocks`` gives them. ``expected`` is the side on each channel
    according to the platform (the external participant is on channel 0). Times before 0 and past the end are allowed: a
    transcript may begin before its recording. Raises no error of its own: what cannot be told is ``unverified``, with
    the reason.
    """
    if channels not in {1, 2}:
        return _not_measured(f"the audio has {channels} channels; one or two can be compared")
    return compare_loudness(loudness(blocks, rate, channels), turns, expected=expected)


def compare_loudness(
    heard: Loudness, turns: Sequence[tuple[int, int, Side]], *, expected: tuple[Side, ...] = SIDES
) -> Sync:
    """``synchronise`` for audio of one or two channels whose loudness is known already."""
    if heard.duration_s < _LEAST_AUDIO_S:
        return _not_measured(f"{heard.duration_s:.1f} s of audio are too short to compare")
    # A cut moves later turns forward, so turns from well behind the end of the audio may still be in it.
    last_ms = (heard.duration_s + _CUT_AT_MOST_S) * 1000
    nearby = turn_arrays([turn for turn in turns if turn[1] > -REACH_S * 1000 and turn[0] < last_ms])
    if len(nearby) < _LEAST_TURNS:
        return _not_measured(f"{len(nearby)} turns with times near the recording are too few to compare")
    audio = activity(heard)
    if not audio.mask.any():
        return _not_measured("no speech is heard in the audio")
    return _judge(audio, nearby, measure(audio, nearby), expected)


def _not_measured(reason: str) -> Sync:
    return Sync(verdict="unverified", evidence=Evidence(reason=reason))


def _judge(audio: Activity, turns: TurnArrays, found: Measurement, expected: tuple[Side, ...]) -> Sync:
    order = () if found.mono else tuple(side for _, side in sorted(zip(found.position.channels, SIDES, strict=True)))
    evidence = _evidence_of(audio, found)
    confidence, weakest = _confidence_and_weakness(evidence, mono=found.mono)
    if confidence < 0.5:
        # With one side unheard half of the turns cannot match, which would look like another conversation.
        silent = _silent_channel(audio, turns)
        verdict: Verdict = (
            "mismatch" if not silent and _is_other_conversation(evidence, mono=found.mono) else "unverified"
        )
        weakest = silent or weakest
        return Sync(verdict=verdict, evidence=replace(evidence, reason=weakest), confidence=confidence)
    swapped, cuts = not found.mono and order != expected, _measured_cuts(turns, found)
    differences = _differences_in_words(turns, found, cuts=len(cuts), swapped=swapped)
    reason = "; ".join(differences) or f"the sound is where the platform says, within {TOLERANCE_MS:.0f} ms"
    offset_us, drift_ppb = round(float(found.line.levels[0]) * 1e6), round(found.line.slope * 1e9)
    return Sync(
        verdict="corrected" if differences else "verified",
        evidence=replace(evidence, reason=reason),
        offset_ms=_to_tenths(offset_us),
        offset_us=offset_us,
        drift_ppm=_to_tenths(drift_ppb),
        drift_ppb=drift_ppb,
        channels=order,
        swapped=swapped,
        confidence=confidence,
        cuts=cuts,
    )


def _to_tenths(thousandths: int) -> float:
    """Thousandths rounded to one decimal for a reader. What rounds to zero has no sign."""
    return round(thousandths / 1000, 1) or 0.0


def _evidence_of(audio: Activity, found: Measurement) -> Evidence:
    line, heard, used = found.line, int(found.heard.sum()), int(found.used.sum())
    return Evidence(
        reason="",
        score=round(found.score, 3),
        margin=round(found.score - (found.position.score - found.position.margin), 3),
        rival=round(found.position.rival, 3),
        matched_share=round(used / heard, 3) if heard else 0.0,
        own_channel_share=round(found.own_share, 3),
        residual_ms=round(line.scale * 1000, 1),
        offset_error_ms=round(_error_ms(found), 1),
        drift_error_ppm=round(line.slope_error * 1e6, 1),
        turns_heard=heard,
        turns_used=used,
        snr_db=round(min(audio.snr_db), 1),
    )


def _error_ms(found: Measurement) -> float:
    """The standard error of the shift in the middle of the turns, where the drift adds nothing to it."""
    used = int(found.used.sum())
    return float(np.hypot(found.line.scale * 1000 / used**0.5, _BIAS_MS)) if used else 0.0


def _confidence_and_weakness(evidence: Evidence, *, mono: bool) -> tuple[float, str]:
    """The confidence (0.5 is the gate) and the weakest measure in words.

    Each measure is placed on a ramp from hopeless to sure, and the lowest counts.
    """
    values = msgspec.structs.asdict(evidence)
    # The winner's lead over the best other place: a transcript of yes and no fits almost anywhere.
    values["lead"] = evidence.score - evidence.rival
    # Few turns match by chance more easily: 0.5 / sqrt(n) is the widest standard error of a share of n.
    values["matched_surely"] = evidence.matched_share - 0.5 / max(1, evidence.turns_heard) ** 0.5
    ramps = _MONO_RAMPS if mono else _STEREO_RAMPS
    rated = [(float(np.interp(values[name], ends, (0.0, 0.5, 1.0))), name) for name, ends in ramps.items()]
    least, name = min(rated)
    return round(least, 3), _WORDS[name]


def _silent_channel(audio: Activity, turns: TurnArrays) -> str:
    """That a channel is silent although both sides speak in the transcript; empty where that is not so."""
    if len(audio.mask) < 2 or any((turns.side == side).sum() < _SILENT_TURNS for side in (0, 1)):
        return ""
    shares = [float((channel > 0).mean()) for channel in audio.mask]
    quiet = [number for number, share in enumerate(shares) if share < _SILENT_SHARE]
    return _SILENT.format(quiet[0]) if len(quiet) == 1 else ""


def _is_other_conversation(evidence: Evidence, *, mono: bool) -> bool:
    """Whether enough was heard, clearly enough, to say that the audio is of another conversation."""
    if mono or evidence.turns_heard < _MISMATCH_TURNS or evidence.snr_db < _MISMATCH_SNR_DB:
        return False
    # All three must be poor: a single poor measure may come from noise.
    return evidence.score < 0.3 and evidence.margin < 0.2 and evidence.matched_share < 0.5


def _differences_in_words(turns: TurnArrays, found: Measurement, *, cuts: int, swapped: bool) -> list[str]:
    """How the sound differs from the metadata; empty where the metadata is right within the tolerance."""
    line, differences = found.line, []
    middle_ms = float(np.median(line.at(turns.start, np.zeros(len(turns), dtype=np.int64)))) * 1000
    if abs(middle_ms) - 2 * _error_ms(found) > TOLERANCE_MS:
        way = "later" if middle_ms > 0 else "earlier"
        differences.append(f"the sound comes {format_duration(abs(middle_ms))} {way} than the platform says")
    # A drift is only worth telling where it adds up to something and is far beyond its own error.
    whole_ms = abs(line.slope) * float(turns.start[-1] - turns.start[0]) * 1000
    if whole_ms > _DRIFT_SHOWS_MS and abs(line.slope) > _DRIFT_ERRORS * line.slope_error:
        way = "falls behind" if line.slope > 0 else "gets ahead"
        differences.append(f"the recording {way}, by {format_duration(whole_ms)} until the end")
    if swapped:
        differences.append("the two sides are on exchanged channels")
    if cuts:
        differences.append("a stretch is missing" if cuts == 1 else f"{cuts} stretches are missing")
    return differences


def _measured_cuts(turns: TurnArrays, found: Measurement) -> tuple[Cut, ...]:
    """A fall of the shift between two segments is a cut, centred in the transcript's silence there."""
    cuts = []
    latest = np.maximum.accumulate(turns.end)
    for segment in range(1, len(found.line.levels)):
        length = float(found.line.levels[segment - 1] - found.line.levels[segment])
        turn = int(np.flatnonzero(found.segment == segment)[0])
        slack = float(turns.start[turn] - latest[turn - 1]) - length
        start_ms = round((float(latest[turn - 1]) + slack / 2) * 1000)
        cuts.append(Cut(start_ms, start_ms + round(length * 1000)))
    return tuple(cuts)
