"""Write a generation of one conversation: its inputs, its views, and its manifest last.

The keys of inputs and views contain the hash of their content. So a writer that is killed, or loses the race for a
generation, has changed nothing that any manifest names.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from turnkeeper.archive import inputs, keys
from turnkeeper.archive.generations import current_manifest
from turnkeeper.archive.manifest import FORMAT, CommunicationState, Input, Manifest, SyncMode, View, encode
from turnkeeper.archive.name_lists import NameCache
from turnkeeper.archive.superseded_views import SupersededViews
from turnkeeper.archive.unchanged_inputs import UnchangedInputs
from turnkeeper.archive.views.builder import BuiltViews, ReadOptions
from turnkeeper.archive.views.reuse import BuildRequest, build_or_reuse, reusable_views, selections_to_build
from turnkeeper.audio.media_types import HEAD, content_type
from turnkeeper.clock import Clock, rfc3339
from turnkeeper.errors import Conflict, NotFound, Unavailable, Unread
from turnkeeper.events import Archived, Listener, silent
from turnkeeper.model import RecordingState, Summary
from turnkeeper.payloads.details import Details
from turnkeeper.spool import Source, Spool
from turnkeeper.storage.store import Store
from turnkeeper.transcript.select import Selection
from turnkeeper.version import __version__

__all__ = ["CommitRequest", "CommitResult", "Committer", "FetchedBody"]

PRODUCER = f"turnkeeper/{__version__}"
ATTEMPTS = 8
BLOCK = 1 << 20
_NAME_LIST_NOTE = "directory/"
"""The beginning of each note about a list of names that cannot be read."""


@dataclass(frozen=True)
class FetchedBody:
    """A body that was fetched completely. ``source`` says what it is: ``speech/{communication}``, ``media``,
    ``media/metadata``, ``conversation``, ``directory/users``, ``recordings``, ``audio/{recording}/{part}``. The body's
    ``withheld`` goes into the manifest.
    """

    body: Spool
    source: str
    communication: str | None = None


@dataclass(frozen=True)
class CommitResult:
    """What the archive holds now. ``changed`` is False if nothing had to be written.

    ``key`` is the transcript's. If the inputs cannot be read, it is the manifest's, ``summary`` is None and
    ``manifest.unread`` says why. ``selected`` counts the turns of each selection, by its slug. ``notes`` are remarks
    from building the views. ``details`` is what the archived details say, None if there are none that can be read.
    """

    manifest: Manifest
    summary: Summary | None
    key: str
    changed: bool
    selected: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    details: Details | None = field(default=None, repr=False)


@dataclass(frozen=True)
class CommitRequest:
    """What to commit: the fetched bodies, and what is known about them. ``move`` requests a new generation if a view is
    still stored under a key of version 1."""

    conversation: str
    fetched: Mapping[Input, Source]
    states: Sequence[CommunicationState] = ()
    selections: Sequence[Selection] = ()
    notes: Sequence[str] = ()
    recordings: Sequence[RecordingState] = ()
    sync_mode: SyncMode | None = None
    move: bool = False


def as_input(conversation: str, fetched: FetchedBody) -> Input:
    """The manifest's entry of a fetched body. Raises ``Misconfigured`` for ids that cannot become keys."""
    body, head = fetched.body.seal(), b""
    if inputs.recording_of(fetched.source):
        with body.open() as reader:
            head = reader.read(HEAD)
    sha256 = body.sha256
    return Input(
        key=inputs.key_of(conversation, fetched.source, fetched.communication, sha256, head),
        size=body.size,
        sha256=sha256,
        source=fetched.source,
        withheld=body.withheld,
    )


