"""The manifest: one generation of one conversation, the only commit point of the archive. Knows no store."""

from __future__ import annotations

from typing import Literal

import msgspec

from turnkeeper.errors import StoreRefused, Unread
from turnkeeper.model import RecordingState, Summary

__all__ = ["FORMAT", "CommunicationState", "Input", "Manifest", "SyncMode", "UnreadReason", "View", "decode", "encode"]

FORMAT = "turnkeeper.manifest/1"

SyncMode = Literal["report", "correct", "off"]
"""What is done about audio that is not where the platform says: say it, say and apply it, or measure nothing."""


class CommunicationState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of one leg: ``done``, ``absent``, ``waiting``, ``failed`` …, and why."""

    id: str
    state: str
    reason: str = ""


class Input(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Bytes as the platform gave them. ``source`` says what they are (``speech/{communication}``, ``media``,
    ``media/metadata``, ``conversation``, ``directory/users``, ``recordings``, ``audio/{recording}/{part}``);
    ``withheld`` names fields that were emptied of secrets.
    """

    key: str
    size: int
    sha256: str
    source: str
    withheld: tuple[str, ...] = ()


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A deterministic function of the inputs."""

    key: str
    size: int
    sha256: str


class UnreadReason(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why the inputs could not be understood: the error's name, its words, and the place in the body."""

    error: str
    message: str
    offset: int | None = None
    field: str = ""


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the archive holds of a conversation. The highest ``generation`` (from 1) is the current one.

    ``archived_at`` is RFC 3339 in UTC, the only clock in the archive; ``producer`` the program and version that wrote
    it. An ``unread`` generation lists its inputs, the reason, and no views. ``selections`` are the filters whose views
    are rebuilt with every generation, as are the views of the audio with ``sync_mode``. ``recordings`` says what became
    of each; ``sync`` is the compact verdict on each one's timing.
    """

    format: str
    conversation: str
    generation: int
    archived_at: str
    producer: str
    state: Literal["done", "unread"]
    communications: tuple[CommunicationState, ...]
    inputs: tuple[Input, ...]
    views: tuple[View, ...]
    selections: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unread: UnreadReason | None = None
    summary: Summary | None = None
    recordings: tuple[RecordingState, ...] = ()
    sync_mode: SyncMode | None = None
    sync: dict[str, dict[str, object]] | None = None

    def says_the_same(self, other: Manifest) -> bool:
        """Whether both say the same of inputs, views and states; when, by whom and with which remarks is no change."""
        return _content(self) == _content(other)


def encode(manifest: Manifest) -> bytes:
    """The manifest's bytes: the same manifest gives the same ones."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(data: bytes, key: str = "") -> Manifest:
    """Read a manifest; unknown fields are tolerated. Raises ``StoreRefused`` for a newer format, else ``Unread``."""
    try:
        named = _FORMAT.decode(data).format
        if named == FORMAT:
            return _MANIFEST.decode(data)
    except msgspec.DecodeError as cause:
        hint = "Run turnkeeper verify on the archive."
        raise Unread(f"not a manifest ({cause})", operation="read", key=key, hint=hint) from None
    raise StoreRefused(
        f"has the format {named[:60]!a}",
        operation="read",
        key=key,
        hint="Upgrade turnkeeper: pip install -U turnkeeper.",
    )


class _Format(msgspec.Struct):
    format: str


# Made while importing, one thread at a time: msgspec crashes when two threads first use a type at the same moment.
_FORMAT = msgspec.json.Decoder(_Format)
_MANIFEST = msgspec.json.Decoder(Manifest)


def _content(manifest: Manifest) -> tuple[object, ...]:
    return (
        manifest.state,
        manifest.communications,
        manifest.inputs,
        manifest.views,
        manifest.selections,
        manifest.unread,
        manifest.summary,
        manifest.recordings,
        manifest.sync_mode,
        manifest.sync,
    )
