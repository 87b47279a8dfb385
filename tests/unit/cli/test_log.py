"""A service's log: one line per fact, with time, level, run and conversation, whoever writes it."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from turnkeeper.cli.log import LogFormat, ServiceLog
from turnkeeper.errors import NotFound
from turnkeeper.events import Event, Noted, Retried, Settled

AT = datetime(2026, 12, 1, 9, 30, 0, 250_000, UTC)


def written(form: LogFormat, *facts: Event | str | NotFound, **more: Any) -> list[str]:
    out = io.StringIO()
    log = ServiceLog(out, form, run="run1", now=lambda: AT, **more)
    for fact in facts:
        if isinstance(fact, str):
            log.write(fact)
        elif isinstance(fact, Event):
            log.event(fact)
        else:
            log.error(fact)
    return out.getvalue().splitlines()


FACTS = (
    Settled(conversation="c1", state="failed", reason="no room"),
    Retried(where="https://api/x", reason="503", attempt=2, wait=1.5),
    "half of ",
    "a line\n\nanother\nnever ended",
    NotFound("not in the archive", operation="read", key="c2", hint="Check it."),
)


def test_json() -> None:
    lines = [json.loads(line) for line in written("json", *FACTS)]
    assert {line["at"] for line in lines} == {"2026-12-01T09:30:00.250Z"}
    assert {line["run"] for line in lines} == {"run1"}
    assert [line["level"] for line in lines] == ["error", "warning", "info", "info", "error"]
    assert lines[0]["conversation"] == "c1"
    assert "conversation" not in lines[1]
    assert [line.get("message") for line in lines[2:]] == ["half of a line", "another", "not in the archive"]
    assert lines[4]["hint"] == "Check it."


def test_text() -> None:
    lines = written("text", *FACTS)
    assert lines[0] == '2026-12-01T09:30:00.250Z error run=run1 conversation=c1 Settled state=failed reason="no room"'
    assert lines[2] == "2026-12-01T09:30:00.250Z info run=run1 half of a line"
    assert "NotFound not in the archive operation=read key=c2" in lines[4]


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_comes_from_outside_stays_in_its_line(form: LogFormat) -> None:
    """A name with a line break or an escape cannot begin a line of its own, nor reach a terminal."""
    lines = written(form, Noted(note="one\ntwo\x1b[31m"), "a\x1b[31mb\n", Noted(note="x", conversation="c"))
    assert len(lines) == 3
    assert "\x1b" not in "".join(lines)


def test_journald_reads_levels() -> None:
    lines = written("text", *FACTS, journal=True)
    assert [line[:3] for line in lines] == ["<3>", "<4>", "<6>", "<6>", "<3>"]
