"""The archive's own note about itself, ``_turnkeeper/archive.json``: its format, its id, and whose it is.

Version 1 is read as it is. The first write marks an archive as version 2, and versions of turnkeeper that know only
version 1 refuse it from then on; nothing else is rewritten.
"""

from __future__ import annotations

import hashlib
import secrets

import msgspec

from turnkeeper.archive import keys
from turnkeeper.clock import Clock, rfc3339
from turnkeeper.errors import Conflict, NotFound, StoreRefused
from turnkeeper.installation import upgrade_hint
from turnkeeper.storage.contract import Store
from turnkeeper.storage.keys import ARCHIVE

__all__ = ["FORMAT", "FORMAT_1", "Layout", "claim", "read_layout", "refuse_ignored_conditions"]

FORMAT = "turnkeeper.archive/2"
FORMAT_1 = "turnkeeper.archive/1"


class Layout(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """``created`` is RFC 3339; ``organisation`` the platform's id of the one organisation this archive is of.

    ``id`` is random (32 hexadecimal digits): what is cached of an archive elsewhere names it. A copy has the same one.
    It is empty in version 1.
    """

    format: str
    created: str
    organisation: str = ""
    id: str = ""


# Made while importing, one thread at a time: msgspec crashes when two threads first use a type at the same moment.
_LAYOUT = msgspec.json.Decoder(Layout)


def read_layout(store: Store) -> Layout | None:
    """The note; None for a place nothing was archived in yet. Raises ``StoreRefused`` for a newer format."""
    try:
        data = store.get(ARCHIVE)
    except NotFound:
        return None
    try:
        found = _LAYOUT.decode(data)
    except msgspec.DecodeError:
        raise StoreRefused("is not the note of an archive", operation="open the archive", key=ARCHIVE) from None
    if found.format not in (FORMAT_1, FORMAT):
        raise StoreRefused(
            f"the archive has the format {found.format[:60]!a}",
            operation="open the archive",
            key=store.url,
            hint=f"It was written by a newer one. {upgrade_hint()}",
        )
    return found


def claim(store: Store, clock: Clock, organisation: str = "") -> Layout:
    """Read the note, write the first one, or mark version 1 as version 2. Raises ``StoreRefused`` when the archive is
    another organisation's."""
    found = read_layout(store)
    if found is None:
        refuse_ignored_conditions(store)
        first = Layout(format=FORMAT, created=rfc3339(clock.now()), organisation=organisation, id=secrets.token_hex(16))
        found = _first(store, first)
    known = found
    if organisation and not found.organisation:
        found = msgspec.structs.replace(found, organisation=organisation)
    if found.format == FORMAT_1 and organisation in ("", found.organisation):
        found = msgspec.structs.replace(found, format=FORMAT, id=_agreed_id(store))
    if found != known:
        store.put(ARCHIVE, msgspec.json.encode(found))
    if organisation and found.organisation != organisation:
        raise StoreRefused(
            f"the archive is of organisation {found.organisation}, not {organisation}",
            operation="open the archive",
            key=store.url,
            hint="One organisation, one archive: choose another prefix.",
        )
    return found


def refuse_ignored_conditions(store: Store) -> None:
    """Find out a store that ignores create-only writes: two writers would overwrite each other's manifests there.

    Raises ``StoreRefused``. Costs one request, or two where nobody asked before.
    """
    for _ in range(2):
        try:
            store.put(keys.PROBE, f'{{"probe":"{secrets.token_hex(8)}"}}\n'.encode(), create=True)
        except Conflict:
            return
    raise StoreRefused(
        "the store ignores conditional writes (If-None-Match), so two exports would overwrite each other",
        operation="open the archive",
        key=store.url,
        hint="Use a store that honours them (Amazon S3 does), or a folder.",
    )


def _agreed_id(store: Store) -> str:
    """The id of an archive that has none yet.

    Two processes may bring the same archive forward at once, and the note itself is replaced without a condition. The
    probe has one writer for ever and holds a random token, so both derive the same id from it.
    """
    try:
        token = store.get(keys.PROBE)
    except NotFound:
        refuse_ignored_conditions(store)
        token = store.get(keys.PROBE)
    return hashlib.sha256(token).hexdigest()[:32]


def _first(store: Store, layout: Layout) -> Layout:
    try:
        store.put(ARCHIVE, msgspec.json.encode(layout), create=True)
    except Conflict:
        return read_layout(store) or layout
    return layout
