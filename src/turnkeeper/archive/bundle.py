"""One conversation in the archive: its inputs, its views, and its manifest last. Writes it, and reads it back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import msgspec

from turnkeeper.archive import inputs, keys, layout
from turnkeeper.archive.audit import Audit
from turnkeeper.archive.carried import Made, carried, chosen, make
from turnkeeper.archive.contract import Source, Store
from turnkeeper.archive.customers import Match, find
from turnkeeper.archive.erase import By, Eraser, Proof
from turnkeeper.archive.expire import expire
from turnkeeper.archive.manifest import FORMAT, CommunicationState, Input, Manifest, SyncMode, decode, encode
from turnkeeper.archive.names import KnownNames, read_names
from turnkeeper.archive.recordings import without_known_recordings
from turnkeeper.archive.removal import remove
from turnkeeper.archive.store import open_store
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.archive.unfinished import Unfinished
from turnkeeper.archive.verify import Verification
from turnkeeper.archive.versions import History
from turnkeeper.archive.views import Built, Reading
from turnkeeper.audio.containers import HEAD, content_type
from turnkeeper.clock import Clock, SystemClock, rfc3339
from turnkeeper.errors import Conflict, NotFound, Unavailable, Unread
from turnkeeper.events import Archived, Listener, silent
from turnkeeper.model import RecordingState, Summary
from turnkeeper.settings import StoreSettings
from turnkeeper.spool import BytesSource, Spool
from turnkeeper.transcript.addresses import Wanted
from turnkeeper.transcript.details import Details
from turnkeeper.transcript.select import Selection
from turnkeeper.version import __version__

__all__ = ["Archive", "Arrived", "Kept"]

PRODUCER = f"turnkeeper/{__version__}"
ATTEMPTS = 8


@dataclass(frozen=True)
class Arrived:
    """A body that arrived whole. ``source`` says what it is: ``speech/{communication}``, ``media``, ``media/metadata``,
    ``conversation``, ``directory/users``, ``recordings``, ``audio/{recording}/{part}``; ``withheld`` names the fields
    whose secrets were taken out of it.
    """

    body: Spool
    source: str
    communication: str | None = None
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kept:
    """What the archive holds now. ``key`` is the transcript's; ``changed`` is False where nothing had to be written.

    ``summary`` is None where the inputs cannot be read (``manifest.unread`` says why). ``selected`` counts the turns
    of each selection, by its slug.
    """

    manifest: Manifest
    summary: Summary | None
    key: str
    changed: bool
    selected: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Wanted:
    """What is to be kept: the inputs by what they are, and what is said about them."""

    conversation: str
    arrived: Mapping[Input, Source]
    states: Sequence[CommunicationState] = ()
    selections: Sequence[Selection] = ()
    notes: Sequence[str] = ()
    recordings: Sequence[RecordingState] = ()
    sync_mode: SyncMode | None = None


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
        self.store: Store = open_store(url, settings) if isinstance(url, str) else url
        self._clock = clock or SystemClock()
        self._listener = listener
        self._spool_folder = spool_folder
        self._lock = threading.Lock()
        self._tombstones = Tombstones(self.store)
        self._read_checked = self._write_checked = False
        self._names = KnownNames()
        self._shared: set[str] = set()

    @property
    def url(self) -> str:
        """The archive's address, without credentials or query."""
        return self.store.url

    def prepare(self) -> None:
        """Make sure that the archive can be written, before anything is fetched for it. Later calls do it anyway."""
        self._check(write=True)

    def claim(self, organisation: str) -> None:
        """Say whose archive this is. Raises ``StoreRefused`` when it already is another organisation's."""
        layout.claim(self.store, self._clock, organisation)

    def keep(
        self,
        conversation: str,
        arrived: Sequence[Arrived],
        *,
        states: Sequence[CommunicationState] = (),
        selections: Sequence[Selection] = (),
        notes: Sequence[str] = (),
        recordings: Sequence[RecordingState] = (),
        sync_mode: SyncMode | None = None,
        new: bool = False,
        details: Details | None = None,
    ) -> Kept:
        """Keep what arrived, build the views, and commit both with the next manifest, if anything changed.

        Bytes that cannot be read are kept all the same and the manifest says why. What arrived earlier and not now
        still counts (see ``inputs.compose``); selections asked for once are rebuilt ever after, and views of the audio
        in the ``sync_mode`` named last. ``recordings`` says what became of each. The call returns only when everything
        is stored; a crash before leaves the previous generation as it was. ``new`` says that the conversation is
        believed not to be here yet: no request is spent on looking, and a mistake is found out; whether it was erased
        is looked up in a list half a minute old (see ``undo_if_erased``). ``details`` is what the body ``conversation``
        among those that arrived says, for callers who have read it already.

        Raises ``Misconfigured`` for an id that cannot become a key, ``NotFound`` when there is no transcript at all,
        ``Erased`` for a conversation that was erased, also while it was being kept.
        """
        bodies = {self._taken(conversation, one): one.body for one in arrived}
        for selection in selections:
            keys.selection(conversation, selection.slug)
        for state in states:
            keys.check_id(state.id, "communication")
        self._check(write=True)
        for recording in recordings:
            keys.check_id(recording.id, "recording")
        self._tombstones.refuse(conversation, believed=new)
        wanted = _Wanted(conversation, bodies, states, selections, notes, recordings, sync_mode)
        return self._commit(wanted, Reading(names=self._names, details=details), new=new)

    def undo_if_erased(self, conversation: str) -> None:
        """Take back what was kept while somebody erased it. Raises ``Erased`` where that was so.

        ``keep`` does it by itself, except for conversations that are ``new``: whoever keeps many of those does it for
        the few that have a tombstone by then.
        """
        if self._tombstones.has(conversation):
            # The tombstone stood before this look, so nothing may stay.
            Unfinished(self.store).put(conversation, self._clock.now(), "request")
            remove(self.store, History(kept=None), conversation)
            self._tombstones.refuse(conversation)

    def rebuild(self, conversation: str, reading: Reading | None = None) -> Kept:
        """Build the views again from the archived inputs alone. Raises ``NotFound`` for an unknown conversation,
        ``Erased`` for an erased one."""
        self._check(write=True)
        self._tombstones.refuse(conversation)
        return self._commit(_Wanted(conversation, {}), reading or Reading())

    def manifest(self, conversation: str) -> Manifest | None:
        """The current generation; None for a conversation the archive does not hold."""
        self._check()
        generations = [
            found[1] for key in self.store.list(keys.manifests(conversation)) if (found := keys.parse_manifest(key))
        ]
        if not generations:
            return None
        key = keys.manifest(conversation, max(generations))
        return decode(self.store.get(key), key)

    def details(self, conversation: str) -> bytes | None:
        """The analytics details kept with a conversation, byte for byte; None where there are none."""
        found = self.manifest(conversation)
        key = next((taken.key for taken in found.inputs if taken.source == inputs.CONVERSATION), "") if found else ""
        return self.store.get(key) if key else None

    def conversations(self) -> Iterator[str]:
        """The ids of all conversations that have a manifest, sorted. Raises ``NotFound`` where there is no archive."""
        self._check_there()
        last = ""
        for key in self.store.list(keys.MANIFESTS):
            found = keys.parse_manifest(key)
            if found and found[0] != last:
                last = found[0]
                yield last

    def unread(self) -> Iterator[Manifest]:
        """The manifests of conversations that are kept and cannot be read."""
        for conversation in self.conversations():
            found = self.manifest(conversation)
            if found and found.state == "unread":
                yield found

    def transcript(self, conversation: str) -> BinaryIO:
        """A reader of the transcript view. Raises ``NotFound``, or ``Unread`` with the reason the manifest gives."""
        self._done(conversation)
        return self.store.open(keys.transcript(conversation))

    def audio(self, conversation: str) -> dict[str, tuple[str, ...]]:
        """The keys of the archived audio by recording, to be opened with ``store.open``: one file with all channels, or
        one for each channel in their order. Raises ``NotFound`` for a conversation that is not in the archive."""
        found = self.manifest(conversation)
        if found is None:
            raise NotFound("not in the archive", operation="read", key=conversation)
        return inputs.audio_keys(found.inputs)

    def alignment(self, conversation: str) -> BinaryIO:
        """A reader of the alignment view: which samples each turn is. Raises ``NotFound`` where there is no audio."""
        self._done(conversation)
        return self.store.open(keys.alignment(conversation))

    def peaks(self, conversation: str, recording: str) -> BinaryIO:
        """A reader of one recording's waveform view. Raises ``NotFound``."""
        self._done(conversation)
        return self.store.open(keys.peaks(conversation, recording))

    def summary(self, conversation: str) -> dict[str, object]:
        """The summary, with when and where it is archived. Raises ``NotFound`` or ``Unread``."""
        manifest = self._done(conversation)
        document: dict[str, object] = msgspec.json.decode(self.store.get(keys.summary(conversation)))
        place = {
            "archived_at": manifest.archived_at,
            "storage_location": f"{self.url}/{keys.transcript(conversation)}",
        }
        brief = {name: document.pop(name) for name in Summary.__struct_fields__[:6] if name in document}
        return brief | place | document

    def refuse_erased(self, conversation: str) -> None:
        """Raises ``Erased`` for a conversation that was erased: before anything is fetched for it."""
        self._tombstones.refuse(conversation)

    def verify(self, *, sample: float = 1.0, seed: str = "", views: bool = False) -> Verification:
        """Check that everything the manifests list is there, byte for byte: an iterator of findings (see ``verify``).

        ``sample`` is the share of conversations to look at, chosen by ``seed`` (a new one each time without).
        ``views`` also builds the views again and compares. Nothing is written.
        """
        self._check_there()
        return Verification(self.store, sample=sample, seed=seed, views=views, spool_folder=self._spool_folder)

    def erase(self, conversations: Iterable[str], *, by: By = "conversation", dry_run: bool = False) -> Proof:
        """Erase conversations for good, with all versions, and finish earlier erasures; what was done, as a proof.

        ``dry_run`` says what would be erased. Raises ``Misconfigured`` for what cannot be an id, ``Denied`` where this
        identity may not delete versions.
        """
        self._check_there()
        eraser = Eraser(self.store, self._clock)
        return eraser.plan(conversations, by) if dry_run else eraser.erase(conversations, by)

    def expire(self, older_than: timedelta, *, dry_run: bool = False) -> Proof:
        """Erase the conversations whose day (UTC) ended more than ``older_than`` ago; the proof lists the undated."""
        self._check_there()
        return expire(self.store, self._clock, older_than, dry_run=dry_run)

    @property
    def audit(self) -> Audit:
        """Who did what, when: ``audit.lines()``; ``audit.record`` for programs that read the archive for people."""
        return Audit(self.store, self._clock)

    def matches(self, *, ani: str = "", external_contact: str = "") -> Iterator[Match]:
        """The conversations of one customer, and those that may be: by telephone number or e-mail address, or by the
        id of an external contact. Raises ``Misconfigured`` for an address that names nobody.
        """
        self._check_there()
        return find(self.store, Wanted.of(ani, external_contact))

    def names(self, kind: str) -> dict[str, str]:
        """Names by id of ``users``, ``queues`` or ``wrapups``, as far as any kept list tells them."""
        self._check()
        names: dict[str, str] = {}
        for key in self.store.list(keys.directories(kind)):
            names |= read_names(BytesSource(self.store.get(key)))
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
        if layout.read_layout(self.store) is None and not self._holds_objects():
            hint = "Check the address."
            raise NotFound("there is no archive here", operation="open the archive", key=self.url, hint=hint)

    def _holds_objects(self) -> bool:
        """Whether anything of an archive stands here. A folder of other files is no archive."""
        return any(next(self.store.list(prefix), None) is not None for prefix in (keys.MANIFESTS, "_turnkeeper/"))

    def _check(self, *, write: bool = False) -> None:
        """Look at the archive's own note once, and before the first write make sure that there is one."""
        with self._lock:
            if write and not self._write_checked:
                layout.claim(self.store, self._clock)
                self._read_checked = self._write_checked = True
            elif not self._read_checked:
                layout.read_layout(self.store)
                self._read_checked = True

    def _taken(self, conversation: str, arrived: Arrived) -> Input:
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
            withheld=arrived.withheld,
        )

    def _commit(self, wanted: _Wanted, reading: Reading, *, new: bool = False) -> Kept:
        for attempt in range(ATTEMPTS):
            # Believed to be new, it is not looked for: the manifest's create-only write finds out.
            current = None if new and not attempt else self.manifest(wanted.conversation)
            with contextlib.ExitStack() as open_spools:
                try:
                    kept = self._attempt(wanted, reading, current, open_spools, anew=attempt > 0)
                    if not new:
                        self.undo_if_erased(wanted.conversation)
                    return kept
                except Conflict:
                    continue  # somebody else wrote this generation: look at it and build the next one
        raise Unavailable(f"{ATTEMPTS} times another writer was first", operation="keep", key=wanted.conversation)

    def _attempt(
        self,
        wanted: _Wanted,
        reading: Reading,
        current: Manifest | None,
        open_spools: contextlib.ExitStack,
        *,
        anew: bool,
    ) -> Kept:
        earlier = current.inputs if current else ()
        arrived = self._without_known_names(wanted.arrived, earlier)
        arrived = without_known_recordings(arrived, earlier, lambda taken: self._back(taken, open_spools))
        composed = inputs.compose(earlier, list(arrived))
        if not any(inputs.is_transcript(taken.source) for taken in composed):
            raise NotFound("no transcript arrived, and none is archived", operation="keep", key=wanted.conversation)
        self._put_inputs(arrived, earlier)
        selections = chosen(current, wanted.selections)
        mode = wanted.sync_mode or (current.sync_mode if current else None)

        def body(taken: Input) -> Source:
            return arrived.get(taken) or self._back(taken, open_spools)

        made = Made(wanted.conversation, composed, body, selections, reading, mode or "report")
        # A rebuild, and what follows a lost race, makes everything again.
        carry = carried(self.store, current, composed, made.mode, PRODUCER) if wanted.arrived and not anew else ()
        built = make(made, carry, current)
        open_spools.callback(built.close)
        manifest = self._manifest(wanted, current, composed, selections, built, mode)
        key = keys.transcript(wanted.conversation)
        if current and current.says_the_same(manifest):
            self._put_views(built, current, anew=anew)
            self._listener(_archived(current, changed=False))
            return Kept(current, built.summary, key, changed=False, selected=built.selected)
        self._put_views(built, current, anew=anew)
        self.store.put(keys.manifest(wanted.conversation, manifest.generation), encode(manifest), create=True)
        self._listener(_archived(manifest, changed=True))
        return Kept(manifest, built.summary, key, changed=True, selected=built.selected)

    def _manifest(
        self,
        wanted: _Wanted,
        current: Manifest | None,
        composed: tuple[Input, ...],
        selections: Sequence[Selection],
        built: Built,
        mode: SyncMode | None,
    ) -> Manifest:
        earlier = current.communications if current else ()
        said = wanted.notes if wanted.arrived or not current else current.notes
        return Manifest(
            format=FORMAT,
            conversation=wanted.conversation,
            generation=current.generation + 1 if current else 1,
            archived_at=rfc3339(self._clock.now()),
            producer=PRODUCER,
            state="unread" if built.unread else "done",
            communications=inputs.merge_states(earlier, wanted.states, composed),
            inputs=composed,
            views=built.views,
            selections=tuple(selection.slug for selection in selections),
            notes=tuple(dict.fromkeys([*said, *built.notes])),
            unread=built.unread,
            summary=built.summary,
            recordings=inputs.merge_recordings(
                current.recordings if current else (),
                wanted.recordings,
                composed,
                None if built.unread else built.unread_audio,
                built.audio_remarks,
                built.incomplete_audio,
            ),
            sync_mode=mode,
            sync=built.sync or None,
        )

    def _without_known_names(self, arrived: Mapping[Input, Source], earlier: Sequence[Input]) -> dict[Input, Source]:
        """Lists of names are asked for again and again: one that says the same as before is not kept again."""
        known = {taken.source: taken for taken in earlier if inputs.is_directory(taken.source)}
        return {
            taken: body
            for taken, body in arrived.items()
            if taken.source not in known or not self._same_names(taken, body, known[taken.source])
        }

    def _same_names(self, taken: Input, body: Source, known: Input) -> bool:
        def read() -> dict[str, str]:
            with contextlib.ExitStack() as open_spools:
                return read_names(self._back(known, open_spools))

        return self._names.alike(taken.sha256, body, known.sha256, read)

    def _put_inputs(self, arrived: Mapping[Input, Source], earlier: Sequence[Input]) -> None:
        held = {taken.key for taken in earlier}
        for taken, body in arrived.items():
            if taken.key in held or taken.key in self._shared:
                continue
            kind = content_type(taken.key.rpartition(".")[2])
            # A list of names is shared by many conversations; a body of this one alone is stored without asking.
            if not inputs.is_directory(taken.source):
                self.store.put_stream(taken.key, body, content_type=kind)
                continue
            if self.store.size(taken.key) != taken.size:
                self.store.put_stream(taken.key, body, content_type=kind)
            self._shared.add(taken.key)

    def _put_views(self, built: Built, current: Manifest | None, *, anew: bool) -> None:
        """Store the views that differ or are missing; all of them after a lost race, whose winner wrote them too."""
        held = {view.key: view.sha256 for view in current.views} if current else {}
        for view in (view for view in built.views if view.key in built.spools):
            same = held.get(view.key) == view.sha256 and not anew
            if not same or self.store.size(view.key) != view.size:
                kind = content_type(view.key.rpartition(".")[2])
                self.store.put_stream(view.key, built.spools[view.key], content_type=kind)

    def _back(self, taken: Input, open_spools: contextlib.ExitStack) -> Spool:
        """An archived input in a spool. Raises ``Unread`` when its bytes are not the ones that were archived."""
        spool = open_spools.enter_context(Spool(self._spool_folder))
        hint = "The object was removed, changed or damaged since: restore it from a version or a copy."
        try:
            with self.store.open(taken.key) as body:
                while block := body.read(1 << 20):
                    spool.write(block)
        except NotFound:
            raise Unread("it was archived and is not there", operation="read", key=taken.key, hint=hint) from None
        if spool.sha256 != taken.sha256:
            raise Unread("its bytes are not the ones archived", operation="read", key=taken.key, hint=hint)
        return spool.seal()


def _archived(manifest: Manifest, *, changed: bool) -> Archived:
    return Archived(
        conversation=manifest.conversation, generation=manifest.generation, state=manifest.state, changed=changed
    )
