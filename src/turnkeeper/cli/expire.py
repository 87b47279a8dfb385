"""``turnkeeper expire``: erase what has become too old."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from turnkeeper.cli.console import print_note
from turnkeeper.cli.erasure_proof import print_proof, refuse_foreign_proof, write_proof
from turnkeeper.cli.options import StoreOptions, store_settings
from turnkeeper.erasure.erasable_archive import ErasableArchive
from turnkeeper.erasure.expire import parse_age
from turnkeeper.exporter.queue_erasure import erase_from_queue
from turnkeeper.settings import clock_from_environment

__all__ = ["expire"]


def expire(
    archive: Annotated[str, Parameter(env_var="TURNKEEPER_ARCHIVE")],
    /,
    *,
    older_than: str,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    proof: Path | None = None,
    destination: StoreOptions | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Erase the conversations that have become too old.

    By the day of the call, in UTC, not by the day it was archived. Erases as `turnkeeper erase` does, without asking:
    made for a timer. Calls of which nothing says when they were are kept and listed.

        turnkeeper expire s3://calls/genesys --older-than 365d --dry-run

    Exit code 3 says that something is left: held by a lock, not provable, or undated; it is listed.

    Parameters
    ----------
    archive
        The archive's folder or address.
    older_than
        Days or weeks, such as 365d or 52w; a day goes when all of it is older.
    dry_run
        Only say what would be erased.
    proof
        Write the proof to this file: JSON without any content. An earlier proof there is kept under another name.
    json
        The same document on standard output.
    """
    age = parse_age(older_than)
    refuse_foreign_proof(proof)
    clock = clock_from_environment()
    opened = ErasableArchive(archive, store_settings(destination or StoreOptions(), None), clock=clock)
    done = opened.expire(age, dry_run=dry_run)
    if not dry_run:
        done = erase_from_queue(opened.url, done, clock)
    code = print_proof(done, as_json=json)
    print_note(f"{len(done.erasures)} conversations older than {older_than}")
    if dry_run:
        return 3 if done.undated else 0
    written = write_proof(done, proof) if proof else 0
    return 3 if code or written else 0
