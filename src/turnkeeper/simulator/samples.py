"""The spoken sample calls in the folder ``calls`` beside this file, as scripts with recordings.

The exact times of their turns and words are known.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from turnkeeper.simulator.ids import IdKind, Ids
from turnkeeper.simulator.people import NamedEntity, People
from turnkeeper.simulator.scenarios import ScenarioVariant
from turnkeeper.simulator.script import Party, Passage, Script, ScriptLeg, ScriptLine, ScriptWord

Json = dict[str, Any]

FOLDER = Path(__file__).parent / "calls"
GUESTS = 1000
"""The number of the first user and the first queue that only sample calls know."""
_PURPOSES = {"customer": "customer", "agent": "agent", "ivr": "ivr", "acd": "acd"}


@dataclass(frozen=True, slots=True)
class RecordingPause:
    """A pause of a recording, in milliseconds of the conversation; ``cut`` out of the audio or not."""

    start: int
    end: int
    reason: str
    cut: bool
    annotated: bool


@dataclass(frozen=True)
class Sample:
    """One call. ``description`` is its entry in ``calls.json``."""

    description: Json
    folder: Path

    @property
    def name(self) -> str:
        """The call's short name."""
        return str(self.description["name"])

    @property
    def start_ms(self) -> int:
        """Conversation time of the first sample, as the recording's metadata will say it."""
        return int(self.description.get("recording_start_ms", 0))

    @cached_property
    def breaks(self) -> tuple[RecordingPause, ...]:
        """The pauses, in order."""
        description = sorted(self.description.get("pauses", ()), key=lambda one: int(one["start_ms"]))
        return tuple(
            RecordingPause(
                one["start_ms"], one["end_ms"], one["reason"], bool(one.get("cut")), bool(one.get("annotated"))
            )
            for one in description
        )

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """One file of both channels, or one per channel, customer's first."""
        return tuple(self.folder / one["file"] for one in self.description["files"])

    def truth(self) -> Json:
        """What a correct aligner must find, beside the turns."""
        names = ("expected_verdict", "true_offset_ms", "true_drift_ppm", "swapped", "recording_start_ms", "pauses")
        return {"name": self.name} | {name: self.description[name] for name in names if name in self.description}


class Samples:
    """The calls of a folder as scripts of one simulation, in the order of the file.

    ``users`` and ``queues`` are those that the calls mention and the organisation does not have otherwise. An agent who
    says "this is Priya" has that name.
    """

    def __init__(self, ids: Ids, people: People, folder: Path, jitter_ms: int, seed: int) -> None:
        self._ids = ids
        self._people = people
        self._jitter_ms = jitter_ms
        self._seed = seed
        description = json.loads((folder / "calls.json").read_text(encoding="utf-8"))["calls"]
        self.calls = tuple(Sample(one, folder) for one in description)
        everybody = [person for call in description for person in call["people"]]
        agents = [person["name"] for person in everybody if person["role"] == "agent"]
        self.users = self._new_entities(IdKind.USER, agents, people.users)
        self.queues = self._new_entities(IdKind.QUEUE, [person.get("queue", "") for person in everybody], people.queues)

    def write(self, number: int, index: int, began: int) -> Script:
        """The script of one call, as the conversation of an index."""
        sample = self.calls[number]
        parties = tuple(self._script_party(index, n, one) for n, one in enumerate(_customer_first(sample.description)))
        lines = tuple(self._script_lines(sample, parties))
        last = max((party.end for party in parties), default=0)
        return Script(
            index=index,
            id=self._ids.make(IdKind.CONVERSATION, index),
            variant=ScenarioVariant(f"call-{sample.name}", 0),
            began=began,
            lasting=max([last, *(line.end or 0 for line in lines)]),
            media_type="voice",
            direction="inbound",
            parties=parties,
            lines=lines,
            legs=(
                ScriptLeg(
                    0, parties[0].start, last, (Passage(str(sample.description.get("language", "en-us")), lines),)
                ),
            ),
            holds=tuple((one.start, one.end) for one in sample.breaks if one.reason == "Hold"),
            wrapup=self._people.wrapups[0].id,
        )

    def _new_entities(self, kind: IdKind, names: list[str], known: tuple[NamedEntity, ...]) -> tuple[NamedEntity, ...]:
        there = {one.name for one in known} | {""}
        new = [name for name in dict.fromkeys(names) if name not in there]
        return tuple(NamedEntity(self._ids.make(kind, GUESTS + n), name) for n, name in enumerate(new))

    def _script_party(self, index: int, ordinal: int, description: Json) -> Party:
        role = description["role"]
        users = {one.name: one.id for one in (*self._people.users, *self.users)}
        queues = {one.name: one.id for one in (*self._people.queues, *self.queues)}
        queue = (
            queues.get(description.get("queue", ""), self._people.queues[0].id) if role in ("agent", "acd") else None
        )
        return Party(
            ordinal=ordinal,
            purpose=_PURPOSES[role],
            name=description["name"],
            id=self._ids.make(IdKind.PARTICIPANT, index, ordinal),
            communication=self._ids.make(IdKind.COMMUNICATION, index, ordinal),
            user=users[description["name"]] if role == "agent" else None,
            queue=queue,
            spans=((description["start_ms"], description["end_ms"]),),
        )

    def _script_lines(self, sample: Sample, parties: tuple[Party, ...]) -> list[ScriptLine]:
        dice = random.Random(f"{self._seed}:{sample.name}:jitter")
        lines = [_script_line(sample.description, turn, parties) for turn in sample.description["turns"]]
        return [self._with_jitter(line, dice) for line in lines] if self._jitter_ms else lines

    def _with_jitter(self, line: ScriptLine, dice: random.Random) -> ScriptLine:
        """Shift a line's start at random, as the times of a real recogniser are not exact."""
        start = min((line.start or 0) + round(dice.gauss(0, self._jitter_ms)), (line.end or 0) - 1)
        spoken = tuple(replace(word, start=max(word.start, start), end=max(word.end, start)) for word in line.spoken)
        return replace(line, start=start, spoken=spoken)


def _customer_first(description: Json) -> list[Json]:
    """Sort the customer first, because communications and recordings belong to that leg."""
    return sorted(description["people"], key=lambda one: (one["role"] != "customer", one["start_ms"]))


def _script_line(description: Json, turn: Json, parties: tuple[Party, ...]) -> ScriptLine:
    spoken = tuple(
        ScriptWord(one["word"].lower().strip(".,!?"), one["start_ms"], one["end_ms"], 0.93)
        for one in turn.get("words", ())
    )
    start, end = int(turn["start_ms"]), int(turn["end_ms"])
    return ScriptLine(
        start=start,
        end=end,
        text=" ".join(word.text for word in spoken) or turn["text"].lower(),
        decorated=turn["text"],
        party=_speaker(turn, parties),
        confidence=0.93,
        language=str(description.get("language", "en-us")),
        pace=0,
        word_ms=0,
        spoken=spoken,
    )


def _speaker(turn: Json, parties: tuple[Party, ...]) -> int:
    """Return the participant of the turn's role who is present in the middle of the turn."""
    of_role = [party for party in parties if party.role == turn["role"]]
    middle = (turn["start_ms"] + turn["end_ms"]) // 2
    present = [party for party in of_role if party.start <= middle < party.end]
    return (present or of_role)[0].ordinal
