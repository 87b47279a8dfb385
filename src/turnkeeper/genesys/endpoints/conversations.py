"""Conversations as analytics tells them, and the names of the people, queues and wrap-up codes in them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from turnkeeper.errors import Misconfigured
from turnkeeper.genesys.api import Api, ApiCall
from turnkeeper.genesys.withheld import clean_bytes, kept_form
from turnkeeper.payloads.decode_json import document_in, not_the_platforms
from turnkeeper.spool import Spool

__all__ = ["Conversations", "Kind", "Names", "checked_id", "is_id", "names_call"]

Kind = Literal["users", "queues", "wrapups"]
"""Whose names can be asked for."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_BATCH = 100
_ANALYTICS = "/api/v2/analytics/conversations"
_PATHS: dict[str, str] = {
    "users": "/api/v2/users",
    "queues": "/api/v2/routing/queues",
    "wrapups": "/api/v2/routing/wrapupcodes",
}


@dataclass(frozen=True)
class Names:
    """id -> name, and the bytes that said so: one answer as it came, or a JSON array of several.

    An id that the platform no longer knows is not among the names.
    """

    names: dict[str, str]
    body: Spool


class Conversations:
    """What is known of conversations besides their transcripts."""

    def __init__(self, api: Api, folder: Path | None = None) -> None:
        self._api = api
        self._folder = folder

    async def details(self, conversation: str) -> Spool:
        """The analytics details, byte for byte but for what opens something (see ``withheld``).

        Raises ``NotFound``, ``Unavailable`` for another conversation's, ``Misconfigured`` for a malformed id, and more.
        """
        path = f"{_ANALYTICS}/{checked_id(conversation)}/details"
        body = await self._api.fetch(ApiCall("details", path, conversation))
        said = _conversation_in(body)
        if said and said.casefold() != conversation.casefold():
            body.close()
            raise not_the_platforms("the answer is about another conversation", "details", conversation)
        return await kept_form(body, self._folder)

    async def names(self, kind: Kind, ids: Collection[str]) -> Names:
        """Names by id, a hundred a request. Ids that are malformed are left out; characters that cannot be are U+FFFD
        in the names, and stay in the bytes.

        Raises ``Denied`` where the client may not read this kind.
        """
        wanted = sorted({one for one in ids if is_id(one)})
        batches = [wanted[at : at + _BATCH] for at in range(0, len(wanted), _BATCH)]
        names: dict[str, str] = {}
        bodies: list[Spool] = []
        try:
            for batch in batches:
                found, body = await self._api.read(names_call(kind, [("id", ",".join(batch))]), self._named)
                bodies.append(body)
                names |= found
        except BaseException:
            for body in bodies:
                body.close()
            raise
        return Names(names, bodies[0] if len(bodies) == 1 else _joined(bodies, self._folder))

    def _named(self, body: Spool) -> tuple[dict[str, str], Spool]:
        """The names in an answer, and a copy of it that outlives the request."""
        with body.open() as reader:
            data = reader.read()
        names, copy = _names_in(data), Spool(self._folder)
        kept, copy.withheld = clean_bytes(data)
        copy.write(kept)
        return names, copy.seal()


def is_id(text: str) -> bool:
    """Whether a text may be an id: it becomes part of addresses and of object keys (one more dot follows there)."""
    return bool(_ID.fullmatch(text)) and ".." not in f"{text}."


def checked_id(text: str) -> str:
    """The id itself. Raises ``Misconfigured`` before anything is asked with a malformed one."""
    if is_id(text):
        return text
    raise Misconfigured(
        f"{text[:140]!r} is not an id",
        operation="check",
        hint="Ids are letters, digits, '.', '_' and '-', at most 128 of them, as the platform shows them.",
    )


class _Named(msgspec.Struct, rename="camel"):
    conversation_id: str = ""


# Made while importing, one thread at a time: msgspec crashes when two threads first use a type at the same moment.
_NAMED = msgspec.json.Decoder(_Named)


def _conversation_in(body: Spool) -> str:
    """The conversation that a document names; empty where it names none, or is no document."""
    with body.open() as reader:
        try:
            return _NAMED.decode(reader.read()).conversation_id
        except (ValueError, RecursionError):
            return ""


def names_call(kind: Kind, which: Sequence[tuple[str, str]]) -> ApiCall:
    """A request for a hundred names: ``which`` names a page, or the ids."""
    params = [*which, ("pageSize", str(_BATCH))]
    if kind == "users":
        # Without it, people who have left are left out: old calls are full of them.
        params.append(("state", "any"))
    return ApiCall(f"names of {kind}", _PATHS[kind], params=params)


def _names_in(data: bytes) -> dict[str, str]:
    try:
        found = document_in(data)
    except ValueError:
        raise not_the_platforms("the answer is not JSON", "names", "") from None
    listed = found.get("entities") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise not_the_platforms("the answer holds no list of names", "names", "")
    pairs = ((one.get("id"), one.get("name")) for one in listed if isinstance(one, dict))
    return {key: name for key, name in pairs if isinstance(key, str) and isinstance(name, str)}


def _joined(bodies: list[Spool], folder: Path | None) -> Spool:
    joined = Spool(folder)
    joined.withheld = tuple(dict.fromkeys(one for body in bodies for one in body.withheld))
    for number, body in enumerate(bodies):
        joined.write(b"," if number else b"[")
        with body, body.open() as reader:
            while data := reader.read(1 << 18):
                joined.write(data)
    joined.write(b"]" if bodies else b"[]")
    return joined.seal()
