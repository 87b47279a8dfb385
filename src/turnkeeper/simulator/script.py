"""The script of one conversation: who took part, who said what and when. All documents are made from it.

A script depends on seed and index only. Times are integer milliseconds from the conversation's start.
"""

from __future__ import annotations

from dataclasses import dataclass

from turnkeeper.simulator.scenarios import ScenarioVariant


@dataclass(frozen=True, slots=True)
class ScriptWord:
    """One recognised word."""

    text: str
    start: int
    end: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Party:
    """One participant. Internal parties never overlap each other, so that time alone tells who spoke."""

    ordinal: int
    purpose: str
    name: str
    id: str
    communication: str
    user: str | None
    queue: str | None
    spans: tuple[tuple[int, int], ...]

    @property
    def external(self) -> bool:
        """Whether this is the customer's side of the line."""
        return self.purpose in ("customer", "external")

    @property
    def role(self) -> str:
        """The role that a reader must determine."""
        return {"external": "customer", "user": "agent"}.get(self.purpose, self.purpose)

    @property
    def start(self) -> int:
        """When the party joined."""
        return self.spans[0][0]

    @property
    def end(self) -> int:
        """When the party left."""
        return self.spans[-1][1]


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """One turn. start and end are None in digital conversations; ``spoken`` are words whose times are known."""

    start: int | None
    end: int | None
    text: str
    decorated: str | None
    party: int
    confidence: float | None
    language: str
    pace: int
    word_ms: int
    spoken: tuple[ScriptWord, ...] = ()

    @property
    def words(self) -> tuple[ScriptWord, ...]:
        """The words with their times; none where the line has no time."""
        if self.spoken:
            return self.spoken
        if self.start is None or self.confidence is None:
            return ()
        return tuple(
            ScriptWord(
                text, self.start + n * self.pace, self.start + n * self.pace + self.word_ms, self._word_confidence(n)
            )
            for n, text in enumerate(self.text.split())
        )

    def _word_confidence(self, n: int) -> float:
        return round(min(1.0, (self.confidence or 0.0) + (n * 37 % 11 - 5) / 200), 3)


@dataclass(frozen=True, slots=True)
class Passage:
    """One entry of a file's ``transcripts[]``: a language and its lines."""

    language: str
    lines: tuple[ScriptLine, ...]


@dataclass(frozen=True, slots=True)
class ScriptLeg:
    """One communication that has a transcript file of its own."""

    party: int
    start: int
    end: int
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """Everything about one conversation."""

    index: int
    id: str
    variant: ScenarioVariant
    began: int
    lasting: int
    media_type: str
    direction: str
    parties: tuple[Party, ...]
    lines: tuple[ScriptLine, ...]
    legs: tuple[ScriptLeg, ...]
    holds: tuple[tuple[int, int], ...]
    wrapup: str | None

    @property
    def scenario(self) -> str:
        """The scenario's name."""
        return self.variant.scenario

    @property
    def ended(self) -> int:
        """Epoch milliseconds of the conversation's end."""
        return self.began + self.lasting

    def leg_of(self, communication: str) -> int | None:
        """Which leg a communication id names, None where that leg has no transcript."""
        for ordinal, leg in enumerate(self.legs):
            if self.parties[leg.party].communication == communication:
                return ordinal
        return None
