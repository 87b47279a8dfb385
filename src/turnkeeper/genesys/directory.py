"""The whole directory of one kind, by paged lists: names of users, queues or wrap-up codes, once a day.

The document that goes into an archive holds ids and names only, in the order of the ids: the same names, the same
bytes, whatever else changes about a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import anyio
import msgspec

from turnkeeper.clock import Clock
from turnkeeper.errors import Denied, NotFound
from turnkeeper.genesys.answers import read_answer
from turnkeeper.genesys.api import Api
from turnkeeper.genesys.conversations import Kind, names_call

__all__ = ["Directory", "Listing"]

BATCH = 100
_DAY = 86_400.0
# An organisation has fewer than this many of anything; a list without an end is not followed for ever.
_MOST_PAGES = 5000


@dataclass(frozen=True)
class Listing:
    """id -> name of everybody (or every queue, or code) there is, and the document that says so.

    ``note`` says why there are none where the client may not read this kind; ``body`` is empty then.
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
        self._kept: dict[Kind, tuple[float, Listing]] = {}
        self._locks: dict[Kind, anyio.Lock] = {}

    async def listing(self, kind: Kind) -> Listing:
        """Today's listing. A missing permission is a note in it; what else fails is raised."""
        async with self._locks.setdefault(kind, anyio.Lock()):
            now = self._clock.monotonic()
            read_at, listing = self._kept.get(kind, (now - _DAY, None))
            if listing is None or now - read_at >= _DAY:
                listing = await self._read(kind)
                self._kept[kind] = (now, listing)
            return listing

    async def _read(self, kind: Kind) -> Listing:
        try:
            names = await self._names(kind)
        except (Denied, NotFound) as cause:
            return Listing({}, b"", f"names of {kind} are missing: {cause.message}")
        rows = [{"id": key, "name": name} for key, name in sorted(names.items())]
        return Listing(names, msgspec.json.encode({"entities": rows}))

    async def _names(self, kind: Kind) -> dict[str, str]:
        names: dict[str, str] = {}
        for number in range(1, _MOST_PAGES):
            call = names_call(kind, [("pageNumber", str(number))])
            with await self._api.fetch(call) as body:
                page = read_answer(body, _DECODER, call.operation, kind)
            found = page.entities or []
            names |= {one.id: one.name for one in found if one.id and one.name}
            if len(found) < BATCH or (page.page_count is not None and number >= page.page_count):
                break
        return names
