"""Erase conversations for good: the tombstone first, then every object and version, then all notes that name them.

A crash at any moment loses nothing but time: a record says which erasures were begun, and the next erasure finishes
them. What the archive cannot know, or may not delete yet, is reported and not proven.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from turnkeeper.archive import keys
from turnkeeper.archive.audit import Audit
from turnkeeper.archive.index import Index
from turnkeeper.archive.pending_erasures import PendingErasure, PendingErasures
from turnkeeper.archive.removal import find_objects, remove_conversation, remove_noncurrent_versions
from turnkeeper.archive.superseded_views import SupersededViews
from turnkeeper.archive.tombstones import Reason, Tombstones
from turnkeeper.clock import Clock, rfc3339
from turnkeeper.erasure.id_resolution import ResolvedId, resolve_ids
from turnkeeper.erasure.proof import (
    ELSEWHERE,
    FORMAT,
    By,
    Erasure,
    Proof,
    absent_erasure,
    count_outcomes,
    erasure_of,
    with_locks,
    with_request,
)
from turnkeeper.erasure.scrub_reports import scrub_reports
from turnkeeper.errors import Denied, StoreRefused, Unread
from turnkeeper.ids import check_id
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.key_rules import INCOMING
from turnkeeper.storage.parallel import parallel_map
from turnkeeper.storage.store import Store
from turnkeeper.storage.versions import Versioning, VersionLock, detect_versioning
from turnkeeper.version import __version__

__all__ = ["Eraser"]

NOT_COVERED = (keys.TABLES, "_turnkeeper/search/", "_turnkeeper/derived/")
"""Places for copies of content that this version does not write, and does not know how to erase from."""


@dataclass(frozen=True)
class _Cleared:
    """The result of clearing all places. ``unread`` are the keys of index days that could not be read."""

    erasures: tuple[Erasure, ...]
    unread: tuple[str, ...]
    reports: int


class Eraser:
    """Erases from one store. ``versioning`` replaces what the store says about its versions (for tests)."""

    def __init__(self, store: Store, clock: Clock, versioning: Versioning | None = None) -> None:
        self._store = store
        self._clock = clock
        self._versioning = versioning or detect_versioning(store)
        self._tombstones = Tombstones(store)
        self._pending = PendingErasures(store)

    def plan(self, conversations: Iterable[str], by: By, reason: Reason = "request") -> Proof:
        """What ``erase`` would find. Changes nothing, and proves nothing."""

        def look_up(resolved: ResolvedId) -> Erasure:
            if resolved.how == "absent":
                return absent_erasure(resolved)
            removal = find_objects(self._store, self._versioning, resolved.conversation)
            return with_request(erasure_of(resolved.conversation, "found", removal), resolved)

        resolved_ids = self._resolve(conversations, by).values()
        return self._proof(tuple(parallel_map(look_up, resolved_ids)), by, reason, proven=False)

    def erase(
        self,
        conversations: Iterable[str],
        by: By,
        reason: Reason = "request",
        *,
        days: Collection[str] | None = None,
    ) -> Proof:
        """Erase these conversations, and finish earlier erasures. ``days`` are the days of the index to change, if they
        are known. If ``by`` is ``unfinished``, also erase objects of conversations that have a tombstone: a writer that
        was killed may have stored them after the erasure.

        Raises ``Misconfigured`` for what cannot be an id before anything is done, ``Denied`` if versions may not be
        deleted. What was done until then stays done, and the next call goes on.
        """
        resolved = self._resolve(conversations, by)
        absent = [target for target in resolved.values() if target.how == "absent"]
        requested: dict[str, Reason] = {name: reason for name, target in resolved.items() if target.how != "absent"}
        if by == "unfinished":
            requested |= dict.fromkeys(self._stored_despite_tombstones(), reason)
        pending = list(self._pending.all())
        earlier: dict[str, Reason] = {record.conversation: record.reason for record in pending if self._is_due(record)}
        todo = earlier | requested
        # Reports and the index may name an id that has no objects.
        ids = {*todo, *(target.conversation for target in absent)}

        audit = Audit(self._store, self._clock)
        begun: Literal["erase begun", "expire begun"] = "erase begun" if reason == "request" else "expire begun"
        # Before anything is removed: what cannot be recorded must not be done.
        audit.record(begun, conversations=ids, by=by, earlier=len(earlier))
        # The days of what earlier erasures left, and of ids without objects, are not known.
        cleared = self._clear_all_places(todo, ids, None if earlier or absent else days)
        # A day of the index that cannot be read may name any of them, so none of the erasures is finished.
        if not cleared.unread:
            for erasure in cleared.erasures:
                self._conclude(erasure, todo[erasure.conversation])
        erasures = tuple(with_request(erasure, resolved.get(erasure.conversation)) for erasure in cleared.erasures)
        erasures += tuple(self._bar(target, reason) for target in absent)
        waiting = sum(record.conversation not in todo for record in pending)
        # Of no erasures, all() is true, although locks may still hold earlier ones.
        proven = all(erasure.state == "erased" for erasure in erasures) and bool(erasures or not waiting)
        proof = self._proof(erasures, by, reason, proven=proven, cleared=cleared, waiting=waiting)
        done: Literal["erase", "expire"] = "erase" if reason == "request" else "expire"
        audit.record(done, conversations=ids, by=by, proven=proof.proven, **count_outcomes(proof))
        return proof

    def _clear_all_places(
        self, todo: Mapping[str, Reason], ids: Collection[str], days: Collection[str] | None
    ) -> _Cleared:
        """Clear every place that may hold something of a conversation, in this order.

        ``todo`` are the conversations that may have objects; ``ids`` are also those that only notes may name. A new
        kind of copy is cleared here, or named in ``NOT_COVERED``.
        """
        erasures = tuple(parallel_map(lambda name: self._erase_objects(name, todo[name]), todo))
        erasures = self._abort_uploads(erasures)
        unread, locks = self._clear_index(ids, days)
        self._drop_leftovers()
        # The keys of these notes contain the ids of the conversations.
        SupersededViews(self._store, self._clock).forget(ids)
        reports = scrub_reports(self._store, ids) if ids else 0
        # The rewritten reports have earlier versions that still name the conversations.
        locks += self._remove_noncurrent(keys.RUNS, ids)
        return _Cleared(with_locks(erasures, locks), unread, reports)

    def _erase_objects(self, conversation: str, reason: Reason) -> Erasure:
        """Remove the conversation's own objects with all versions (``keys.places``), after its tombstone is stored."""
        now = self._clock.now()
        # The record comes first: a crash after the tombstone alone would leave nothing that says what to finish.
        self._pending.put(conversation, now, reason)
        self._tombstones.put(conversation, now, reason)
        removal = remove_conversation(self._store, self._versioning, conversation)
        if removal.locks:
            return erasure_of(conversation, "held", removal)
        unknown = "" if self._versioning.keeps_versions is not None else self._versioning.reason
        why = removal.doubt or unknown
        return erasure_of(conversation, "unproven" if why else "erased", removal, why)

    def _abort_uploads(self, erasures: tuple[Erasure, ...]) -> tuple[Erasure, ...]:
        """Abort multipart uploads that never ended. If this identity may not look for them, nothing is proven."""
        if self._versioning.bucket is None:
            return erasures
        conversations = {erasure.conversation for erasure in erasures}
        try:
            self._versioning.bucket.abort_uploads(lambda key: keys.conversation_of(key) in conversations)
        except (Denied, StoreRefused) as cause:
            why = f"whether parts of broken uploads are left cannot be known ({cause.message})"
            return tuple(
                msgspec.structs.replace(erasure, state="unproven", why=why) if erasure.state == "erased" else erasure
                for erasure in erasures
            )
        return erasures

    def _clear_index(
        self, ids: Collection[str], days: Collection[str] | None
    ) -> tuple[tuple[str, ...], list[VersionLock]]:
        """Reduce the entries of the index to ``erased``, in all generations of each day.

        Returns the keys of the days that cannot be read, and the locks that hold earlier versions.
        """
        index = Index(self._store)
        unread: list[str] = []
        locks: list[VersionLock] = []
        for day in index.days() if days is None else sorted(days):
            try:
                if index.mark_erased(day, ids):
                    locks += self._remove_noncurrent(f"{keys.STATES}{day}/", ids)
            except Unread as cause:
                unread.append(cause.key)
        return tuple(unread), locks

    def _drop_leftovers(self) -> None:
        """Delete what writers that ended left in a folder's ``incoming``: it may be of any conversation."""
        if isinstance(self._store, FolderStore):
            self._store.drop_leftovers()

    def _remove_noncurrent(self, place: str, ids: Collection[str]) -> list[VersionLock]:
        """Delete the earlier versions of the archive's own notes in a folder. Returns the locks that hold some."""
        bucket = self._versioning.bucket if self._versioning.keeps_versions and ids else None
        return remove_noncurrent_versions(bucket, place) if bucket else []

    def _resolve(self, conversations: Iterable[str], by: By) -> dict[str, ResolvedId]:
        """The conversations by id. Only ids that a person typed may have other capital letters than the archive's."""
        if by == "conversation":
            targets = resolve_ids(self._store, self._versioning, conversations)
            return {target.conversation: target for target in targets}
        return {check_id(name): ResolvedId(name, name, "held") for name in conversations}

    def _stored_despite_tombstones(self) -> Iterator[str]:
        erased = set(self._tombstones.all())
        for folder in (*keys.FOLDERS, *keys.OWN_FOLDERS) if erased else ():
            for key in self._store.list(f"{folder}/"):
                if (conversation := keys.conversation_of(key)) in erased:
                    yield conversation

    def _is_due(self, pending: PendingErasure) -> bool:
        """Whether trying again can change the state of an earlier erasure."""
        if pending.state == "held":
            return pending.until <= rfc3339(self._clock.now())
        return pending.state == "begun" or self._versioning.keeps_versions is not None

    def _bar(self, absent: ResolvedId, reason: Reason) -> Erasure:
        """Make sure that a conversation that the archive does not hold is not archived later."""
        self._tombstones.put(absent.conversation, self._clock.now(), reason, held=False)
        return absent_erasure(absent)

    def _conclude(self, erasure: Erasure, reason: Reason) -> None:
        """Delete the record of the erasure if nothing is left, or nothing can ever be done. Otherwise update it."""
        # Whether another kind of store keeps versions can never be asked, so trying again would not help.
        never_known = self._versioning.keeps_versions is None and not self._store.url.startswith("s3://")
        if erasure.state == "erased" or never_known:
            self._pending.remove(erasure.conversation)
            return
        # Before the last lock has ended, another attempt cannot finish the erasure.
        until = max((hold.until for hold in erasure.held), default="")
        state: Literal["held", "unproven"] = "held" if erasure.state == "held" else "unproven"
        self._pending.put(erasure.conversation, self._clock.now(), reason, state, until)

    def _proof(
        self,
        erasures: tuple[Erasure, ...],
        by: By,
        reason: Reason,
        *,
        proven: bool,
        cleared: _Cleared | None = None,
        waiting: int = 0,
    ) -> Proof:
        not_covered = tuple(place for place in NOT_COVERED if next(iter(self._store.list(place)), None) is not None)
        not_covered += cleared.unread if cleared else ()
        # Such a file may hold content of an erased conversation. It stays, because its writer may still be running.
        if isinstance(self._store, FolderStore) and next(self._store.unclaimed(), None):
            not_covered += (INCOMING,)
        versioning: dict[bool | None, Literal["none", "kept", "unknown"]] = {False: "none", True: "kept"}
        return Proof(
            format=FORMAT,
            producer=f"turnkeeper/{__version__}",
            archive=self._store.url,
            at=rfc3339(self._clock.now()),
            reason=reason,
            by=by,
            versioning=versioning.get(self._versioning.keeps_versions, "unknown"),
            proven=proven and not not_covered,
            erasures=erasures,
            reports_scrubbed=cleared.reports if cleared else 0,
            waiting=waiting,
            not_covered=not_covered,
            elsewhere=ELSEWHERE,
            why=self._versioning.reason,
            mend=self._versioning.hint,
        )
