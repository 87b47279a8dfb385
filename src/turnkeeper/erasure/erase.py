"""Erase conversations for good: tombstone first, then every object and version, then what earlier notes say of them.

A crash at any moment loses nothing but time: a note says what was begun, and the next erasure finishes it. What the
archive cannot know, or may not delete yet, is said instead of proven.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from typing import Literal

import msgspec

from turnkeeper.archive import keys
from turnkeeper.archive.audit import Action, Audit
from turnkeeper.archive.index import Index
from turnkeeper.archive.pending_erasures import Note, PendingErasures
from turnkeeper.archive.removal import Removed, remove, remove_earlier, survey
from turnkeeper.archive.superseded_views import SupersededViews
from turnkeeper.archive.tombstones import Reason, Tombstones
from turnkeeper.clock import Clock, rfc3339
from turnkeeper.display import html_table, one_line
from turnkeeper.erasure.scrub_reports import scrub
from turnkeeper.erasure.spelling import Meant, meant
from turnkeeper.errors import Denied, StoreRefused, Unread
from turnkeeper.ids import check_id
from turnkeeper.storage.contract import Store
from turnkeeper.storage.folder import FolderStore
from turnkeeper.storage.keys import INCOMING
from turnkeeper.storage.parallel import each
from turnkeeper.storage.versions import History, Lock, history
from turnkeeper.version import __version__

__all__ = ["QUEUES", "By", "Eraser", "Erasure", "Hold", "Proof"]

FORMAT = "turnkeeper.erasure/1"
DERIVED = (keys.TABLES, "_turnkeeper/search/", "_turnkeeper/derived/")
"""Places for copies of content that this version does not write, and so does not know how to erase from."""

QUEUES = "the queues of exports, each until its next run"
ELSEWHERE = (
    "backups, snapshots and replicas of the store, and copies made with other tools",
    "files made from the archive: reports, clips, turns",
    QUEUES,
)

By = Literal["conversation", "ani", "external-contact", "age", "unfinished"]
"""How the conversations were chosen; never with what."""

Outcome = Literal["found", "erased", "held", "unproven", "absent"]


class Hold(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A version that a lock holds: ``mode`` and ``until`` (RFC 3339) of its retention, or a legal hold, or both."""

    key_sha256: str
    version: str
    mode: str = ""
    until: str = ""
    legal_hold: bool = False


