"""What a destination permits, tried out with one short-lived object: each finding with its mend."""

from __future__ import annotations

import contextlib
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace

from turnkeeper.archive import keys, metadata
from turnkeeper.errors import Conflict, TurnkeeperError
from turnkeeper.installation import install_hint
from turnkeeper.settings import StoreSettings
from turnkeeper.storage import aws
from turnkeeper.storage.address import local_path, parse_address
from turnkeeper.storage.contract import Store
from turnkeeper.storage.errors import POLICY
from turnkeeper.storage.object_store import open_store

__all__ = ["ProbeResult", "probe_store"]

State = Literal["ok", "warn", "fail"]


class ProbeResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing tried: ``found`` says what happened, ``mend`` what to do about it (empty where nothing is)."""

    name: str
    state: State
    found: str
    mend: str = ""


def probe_store(store: Store, settings: StoreSettings | None = None) -> Iterator[ProbeResult]:
    """Write, write again on condition, read, list, delete; on S3 with ``[aws]`` also versioning and object lock.

    Never raises for what it tries. After a write that failed, nothing else is tried.
    """
    key = keys.probe(secrets.token_hex(8))
    written = _tried("write", lambda: _write(store, key))
    if written.state == "fail":
        option = _helpful(store, settings) if settings and store.url.startswith("s3://") else ""
        yield replace(written, mend=f"It is allowed with {option}: give that to every command.") if option else written
        return
    yield written
    yield _tried("conditional write", lambda: _write_again(store, key))
    yield _tried("read", lambda: _read(store, key))
    yield _tried("list", lambda: _list(store, key))
    yield _tried("format", lambda: _format(store))
    if (folder := local_path(store.url)) is not None:
        yield _permissions(folder, settings or StoreSettings())
    removed = _tried("delete", lambda: _delete(store, key))
    yield removed if removed.state == "ok" else _only_for_erasing(removed)
    if store.url.startswith("s3://"):
        yield from _protection(store, settings or StoreSettings())


_OTHER_WAYS: tuple[tuple[str, dict[str, str]], ...] = (
    ("--sse AES256 (TURNKEEPER_SSE)", {"sse": "AES256", "kms_key": ""}),
    ("--sse aws:kms (TURNKEEPER_SSE)", {"sse": "aws:kms", "kms_key": ""}),
    ("--checksum off (TURNKEEPER_CHECKSUM)", {"checksum": "off"}),
)
"""Options with which a bucket may take what it otherwise refuses."""


def _helpful(store: Store, settings: StoreSettings) -> str:
    """The first option with which the object can be written; empty where there is none."""
    for option, changes in _OTHER_WAYS:
        other, key = open_store(store.url, settings.but(**changes)), keys.probe(secrets.token_hex(8))
        with contextlib.suppress(TurnkeeperError):
            _write(other, key)
            with contextlib.suppress(TurnkeeperError):
                _delete(other, key)
            return option
    return ""


def _tried(name: str, attempt: Callable[[], str]) -> ProbeResult:
    try:
        return ProbeResult(name, "ok", attempt())
    except TurnkeeperError as error:
        return ProbeResult(name, "fail", error.message, error.hint or f"The identity needs {POLICY}.")


def _write(store: Store, key: str) -> str:
    store.put(key, b'{"probe":1}\n', create=True)
    return "allowed"


def _write_again(store: Store, key: str) -> str:
    try:
        store.put(key, b'{"probe":2}\n', create=True)
    except Conflict:
        return "honoured"
    metadata.refuse_ignored_conditions(store)
    return "honoured, but not at once"


def _read(store: Store, key: str) -> str:
    return f"allowed ({len(store.get(key))} bytes)"


def _list(store: Store, key: str) -> str:
    folder = key.rpartition("/")[0] + "/"
    return "allowed" if key in store.list(folder) else "allowed, but new objects show late"


def _format(store: Store) -> str:
    found = metadata.read_layout(store)
    return f"{found.format}, since {found.created}" if found else "a new archive"


def _permissions(folder: Path, settings: StoreSettings) -> ProbeResult:
    mode = stat.S_IMODE(folder.stat().st_mode)
    others = mode & (0o007 if settings.shared else 0o077)
    if not others:
        return ProbeResult("permissions", "ok", f"{mode:04o}")
    who = "everybody on this machine" if mode & 0o007 else "the folder's group"
    mend = f"chmod -R {'o=' if settings.shared else 'go='} {folder}{'' if mode & 0o007 else '; or say --shared'}"
    return ProbeResult("permissions", "warn", f"{mode:04o}: {who} may look at it", mend)


def _delete(store: Store, key: str) -> str:
    store.delete(key)
    return "allowed"


def _only_for_erasing(finding: ProbeResult) -> ProbeResult:
    return ProbeResult(finding.name, "warn", finding.found, f"Only erasing needs it. {finding.mend}")


def _protection(store: Store, settings: StoreSettings) -> Iterator[ProbeResult]:
    found = aws.protection(settings, parse_address(store.url).bucket)
    if found is None:
        yield ProbeResult("versioning", "warn", "not looked at", install_hint("aws"))
        return
    yield _switch("versioning", found.versioning, "Views are replaced in place; versioning keeps their history.")
    yield _switch("object lock", found.object_lock, "Without it whoever may delete objects may delete transcripts.")


def _switch(name: str, on: bool | None, why: str) -> ProbeResult:
    if on is None:
        return ProbeResult(name, "warn", "this identity may not know", f"To see it, allow s3:GetBucket{_action(name)}.")
    return ProbeResult(name, "ok", "on") if on else ProbeResult(name, "warn", "off", why)


def _action(name: str) -> str:
    return "Versioning" if name == "versioning" else "ObjectLockConfiguration"
