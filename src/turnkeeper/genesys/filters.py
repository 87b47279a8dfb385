"""Filters for conversations, and their form in requests of the details query and of its jobs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import msgspec

from turnkeeper.errors import Misconfigured

__all__ = ["DIRECTIONS", "MEDIA_TYPES", "Filters"]

DIRECTIONS = ("inbound", "outbound")
MEDIA_TYPES = (
    "callback", "chat", "cobrowse", "email", "internalmessage", "message", "screenmonitoring", "screenshare", "unknown",
    "video", "voice",
)  # fmt: skip

_LONGEST_NAME = 256


class Filters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Values of one kind are alternatives, and kinds narrow each other. An empty filter means every conversation.

    ``queues``, ``users`` and ``divisions`` are ids; exports also take the names of queues and users, and look them up
    before they ask (``exporter.filter_names``). Queue, user and media type must come together in one segment of a
    conversation; direction is the conversation's own (``originatingDirection``).
    """

    queues: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    divisions: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    directions: tuple[str, ...] = ()

    @classmethod
    def from_options(
        cls,
        *,
        queues: Iterable[str] = (),
        users: Iterable[str] = (),
        divisions: Iterable[str] = (),
        media_types: Iterable[str] = (),
        directions: Iterable[str] = (),
    ) -> Self:
        """Make a filter of options: equal choices make equal filters. Raises ``Misconfigured`` naming a bad value."""
        return cls(
            queues=_sorted(_id_or_name(queue) for queue in queues),
            users=_sorted(_id_or_name(user) for user in users),
            divisions=_sorted(_id_or_name(division) for division in divisions),
            media_types=_sorted(_known_word(media, "media type", MEDIA_TYPES) for media in media_types),
            directions=_sorted(_known_word(direction, "direction", DIRECTIONS) for direction in directions),
        )

    def __bool__(self) -> bool:
        return bool(self.queues or self.users or self.divisions or self.media_types or self.directions)

    @property
    def text(self) -> str:
        """The filter as JSON, ``{}`` for every conversation. Equal filters have equal texts."""
        return msgspec.json.encode(self).decode()

    @property
    def query(self) -> dict[str, object]:
        """``segmentFilters`` and ``conversationFilters`` of a query's body; a block without a predicate is left out."""
        blocks = {
            # Queue and user stand here, because the platform ignores them in ``conversationFilters`` without an error.
            "segmentFilters": _blocks(queueId=self.queues, userId=self.users, mediaType=self.media_types),
            "conversationFilters": _blocks(originatingDirection=self.directions, divisionId=self.divisions),
        }
        return {name: listed for name, listed in blocks.items() if listed}


def _blocks(**dimensions: tuple[str, ...]) -> list[dict[str, object]]:
    """One block of alternatives per dimension; blocks narrow each other."""
    return [
        {"type": "or", "predicates": [_predicate(dimension, value) for value in values]}
        for dimension, values in dimensions.items()
        if values
    ]


def _predicate(dimension: str, value: str) -> dict[str, str]:
    return {"type": "dimension", "dimension": dimension, "operator": "matches", "value": value}


def _known_word(text: str, what: str, known: tuple[str, ...]) -> str:
    if text.lower() in known:
        return text.lower()
    raise Misconfigured(f"{text!r} is no {what}", hint=f"Known: {', '.join(known)}.")


def _id_or_name(text: str) -> str:
    """The text without blanks around it. Raises ``Misconfigured`` where it can be neither an id nor a name."""
    value = text.strip()
    if value and len(value) <= _LONGEST_NAME and value.isprintable():
        return value
    raise Misconfigured(f"{text[:140]!a} is neither an id nor a name", hint="Ids are as the platform shows them.")


def _sorted(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))
