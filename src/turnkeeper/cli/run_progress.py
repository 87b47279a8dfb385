"""Show the progress of a long run: one rewritten line on a terminal, else a line every 30 seconds."""

from __future__ import annotations

import time
from collections import deque
from typing import TextIO

from turnkeeper.cli.console import fit_to_terminal, format_duration, printable
from turnkeeper.events import Event, Noted, Paged, Progressed, Renewed, Retried, Settled

__all__ = ["RunProgress"]

_WATCHED_S, _UNWATCHED_S = 0.2, 30.0
_SPAN_S = 60.0


class RunProgress:
    """A listener for runs over many conversations. Rates are averages over the last minute."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._watched = out.isatty()
        self._shown = time.monotonic()
        self._samples: deque[tuple[float, int, int]] = deque()
        self._throttled = 0

    def __call__(self, event: Event) -> None:
        match event:
            case Progressed():
                self._show_run(event)
            case Paged():
                self._show_pages(event)
            case Settled(state="failed"):
                self._print_line(f"{event.conversation}: {event.reason}")
            case Noted(note=note):
                self._print_line(f"{event.conversation}: {note}" if event.conversation else note)
            case Retried(limit_key=limit) if limit:
                self._throttled += 1
            case Renewed() | _:
                pass

    def _show_run(self, event: Progressed) -> None:
        now = time.monotonic()
        self._samples.append((now, event.visited, event.requests))
        while now - self._samples[0][0] > _SPAN_S:
            self._samples.popleft()
        if self._is_due(now):
            self._show_progress(self._run_sentence(event))

    def _show_pages(self, event: Paged) -> None:
        if self._is_due(time.monotonic()):
            self._show_progress(f"{event.done:,} of {event.calls:,} calls")
        # The line would stay in front of what is printed next.
        if event.done == event.calls and self._watched:
            self._show_progress("")

    def _is_due(self, now: float) -> bool:
        due = now - self._shown >= (_WATCHED_S if self._watched else _UNWATCHED_S)
        if due:
            self._shown = now
        return due

    def _run_sentence(self, event: Progressed) -> str:
        began, visited, requests = self._samples[0]
        # Of a single sample no time has passed.
        seconds = max(self._samples[-1][0] - began, 1e-9)
        rate = (event.visited - visited) / seconds
        parts = [f"{event.visited:,} visited", f"{event.left:,} to go", f"{event.transcripts:,} transcripts"]
        if event.failed:
            parts.append(f"{event.failed:,} failed")
        if event.waiting:
            parts.append(f"{event.waiting:,} due later")
        if rate > 0:
            parts.append(f"{rate:,.1f}/s")
            parts.append(f"{(event.requests - requests) / seconds * 60:,.0f} requests/min")
            parts.append(f"about {format_duration(event.left / rate)} left")
        if event.quota:
            parts.append(f"quota {event.quota:.0%} used")
        return " · ".join(parts)

    def _show_progress(self, text: str) -> None:
        self._out.write(f"\r\x1b[K{fit_to_terminal(text)}" if self._watched else text + "\n")
        self._out.flush()

    def _print_line(self, text: str) -> None:
        self._out.write(f"\r\x1b[K{printable(text)}\n" if self._watched else printable(text) + "\n")
        self._out.flush()
