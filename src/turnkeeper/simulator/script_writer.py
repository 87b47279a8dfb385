"""Write the scripts of conversations from a seeded random generator.

All contents of conversations are decided here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from turnkeeper.simulator import phrases, scenarios
from turnkeeper.simulator.ids import IdKind, Ids
from turnkeeper.simulator.people import People
from turnkeeper.simulator.scenarios import ScenarioVariant
from turnkeeper.simulator.schedule import ConversationSchedule
from turnkeeper.simulator.script import Party, Passage, Script, ScriptLeg, ScriptLine


@dataclass(frozen=True, slots=True)
class Plot:
    """The properties of a scenario. The defaults are those of a plain call."""

    language: str = phrases.EN
    flow_language: str = ""
    turns: tuple[int, int] = (6, 16)
    flow: bool = True
    agents: int = 1
    consult: bool = False
    overtalk: bool = False
    hold: bool = False
    timed: bool = True
    stamped: bool = False
    decorated: bool = True
    early: bool = False


_PLAIN = Plot()
_PLOTS = {
    scenarios.TRANSFER: Plot(agents=2),
    scenarios.DUPLICATED: Plot(),
    scenarios.CONSULT: Plot(consult=True),
    scenarios.OVERTALK: Plot(overtalk=True),
    scenarios.BILINGUAL: Plot(flow_language=phrases.ES),
    scenarios.SPANISH: Plot(language=phrases.ES),
    scenarios.UNDECORATED: Plot(decorated=False),
    scenarios.MESSAGE: Plot(flow=False, timed=False),
    scenarios.HOLD: Plot(hold=True),
    scenarios.STAMPED: Plot(stamped=True),
    scenarios.NEGATIVE: Plot(early=True),
    scenarios.OUTBOUND: Plot(flow=False),
    scenarios.LONG: Plot(turns=(520, 560)),
    scenarios.ABANDONED: Plot(agents=0),
}


class ScriptWriter:
    """Writes the script of any index of one simulation."""

    def __init__(self, seed: int, ids: Ids, people: People, schedule: ConversationSchedule) -> None:
        self._seed = seed
        self._ids = ids
        self._people = people
        self._schedule = schedule

    def write(self, index: int, *, plain: bool = False) -> Script:
        """Return the script of one index. It is always the same. With ``plain`` it is a plain call."""
        variant = ScenarioVariant(scenarios.PLAIN, 0) if plain else scenarios.choose_scenario(self._seed, index)
        # Each index has its own generator, so that a script does not depend on the order of calls.
        builder = _ScriptBuilder(random.Random(f"{self._seed}:{index}:script"), index, variant, self._ids, self._people)
        return builder.build(self._schedule.began(index))


class _ScriptBuilder:
    """Builds one script: the current time, the participants so far, and the lines so far."""

    def __init__(self, dice: random.Random, index: int, variant: ScenarioVariant, ids: Ids, people: People) -> None:
        self._dice = dice
        self._index = index
        self._variant = variant
        self._ids = ids
        self._people = people
        self._plot = _PLOTS.get(variant.scenario, _PLAIN)
        self._now = -dice.randrange(37, 53) if self._plot.early else 0
        self._language = self._plot.flow_language or self._plot.language
        self._parties: list[Party] = []
        self._lines: list[ScriptLine] = []
        self._holds: list[tuple[int, int]] = []
        self._handover: int | None = None

    def build(self, began: int) -> Script:
        """Go through the parts of the call in order, and return the script."""
        self._enter_customer()
        if self._plot.flow:
            self._play_flow()
        self._language = self._plot.language
        for number in range(self._plot.agents):
            self._play_agent(number)
        return self._finish(began)

    def _enter_customer(self) -> None:
        outbound = self._variant.scenario == scenarios.OUTBOUND
        name = self._dice.choice(self._people.customers)
        self._enter("external" if outbound else "customer", name)

    def _play_flow(self) -> None:
        ivr = self._enter("ivr", "Main flow")
        for _ in range(3):
            self._speak_line(ivr)
        self._speak_line(0)
        self._speak_line(ivr)
        self._leave(ivr)
        if self._plot.agents:
            acd = self._enter("acd", "Queue", queue=self._dice.choice(self._people.queues).id)
            for _ in range(self._dice.randrange(1, 3)):
                self._speak_line(acd)
            self._leave(acd)

    def _play_agent(self, number: int) -> None:
        if number:
            self._handover = len(self._lines)
        user = self._people.users[(self._index + number) % len(self._people.users)]
        purpose = "user" if self._variant.scenario == scenarios.OUTBOUND else "agent"
        queue = self._dice.choice(self._people.queues).id
        agent = self._enter(purpose, user.name, user=user.id, queue=queue)
        self._play_talk(agent)
        if self._plot.hold:
            self._play_hold()
            self._play_talk(agent)
        if self._plot.consult:
            self._play_consult(agent)
        self._leave(agent)

    def _play_talk(self, agent: int) -> None:
        speaker = agent
        for _ in range(self._dice.randint(*self._plot.turns)):
            self._speak_line(speaker)
            # People also take two turns in a row.
            if self._dice.random() < 0.85:
                speaker = 0 if speaker == agent else agent

    def _play_hold(self) -> None:
        start = self._now
        self._now += self._dice.randrange(120_000, 300_000)
        self._holds.append((start, self._now))

    def _play_consult(self, agent: int) -> None:
        # The first agent leaves and returns, so that the times still determine who speaks.
        self._leave(agent)
        user = self._people.users[(self._index + 5) % len(self._people.users)]
        expert = self._enter("agent", user.name, user=user.id)
        for _ in range(3):
            self._speak_line(expert)
            self._speak_line(0)
        self._leave(expert)
        known = self._parties[agent]
        self._parties[agent] = replace(known, spans=(*known.spans, (self._now, self._now)))
        self._play_talk(agent)

    def _enter(self, purpose: str, name: str, user: str | None = None, queue: str | None = None) -> int:
        ordinal = len(self._parties)
        who = self._ids.make(IdKind.PARTICIPANT, self._index, ordinal)
        communication = self._ids.make(IdKind.COMMUNICATION, self._index, ordinal)
        span = (self._now, self._now)
        self._parties.append(Party(ordinal, purpose, name, who, communication, user, queue, (span,)))
        return ordinal

    def _leave(self, ordinal: int) -> None:
        party = self._parties[ordinal]
        spans = (*party.spans[:-1], (party.spans[-1][0], self._now))
        self._parties[ordinal] = replace(party, spans=spans)

    def _speak_line(self, ordinal: int) -> None:
        purpose = self._parties[ordinal].purpose
        part = "customer" if self._parties[ordinal].external else purpose
        decorated = phrases.sentence(self._dice, self._language, part)
        text = phrases.raw(decorated, self._language)
        pace = self._dice.randrange(11, 22) * 20
        word_ms = 80 if self._plot.stamped else pace - 20
        start = self._start_of(ordinal)
        end = start + (len(text.split()) - 1) * pace + word_ms
        line = ScriptLine(start, end, text, decorated, ordinal, self._confidence(), self._language, pace, word_ms)
        self._lines.append(self._fit_to_plot(line))
        # Intervals of presence are half-open, so the next participant must enter after this line has ended.
        self._now = max(self._now, end) + 20

    def _start_of(self, ordinal: int) -> int:
        gap = self._dice.randrange(200, 1400)
        if not self._lines:
            return self._now if self._plot.early else self._now + gap
        other = self._lines[-1].party != ordinal
        talking = self._parties[ordinal].external or self._parties[self._lines[-1].party].external
        served = self._parties[-1].purpose == "agent" and self._now - self._parties[-1].start > 3000
        if self._plot.overtalk and other and talking and served and self._dice.random() < 0.4:
            return max(self._now - self._dice.randrange(300, 900), self._earliest_start(ordinal))
        return self._now + gap

    def _earliest_start(self, ordinal: int) -> int:
        """Return the earliest start: after the speaker's own last line, and after the other side has begun."""
        own = max((line.end or 0 for line in self._lines if line.party == ordinal), default=0)
        return max(own, (self._lines[-1].start or 0) + 100)

    def _confidence(self) -> float:
        return round(self._dice.uniform(0.55, 0.995), self._dice.choice((3, 4)))

    def _fit_to_plot(self, line: ScriptLine) -> ScriptLine:
        if not self._plot.decorated:
            line = replace(line, decorated=None)
        if not self._plot.timed:
            line = replace(line, start=None, end=None, confidence=None)
        return line

    def _finish(self, began: int) -> Script:
        lasting = self._now + self._dice.randrange(400, 2500)
        self._leave(0)
        quiet = self._variant.scenario == scenarios.EMPTY
        lines = () if quiet else tuple(self._lines)
        return Script(
            index=self._index,
            id=self._ids.make(IdKind.CONVERSATION, self._index),
            variant=self._variant,
            began=began,
            lasting=lasting,
            media_type="voice" if self._plot.timed else "message",
            direction="outbound" if self._variant.scenario == scenarios.OUTBOUND else "inbound",
            parties=tuple(self._parties),
            lines=lines,
            legs=self._legs(lines),
            holds=tuple(self._holds),
            wrapup=self._dice.choice(self._people.wrapups).id if self._plot.agents else None,
        )

    def _legs(self, lines: tuple[ScriptLine, ...]) -> tuple[ScriptLeg, ...]:
        if self._variant.scenario == scenarios.ABSENT:
            return ()
        first, last = self._parties[0].start, self._now
        if self._handover is not None:
            second = self._parties[-1]
            before, after = lines[: self._handover], lines[self._handover :]
            own = ScriptLeg(second.ordinal, second.start, last, _passages(after))
            return ScriptLeg(0, first, second.start, _passages(before)), own
        whole = ScriptLeg(0, first, last, _passages(lines))
        if self._variant.scenario == scenarios.DUPLICATED:
            agent = self._parties[-1]
            heard = tuple(line for line in lines if line.start is not None and line.start >= agent.start)
            return whole, ScriptLeg(agent.ordinal, agent.start, last, _passages(heard))
        return (whole,)


def _passages(lines: tuple[ScriptLine, ...]) -> tuple[Passage, ...]:
    """Neighbouring lines of one language share an entry of transcripts[]."""
    runs: list[list[ScriptLine]] = []
    for line in lines:
        if not runs or runs[-1][-1].language != line.language:
            runs.append([])
        runs[-1].append(line)
    if not runs:
        return (Passage(phrases.EN, ()),)
    return tuple(Passage(run[0].language, tuple(run)) for run in runs)
