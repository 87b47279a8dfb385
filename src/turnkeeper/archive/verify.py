"""Check that an archive has everything that its manifests list, byte for byte, and nothing else.

Only reads. Memory stays constant: all folders are listed side by side, conversation by conversation.
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
from turnkeeper.archive.metadata import FORMAT_1, read_metadata
from turnkeeper.archive.pending_erasures import PendingErasures
from turnkeeper.archive.tombstones import Tombstones
from turnkeeper.archive.views.builder import ReadOptions, build_views
from turnkeeper.clock import Clock, SystemClock
from turnkeeper.errors import Misconfigured, NotFound, Retriable, StoreRefused, Unread
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.key_rules import MARKER, is_key
from turnkeeper.storage.object_store import ObjectStore
from turnkeeper.storage.parallel import parallel_map
from turnkeeper.storage.store import Store, StoredObject
from turnkeeper.transcript.select import Selection

__all__ = ["Finding", "Kind", "Verification"]

BLOCK = 1 << 20
SETTLED = timedelta(hours=1)
"""The age from which a generation must be in the index: an export updates the index only every few minutes."""
_TOP_FOLDERS = {*keys.FOLDERS, "directory", "tables", "_turnkeeper"}
_OTHER_FOLDERS = tuple(folder for folder in keys.FOLDERS if folder != "manifests")

Kind = Literal[
    "missing",  # listed, and not there
    "changed",  # there, with other bytes than listed
    "stray",  # there, and listed by no manifest
    "link",  # a link, pipe or device in the archive's folder: never followed, never opened
    "leftover",  # a file that a writer left behind when it ended
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
    """One fault: its kind, the key of its object, and what was expected or found there."""

    kind: Kind
    key: str
    conversation: str = ""
    detail: str = ""


@dataclass(frozen=True)
class _Objects:
    """The keys of one conversation's manifests and of its other objects, as far as the listings show them together.

    If ``manifests`` is empty, the conversation may have some all the same: folders are not always listed in one order.
    """

    conversation: str
    manifests: tuple[str, ...]
    others: tuple[str, ...]


class Verification:
    """An iterator of findings. ``conversations``, ``objects`` and ``size`` (bytes) count what was checked so far.

    ``sample`` is the share of conversations whose objects are read (above 0, up to 1); ``seed`` decides which. Objects
    that no manifest lists are always found, except those of conversations that are not in the sample. ``views`` builds
    the views again and compares them. Raises ``Misconfigured`` for an impossible share.
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
        for findings in parallel_map(self._check_conversation, self._list_objects()):
            yield from findings
        for findings in parallel_map(self._check_index_entry, self._index_entries()):
            yield from findings
        yield from self._unindexed()
        yield from self._pending_erasures()
        yield from self._outside_conversations()

    def _list_objects(self) -> Iterator[_Objects]:
        """The objects of every conversation.

        All folders list conversations in nearly the same order, so they are read side by side. Objects that come out of
        order are returned alone, and their check lists their manifests itself.
        """
        folders = [_FolderCursor(self._store, name) for name in _OTHER_FOLDERS]
        for conversation, manifests in _by_conversation(self._store, "manifests"):
            for folder in folders:
                yield from (_Objects(earlier, (), group) for earlier, group in folder.before(conversation))
            others = tuple(key for folder in folders for key in folder.of(conversation))
            if self._is_in_sample(conversation):
                yield _Objects(conversation, manifests, others)
        for folder in folders:
            yield from (_Objects(later, (), group) for later, group in folder.rest())

    def _is_in_sample(self, conversation: str) -> bool:
        if self.sample >= 1:
            return True
        # The manifests and the index must choose the same conversations, and so must a second run with this seed.
        digest = hashlib.sha256(f"{self.seed}:{conversation}".encode()).digest()[:8]
        return int.from_bytes(digest) < self.sample * 2**64

    def _check_conversation(self, objects: _Objects) -> tuple[Finding, ...]:
        try:
            return tuple(self._findings(objects))
        except Retriable as cause:
            return (Finding("unchecked", cause.key, objects.conversation, cause.message),)

    def _findings(self, objects: _Objects) -> Iterator[Finding]:
        name = objects.conversation
        if self._tombstones.has(name):
            yield from (Finding("erased", key, name, _ERASED) for key in (*objects.manifests, *objects.others))
            return
        listed = objects.manifests or tuple(self._store.list(keys.manifests(name)))
        generations = sorted((parsed, key) for key in listed if (parsed := keys.parse_manifest(key)))
        manifests: list[Manifest] = []
        for _, key in generations:
            result = self._read_manifest(key, name)
            if isinstance(result, Finding):
                yield result
            else:
                manifests.append(result)
        if objects.manifests:
            yield from (Finding("stray", key, name, _NO_MANIFEST) for key in listed if not keys.parse_manifest(key))
        if objects.manifests and manifests:
            self._count(conversations=1, settled=self._is_settled(manifests[-1]))
            yield from self._check_current(manifests[-1])
            yield from self._check_earlier_inputs(manifests)
        # A manifest that cannot be read may list any object, so nothing is a stray then.
        if len(manifests) == len(generations):
            yield from self._strays(objects, manifests)

    def _strays(self, objects: _Objects, manifests: list[Manifest]) -> Iterator[Finding]:
        strays = {key for key in objects.others if not keys.is_reserved(key)} - _keys_listed_by(manifests)
        if strays:
            # A generation that was written after the folders were listed may list them.
            name = objects.conversation
            newer = [self._read_manifest(key, name) for key in self._store.list(keys.manifests(name))]
            strays -= _keys_listed_by([manifest for manifest in newer if isinstance(manifest, Manifest)])
        yield from (Finding("stray", key, objects.conversation, _STRAY) for key in sorted(strays))

    def _read_manifest(self, key: str, conversation: str) -> Manifest | Finding:
        expected = keys.parse_manifest(key)
        if expected is None:
            return Finding("stray", key, conversation, _NO_MANIFEST)
        try:
            manifest = parse(self._store.get(key), key)
        except (NotFound, Unread) as cause:
            return Finding("unreadable", key, conversation, cause.message)
        if (manifest.conversation, manifest.generation) == expected:
            return manifest
        detail = "is the manifest of another conversation or generation"
        if manifest.conversation != conversation and manifest.conversation.lower() == conversation.lower():
            detail = "belongs to an id that differs in capital letters only: the store does not tell them apart"
        return Finding("unreadable", key, conversation, detail)

    def _check_current(self, manifest: Manifest) -> Iterator[Finding]:
        is_whole = True
        foreign = frozenset(foreign_objects(manifest))
        for listed in _objects_of(manifest):
            for finding in self._check_listed(listed, manifest.conversation, foreign):
                is_whole = False
                yield finding
        # Views can only be built from inputs that are whole.
        if self._views and is_whole:
            yield from self._compare_views(manifest)

    def _check_listed(
        self, listed: Input | View, conversation: str, foreign: Collection[Input | View]
    ) -> Iterable[Finding]:
        if listed in foreign:
            return (Finding("foreign", listed.key[:300], conversation, "a manifest lists it"),)
        if isinstance(listed, Input) and inputs.is_directory(listed.source):
            return self._check_name_list(listed)
        return self._compare_bytes(listed, conversation)

    def _check_name_list(self, listed: Input) -> Iterable[Finding]:
        """Check a list of names. Many conversations share one, so each is read once."""
        # The lock is held while reading. Otherwise several threads would read the same list.
        with self._lists_lock:
            if listed.key not in self._lists:
                self._lists[listed.key] = tuple(self._compare_bytes(listed, ""))
            return self._lists[listed.key]

    def _compare_bytes(self, listed: Input | View, conversation: str) -> Iterator[Finding]:
        digest, size = hashlib.sha256(), 0
        try:
            with self._store.open(listed.key) as body:
                while block := body.read(BLOCK):
                    digest.update(block)
                    size += len(block)
        except NotFound:
            detail = f"{listed.size} bytes are listed{_repair_hint(listed)}"
            yield Finding("missing", listed.key, conversation, detail)
            return
        except Unread as cause:
            yield Finding("missing", listed.key, conversation, cause.message)
            return
        self._count(objects=1, size=size)
        if size != listed.size:
            detail = f"{listed.size} bytes are listed, {size} are there{_repair_hint(listed)}"
            yield Finding("changed", listed.key, conversation, detail)
        elif digest.hexdigest() != listed.sha256:
            detail = f"its SHA-256 is not the one listed{_repair_hint(listed)}"
            yield Finding("changed", listed.key, conversation, detail)

    def _check_earlier_inputs(self, manifests: list[Manifest]) -> Iterator[Finding]:
        """Check the inputs that only earlier generations list: the platform may no longer have them."""
        checked = {body.key for body in manifests[-1].inputs}
        for manifest in manifests[:-1]:
            for body in manifest.inputs:
                # A damaged manifest may list what cannot be a key. To ask the store for that would
                # end the verification.
                if body.key not in checked and is_key(body.key) and self._store.size(body.key) != body.size:
                    checked.add(body.key)
                    detail = f"input of generation {manifest.generation}"
                    yield Finding("earlier", body.key, manifest.conversation, detail)

    def _compare_views(self, manifest: Manifest) -> Iterator[Finding]:
        """Build the views again, except those of the audio, and compare them."""
        bodies = {
            body: StoredObject(self._store, body.key, body.size)
            for body in manifest.inputs
            if inputs.recording_of(body.source) is None
        }
        try:
            selections = [Selection.parse(slug) for slug in manifest.selections]
        except Misconfigured as cause:
            key = keys.manifest(manifest.conversation, manifest.generation)
            yield Finding("unreadable", key, manifest.conversation, f"its selections: {cause.message}")
            return
        built = build_views(manifest.conversation, bodies, selections, ReadOptions(spool_folder=self._spool_folder))
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

    def _index_entries(self) -> Iterator[CallState | Finding]:
        """The index's entries of the conversations in the sample, or what is wrong with a day."""
        index = Index(self._store)
        for day in index.days():
            try:
                calls = index.read(day).calls
            except (Unread, StoreRefused) as cause:
                yield Finding("unreadable", cause.key, "", cause.message)
                continue
            yield from (call for call in calls if self._is_in_sample(call.conversation))

    def _check_index_entry(self, call: CallState | Finding) -> tuple[Finding, ...]:
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
        manifest = self._read_manifest(newer, call.conversation)
        is_late = isinstance(manifest, Manifest) and self._is_settled(manifest)
        return f"the index says generation {call.generation}, and {newer} is there" if is_late else ""

    def _is_settled(self, manifest: Manifest) -> bool:
        """Whether a generation is old enough that it must be in the index."""
        try:
            return datetime.fromisoformat(manifest.archived_at) <= self._now - SETTLED
        # A damaged manifest may have no time here, or one without a zone.
        except (ValueError, TypeError):
            return False

    def _unindexed(self) -> Iterator[Finding]:
        """Report if more conversations are archived than indexed. Not for version 1, which did not index all."""
        metadata = read_metadata(self._store)
        # The numbers are compared, because comparing the ids would need all of them in memory.
        missing = self._settled - self._indexed
        if metadata is not None and metadata.format != FORMAT_1 and missing > 0:
            detail = f"{missing} archived conversations are not in the index; run turnkeeper reindex on the archive"
            yield Finding("index", keys.STATES, "", detail)

    def _pending_erasures(self) -> Iterator[Finding]:
        try:
            for pending in PendingErasures(self._store).all():
                until = f" until {pending.until}" if pending.until else ""
                detail = f"erasure {pending.state}{until}; run turnkeeper erase on the archive"
                yield Finding("unfinished", keys.erasing(pending.conversation), pending.conversation, detail)
        except Unread as cause:
            yield Finding("unreadable", cause.key, "", cause.message)

    def _outside_conversations(self) -> Iterator[Finding]:
        """Check the archive's metadata, and find leftovers of writers and objects outside an archive's folders."""
        if self._store.size(MARKER) is None and self.conversations:
            yield Finding("missing", MARKER, "", "the archive's own note; the next export writes it")
        if isinstance(self._store, FolderStore):
            yield from (Finding("leftover", key, "", _LEFTOVER) for key in self._store.leftovers())
            yield from (Finding("link", key, "", _LINK) for key in self._store.links())
        yield from (Finding("leftover", key, "", _LEFTOVER) for key in self._store.list("_turnkeeper/probe/"))
        if self.sample < 1:
            return
        for key in self._store.list(""):
            folder = key.partition("/")[0]
            if folder not in _TOP_FOLDERS or (folder in keys.FOLDERS and keys.conversation_of(key) is None):
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


