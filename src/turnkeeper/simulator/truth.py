"""What a correct reader must find, computed from the script and not from a document.

It shares no code with the exporter, whose results it verifies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from turnkeeper.simulator.script import Script, ScriptLine

Json = dict[str, Any]


def summary(
    conversation: str,
    last_end_ms: int | None,
    roles: dict[str, int],
    sureness: Fraction | None,
) -> Json:
    """One dialect's summary; sureness is the exact mean confidence."""
    return {
        "interaction_id": conversation,
        "total_duration_seconds": 0.0 if last_end_ms is None else last_end_ms / 1000,
        "total_turns": sum(roles.values()),
        "agent_turns": roles.get("agent", 0),
        "customer_turns": roles.get("customer", 0),
        "avg_confidence": 0.0 if sureness is None else float(round(sureness, 6)),
    }


def verdict(script: Script) -> Json:
    """Outcome, scenario and the summary of each dialect of one conversation."""
    outcome = script.variant.outcome
    fields: Json = {"outcome": outcome, "scenario": script.scenario, "dialects": {}}
    if outcome in ("done", "late"):
        heard = [line for leg in script.legs for passage in leg.passages for line in passage.lines]
        fields["dialects"] = {"speech": _summary_of(script, heard), "media": _summary_of(script, script.lines)}
    return fields


def mean(values: Iterable[float]) -> Fraction | None:
    """The exact mean of decimal numbers, None of none."""
    # Use the decimal numbers in the documents, not the nearest binary floats.
    exact = [Fraction(str(value)) for value in values]
    return sum(exact, Fraction(0)) / len(exact) if exact else None


def _summary_of(script: Script, lines: Sequence[ScriptLine]) -> Json:
    roles: dict[str, int] = {}
    for line in lines:
        role = script.parties[line.party].role
        roles[role] = roles.get(role, 0) + 1
    ends = [line.end for line in lines if line.end is not None]
    sure = mean(line.confidence for line in lines if line.confidence is not None)
    return summary(script.id, max(ends, default=None), roles, sure)
