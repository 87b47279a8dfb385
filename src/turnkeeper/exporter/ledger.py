"""The local queue of an archive: what is wanted, who is at it, and when each thing is due again.

SQLite in WAL mode, set once, when the file is made. Several processes on one machine share it: taking is one
``UPDATE … RETURNING`` and a lease says until when the taker is believed to be alive. It is only a queue: the archive's
index (``archive.states``) is the truth, and a lost file is filled again from there.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import msgspec

from turnkeeper.archive.index import AUDIO, CallState, LegState, merged
from turnkeeper.clock import Clock
from turnkeeper.errors import StoreRefused, Unavailable
from turnkeeper.exporter.ledger_errors import REMOVE, sqlite_errors_of
from turnkeeper.exporter.ledger_schema import STEPS
from turnkeeper.exporter.liveness import Presence
from turnkeeper.settings import state_folder

__all__ = ["Due", "DueConversation", "Ledger", "NewConversation", "Outstanding", "Settlement", "ledger_path"]

LEASE_S = 600.0
"""How long a taker is believed to be alive without saying so; it says so with every commit of its work."""

# Made while importing, one thread at a time: msgspec crashes when two threads first use a type at the same moment.
_FACTS = msgspec.msgpack.Decoder(CallState)
_HINT = msgspec.msgpack.Decoder(tuple[str, ...])
_ENCODER = msgspec.msgpack.Encoder()


@dataclass(frozen=True)
class NewConversation:
    """A conversation to be kept: what is known of it, its details' own bytes, and the communications that the platform
    lists as transcribed (None where it was not asked)."""

    call: CallState
    details: bytes | None = None
    listed: frozenset[str] | None = None


@dataclass(frozen=True)
class DueConversation:
    """A conversation that this process is at; ``tries`` counts the failures in a row so far."""

    call: CallState
    day: str
    tries: int
    details: bytes | None = None
    listed: frozenset[str] | None = None


@dataclass(frozen=True, eq=False)
class Settlement:
    """What came of a conversation that was taken, and when it is due again (epoch ms; None: never)."""

    taken: DueConversation
    call: CallState
    due: int | None
    failed: bool = False


@dataclass(frozen=True)
class Outstanding:
    """A conversation that stands failed or unread, or of which a leg failed or a recording is unread.

    ``due`` is when it is tried again (epoch ms; None: never), ``failed`` whether the last try failed,
    ``unread_audio`` whether a recording is unread.
    """

    call: CallState
    due: int | None
    failed: bool
    unread_audio: bool


@dataclass(frozen=True)
class Due:
    """How much may be taken now, how much later, and when the earliest of those is due (epoch ms). ``archived`` of
    them all have a transcript in the archive already, and may get more."""

    now: int
    later: int
    archived: int
    next_ms: int | None


def ledger_path(archive_url: str) -> Path:
    """Where the queue of an archive stands on this machine."""
    return state_folder() / f"{hashlib.sha256(archive_url.encode()).hexdigest()[:16]}.sqlite3"


class Ledger:
    """The queue in a file. Times are epoch milliseconds of the clock given.

    The version of a file (``PRAGMA user_version``) counts the ``steps`` it has taken: a new one takes all, an older
    one those that it lacks. A step never changes once it was released.

    What dead processes had taken is free again when the file is opened. Raises ``StoreRefused`` for a file of a newer
    version and for one that is no ledger, ``DiskFull`` and ``Unavailable`` for what SQLite meets.
    """

    steps: ClassVar[tuple[str, ...]] = STEPS

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._lock = threading.RLock()
        with sqlite_errors_of(path), ExitStack() as opened:
            self._presence = Presence(path.parent / f"{path.stem}.exporters")
            opened.callback(self._presence.close)
            self._owner = self._presence.name
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite's other files get the same permissions
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            opened.callback(self._db.close)
            self._prepare()
            self.free_the_dead()
            opened.pop_all()

    def close(self) -> None:
        """Close the file; what is still taken is free for others."""
        with self._changing() as db:
            db.execute("UPDATE calls SET owner = NULL, leased = NULL WHERE owner = ?", (self._owner,))
        with self._lock:
            self._db.close()
        self._presence.close()

    def free_the_dead(self) -> None:
        """What processes that are no more had taken is due for everybody again."""
        with self._changing() as db:
            owners = [name for (name,) in db.execute("SELECT DISTINCT owner FROM calls WHERE owner IS NOT NULL")]
            for name in owners:
                if not self._presence.alive(name):
                    db.execute("UPDATE calls SET owner = NULL, leased = NULL WHERE owner = ?", (name,))

    def add(self, wanted: Iterable[NewConversation]) -> int:
        """Put conversations in the queue; how many of them were new.

        One that is known stays as it is, except that an open one takes its newer details, and one whose legs gained
        transcripts since (``listed``) is due again.
        """
        new = 0
        now = self._now()
        with self._changing() as db:
            for one in wanted:
                new += self._add(db, one, now)
        return new

    def take(self, most: int) -> list[DueConversation]:
        """Up to so many conversations that are due and nobody is at; they are ours until the lease ends."""
        now = self._now()
        with self._changing() as db:
            rows = db.execute(
                "UPDATE calls SET owner = ?, leased = ? WHERE conversation IN (SELECT conversation FROM calls"
                " WHERE due <= ? AND (leased IS NULL OR leased < ?) ORDER BY due LIMIT ?)"
                " RETURNING facts, day, tries, details, hint",
                (self._owner, now + int(LEASE_S * 1000), now, now, most),
            ).fetchall()
        return [_taken(row) for row in rows]

    def settle(self, settlements: Sequence[Settlement]) -> int:
        """Say what came of these; how many were still ours (a lease may have been lost to another)."""
        rows = [
            (
                one.call.state,
                _ENCODER.encode(one.call),
                # What the listing told is needed until the first transcript is archived.
                one.taken.details if one.due is not None and not one.call.generation else None,
                one.due,
                one.taken.tries + 1 if one.failed else 0,
                _audio_of(one.call),
                one.call.conversation,
                self._owner,
            )
            for one in settlements
        ]
        with self._changing() as db:
            done = db.executemany(
                "UPDATE calls SET state = ?, facts = ?, details = ?, due = ?, tries = ?, audio = ?,"
                " owner = NULL, leased = NULL, dirty = 1 WHERE conversation = ? AND owner = ?",
                rows,
            )
        return done.rowcount

    def give_back(self, taken: DueConversation) -> None:
        """It was not done after all: it is due for everybody again, at once."""
        with self._changing() as db:
            db.execute(
                "UPDATE calls SET owner = NULL, leased = NULL WHERE conversation = ? AND owner = ?",
                (taken.call.conversation, self._owner),
            )

    def renew(self) -> None:
        """Say that this process is alive: everything it has taken stays its own."""
        until = self._now() + int(LEASE_S * 1000)
        with self._changing() as db:
            db.execute("UPDATE calls SET leased = ? WHERE owner = ?", (until, self._owner))

    def retry(self) -> int:
        """Make everything that failed due at once, and what arrived and cannot be read; how many there are. An archived
        call of which another leg or a recording failed is still archived: only its tries say so."""
        with self._changing() as db:
            failed = "state IN ('failed', 'unread') OR (tries > 0 AND state <> 'erased')"
            done = db.execute(f"UPDATE calls SET due = ?, tries = 0 WHERE {failed}", (self._now(),))  # noqa: S608
        return done.rowcount

    def reopen_audio(self) -> int:
        """Make archived conversations that lack their recordings due at once; how many there are. Recordings may have
        been asked for and left open, by runs that did not want them and saw their time go by."""
        with self._changing() as db:
            done = db.execute(
                "UPDATE calls SET due = ? WHERE state IN ('done', 'unread') AND owner IS NULL"
                " AND (audio = '' OR (audio = 'open' AND due IS NULL))",
                (self._now(),),
            )
        return done.rowcount

    def due(self) -> Due:
        """What is left to do."""
        now = self._now()
        with self._reading() as db:
            found = db.execute(
                "SELECT (SELECT count(*) FROM calls WHERE due <= ?1), (SELECT count(*) FROM calls WHERE due > ?1),"
                " (SELECT count(*) FROM calls WHERE state IN ('done', 'unread') AND due >= 0),"
                " (SELECT min(due) FROM calls WHERE due > ?1)",
                (now,),
            ).fetchone()
        return Due(*found)

    def next_due(self) -> int | None:
        """When the next conversation is due that is not due yet (epoch ms)."""
        with self._reading() as db:
            found = db.execute("SELECT min(due) FROM calls WHERE due > ?", (self._now(),)).fetchone()
        return None if found is None else found[0]

    def counts(self) -> dict[str, int]:
        """How many conversations are in each state."""
        with self._reading() as db:
            return dict(db.execute("SELECT state, count(*) FROM calls GROUP BY state"))

    def dirty(self) -> list[str]:
        """The days that hold what the archive's index does not say yet."""
        with self._reading() as db:
            return [day for (day,) in db.execute("SELECT DISTINCT day FROM calls WHERE dirty ORDER BY day")]

    def changes(self, day: str) -> list[CallState]:
        """The calls of a day that the archive's index does not know yet."""
        with self._reading() as db:
            rows = db.execute("SELECT facts FROM calls WHERE day = ? AND dirty", (day,))
            return [_FACTS.decode(facts) for (facts,) in rows]

    def committed(self, day: str, calls: Sequence[CallState]) -> None:
        """These stand in the archive's index now; one that changed meanwhile stays to be committed."""
        with self._changing() as db:
            db.executemany(
                "UPDATE calls SET dirty = 0 WHERE conversation = ? AND facts = ?",
                [(call.conversation, _ENCODER.encode(call)) for call in calls],
            )
            db.execute("INSERT OR IGNORE INTO days VALUES (?)", (day,))

    def restore(self, day: str, calls: Iterable[tuple[CallState, int | None]]) -> None:
        """Take over what the archive's index says of a day, each call with its due time; what is here stays."""
        with self._changing() as db:
            for call, due in calls:
                self._restore(db, day, call, due)
            db.execute("INSERT OR IGNORE INTO days VALUES (?)", (day,))

    def restored(self) -> frozenset[str]:
        """The days that were taken over from the archive, or committed to it."""
        with self._reading() as db:
            return frozenset(day for (day,) in db.execute("SELECT day FROM days"))

    def erase(self, conversations: Iterable[str]) -> None:
        """Forget everything about these except that they are erased; the archive's index is told so too."""
        with self._changing() as db:
            before = db.total_changes
            for conversation in conversations:
                facts = _ENCODER.encode(CallState(conversation=conversation, state="erased"))
                db.execute(
                    "UPDATE calls SET state = 'erased', facts = ?, details = NULL, hint = NULL, due = NULL,"
                    " audio = '', dirty = 1 WHERE conversation = ? AND state <> 'erased'",
                    (facts, conversation),
                )
            changed = db.total_changes > before
        if changed:
            with suppress(Unavailable):  # whoever holds the file now cleans it with the next commit
                self.clean()

    def clean(self) -> None:
        """Leave nothing of what was erased in free pages or in the write-ahead log. Raises ``Unavailable`` while
        another process holds the file."""
        with self._reading() as db:
            db.execute("VACUUM")
            if db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                hint = "Run turnkeeper erase on the archive again when it has ended."
                words = "another process reads the queue, so what it holds of erased calls is not overwritten yet"
                raise Unavailable(words, operation="erase", key=str(self.path), hint=hint)

    def is_first(self, chore: str, day: str) -> bool:
        """Whether this is to be done on a day (ISO 8601), because it was not yet."""
        with self._changing() as db:
            done = db.execute(
                "INSERT INTO chores VALUES (?1, ?2) ON CONFLICT DO UPDATE SET day = ?2 WHERE day <> ?2", (chore, day)
            )
        return done.rowcount > 0

    def close_window(self, name: str, start: str, stop: str) -> None:
        """This stretch was listed to its end and the platform adds no more to it."""
        with self._changing() as db:
            db.execute("INSERT OR IGNORE INTO windows VALUES (?, ?, ?)", (name, start, stop))

    def window_closed(self, name: str, start: str, stop: str) -> bool:
        """Whether a stretch needs no listing any more."""
        with self._reading() as db:
            query = "SELECT 1 FROM windows WHERE name = ? AND start = ? AND stop = ?"
            return db.execute(query, (name, start, stop)).fetchone() is not None

    def outstanding(self) -> list[Outstanding]:
        """Every conversation that failed the last time, or that is kept and cannot be read in full."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT facts, due, state = 'failed' OR tries > 0, audio = 'unread' FROM calls WHERE conversation IN"
                " (SELECT conversation FROM calls WHERE state IN ('failed', 'unread')"
                " UNION SELECT conversation FROM calls WHERE tries > 0"
                " UNION SELECT conversation FROM calls WHERE audio = 'unread')"
                " AND state <> 'erased' ORDER BY conversation"
            )
            return [
                Outstanding(_FACTS.decode(facts), due, bool(bad), bool(unread_audio))
                for facts, due, bad, unread_audio in rows
            ]

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    def _prepare(self) -> None:
        newest = len(self.steps)
        found = self._version()
        if found == 0:
            self._refuse_others()
            self._db.execute("PRAGMA journal_mode = WAL")
        if found < newest:
            self._db.create_function("audio_of", 1, lambda facts: _audio_of(_FACTS.decode(facts)), deterministic=True)
            with self._changing() as db:
                # Another process may have been quicker.
                for step in self.steps[self._version() :]:
                    for statement in filter(str.strip, step.split(";")):
                        db.execute(statement)
                db.execute(f"PRAGMA user_version = {max(newest, self._version())}")
        elif found > newest:
            hint = "Upgrade turnkeeper, or remove the file: the next run fills a new one from the archive."
            raise self._refused(f"is of version {found}, this turnkeeper knows {newest}", hint)
        # The archive is the truth: a commit that a power cut takes back is done again.
        self._db.execute("PRAGMA synchronous = NORMAL")
        # What is deleted or replaced is overwritten: details of a call name the customer.
        self._db.execute("PRAGMA secure_delete = ON")

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def _refuse_others(self) -> None:
        """Tables without a version are somebody else's. Looked at in this order: a ledger gets both at one instant."""
        if self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] and self._version() == 0:
            raise self._refused("is a database, and no ledger of turnkeeper", REMOVE)

    def _refused(self, why: str, hint: str) -> StoreRefused:
        return StoreRefused(why, operation="open the ledger", key=str(self.path), hint=hint)

    def _add(self, db: sqlite3.Connection, one: NewConversation, now: int) -> int:
        row = db.execute(
            "SELECT facts, details IS NULL FROM calls WHERE conversation = ?", (one.call.conversation,)
        ).fetchone()
        hint = None if one.listed is None else _ENCODER.encode(tuple(sorted(one.listed)))
        if row is None:
            db.execute(
                "INSERT INTO calls (conversation, day, state, facts, details, hint, due, dirty)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, 1)",
                (
                    one.call.conversation,
                    _day(one.call),
                    one.call.state,
                    _ENCODER.encode(one.call),
                    one.details,
                    hint,
                    now,
                ),
            )
            return 1
        known = _FACTS.decode(row[0])
        missing = one.listed is not None and _missing(known, one.listed)
        if known.state == "erased":
            return 0
        if not ((one.call.ended_at and not known.ended_at) or missing):
            if row[1] and one.details and not known.generation:
                # Taken over from the archive's index: what the listing tells need not be asked for again.
                db.execute(
                    "UPDATE calls SET details = ?, hint = ? WHERE conversation = ?",
                    (one.details, hint, one.call.conversation),
                )
            return 0
        facts = _ENCODER.encode(_renewed(known, one.call))
        db.execute(
            "UPDATE calls SET facts = ?, details = coalesce(?, details), hint = ?, due = ?, dirty = 1"
            " WHERE conversation = ?",
            (facts, one.details, hint, now, one.call.conversation),
        )
        return 0

    def _restore(self, db: sqlite3.Connection, day: str, call: CallState, due: int | None) -> None:
        row = db.execute("SELECT facts FROM calls WHERE conversation = ?", (call.conversation,)).fetchone()
        if row is None:
            db.execute(
                "INSERT INTO calls (conversation, day, state, facts, due, audio) VALUES (?, ?, ?, ?, ?, ?)",
                (call.conversation, day, call.state, _ENCODER.encode(call), due, _audio_of(call)),
            )
            return
        known = _FACTS.decode(row[0])
        both = merged(known, call)
        if both != known:
            # Somebody else's progress; our own due time stands unless there is nothing left to do.
            done = "NULL" if due is None and both.state in ("done", "unread", "erased") else "due"
            db.execute(
                f"UPDATE calls SET facts = ?, state = ?, due = {done}, audio = ? WHERE conversation = ?",  # noqa: S608
                (_ENCODER.encode(both), both.state, _audio_of(both), call.conversation),
            )

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, sqlite_errors_of(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                # Where the disk is full, SQLite has rolled back already.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, sqlite_errors_of(self.path):
            yield self._db


def _taken(row: tuple[bytes, str, int, bytes | None, bytes | None]) -> DueConversation:
    facts, day, tries, details, hint = row
    listed = None if hint is None else frozenset(_HINT.decode(hint))
    return DueConversation(_FACTS.decode(facts), day, tries, details, listed)


def _day(call: CallState) -> str:
    return call.started_at[:10] or "undated"


def _audio_of(call: CallState) -> str:
    """How the recordings stand: ``open`` while they may still come, ``unread``, ``settled``; empty where nobody asked
    for them."""
    leg = next((leg for leg in call.legs if leg.id == AUDIO), None)
    if leg is None:
        return ""
    if leg.state == "unread":
        return "unread"
    return "open" if leg.state == "absent" and not leg.final else "settled"


def _missing(known: CallState, listed: frozenset[str]) -> bool:
    # One whose link or file was not ready is listed too: it has its next ask already.
    held = {leg.id for leg in known.legs if leg.state in ("done", "unread", "failed") or _is_unready(leg)}
    return bool(known.legs) and "_media" not in held and not listed <= held


def _is_unready(leg: LegState) -> bool:
    return leg.state == "absent" and leg.reason.startswith("not ready")


def _renewed(known: CallState, told: CallState) -> CallState:
    """The newer account of who and when, with what had come of it so far."""
    return msgspec.structs.replace(
        told,
        state=known.state,
        legs=known.legs,
        generation=known.generation,
        reason=known.reason,
        defects=known.defects,
    )
