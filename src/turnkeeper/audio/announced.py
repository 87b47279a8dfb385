"""How long the platform says that a recording is, and which of its pauses are missing in the sound. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from turnkeeper.audio.length import apart, clock
from turnkeeper.model import Pause, Recording
from turnkeeper.payloads.recordings import OUTPUT_DURATION

__all__ = ["Account", "account"]

_HOLD = "Hold"


@dataclass(frozen=True)
class Account:
    """What the platform's account means for a sound of a known length.

    ``cuts`` are the pauses that the sound lacks. ``by_output`` and ``by_clock`` say in words that the sound is not as
    long as the platform's ``outputDurationMs``, or its start and end less the pauses; empty where it is, or where the
    platform tells nothing. ``expected_ms`` is the length by start and end.
    """

    cuts: tuple[Pause, ...]
    notes: tuple[str, ...] = ()
    by_output: str = ""
    by_clock: str = ""
    lasts_ms: float = 0.0
    expected_ms: float | None = None
    confirmed: bool = False

    def losses(self, measured_cuts_ms: float = 0.0) -> tuple[str, ...]:
        """Why sound is missing, as far as the platform's account tells.

        Where ``outputDurationMs`` confirms the length, stretches that the comparison with the transcript found to be
        cut out (``measured_cuts_ms``) explain a difference to the clock on the wall.
        """
        if self.by_output:
            return (self.by_output,)
        explained = (
            self.confirmed
            and measured_cuts_ms > 0
            and self.expected_ms is not None
            and not apart(self.lasts_ms + measured_cuts_ms, self.expected_ms)
        )
        return (self.by_clock,) if self.by_clock and not explained else ()


def account(told: Recording, lasts_ms: float) -> Account:
    """Hold a sound of ``lasts_ms`` against the platform's ``told``.

    Secure pauses are cut out of the sound. Whether holds are recorded is the organisation's choice, which no answer
    tells (vendor-facts-2, table M), so the length decides: the time from start to end less what was cut out is the
    length of the sound.
    """
    confirmed = told.duration_ms is not None and not apart(told.duration_ms, lasts_ms)
    by_output = ""
    if told.duration_ms is not None and not confirmed:
        by_output = (
            f"the sound lasts {clock(lasts_ms)}, the platform says {clock(told.duration_ms)} ({OUTPUT_DURATION})"
        )
    usual = tuple(one for one in told.pauses if one.reason != _HOLD)
    if told.start is None or told.end is None or told.end <= told.start:
        return Account(usual, by_output=by_output, lasts_ms=lasts_ms, confirmed=confirmed)
    wall = told.end - told.start
    for note, cuts in _readings(told.pauses, usual):
        if not apart(wall - _covered(cuts), lasts_ms):
            return Account(tuple(cuts), note, by_output, "", lasts_ms, wall - _covered(cuts), confirmed)
    expected = wall - _covered(usual)
    said = f"the sound lasts {clock(lasts_ms)}, by the platform's start and end it should last {clock(expected)}"
    return Account(usual, (), by_output, said, lasts_ms, expected, confirmed)


def _readings(pauses: Sequence[Pause], usual: Sequence[Pause]) -> Iterable[tuple[tuple[str, ...], Sequence[Pause]]]:
    yield (), usual
    if len(usual) < len(pauses):
        yield ("by its length, holds were not recorded either",), pauses
    if pauses:
        yield ("by its length, the announced pauses are in the audio",), ()


def _covered(pauses: Iterable[Pause]) -> int:
    """Milliseconds in pauses, what overlaps counted once."""
    total, until = 0, -(1 << 62)
    for one in sorted(pauses, key=lambda pause: pause.start_ms):
        total += max(0, one.end_ms - max(one.start_ms, until))
        until = max(until, one.end_ms)
    return total
