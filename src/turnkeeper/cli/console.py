"""What reaches a terminal: errors, facts of a run, tables. Text from outside is escaped here and nowhere else."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Mapping

from turnkeeper.cli.log import service_log, start_service_log
from turnkeeper.errors import TurnkeeperError
from turnkeeper.events import Absent, Archived, Event, Fetched, Listener, Noted, Renewed, Retried, Waiting, silent

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
"""From so many days on, hours say nothing."""


def printable(text: str) -> str:
    """Text a terminal can be trusted with: control characters and direction overrides are spelled out."""
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
        return character
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def print_note(line: str) -> None:
    """One line for a person, on standard error."""
    clear_progress()
    sys.stderr.write(printable(line) + "\n")
    sys.stderr.flush()


def clear_progress() -> None:
    """Take away the line of progress that may stand on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def fit_to_terminal(text: str) -> str:
    """A line of progress cut to the terminal on standard error: one that wraps could not be taken away again."""
    try:
        width = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return text
    return text if not width or len(text) < width else text[: max(width - 2, 0)] + "…"


def format_duration(seconds: float) -> str:
    """A length of time as a person says it: ``54 days``, ``3 h 05 min``, ``2 min 10 s``, ``8 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= _DAYS * 24:
        return f"{hours // 24:,} days"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def print_json(document: Mapping[str, object]) -> None:
    """One JSON object on standard output; in one line where standard error is a service's log."""
    clear_progress()
    indent = None if service_log() else 2
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=indent) + "\n")


def print_error(error: TurnkeeperError) -> None:
    """An error as a person reads it: what, where, and on a line of its own the mend."""
    if log := service_log():
        log.error(error)
        return
    where = " ".join(part for part in (error.operation, error.key) if part)
    print_note(f"turnkeeper: {where}: {error.message}" if where else f"turnkeeper: {error.message}")
    if error.hint:
        print_note(f"  {error.hint}")


def discard_output() -> None:
    """Stop writing to a reader who has gone, also while Python flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def event_listener(*, as_json: bool = False, quiet: bool = False) -> Listener:
    """Who hears of a run: a service's log (JSON is one), plain lines on standard error, or nobody."""
    if as_json:
        start_service_log("json")
    if quiet:
        return silent
    log = service_log()
    return log.event if log else _PlainLines()


class _PlainLines:
    """A sentence for each event. Waiting is one sentence however often it is asked again."""

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
            # The platform's id of that one answer is for its support, not for whoever watches.
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
