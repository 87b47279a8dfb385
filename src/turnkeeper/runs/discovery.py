"""Which conversations there are, each once, with what is known of their transcripts before anything is asked for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta

import msgspec

from turnkeeper.clock import Clock
from turnkeeper.errors import Unavailable, Unread
from turnkeeper.events import Listener, Noted, silent
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval, moment_of
from turnkeeper.genesys.platform import Genesys
from turnkeeper.runs.windows import days
from turnkeeper.transcript.details import Details, read_details

__all__ = ["Discovered", "discover"]

# A search page costs as much as asking one communication for nothing, so it is worth half a page of guesses.
_WORTH = 2


@dataclass(frozen=True)
class Discovered:
    """One conversation. ``body`` is its element exactly as it stood in the platform's page.

    ``listed`` holds the communications that transcripts/search lists for it (none: it has no transcript yet); None
    where the search was not asked or cannot be. ``details.end`` is None while the conversation is open: look again.
    """

    conversation: str
    body: bytes
    details: Details
    listed: frozenset[str] | None = None


async def discover(
    platform: Genesys,
    interval: Interval,
    wanted: Filters,
    *,
    clock: Clock,
    listener: Listener = silent,
) -> AsyncGenerator[Discovered, None]:
    """The conversations that started in the interval and pass the filters; each once, oldest day first.

    Raises ``Denied`` naming the permission, and what the platform's door raises.
    """
    for day in days(interval):
        seen: set[str] = set()
        async with aclosing(platform.conversations(day, wanted)) as pages:
            async for page in pages:
                found = [_read(body, listener) for body in page.conversations]
                fresh = {one.conversation: one for one in found if one.conversation not in seen}
                seen |= fresh.keys()
                inside = [one for one in fresh.values() if _starts_in(one.details, interval)]
                for one in await _with_listed(platform, inside):
                    yield one


def _read(body: bytes, listener: Listener) -> Discovered:
    """One element understood; what cannot be read is still a conversation whose bytes are kept."""
    try:
        details = read_details(body)
    except Unread as cause:
        details = _barely(body)
        listener(Noted(conversation=details.conversation, note=f"its details cannot be read: {cause.message}"))
    return Discovered(details.conversation, body, details)


class _Bare(msgspec.Struct, rename="camel"):
    conversation_id: str


_BARE = msgspec.json.Decoder(_Bare)


def _barely(body: bytes) -> Details:
    try:
        return Details(conversation=_BARE.decode(body).conversation_id)
    except msgspec.DecodeError:
        raise Unavailable("a conversation without an id", operation="details query") from None


def _starts_in(details: Details, interval: Interval) -> bool:
    return details.start is None or interval.holds(details.start)


async def _with_listed(platform: Genesys, found: Sequence[Discovered]) -> Sequence[Discovered]:
    """The same with what the search says of them, where it says anything and the answer is worth its requests."""
    starts = [one.details.start for one in found if one.details.start is not None]
    if not starts or len(starts) < len(found):
        return found
    span = Interval(moment_of(min(starts)), moment_of(max(starts)) + timedelta(milliseconds=1))
    listed = await platform.listed(span, worth=max(1, len(found) // _WORTH))
    if listed is None or not listed.complete:
        return found
    return [replace(one, listed=listed.of(one.conversation)) for one in found]
