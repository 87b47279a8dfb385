"""What every contender does with a turn: times in milliseconds, text, role; sums or a digest of them."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

Turn = tuple[int, int, str, str]
"""Start and end in ms, text, role."""
KNOWN = {"supervisor": "unknown"}
"""Words of documents by another hand that are no roles of ours."""


class Sums:
    """What is counted of every turn."""

    def __init__(self, *, digest: bool) -> None:
        self.digest = digest
        self.start = self.end = self.letters = 0
        self.crc: dict[str, int] = defaultdict(int)
        self.roles: dict[str, int] = defaultdict(int)

    def take(self, turns: Iterable[Turn]) -> None:
        if self.digest:
            for start, end, text, role in turns:
                self.crc[role] = zlib.crc32(f"{start} {end} {text}\n".encode(), self.crc[role])
                self.roles[role] += 1
            return
        starts = ends = letters = 0
        roles = self.roles
        for start, end, text, role in turns:
            starts += start
            ends += end
            letters += len(text)
            roles[role] += 1
        self.start, self.end, self.letters = self.start + starts, self.end + ends, self.letters + letters

    def facts(self) -> dict[str, Any]:
        crc = [self.crc[role] for role in sorted(self.crc)]
        sums = crc if self.digest else [self.start, self.end, self.letters]
        return {"turns": sum(self.roles.values()), "sums": sums, "roles": dict(sorted(self.roles.items()))}


class Native:
    """Roles of the native shape, looked up as simply as it can be done: who of our side overlaps most.

    Where nobody's times are known, our side is the one whose purpose is no channel.
    """

    def __init__(self, people: list[dict[str, Any]], base: int) -> None:
        spans = [(one["participantPurpose"], one["startTimeMs"], one["endTimeMs"]) for one in people if _timed(one)]
        self.base = base
        self.inside = [(who, a - base, b - base) for who, a, b in spans if who != "customer"]
        others = [one["participantPurpose"] for one in people if not _timed(one)]
        self.only = next((who for who in others if who not in ("internal", "external")), "unknown")

    def role(self, channel: str, start: int, end: int) -> str:
        if channel == "external":
            return "customer"
        most, found = 0, self.only
        for who, since, until in self.inside:
            overlap = min(until, end) - max(since, start)
            if overlap > most:
                most, found = overlap, who
        return found

    def turn(self, raw: Any) -> Turn:
        start = raw["startTimeMs"] - self.base
        end = start + raw["duration"]["milliseconds"]
        return start, end, raw["text"], self.role(raw["participantPurpose"], start, end)


def _timed(person: dict[str, Any]) -> bool:
    return person.get("startTimeMs") is not None
