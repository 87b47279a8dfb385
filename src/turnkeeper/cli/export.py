"""``turnkeeper export``: a range of conversations into an archive, once or for years."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from turnkeeper.cli.bulk_run import conclude_run, limit_heaps, run_listener, stop_on_signals
from turnkeeper.cli.console import print_json
from turnkeeper.cli.options import (
    AudioOptions,
    PlatformOptions,
    StoreOptions,
    archive_address,
    checked_count,
    platform_settings,
    store_settings,
)
from turnkeeper.cli.selection_options import SelectionOptions, range_from_options
from turnkeeper.errors import Misconfigured
from turnkeeper.exporter.engine import ExportSettings
from turnkeeper.exporter.export import estimate
from turnkeeper.exporter.export import export as run_export
from turnkeeper.exporter.range import Follow, Range
from turnkeeper.exporter.recordings import RecordingOptions, needs_audio_packages
from turnkeeper.exporter.schedule import Schedule
from turnkeeper.exporter.windows import length_of
from turnkeeper.genesys.platform_export import PlatformExport
from turnkeeper.settings import StoreSettings, clock_from_environment

__all__ = ["export"]


def export(
    *,
    to: str = "",
    selection: SelectionOptions | None = None,
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
    listener = run_listener(as_json=json, quiet=quiet, health_file=health_file)
    to = archive_address(to, platform or PlatformOptions())
    if not to and not dry_run:
        raise Misconfigured("no archive was named", hint="Give --to, or set TURNKEEPER_ARCHIVE.")
    platform, destination = platform or PlatformOptions(), destination or StoreOptions()
    clock = clock_from_environment()
    range_ = range_from_options(selection or SelectionOptions(), clock.now(), follow=follow)
    if dry_run:
        print_json(asdict(estimate(_require_range(range_), platform=platform_settings(platform), clock=clock)))
        return 0
    stores = store_settings(destination, platform.ca)
    pause = _listing_pause(every)
    settings = _export_settings(concurrency, absent_window, _recording_options(audio, stores, platform.wait))
    limit_heaps()
    with stop_on_signals() as stop:
        report = run_export(
            _follow(range_, pause, selection or SelectionOptions()) if follow else _require_range(range_),
            to=to,
            platform=platform_settings(platform),
            store=stores,
            settings=settings,
            clock=clock,
            listener=listener,
            stop=stop,
        )
    print_json(msgspec.to_builtins(report))
    return conclude_run(report, quiet=quiet)


def _export_settings(concurrency: int, absent_window: str, audio: RecordingOptions | None) -> ExportSettings:
    schedule = Schedule(window=_milliseconds(length_of(absent_window, "--absent-window")))
    return ExportSettings(concurrency=checked_count(concurrency, "--concurrency"), schedule=schedule, audio=audio)


def _require_range(range_: Range | None) -> Range:
    if range_ is None:
        hint = "Give --since (and --until), --last 2d, --ids FILE, or --follow."
        raise Misconfigured("nothing was asked for", hint=hint)
    return range_


def _recording_options(
    audio: AudioOptions | None, stores: StoreSettings, wait: float | None
) -> RecordingOptions | None:
    """Return the options for recordings, None without ``--audio``. Raises ``Misconfigured`` if packages are missing."""
    if audio is None or not (audio.audio or audio.audio_from):
        return None
    needs_audio_packages()
    source = PlatformExport(audio.audio_from, stores) if audio.audio_from else None
    return RecordingOptions(audio.sync, audio.audio_format, source, wait_seconds=wait)


def _listing_pause(text: str) -> timedelta:
    """Read ``--every``, also without ``--follow``. Raises ``Misconfigured`` for a pause of zero."""
    length = length_of(text, "--every")
    if not length:
        raise Misconfigured("is no pause at all", key="--every", hint="Write 15m or 1h.")
    return length


def _follow(first: Range | None, every: timedelta, selection: SelectionOptions) -> Follow:
    return Follow(every=every, first=first, filters=selection.filters())


def _milliseconds(length: timedelta) -> int:
    return round(length.total_seconds() * 1000)
