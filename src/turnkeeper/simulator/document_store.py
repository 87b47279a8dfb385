"""Stored documents: their paths, whether they are ready, and their bytes, corrupted if a fault says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from turnkeeper.simulator import document_faults, media, scenarios
from turnkeeper.simulator.bodies import BytesBody, SimulatedBody
from turnkeeper.simulator.clock import SimulatorClock
from turnkeeper.simulator.faults import DOCUMENT_FAULTS, FaultSwitches
from turnkeeper.simulator.giant import Giant
from turnkeeper.simulator.ids import IdKind, Ids
from turnkeeper.simulator.people import People
from turnkeeper.simulator.script import Script
from turnkeeper.simulator.speech import SpeechFile

INLINE_LIMIT = 64 * 1024
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_SPEECH = re.compile(r"/transcriptsCache/[0-9a-f-]+/([0-9a-f-]+)/([0-9a-f-]+)-transcripts")
_MEDIA = re.compile(r"/mediaTranscripts/[0-9a-f-]+/([0-9a-f-]+)\.json")


@dataclass(frozen=True, slots=True)
class DocumentPlace:
    """One document: the speech file of a leg, or the media document if ``leg`` is None."""

    script: Script
    leg: int | None = None


class DocumentStore:
    """Documents by place."""

    def __init__(
        self,
        ids: Ids,
        people: People,
        clock: SimulatorClock,
        faults: FaultSwitches,
        find: Callable[[str], Script | None],
        giant: Giant | None,
    ) -> None:
        self._ids = ids
        self._people = people
        self._clock = clock
        self._faults = faults
        self._find = find
        self._giant = giant
        self._opened_ms = clock.epoch_ms()

    def path(self, place: DocumentPlace) -> str:
        """Where in storage a document lies."""
        organization, script = self._people.organization.id, place.script
        if place.leg is None:
            return f"/mediaTranscripts/{organization}/{script.id}.json"
        communication = script.parties[script.legs[place.leg].party].communication
        return f"/transcriptsCache/{organization}/{script.id}/{communication}-transcripts"

    def place(self, path: str) -> DocumentPlace | None:
        """Which document lies at a path."""
        found = _SPEECH.fullmatch(path) or _MEDIA.fullmatch(path)
        script = self._find(found[1]) if found else None
        if found is None or script is None or not script.legs:
            return None
        if found.re is _MEDIA:
            return DocumentPlace(script)
        leg = script.leg_of(found[2])
        return None if leg is None else DocumentPlace(script, leg)

    def ready_at(self, place: DocumentPlace) -> int:
        """Return the time from which a document exists, in epoch milliseconds."""
        ready = 0
        if place.script.variant.lateness_ms:
            ready = max(place.script.ended, self._opened_ms) + place.script.variant.lateness_ms
        if self._faults.on("live"):
            ready = max(ready, place.script.ended)
        second = place.leg == 1 or (place.leg is None and len(place.script.legs) > 1)
        if second and self._faults.on("late-second-leg"):
            ready = max(ready, self._opened_ms + _HOUR_MS)
        return ready

    def ready(self, place: DocumentPlace) -> bool:
        """Whether a document exists by now."""
        return self._clock.epoch_ms() >= self.ready_at(place)

    def linked(self, script: Script) -> bool:
        """Whether the media endpoint hands out a link instead of the turns."""
        if self._is_giant(script) or script.variant.breakage == "truncated-json" or self._is_huge(script):
            return True
        if script.scenario == scenarios.LONG or script.index % 4 == 1:
            return True
        return len(document_faults.encode(media.document(script))) > INLINE_LIMIT

    def body(self, place: DocumentPlace) -> SimulatedBody:
        """Return a document's bytes, corrupted if its scenario or a fault says so."""
        if self._giant is not None and self._is_giant(place.script):
            return self._giant.media() if place.leg is None else self._giant.speech()
        return BytesBody(self.spoiled(place, self._make_document(place)))

    def spoiled(self, place: DocumentPlace, document: Any) -> bytes:
        """The bytes of a document after whatever happens to it."""
        script = place.script
        if self._faults.on("changed-transcript") and self._clock.epoch_ms() >= self._opened_ms + _DAY_MS:
            document = document_faults.revise(document)
        kind = script.variant.breakage or self._document_fault(place)
        if kind is None:
            return document_faults.encode(document)
        other = self._ids.make(IdKind.CONVERSATION, script.index + 1)
        return document_faults.corrupt(document, kind, other=other, size=self._faults.argument("huge-string", 64))

    def _make_document(self, place: DocumentPlace) -> Any:
        if place.leg is None:
            return media.document(place.script)
        return SpeechFile(self._ids, self._people, place.script, place.leg).document()

    def _document_fault(self, place: DocumentPlace) -> str | None:
        path = self.path(place)
        for name in DOCUMENT_FAULTS:
            if name in ("html-body", "empty-body"):
                continue
            if name == "truncated-json" and place.leg is None and not self.linked(place.script):
                continue
            if name == "huge-string":
                if self._is_huge(place.script):
                    return name
            elif self._faults.spoils(name, path):
                return name
        return None

    def _is_huge(self, script: Script) -> bool:
        return script.index == 0 and self._faults.on("huge-string")

    def _is_giant(self, script: Script) -> bool:
        return self._giant is not None and script.index == self._giant.script.index
