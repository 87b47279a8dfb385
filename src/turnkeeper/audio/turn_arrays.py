"""Who says when, as arrays: the transcript's half of the comparison with the sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["SIDES", "Side", "TurnArrays", "turn_arrays"]

Side = Literal["customer", "agent"]
"""The external participant, or anybody on the internal side: agent, ivr, acd, bot, system."""

SIDES: tuple[Side, Side] = ("customer", "agent")

Values = NDArray[np.float64]


class TurnArrays(msgspec.Struct, frozen=True):
    """Turns in order of their start: seconds of nominal audio time, and the side as an index into ``SIDES``."""

    start: Values
    end: Values
    side: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    def free(self, quiet_s: float) -> NDArray[np.bool_]:
        """Turns before which their own side is silent for ``quiet_s`` seconds. Only the start of those can be heard."""
        free = np.ones(len(self), dtype=bool)
        for side in (0, 1):
            own = np.flatnonzero(self.side == side)
            if len(own) > 1:
                free[own[1:]] = self.start[own[1:]] - np.maximum.accumulate(self.end[own])[:-1] >= quiet_s
        return free

    def gaps(self) -> Values:
        """Seconds from the end of everything said before to each turn's start; infinite for the first."""
        latest = np.maximum.accumulate(self.end)
        return np.concatenate([[np.inf], self.start[1:] - latest[:-1]])

    def masks(self, first_s: float, frame_s: float, count: int, stretch: float) -> NDArray[np.float32]:
        """An array (2, count): 1 where a side speaks.

        Frame 0 is at ``first_s``; times are multiplied by ``stretch``.
        """
        masks = np.zeros((2, count + 1), dtype=np.float32)
        low = np.clip(np.rint((self.start * stretch - first_s) / frame_s), 0, count).astype(int)
        high = np.clip(np.rint((self.end * stretch - first_s) / frame_s), 0, count).astype(int)
        # +1 at each start and -1 at each end; the running sum is then the number of turns open at a frame.
        np.add.at(masks, (self.side, low), 1)
        np.add.at(masks, (self.side, high), -1)
        return np.asarray(np.minimum(np.cumsum(masks, axis=1)[:, :count], 1), dtype=np.float32)


def turn_arrays(turns: Sequence[tuple[int, int, Side]]) -> TurnArrays:
    """Arrays from ``turns`` as (start_ms, end_ms, side), in any order.

    Turns that end before they begin are left out.
    """
    valid = sorted(turn for turn in turns if turn[1] > turn[0])
    start, end = (np.array([turn[place] for turn in valid], dtype=np.float64) / 1000 for place in (0, 1))
    return TurnArrays(start, end, np.array([SIDES.index(turn[2]) for turn in valid], dtype=np.int64))