class Committer:
    """Commits generations to one store. Safe to use from several threads. ``names`` caches parsed lists of names."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        names: NameCache,
        *,
        listener: Listener = silent,
        spool_folder: Path | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._names = names
        self._listener = listener
        self._spool_folder = spool_folder
        self._superseded = SupersededViews(store, clock)
        self._stored_lists: set[str] = set()
        """The keys of lists of names that are known to be in the archive."""

    def commit(self, request: CommitRequest, reading: ReadOptions, *, new: bool = False) -> CommitResult:
        """Store what is new, and the manifest that names it, if anything changed.

        ``new`` says that the conversation is believed not to be in the archive. Then one request for its first manifest
        makes sure.
        """
        first = keys.manifest(request.conversation, 1)
        for attempt in range(ATTEMPTS):
            # After a lost race the conversation is in the archive, whatever the caller believes.
            is_absent = new and not attempt and self._store.size(first) is None
            current = None if is_absent else current_manifest(self._store, request.conversation)
            with contextlib.ExitStack() as open_spools:
                try:
                    return self._commit_after(request, reading, current, open_spools, is_retry=attempt > 0)
                except Conflict:
                    continue  # another writer committed this generation: read it, and build the next one
        raise Unavailable(f"{ATTEMPTS} times another writer was first", operation="keep", key=request.conversation)

    def _commit_after(
        self,
        request: CommitRequest,
        reading: ReadOptions,
        current: Manifest | None,
        open_spools: contextlib.ExitStack,
        *,
        is_retry: bool,
    ) -> CommitResult:
        """Build and store the generation after ``current``. Raises ``Conflict`` if another writer was first."""
        earlier = current.inputs if current else ()
        archived: dict[Input, Spool] = {}

        def read_back(body: Input) -> Spool:
            if body not in archived:
                archived[body] = self._read_back(body, open_spools)
            return archived[body]

        unchanged = UnchangedInputs(earlier, read_back, self._names, self._is_list_stored)
        new, details = unchanged.remove_from(request.fetched, reading.details)
        composed = inputs.compose(earlier, list(new))
        # Details or recordings alone are not a conversation that anybody could read.
        if not any(inputs.is_transcript(body.source) for body in composed):
            raise NotFound("no transcript arrived, and none is archived", operation="keep", key=request.conversation)
        # Inputs are stored before they are read: bytes that no reader understands yet must not be lost.
        self._put_inputs(request.fetched, new, earlier)
        mode = request.sync_mode or (current.sync_mode if current else None)
        build = BuildRequest(
            request.conversation,
            composed,
            lambda body: new.get(body) or read_back(body),
            selections_to_build(current, request.selections),
            replace(reading, details=details),
            mode or "report",
        )
        # A rebuild, and a retry after a lost race, build every view.
        may_reuse = request.fetched and not is_retry
        reusable = reusable_views(self._is_whole, current, composed, build.mode, PRODUCER) if may_reuse else ()
        built = build_or_reuse(build, reusable, current)
        open_spools.callback(built.close)
        manifest = self._new_manifest(request, current, build, built, mode)
        return self._store_generation(request, manifest, built, current)

    def _store_generation(
        self, request: CommitRequest, manifest: Manifest, built: BuiltViews, current: Manifest | None
    ) -> CommitResult:
        """Store views and manifest if anything changed. Otherwise only replace views that are missing or damaged."""
        moves = request.move and current is not None and any(view.has_legacy_key for view in current.views)
        if current and not moves and current.says_the_same(manifest):
            # A damaged archive is repaired by fetching the same conversation again.
            self._put_views(built, current.views, current, thorough=True)
            self._listener(_archived_event(current, changed=False))
            return _result(current, built, changed=False)
        # The manifest comes last and create-only: it is what commits the generation.
        self._put_views(built, manifest.views, current)
        key = keys.manifest(manifest.conversation, manifest.generation)
        self._store.put(key, encode(manifest), create=True)
        # Before the manifest is stored, the views of the current generation are still in use.
        if current is not None:
            self._note_superseded(built, current, manifest)
        self._listener(_archived_event(manifest, changed=True))
        return _result(manifest, built, changed=True)

    def _note_superseded(self, built: BuiltViews, current: Manifest, manifest: Manifest) -> None:
        keys_in_use = {view.key for view in manifest.views}
        if any(view.key not in keys_in_use for view in current.views):
            self._superseded.note(manifest.conversation)
        if manifest.generation > 2:
            # A view may equal one of a long superseded generation, and a sweep may have deleted it before this manifest
            # named it. So make sure that all views are there.
            self._put_views(built, manifest.views, manifest)

    def _new_manifest(
        self,
        request: CommitRequest,
        current: Manifest | None,
        build: BuildRequest,
        built: BuiltViews,
        mode: SyncMode | None,
    ) -> Manifest:
        earlier = current.communications if current else ()
        # A rebuild keeps the notes of the fetch. It reads the lists of names again, so it replaces the notes on those.
        earlier_notes = [note for note in current.notes if not note.startswith(_NAME_LIST_NOTE)] if current else []
        notes = request.notes if request.fetched or not current else earlier_notes
        composed = tuple(build.inputs)
        return Manifest(
            format=FORMAT,
            conversation=request.conversation,
            generation=current.generation + 1 if current else 1,
            archived_at=rfc3339(self._clock.now()),
            producer=PRODUCER,
            state="unread" if built.unread else "done",
            communications=inputs.merge_states(earlier, request.states, composed),
            inputs=composed,
            views=built.views,
            selections=tuple(selection.slug for selection in build.selections),
            notes=tuple(dict.fromkeys([*notes, *built.notes])),
            unread=built.unread,
            summary=built.summary,
            recordings=inputs.merge_recordings(
                current.recordings if current else (),
                request.recordings,
                composed,
                None if built.unread else built.unread_audio,
                built.audio_remarks,
                built.incomplete_audio,
            ),
            sync_mode=mode,
            sync=built.sync or None,
            defects=built.summary.defects if built.summary else 0,
        )

    def _put_inputs(
        self, fetched: Mapping[Input, Source], new: Mapping[Input, Source], earlier: Sequence[Input]
    ) -> None:
        """Store the new bodies, and those that were archived before and are missing or damaged in the archive."""
        earlier_keys = {body.key for body in earlier}
        for body, source in fetched.items():
            if body.key in self._stored_lists or not (body in new or body.key in earlier_keys):
                continue
            kind = content_type(body.key.rpartition(".")[2])
            if inputs.is_directory(body.source):
                # Many conversations share a list of names, so each list is checked once.
                if not self._is_list_stored(body):
                    self._store.put_stream(body.key, source, content_type=kind)
                    self._stored_lists.add(body.key)
            elif body.key not in earlier_keys or not self._is_whole(body):
                self._store.put_stream(body.key, source, content_type=kind)

    def _is_list_stored(self, body: Input) -> bool:
        """Whether a list of names is in the archive. The store is asked only until the answer is yes."""
        if body.key not in self._stored_lists and self._store.size(body.key) == body.size and self._is_whole(body):
            self._stored_lists.add(body.key)
        return body.key in self._stored_lists

    def _is_whole(self, listed: Input | View) -> bool:
        """Whether the archived object has the SHA-256 that its manifest gives."""
        digest = hashlib.sha256()
        try:
            with self._store.open(listed.key) as body:
                while block := body.read(BLOCK):
                    digest.update(block)
        except NotFound:
            return False
        return digest.hexdigest() == listed.sha256

    def _put_views(
        self, built: BuiltViews, views: Sequence[View], current: Manifest | None, *, thorough: bool = False
    ) -> None:
        """Store the views that ``current`` does not name, and those that it names and that are missing in the archive.

        ``thorough`` also compares the bytes of those that are there.
        """
        current_keys = {view.key for view in current.views} if current else set()

        def is_stored(view: View) -> bool:
            if view.key not in current_keys or self._store.size(view.key) != view.size:
                return False
            return not thorough or self._is_whole(view)

        for view in views:
            spool = built.spools.get(view.name)
            # A reused view has no spool, because it was not built.
            if spool is not None and not is_stored(view):
                self._store.put_stream(view.key, spool, content_type=content_type(view.key.rpartition(".")[2]))

    def _read_back(self, listed: Input, open_spools: contextlib.ExitStack) -> Spool:
        """Read an archived input into a spool. Raises ``Unread`` if its bytes are not the ones that were archived."""
        spool = open_spools.enter_context(Spool(self._spool_folder))
        hint = "The object was removed, changed or damaged since: restore it from a version or a copy."
        try:
            with self._store.open(listed.key) as body:
                while block := body.read(BLOCK):
                    spool.write(block)
        except NotFound:
            raise Unread("it was archived and is not there", operation="read", key=listed.key, hint=hint) from None
        if spool.sha256 != listed.sha256:
            raise Unread("its bytes are not the ones archived", operation="read", key=listed.key, hint=hint)
        return spool.seal()


def _transcript_key(manifest: Manifest) -> str:
    """The transcript's key; the manifest's own if there is no transcript."""
    view = manifest.view(keys.transcript(manifest.conversation))
    return view.key if view else keys.manifest(manifest.conversation, manifest.generation)


def _result(manifest: Manifest, built: BuiltViews, *, changed: bool) -> CommitResult:
    return CommitResult(
        manifest, built.summary, _transcript_key(manifest), changed, built.selected, tuple(built.notes), built.details
    )


def _archived_event(manifest: Manifest, *, changed: bool) -> Archived:
    return Archived(
        conversation=manifest.conversation, generation=manifest.generation, state=manifest.state, changed=changed
    )
