"""``turnkeeper reread``: rebuild views offline."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
from cyclopts import Parameter

from turnkeeper.archive.archive import Archive
from turnkeeper.archive.reread import RereadResult
from turnkeeper.archive.reread import reread as rebuild
from turnkeeper.cli.console import print_note
from turnkeeper.cli.options import StoreOptions, store_settings
from turnkeeper.settings import clock_from_environment

__all__ = ["reread"]


def reread(
    archive: Annotated[str, Parameter(env_var="TURNKEEPER_ARCHIVE")],
    /,
    *conversations: str,
    every: Annotated[bool, Parameter(name="--all", negative="")] = False,
    destination: StoreOptions | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Rebuild views from the bytes the archive keeps, without the platform.

    Reads again what could not be read when it was fetched (after an upgrade that knows its shape), or with `--all`
    rebuilds all views. The kept bytes never change; a new generation is written only where a view changed.

        turnkeeper reread s3://calls/genesys

    Exit code 3 says that something is still unread, or not in the archive; each one is listed.

    Parameters
    ----------
    archive
        The archive's folder or address.
    conversations
        Only these conversations; all unread ones where none is named.
    every
        All conversations, also those that were read before.
    json
        One JSON line per conversation on standard output.
    """
    opened = Archive(archive, store_settings(destination or StoreOptions(), None), clock=clock_from_environment())
    results = []
    for result in rebuild(opened, list(conversations) or None, every=every):
        results.append(result)
        _print_result(result, as_json=json)
    unread = sum(result.after == "unread" for result in results)
    absent = sum(result.after == "absent" for result in results)
    missing = f", {absent} not in the archive" if absent else ""
    print_note(f"{len(results)} looked at, {len(results) - unread - absent} read, {unread} still unread{missing}")
    return 3 if unread or absent else 0


def _print_result(result: RereadResult, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    else:
        reason = f"  {result.reason}" if result.reason else ""
        sys.stdout.write(f"{result.conversation}  {result.before} -> {result.after}{reason}\n")
