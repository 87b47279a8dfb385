"""One simulated organisation: everything that the two ports share, built from a seed.

Holds the parts and answers "which conversation is this?"; speaks no HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from turnkeeper.simulator import query, truth
from turnkeeper.simulator.analytics import DetailsEndpoint
from turnkeeper.simulator.clock import SimulatorClock
from turnkeeper.simulator.faults import Switches
from turnkeeper.simulator.giant import Giant, giant_script
from turnkeeper.simulator.ids import IdKind, Ids
from turnkeeper.simulator.links import Links
from turnkeeper.simulator.pace import RequestQuota
from turnkeeper.simulator.people import People
from turnkeeper.simulator.samples import FOLDER, Sample, Samples
from turnkeeper.simulator.schedule import FIRST, TranscriptSchedule
from turnkeeper.simulator.script import Script
from turnkeeper.simulator.shelf import Shelf
from turnkeeper.simulator.speech import SpeechFile
from turnkeeper.simulator.stage import Playwright
from turnkeeper.simulator.tally import RequestTally
from turnkeeper.simulator.tapes import Tapes
from turnkeeper.simulator.tokens import TokenEndpoint

_MAX_CACHED = 512


class Simulation:
    """An organisation with so many conversations; the same seed gives the same bytes."""

    def __init__(
        self,
        seed: int = 7,
        conversations: int = 200,
        faults: Iterable[str] = frozenset(),
        giant_mb: int = 0,
        now: datetime | None = None,
        rate_limit: int = 300,
        rate_window: float = 60.0,
        link_seconds: float = 600,
        token_seconds: int = 86_399,
        start: datetime = FIRST,
        per_day: int = 144,
        calls: bool | Path = False,
        call_jitter_ms: int = 0,
        query_depth: int = query.DEEPEST,
    ) -> None:
        """``calls`` adds the spoken sample calls (or those of a folder) after everything else.

        Their transcripts tell the true times, or times that scatter by ``call_jitter_ms`` as a real recogniser's do.
        """
        self.seed = seed
        self.conversations = conversations
        self.ids = Ids(seed)
        self.people = People(self.ids)
        folder = calls if isinstance(calls, Path) else FOLDER
        self.samples = Samples(self.ids, self.people, folder, call_jitter_ms, seed) if calls else None
        self._first_call = conversations + (1 if giant_mb else 0)
        self.total = self._first_call + (len(self.samples.calls) if self.samples else 0)
        self.rate_limit = rate_limit
        self.query_depth = query_depth
        self.switches = Switches(faults)
        self.clock = SimulatorClock(now)
        opening = start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)
        self.schedule = TranscriptSchedule(seed, self.total, opening, per_day)
        self.details = DetailsEndpoint(self.ids, self.people)
        self.tally = RequestTally()
        self.pace = RequestQuota(self.clock, rate_limit, rate_window)
        self.tokens = TokenEndpoint(seed, self.ids, self.clock, token_seconds, again=self.switches.on("one-token"))
        self.links = Links(seed, self.clock, link_seconds)
        self._playwright = Playwright(seed, self.ids, self.people, self.schedule)
        self.script = lru_cache(_MAX_CACHED)(self._write_script)
        self.giant = self._make_giant(giant_mb) if giant_mb else None
        self.tapes = Tapes(self.ids, self.people, self.switches, self.find, self.sample_of)
        self.shelf = Shelf(self.ids, self.people, self.clock, self.switches, self.find, self.giant)

    def id_of(self, index: int) -> str:
        """The conversation id of an index."""
        return self.ids.make(IdKind.CONVERSATION, index)

    def index_of(self, conversation: str) -> int | None:
        """The index of a conversation id, None where there is no such conversation (yet)."""
        index = self.ids.index(IdKind.CONVERSATION, conversation)
        return index if index is not None and index < self.total and self.begun(index) else None

    def find(self, conversation: str) -> Script | None:
        """The script of a conversation id, None where there is no such conversation (yet)."""
        index = self.index_of(conversation)
        return None if index is None else self.script(index)

    def sample_of(self, script: Script) -> Sample | None:
        """The sample call that a script plays, if it plays one."""
        number = script.index - self._first_call
        return self.samples.calls[number] if self.samples and number >= 0 else None

    @property
    def call_ids(self) -> dict[str, str]:
        """The conversation ids of the sample calls, by name."""
        calls = self.samples.calls if self.samples else ()
        return {call.name: self.id_of(self._first_call + number) for number, call in enumerate(calls)}

    def begun(self, index: int) -> bool:
        """Whether a conversation is visible: always, unless the simulation is live."""
        return not self.switches.on("live") or self.schedule.began(index) <= self.clock.epoch_ms()

    def detail(self, index: int) -> dict[str, Any]:
        """The analytics details of one index, as seen now."""
        seen_at = self.clock.epoch_ms() if self.switches.on("live") else None
        return self.details.document(self.script(index), seen_at)

    def verdict(self, index: int) -> dict[str, Any]:
        """The truth about one index."""
        if self.giant is not None and index == self.giant.script.index:
            return self.giant.verdict()
        script = self.script(index)
        recordings = [tape.id for tape in self.tapes.of(script)]
        told = truth.verdict(script) | ({"recordings": recordings} if recordings else {})
        sample = self.sample_of(script)
        return told | ({"call": sample.truth()} if sample else {})

    def _write_script(self, index: int) -> Script:
        if self.giant is not None and index == self.giant.script.index:
            return self.giant.script
        if self.samples is not None and index >= self._first_call:
            return self.samples.write(index - self._first_call, index, self.schedule.began(index))
        return self._playwright.write(index)

    def _make_giant(self, megabytes: int) -> Giant:
        script = giant_script(self._playwright.write(self.conversations, plain=True), megabytes)
        return Giant(script, SpeechFile(self.ids, self.people, script, 0), megabytes)
