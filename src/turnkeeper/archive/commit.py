"""Write a generation of one conversation: its inputs, its views, and its manifest last.

Inputs and views have their own hash in their keys, so a writer that dies, or loses the race for a generation, has
changed nothing that any manifest names.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from turnkeeper.archive import inputs, keys
from turnkeeper.archive.generations import current_manifest
from turnkeeper.archive.known_details import known_details, without_known_details
from turnkeeper.archive.known_recordings import without_known_recordings
from turnkeeper.archive.manifest import FORMAT, CommunicationState, Input, Manifest, SyncMode, View, encode
from turnkeeper.archive.name_lists import KnownNames, relevant_ids
from turnkeeper.archive.superseded_views import SupersededViews
from turnkeeper.archive.views.builder import Built, Reading
from turnkeeper.archive.views.reuse import Made, carried, chosen, make
from turnkeeper.audio.media_types import HEAD, content_type
from turnkeeper.clock import Clock, rfc3339
from turnkeeper.errors import Conflict, NotFound, Unavailable, Unread
from turnkeeper.events import Archived, Listener, silent
from turnkeeper.model import RecordingState, Summary
from turnkeeper.payloads.directory import read_names
from turnkeeper.spool import Source, Spool
from turnkeeper.storage.contract import Store
from turnkeeper.transcript.select import Selection
from turnkeeper.version import __version__

__all__ = ["CommitRequest", "CommitResult", "Committer", "FetchedBody"]

PRODUCER = f"turnkeeper/{__version__}"
ATTEMPTS = 8
BLOCK = 1 << 20
_LISTS = "directory/"
"""How a note about a list of names begins."""


@dataclass(frozen=True)
class FetchedBody:
    """A body that arrived whole. ``source`` says what it is: ``speech/{communication}``, ``media``, ``media/metadata``,
    ``conversation``, ``directory/users``, ``recordings``, ``audio/{recording}/{part}``. The body's ``withheld`` goes
    into the manifest.
    """

    body: Spool
    source: str
    communication: str | None = None


@dataclass(frozen=True)
class CommitResult:
    """What the archive holds now. ``changed`` is False where nothing had to be written.

    ``key`` is the transcript's, or the manifest's where the inputs cannot be read: then ``summary`` is None and
    ``manifest.unread`` says why. ``selected`` counts the turns of each selection, by its slug. ``notes`` are
    remarks of this reading.
    """

    manifest: Manifest
    summary: Summary | None
    key: str
    changed: bool
    selected: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CommitRequest:
    """What is to be kept: the inputs by what they are, and what is said about them. ``move`` asks for a new generation
    where a view still stands under a key of version 1."""

    conversation: str
    arrived: Mapping[Input, Source]
    states: Sequence[CommunicationState] = ()
    selections: Sequence[Selection] = ()
    notes: Sequence[str] = ()
    recordings: Sequence[RecordingState] = ()
    sync_mode: SyncMode | None = None
    move: bool = False


def as_input(conversation: str, arrived: FetchedBody) -> Input:
    """What an arrived body is, and where it goes. Raises ``Misconfigured`` for ids that cannot become keys."""
    body, head = arrived.body.seal(), b""
    if inputs.recording_of(arrived.source):
        with body.open() as reader:
            head = reader.read(HEAD)
    sha256 = body.sha256
    return Input(
        key=inputs.key_of(conversation, arrived.source, arrived.communication, sha256, head),
        size=body.size,
        sha256=sha256,
        source=arrived.source,
        withheld=body.withheld,
    )


class Committer:
    """Commits generations to one store. Safe to use from several threads. ``names`` remembers lists of names."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        names: KnownNames,
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
        self._shared: set[str] = set()

    def commit(self, request: CommitRequest, reading: Reading, *, new: bool = False) -> CommitResult:
        """Store what is new, and the manifest that names it, if anything changed.

        ``new`` says that the conversation is believed not to be here: then one look at its first manifest is enough.
        Without it, an unchanged call would leave the bytes of its other spelling here, which no manifest names.
        """
        first = keys.manifest(request.conversation, 1)
        for attempt in range(ATTEMPTS):
            absent = new and not attempt and self._store.size(first) is None
            current = None if absent else current_manifest(self._store, request.conversation)
            with contextlib.ExitStack() as open_spools:
                try:
                    return self._attempt(request, reading, current, open_spools, anew=attempt > 0)
                except Conflict:
                    continue  # somebody else wrote this generation: look at it and build the next one
        raise Unavailable(f"{ATTEMPTS} times another writer was first", operation="keep", key=request.conversation)

    def _attempt(
        self,
        request: CommitRequest,
        reading: Reading,
        current: Manifest | None,
        open_spools: contextlib.ExitStack,
        *,
        anew: bool,
    ) -> CommitResult:
        earlier = current.inputs if current else ()
        archived: dict[Input, Spool] = {}

        def back(taken: Input) -> Spool:
            if taken not in archived:
                archived[taken] = self._back(taken, open_spools)
            return archived[taken]

        arrived, reading = self._news(request, reading, current, back)
        composed = inputs.compose(earlier, list(arrived))
        if not any(inputs.is_transcript(taken.source) for taken in composed):
            raise NotFound("no transcript arrived, and none is archived", operation="keep", key=request.conversation)
        self._put_inputs(request.arrived, arrived, earlier)
        selections = chosen(current, request.selections)
        mode = request.sync_mode or (current.sync_mode if current else None)
        made = Made(
            request.conversation,
            composed,
            lambda taken: arrived.get(taken) or back(taken),
            selections,
            reading,
            mode or "report",
        )
        # A rebuild, and what follows a lost race, makes everything again.
        carry = carried(self._is_whole, current, composed, made.mode, PRODUCER) if request.arrived and not anew else ()
        built = make(made, carry, current)
        open_spools.callback(built.close)
        manifest = self._manifest(request, current, composed, selections, built, mode)
        return self._stored(request, manifest, built, current)

    def _news(
        self, request: CommitRequest, reading: Reading, current: Manifest | None, back: inputs.Back
    ) -> tuple[dict[Input, Source], Reading]:
        """What arrived, less what says nothing new, and the reading with the details that hold."""
        earlier = current.inputs if current else ()
        arrived = without_known_details(request.arrived, earlier, back)
        if reading.details is None and any(inputs.is_directory(taken.source) for taken in arrived):
            reading = replace(reading, details=known_details(arrived, earlier, back))
        arrived = self._without_known_names(arrived, current, reading, back)
        return without_known_recordings(arrived, earlier, back), reading

    def _stored(
        self, request: CommitRequest, manifest: Manifest, built: Built, current: Manifest | None
    ) -> CommitResult:
        notes = tuple(built.notes)
        moves = request.move and current is not None and any(view.has_legacy_key for view in current.views)
        if current and not moves and current.says_the_same(manifest):
            self._put_views(built, current.views, current, thorough=True)
            self._listener(_archived(current, changed=False))
            return CommitResult(
                current, built.summary, _key(current), changed=False, selected=built.selected, notes=notes
            )
        self._put_views(built, manifest.views, current)
        key = keys.manifest(manifest.conversation, manifest.generation)
        self._store.put(key, encode(manifest), create=True)
        if current is not None:
            self._supersede(built, current, manifest)
        self._listener(_archived(manifest, changed=True))
        return CommitResult(manifest, built.summary, _key(manifest), changed=True, selected=built.selected, notes=notes)

    def _supersede(self, built: Built, current: Manifest, manifest: Manifest) -> None:
        named = {view.key for view in manifest.views}
        if any(view.key not in named for view in current.views):
            self._superseded.note(manifest.conversation)
        if manifest.generation > 2:
            # A view may equal one of a generation long superseded, and be swept while this manifest was written.
            self._put_views(built, manifest.views, manifest)

    def _manifest(
        self,
        request: CommitRequest,
        current: Manifest | None,
        composed: tuple[Input, ...],
        selections: Sequence[Selection],
        built: Built,
        mode: SyncMode | None,
    ) -> Manifest:
        earlier = current.communications if current else ()
        # Lists of names are looked at again.
        earlier_notes = [note for note in current.notes if not note.startswith(_LISTS)] if current else []
        remarks = request.notes if request.arrived or not current else earlier_notes
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
            selections=tuple(selection.slug for selection in selections),
            notes=tuple(dict.fromkeys([*remarks, *built.notes])),
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

    def _without_known_names(
        self, arrived: Mapping[Input, Source], current: Manifest | None, reading: Reading, back: inputs.Back
    ) -> dict[Input, Source]:
        """What arrived, less lists of names that tell this conversation nothing new.

        One way of fetching lists everybody, another only those who took part: what counts is whom a list names of
        those who took part.
        """
        if current is None:
            return dict(arrived)
        known = {taken.source: taken for taken in current.inputs if inputs.is_directory(taken.source)}

        def names_nobody_new(taken: Input, body: Source) -> bool:
            if not inputs.is_directory(taken.source):
                return False
            before = known.get(taken.source)
            if before == taken or (before and not self._is_there(before)):
                return False
            ids = relevant_ids(taken.source, reading.details)
            if before is None:
                return ids is not None and not self._names.names_any(taken.sha256, body, ids)
            return self._names.adds_nothing(taken.sha256, body, before.sha256, lambda: read_names(back(before)), ids)

        return {taken: body for taken, body in arrived.items() if not names_nobody_new(taken, body)}

    def _put_inputs(
        self, fetched: Mapping[Input, Source], news: Mapping[Input, Source], earlier: Sequence[Input]
    ) -> None:
        """Store what is new, and again what was archived before and is missing or damaged in the archive."""
        held = {taken.key for taken in earlier}
        for taken, body in fetched.items():
            if taken.key in self._shared or not (taken in news or taken.key in held):
                continue
            kind = content_type(taken.key.rpartition(".")[2])
            if inputs.is_directory(taken.source):
                # A list of names is shared by many conversations, and looked at once.
                if not self._is_there(taken):
                    self._store.put_stream(taken.key, body, content_type=kind)
                    self._shared.add(taken.key)
            elif taken.key not in held or not self._is_whole(taken):
                self._store.put_stream(taken.key, body, content_type=kind)

    def _is_there(self, taken: Input) -> bool:
        """Whether a list of names is in the archive. It is asked for once."""
        if taken.key not in self._shared and self._store.size(taken.key) == taken.size and self._is_whole(taken):
            self._shared.add(taken.key)
        return taken.key in self._shared

    def _is_whole(self, taken: Input | View) -> bool:
        """Whether the archived object has the bytes that its manifest names."""
        digest = hashlib.sha256()
        try:
            with self._store.open(taken.key) as body:
                while block := body.read(BLOCK):
                    digest.update(block)
        except NotFound:
            return False
        return digest.hexdigest() == taken.sha256

    def _put_views(
        self, built: Built, views: Sequence[View], current: Manifest | None, *, thorough: bool = False
    ) -> None:
        """Store the views that ``current`` does not name, and those that it names and that are not there.

        ``thorough`` also compares the bytes of those that are there.
        """
        named = {view.key for view in current.views} if current else set()

        def is_stored(view: View) -> bool:
            if view.key not in named or self._store.size(view.key) != view.size:
                return False
            return not thorough or self._is_whole(view)

        for view in views:
            spool = built.spools.get(view.name)
            if spool is not None and not is_stored(view):
                self._store.put_stream(view.key, spool, content_type=content_type(view.key.rpartition(".")[2]))

    def _back(self, taken: Input, open_spools: contextlib.ExitStack) -> Spool:
        """An archived input in a spool. Raises ``Unread`` when its bytes are not the ones that were archived."""
        spool = open_spools.enter_context(Spool(self._spool_folder))
        hint = "The object was removed, changed or damaged since: restore it from a version or a copy."
        try:
            with self._store.open(taken.key) as body:
                while block := body.read(BLOCK):
                    spool.write(block)
        except NotFound:
            raise Unread("it was archived and is not there", operation="read", key=taken.key, hint=hint) from None
        if spool.sha256 != taken.sha256:
            raise Unread("its bytes are not the ones archived", operation="read", key=taken.key, hint=hint)
        return spool.seal()


def _key(manifest: Manifest) -> str:
    """The transcript's key; the manifest's own where there is none."""
    view = manifest.view(keys.transcript(manifest.conversation))
    return view.key if view else keys.manifest(manifest.conversation, manifest.generation)


def _archived(manifest: Manifest, *, changed: bool) -> Archived:
    return Archived(
        conversation=manifest.conversation, generation=manifest.generation, state=manifest.state, changed=changed
    )
