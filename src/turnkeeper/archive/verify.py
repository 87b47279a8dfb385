"""Check an archive against itself: everything its manifests list is there byte for byte, and nothing else is.

Reads, and never writes. Memory stays constant: the folders are walked side by side, conversation by conversation.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Literal

import msgspec

from turnkeeper.archive import inputs, keys
from turnkeeper.archive.index import CallState, Index
from turnkeeper.archive.manifest import Input, Manifest, View, foreign_objects, parse
from turnkeeper.archive.metadata import FORMAT_1, read_layout
from turnkeeper.archive.pending_erasures import PendingErasures
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.archive.views.builder import Reading, build
from turnkeeper.clock import Clock, SystemClock
from turnkeeper.errors import Misconfigured, NotFound, Retriable, StoreRefused, Unread
from turnkeeper.storage.contract import Store, Stored
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.keys import ARCHIVE, is_key
from turnkeeper.storage.object_store import ObjectStore
from turnkeeper.storage.parallel import each
from turnkeeper.transcript.select import Selection

__all__ = ["Finding", "Kind", "Verification"]

BLOCK = 1 << 20
SETTLED = timedelta(hours=1)
"""How long after its commit a generation has to stand in the index: a run tells it every few minutes."""
_known = {*keys.FOLDERS, "directory", "tables", "_turnkeeper"}
_beside = tuple(folder for folder in keys.FOLDERS if folder != "manifests")

Kind = Literal[
    "missing",  # listed, and not there
    "changed",  # there, with other bytes than listed
    "stray",  # there, and listed by no manifest
    "link",  # a link, pipe or device in the archive's folder: never followed, never opened
    "leftover",  # what a writer that is gone left behind
    "foreign",  # a manifest lists another conversation's object
    "unreadable",  # a manifest, or a note, cannot be read
    "earlier",  # an input of an earlier generation is gone
    "erased",  # objects of a conversation that was erased
    "unfinished",  # an erasure that is not finished, or held by a lock
    "index",  # the index of states and the archive disagree
    "view",  # the view is not what its inputs give today
    "unchecked",  # the store did not answer
]
"""What can be found."""


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing found: what it is, the object it is about, and what was expected or seen."""

    kind: Kind
    key: str
    conversation: str = ""
    detail: str = ""


@dataclass(frozen=True)
class _Case:
    """One conversation: its manifests' keys, and its other objects. ``whole`` unless it turned up out of order."""

    conversation: str
    generations: tuple[str, ...]
    beside: tuple[str, ...]


