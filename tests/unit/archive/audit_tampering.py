"""Every line of an audit edited, removed, or exchanged with another, one at a time: which of them is not found?

python -m tests.unit.archive.audit_tampering [LINES]
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from turnkeeper.archive import keys
from turnkeeper.archive.audit import HEAD_FORMAT, Audit, Breach, Head
from turnkeeper.clock import ManualClock
from turnkeeper.settings import StoreSettings
from turnkeeper.storage.object_store import Store, open_store

__all__ = ["audited", "breaches", "head_of", "undetected"]

Changes = dict[str, bytes | None]


def audited(store: Store, lines: int) -> Audit:
    """An audit with so many lines."""
    audit = Audit(store, ManualClock(), who=("ada", "host-1"))
    for number in range(lines):
        audit.record("turns", conversations=[f"call-{number}"])
    return audit


def breaches(store: Store, head: Head | None = None) -> list[Breach]:
    """What the check finds."""
    return [one for one in Audit(store, ManualClock()).check(head) if isinstance(one, Breach)]


def head_of(store: Store) -> Head:
    """What ``--head`` keeps apart."""
    check = Audit(store, ManualClock()).check()
    list(check)
    number, sha256 = check.newest
    return Head(format=HEAD_FORMAT, archive=store.url, number=number, sha256=sha256, at="")


def _tampering(store: Store, lines: int) -> Iterator[tuple[str, Changes, bool]]:
    """What is done, the objects it leaves (None: removed), and whether only a head kept apart can show it."""
    kept = {number: store.get(keys.audit(number)) for number in range(1, lines + 1)}
    for number, data in kept.items():
        key, newest = keys.audit(number), number == lines
        document = msgspec.json.decode(data)
        yield f"edit {number}", {key: data.replace(b'"ada"', b'"eve"')}, False
        yield f"edit and seal {number}", {key: _sealed(document | {"user": "eve"})}, newest
        yield f"remove {number}", {key: None}, newest
        other = number % lines + 1
        yield f"exchange {number} and {other}", {key: kept[other], keys.audit(other): data}, False


def _sealed(document: dict[str, Any]) -> bytes:
    """A forged line that fits itself."""
    document.pop("sha256")
    body = msgspec.json.encode(document)
    return body[:-1] + b',"sha256":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'


def undetected(lines: int) -> list[str]:
    """What was done to one line and not found."""
    store = open_store("memory://", StoreSettings())
    audited(store, lines)
    head = head_of(store)
    assert not breaches(store, head)
    missed: list[str] = []
    for name, changes, needs_head in _tampering(store, lines):
        before = {key: store.get(key) for key in changes}
        for key, data in changes.items():
            store.delete(key) if data is None else store.put(key, data)
        if not breaches(store, head if needs_head else None):
            missed.append(name)
        for key, data in before.items():
            store.put(key, data)
    assert not breaches(store, head)
    return missed


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    missed = undetected(count)
    print(f"{count} lines, 4 times {count} changes, not found: {len(missed)}", *missed, sep="\n")
    sys.exit(bool(missed))
