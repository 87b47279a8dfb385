"""What a destination permits, tried out with one short-lived object: each finding with its mend."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from turnkeeper.archive import aws, keys, layout
from turnkeeper.archive.address import parse_address
from turnkeeper.archive.contract import Store
from turnkeeper.archive.refusals import POLICY
from turnkeeper.errors import Conflict, TurnkeeperError
from turnkeeper.installation import install_hint
from turnkeeper.settings import StoreSettings

__all__ = ["Finding", "probe_store"]

State = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing tried: ``found`` says what happened, ``mend`` what to do about it (empty where nothing is)."""

    name: str
    state: State
    found: str
    mend: str = ""


def probe_store(store: Store, settings: StoreSettings | None = None) -> Iterator[Finding]:
    """Write, write again on condition, read, list, delete; on S3 with ``[aws]`` also versioning and object lock.

    Never raises for what it tries. After a write that failed, nothing else is tried.
    """
    key = keys.probe(secrets.token_hex(8))
    written = _tried("write", lambda: _write(store, key))
    yield written
    if written.state == "fail":
        return
    yield _tried("conditional write", lambda: _write_again(store, key))
    yield _tried("read", lambda: _read(store, key))
    yield _tried("list", lambda: _list(store, key))
    yield _tried("format", lambda: _format(store))
    removed = _tried("delete", lambda: _delete(store, key))
    yield removed if removed.state == "ok" else _only_for_erasing(removed)
    if store.url.startswith("s3://"):
        yield from _protection(store, settings or StoreSettings())


def _tried(name: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "ok", attempt())
    except TurnkeeperError as error:
        return Finding(name, "fail", error.message, error.hint or f"The identity needs {POLICY}.")


def _write(store: Store, key: str) -> str:
    store.put(key, b'{"probe":1}\n', create=True)
    return "allowed"


def _write_again(store: Store, key: str) -> str:
    try:
        store.put(key, b'{"probe":2}\n', create=True)
    except Conflict:
        return "honoured"
    layout.refuse_ignored_conditions(store)
    return "honoured, but not at once"


def _read(store: Store, key: str) -> str:
    return f"allowed ({len(store.get(key))} bytes)"


def _list(store: Store, key: str) -> str:
    folder = key.rpartition("/")[0] + "/"
    return "allowed" if key in store.list(folder) else "allowed, but new objects show late"


def _format(store: Store) -> str:
    found = layout.read_layout(store)
    return f"{found.format}, since {found.created}" if found else "a new archive"


def _delete(store: Store, key: str) -> str:
    store.delete(key)
    return "allowed"


def _only_for_erasing(finding: Finding) -> Finding:
    return Finding(finding.name, "warn", finding.found, f"Only erasing needs it. {finding.mend}")


def _protection(store: Store, settings: StoreSettings) -> Iterator[Finding]:
    found = aws.protection(settings, parse_address(store.url).bucket)
    if found is None:
        yield Finding("versioning", "warn", "not looked at", install_hint("aws"))
        return
    yield _switch("versioning", found.versioning, "Views are replaced in place; versioning keeps their history.")
    yield _switch("object lock", found.object_lock, "Without it whoever may delete objects may delete transcripts.")


def _switch(name: str, on: bool | None, why: str) -> Finding:
    if on is None:
        return Finding(name, "warn", "this identity may not know", f"To see it, allow s3:GetBucket{_action(name)}.")
    return Finding(name, "ok", "on") if on else Finding(name, "warn", "off", why)


def _action(name: str) -> str:
    return "Versioning" if name == "versioning" else "ObjectLockConfiguration"
