"""``turnkeeper retry``: what failed, once more, now."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter

from turnkeeper.cli.bulk_run import conclude_run, limit_heaps, run_listener, stop_on_signals
from turnkeeper.cli.console import print_json
from turnkeeper.cli.options import PlatformOptions, StoreOptions, platform_settings, required_archive, store_settings
from turnkeeper.exporter.export import export as run_export
from turnkeeper.exporter.range import Range
from turnkeeper.settings import clock_from_environment

__all__ = ["retry"]


def retry(
    archive: str = "",
    /,
    *,
    platform: PlatformOptions | None = None,
    destination: StoreOptions | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(alias="-q", negative="")] = False,
) -> int:
    """Try again what failed, now, whatever its schedule says; nothing new is looked for.

        turnkeeper retry s3://calls/genesys

    Prints a report of the run as JSON. Exit code 3 says that some failed again (listed).

    Parameters
    ----------
    archive
        The archive's folder or address; else the organisation's archive. [env:
        TURNKEEPER_ARCHIVE]
    json
        Short for --log-format json: one JSON line per event on standard error, the report in one line.
    quiet
        No progress at all.
    """
    listener = run_listener(as_json=json, quiet=quiet)
    platform, destination = platform or PlatformOptions(), destination or StoreOptions()
    limit_heaps()
    with stop_on_signals() as stop:
        report = run_export(
            Range(),
            to=required_archive(archive, platform),
            platform=platform_settings(platform),
            store=store_settings(destination, platform.ca),
            clock=clock_from_environment(),
            listener=listener,
            stop=stop,
            retry=True,
        )
    print_json(msgspec.to_builtins(report))
    return conclude_run(report, quiet=quiet)
