"""An archive of conversations: commit them, read them back, check and maintain the whole. The room's public class."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from turnkeeper.archive import inputs, keys, metadata
from turnkeeper.archive.audit import Audit
from turnkeeper.archive.commit import CommitRequest, CommitResult, Committer, FetchedBody, as_input
from turnkeeper.archive.generations import archived_details, current_manifest, list_conversations
from turnkeeper.archive.index import CallState, Index
from turnkeeper.archive.index_entries import apply_commit, day_of, entry_from_manifest
from turnkeeper.archive.manifest import CommunicationState, Manifest, SyncMode, View
from turnkeeper.archive.name_lists import NameCache
from turnkeeper.archive.pending_erasures import PendingErasures
from turnkeeper.archive.reindex import ReindexResult, reindex
from turnkeeper.archive.removal import remove_conversation
from turnkeeper.archive.superseded_views import SupersededViews
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.archive.verify import Verification
from turnkeeper.archive.views.builder import ReadOptions
from turnkeeper.audio.media_types import content_type
from turnkeeper.clock import Clock, SystemClock
from turnkeeper.errors import NotFound, Skippable, TurnkeeperError, Unread
from turnkeeper.events import Listener, silent
from turnkeeper.ids import check_id
from turnkeeper.model import RecordingState, Summary
from turnkeeper.payloads.details import Details
from turnkeeper.payloads.directory import read_names
from turnkeeper.settings import StoreSettings
from turnkeeper.spool import BytesSource
from turnkeeper.storage.hashed_reader import HashedReader
from turnkeeper.storage.object_store import open_store
from turnkeeper.storage.store import Store, StoredObject
from turnkeeper.storage.versions import Versioning
from turnkeeper.transcript.select import Selection

__all__ = ["Archive", "CommitResult", "FetchedBody"]

_HINT_VIEW = "Run turnkeeper reread --all on the archive: it builds its views again."


def _ignore(_: TurnkeeperError) -> None: ...


class Archive:
    """An archive at an address (or in a ``Store``). Safe to use from several threads, processes and machines.

    Opening an archive sends no request. The first use checks the archive's format, and the first write checks that the
    store honours create-only writes. Any method may raise ``Denied``, ``StoreRefused``, ``Misconfigured``, ``DiskFull``
    or ``Unavailable``. ``spool_folder`` is where archived bodies are spooled when they are read.
    """

    def __init__(
        self,
        url: str | Store,
        settings: StoreSettings | None = None,
        *,
        clock: Clock | None = None,
        listener: Listener = silent,
        spool_folder: Path | None = None,
    ) -> None:
        chosen = settings or (StoreSettings.from_environment() if isinstance(url, str) else StoreSettings())
        self.store: Store = open_store(url, chosen) if isinstance(url, str) else url
        self._clock = clock or SystemClock()
        self._listener = listener
        self._spool_folder = spool_folder
        self._audit = Audit(self.store, self._clock, required=chosen.require_audit)
        self._lock = threading.Lock()
        self._tombstones = Tombstones(self.store)
        self._read_checked = self._write_checked = False
        self._names = NameCache()
        self._committer = Committer(self.store, self._clock, self._names, listener=listener, spool_folder=spool_folder)

    @property
    def url(self) -> str:
        """The archive's address, without credentials or query."""
        return self.store.url

    def prepare(self) -> None:
        """Make sure that the archive can be written, before anything is fetched for it. Writes do it anyway."""
        self._check_format(write=True)

    def require(self) -> None:
        """Raise ``NotFound`` if there is no archive at this address. Writes nothing."""
        self._require_archive()

    def claim(self, organisation: str) -> None:
        """Record whose archive this is. Raises ``StoreRefused`` if it is another organisation's already."""
        metadata.claim(self.store, self._clock, organisation)

    def commit(
        self,
        conversation: str,
        bodies: Sequence[FetchedBody],
        *,
        states: Sequence[CommunicationState] = (),
        selections: Sequence[Selection] = (),
        notes: Sequence[str] = (),
        recordings: Sequence[RecordingState] = (),
        sync_mode: SyncMode | None = None,
        new: bool = False,
        details: Details | None = None,
        publish: bool = True,
    ) -> CommitResult:
        """Store the bodies, build the views, and commit both with the next manifest, if anything changed.

        Bytes that cannot be read are stored all the same, and the manifest says why. Inputs of earlier generations
        still count where no newer body replaces them (see ``inputs.compose``). Selections that were requested once are
        built again with every generation, and so are the views of the audio, in the last ``sync_mode``.
        ``recordings`` gives the state of each recording. The call returns only when everything is stored; a crash
        before that leaves the previous generation as it was.

        ``new`` says that the archive is believed not to hold the conversation yet. Then one small request makes sure,
        and whether the conversation was erased is looked up in a list that is up to half a minute old (see
        ``undo_if_erased``). ``details`` is what the body with the source ``conversation`` says, for callers who have
        parsed it already. ``publish`` brings the index up to date; a caller that commits many conversations does that
        once for all of them (see ``publish``).

        Raises ``Misconfigured`` for an id that cannot become a key, ``NotFound`` where there is no transcript at all,
        ``Erased`` for a conversation that was erased, also while it was being committed.
        """
        # All ids become parts of keys, so they are checked before anything is stored.
        fetched = {as_input(conversation, body): body.body for body in bodies}
        for selection in selections:
            keys.selection(conversation, selection.slug)
        for state in states:
            check_id(state.id, "communication")
        for recording in recordings:
            check_id(recording.id, "recording")
        self._check_format(write=True)
        self._tombstones.refuse(conversation, use_cache=new)
        request = CommitRequest(conversation, fetched, states, selections, notes, recordings, sync_mode)
        result = self._committer.commit(request, ReadOptions(names=self._names, details=details), new=new)
        return self._finish_commit(result, new=new, publish=publish)

    def keep(self, conversation: str, arrived: Sequence[FetchedBody], **options: Any) -> CommitResult:
        """The former name of ``commit``; it goes with the next release."""
        return self.commit(conversation, arrived, **options)

    def undo_if_erased(self, conversation: str) -> None:
        """Remove what was committed while another process erased it. Raises ``Erased`` if that happened.

        ``commit`` does it by itself, except for conversations that are ``new``: a caller that commits many of those
        does it for the few that have a tombstone by then.
        """
        if self._tombstones.has(conversation):
            # The tombstone may be older than the commit, whose objects the erasure then did not see. Versions cannot be
            # removed here, so the erasure is recorded as not finished.
            PendingErasures(self.store).put(conversation, self._clock.now(), "request")
            remove_conversation(self.store, Versioning(keeps_versions=None), conversation)
            self._tombstones.refuse(conversation)

    def rebuild(
        self, conversation: str, reading: ReadOptions | None = None, *, move: bool = False, publish: bool = True
    ) -> CommitResult:
        """Build the views again from the archived inputs alone. ``move`` also stores the views of an archive of version
        1 under keys of this version. Raises ``NotFound`` for an unknown conversation, ``Erased`` for an erased one."""
        self._check_format(write=True)
        self._tombstones.refuse(conversation)
        result = self._committer.commit(CommitRequest(conversation, {}, move=move), reading or ReadOptions())
        return self._finish_commit(result, new=False, publish=publish)

    def publish(self, manifests: Iterable[Manifest]) -> None:
        """Update the index by these generations, each in the day on which its conversation started.

        If a day of the index cannot be read, the other days are updated before its ``Unread`` is raised.
        """
        self._update_index(
            entry_from_manifest(manifest, archived_details(self.store, manifest)) for manifest in manifests
        )

    def reindex(self, on_error: Callable[[TurnkeeperError], None] = _ignore) -> ReindexResult:
        """Build the index again from the manifests. ``on_error`` is called for each conversation and each day that
        cannot be read. See ``turnkeeper.archive.reindex`` for what stays of the old index."""
        self._require_archive()
        self._check_format(write=True)
        return reindex(self.store, on_error)

    def sweep(self) -> int:
        """Delete the views that were superseded more than a day ago, and return how many. One request if there are
        none."""
        return SupersededViews(self.store, self._clock).sweep(self._rebuild_views)

    def manifest(self, conversation: str) -> Manifest | None:
        """The current generation; None for a conversation that the archive does not hold. Raises ``Unread`` if it
        cannot be read, or lists objects of another conversation."""
        self._check_format()
        return current_manifest(self.store, conversation)

    def manifests(self, on_error: Callable[[TurnkeeperError], None] = _ignore) -> Iterator[Manifest]:
        """The current generation of every conversation, sorted by id. One that cannot be read is left out, and
        ``on_error`` is called with the reason. Raises ``NotFound`` if there is no archive."""
        for conversation in self.conversations():
            try:
                manifest = self.manifest(conversation)
            except Skippable as cause:
                on_error(cause)
                continue
            if manifest is not None:
                yield manifest

    def details(self, conversation: str) -> bytes | None:
        """The archived analytics details of a conversation, byte for byte; None if there are none."""
        manifest = self.manifest(conversation)
        bodies = manifest.inputs if manifest else ()
        key = next((body.key for body in bodies if body.source == inputs.CONVERSATION), "")
        return self.store.get(key) if key else None

    def conversations(self) -> Iterator[str]:
        """The ids of all conversations that have a manifest, sorted. Raises ``NotFound`` if there is no archive."""
        self._require_archive()
        yield from list_conversations(self.store)

    def unread(self, on_error: Callable[[TurnkeeperError], None] = _ignore) -> Iterator[Manifest]:
        """The manifests of conversations whose archived inputs cannot be read."""
        yield from (manifest for manifest in self.manifests(on_error) if manifest.state == "unread")

    def open_view(self, manifest: Manifest, name: str) -> BinaryIO:
        """A reader of one view of a generation, by its name (``keys.transcript``, ``keys.summary`` and so on).

        Raises ``NotFound`` if the generation has no such view. Reading it from start to end raises ``Unread`` if its
        bytes do not have the SHA-256 in the manifest.
        """
        view = _view_of(manifest, name)
        return HashedReader.buffered(self.store.open(view.key), view.sha256, view.key, _HINT_VIEW)

    def read_view(self, manifest: Manifest, name: str) -> bytes:
        """The bytes of one view of a generation. Raises as ``open_view`` and its reader do."""
        with self.open_view(manifest, name) as reader:
            return reader.read()

    def transcript(self, conversation: str) -> BinaryIO:
        """A reader of the transcript view. Raises ``NotFound``, or ``Unread`` with the reason in the manifest."""
        return self.open_view(self._readable_manifest(conversation), keys.transcript(conversation))

    def audio(self, conversation: str) -> dict[str, tuple[str, ...]]:
        """The keys of the archived audio by recording, to be opened with ``store.open``: one file with all channels, or
        one file for each channel, in their order. Raises ``NotFound`` for a conversation that is not in the archive."""
        manifest = self.manifest(conversation)
        if manifest is None:
            raise NotFound("not in the archive", operation="read", key=conversation)
        return inputs.audio_keys(manifest.inputs)

    def alignment(self, conversation: str) -> BinaryIO:
        """A reader of the alignment view: the samples of each turn. Raises ``NotFound`` if there is no audio."""
        return self.open_view(self._readable_manifest(conversation), keys.alignment(conversation))

    def peaks(self, conversation: str, recording: str) -> BinaryIO:
        """A reader of one recording's waveform view. Raises ``NotFound``."""
        return self.open_view(self._readable_manifest(conversation), keys.peaks(conversation, recording))

    def summary(self, conversation: str) -> dict[str, object]:
        """The summary, with the time and place of archiving. If recordings have gaps, ``incomplete_recordings`` says
        by recording what is missing. Raises ``NotFound`` or ``Unread``."""
        manifest = self._readable_manifest(conversation)
        data = self.read_view(manifest, keys.summary(conversation))
        document: dict[str, object] = msgspec.json.decode(data)
        transcript = _view_of(manifest, keys.transcript(conversation))
        location = {"archived_at": manifest.archived_at, "storage_location": f"{self.url}/{transcript.key}"}
        # The fields that people look for first come first.
        head = {name: document.pop(name) for name in Summary.__struct_fields__[:6] if name in document}
        incomplete = {state.id: state.reason for state in manifest.recordings if state.state == "incomplete"}
        return head | location | document | ({"incomplete_recordings": incomplete} if incomplete else {})

    def copy_to(self, address: str, settings: StoreSettings | None = None) -> int:
        """Copy every object, byte for byte, to the store at ``address``, and return the number of objects.

        Uses constant memory for each object. Manifests are copied last, so an interrupted copy names no object that it
        does not hold. Raises what either store raises.
        """
        target = open_store(address, settings)
        # Sorting is stable: the keys stay in order, with the manifests after all others.
        copied = sorted(self.store.list(""), key=lambda key: key.startswith(keys.MANIFESTS))
        for key in copied:
            source = StoredObject(self.store, key, self.store.size(key) or 0)
            target.put_stream(key, source, content_type=content_type(key.rpartition(".")[2]))
        return len(copied)

    def refuse_erased(self, conversation: str) -> None:
        """Raise ``Erased`` for a conversation that was erased, before anything is fetched for it."""
        self._tombstones.refuse(conversation)

    def verify(self, *, sample: float = 1.0, seed: str = "", views: bool = False) -> Verification:
        """Check that everything that the manifests list is there, byte for byte. Returns an iterator of findings.

        ``sample`` is the share of conversations to check, chosen by ``seed`` (a new one each time if it is empty).
        ``views`` also builds the views again and compares them. Writes nothing.
        """
        self._require_archive()
        return Verification(
            self.store, self._clock, sample=sample, seed=seed, views=views, spool_folder=self._spool_folder
        )

    @property
    def audit(self) -> Audit:
        """The record of who did what, when. ``audit.lines()`` reads it; ``audit.check()`` finds changed and missing
        lines.

        The commands and functions of this package write their lines themselves. A program that shows conversations to
        people through this class writes its own with ``audit.record_reading``.
        """
        return self._audit

    def names(self, kind: str, on_error: Callable[[TurnkeeperError], None] = _ignore) -> dict[str, str]:
        """Names by id of ``users``, ``queues`` or ``wrapups``, from all archived lists. ``on_error`` is called for each
        list that cannot be read."""
        self._check_format()
        names: dict[str, str] = {}
        for key in self.store.list(keys.directories(kind)):
            try:
                names |= read_names(BytesSource(self.store.get(key)))
            except Skippable as cause:
                # The reader of a list knows its bytes only.
                cause.key = key
                on_error(cause)
        return names

    def _readable_manifest(self, conversation: str) -> Manifest:
        """The current generation of a conversation. Raises ``NotFound``, or ``Unread`` if it has no views."""
        manifest = self.manifest(conversation)
        if manifest is None:
            raise NotFound("not in the archive", operation="read", key=conversation)
        if manifest.unread:
            raise Unread(
                f"kept, but it cannot be read: {manifest.unread.message}",
                operation="read",
                key=conversation,
                hint="After an upgrade that knows its shape, run turnkeeper reread.",
                offset=manifest.unread.offset,
                field=manifest.unread.field,
            )
        return manifest

    def _require_archive(self) -> None:
        """Raise ``NotFound`` if there is no archive. Otherwise a mistyped address would look like an archive without
        faults, or without anything to erase."""
        self._check_format()
        # An archive that lost its metadata is still one: a verification has to report the loss.
        if metadata.read_metadata(self.store) is None and not self._holds_objects():
            hint = "Check the address."
            raise NotFound("there is no archive here", operation="open the archive", key=self.url, hint=hint)

    def _holds_objects(self) -> bool:
        """Whether the store holds any object of an archive. A folder of other files is not an archive."""
        return any(next(self.store.list(prefix), None) is not None for prefix in (keys.MANIFESTS, "_turnkeeper/"))

    def _check_format(self, *, write: bool = False) -> None:
        """Check the archive's metadata once, and create it before the first write."""
        # Under the lock, because several threads may make their first call at once.
        with self._lock:
            if write and not self._write_checked:
                metadata.claim(self.store, self._clock)
                self._read_checked = self._write_checked = True
            elif not self._read_checked:
                metadata.read_metadata(self.store)
                self._read_checked = True

    def _finish_commit(self, result: CommitResult, *, new: bool, publish: bool) -> CommitResult:
        """Undo the commit if the conversation was erased in the meantime. Otherwise update the index."""
        if not new:
            self.undo_if_erased(result.manifest.conversation)
        if publish:
            self._update_index([entry_from_manifest(result.manifest, result.details)])
        return result

    def _update_index(self, entries: Iterable[CallState]) -> None:
        # By day, because each commit writes a new generation of its day.
        days: dict[str, list[CallState]] = {}
        for entry in entries:
            days.setdefault(day_of(entry), []).append(entry)
        index = Index(self.store)
        unread: Unread | None = None
        for day, calls in sorted(days.items()):
            try:
                index.commit(day, calls, combine=apply_commit)
            except Unread as cause:
                unread = unread or cause
        if unread is not None:
            raise unread

    def _rebuild_views(self, conversation: str) -> None:
        self.rebuild(conversation, publish=False)


def _view_of(manifest: Manifest, name: str) -> View:
    view = manifest.view(name)
    if view is None:
        raise NotFound("its manifest lists no such view", operation="read", key=name)
    return view
