"""What ``export`` and ``retry`` share: progress, signals, memory, and the last lines and exit code of a run."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from turnkeeper.cli.console import event_listener, print_note
from turnkeeper.cli.health import Health
from turnkeeper.cli.log import service_log
from turnkeeper.cli.run_progress import RunProgress
from turnkeeper.environment import environment
from turnkeeper.events import Listener
from turnkeeper.exporter.run_report import Failure, RunReport

__all__ = ["conclude_run", "limit_heaps", "run_listener", "stop_on_signals"]

# The numbers of mallopt(3) in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGE = 128 << 10
_HEAPS = 2


def run_listener(*, as_json: bool, quiet: bool, health_file: Path | None = None) -> Listener:
    """Return the listener of a run over many conversations. Raises what ``Health`` raises."""
    plain = event_listener(as_json=as_json, quiet=quiet)
    progress = plain if quiet or service_log() else RunProgress(sys.stderr)
    return Health(progress, health_file, environment().get("NOTIFY_SOCKET", ""))


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Handle Ctrl-C and SIGTERM: the first sets the event, so that the run finishes its work; the second interrupts."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        print_note("stopping: finishing what is under way (once more to stop at once)")

    # Service managers and container runtimes stop a process with SIGTERM.
    previous = {name: signal.signal(name, on_signal) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for name, handler in previous.items():
            signal.signal(name, handler)


def limit_heaps() -> None:
    """Limit glibc to two heaps for all threads, and return large blocks to the system at once.

    By default glibc gives each of a dozen threads its own heap, and raises its threshold for separate mappings as large
    blocks are freed, so later ones fragment a heap: about 10 MB in the first 10,000 conversations, 20 MB in 50,000.
    This affects the whole process, so the library does not do it. Its callers can set ``MALLOC_ARENA_MAX=2
    MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072``. Does nothing with other C libraries.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_ARENA_MAX, _HEAPS)
        # A threshold that is set no longer grows as blocks are freed (mallopt(3)).
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _LARGE)


def conclude_run(report: RunReport, *, quiet: bool) -> int:
    """Print what a run left undone, and return the exit code."""
    if report.ended == "interrupted":
        print_note("stopped; what was under way is kept. The same command goes on from here.")
        return 130
    for line in () if quiet else _remaining_work(report):
        print_note(line)
    return 3 if report.partial else 0


def _remaining_work(report: RunReport) -> Iterator[str]:
    """Yield a line and a hint for each kind of undone work. The report lists the conversations."""
    yield from _failure_lines(report)
    if unread := max(report.unread, report.outstanding_unread):
        yield f"{unread:,} kept that cannot be read yet"
        yield "  turnkeeper status says why; after an upgrade, turnkeeper reread reads them without asking again."
    if report.outstanding_recordings:
        yield f"{report.outstanding_recordings:,} with a recording that cannot be read (listed as unreadable)"
        yield "  turnkeeper get ID --audio --to the archive fetches it again."
    if report.defects:
        yield f"{report.defects:,} turns have a field that cannot be right: they are kept, and name it in defects"
    if report.empty:
        yield f"{report.empty:,} without any turn: the platform gave a transcript that holds none"
    again = "run it again" + (f", from {report.next_due} on" if report.next_due else "")
    if report.waiting:
        yield f"{report.waiting:,} {'have' if report.waiting > 1 else 'has'} no transcript yet: {again}"
    if report.completing:
        yield f"{report.completing:,} archived, another leg or a recording may still come: {again}"


def _failure_lines(report: RunReport) -> Iterator[str]:
    kinds: dict[tuple[str, bool], list[Failure]] = {}
    for failure in report.failures:
        kinds.setdefault((failure.error, failure.earlier), []).append(failure)
    for (error, earlier), failures in kinds.items():
        count = len({failure.conversation for failure in failures})
        if not failures[0].conversation:
            yield f"{error}: {failures[0].message}"
        elif earlier:
            yield f"{count:,} failed in an earlier run and not since: {error}: {failures[0].message}"
            due = min((failure.due for failure in failures if failure.due), default="")
            yield f"  turnkeeper retry tries them now{f'; the next is due at {due}' if due else ''}."
        else:
            yield f"{count:,} failed: {error}: {failures[0].message}"
        if failures[0].hint:
            yield f"  {failures[0].hint}"
