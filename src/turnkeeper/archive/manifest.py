"""The manifest: the record of one generation of one conversation. Storing it commits the generation. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from turnkeeper.archive import keys
from turnkeeper.display import html_table, one_line
from turnkeeper.errors import Unread, WrongConversation
from turnkeeper.installation import upgrade_hint
from turnkeeper.model import RecordingState, Summary
from turnkeeper.storage.key_rules import is_key

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
"""What is done if audio does not start when the platform says: report it, report and correct it, or do not measure."""


class CommunicationState(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of one leg: ``done``, ``absent``, ``waiting``, ``failed`` …, and the reason."""

    id: str
    state: str
    reason: str = ""


class Input(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An archived body, with the bytes that the platform sent.

    ``source`` says what it is (``speech/{communication}``, ``media``, ``media/metadata``, ``conversation``,
    ``directory/users``, ``recordings``, ``audio/{recording}/{part}``). ``withheld`` names the fields whose secrets were
    removed before it was stored.
    """

    key: str
    size: int
    sha256: str
    source: str
    withheld: tuple[str, ...] = ()


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A document that was built from the inputs. The same inputs give the same bytes."""

    key: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """Its key without the hash of its content: ``transcripts/{conversation}.json`` (see ``keys``)."""
        return keys.view_name(self.key)

    @property
    def has_legacy_key(self) -> bool:
        """Whether it is still stored under a key of version 1, which has no hash."""
        return self.name == self.key


class UnreadReason(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why the inputs cannot be read: the error's name, its message, and the place in the body."""

    error: str
    message: str
    offset: int | None = None
    field: str = ""


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the archive holds of a conversation. The highest ``generation`` (they count from 1) is the current one.

    ``archived_at`` is RFC 3339 in UTC, and the only time of archiving that is stored. ``producer`` is the program and
    version that wrote it. An ``unread`` generation lists its inputs and the reason, and no views. ``selections`` are
    the filters whose views are built again with every generation; the views of the audio are built with ``sync_mode``.
    ``recordings`` are the states of the recordings; ``sync`` is a short verdict on the timing of each. ``defects``
    counts the turns with a field that cannot be right.
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
        """The view of that name (``keys.transcript``, ``keys.summary`` and so on); None if there is none."""
        return next((view for view in self.views if view.name == name), None)

    def says_the_same(self, other: Manifest) -> bool:
        """Whether a newer manifest says nothing new of inputs, views and states.

        The time, the producer, the notes and the keys of views do not count. Nor does a leg that this manifest does not
        mention and that has no transcript: only some ways of fetching request such a leg.
        """
        mentioned = {leg.id for leg in self.communications}
        legs = tuple(leg for leg in other.communications if leg.id in mentioned or leg.state != "absent")
        return _content(self) == _content(msgspec.structs.replace(other, communications=legs))


def encode(manifest: Manifest) -> bytes:
    """Encode a manifest. The same manifest gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(data: bytes, key: str) -> Manifest:
    """Decode the manifest that is stored under ``key``, and check that it belongs there. Unknown fields are ignored.

    Raises ``Unread`` if it is damaged, of a newer format, or lists objects of another conversation;
    ``WrongConversation`` if it is the manifest of another conversation or generation.
    """
    manifest = parse(data, key)
    expected = keys.parse_manifest(key)
    if expected != (manifest.conversation, manifest.generation):
        raise _misplaced_error(manifest, expected[0] if expected else "", key)
    foreign = next(foreign_objects(manifest), None)
    if foreign is not None:
        hint = "Run turnkeeper verify on the archive."
        raise Unread(f"it lists {foreign.key[:120]!a}, which is not its own", operation="read", key=key, hint=hint)
    return manifest


def parse(data: bytes, key: str = "") -> Manifest:
    """Decode a manifest without checking where it is stored. Raises ``Unread`` for damage and for a newer format."""
    try:
        # The format first: a newer manifest may not fit the fields of this one.
        format_name = _FORMAT.decode(data).format
        if format_name == FORMAT:
            return _MANIFEST.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        hint = "Restore a version or a copy of it; turnkeeper verify lists what else is damaged."
        raise Unread(f"not a manifest ({cause})", operation="read", key=key, hint=hint) from None
    raise Unread(f"has the format {format_name[:60]!a}", operation="read", key=key, hint=upgrade_hint())


def foreign_objects(manifest: Manifest) -> Iterator[Input | View]:
    """The objects that a manifest lists although their keys are not its conversation's."""
    for body in manifest.inputs:
        # Lists of names are shared by all conversations.
        is_list = body.source.startswith("directory/") and body.key == f"{body.source}/{body.sha256[:16]}.json"
        if not (is_list or _belongs(body.key, manifest.conversation)):
            yield body
    yield from (view for view in manifest.views if not _belongs(view.key, manifest.conversation))


def _belongs(key: str, conversation: str) -> bool:
    return is_key(key) and keys.conversation_of(key) == conversation and not key.startswith(keys.MANIFESTS)


def _misplaced_error(manifest: Manifest, conversation: str, key: str) -> WrongConversation:
    if manifest.conversation != conversation and manifest.conversation.lower() == conversation.lower():
        words = f"stands for {manifest.conversation[:128]!a}: this store does not tell capital letters from small ones"
        hint = "Keep the two in archives of their own, or move the archive to a store that tells them apart."
        return WrongConversation(words, operation="read", key=key, hint=hint)
    words = f"is generation {manifest.generation} of {manifest.conversation[:128]!a}"
    hint = "Run turnkeeper verify on the archive."
    return WrongConversation(words, operation="read", key=key, hint=hint)


class _Format(msgspec.Struct):
    format: str


# Made while importing, one thread at a time: msgspec crashes when two threads first use a type at the same moment.
_FORMAT = msgspec.json.Decoder(_Format)
_MANIFEST = msgspec.json.Decoder(Manifest)


def _content(manifest: Manifest) -> tuple[object, ...]:
    """What ``says_the_same`` compares."""
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
