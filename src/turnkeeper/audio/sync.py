"""Does this audio belong to this transcript, and where exactly? A measurement with its evidence; it changes nothing.

The transcript says when each side begins to speak. The audio says when each channel rises out of quiet. A rough position
comes from correlating the two (``correlation``), unannounced cuts from dynamic programming (``cuts``), and the figures
from a robust line through the differences between the onsets heard and the starts written (``onsets``, ``line``).
All figures are relative to the speech recogniser's idea of where a word starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from turnkeeper.audio.activity import Activity, activity
from turnkeeper.audio.correlation import Position, position
from turnkeeper.audio.cuts import shifts
from turnkeeper.audio.line import Line, fit
from turnkeeper.audio.loudness import loudness
from turnkeeper.audio.onsets import onsets
from turnkeeper.audio.parts import Parts, Side, parts, sides

__all__ = ["Cut", "Evidence", "Sync", "Verdict", "synchronise"]

Values = NDArray[np.float64]

Verdict = Literal["verified", "corrected", "unverified", "mismatch"]
"""As the metadata says; measured reliably and different; cannot tell; this audio is not this transcript."""

TOLERANCE_MS = 60.0
_WINDOWS_S = (0.6, 0.3, 0.25)
_QUIET_S = 0.3
_DRIFT_FROM_S, _DRIFT_FROM_TURNS = 150.0, 20
_SPREAD_S = 0.008
_BIAS_MS = 5.0


class Cut(msgspec.Struct, frozen=True):
    """Nominal audio milliseconds ``[start_ms, end_ms)`` that are missing in the audio.

    The length is measured; the position is only known to lie in that silence of the transcript, and centred there.
    """

    start_ms: int
    end_ms: int


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the verdict rests on. Shares and scores are 0..1 (a score may be negative), errors are standard errors.

    ``score``: mean correlation of sides and channels; ``margin``: how much worse the channels fit exchanged; ``rival``:
    the best score elsewhere; ``matched_share``: turns whose start is heard within 0.25 s, among ``turns_heard`` that begin
    after silence inside the audio; ``own_channel_share``: speech heard on the speaker's own channel while only that side
    speaks; ``residual_ms``: robust spread of the starts around the line; ``snr_db``: of the noisier channel.
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
    """``audio = nominal + offset + drift * nominal - cuts before``, nominal being what the metadata says.

    ``channels`` names the side on each channel, in channel order; empty where it cannot be told. The integers
    ``offset_us`` and ``drift_ppb`` are the figures to apply; ``confidence`` is 0..1.
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
