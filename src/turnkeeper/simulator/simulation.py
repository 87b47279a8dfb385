"""One simulated organisation: the state that the two ports share, built from a seed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from turnkeeper.simulator import query, truth
from turnkeeper.simulator.clock import SimulatorClock
from turnkeeper.simulator.details import DetailsWriter
from turnkeeper.simulator.document_store import DocumentStore
from turnkeeper.simulator.faults import FaultSwitches
from turnkeeper.simulator.giant import Giant, giant_script
from turnkeeper.simulator.ids import IdKind, Ids
from turnkeeper.simulator.links import Links
from turnkeeper.simulator.people import People
from turnkeeper.simulator.quota import RequestQuota
from turnkeeper.simulator.recording_files import RecordingFiles
from turnkeeper.simulator.request_counts import RequestCounts
from turnkeeper.simulator.samples import FOLDER, Sample, Samples
from turnkeeper.simulator.schedule import FIRST, ConversationSchedule
from turnkeeper.simulator.script import Script
from turnkeeper.simulator.script_writer import ScriptWriter
from turnkeeper.simulator.speech import SpeechFile
from turnkeeper.simulator.tokens import TokenIssuer

_MAX_CACHED = 512


class Simulation:
    """An organisation with a number of conversations. The same seed gives the same bytes."""

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
        self.faults = FaultSwitches(faults)
        self.clock = SimulatorClock(now)
        opening = start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)
        self.schedule = ConversationSchedule(seed, self.total, opening, per_day)
        self.details = DetailsWriter(self.ids, self.people)
        self.counts = RequestCounts()
        self.quota = RequestQuota(self.clock, rate_limit, rate_window)
        self.tokens = TokenIssuer(seed, self.ids, self.clock, token_seconds, again=self.faults.on("one-token"))
        self.links = Links(seed, self.clock, link_seconds)
        self._script_writer = ScriptWriter(seed, self.ids, self.people, self.schedule)
        self.script = lru_cache(_MAX_CACHED)(self._write_script)
        self.giant = self._make_giant(giant_mb) if giant_mb else None
        self.recordings = RecordingFiles(self.ids, self.people, self.faults, self.find, self.sample_of)
        self.documents = DocumentStore(self.ids, self.people, self.clock, self.faults, self.find, self.giant)

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
        """Return the sample call of a script, or None."""
        number = script.index - self._first_call
        return self.samples.calls[number] if self.samples and number >= 0 else None

    @property
    def call_ids(self) -> dict[str, str]:
        """The conversation ids of the sample calls, by name."""
        calls = self.samples.calls if self.samples else ()
        return {call.name: self.id_of(self._first_call + number) for number, call in enumerate(calls)}

    def begun(self, index: int) -> bool:
        """Whether a conversation is visible: always, unless the simulation is live."""
        return not self.faults.on("live") or self.schedule.began(index) <= self.clock.epoch_ms()

    def detail(self, index: int) -> dict[str, Any]:
        """The analytics details of one index, as seen now."""
        seen_at = self.clock.epoch_ms() if self.faults.on("live") else None
        return self.details.document(self.script(index), seen_at)

    def verdict(self, index: int) -> dict[str, Any]:
        """The truth about one index."""
        if self.giant is not None and index == self.giant.script.index:
            return self.giant.verdict()
        script = self.script(index)
        recordings = [recording.id for recording in self.recordings.of(script)]
        fields = truth.verdict(script) | ({"recordings": recordings} if recordings else {})
        sample = self.sample_of(script)
        return fields | ({"call": sample.truth()} if sample else {})

    def _write_script(self, index: int) -> Script:
        if self.giant is not None and index == self.giant.script.index:
            return self.giant.script
        if self.samples is not None and index >= self._first_call:
            return self.samples.write(index - self._first_call, index, self.schedule.began(index))
        return self._script_writer.write(index)

    def _make_giant(self, megabytes: int) -> Giant:
        script = giant_script(self._script_writer.write(self.conversations, plain=True), megabytes)
        return Giant(script, SpeechFile(self.ids, self.people, script, 0), megabytes)
