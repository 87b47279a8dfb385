"""``turnkeeper doctor``: every precondition, each with its mend."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from turnkeeper.cli.console import event_listener, print_json, print_note, printable
from turnkeeper.cli.options import PlatformOptions, StoreOptions, archive_address, platform_settings, store_settings
from turnkeeper.diagnosis import BUCKET_POLICY, LEAST_ROLE, Check, file_shape, payload_shape
from turnkeeper.diagnosis import doctor as examine
from turnkeeper.settings import clock_from_environment

__all__ = ["doctor"]

MARKS = {"ok": "ok  ", "warn": "note", "fail": "FAIL"}


def doctor(
    archive: Annotated[str, Parameter(env_var="TURNKEEPER_ARCHIVE")] = "",
    /,
    *,
    shape: str = "",
    platform: PlatformOptions | None = None,
    destination: StoreOptions | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Check every precondition, each with its mend.

    Credentials, region, the permission behind each endpoint, remaining quota, clock, proxy and certificate authority;
    with an archive also the destination: write, conditional write, read, delete, versioning, object lock.

        turnkeeper doctor s3://calls/genesys

    With `--shape ID` or `--shape FILE` it prints the keys, types and ranges of that payload and no value of it: safe
    to paste into a report about a shape that turnkeeper does not know.

    Exit code 0: all well. 3: findings, listed, or a payload without a shape. 4: the platform does not let this client
    in.

    Parameters
    ----------
    archive
        The archive to check; else the organisation's.
    shape
        A conversation, or a file, whose payload's shape is to be described.
    json
        The checks as one JSON object on standard output.
    """
    if shape and Path(shape).is_file():
        return _show_shape(file_shape(Path(shape)))
    platform, destination = platform or PlatformOptions(), destination or StoreOptions()
    to = archive_address(archive, platform)
    settings, clock = platform_settings(platform), clock_from_environment()
    if shape:
        return _show_shape(payload_shape(shape, platform=settings, clock=clock, listener=event_listener(quiet=True)))
    checks = examine(to, platform=settings, store=store_settings(destination, platform.ca), clock=clock)
    if json:
        print_json(
            {"checks": msgspec.to_builtins(checks), "least_role": dict(LEAST_ROLE), "bucket_policy": BUCKET_POLICY}
        )
    else:
        _print_checks(checks, destination=to)
    return _exit_code(checks)


def _show_shape(described: Mapping[str, object]) -> int:
    """Print the shape. Return 3 if a body has none, because it is not JSON or is cut off."""
    print_json(described)
    bodies = described.get("bodies")
    unread = [
        f"{name}: {body['unread']}"
        for name, body in (bodies.items() if isinstance(bodies, Mapping) else ())
        if isinstance(body, Mapping) and "unread" in body
    ]
    for line in unread:
        print_note(line)
    return 3 if unread else 0


def _exit_code(checks: Sequence[Check]) -> int:
    failed = [check.name for check in checks if check.state == "fail"]
    return 4 if "credentials" in failed else 3 if failed else 0


def _print_checks(checks: Sequence[Check], *, destination: str) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        sys.stdout.write(printable(f"{MARKS[check.state]}  {check.name:{width}}  {check.found}") + "\n")
        if check.mend and check.state != "ok":
            sys.stdout.write(printable(f"      {'':{width}}  -> {check.mend}") + "\n")
    _print_needs(destination=destination)


def _print_needs(*, destination: str) -> None:
    """Print what an administrator has to grant, ready to paste."""
    sys.stdout.write("\nThe least role on the platform (assign it in every division whose calls are exported):\n")
    sys.stdout.writelines(f"  {permission:36} {purpose}\n" for permission, purpose in LEAST_ROLE.items())
    if destination.startswith("s3://"):
        policy = msgspec.json.format(msgspec.json.encode(BUCKET_POLICY), indent=2).decode()
        sys.stdout.write(f"\nThe least bucket policy:\n{policy}\n")
    print_note("see docs/doctor.md for each check")
