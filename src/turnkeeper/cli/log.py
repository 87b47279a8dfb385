"""What a service writes on standard error: one line per fact, each with its time and level, as JSON or as text.

It stands in for ``sys.stderr`` while a command runs, so that whatever is printed there comes as such a line, also what
a library prints.
"""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal, TextIO, cast

import msgspec

from turnkeeper.clock import rfc3339
from turnkeeper.environment import environment
from turnkeeper.errors import Misconfigured, TurnkeeperError
from turnkeeper.events import Absent, Event, Retried, Settled

__all__ = ["LogFormat", "ServiceLog", "service_log", "start_service_log"]

LogFormat = Literal["json", "text"]
Level = Literal["info", "warning", "error"]

_PRIORITIES: Mapping[Level, int] = {"error": 3, "warning": 4, "info": 6}
"""The levels of syslog, which journald reads from ``<N>`` in front of a line (sd-daemon(3))."""


_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What could end a line, move a terminal's cursor or turn its text round. In JSON it stands in strings only."""


class ServiceLog(io.TextIOBase):
    """A text stream over ``out``. ``run`` names this process in every line; ``journal`` puts priorities in front."""

    def __init__(
        self,
        out: TextIO,
        form: LogFormat,
        *,
        run: str = "",
        journal: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._out, self._form, self._journal, self._now = out, form, journal, now
        self._run = run or secrets.token_hex(4)
        self._partial_line = ""
        # The handler of a signal may write while the thread that it interrupts does.
        self._lock = threading.RLock()

    def event(self, event: Event) -> None:
        """A fact of a run: a listener."""
        facts = {name: value for name, value in msgspec.to_builtins(event).items() if value != ""}
        self._write_line(_level(event), facts)

    def error(self, error: TurnkeeperError) -> None:
        """The error that ends a command."""
        self._write_line("error", error.facts())

    def write(self, text: str) -> int:
        with self._lock:
            *lines, self._partial_line = (self._partial_line + text).split("\n")
        for line in lines:
            if said := line.strip():
                self._write_line("info", {"message": said})
        return len(text)

    def flush(self) -> None:
        """Lines are written at once; an unfinished one waits for its end."""

    def fileno(self) -> int:
        return self._out.fileno()

    def writable(self) -> bool:
        return True

    def _write_line(self, level: Level, facts: Mapping[str, object]) -> None:
        head: dict[str, object] = {"at": rfc3339(self._now()), "level": level, "run": self._run}
        if self._form == "json":
            line = json.dumps(head | dict(facts), ensure_ascii=False)
        else:
            line = f"{head['at']} {level} run={self._run} " + _facts_text(facts)
        priority = f"<{_PRIORITIES[level]}>" if self._journal else ""
        with self._lock:
            self._out.write(f"{priority}{_UNSAFE.sub(_escaped, line)}\n")
            self._out.flush()


def start_service_log(form: str) -> None:
    """From now on standard error is a service's log. Raises ``Misconfigured`` for a form that there is not."""
    if form not in ("json", "text"):
        raise Misconfigured(
            f"{form[:40]!a} is not one of json, text", key="--log-format", hint="Leave it out for neither."
        )
    if service_log() is None:
        sys.stderr = cast(TextIO, ServiceLog(sys.stderr, cast(LogFormat, form), journal=_is_journal(sys.stderr)))


def service_log() -> ServiceLog | None:
    """The log that standard error is; None where it is none."""
    return sys.stderr if isinstance(sys.stderr, ServiceLog) else None


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _is_journal(out: TextIO) -> bool:
    """Whether a stream leads to journald, which says so by device and inode (systemd.exec(5), ``JOURNAL_STREAM``)."""
    try:
        found = os.fstat(out.fileno())
    except (OSError, ValueError):
        return False
    return environment().get("JOURNAL_STREAM", "") == f"{found.st_dev}:{found.st_ino}"


def _level(event: Event) -> Level:
    match event:
        case Settled(state="failed"):
            return "error"
        case Retried() | Absent():
            return "warning"
    return "info"


def _facts_text(facts: Mapping[str, object]) -> str:
    """``conversation=… Settled state=done``: the conversation first, what needs quotes as a JSON string."""
    named = {name: value for name, value in facts.items() if name not in ("conversation", "event", "message", "error")}
    conversation, what = facts.get("conversation"), facts.get("event") or facts.get("error")
    parts = [f"conversation={conversation}"] if conversation else []
    parts += [str(part) for part in (what, facts.get("message")) if part]
    return " ".join(parts + [f"{name}={_fact_text(value)}" for name, value in named.items()])


def _fact_text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if not set(text) & set(' "=\n') else json.dumps(text, ensure_ascii=False)
