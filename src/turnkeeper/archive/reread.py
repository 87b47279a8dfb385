"""Build views again from the archived inputs: after an upgrade, inputs may be readable that were not before."""

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

__all__ = ["RereadResult", "reread"]


_PUBLISHED_AT_ONCE = 1000


class RereadResult(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The outcome for one conversation. ``before`` and ``after`` are ``done``, ``unread`` or ``absent`` (not in the
    archive). ``changed`` says that a new generation was written. ``reason`` says why it is still unread, or which lists
    of names could not be read.
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
) -> Iterator[RereadResult]:
    """Read the archived inputs again and rebuild their views, without the platform.

    Reads the given conversations, or all that are unread, or all with ``every``. ``options`` (``shapes``, ``limits``)
    are passed to the reader of transcripts. A new generation is written only if something changed; with ``every`` also
    if views of version 1 get keys of this version. At the end the index is updated, and views that were superseded more
    than a day ago are deleted. An error of one conversation does not stop the others; ``Fatal`` errors are raised.
    """
    selected = None if conversations is None else list(conversations)
    archive.require()
    archive.audit.record("reread", conversations=selected or (), every=every)
    manifests: list[Manifest] = []
    try:
        for conversation in archive.conversations() if selected is None else selected:
            before = _state_before(archive, conversation)
            if before == "unread" or every or selected is not None:
                result, manifest = _reread_one(archive, conversation, before, Reading(options), move=every)
                manifests += [manifest] if manifest else []
                if len(manifests) >= _PUBLISHED_AT_ONCE:
                    archive.publish(manifests)
                    manifests.clear()
                yield result
    except BaseException:
        # An error while publishing must not replace the one that ended the loop. The next reread publishes again.
        with contextlib.suppress(TurnkeeperError):
            archive.publish(manifests)
        raise
    archive.publish(manifests)
    archive.sweep()


def _state_before(archive: Archive, conversation: str) -> str:
    try:
        manifest = archive.manifest(conversation)
    except Fatal:
        raise
    except Exception:
        return "unread"  # rebuilding it reports why
    return manifest.state if manifest else "absent"


def _reread_one(
    archive: Archive, conversation: str, before: str, reading: Reading, *, move: bool
) -> tuple[RereadResult, Manifest | None]:
    try:
        kept = archive.rebuild(conversation, reading, move=move, publish=False)
    except (Erased, NotFound) as cause:
        return RereadResult(conversation=conversation, before=before, after="absent", reason=cause.message), None
    except Fatal:
        raise
    except TurnkeeperError as cause:
        return RereadResult(conversation=conversation, before=before, after="unread", reason=str(cause)), None
    except Exception as cause:
        reason = str(Defect.of(cause, operation="reread", key=conversation))
        return RereadResult(conversation=conversation, before=before, after="unread", reason=reason), None
    now = kept.manifest
    why = now.unread.message if now.unread else "; ".join(note for note in kept.notes if note.startswith("directory/"))
    return RereadResult(
        conversation=conversation, before=before, after=now.state, changed=kept.changed, reason=why
    ), now
