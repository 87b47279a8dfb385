"""Names in filters -> the ids that the platform's query takes: ``--queue Billing`` must not select nothing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

import msgspec

from turnkeeper.errors import Misconfigured
from turnkeeper.events import Listener, Noted
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.endpoints.directory import DirectoryKind
from turnkeeper.genesys.filters import Filters

__all__ = ["resolve_names"]

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NEAR = 5


async def resolve_names(platform: Genesys, filters: Filters, listener: Listener) -> Filters:
    """The same filters with ids in place of the names of queues and users.

    A value is an id that the directory lists, the name of exactly one entry (capitals do not matter), or a UUID.
    A UUID that the directory does not list is kept and noted: old calls name queues that were deleted since.

    Raises ``Misconfigured`` for a name that no entry or several have, naming similar ones, and for a name where the
    directory cannot be read. Divisions are taken by their UUID only, since a client seldom may list them.
    """
    queues = await _ids_of_kind(platform, "queues", "queue", filters.queues, listener)
    users = await _ids_of_kind(platform, "users", "user", filters.users, listener)
    for value in filters.divisions:
        if not _UUID.fullmatch(value):
            hint = "Give the division's id (a UUID), as Admin > Divisions shows it."
            raise Misconfigured(f"{value[:80]!r} is no division's id", key="--division", hint=hint)
    return msgspec.structs.replace(filters, queues=queues, users=users)


async def _ids_of_kind(
    platform: Genesys, kind: DirectoryKind, what: str, values: Sequence[str], listener: Listener
) -> tuple[str, ...]:
    if not values:
        return ()
    listing = await platform.directory(kind)
    if listing.note:
        for value in values:
            if not _UUID.fullmatch(value):
                hint = f"Give the {what}'s id (a UUID), or let the client read {kind}."
                raise Misconfigured(f"{value[:80]!r} cannot be looked up: {listing.note}", key=f"--{what}", hint=hint)
        return tuple(sorted(values))
    found = {_id_of_name(listing.names, what, value, listener) for value in values}
    return tuple(sorted(found))


def _id_of_name(names: Mapping[str, str], what: str, value: str, listener: Listener) -> str:
    if value in names:
        return value
    same = sorted(key for key, name in names.items() if name.casefold() == value.casefold())
    if len(same) == 1:
        return same[0]
    if same:
        hint = f"Give one of the ids: {', '.join(same[:_NEAR])}."
        raise Misconfigured(f"{len(same)} have the name {value[:80]!r}", key=f"--{what}", hint=hint)
    if _UUID.fullmatch(value):
        listener(Noted(note=f"no {what} has the id {value} today: it was deleted, or the id is mistyped"))
        return value.lower()
    hint = _similar_names(names, value)
    raise Misconfigured(f"no {what} has the name or id {value[:80]!r}", key=f"--{what}", hint=hint)


def _similar_names(names: Mapping[str, str], value: str) -> str:
    by_fold = {name.casefold(): name for name in sorted(names.values())}
    near = difflib.get_close_matches(value.casefold(), by_fold, n=_NEAR, cutoff=0.5)
    near += [name for name in by_fold if value.casefold() in name and name not in near]
    shown = [by_fold[name] for name in near[:_NEAR]]
    if shown:
        return f"Near it: {', '.join(map(repr, shown))}."
    return f"There are {len(by_fold):,} names, none like it." if by_fold else "The directory is empty."
