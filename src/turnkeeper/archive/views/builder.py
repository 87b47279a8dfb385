"""Build the views of a conversation from its inputs, into spools, before anything is stored.

A view does not depend on a clock, an address or a run: the same inputs and the same format give the same bytes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from turnkeeper.archive import inputs, keys
from turnkeeper.archive.manifest import Input, SyncMode, UnreadReason, View
from turnkeeper.archive.name_lists import NameCache
from turnkeeper.errors import TurnkeeperError, Unread
from turnkeeper.model import Recording, Summary
from turnkeeper.payloads.details import Details, read_details
from turnkeeper.payloads.directory import read_names
from turnkeeper.payloads.recordings import read_recordings
from turnkeeper.spool import Source, Spool
from turnkeeper.transcript.assemble import Assembly, Body, assemble
from turnkeeper.transcript.formats import summary_document, write_selection, write_transcript
from turnkeeper.transcript.select import Selection

__all__ = ["BuiltViews", "ReadOptions", "build_views"]


@dataclass(frozen=True)
class ReadOptions:
    """How inputs are read. ``options`` (shapes, limits) are passed to the reader of transcripts; ``spool_folder`` is
    for large spools; ``names`` and ``details`` are what was parsed before."""

    options: Mapping[str, Any] = field(default_factory=dict)
    spool_folder: Path | None = None
    names: NameCache = field(default_factory=NameCache)
    details: Details | None = None


@dataclass
class BuiltViews:
    """Views in spools by name, with their summary, or the reason (``unread``) why there are none.

    ``selected`` counts the turns of each filter. By recording, ``sync`` is its timing, ``unread_audio`` why it cannot
    be read, ``audio_remarks`` what is odd about it, and ``incomplete_audio`` what its sound lacks. ``reused`` are views
    that are stored already, and not in ``spools``. ``details`` are the conversation's parsed details, if they can be
    read, so that the index can be updated without parsing them again.
    """

    spools: dict[str, Spool] = field(default_factory=dict)
    selected: dict[str, int] = field(default_factory=dict)
    summary: Summary | None = None
    unread: UnreadReason | None = None
    notes: list[str] = field(default_factory=list)
    sync: dict[str, dict[str, object]] = field(default_factory=dict)
    unread_audio: dict[str, str] = field(default_factory=dict)
    audio_remarks: dict[str, str] = field(default_factory=dict)
    incomplete_audio: dict[str, str] = field(default_factory=dict)
    reused: tuple[View, ...] = ()
    details: Details | None = None

    @property
    def views(self) -> tuple[View, ...]:
        built = [
            View(key=keys.stored_view(name, spool.sha256), size=spool.size, sha256=spool.sha256)
            for name, spool in self.spools.items()
        ]
        return tuple(sorted([*built, *self.reused], key=lambda view: view.key))

    def close(self) -> None:
        for spool in self.spools.values():
            spool.close()


def build_views(
    conversation: str,
    bodies: Mapping[Input, Source],
    selections: Sequence[Selection] = (),
    reading: ReadOptions | None = None,
    sync_mode: SyncMode = "report",
) -> BuiltViews:
    """Build every view of a conversation. ``sync_mode`` is for the views of its audio.

    Inputs that cannot be read are not an error: ``BuiltViews.unread`` says why. Raises ``DiskFull`` if there is no room
    for a spool.
    """
    built = BuiltViews()
    try:
        _build_all(built, conversation, bodies, selections, reading or ReadOptions(), sync_mode)
    except Unread as cause:
        built.close()
        return BuiltViews(unread=_unread_reason(cause), notes=built.notes, details=built.details)
    except (TurnkeeperError, OSError, MemoryError):
        built.close()
        raise
    except Exception as defect:
        # A bug in a reader must not cost the bytes. They are stored, and read again by a version without the bug.
        built.close()
        words = f"turnkeeper broke while reading it ({type(defect).__name__}: {str(defect)[:200]}); please report this"
        return BuiltViews(unread=UnreadReason(error="Defect", message=words), notes=built.notes, details=built.details)
    return built


def _build_all(
    built: BuiltViews,
    conversation: str,
    bodies: Mapping[Input, Source],
    selections: Sequence[Selection],
    reading: ReadOptions,
    sync_mode: SyncMode,
) -> None:
    names = _read_names(built, bodies, reading.names)
    built.details = details = reading.details or _parse_details(built, bodies)
    read = [_transcript_body(body, source) for body, source in bodies.items() if _has_turns(body)]
    assembly = assemble(read, conversation=conversation, details=details, names=names, **reading.options)
    if assembly.repaired_surrogates:
        built.notes.append(f"{assembly.repaired_surrogates} broken characters were read as U+FFFD")
    with _open_view(built, keys.transcript(conversation), reading) as out:
        built.summary = write_transcript(assembly, out)
    with _open_view(built, keys.summary(conversation), reading) as out:
        out.write(summary_document(built.summary))
    for selection in selections:
        with _open_view(built, keys.selection(conversation, selection.slug), reading) as out:
            built.selected[selection.slug] = write_selection(assembly, selection, out)
    _build_audio(built, bodies, assembly, details, reading, sync_mode)


def _build_audio(
    built: BuiltViews,
    bodies: Mapping[Input, Source],
    assembly: Assembly,
    details: Details | None,
    reading: ReadOptions,
    sync_mode: SyncMode,
) -> None:
    """Build the views of the audio, if there is any. Only then are the decoders and numpy loaded."""
    recordings = {recording.id: recording for recording in _read_recordings(built, bodies)}
    files: dict[str, list[tuple[Input, Source]]] = {}
    for body, source in sorted(bodies.items(), key=lambda pair: pair[0].source):
        if recording := inputs.recording_of(body.source):
            files.setdefault(recording, []).append((body, source))
    if not files:
        return
    from turnkeeper.archive.views.audio import AudioTask, build_audio_views

    base = assembly.header.time_base.epoch_ms
    task = AudioTask(
        conversation=assembly.conversation,
        files=files,
        recordings=recordings,
        turns=assembly.turns,
        base=details.start if base is None and details else base,
        mode=sync_mode,
    )
    audio = build_audio_views(task, lambda name: _open_view(built, name, reading))
    built.sync, built.unread_audio, built.audio_remarks = audio.sync, audio.unread, audio.remarks
    built.incomplete_audio = audio.incomplete


def _read_recordings(built: BuiltViews, bodies: Mapping[Input, Source]) -> tuple[Recording, ...]:
    for body, source in bodies.items():
        if body.source == inputs.RECORDINGS:
            try:
                with source.open() as reader:
                    return read_recordings(reader.read())
            except Unread as cause:
                built.notes.append(f"the platform's list of recordings cannot be read: {cause.message}")
    return ()


def _has_turns(body: Input) -> bool:
    return body.source == inputs.METADATA or inputs.is_transcript(body.source)


def _transcript_body(body: Input, source: Source) -> Body:
    return Body(source, inputs.communication_of(body), body.source == inputs.METADATA)


@contextlib.contextmanager
def _open_view(built: BuiltViews, name: str, reading: ReadOptions) -> Iterator[BinaryIO]:
    spool = built.spools[name] = Spool(reading.spool_folder)
    yield cast(BinaryIO, spool)  # a spool can be written, and nothing else is done with it here
    spool.seal()


def _read_names(built: BuiltViews, bodies: Mapping[Input, Source], known: NameCache) -> Mapping[str, str]:
    """The names in all lists. A list that cannot be read costs its names, not the transcript."""
    lists = {body.sha256: source for body, source in bodies.items() if inputs.is_directory(body.source)}
    try:
        return known.joined(lists)
    except Unread:
        return _read_names_one_by_one(built, bodies)


def _read_names_one_by_one(built: BuiltViews, bodies: Mapping[Input, Source]) -> dict[str, str]:
    names: dict[str, str] = {}
    for body, source in bodies.items():
        if inputs.is_directory(body.source):
            try:
                names |= read_names(source)
            except Unread as cause:
                built.notes.append(f"{body.source} cannot be read: {cause.message}")
    return names


def _parse_details(built: BuiltViews, bodies: Mapping[Input, Source]) -> Details | None:
    for body, source in bodies.items():
        if body.source == inputs.CONVERSATION:
            try:
                with source.open() as reader:
                    return read_details(reader.read())
            except Unread as cause:
                built.notes.append(f"the conversation's details cannot be read: {cause.message}")
    return None


def _unread_reason(cause: Unread) -> UnreadReason:
    return UnreadReason(error=type(cause).__name__, message=cause.message, offset=cause.offset, field=cause.field)
