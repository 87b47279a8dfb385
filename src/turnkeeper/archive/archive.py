"""An archive: keeps conversations, reads them back, and answers for the whole. Its public face."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from turnkeeper.archive import inputs, keys, metadata
from turnkeeper.archive.audit import Audit
from turnkeeper.archive.commit import CommitRequest, CommitResult, Committer, FetchedBody, as_input
from turnkeeper.archive.generations import current_manifest
from turnkeeper.archive.index import CallState, Index
from turnkeeper.archive.index_entries import day_of, entry_of, with_manifest
from turnkeeper.archive.manifest import CommunicationState, Manifest, SyncMode, View
from turnkeeper.archive.name_lists import KnownNames
from turnkeeper.archive.pending_erasures import PendingErasures
from turnkeeper.archive.reindex import Reindexed, reindex
from turnkeeper.archive.removal import remove
from turnkeeper.archive.superseded_views import SupersededViews
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.archive.verify import Verification
from turnkeeper.archive.views.builder import Reading
from turnkeeper.clock import Clock, SystemClock
from turnkeeper.errors import NotFound, Skippable, TurnkeeperError, Unread
from turnkeeper.events import Listener, silent
from turnkeeper.ids import check_id
from turnkeeper.model import RecordingState, Summary
from turnkeeper.payloads.details import Details, read_details
from turnkeeper.payloads.directory import read_names
from turnkeeper.settings import StoreSettings
from turnkeeper.spool import BytesSource
from turnkeeper.storage.contract import Store
from turnkeeper.storage.hashed_reader import HashedReader
from turnkeeper.storage.object_store import open_store
from turnkeeper.storage.versions import History
from turnkeeper.transcript.select import Selection

__all__ = ["Archive", "CommitResult", "FetchedBody"]

_HINT_VIEW = "Run turnkeeper reread --all on the archive: it builds its views again."


def _ignore(_: TurnkeeperError) -> None: ...


class Archive:
    """An archive at an address (or in a ``Store``). Safe to use from several threads, processes and machines.

    Opening asks nothing; the first use checks the archive's format, and the first write that the store honours
    create-only writes. Any method may raise ``Denied``, ``StoreRefused``, ``Misconfigured``, ``DiskFull`` or
    ``Unavailable``. ``spool_folder`` is where bodies read back are spooled.
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
        self._names = KnownNames()
        self._committer = Committer(self.store, self._clock, self._names, listener=listener, spool_folder=spool_folder)

    @property
    def url(self) -> str:
        """The archive's address, without credentials or query."""
        return self.store.url

    def prepare(self) -> None:
        """Make sure that the archive can be written, before anything is fetched for it. Later calls do it anyway."""
        self._check(write=True)

    def require(self) -> None:
        """Raises ``NotFound`` where there is no archive: for what only goes on with one, or reads it. Nothing is
        written."""
        self._check_there()

    def claim(self, organisation: str) -> None:
        """Say whose archive this is. Raises ``StoreRefused`` when it already is another organisation's."""
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
        still count where no newer body replaces them (see ``inputs.compose``). Selections that were asked for once are
        rebuilt with every generation, and so are the views of the audio in the ``sync_mode`` named last.
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
        fetched = {as_input(conversation, body): body.body for body in bodies}
        for selection in selections:
            keys.selection(conversation, selection.slug)
        for state in states:
            check_id(state.id, "communication")
        self._check(write=True)
        for recording in recordings:
            check_id(recording.id, "recording")
        self._tombstones.refuse(conversation, believed=new)
        request = CommitRequest(conversation, fetched, states, selections, notes, recordings, sync_mode)
        kept = self._committer.commit(request, Reading(names=self._names, details=details), new=new)
        return self._settled(kept, new=new, publish=publish)

    def keep(self, conversation: str, arrived: Sequence[FetchedBody], **options: Any) -> CommitResult:
        """The former name of ``commit``; it goes with the next release."""
        return self.commit(conversation, arrived, **options)

    def undo_if_erased(self, conversation: str) -> None:
        """Remove what was committed while somebody erased it. Raises ``Erased`` where that was so.

        ``commit`` does it by itself, except for conversations that are ``new``: a caller that commits many of those
        does it for the few that have a tombstone by then.
        """
        if self._tombstones.has(conversation):
            # The tombstone stood before this look, so nothing may stay.
            PendingErasures(self.store).put(conversation, self._clock.now(), "request")
            remove(self.store, History(kept=None), conversation)
            self._tombstones.refuse(conversation)

    def rebuild(
        self, conversation: str, reading: Reading | None = None, *, move: bool = False, publish: bool = True
    ) -> CommitResult:
        """Build the views again from the archived inputs alone. ``move`` also gives views of an archive of version 1
        the keys of this version. Raises ``NotFound`` for an unknown conversation, ``Erased`` for an erased one."""
        self._check(write=True)
        self._tombstones.refuse(conversation)
        kept = self._committer.commit(CommitRequest(conversation, {}, move=move), reading or Reading())
        return self._settled(kept, new=False, publish=publish)

    def publish(self, manifests: Iterable[Manifest]) -> None:
        """Tell the index of these generations, each in the day of its conversation's start.

        Where a day of the index cannot be read, the others are told first, then its ``Unread`` is raised.
        """
        self._publish(entry_of(manifest, self._details_of(manifest)) for manifest in manifests)

    def reindex(self, on_error: Callable[[TurnkeeperError], None] = _ignore) -> Reindexed:
        """Build the index again from the manifests. ``on_error`` is told of each conversation and each day that cannot
        be read; see ``turnkeeper.archive.reindex`` for what is kept of the index that was there."""
        self._check_there()
        self._check(write=True)
        return reindex(self.store, on_error)

    def sweep(self) -> int:
        """Delete the views that were superseded more than a day ago; how many. One request where there are none."""
        return SupersededViews(self.store, self._clock).sweep(self._rebuild_views)

    def manifest(self, conversation: str) -> Manifest | None:
        """The current generation; None for a conversation the archive does not hold. Raises ``Unread`` where it cannot
        be read, or lists what is not its own."""
        self._check()
        return current_manifest(self.store, conversation)

    def manifests(self, on_error: Callable[[TurnkeeperError], None] = _ignore) -> Iterator[Manifest]:
        """The current generation of every conversation, sorted by id. One that cannot be read is left out, and
        ``on_error`` is told why. Raises ``NotFound`` where there is no archive."""
        for conversation in self.conversations():
            try:
                found = self.manifest(conversation)
            except Skippable as cause:
                on_error(cause)
                continue
            if found is not None:
                yield found

    def details(self, conversation: str) -> bytes | None:
        """The analytics details kept with a conversation, byte for byte; None where there are none."""
        found = self.manifest(conversation)
        return self._kept_details(found) if found else None

    def conversations(self) -> Iterator[str]:
        """The ids of all conversations that have a manifest, sorted. Raises ``NotFound`` where there is no archive."""
        self._check_there()
        last = ""
        for key in self.store.list(keys.MANIFESTS):
            found = keys.parse_manifest(key)
            if found and found[0] != last:
                last = found[0]
                yield last

    def unread(self, on_error: Callable[[TurnkeeperError], None] = _ignore) -> Iterator[Manifest]:
        """The manifests of conversations that are kept and cannot be read."""
        yield from (found for found in self.manifests(on_error) if found.state == "unread")

    def open_view(self, manifest: Manifest, name: str) -> BinaryIO:
        """A reader of one view of a generation, by its name (``keys.transcript`` and its kin).

        Raises ``NotFound`` where the generation has no such view. Reading it from its start to its end raises
        ``Unread`` where its bytes are not the ones that the manifest names.
        """
        view = _view_of(manifest, name)
        return HashedReader.buffered(self.store.open(view.key), view.sha256, view.key, _HINT_VIEW)

    def read_view(self, manifest: Manifest, name: str) -> bytes:
        """One view of a generation as a whole. Raises as ``open_view`` and its reader do."""
        with self.open_view(manifest, name) as reader:
            return reader.read()

    def transcript(self, conversation: str) -> BinaryIO:
        """A reader of the transcript view. Raises ``NotFound``, or ``Unread`` with the reason the manifest gives."""
        return self.open_view(self._done(conversation), keys.transcript(conversation))

    def audio(self, conversation: str) -> dict[str, tuple[str, ...]]:
        """The keys of the archived audio by recording, to be opened with ``store.open``: one file with all channels, or
        one for each channel in their order. Raises ``NotFound`` for a conversation that is not in the archive."""
        found = self.manifest(conversation)
        if found is None:
            raise NotFound("not in the archive", operation="read", key=conversation)
        return inputs.audio_keys(found.inputs)

    def alignment(self, conversation: str) -> BinaryIO:
        """A reader of the alignment view: which samples each turn is. Raises ``NotFound`` where there is no audio."""
        return self.open_view(self._done(conversation), keys.alignment(conversation))

    def peaks(self, conversation: str, recording: str) -> BinaryIO:
        """A reader of one recording's waveform view. Raises ``NotFound``."""
        return self.open_view(self._done(conversation), keys.peaks(conversation, recording))

    def summary(self, conversation: str) -> dict[str, object]:
        """The summary, with when and where it is archived, and ``incomplete_recordings``: what is missing in which,
        where anything is. Raises ``NotFound`` or ``Unread``."""
        manifest = self._done(conversation)
        data = self.read_view(manifest, keys.summary(conversation))
        document: dict[str, object] = msgspec.json.decode(data)
        transcript = _view_of(manifest, keys.transcript(conversation))
        place = {"archived_at": manifest.archived_at, "storage_location": f"{self.url}/{transcript.key}"}
        brief = {name: document.pop(name) for name in Summary.__struct_fields__[:6] if name in document}
        lacking = {one.id: one.reason for one in manifest.recordings if one.state == "incomplete"}
        return brief | place | document | ({"incomplete_recordings": lacking} if lacking else {})

    def refuse_erased(self, conversation: str) -> None:
        """Raises ``Erased`` for a conversation that was erased: before anything is fetched for it."""
        self._tombstones.refuse(conversation)

    def verify(self, *, sample: float = 1.0, seed: str = "", views: bool = False) -> Verification:
        """Check that everything the manifests list is there, byte for byte: an iterator of findings (see ``verify``).

        ``sample`` is the share of conversations to look at, chosen by ``seed`` (a new one each time without).
        ``views`` also builds the views again and compares. Nothing is written.
        """
        self._check_there()
        return Verification(
            self.store, self._clock, sample=sample, seed=seed, views=views, spool_folder=self._spool_folder
        )

    @property
    def audit(self) -> Audit:
        """Who did what, when: ``audit.lines()``, and ``audit.check()`` whether a line was changed or is gone.

        The verbs of this package write their lines themselves; a program that reads through this class for people
        does it with ``audit.record_reading``.
        """
        return self._audit

    def names(self, kind: str, on_error: Callable[[TurnkeeperError], None] = _ignore) -> dict[str, str]:
        """Names by id of ``users``, ``queues`` or ``wrapups``, as far as any kept list tells them. ``on_error`` is told
        of a list that cannot be read."""
        self._check()
        names: dict[str, str] = {}
        for key in self.store.list(keys.directories(kind)):
            try:
                names |= read_names(BytesSource(self.store.get(key)))
            except Skippable as cause:
                cause.key = key
                on_error(cause)
        return names

    def _done(self, conversation: str) -> Manifest:
        found = self.manifest(conversation)
        if found is None:
            raise NotFound("not in the archive", operation="read", key=conversation)
        if found.unread:
            raise Unread(
                f"kept, but it cannot be read: {found.unread.message}",
                operation="read",
                key=conversation,
                hint="After an upgrade that knows its shape, run turnkeeper reread.",
                offset=found.unread.offset,
                field=found.unread.field,
            )
        return found

    def _check_there(self) -> None:
        """A mistyped address is no archive that is whole, nor one where nothing is left to erase."""
        self._check()
        if metadata.read_layout(self.store) is None and not self._holds_objects():
            hint = "Check the address."
            raise NotFound("there is no archive here", operation="open the archive", key=self.url, hint=hint)

    def _holds_objects(self) -> bool:
        """Whether anything of an archive stands here. A folder of other files is no archive."""
        return any(next(self.store.list(prefix), None) is not None for prefix in (keys.MANIFESTS, "_turnkeeper/"))

    def _check(self, *, write: bool = False) -> None:
        """Look at the archive's own note once, and before the first write make sure that there is one."""
        with self._lock:
            if write and not self._write_checked:
                metadata.claim(self.store, self._clock)
                self._read_checked = self._write_checked = True
            elif not self._read_checked:
                metadata.read_layout(self.store)
                self._read_checked = True

    def _settled(self, kept: CommitResult, *, new: bool, publish: bool) -> CommitResult:
        """What is kept stays only if nobody erased it meanwhile, and is then told to the index."""
        if not new:
            self.undo_if_erased(kept.manifest.conversation)
        if publish:
            self._publish([entry_of(kept.manifest, kept.details)])
        return kept

    def _publish(self, entries: Iterable[CallState]) -> None:
        days: dict[str, list[CallState]] = {}
        for entry in entries:
            days.setdefault(day_of(entry), []).append(entry)
        index = Index(self.store)
        unread: Unread | None = None
        for day, calls in sorted(days.items()):
            try:
                index.commit(day, calls, combine=with_manifest)
            except Unread as cause:
                unread = unread or cause
        if unread is not None:
            raise unread

    def _rebuild_views(self, conversation: str) -> None:
        self.rebuild(conversation, publish=False)

    def _kept_details(self, manifest: Manifest) -> bytes | None:
        key = next((taken.key for taken in manifest.inputs if taken.source == inputs.CONVERSATION), "")
        return self.store.get(key) if key else None

    def _details_of(self, manifest: Manifest) -> Details | None:
        with contextlib.suppress(Unread, NotFound):
            body = self._kept_details(manifest)
            return read_details(body) if body else None
        return None


def _view_of(manifest: Manifest, name: str) -> View:
    found = manifest.view(name)
    if found is None:
        raise NotFound("its manifest lists no such view", operation="read", key=name)
    return found
