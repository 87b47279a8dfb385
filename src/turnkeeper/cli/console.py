"""Print errors, notes, events and JSON. Text from outside is escaped here before it reaches a terminal."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping

from turnkeeper.cli.log import service_log, start_service_log
from turnkeeper.errors import TurnkeeperError
from turnkeeper.events import Absent, Archived, Event, Fetched, Listener, Noted, Renewed, Retried, Waiting, silent
from turnkeeper.transcript.escape import plain

__all__ = [
    "clear_progress",
    "discard_output",
    "event_listener",
    "fit_to_terminal",
    "format_duration",
    "print_error",
    "print_json",
    "print_note",
    "printable",
]

_DAYS = 3
"""Durations of at least this many days are shown without hours."""


def printable(text: str) -> str:
    """Escape what a terminal would obey, by the rule of ``transcript.escape.plain``. Line breaks and tabs stay.

    Characters that only reorder foreign text are escaped. Joiners and direction marks stay, because Persian, Hindi,
    Hebrew and other scripts are written with them. They cannot reorder more than a letter of such a script does.
    """
    return re.sub(r"[^\n\t]+", lambda run: plain(run[0]), text)


def print_note(line: str) -> None:
    """Print one line for a person on standard error."""
    # The progress line has no line break: a note would stand behind it.
    clear_progress()
    sys.stderr.write(printable(line) + "\n")
    sys.stderr.flush()


def clear_progress() -> None:
    """Erase the progress line, if standard error is a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def fit_to_terminal(text: str) -> str:
    """Cut a progress line to the width of the terminal, because a wrapped line could not be erased."""
    try:
        width = os.get_terminal_size(sys.stderr.fileno()).columns
    # There is no width where standard error is no terminal, or is a stream without a descriptor.
    except (OSError, ValueError):
        return text
    # A pseudo-terminal whose size was never set reports 0 columns. One column stays free, because some terminals wrap
    # when the last one is written.
    return text if not width or len(text) < width else text[: max(width - 2, 0)] + "…"


def format_duration(seconds: float) -> str:
    """Format a length of time: ``54 days``, ``3 h 05 min``, ``2 min 10 s``, ``8 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= _DAYS * 24:
        return f"{hours // 24:,} days"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def print_json(document: Mapping[str, object]) -> None:
    """Print one JSON object on standard output: on one line if standard error is a service's log, else indented."""
    clear_progress()
    indent = None if service_log() else 2
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=indent) + "\n")


def print_error(error: TurnkeeperError) -> None:
    """Print an error: what failed and where, and the hint on a line of its own."""
    if log := service_log():
        log.error(error)
        return
    where = " ".join(part for part in (error.operation, error.key) if part)
    print_note(f"turnkeeper: {where}: {error.message}" if where else f"turnkeeper: {error.message}")
    if error.hint:
        print_note(f"  {error.hint}")


def discard_output() -> None:
    """Redirect standard output to nowhere, because its reader has gone and the flush at exit would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def event_listener(*, as_json: bool = False, quiet: bool = False) -> Listener:
    """Return the listener for a run: the service's log, plain lines on standard error, or none with ``quiet``."""
    if as_json:
        start_service_log("json")
    if quiet:
        return silent
    log = service_log()
    return log.event if log else _PlainLines()


class _PlainLines:
    """Prints a sentence for each event. Repeated waiting for the same transcript is printed once."""

    def __init__(self) -> None:
        self._waiting: tuple[str, str] | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Waiting):
            what = (event.conversation, event.status)
            if what != self._waiting:
                print_note(f"not ready ({event.status}); asking again every {format_duration(event.wait)}")
            self._waiting = what
        elif line := _event_sentence(event):
            print_note(line)


def _event_sentence(event: Event) -> str:
    match event:
        case Retried(where=where, reason=reason, wait=wait):
            # The context id of a response is for the platform's support; omit it here.
            return f"{where}: {reason.split('; context ')[0]}; trying again in {wait:.1f} s"
        case Renewed(what="link", reason=reason):
            return f"download link expired ({reason}); a new one was asked for"
        case Renewed(what=what, reason=reason):
            return f"{what} renewed: {reason}"
        case Absent(communication=communication, reason=reason):
            return f"communication {communication}: no transcript ({reason})"
        case Noted(note=note):
            return note
        case Fetched(source=source, size=size):
            return f"fetched {source}, {size:,} bytes"
        case Archived(generation=generation, state=state, changed=changed):
            return f"archived as generation {generation} ({state})" if changed else "already archived, nothing changed"
    return ""
