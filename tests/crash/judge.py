"""Are two archives the same? Keys and bytes, manifests without their clock, and what the index says came of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from turnkeeper.archive.archive import Archive
from turnkeeper.archive.index import CallState, Index
from turnkeeper.storage.store import Store

__all__ = ["Holding", "holding"]

_APART = ("_turnkeeper/", "transcripts/", "summaries/", "selections/", "alignment/", "peaks/")
"""Its own notes, and views: those that no current manifest names stay a day, and how many depends on the kills."""


@dataclass(frozen=True)
class Holding:
    """What an archive holds: ``objects`` outside its own notes, by key, without superseded views; ``outcomes`` by
    conversation; ``windows`` that were listed to their end."""

    objects: Mapping[str, str]
    outcomes: Mapping[str, Any]
    windows: Mapping[str, Any]

    def differences(self, other: Holding) -> list[str]:
        """What is not the same, in words; empty where all is."""
        told = []
        for what, mine, theirs in (
            ("object", self.objects, other.objects),
            ("outcome", self.outcomes, other.outcomes),
            ("window", self.windows, other.windows),
        ):
            told += [f"{what} {key} is missing" for key in sorted(mine.keys() - theirs.keys())]
            told += [f"{what} {key} is too much" for key in sorted(theirs.keys() - mine.keys())]
            told += [
                f"{what} {key}: {mine[key]} became {theirs[key]}"
                for key in sorted(mine.keys() & theirs.keys())
                if mine[key] != theirs[key]
            ]
        return told


def holding(store: Store) -> Holding:
    """Read a whole archive."""
    states = Index(store)
    views = {view.key for manifest in Archive(store).manifests() for view in manifest.views}
    kept = [key for key in store.list("") if not key.startswith(_APART) or key in views]
    objects = {key: _digest(key, store.get(key)) for key in kept}
    outcomes = {call.conversation: _outcome(call) for day in states.days() for call in states.read(day).calls}
    windows = {f"{one.filter} {one.start}--{one.end}": one.complete for one in states.windows()}
    return Holding(objects, outcomes, windows)


def _digest(key: str, data: bytes) -> str:
    if key.startswith("manifests/"):
        # The one place with a clock.
        told = {name: value for name, value in json.loads(data).items() if name != "archived_at"}
        data = json.dumps(told, sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()


def _outcome(call: CallState) -> Any:
    """Without times and counts of asks: an ask whose answer was lost is asked again. What is absent may have been asked
    for in vain or found in no list, whichever came first."""
    legs = [(leg.id, leg.state, "" if leg.state == "absent" else leg.reason, leg.final) for leg in call.legs]
    return (
        call.state,
        "" if call.state == "absent" else call.reason,
        call.generation,
        call.started_at,
        call.ended_at,
        call.queues,
        legs,
    )
