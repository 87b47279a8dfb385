"""The archive's metadata, ``_turnkeeper/archive.json``: its format, its id, and whose it is.

An archive of version 1 is read as it is. The first write marks it as version 2, and rewrites nothing else. Versions of
turnkeeper that know only version 1 refuse the archive from then on.
"""

from __future__ import annotations

import hashlib
import secrets

import msgspec

from turnkeeper.archive import keys
from turnkeeper.clock import Clock, rfc3339
from turnkeeper.errors import Conflict, NotFound, StoreRefused
from turnkeeper.installation import upgrade_hint
from turnkeeper.storage.key_rules import MARKER
from turnkeeper.storage.store import Store

__all__ = ["FORMAT", "FORMAT_1", "ArchiveMetadata", "claim", "read_metadata", "refuse_ignored_conditions"]

FORMAT = "turnkeeper.archive/2"
FORMAT_1 = "turnkeeper.archive/1"


class ArchiveMetadata(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """``created`` is RFC 3339; ``organisation`` is the platform's id of the organisation whose conversations these are.

    ``id`` is random (32 hexadecimal digits) and empty in version 1. Caches of the archive's content elsewhere are named
    by it. A copy of the archive has the same id.
    """

    format: str
    created: str
    organisation: str = ""
    id: str = ""


# Made while importing, one thread at a time: msgspec crashes when two threads first use a type at the same moment.
_METADATA = msgspec.json.Decoder(ArchiveMetadata)


def read_metadata(store: Store) -> ArchiveMetadata | None:
    """Read the metadata; None if nothing was archived here yet. Raises ``StoreRefused`` for a newer format."""
    try:
        data = store.get(MARKER)
    except NotFound:
        return None
    try:
        metadata = _METADATA.decode(data)
    except msgspec.DecodeError:
        raise StoreRefused("is not the note of an archive", operation="open the archive", key=MARKER) from None
    if metadata.format not in (FORMAT_1, FORMAT):
        raise StoreRefused(
            f"the archive has the format {metadata.format[:60]!a}",
            operation="open the archive",
            key=store.url,
            hint=f"It was written by a newer one. {upgrade_hint()}",
        )
    return metadata


def claim(store: Store, clock: Clock, organisation: str = "") -> ArchiveMetadata:
    """Prepare an archive for writing: create its metadata, or mark version 1 as version 2. With ``organisation``, also
    record whose archive it is. Raises ``StoreRefused`` if it is another organisation's."""
    stored = read_metadata(store)
    if stored is None:
        # A store that ignores conditions has to be found out before anything is archived there.
        refuse_ignored_conditions(store)
        first = ArchiveMetadata(
            format=FORMAT, created=rfc3339(clock.now()), organisation=organisation, id=secrets.token_hex(16)
        )
        stored = _create_metadata(store, first)
    metadata = stored
    if organisation and not metadata.organisation:
        metadata = msgspec.structs.replace(metadata, organisation=organisation)
    # A run of another organisation is refused below, and must not convert the archive before that.
    if metadata.format == FORMAT_1 and organisation in ("", metadata.organisation):
        metadata = msgspec.structs.replace(metadata, format=FORMAT, id=_agreed_id(store))
    if metadata != stored:
        store.put(MARKER, msgspec.json.encode(metadata))
    if organisation and metadata.organisation != organisation:
        raise StoreRefused(
            f"the archive is of organisation {metadata.organisation}, not {organisation}",
            operation="open the archive",
            key=store.url,
            hint="One organisation, one archive: choose another prefix.",
        )
    return metadata


def refuse_ignored_conditions(store: Store) -> None:
    """Raise ``StoreRefused`` if the store ignores create-only writes: there, writers overwrite each other's manifests.

    One request, or two the first time.
    """
    # The object stays, and each attempt has other content. So the first attempt may succeed, but never the second.
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
    """The id for an archive of version 1.

    Two processes may convert the same archive at once, and both replace the metadata without a condition. The probe is
    created once and holds a random token, so both processes derive the same id from it.
    """
    try:
        token = store.get(keys.PROBE)
    except NotFound:
        refuse_ignored_conditions(store)
        token = store.get(keys.PROBE)
    return hashlib.sha256(token).hexdigest()[:32]


def _create_metadata(store: Store, metadata: ArchiveMetadata) -> ArchiveMetadata:
    try:
        store.put(MARKER, msgspec.json.encode(metadata), create=True)
    except Conflict:
        return read_metadata(store) or metadata  # another writer was first
    return metadata
