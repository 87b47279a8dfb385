"""Names of users, queues and wrap-up codes: by id, a hundred a request, or all of one kind as a paged list.

The document that goes into an archive for a whole list holds ids and names only, in the order of the ids. It changes
only when a name does, so the archive does not collect copies that differ in what nobody reads.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import anyio

from turnkeeper.clock import Clock
from turnkeeper.errors import Denied, Retriable, Skippable
from turnkeeper.genesys.api import Api, ApiCall
from turnkeeper.ids import is_id
from turnkeeper.payloads.decode_json import body_bytes, foreign_answer
from turnkeeper.payloads.directory import DirectoryPage, list_document, read_directory_page
from turnkeeper.payloads.document_secrets import without_secrets
from turnkeeper.spool import Spool

__all__ = ["Directory", "DirectoryKind", "DirectoryListing", "Names"]

DirectoryKind = Literal["users", "queues", "wrapups"]
"""Whose names can be asked for."""

_PATHS: dict[str, str] = {
    "users": "/api/v2/users",
    "queues": "/api/v2/routing/queues",
    "wrapups": "/api/v2/routing/wrapupcodes",
}
_BATCH = 100
_FRESH_S = 86_400.0
_RETRY_S = 3600.0
# An organisation has fewer pages of anything. A list whose pages never end must not be followed for ever.
_MOST_PAGES = 5000


@dataclass(frozen=True)
class Names:
    """``names`` by id, and the ``body`` that says so: one answer without secrets, or a JSON array of several.

    An id that the platform no longer knows is not among the names. The caller closes ``body``.
    """

    names: dict[str, str]
    body: Spool


@dataclass(frozen=True)
class DirectoryListing:
    """``names`` by id of all users, queues or codes, and the document that says so.

    ``note`` says why there are none where they cannot be read, or what was repaired in them; ``body`` is empty where
    there are none.
    """

    names: Mapping[str, str]
    body: bytes
    note: str = ""


class Directory:
    """Reads names. A whole list is read once a day: one task reads it while the others wait."""

    def __init__(self, api: Api, clock: Clock, folder: Path | None = None) -> None:
        self._api = api
        self._clock = clock
        self._folder = folder
        self._listings: dict[DirectoryKind, tuple[float, DirectoryListing]] = {}
        self._locks: dict[DirectoryKind, anyio.Lock] = {}

    async def names(self, kind: DirectoryKind, ids: Collection[str]) -> Names:
        """Names by id. Malformed ids are left out.

        Half a surrogate pair is U+FFFD in the names, and stays as it is in the body. Raises ``Denied`` where the client
        may not read this kind.
        """
        valid = sorted({key for key in ids if is_id(key)})
        names: dict[str, str] = {}
        bodies: list[Spool] = []
        try:
            for start in range(0, len(valid), _BATCH):
                call = _names_call(kind, [("id", ",".join(valid[start : start + _BATCH]))])
                page, body = await self._api.read(call, partial(self._page_and_copy, call.operation))
                bodies.append(body)
                names |= page.names
        except BaseException:
            for body in bodies:
                body.close()
            raise
        return Names(names, bodies[0] if len(bodies) == 1 else _as_array(bodies, self._folder))

    async def listing(self, kind: DirectoryKind) -> DirectoryListing:
        """The list of today.

        A missing permission, a platform that is down and a page that cannot be read are a ``note`` in it. The list is
        asked for again an hour later then.
        """
        async with self._locks.setdefault(kind, anyio.Lock()):
            now = self._clock.monotonic()
            read_at, listing = self._listings.get(kind, (now, None))
            if listing is None or now - read_at >= (_FRESH_S if listing.body else _RETRY_S):
                listing = await self._read_listing(kind)
                self._listings[kind] = (now, listing)
            return listing

    async def _read_listing(self, kind: DirectoryKind) -> DirectoryListing:
        try:
            names, repaired = await self._all_names(kind)
        except (Denied, Retriable, Skippable) as cause:
            # Names only decorate: an export without them is worth more than none.
            return DirectoryListing({}, b"", f"names of {kind} are missing: {cause.message}")
        note = f"names of {kind}: {repaired} characters that cannot be are shown as U+FFFD" if repaired else ""
        return DirectoryListing(names, list_document(names), note)

    async def _all_names(self, kind: DirectoryKind) -> tuple[dict[str, str], int]:
        """All names, and how many characters in them had to be replaced."""
        names: dict[str, str] = {}
        repaired = 0
        last: dict[str, str] = {}
        for number in range(1, _MOST_PAGES):
            call = _names_call(kind, [("pageNumber", str(number))])
            page = await self._api.read(call, partial(read_directory_page, operation=call.operation, key=kind))
            # A server that ignores the page's number gives the same page for ever.
            if page.names and page.names == last:
                raise foreign_answer("the same page came twice", call.operation, kind)
            last = page.names
            names |= {key: name for key, name in page.names.items() if key and name}
            repaired += page.repaired
            if page.size < _BATCH or (page.pages is not None and number >= page.pages):
                break
        return names, repaired

    def _page_and_copy(self, operation: str, body: Spool) -> tuple[DirectoryPage, Spool]:
        """An answer's names, and a copy of it without secrets that outlives the request."""
        page, copy = read_directory_page(body, operation, ""), Spool(self._folder)
        clean, copy.withheld = without_secrets(body_bytes(body))
        copy.write(clean)
        return page, copy.seal()


def _names_call(kind: DirectoryKind, selection: Sequence[tuple[str, str]]) -> ApiCall:
    """A request for up to a hundred names; ``selection`` is a page's number, or the ids."""
    params = [*selection, ("pageSize", str(_BATCH))]
    if kind == "users":
        # Without it, people who have left are left out: old calls are full of them.
        params.append(("state", "any"))
    return ApiCall(f"names of {kind}", _PATHS[kind], params=params)


def _as_array(bodies: list[Spool], folder: Path | None) -> Spool:
    """Several answers as one JSON array of them; closes ``bodies``."""
    joined = Spool(folder)
    joined.withheld = tuple(dict.fromkeys(name for body in bodies for name in body.withheld))
    for number, body in enumerate(bodies):
        joined.write(b"," if number else b"[")
        with body:
            joined.write(body_bytes(body))
    joined.write(b"]" if bodies else b"[]")
    return joined.seal()
