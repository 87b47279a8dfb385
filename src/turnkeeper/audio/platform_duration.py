"""Compare a sound's length with the platform's account of the recording, and find which pauses were cut out of the
sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from turnkeeper.audio.durations import format_duration, lengths_differ
from turnkeeper.model import Pause, Recording
from turnkeeper.payloads.recordings import OUTPUT_DURATION

__all__ = ["DurationCheck", "check_duration"]

_HOLD = "Hold"


@dataclass(frozen=True)
class DurationCheck:
    """What the platform's account means for a sound of a known length.

    ``cuts`` are the pauses that the sound lacks. ``by_output`` and ``by_clock`` say in words that the sound is not as
    long as the platform's ``outputDurationMs``, or as its start and end less the pauses. They are empty where it is,
    and where the platform says nothing. ``expected_ms`` is the length by start and end. ``confirmed`` says that
    ``outputDurationMs`` agrees.
    """

    cuts: tuple[Pause, ...]
    notes: tuple[str, ...] = ()
    by_output: str = ""
    by_clock: str = ""
    lasts_ms: float = 0.0
    expected_ms: float | None = None
    confirmed: bool = False

    def losses(self, measured_cuts_ms: float = 0.0) -> tuple[str, ...]:
        """Why sound is missing, as far as the platform's account shows it.

        Where ``outputDurationMs`` confirms the length, cuts that the comparison with the transcript measured
        (``measured_cuts_ms``) explain a difference between start and end.
        """
        if self.by_output:
            return (self.by_output,)
        explained = (
            self.confirmed
            and measured_cuts_ms > 0
            and self.expected_ms is not None
            and not lengths_differ(self.lasts_ms + measured_cuts_ms, self.expected_ms)
        )
        return (self.by_clock,) if self.by_clock and not explained else ()


def check_duration(recording: Recording, lasts_ms: float) -> DurationCheck:
    """Compare the length of the decoded sound, ``lasts_ms``, with what the platform says of the recording.

    Secure pauses are always cut out of the sound. Whether holds are recorded is a setting of the organisation that no
    API answer contains. So the length decides which pauses were cut: the time from start to end without the cuts has
    to be the length of the sound.
    """
    lasts = format_duration(lasts_ms)
    confirmed = recording.duration_ms is not None and not lengths_differ(recording.duration_ms, lasts_ms)
    by_output = ""
    if recording.duration_ms is not None and not confirmed:
        named = format_duration(recording.duration_ms)
        by_output = f"the sound lasts {lasts}, the platform says {named} ({OUTPUT_DURATION})"
    usual = tuple(pause for pause in recording.pauses if pause.reason != _HOLD)
    # Without a usable start and end nothing shows which pauses were cut, so the usual ones are taken.
    if recording.start is None or recording.end is None or recording.end <= recording.start:
        return DurationCheck(usual, by_output=by_output, lasts_ms=lasts_ms, confirmed=confirmed)
    wall_ms = recording.end - recording.start
    # The first reading that explains the length wins; they are tried from the most to the least usual one.
    for note, cuts in _possible_cuts(recording.pauses, usual):
        expected_ms = wall_ms - _union_ms(cuts)
        if not lengths_differ(expected_ms, lasts_ms):
            return DurationCheck(tuple(cuts), note, by_output, "", lasts_ms, expected_ms, confirmed)
    expected_ms = wall_ms - _union_ms(usual)
    expected = format_duration(expected_ms)
    by_clock = f"the sound lasts {lasts}, by the platform's start and end it should last {expected}"
    return DurationCheck(usual, (), by_output, by_clock, lasts_ms, expected_ms, confirmed)


def _possible_cuts(
    pauses: Sequence[Pause], usual: Sequence[Pause]
) -> Iterable[tuple[tuple[str, ...], Sequence[Pause]]]:
    """The sets of pauses that may have been cut, the most likely first, each with the notes that it calls for."""
    yield (), usual
    if len(usual) < len(pauses):
        yield ("by its length, holds were not recorded either",), pauses
    if pauses:
        yield ("by its length, the announced pauses are in the audio",), ()


def _union_ms(pauses: Iterable[Pause]) -> int:
    """Milliseconds covered by pauses; overlaps count once."""
    total, until = 0, -(1 << 62)
    for pause in sorted(pauses, key=lambda pause: pause.start_ms):
        total += max(0, pause.end_ms - max(pause.start_ms, until))
        until = max(until, pause.end_ms)
    return total
