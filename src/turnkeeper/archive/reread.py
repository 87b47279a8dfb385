"""Rebuild views offline: what could not be read when it was fetched may be readable after an upgrade."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from turnkeeper.archive.bundle import Archive
from turnkeeper.archive.views import Reading
from turnkeeper.errors import Erased, Fatal, NotFound, TurnkeeperError

__all__ = ["Reread", "reread"]


class Reread(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What became of one conversation: ``before`` and ``after`` are ``done``, ``unread`` or, where it is not held,
    ``absent``; ``reason`` says why it is still unread; ``changed`` that a new generation was written.
    """

    conversation: str
    before: str
    after: str
    changed: bool = False
    reason: str = ""


def reread(
    archive: Archive, conversations: Iterable[str] | None = None, *, every: bool = False, **options: Any
) -> Iterator[Reread]:
    """Read the archived inputs again and rebuild their views, without the platform.

    The conversations named, or all that are unread, or with ``every`` all there are. ``options`` (``shapes``,
    ``limits``) go to the reader of transcripts. A new generation is written only where something changed. One
    conversation's trouble does not stop the others; ``Fatal`` errors are raised.
    """
    for conversation in archive.conversations() if conversations is None else conversations:
        before = _state(archive, conversation)
        if before == "unread" or every or conversations is not None:
            yield _one(archive, conversation, before, Reading(options))


def _state(archive: Archive, conversation: str) -> str:
    try:
        found = archive.manifest(conversation)
    except Fatal:
        raise
    except TurnkeeperError:
        return "unread"
    return found.state if found else "absent"


def _one(archive: Archive, conversation: str, before: str, reading: Reading) -> Reread:
    try:
        kept = archive.rebuild(conversation, reading)
    except (Erased, NotFound) as cause:
        return Reread(conversation=conversation, before=before, after="absent", reason=cause.message)
    except Fatal:
        raise
    except TurnkeeperError as cause:
        return Reread(conversation=conversation, before=before, after="unread", reason=str(cause))
    why = kept.manifest.unread.message if kept.manifest.unread else ""
    return Reread(conversation=conversation, before=before, after=kept.manifest.state, changed=kept.changed, reason=why)
