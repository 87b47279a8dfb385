"""The log of a service on standard error: one line per event, with time and level, as JSON or text.

The log replaces ``sys.stderr`` while a command runs, so that everything printed there becomes such a line, including
the output of libraries.
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
"""Characters that could end a line, control a terminal or reorder text. In JSON they occur only inside strings."""


class ServiceLog(io.TextIOBase):
    """A text stream over ``out``. ``run`` identifies this process in every line; ``journal`` adds syslog priorities."""

    def __init__(
        self,
        out: TextIO,
        log_format: LogFormat,
        *,
        run: str = "",
        journal: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._out, self._log_format, self._journal, self._now = out, log_format, journal, now
        self._run = run or secrets.token_hex(4)
        self._partial_line = ""
        # Reentrant, because a signal handler may write while the thread that it interrupted holds the lock.
        self._lock = threading.RLock()

    def event(self, event: Event) -> None:
        """Write an event. This method is a ``Listener``."""
        facts = {name: value for name, value in msgspec.to_builtins(event).items() if value != ""}
        self._write_line(_level(event), facts)

    def error(self, error: TurnkeeperError) -> None:
        """Write the error that ends a command."""
        self._write_line("error", error.facts())

    def write(self, text: str) -> int:
        with self._lock:
            # ``print`` writes a text and its line end separately, and libraries write in pieces.
            *lines, self._partial_line = (self._partial_line + text).split("\n")
        for line in lines:
            if message := line.strip():
                self._write_line("info", {"message": message})
        return len(text)

    def flush(self) -> None:
        """Do nothing: finished lines are already written, and an unfinished one waits for its end."""

    def fileno(self) -> int:
        return self._out.fileno()

    def writable(self) -> bool:
        return True

    def _write_line(self, level: Level, facts: Mapping[str, object]) -> None:
        head: dict[str, object] = {"at": rfc3339(self._now()), "level": level, "run": self._run}
        if self._log_format == "json":
            line = json.dumps(head | dict(facts), ensure_ascii=False)
        else:
            line = f"{head['at']} {level} run={self._run} " + _facts_text(facts)
        priority = f"<{_PRIORITIES[level]}>" if self._journal else ""
        with self._lock:
            self._out.write(f"{priority}{_UNSAFE.sub(_escaped, line)}\n")
            self._out.flush()


def start_service_log(log_format: str) -> None:
    """Replace standard error with a service's log. Raises ``Misconfigured`` for an unknown format."""
    if log_format not in ("json", "text"):
        raise Misconfigured(
            f"{log_format[:40]!a} is not one of json, text", key="--log-format", hint="Leave it out for neither."
        )
    if service_log() is None:
        sys.stderr = cast(TextIO, ServiceLog(sys.stderr, cast(LogFormat, log_format), journal=_is_journal(sys.stderr)))


def service_log() -> ServiceLog | None:
    """Return the log if standard error has been replaced by one, else None."""
    return sys.stderr if isinstance(sys.stderr, ServiceLog) else None


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _is_journal(out: TextIO) -> bool:
    """Whether a stream goes to journald: ``JOURNAL_STREAM`` holds its device and inode (systemd.exec(5))."""
    try:
        match = os.fstat(out.fileno())
    except (OSError, ValueError):
        return False
    return environment().get("JOURNAL_STREAM", "") == f"{match.st_dev}:{match.st_ino}"


def _level(event: Event) -> Level:
    match event:
        case Settled(state="failed"):
            return "error"
        case Retried() | Absent():
            return "warning"
    return "info"


def _facts_text(facts: Mapping[str, object]) -> str:
    """Format facts as ``conversation=… Settled state=done``. A value that needs quotes becomes a JSON string."""
    others = {name: value for name, value in facts.items() if name not in ("conversation", "event", "message", "error")}
    conversation, what = facts.get("conversation"), facts.get("event") or facts.get("error")
    parts = [f"conversation={conversation}"] if conversation else []
    parts += [str(part) for part in (what, facts.get("message")) if part]
    return " ".join(parts + [f"{name}={_fact_text(value)}" for name, value in others.items()])


def _fact_text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if not set(text) & set(' "=\n') else json.dumps(text, ensure_ascii=False)
