"""The simulator's truth, read as a stranger would: over HTTP, with the standard library."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from turnkeeper.simulator import Running

BRIEF = (
    "interaction_id",
    "total_duration_seconds",
    "total_turns",
    "agent_turns",
    "customer_turns",
    "avg_confidence",
)
"""The fields of a summary that the truth knows."""


def read(url: str) -> Any:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=60) as answer:
        return json.load(answer)


def truth_of(running: Running) -> dict[str, Any]:
    conversations: dict[str, Any] = read(running.truth_url)["conversations"]
    return conversations


def requests_of(running: Running) -> dict[str, Any]:
    counts: dict[str, Any] = read(f"{running.base_url}/_sim/requests")
    return counts
