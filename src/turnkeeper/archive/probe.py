"""Try what a store permits, with one short-lived object. Each result says how to fix what does not work."""

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
from turnkeeper.storage.errors import POLICY
from turnkeeper.storage.object_store import open_store
from turnkeeper.storage.store import Store

__all__ = ["ProbeResult", "probe_store"]

State = Literal["ok", "warn", "fail"]


class ProbeResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of one attempt: ``found`` says what happened, ``mend`` what to do about it (empty if nothing is)."""

    name: str
    state: State
    found: str
    mend: str = ""


def probe_store(store: Store, settings: StoreSettings | None = None) -> Iterator[ProbeResult]:
    """Write, write again on condition, read, list, delete; on S3 with ``[aws]`` also versioning and object lock.

    An attempt that fails is a result, not an exception. After a failed write, nothing else is tried.
    """
    # A random key, so that several probes at once do not disturb each other.
    key = keys.probe(secrets.token_hex(8))
    write = _attempt("write", lambda: _write_probe(store, key))
    if write.state == "fail":
        option = _find_option(store, settings) if settings and store.url.startswith("s3://") else ""
        yield replace(write, mend=f"It is allowed with {option}: give that to every command.") if option else write
        return
    yield write
    yield _attempt("conditional write", lambda: _write_again(store, key))
    yield _attempt("read", lambda: _read_back(store, key))
    yield _attempt("list", lambda: _list_folder(store, key))
    yield _attempt("format", lambda: _format_of(store))
    if (folder := local_path(store.url)) is not None:
        yield _permissions(folder, settings or StoreSettings())
    delete = _attempt("delete", lambda: _delete_probe(store, key))
    yield delete if delete.state == "ok" else _needed_to_erase(delete)
    if store.url.startswith("s3://"):
        yield from _bucket_settings(store, settings or StoreSettings())


_OTHER_OPTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    ("--sse AES256 (TURNKEEPER_SSE)", {"sse": "AES256", "kms_key": ""}),
    ("--sse aws:kms (TURNKEEPER_SSE)", {"sse": "aws:kms", "kms_key": ""}),
    ("--checksum off (TURNKEEPER_CHECKSUM)", {"checksum": "off"}),
)
"""Options with which a bucket may accept an object that it otherwise refuses."""


def _find_option(store: Store, settings: StoreSettings) -> str:
    """The first option with which the object can be written; empty if there is none."""
    for option, changes in _OTHER_OPTIONS:
        other, key = open_store(store.url, settings.but(**changes)), keys.probe(secrets.token_hex(8))
        with contextlib.suppress(TurnkeeperError):
            _write_probe(other, key)
            # The option works all the same if this identity may not delete.
            with contextlib.suppress(TurnkeeperError):
                _delete_probe(other, key)
            return option
    return ""


def _attempt(name: str, action: Callable[[], str]) -> ProbeResult:
    try:
        return ProbeResult(name, "ok", action())
    except TurnkeeperError as error:
        return ProbeResult(name, "fail", error.message, error.hint or f"The identity needs {POLICY}.")


def _write_probe(store: Store, key: str) -> str:
    store.put(key, b'{"probe":1}\n', create=True)
    return "allowed"


def _write_again(store: Store, key: str) -> str:
    try:
        store.put(key, b'{"probe":2}\n', create=True)
    except Conflict:
        return "honoured"
    # The store may only be slow to notice the first object. The archive's own probe is older, and decides.
    metadata.refuse_ignored_conditions(store)
    return "honoured, but not at once"


def _read_back(store: Store, key: str) -> str:
    return f"allowed ({len(store.get(key))} bytes)"


def _list_folder(store: Store, key: str) -> str:
    folder = key.rpartition("/")[0] + "/"
    return "allowed" if key in store.list(folder) else "allowed, but new objects show late"


def _format_of(store: Store) -> str:
    archive = metadata.read_metadata(store)
    return f"{archive.format}, since {archive.created}" if archive else "a new archive"


def _permissions(folder: Path, settings: StoreSettings) -> ProbeResult:
    mode = stat.S_IMODE(folder.stat().st_mode)
    others = mode & (0o007 if settings.shared else 0o077)
    if not others:
        return ProbeResult("permissions", "ok", f"{mode:04o}")
    who = "everybody on this machine" if mode & 0o007 else "the folder's group"
    mend = f"chmod -R {'o=' if settings.shared else 'go='} {folder}{'' if mode & 0o007 else '; or say --shared'}"
    return ProbeResult("permissions", "warn", f"{mode:04o}: {who} may look at it", mend)


def _delete_probe(store: Store, key: str) -> str:
    store.delete(key)
    return "allowed"


def _needed_to_erase(result: ProbeResult) -> ProbeResult:
    """The result as a warning: exports work without this permission."""
    return ProbeResult(result.name, "warn", result.found, f"Only erasing needs it. {result.mend}")


def _bucket_settings(store: Store, settings: StoreSettings) -> Iterator[ProbeResult]:
    protection = aws.bucket_protection(settings, parse_address(store.url).bucket)
    if protection is None:
        yield ProbeResult("versioning", "warn", "not looked at", install_hint("aws"))
        return
    yield _switch("versioning", protection.versioning, "Without it an object that is deleted by mistake is gone.")
    yield _switch(
        "object lock", protection.object_lock, "Without it whoever may delete objects may delete transcripts."
    )


def _switch(name: str, on: bool | None, why: str) -> ProbeResult:
    if on is None:
        action = "Versioning" if name == "versioning" else "ObjectLockConfiguration"
        return ProbeResult(name, "warn", "this identity may not know", f"To see it, allow s3:GetBucket{action}.")
    return ProbeResult(name, "ok", "on") if on else ProbeResult(name, "warn", "off", why)
