"""``turnkeeper reindex``: build the index of an archive again from its manifests."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
from cyclopts import Parameter

from turnkeeper.archive.archive import Archive
from turnkeeper.cli.console import print_note, printable
from turnkeeper.cli.options import StoreOptions, store_settings
from turnkeeper.errors import TurnkeeperError
from turnkeeper.settings import clock_from_environment

__all__ = ["reindex"]


def reindex(
    archive: Annotated[str, Parameter(env_var="TURNKEEPER_ARCHIVE")],
    /,
    *,
    destination: StoreOptions | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Build the archive's index again from its manifests, without the platform.

    The index says what became of each call of a day; `status` and `export` read it. Every verb keeps it up to date.
    Use this one for an archive that was restored or copied, that an earlier version of `get` filled, or where `verify`
    finds that the index says something else. Calls that have no transcript yet, and when each is asked for again, stay
    as the index has them. Nothing is written where the index says everything already.

        turnkeeper reindex s3://calls/genesys

    Exit code 3 says that a manifest or a day of the index cannot be read; each one is listed.

    Parameters
    ----------
    archive
        The archive's folder or address.
    json
        The counts as JSON on standard output.
    """
    opened = Archive(archive, store_settings(destination or StoreOptions(), None), clock=clock_from_environment())
    unreadable = 0

    def report_unreadable(cause: TurnkeeperError) -> None:
        nonlocal unreadable
        unreadable += 1
        print_note(printable(str(cause)))

    result = opened.reindex(report_unreadable)
    if json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    print_note(f"{result.conversations:,} conversations looked at, {result.changed:,} entries of the index changed")
    return 3 if unreadable else 0
