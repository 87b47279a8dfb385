"""The manifest: one generation of one conversation, the only commit point of the archive. Knows no store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from turnkeeper.archive import keys
from turnkeeper.display import html_table, one_line
from turnkeeper.errors import Unread, WrongConversation
from turnkeeper.installation import upgrade_hint
from turnkeeper.model import RecordingState, Summary
from turnkeeper.storage.keys import is_key

__all__ = [
    "FORMAT",
    "CommunicationState",
    "Input",
    "Manifest",
    "SyncMode",
    "UnreadReason",
    "View",
    "decode",
    "encode",
    "foreign_objects",
    "parse",
]

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

    @property
    def name(self) -> str:
        """What it is, without what is in it: ``transcripts/{conversation}.json`` (see ``keys``)."""
        return keys.view_name(self.key)

    @property
    def has_legacy_key(self) -> bool:
        """Whether it still stands where version 1 put it, under a key that names no content."""
        return self.name == self.key


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
    of each; ``sync`` is the compact verdict on each one's timing. ``defects`` counts the turns of which a field could
    not be right.
    """

    __repr__ = one_line
    _repr_html_ = html_table

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
    defects: int = 0

    def view(self, name: str) -> View | None:
        """The view of that name (``keys.transcript`` and its kin); None where this generation has none."""
        return next((view for view in self.views if view.name == name), None)

    def says_the_same(self, other: Manifest) -> bool:
        """Whether a newer account says nothing that this one does not say of inputs, views and states.

        When, by whom, with which remarks and under which keys views are stored is no change. Nor is a leg that was
        never mentioned and has no transcript: only some ways of fetching ask for it.
        """
        mentioned = {one.id for one in self.communications}
        legs = tuple(one for one in other.communications if one.id in mentioned or one.state != "absent")
        return _content(self) == _content(msgspec.structs.replace(other, communications=legs))


def encode(manifest: Manifest) -> bytes:
    """The manifest's bytes: the same manifest gives the same ones."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(data: bytes, key: str) -> Manifest:
    """Read the manifest that stands under ``key``; unknown fields are tolerated.

    Raises ``Unread`` for damage, for a newer format and where it lists objects of somebody else, ``WrongConversation``
    where it is the manifest of another conversation or generation.
    """
    found = parse(data, key)
    placed = keys.parse_manifest(key)
    if placed != (found.conversation, found.generation):
        raise _misplaced(found, placed[0] if placed else "", key)
    foreign = next(foreign_objects(found), None)
    if foreign is not None:
        hint = "Run turnkeeper verify on the archive."
        raise Unread(f"it lists {foreign.key[:120]!a}, which is not its own", operation="read", key=key, hint=hint)
    return found


def parse(data: bytes, key: str = "") -> Manifest:
    """Read a manifest without comparing it with its place. Raises ``Unread`` for damage and for a newer format."""
    try:
        named = _FORMAT.decode(data).format
        if named == FORMAT:
            return _MANIFEST.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        hint = "Restore a version or a copy of it; turnkeeper verify lists what else is damaged."
        raise Unread(f"not a manifest ({cause})", operation="read", key=key, hint=hint) from None
    raise Unread(f"has the format {named[:60]!a}", operation="read", key=key, hint=upgrade_hint())


def foreign_objects(manifest: Manifest) -> Iterator[Input | View]:
    """What a manifest lists and what belongs to another conversation, or to nobody."""
    for one in manifest.inputs:
        is_list = one.source.startswith("directory/") and one.key == f"{one.source}/{one.sha256[:16]}.json"
        if not (is_list or _belongs(one.key, manifest.conversation)):
            yield one
    yield from (one for one in manifest.views if not _belongs(one.key, manifest.conversation))


def _belongs(key: str, conversation: str) -> bool:
    return is_key(key) and keys.conversation_of(key) == conversation and not key.startswith(keys.MANIFESTS)


def _misplaced(found: Manifest, conversation: str, key: str) -> WrongConversation:
    if found.conversation != conversation and found.conversation.lower() == conversation.lower():
        words = f"stands for {found.conversation[:128]!a}: this store does not tell capital letters from small ones"
        hint = "Keep the two in archives of their own, or move the archive to a store that tells them apart."
        return WrongConversation(words, operation="read", key=key, hint=hint)
    words = f"is generation {found.generation} of {found.conversation[:128]!a}"
    hint = "Run turnkeeper verify on the archive."
    return WrongConversation(words, operation="read", key=key, hint=upgrade_hint())


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
        sorted((view.name, view.size, view.sha256) for view in manifest.views),
        manifest.selections,
        manifest.unread,
        manifest.summary,
        manifest.recordings,
        manifest.sync_mode,
        manifest.sync,
    )
