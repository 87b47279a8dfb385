"""Rebuild views offline: what could not be read when it was fetched may be readable after an upgrade."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from turnkeeper.archive.archive import Archive
from turnkeeper.archive.manifest import Manifest
from turnkeeper.archive.views.builder import Reading
from turnkeeper.display import html_table, one_line
from turnkeeper.errors import Defect, Erased, Fatal, NotFound, TurnkeeperError

__all__ = ["Reread", "reread"]


_PUBLISHED_AT_ONCE = 1000


class Reread(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What became of one conversation: ``before`` and ``after`` are ``done``, ``unread`` or, where it is not held,
    ``absent``; ``reason`` says why it is still unread, or which lists of names it was read without; ``changed`` that a
    new generation was written.
    """

    __repr__ = one_line
    _repr_html_ = html_table

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
    ``limits``) go to the reader of transcripts. A new generation is written only where something changed; with
    ``every`` also where views of an archive of version 1 get the keys of this version. The index is told before the
    end, and views superseded more than a day ago are swept. One conversation's trouble does not stop the others;
    ``Fatal`` errors are raised.
    """
    named = None if conversations is None else list(conversations)
    archive.require()
    archive.audit.record("reread", conversations=named or (), every=every)
    manifests: list[Manifest] = []
    try:
        for conversation in archive.conversations() if named is None else named:
            before = _state(archive, conversation)
            if before == "unread" or every or named is not None:
                result, manifest = _one(archive, conversation, before, Reading(options), move=every)
                manifests += [manifest] if manifest else []
                if len(manifests) >= _PUBLISHED_AT_ONCE:
                    archive.publish(manifests)
                    manifests.clear()
                yield result
    except BaseException:
        # What ended it is what the caller must hear. The next reread tells the index again.
        with contextlib.suppress(TurnkeeperError):
            archive.publish(manifests)
        raise
    archive.publish(manifests)
    archive.sweep()


def _state(archive: Archive, conversation: str) -> str:
    try:
        found = archive.manifest(conversation)
    except Fatal:
        raise
    except Exception:
        return "unread"  # why, says the attempt to rebuild it
    return found.state if found else "absent"


def _one(
    archive: Archive, conversation: str, before: str, reading: Reading, *, move: bool
) -> tuple[Reread, Manifest | None]:
    try:
        kept = archive.rebuild(conversation, reading, move=move, publish=False)
    except (Erased, NotFound) as cause:
        return Reread(conversation=conversation, before=before, after="absent", reason=cause.message), None
    except Fatal:
        raise
    except TurnkeeperError as cause:
        return Reread(conversation=conversation, before=before, after="unread", reason=str(cause)), None
    except Exception as cause:
        reason = str(Defect.of(cause, operation="reread", key=conversation))
        return Reread(conversation=conversation, before=before, after="unread", reason=reason), None
    now = kept.manifest
    why = now.unread.message if now.unread else "; ".join(note for note in kept.notes if note.startswith("directory/"))
    return Reread(conversation=conversation, before=before, after=now.state, changed=kept.changed, reason=why), now