class Verification:
    """An iterator of findings. ``conversations``, ``objects`` and ``size`` (bytes) count what was looked at so far.

    ``sample`` is the share of conversations whose objects are read (0..1]; which ones, ``seed`` decides. What no
    manifest lists is found in any case, except for the objects of conversations that are not in the sample. ``views``
    builds views again and compares. Raises ``Misconfigured`` for a share that is none.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock | None = None,
        *,
        sample: float = 1.0,
        seed: str = "",
        views: bool = False,
        spool_folder: Path | None = None,
    ) -> None:
        if not 0 < sample <= 1:
            raise Misconfigured("is not a share", operation="verify", key="--sample", hint="Give 1% to 100%.")
        self.sample = sample
        self.seed = seed or secrets.token_hex(4)
        self.conversations = self.objects = self.size = 0
        self._store = store
        self._now = (clock or SystemClock()).now()
        self._settled = self._indexed = 0
        self._views = views
        self._spool_folder = spool_folder
        self._tombstones = Tombstones(store)
        self._lists: dict[str, tuple[Finding, ...]] = {}
        self._lock = threading.Lock()
        self._lists_lock = threading.Lock()

    def __iter__(self) -> Iterator[Finding]:
        for findings in each(self._conversation, self._cases()):
            yield from findings
        for findings in each(self._call, self._calls()):
            yield from findings
        yield from self._unindexed()
        yield from self._unfinished()
        yield from self._elsewhere()

    def _cases(self) -> Iterator[_Case]:
        """Every conversation that has objects. Each folder lists conversations in the same order, or nearly: what comes
        out of turn makes a case of its own, which asks for its manifests itself."""
        folders = [_Folder(self._store, name) for name in _beside]
        for conversation, generations in _grouped(self._store, "manifests"):
            for folder in folders:
                yield from (_Case(early, (), group) for early, group in folder.before(conversation))
            beside = tuple(key for folder in folders for key in folder.of(conversation))
            if self._is_chosen(conversation):
                yield _Case(conversation, generations, beside)
        for folder in folders:
            yield from (_Case(late, (), group) for late, group in folder.rest())

    def _is_chosen(self, conversation: str) -> bool:
        if self.sample >= 1:
            return True
        drawn = hashlib.sha256(f"{self.seed}:{conversation}".encode()).digest()[:8]
        return int.from_bytes(drawn) < self.sample * 2**64

    def _conversation(self, case: _Case) -> tuple[Finding, ...]:
        try:
            return tuple(self._findings(case))
        except Retriable as cause:
            return (Finding("unchecked", cause.key, case.conversation, cause.message),)

    def _findings(self, case: _Case) -> Iterator[Finding]:
        name = case.conversation
        if self._tombstones.has(name):
            yield from (Finding("erased", key, name, _ERASED) for key in (*case.generations, *case.beside))
            return
        listed = case.generations or tuple(self._store.list(keys.manifests(name)))
        generations = sorted((placed, key) for key in listed if (placed := keys.parse_manifest(key)))
        manifests: list[Manifest] = []
        for _, key in generations:
            found = self._manifest(key, name)
            if isinstance(found, Finding):
                yield found
            else:
                manifests.append(found)
        if case.generations:
            yield from (Finding("stray", key, name, _NO_MANIFEST) for key in listed if not keys.parse_manifest(key))
        if case.generations and manifests:
            self._count(conversations=1, settled=self._is_settled(manifests[-1]))
            yield from self._current(manifests[-1])
            yield from self._earlier(manifests)
        if len(manifests) == len(generations):
            yield from self._strays(case, manifests)

    def _strays(self, case: _Case, manifests: list[Manifest]) -> Iterator[Finding]:
        strays = {key for key in case.beside if not keys.is_reserved(key)} - _listed_by(manifests)
        if strays:
            # A generation written since the folders were listed may be theirs.
            name = case.conversation
            newer = [self._manifest(key, name) for key in self._store.list(keys.manifests(name))]
            strays -= _listed_by([found for found in newer if isinstance(found, Manifest)])
        yield from (Finding("stray", key, case.conversation, _STRAY) for key in sorted(strays))

    def _manifest(self, key: str, conversation: str) -> Manifest | Finding:
        placed = keys.parse_manifest(key)
        if placed is None:
            return Finding("stray", key, conversation, "not a manifest's key")
        try:
            found = parse(self._store.get(key), key)
        except (NotFound, Unread) as cause:
            return Finding("unreadable", key, conversation, cause.message)
        if (found.conversation, found.generation) == placed:
            return found
        detail = "is the manifest of another conversation or generation"
        if found.conversation != conversation and found.conversation.lower() == conversation.lower():
            detail = "belongs to an id that differs in capital letters only: the store does not tell them apart"
        return Finding("unreadable", key, conversation, detail)

    def _current(self, manifest: Manifest) -> Iterator[Finding]:
        sound = True
        foreign = frozenset(foreign_objects(manifest))
        for one in _objects(manifest):
            for finding in self._listed(one, manifest.conversation, foreign):
                sound = False
                yield finding
        if self._views and sound:
            yield from self._rebuilt(manifest)

    def _listed(self, one: Input | View, conversation: str, foreign: Collection[Input | View]) -> Iterable[Finding]:
        if one in foreign:
            return (Finding("foreign", one.key[:300], conversation, "a manifest lists it"),)
        if isinstance(one, Input) and inputs.is_directory(one.source):
            return self._list_of_names(one)
        return self._compared(one, conversation)

    def _list_of_names(self, one: Input) -> Iterable[Finding]:
        """Lists of names belong to many conversations, and are read once."""
        with self._lists_lock:
            if one.key not in self._lists:
                self._lists[one.key] = tuple(self._compared(one, ""))
            return self._lists[one.key]

    def _compared(self, one: Input | View, conversation: str) -> Iterator[Finding]:
        digest, size = hashlib.sha256(), 0
        try:
            with self._store.open(one.key) as body:
                while block := body.read(BLOCK):
                    digest.update(block)
                    size += len(block)
        except NotFound:
            yield Finding("missing", one.key, conversation, f"{one.size} bytes are listed{_again(one)}")
            return
        except Unread as cause:
            yield Finding("missing", one.key, conversation, cause.message)
            return
        self._count(objects=1, size=size)
        if size != one.size:
            yield Finding(
                "changed", one.key, conversation, f"{one.size} bytes are listed, {size} are there{_again(one)}"
            )
        elif digest.hexdigest() != one.sha256:
            yield Finding("changed", one.key, conversation, f"its SHA-256 is not the one listed{_again(one)}")

    def _earlier(self, manifests: list[Manifest]) -> Iterator[Finding]:
        """Inputs that only earlier generations list: the platform may no longer have them."""
        current = {one.key for one in manifests[-1].inputs}
        for manifest in manifests[:-1]:
            for one in manifest.inputs:
                if one.key not in current and is_key(one.key) and self._store.size(one.key) != one.size:
                    current.add(one.key)
                    detail = f"input of generation {manifest.generation}"
                    yield Finding("earlier", one.key, manifest.conversation, detail)

    def _rebuilt(self, manifest: Manifest) -> Iterator[Finding]:
        bodies = {one: Stored(self._store, one.key, one.size) for one in manifest.inputs if not _is_audio(one)}
        try:
            selections = [Selection.parse(slug) for slug in manifest.selections]
        except Misconfigured as cause:
            key = keys.manifest(manifest.conversation, manifest.generation)
            yield Finding("unreadable", key, manifest.conversation, f"its selections: {cause.message}")
            return
        built = build(manifest.conversation, bodies, selections, Reading(spool_folder=self._spool_folder))
        try:
            for view in built.views:
                listed = manifest.view(view.name)
                if listed is None or listed.sha256 != view.sha256:
                    key = listed.key if listed else view.key
                    yield Finding("view", key, manifest.conversation, "this version builds another one")
            if built.unread and manifest.state == "done":
                yield Finding("view", keys.transcript(manifest.conversation), manifest.conversation, "cannot be built")
        finally:
            built.close()

    def _calls(self) -> Iterator[CallState | Finding]:
        """What the index says of each conversation (of the sample)."""
        states = Index(self._store)
        for day in states.days():
            try:
                calls = states.read(day).calls
            except (Unread, StoreRefused) as cause:
                yield Finding("unreadable", cause.key, "", cause.message)
                continue
            yield from (call for call in calls if self._is_chosen(call.conversation))

    def _call(self, call: CallState | Finding) -> tuple[Finding, ...]:
        if isinstance(call, Finding):
            return (call,)
        try:
            problem = self._index_problem(call)
        except Retriable as cause:
            return (Finding("unchecked", cause.key, call.conversation, cause.message),)
        except Misconfigured as cause:
            return (Finding("index", keys.STATES, "", cause.message),)
        return (Finding("index", keys.STATES, call.conversation, problem),) if problem else ()

    def _index_problem(self, call: CallState) -> str:
        if self._tombstones.has(call.conversation):
            return "" if call.state == "erased" else f"it was erased, the index says {call.state}"
        if call.state == "erased":
            return "the index says erased, and there is no tombstone"
        if call.state not in ("done", "unread") and not call.generation:
            return ""
        self._count(indexed=1)
        key = keys.manifest(call.conversation, max(call.generation, 1))
        if self._store.size(key) is None:
            return f"the index says {call.state}, and {key} is not there"
        newer = keys.manifest(call.conversation, call.generation + 1)
        if self._store.size(newer) is None:
            return ""
        found = self._manifest(newer, call.conversation)
        late = isinstance(found, Manifest) and self._is_settled(found)
        return f"the index says generation {call.generation}, and {newer} is there" if late else ""

    def _is_settled(self, manifest: Manifest) -> bool:
        """Whether the index had time to hear of a generation."""
        try:
            return datetime.fromisoformat(manifest.archived_at) <= self._now - SETTLED
        except (ValueError, TypeError):
            return False

    def _unindexed(self) -> Iterator[Finding]:
        """Archives of version 1 were not indexed by every verb."""
        found = read_layout(self._store)
        missing = self._settled - self._indexed
        if found is not None and found.format != FORMAT_1 and missing > 0:
            detail = f"{missing} archived conversations are not in the index; run turnkeeper reindex on the archive"
            yield Finding("index", keys.STATES, "", detail)

    def _unfinished(self) -> Iterator[Finding]:
        try:
            for note in PendingErasures(self._store).all():
                until = f" until {note.until}" if note.until else ""
                detail = f"erasure {note.state}{until}; run turnkeeper erase on the archive"
                yield Finding("unfinished", keys.erasing(note.conversation), note.conversation, detail)
        except Unread as cause:
            yield Finding("unreadable", cause.key, "", cause.message)

    def _elsewhere(self) -> Iterator[Finding]:
        """The archive's own note, leftovers of writers, and objects that stand in no folder of an archive."""
        if self._store.size(ARCHIVE) is None and self.conversations:
            yield Finding("missing", ARCHIVE, "", "the archive's own note; the next export writes it")
        if isinstance(self._store, FolderStore):
            yield from (Finding("leftover", key, "", _LEFTOVER) for key in self._store.leftovers())
            yield from (Finding("link", key, "", _LINK) for key in self._store.links())
        yield from (Finding("leftover", key, "", _LEFTOVER) for key in self._store.list("_turnkeeper/probe/"))
        if self.sample < 1:
            return
        for key in self._store.list(""):
            folder = key.partition("/")[0]
            if folder not in _known or (folder in keys.FOLDERS and keys.conversation_of(key) is None):
                yield Finding("stray", key, "", _NO_OBJECT)
        if isinstance(self._store, ObjectStore):
            yield from (Finding("stray", key[:300], "", _NO_OBJECT) for key in self._store.odd_keys())

    def _count(
        self, conversations: int = 0, objects: int = 0, size: int = 0, *, settled: bool = False, indexed: int = 0
    ) -> None:
        with self._lock:
            self.conversations += conversations
            self.objects += objects
            self.size += size
            self._settled += settled
            self._indexed += indexed


