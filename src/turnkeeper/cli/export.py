"""``turnkeeper export``: a range of conversations into an archive, once or for years."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Annotated

import msgspec
from cyclopts import Parameter

from turnkeeper.cli.console import event_listener, print_json, print_note
from turnkeeper.cli.health import Health
from turnkeeper.cli.heap import lean_heap
from turnkeeper.cli.log import service_log
from turnkeeper.cli.options import (
    AudioOptions,
    PlatformOptions,
    StoreOptions,
    archive_address,
    checked_count,
    platform_settings,
    store_settings,
)
from turnkeeper.cli.run_progress import RunProgress
from turnkeeper.cli.selection_options import SelectionOptions, range_from_options
from turnkeeper.environment import environment
from turnkeeper.errors import Misconfigured
from turnkeeper.events import Listener
from turnkeeper.exporter.engine import ExportSettings
from turnkeeper.exporter.export import estimate
from turnkeeper.exporter.export import export as run_export
from turnkeeper.exporter.range import Follow, Range
from turnkeeper.exporter.recordings import RecordingOptions, needs_audio_packages
from turnkeeper.exporter.run_report import Failure, RunReport
from turnkeeper.exporter.schedule import Schedule
from turnkeeper.exporter.windows import length_of
from turnkeeper.genesys.platform_export import PlatformExport
from turnkeeper.settings import StoreSettings, clock_from_environment

__all__ = ["ended", "export", "heard", "politely_stopped"]


def export(
    *,
    to: str = "",
    wanted: SelectionOptions | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    follow: Annotated[bool, Parameter(negative="")] = False,
    every: str = "15m",
    health_file: Path | None = None,
    absent_window: str = "7d",
    audio: AudioOptions | None = None,
    concurrency: int = 24,
    platform: PlatformOptions | None = None,
    destination: StoreOptions | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(alias="-q", negative="")] = False,
) -> int:
    """Every conversation of a range into an archive: resumable, nothing twice, and what is missing is listed.

    Run it as often as you like: what is archived costs nothing, what failed is tried again, and transcripts that come
    late are asked for on a growing schedule until `--absent-window` has passed. Stop it at any time: Ctrl-C finishes
    what is under way, anything harder loses nothing that was done.

        turnkeeper export --to s3://calls/genesys --since 2026-10-01 --until 2026-11-01
        turnkeeper export --to s3://calls/genesys --last 2d
        turnkeeper export --to s3://calls/genesys --follow

    With `--audio` the recordings come too, also those of conversations that were exported without.

    Prints a report of the run as JSON; the same is kept in the archive. Waiting for late transcripts is no failure
    (exit code 0); exit code 3 says that some conversations of the range failed, or cannot be read (all listed), also
    those of earlier runs, until they are mended.

    Parameters
    ----------
    to
        A folder, or an s3://, gs://, az:// or file:// address; else the organisation's own. [env: TURNKEEPER_ARCHIVE]
    dry_run
        Only say how many conversations there are, how many requests they take, and how many hours that is.
    follow
        Go on until stopped: list the last days again and ask for late transcripts when they are due.
    every
        How often to list again with --follow.
    health_file
        Write this file every ten seconds, with the time and what the run does, for a probe of a service manager.
    absent_window
        How long to go on asking for a transcript that is not there, from the call's end or the first ask.
    concurrency
        Conversations under way at once. The platform's quota is kept in any case.
    json
        Short for --log-format json: one JSON line per event on standard error, the report in one line.
    quiet
        No progress at all.
    """
    pulse = heard(as_json=json, quiet=quiet, health_file=health_file)
    to = archive_address(to, platform or PlatformOptions())
    if not to and not dry_run:
        raise Misconfigured("no archive was named", hint="Give --to, or set TURNKEEPER_ARCHIVE.")
    platform, destination = platform or PlatformOptions(), destination or StoreOptions()
    clock = clock_from_environment()
    range_ = range_from_options(wanted or SelectionOptions(), clock.now(), follow=follow)
    if dry_run:
        print_json(asdict(estimate(_given(range_), platform=platform_settings(platform), clock=clock)))
        return 0
    stores = store_settings(destination, platform.ca)
    pause, visitors = _every(every), checked_count(concurrency, "--concurrency")
    schedule = Schedule(window=_ms(length_of(absent_window, "--absent-window")))
    lean_heap()
    with politely_stopped() as stop:
        report = run_export(
            _following(range_, pause, wanted or SelectionOptions()) if follow else _given(range_),
            to=to,
            platform=platform_settings(platform),
            store=stores,
            settings=ExportSettings(visitors=visitors, schedule=schedule, audio=_sound(audio, stores, platform.wait)),
            clock=clock,
            listener=pulse,
            stop=stop,
        )
    print_json(msgspec.to_builtins(report))
    return ended(report, quiet=quiet)


def _given(range_: Range | None) -> Range:
    if range_ is None:
        hint = "Give --since (and --until), --last 2d, --ids FILE, or --follow."
        raise Misconfigured("nothing was asked for", hint=hint)
    return range_


def _sound(audio: AudioOptions | None, stores: StoreSettings, wait: float | None) -> RecordingOptions | None:
    """What was asked of recordings, if anything. Raises ``Misconfigured`` where packages are missing."""
    if audio is None or not (audio.audio or audio.audio_from):
        return None
    needs_audio_packages()
    source = PlatformExport(audio.audio_from, stores) if audio.audio_from else None
    return RecordingOptions(audio.sync, audio.audio_format, source, wait_seconds=wait)


def _every(text: str) -> timedelta:
    """``--every``, also where it is not used. Raises ``Misconfigured``: nobody lists again without a pause."""
    length = length_of(text, "--every")
    if not length:
        raise Misconfigured("is no pause at all", key="--every", hint="Write 15m or 1h.")
    return length


def _following(first: Range | None, every: timedelta, wanted: SelectionOptions) -> Follow:
    return Follow(every=every, first=first, filters=wanted.filters())


def ended(report: RunReport, *, quiet: bool) -> int:
    """A last word about a run, and its exit code."""
    if report.ended == "interrupted":
        print_note("stopped; what was under way is kept. The same command goes on from here.")
        return 130
    for line in () if quiet else _last_words(report):
        print_note(line)
    return 3 if report.partial else 0


def _last_words(report: RunReport) -> Iterator[str]:
    """What is not done, each kind of it with its mend; one by one they are in the report."""
    yield from _failed_words(report)
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


def _failed_words(report: RunReport) -> Iterator[str]:
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


def heard(*, as_json: bool, quiet: bool, health_file: Path | None = None) -> Listener:
    """Who hears of a run over many conversations. Raises what ``Health`` raises."""
    told = event_listener(as_json=as_json, quiet=quiet)
    pulse = told if quiet or service_log() else RunProgress(sys.stderr)
    return Health(pulse, health_file, environment().get("NOTIFY_SOCKET", ""))


def _ms(length: timedelta) -> int:
    return round(length.total_seconds() * 1000)


@contextmanager
def politely_stopped() -> Iterator[threading.Event]:
    """The first Ctrl-C (or SIGTERM) asks for an end, the second one insists."""
    stop = threading.Event()

    def asked_to_stop(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        print_note("stopping: finishing what is under way (once more to stop at once)")

    before = {name: signal.signal(name, asked_to_stop) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
