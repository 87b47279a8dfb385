"""``turnkeeper verify``: check an archive against itself."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
from cyclopts import Parameter

from turnkeeper.archive.archive import Archive
from turnkeeper.archive.verify import Finding
from turnkeeper.cli.console import print_note, printable
from turnkeeper.cli.options import StoreOptions, store_settings
from turnkeeper.errors import Misconfigured
from turnkeeper.settings import clock_from_environment

__all__ = ["verify"]


def verify(
    archive: Annotated[str, Parameter(env_var="TURNKEEPER_ARCHIVE")],
    /,
    *,
    sample: str = "100%",
    seed: str = "",
    views: Annotated[bool, Parameter(negative="")] = False,
    destination: StoreOptions | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Re-hash what an archive lists; find what is missing, changed or listed by nobody.

    Every input and view of every current manifest is read and hashed. Objects that no manifest lists, manifests that
    cannot be read, erasures that are not finished, and an index that says something else are found too. Nothing is
    written.

        turnkeeper verify s3://calls/genesys --sample 5% --json

    Exit code 3 says that there are findings; each one is listed.

    Parameters
    ----------
    archive
        The archive's folder or address.
    sample
        Look at this share of the conversations only, such as 5%.
    seed
        Which share: the same seed chooses the same conversations. A new one each time where none is given.
    views
        Also build the views again from their inputs and compare.
    json
        One JSON line per finding on standard output, and last one with what was looked at.
    """
    opened = Archive(archive, store_settings(destination or StoreOptions(), None), clock=clock_from_environment())
    checking = opened.verify(sample=_read_share(sample), seed=seed, views=views)
    count = 0
    for finding in checking:
        count += 1
        _print_finding(finding, as_json=json)
    looked_at = {"conversations": checking.conversations, "objects": checking.objects, "bytes": checking.size}
    if json:
        chosen = {"sample": checking.sample, "seed": checking.seed} if checking.sample < 1 else {}
        line = {"kind": "summary", "findings": count, **looked_at, **chosen}
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    which = f" (a sample of {checking.sample:.2%}, seed {checking.seed})" if checking.sample < 1 else ""
    seen = f"{checking.conversations:,} conversations, {checking.objects:,} objects, {checking.size:,} bytes"
    print_note(f"{seen} looked at{which}; {count:,} findings")
    return 3 if count else 0


def _read_share(text: str) -> float:
    number, percent, rest = text.strip().partition("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = 0.0
    if rest or not 0 < share <= 1:
        raise Misconfigured(f"{text[:40]!a} is not a share", operation="verify", key="--sample", hint="Try 5%.")
    return share


def _print_finding(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(finding).decode() + "\n")
    else:
        sys.stdout.write(printable(f"{finding.kind:<10}  {finding.key}  {finding.detail}") + "\n")
