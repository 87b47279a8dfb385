"""The list of a report's calls: the page with filters, and the same as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from turnkeeper.pages.assets import PageTemplate, assets
from turnkeeper.pages.page import json_element, report_file
from turnkeeper.pages.page_data import CallFacts, Gap
from turnkeeper.transcript.escape import plain

__all__ = ["ListedCall", "write_assets", "write_csv", "write_index"]

_HEADINGS = (
    "conversation",
    "started_at",
    "seconds",
    "customer",
    "agent",
    "queue",
    "wrap_up",
    "direction",
    "media",
    "language",
    "turns",
    "confidence",
    "verdict",
    "missing",
    "page",
)
_MEASURED_VERDICT = {"remarked": "verified", "differs": "corrected"}
"""The measured verdict behind a verdict of the list that says more than was measured."""

# Spreadsheets take a cell that begins so for a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class ListedCall(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One row of the list of calls. ``page`` is False if the call has no page; ``missing`` then says why."""

    conversation: str
    facts: CallFacts
    seconds: float = 0.0
    turns: int = 0
    confidence: float | None = None
    verdict: str = ""
    missing: list[Gap] = []
    page: bool = True


def write_index(calls: Sequence[ListedCall], template: PageTemplate, path: Path) -> None:
    """Write the page that lists the calls. Its data are columns that store each name once, to keep the page small."""
    names: dict[str, int] = {}

    def places(values: Iterable[str]) -> list[int]:
        return [names.setdefault(value, len(names)) for value in values]

    columns: dict[str, object] = {
        "id": [call.conversation for call in calls],
        "start": [call.facts.start for call in calls],
        "length": [round(call.seconds, 1) for call in calls],
        "turns": [call.turns for call in calls],
        "confidence": [None if call.confidence is None else round(call.confidence, 3) for call in calls],
        "customers": [places(call.facts.customers) for call in calls],
        "agents": [places(call.facts.agents) for call in calls],
        "queues": [places(call.facts.queues) for call in calls],
        "wrapups": [places(call.facts.wrapups) for call in calls],
        "verdict": [call.verdict for call in calls],
        "missing": [call.missing for call in calls],
        "page": [int(call.page) for call in calls],
    }
    parts = template.parts({"media": "", "title": "Calls"})
    with report_file(path) as out:
        out.write(parts[0])
        out.write(json_element("calls-data", {"names": list(names), **columns}))
        out.write(b"".join(parts[1:]))


def write_assets(folder: Path) -> None:
    """Write the script and style that all pages of a report share. Call this before writing pages that load them."""
    for name, content in assets().items():
        if not (folder / name).exists():
            with report_file(folder / name) as out:
                out.write(content)


def write_csv(calls: Sequence[ListedCall], path: Path) -> None:
    """Write the list as CSV (RFC 4180).

    A cell that a spreadsheet would run as a formula gets an apostrophe in front. Control characters and characters that
    reorder text are escaped, because a terminal would obey them.
    """
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow(_HEADINGS)
    for call in calls:
        rows.writerow([_csv_cell(value) for value in _csv_row(call)])
    with report_file(path) as out:
        out.write(text.getvalue().encode())


def _csv_row(call: ListedCall) -> list[object]:
    from turnkeeper.payloads.times import rfc3339_ms

    facts = call.facts
    return [
        call.conversation,
        rfc3339_ms(facts.start),
        call.seconds,
        "; ".join(facts.customers),
        "; ".join(facts.agents),
        "; ".join(facts.queues),
        "; ".join(facts.wrapups),
        facts.direction,
        facts.media,
        facts.language,
        call.turns,
        call.confidence,
        _MEASURED_VERDICT.get(call.verdict, call.verdict),
        "; ".join(map(str, call.missing)),
        f"calls/{call.conversation}.html" if call.page else None,
    ]


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    text = plain(str(value))
    return "'" + text if isinstance(value, str) and value.startswith(_FORMULA) else text