class _FolderCursor:
    """Reads one folder's listing, conversation by conversation, as far as the caller asks."""

    def __init__(self, store: Store, name: str) -> None:
        self._groups = _by_conversation(store, name)
        self._next_group = next(self._groups, None)

    def before(self, conversation: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The next conversations whose ids sort before this one, with their keys."""
        yield from self._read_while(lambda name: name < conversation)

    def of(self, conversation: str) -> tuple[str, ...]:
        """The keys of this conversation, if it is the next one."""
        return next((group for _, group in self._read_while(lambda name: name == conversation)), ())

    def rest(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """All remaining conversations, with their keys."""
        yield from self._read_while(lambda _: True)

    def _read_while(self, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, tuple[str, ...]]]:
        while (group := self._next_group) and is_wanted(group[0]):
            self._next_group = next(self._groups, None)
            yield group


def _by_conversation(store: Store, folder: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    pairs = ((name, key) for key in store.list(f"{folder}/") if (name := keys.conversation_of(key)))
    for conversation, group in groupby(pairs, key=lambda pair: pair[0]):
        yield conversation, tuple(key for _, key in group)


def _keys_listed_by(manifests: Iterable[Manifest]) -> set[str]:
    return {listed.key for manifest in manifests for listed in _objects_of(manifest)}


def _objects_of(manifest: Manifest) -> tuple[Input | View, ...]:
    return (*manifest.inputs, *manifest.views)


def _repair_hint(listed: Input | View) -> str:
    """How to restore an object that is missing or changed."""
    if isinstance(listed, View):
        return "; turnkeeper reread --all builds it again, and turnkeeper get ID --to the archive does"
    return "; turnkeeper get ID --to the archive fetches it again, as long as the platform has it"
