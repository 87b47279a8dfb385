"""One call measured: the verdict, and how far the figures are from the truth."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.sync.calls import Call
from turnkeeper.audio.sync import Sync, synchronise
from turnkeeper.audio.turn_arrays import Side

__all__ = ["Trial", "against", "trial"]


@dataclass(frozen=True)
class Trial:
    """Errors of the start of every turn inside the recording (figures applied to its true nominal start), in ms.

    ``offset_ms`` is the size of their median, ``worst_ms`` of the largest, ``close`` the share within 100 ms.
    """

    sync: Sync
    seconds: float
    minutes: float
    offset_ms: float
    worst_ms: float
    drift_ppm: float
    close: float
    channel_right: bool
    cuts_right: bool

    @property
    def accepted(self) -> bool:
        """Whether the tool stands by its figures."""
        return self.sync.verdict in {"verified", "corrected"}


def against(call: Call, turns: Sequence[tuple[int, int, Side]]) -> tuple[Sync, float]:
    """``turns`` on the audio of ``call``, and the seconds that took."""
    began = time.perf_counter()
    found = synchronise(call.blocks(), call.rate, len(call.audio), turns)
    return found, time.perf_counter() - began


def trial(call: Call) -> Trial:
    """The call's own transcript on its own audio."""
    found, seconds = against(call, call.turns)
    nominal = call.nominal_s
    gone = sum(((cut.end_ms - cut.start_ms) / 1000 * (nominal * 1000 >= cut.start_ms) for cut in found.cuts), 0.0)
    there = nominal * (1 + found.drift_ppb / 1e9) + found.offset_us / 1e6 - gone
    inside = (call.truth_s > 0) & (call.truth_s < call.audio.shape[1] / call.rate)
    error = (there - call.truth_s)[inside] * 1000
    sides: tuple[Side, ...] = ("customer", "agent") if call.customer_channel == 0 else ("agent", "customer")
    return Trial(
        sync=found,
        seconds=seconds,
        minutes=call.audio.shape[1] / call.rate / 60,
        offset_ms=float(abs(np.median(error))),
        worst_ms=float(np.abs(error).max()),
        drift_ppm=abs(found.drift_ppb / 1e3 - call.drift * 1e6),
        close=float((np.abs(error) < 100).mean()),
        channel_right=len(call.audio) == 1 or found.channels == sides,
        cuts_right=len(found.cuts) == call.cuts,
    )
