"""The scenarios of conversations, and the choice of one for each index.

The first twenty-five indices show every scenario. After that the choice is random with weights.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["done", "absent", "late", "unread"]

PLAIN = "plain"
"""A greeting by the IVR, the queue, one agent, one customer."""
TRANSFER = "transfer"
"""A second agent takes over: a second communication with a transcript file of its own."""
CONSULT = "consult"
"""The agent asks a colleague on the line: a third internal participant."""
OVERTALK = "overtalk"
"""Customer and agent talk over each other."""
BILINGUAL = "several-transcripts"
"""Two entries of transcripts[] in one file: the flow in es-US, then the agent in en-US."""
SPANISH = "spanish"
"""Everything in es-US, accents included."""
UNDECORATED = "undecorated"
"""Phrases without decoratedText."""
NOVEL = "unknown-fields"
"""Fields nobody has seen before, at several levels."""
EMPTY = "empty"
"""A transcript of no phrases at all."""
MESSAGE = "message"
"""A digital conversation: phrases without times, words or confidence."""
HOLD = "hold"
"""Minutes of silence while the agent holds the line."""
STAMPED = "stamped-words"
"""Every word stamped 80 ms long; some phrases have no duration."""
NEGATIVE = "negative-start"
"""The leg starts 37 to 52 ms before the conversation does."""
OUTBOUND = "outbound"
"""The agent calls; the other side is purpose external."""
OFFSETS = "offset-times"
"""startTimeMs counted from the start instead of from 1970."""
DUPLICATED = "duplicate-legs"
"""The same phrases in the files of two communications."""
LONG = "long"
"""Hundreds of turns: the media document is too large to be inline."""
LATE = "late"
"""Not ready until a minute, an hour or three days have gone by."""
ABSENT = "absent"
"""Never transcribed."""
UNREAD = "unread"
"""A body that cannot be right."""
ABANDONED = "abandoned"
"""The customer hangs up while the IVR is talking."""

SCENARIOS: tuple[str, ...] = (
    PLAIN, TRANSFER, CONSULT, OVERTALK, BILINGUAL, SPANISH, UNDECORATED, NOVEL, EMPTY, MESSAGE, HOLD, STAMPED,
    NEGATIVE, OUTBOUND, OFFSETS, DUPLICATED, LONG, LATE, ABSENT, UNREAD, ABANDONED,
)  # fmt: skip
_OPENING = (PLAIN, PLAIN, *SCENARIOS, LATE, UNREAD)
_WEIGHTS = (46, 7, 3, 5, 3, 6, 3, 3, 1, 5, 4, 4, 2, 4, 2, 2, 1, 3, 4, 2, 3)

LATENESS_MS = (60_000, 3_600_000, 3 * 86_400_000)
BREAKAGES = ("truncated-json", "wrong-type", "unknown-shape", "end-before-start", "nan")
IN_ONE_TURN = ("wrong-type", "end-before-start")
"""Breakages of one field of one turn: the others are read, and that one as far as it can be."""


@dataclass(frozen=True, slots=True)
class ScenarioVariant:
    """A scenario with the number of its variant."""

    scenario: str
    number: int

    @property
    def outcome(self) -> Outcome:
        """The final state that a correct exporter must reach."""
        if self.scenario == LATE:
            return "late"
        if self.scenario == ABSENT:
            return "absent"
        return "unread" if self.scenario == UNREAD and self.breakage not in IN_ONE_TURN else "done"

    @property
    def lateness_ms(self) -> int:
        """How long after its end the transcript becomes ready; 0 where it is ready at once."""
        return LATENESS_MS[self.number % len(LATENESS_MS)] if self.scenario == LATE else 0

    @property
    def breakage(self) -> str | None:
        """The way in which the body is corrupt, or None."""
        return BREAKAGES[self.number % len(BREAKAGES)] if self.scenario == UNREAD else None


def choose_scenario(seed: int, index: int) -> ScenarioVariant:
    """Choose the scenario of an index."""
    if index < len(_OPENING):
        scenario = _OPENING[index]
        return ScenarioVariant(scenario, _OPENING[:index].count(scenario))
    dice = random.Random(f"{seed}:{index}:scenario")
    scenario = dice.choices(SCENARIOS, _WEIGHTS)[0]
    return ScenarioVariant(scenario, dice.randrange(60))