class Erasure(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What became of one conversation: ``found`` (nothing was done), ``erased``, ``held`` by locks, ``unproven``:
    what can be seen is gone, ``why`` says what may be left, or ``absent``: the archive does not hold it. Keys are given
    as SHA-256: they hold ids. ``asked`` is the id that was given, where its capital letters are others. ``again`` says
    that it was erased before and nothing of it was left.
    """

    conversation: str
    state: Outcome
    keys: int
    versions: int
    key_sha256: tuple[str, ...] = ()
    held: tuple[Hold, ...] = ()
    why: str = ""
    asked: str = ""
    again: bool = False


class Proof(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What was erased, without any content. ``proven`` only if nothing is left that could be read, by anybody.

    ``versioning`` is ``none``, ``kept`` or ``unknown``; ``waiting`` counts earlier erasures that locks still hold;
    ``not_covered`` names what else the archive holds that may repeat a call's content, ``elsewhere`` what no erasure
    in an archive can reach.
    """

    __repr__ = one_line
    _repr_html_ = html_table

    format: str
    producer: str
    archive: str
    at: str
    reason: Reason
    by: By
    versioning: Literal["none", "kept", "unknown"]
    proven: bool
    erasures: tuple[Erasure, ...] = ()
    reports_scrubbed: int = 0
    waiting: int = 0
    not_covered: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    undated: tuple[str, ...] = ()
    why: str = ""
    mend: str = ""


class Eraser:
    """Erases from one store. ``known`` replaces what the store says about versions (for tests)."""

    def __init__(self, store: Store, clock: Clock, known: History | None = None) -> None:
        self._store = store
        self._clock = clock
        self._history = known or history(store)
        self._tombstones = Tombstones(store)
        self._unfinished = PendingErasures(store)

    def plan(self, conversations: Iterable[str], by: By, reason: Reason = "request") -> Proof:
        """What ``erase`` would find. Changes nothing, and proves nothing."""

        def look(one: Meant) -> Erasure:
            if one.how == "absent":
                return _absent(one)
            found = survey(self._store, self._history, one.conversation)
            return _named(_erasure(one.conversation, "found", found), one)

        found = self._meant(conversations, by)
        return self._proof(tuple(each(look, found.values())), by, reason, proven=False)

    def erase(
        self,
        conversations: Iterable[str],
        by: By,
        reason: Reason = "request",
        *,
        days: Collection[str] | None = None,
    ) -> Proof:
        """Erase these conversations, and finish what earlier erasures left. ``days`` narrows where states are changed.
        Those that are to finish and nothing else (``by`` is ``unfinished``) also look for objects of erased
        conversations: a writer that was killed may have stored them meanwhile.

        Raises ``Misconfigured`` for what cannot be an id before anything is done, ``Denied`` where versions may not be
        deleted; what was done until then stays done, and the next call goes on.
        """
        found = self._meant(conversations, by)
        absent = [one for one in found.values() if one.how == "absent"]
        wanted: dict[str, Reason] = {name: reason for name, one in found.items() if one.how != "absent"}
        if by == "unfinished":
            wanted |= dict.fromkeys(self._left_behind(), reason)
        notes = list(self._unfinished.all())
        earlier: dict[str, Reason] = {note.conversation: note.reason for note in notes if self._is_due(note)}
        audit, action = Audit(self._store, self._clock), _action(reason)
        todo = earlier | wanted
        named = {*todo, *(one.conversation for one in absent)}
        audit.record(_begun(reason), conversations=named, by=by, earlier=len(earlier))
        erasures = tuple(_named(one, found.get(one.conversation)) for one in self._each(todo))
        # Nobody knows the days of what earlier erasures left.
        unread, locks = self._forget_states(named, None if earlier or absent else days)
        scrubbed = self._forget(named)
        erasures = _held_with(erasures, [*locks, *self._drop_earlier(keys.RUNS, named)])
        if not unread:
            for erasure in erasures:
                self._conclude(erasure, todo[erasure.conversation])
        erasures += tuple(self._bar(one, reason) for one in absent)
        waiting = sum(note.conversation not in todo for note in notes)
        proven = all(erasure.state == "erased" for erasure in erasures) and bool(erasures or not waiting)
        proof = self._proof(erasures, by, reason, proven=proven, scrubbed=scrubbed, waiting=waiting, unread=unread)
        audit.record(action, conversations=named, by=by, proven=proof.proven, **_counts(proof))
        return proof

    def _left_behind(self) -> Iterator[str]:
        erased = set(self._tombstones.all())
        for folder in (*keys.FOLDERS, *keys.OWN_FOLDERS) if erased else ():
            for key in self._store.list(f"{folder}/"):
                if (conversation := keys.conversation_of(key)) in erased:
                    yield conversation

    def _is_due(self, note: Note) -> bool:
        if note.state == "held":
            return note.until <= rfc3339(self._clock.now())
        return note.state == "begun" or self._history.kept is not None

    def _each(self, todo: dict[str, Reason]) -> tuple[Erasure, ...]:
        erasures = tuple(each(lambda name: self._one(name, todo[name]), todo))
        doubt = self._abandon_uploads(todo)
        if not doubt:
            return erasures
        return tuple(
            msgspec.structs.replace(one, state="unproven", why=doubt) if one.state == "erased" else one
            for one in erasures
        )

    def _abandon_uploads(self, conversations: Collection[str]) -> str:
        """Abort uploads that never ended; why not, where this identity may not look for them."""
        if self._history.bucket is None:
            return ""
        try:
            self._history.bucket.abandon_uploads(lambda key: keys.conversation_of(key) in conversations)
        except (Denied, StoreRefused) as cause:
            return f"whether parts of broken uploads are left cannot be known ({cause.message})"
        return ""

    def _one(self, conversation: str, reason: Reason) -> Erasure:
        now = self._clock.now()
        self._unfinished.put(conversation, now, reason)
        self._tombstones.put(conversation, now, reason)
        removed = remove(self._store, self._history, conversation)
        if removed.locks:
            return _erasure(conversation, "held", removed)
        why = removed.doubt or ("" if self._history.kept is not None else self._history.why)
        return _erasure(conversation, "unproven" if why else "erased", removed, why)

    def _meant(self, conversations: Iterable[str], by: By) -> dict[str, Meant]:
        """What is to be erased, by its id. Only ids that a person gave may be spelled otherwise in the archive."""
        if by == "conversation":
            return {one.conversation: one for one in meant(self._store, self._history, conversations)}
        return {check_id(name): Meant(name, name, "held") for name in conversations}

    def _bar(self, one: Meant, reason: Reason) -> Erasure:
        """A conversation that the archive does not hold is not to be kept from now on."""
        self._tombstones.put(one.conversation, self._clock.now(), reason, held=False)
        return _absent(one)

    def _forget_states(
        self, conversations: Collection[str], days: Collection[str] | None
    ) -> tuple[tuple[str, ...], list[Lock]]:
        """States say ``erased`` and nothing else, in no generation of a day. Returns the days that cannot be read, and
        what locks hold of earlier ones."""
        states = Index(self._store)
        unread: list[str] = []
        locks: list[Lock] = []
        for day in states.days() if days is None else sorted(days):
            try:
                if states.forget(day, conversations):
                    locks += self._drop_earlier(f"{keys.STATES}{day}/", conversations)
            except Unread as cause:
                unread.append(cause.key)
        return tuple(unread), locks

    def _forget(self, conversations: Collection[str]) -> int:
        """Leftovers, notes and run reports no longer name the conversations; how many reports did."""
        if isinstance(self._store, FolderStore):
            self._store.drop_leftovers()
        SupersededViews(self._store, self._clock).forget(conversations)
        return scrub(self._store, conversations) if conversations else 0

    def _drop_earlier(self, place: str, conversations: Collection[str]) -> list[Lock]:
        """Of the archive's own notes nothing is kept but what stands there now; what locks hold of them."""
        bucket = self._history.bucket if self._history.kept and conversations else None
        return remove_earlier(bucket, place) if bucket else []

    def _conclude(self, erasure: Erasure, reason: Reason) -> None:
        """Nothing left, or nothing that could ever be done about it: the note goes. Otherwise it says what and when."""
        asked_in_vain = self._history.kept is None and not self._store.url.startswith("s3://")
        if erasure.state == "erased" or asked_in_vain:
            self._unfinished.remove(erasure.conversation)
            return
        until = max((hold.until for hold in erasure.held), default="")
        state: Literal["held", "unproven"] = "held" if erasure.state == "held" else "unproven"
        self._unfinished.put(erasure.conversation, self._clock.now(), reason, state, until)

    def _proof(
        self,
        erasures: tuple[Erasure, ...],
        by: By,
        reason: Reason,
        *,
        proven: bool,
        scrubbed: int = 0,
        waiting: int = 0,
        unread: tuple[str, ...] = (),
    ) -> Proof:
        derived = tuple(place for place in DERIVED if next(iter(self._store.list(place)), None) is not None) + unread
        if isinstance(self._store, FolderStore) and next(self._store.unclaimed(), None):
            derived += (INCOMING,)
        kept: dict[bool | None, Literal["none", "kept", "unknown"]] = {False: "none", True: "kept", None: "unknown"}
        return Proof(
            format=FORMAT,
            producer=f"turnkeeper/{__version__}",
            archive=self._store.url,
            at=rfc3339(self._clock.now()),
            reason=reason,
            by=by,
            versioning=kept[self._history.kept],
            proven=proven and not derived,
            erasures=erasures,
            reports_scrubbed=scrubbed,
            waiting=waiting,
            not_covered=derived,
            elsewhere=ELSEWHERE,
            why=self._history.why,
            mend=self._history.mend,
        )


def _erasure(conversation: str, state: Outcome, removed: Removed, why: str = "") -> Erasure:
    return Erasure(
        conversation=conversation,
        state=state,
        keys=len(removed.keys),
        versions=removed.versions,
        key_sha256=tuple(sorted(_hashed(key) for key in removed.keys)),
        held=tuple(_hold(lock) for lock in removed.locks),
        why=why,
    )


def _named(erasure: Erasure, one: Meant | None) -> Erasure:
    """The same, with what was asked for."""
    if one is None:
        return erasure
    asked = one.asked if one.asked != erasure.conversation else ""
    again = one.how == "erased" and not erasure.keys
    return msgspec.structs.replace(erasure, asked=asked, again=again)


def _held_with(erasures: tuple[Erasure, ...], locks: list[Lock]) -> tuple[Erasure, ...]:
    """The same, held as well by what locks hold of the archive's notes: by the one that holds longest."""
    if not locks:
        return erasures
    longest = _hold(max(locks, key=lambda lock: (lock.legal_hold, lock.until)))
    return tuple(
        msgspec.structs.replace(one, state="held", held=(*one.held, longest))
        if one.state in ("erased", "held")
        else one
        for one in erasures
    )


def _absent(one: Meant) -> Erasure:
    many = f": {one.others} ids differ from it in capital letters only" if one.others else ""
    return Erasure(conversation=one.asked, state="absent", keys=0, versions=0, why=f"not in the archive{many}")


def _hold(lock: Lock) -> Hold:
    return Hold(
        key_sha256=_hashed(lock.version.key),
        version=lock.version.id,
        mode=lock.mode,
        until=lock.until,
        legal_hold=lock.legal_hold,
    )


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _action(reason: Reason) -> Action:
    return "erase" if reason == "request" else "expire"


def _begun(reason: Reason) -> Action:
    return "erase begun" if reason == "request" else "expire begun"


def _counts(proof: Proof) -> dict[str, int]:
    def states(name: str) -> int:
        return sum(erasure.state == name for erasure in proof.erasures)

    return {
        "erased": states("erased"),
        "held": states("held"),
        "unproven": states("unproven"),
        "objects": sum(erasure.keys for erasure in proof.erasures),
        "versions": sum(erasure.versions for erasure in proof.erasures),
    }