_ERASED = "it was erased; run turnkeeper erase on the archive to finish"
_STRAY = "no manifest lists it; it may be of a run that is going on, or that crashed: run the export again"
_LEFTOVER = "left by a writer that is gone"
_NO_MANIFEST = "not a manifest's key"
_NO_OBJECT = "not an object of an archive"
_LINK = "a link, a pipe or a device: it is never followed; put the files themselves there, or remove it"


class _Folder:
    """One folder's objects, conversation by conversation, read as far as the manifests are."""

    def __init__(self, store: Store, name: str) -> None:
        self._groups = _grouped(store, name)
        self._next = next(self._groups, None)

    def before(self, conversation: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        yield from self._while(lambda name: name < conversation)

    def of(self, conversation: str) -> tuple[str, ...]:
        return next((group for _, group in self._while(lambda name: name == conversation)), ())

    def rest(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        yield from self._while(lambda _: True)

    def _while(self, holds: Callable[[str], bool]) -> Iterator[tuple[str, tuple[str, ...]]]:
        while (group := self._next) and holds(group[0]):
            self._next = next(self._groups, None)
            yield group


def _grouped(store: Store, folder: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    placed = ((found, key) for key in store.list(f"{folder}/") if (found := keys.conversation_of(key)))
    for conversation, group in groupby(placed, key=lambda one: one[0]):
        yield conversation, tuple(key for _, key in group)


def _listed_by(manifests: Iterable[Manifest]) -> set[str]:
    return {one.key for manifest in manifests for one in _objects(manifest)}


def _objects(manifest: Manifest) -> tuple[Input | View, ...]:
    return (*manifest.inputs, *manifest.views)


def _again(one: Input | View) -> str:
    """How an object that is missing or changed comes back."""
    if isinstance(one, View):
        return "; turnkeeper reread --all builds it again, and turnkeeper get ID --to the archive does"
    return "; turnkeeper get ID --to the archive fetches it again, as long as the platform has it"


def _is_audio(one: Input) -> bool:
    return one.key.startswith("audio/")
