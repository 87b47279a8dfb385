"""The whole directory of one kind, by paged lists: names of users, queues or wrap-up codes, once a day.

The document that goes into an archive holds ids and names only, in the order of the ids: the same names, the same
bytes, whatever else changes about a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import anyio
import msgspec

from turnkeeper.clock import Clock
from turnkeeper.errors import Denied, Retriable, Skippable
from turnkeeper.genesys.api import Api
from turnkeeper.genesys.endpoints.conversations import Kind, names_call
from turnkeeper.jsonstream.surrogates import without_lone_surrogates
from turnkeeper.payloads.decode_json import not_the_platforms
from turnkeeper.spool import Spool

__all__ = ["Directory", "DirectoryListing"]

BATCH = 100
_DAY = 86_400.0
_REST = 3600.0
# An organisation has fewer than this many of anything; a list without an end is not followed for ever.
_MOST_PAGES = 5000


@dataclass(frozen=True)
class DirectoryListing:
    """id -> name of everybody (or every queue, or code) there is, and the document that says so.

    ``note`` says why there are none where they cannot be had, or what was replaced in them; ``body`` is empty where
    there are none.
    """

    names: Mapping[str, str]
    body: bytes
    note: str = ""


class _Entity(msgspec.Struct):
    id: str | None = None
    name: str | None = None


class _List(msgspec.Struct, rename="camel"):
    entities: list[_Entity] | None = None
    page_count: int | None = None


_DECODER = msgspec.json.Decoder(_List)


class Directory:
    """Listings, each read once a day. Safe to ask from many tasks: one of them reads, the others wait."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._kept: dict[Kind, tuple[float, DirectoryListing]] = {}
        self._locks: dict[Kind, anyio.Lock] = {}

    async def listing(self, kind: Kind) -> DirectoryListing:
        """Today's listing. What stands in its way is a note in it: a permission, a platform that is down, a page that
        cannot be read. Then it is asked for again after a while."""
        async with self._locks.setdefault(kind, anyio.Lock()):
            now = self._clock.monotonic()
            read_at, listing = self._kept.get(kind, (now - _DAY, None))
            if listing is None or now - read_at >= (_DAY if listing.body else _REST):
                listing = await self._read(kind)
                self._kept[kind] = (now, listing)
            return listing

    async def _read(self, kind: Kind) -> DirectoryListing:
        try:
            names, mended = await self._names(kind)
        except (Denied, Retriable, Skippable) as cause:
            # Names only decorate: an export without them is worth more than none.
            return DirectoryListing({}, b"", f"names of {kind} are missing: {cause.message}")
        rows = [{"id": key, "name": name} for key, name in sorted(names.items())]
        note = f"names of {kind}: {mended} characters that cannot be are shown as U+FFFD" if mended else ""
        return DirectoryListing(names, msgspec.json.encode({"entities": rows}), note)

    async def _names(self, kind: Kind) -> tuple[dict[str, str], int]:
        """All names, and how many characters in them had to be replaced."""
        names: dict[str, str] = {}
        replaced = 0
        last: list[_Entity] = []
        for number in range(1, _MOST_PAGES):
            call = names_call(kind, [("pageNumber", str(number))])
            page, count = await self._api.read(call, partial(_page, call.operation, kind))
            found, replaced = page.entities or [], replaced + count
            if found and found == last:
                raise not_the_platforms("the same page came twice", call.operation, kind)
            last = found
            names |= {one.id: one.name for one in found if one.id and one.name}
            if len(found) < BATCH or (page.page_count is not None and number >= page.page_count):
                break
        return names, replaced


def _page(operation: str, kind: Kind, body: Spool) -> tuple[_List, int]:
    with body.open() as reader:
        data, replaced = without_lone_surrogates(reader.read())
    try:
        page = _DECODER.decode(data)
    except (ValueError, RecursionError):
        raise not_the_platforms("the answer is not of the platform's shape", operation, kind) from None
    if page.entities is None:
        raise not_the_platforms("the answer holds no list of names", operation, kind)
    return page, replaced
