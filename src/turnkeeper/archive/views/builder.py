"""Views: deterministic functions of a conversation's inputs, built into spools before anything is stored.

No clock, no address and no run enters a view: the same inputs and the same format give the same bytes.
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

__all__ = ["Built", "Reading", "build"]


@dataclass(frozen=True)
class Reading:
    """How inputs are read: the shapes known beyond the built-in ones, where spools may spill to, and what was read
    before: the names in lists, and the conversation's details."""

    options: Mapping[str, Any] = field(default_factory=dict)
    spool_folder: Path | None = None
    names: NameCache = field(default_factory=NameCache)
    details: Details | None = None


@dataclass
class Built:
    """Views in spools by name, what they amount to, or why there are none. ``selected`` counts turns per filter.

    By recording: ``sync`` is its timing, ``unread_audio`` why it cannot be read, ``audio_remarks`` what is odd,
    ``incomplete_audio`` what is missing in the sound.
    ``carried`` are views that are stored already, and not in ``spools``. ``details`` is what the conversation's details
    say, where they can be read: whoever writes the index next need not parse them again.
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
    carried: tuple[View, ...] = ()
    details: Details | None = None

    @property
    def views(self) -> tuple[View, ...]:
        built = [
            View(key=keys.stored_view(name, spool.sha256), size=spool.size, sha256=spool.sha256)
            for name, spool in self.spools.items()
        ]
        return tuple(sorted([*built, *self.carried], key=lambda view: view.key))

    def close(self) -> None:
        for spool in self.spools.values():
            spool.close()


def build(
    conversation: str,
    bodies: Mapping[Input, Source],
    selections: Sequence[Selection] = (),
    reading: Reading | None = None,
    sync_mode: SyncMode = "report",
) -> Built:
    """Build every view of a conversation; ``sync_mode`` is for those of its audio.

    What cannot be read is no error here: ``Built.unread`` says why.

    Raises ``DiskFull`` when the spool has no room.
    """
    built = Built()
    try:
        _build(built, conversation, bodies, selections, reading or Reading(), sync_mode)
    except Unread as cause:
        built.close()
        return Built(unread=_reason(cause), notes=built.notes, details=built.details)
    except (TurnkeeperError, OSError, MemoryError):
        built.close()
        raise
    except Exception as defect:
        # A reader that breaks must not cost the bytes: they are kept, and read again when it is mended.
        built.close()
        words = f"turnkeeper broke while reading it ({type(defect).__name__}: {str(defect)[:200]}); please report this"
        return Built(unread=UnreadReason(error="Defect", message=words), notes=built.notes, details=built.details)
    return built


def _build(
    built: Built,
    conversation: str,
    bodies: Mapping[Input, Source],
    selections: Sequence[Selection],
    reading: Reading,
    sync_mode: SyncMode,
) -> None:
    names = _names(built, bodies, reading.names)
    built.details = details = reading.details or _details(built, bodies)
    read = [_body(taken, source) for taken, source in bodies.items() if _has_turns(taken)]
    assembly = assemble(read, conversation=conversation, details=details, names=names, **reading.options)
    if assembly.repaired_surrogates:
        built.notes.append(f"{assembly.repaired_surrogates} broken characters were read as U+FFFD")
    with _view(built, keys.transcript(conversation), reading) as out:
        built.summary = write_transcript(assembly, out)
    with _view(built, keys.summary(conversation), reading) as out:
        out.write(summary_document(built.summary))
    for selection in selections:
        with _view(built, keys.selection(conversation, selection.slug), reading) as out:
            built.selected[selection.slug] = write_selection(assembly, selection, out)
    _sound(built, bodies, assembly, details, reading, sync_mode)


def _sound(
    built: Built,
    bodies: Mapping[Input, Source],
    assembly: Assembly,
    details: Details | None,
    reading: Reading,
    sync_mode: SyncMode,
) -> None:
    """The views of the audio, where there is any: only then are the decoders and numpy loaded."""
    told = {one.id: one for one in _recordings(built, bodies)}
    files: dict[str, list[tuple[Input, Source]]] = {}
    for taken, source in sorted(bodies.items(), key=lambda pair: pair[0].source):
        if recording := inputs.recording_of(taken.source):
            files.setdefault(recording, []).append((taken, source))
    if not files:
        return
    from turnkeeper.archive.views.audio import AudioTask, build_audio_views

    base = assembly.header.time_base.epoch_ms
    task = AudioTask(
        conversation=assembly.conversation,
        files=files,
        told=told,
        turns=assembly.turns,
        base=details.start if base is None and details else base,
        mode=sync_mode,
    )
    sound = build_audio_views(task, lambda name: _view(built, name, reading))
    built.sync, built.unread_audio, built.audio_remarks = sound.sync, sound.unread, sound.remarks
    built.incomplete_audio = sound.incomplete


def _recordings(built: Built, bodies: Mapping[Input, Source]) -> tuple[Recording, ...]:
    for taken, source in bodies.items():
        if taken.source == inputs.RECORDINGS:
            try:
                with source.open() as body:
                    return read_recordings(body.read())
            except Unread as cause:
                built.notes.append(f"the platform's list of recordings cannot be read: {cause.message}")
    return ()


def _has_turns(taken: Input) -> bool:
    return taken.source == inputs.METADATA or inputs.is_transcript(taken.source)


def _body(taken: Input, source: Source) -> Body:
    return Body(source, inputs.communication_of(taken), taken.source == inputs.METADATA)


@contextlib.contextmanager
def _view(built: Built, name: str, reading: Reading) -> Iterator[BinaryIO]:
    spool = built.spools[name] = Spool(reading.spool_folder)
    yield cast(BinaryIO, spool)  # it is written to and nothing else
    spool.seal()


def _names(built: Built, bodies: Mapping[Input, Source], known: NameCache) -> Mapping[str, str]:
    """All names. A list that cannot be read costs the names, not the transcript."""
    lists = {taken.sha256: source for taken, source in bodies.items() if inputs.is_directory(taken.source)}
    try:
        return known.joined(lists)
    except Unread:
        return _readable_names(built, bodies)


def _readable_names(built: Built, bodies: Mapping[Input, Source]) -> dict[str, str]:
    names: dict[str, str] = {}
    for taken, source in bodies.items():
        if inputs.is_directory(taken.source):
            try:
                names |= read_names(source)
            except Unread as cause:
                built.notes.append(f"{taken.source} cannot be read: {cause.message}")
    return names


def _details(built: Built, bodies: Mapping[Input, Source]) -> Details | None:
    for taken, source in bodies.items():
        if taken.source == inputs.CONVERSATION:
            try:
                with source.open() as body:
                    return read_details(body.read())
            except Unread as cause:
                built.notes.append(f"the conversation's details cannot be read: {cause.message}")
    return None


def _reason(cause: Unread) -> UnreadReason:
    return UnreadReason(error=type(cause).__name__, message=cause.message, offset=cause.offset, field=cause.field)
