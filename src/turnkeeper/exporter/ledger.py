"""The local queue of an archive: which conversations to export, which process has each, and when each is due again.

Several processes on one machine share it: taking is one ``UPDATE … RETURNING``, and a lease says until when the process
that took a conversation is believed to be alive. It is only a queue: the archive's
index (``archive.index``) is the truth, and a lost file is filled again from there.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import anyio
import anyio.to_thread
import msgspec

from turnkeeper.archive.index import AUDIO, WHOLE, CallState, LegState, merge_calls
from turnkeeper.clock import Clock
from turnkeeper.errors import Unavailable
from turnkeeper.exporter.ledger_file import LedgerFile, sqlite_errors_of
from turnkeeper.exporter.liveness import Liveness
from turnkeeper.settings import state_folder

__all__ = [
    "Due",
    "DueConversation",
    "GroupCommit",
    "Ledger",
    "NewConversation",
    "Outstanding",
    "Settlement",
    "ledger_path",
]

LEASE_S = 600.0
"""How long a process is believed to be alive without renewing its lease. It renews it while it works."""

# Made while importing, one thread at a time: msgspec crashes when two threads first use a type at the same moment.
_FACTS = msgspec.msgpack.Decoder(CallState)
_HINT = msgspec.msgpack.Decoder(tuple[str, ...])
_ENCODER = msgspec.msgpack.Encoder()


@dataclass(frozen=True)
class NewConversation:
    """A conversation to export: what is known of it, the bytes of its details, and the communications that the platform
    lists as transcribed (None where it was not asked)."""

    call: CallState
    details: bytes | None = None
    listed: frozenset[str] | None = None


@dataclass(frozen=True)
class DueConversation:
    """A conversation that this process has taken; ``tries`` counts the failures in a row so far."""

    call: CallState
    day: str
    tries: int
    details: bytes | None = None
    listed: frozenset[str] | None = None


# Compared by identity, because ``GroupCommit`` looks for the very object of its task.
@dataclass(frozen=True, eq=False)
class Settlement:
    """The result for a conversation that was ``taken``, and when it is due again (epoch ms; None: never)."""

    taken: DueConversation
    call: CallState
    due: int | None
    failed: bool = False


@dataclass(frozen=True)
class Outstanding:
    """A conversation that failed or is unread, or of which a leg failed or a recording is unread.

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
    """The path of an archive's queue on this machine."""
    return state_folder() / f"{hashlib.sha256(archive_url.encode()).hexdigest()[:16]}.sqlite3"


class Ledger(LedgerFile):
    """The queue in a file. Times are epoch milliseconds of the clock given.

    What dead processes had taken is free again when the file is opened. Raises what ``LedgerFile`` raises.
    """

    functions: ClassVar[Mapping[str, Callable[[bytes], str]]] = {
        "audio_of": lambda facts: _audio_of(_FACTS.decode(facts))
    }

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        with sqlite_errors_of(path), ExitStack() as opened:
            self._liveness = Liveness(path.parent / f"{path.stem}.exporters")
            opened.callback(self._liveness.close)
            self._owner = self._liveness.name
            super().__init__(path)
            opened.callback(super().close)
            self.free_the_dead()
            opened.pop_all()

    def close(self) -> None:
        """Close the file; what is still taken is free for others."""
        with self._transaction() as db:
            db.execute("UPDATE calls SET owner = NULL, leased = NULL WHERE owner = ?", (self._owner,))
        super().close()
        self._liveness.close()

    def free_the_dead(self) -> None:
        """Give back what processes that ended had taken."""
        with self._transaction() as db:
            owners = [name for (name,) in db.execute("SELECT DISTINCT owner FROM calls WHERE owner IS NOT NULL")]
            for name in owners:
                if not self._liveness.alive(name):
                    db.execute("UPDATE calls SET owner = NULL, leased = NULL WHERE owner = ?", (name,))

    def add(self, conversations: Iterable[NewConversation]) -> int:
        """Put conversations in the queue. Returns how many of them were new.

        A conversation that is known stays as it is, with two exceptions: one that has ended since takes its newer
        details, and one for which more transcripts are ``listed`` now is due again.
        """
        new = 0
        now = self._now_ms()
        with self._transaction() as db:
            for conversation in conversations:
                new += self._add_conversation(db, conversation, now)
        return new

    def take(self, most: int) -> list[DueConversation]:
        """Take up to so many conversations that are due and that no process has. They are ours until the lease ends."""
        now = self._now_ms()
        with self._transaction() as db:
            rows = db.execute(
                # The dead are looked for on opening only. Those that end later are known by their lease.
                "UPDATE calls SET owner = ?, leased = ? WHERE conversation IN (SELECT conversation FROM calls"
                " WHERE due <= ? AND (leased IS NULL OR leased < ?) ORDER BY due LIMIT ?)"
                " RETURNING facts, day, tries, details, hint",
                (self._owner, now + int(LEASE_S * 1000), now, now, most),
            ).fetchall()
        return [_due_conversation(row) for row in rows]

    def settle(self, settlements: Sequence[Settlement]) -> int:
        """Store the results. Returns how many conversations were still ours (a lease may have been lost to another)."""
        rows = [
            (
                one.call.state,
                _ENCODER.encode(one.call),
                # The details of the listing are needed until the first transcript is archived.
                one.taken.details if one.due is not None and not one.call.generation else None,
                one.due,
                one.taken.tries + 1 if one.failed else 0,
                _audio_of(one.call),
                one.call.conversation,
                self._owner,
            )
            for one in settlements
        ]
        with self._transaction() as db:
            done = db.executemany(
                "UPDATE calls SET state = ?, facts = ?, details = ?, due = ?, tries = ?, audio = ?,"
                " owner = NULL, leased = NULL, dirty = 1 WHERE conversation = ? AND owner = ?",
                rows,
            )
        return done.rowcount

    def give_back(self, taken: DueConversation) -> None:
        """Make a conversation that was taken and not processed due again, at once and for every process."""
        with self._transaction() as db:
            db.execute(
                "UPDATE calls SET owner = NULL, leased = NULL WHERE conversation = ? AND owner = ?",
                (taken.call.conversation, self._owner),
            )

    def renew(self) -> None:
        """Renew the lease: everything that this process has taken stays its own."""
        until = self._now_ms() + int(LEASE_S * 1000)
        with self._transaction() as db:
            db.execute("UPDATE calls SET leased = ? WHERE owner = ?", (until, self._owner))

    def retry(self) -> int:
        """Make everything that failed or is unread due at once. Returns how many conversations that are. An archived
        call of which another leg or a recording failed is still archived: only its tries say so."""
        with self._transaction() as db:
            done = db.execute(
                "UPDATE calls SET due = ?, tries = 0"
                " WHERE state IN ('failed', 'unread') OR (tries > 0 AND state <> 'erased')",
                (self._now_ms(),),
            )
        return done.rowcount

    def reopen_audio(self) -> int:
        """Make archived conversations that lack their recordings due at once. Returns how many there are. Recordings
        may have been asked for once and left open, while later runs without audio let their window end."""
        with self._transaction() as db:
            done = db.execute(
                "UPDATE calls SET due = ? WHERE state IN ('done', 'unread') AND owner IS NULL"
                " AND (audio = '' OR (audio = 'open' AND due IS NULL))",
                (self._now_ms(),),
            )
        return done.rowcount

    def due(self) -> Due:
        """How much is left to do."""
        now = self._now_ms()
        with self._connection() as db:
            found = db.execute(
                # Each count comes from an index alone: reading 200,000 rows took two seconds under the lock.
                "SELECT (SELECT count(*) FROM calls WHERE due <= ?1), (SELECT count(*) FROM calls WHERE due > ?1),"
                " (SELECT count(*) FROM calls WHERE state IN ('done', 'unread') AND due >= 0),"
                " (SELECT min(due) FROM calls WHERE due > ?1)",
                (now,),
            ).fetchone()
        return Due(*found)

    def next_due(self) -> int | None:
        """When the next conversation that is not due yet becomes due (epoch ms)."""
        with self._connection() as db:
            found = db.execute("SELECT min(due) FROM calls WHERE due > ?", (self._now_ms(),)).fetchone()
        return None if found is None else found[0]

    def counts(self) -> dict[str, int]:
        """How many conversations are in each state."""
        with self._connection() as db:
            return dict(db.execute("SELECT state, count(*) FROM calls GROUP BY state"))

    def dirty(self) -> list[str]:
        """The days with changes that the archive's index does not have yet."""
        with self._connection() as db:
            return [day for (day,) in db.execute("SELECT DISTINCT day FROM calls WHERE dirty ORDER BY day")]

    def changes(self, day: str) -> list[CallState]:
        """The calls of a day that have changed since the archive's index was written."""
        with self._connection() as db:
            rows = db.execute("SELECT facts FROM calls WHERE day = ? AND dirty", (day,))
            return [_FACTS.decode(facts) for (facts,) in rows]

    def committed(self, day: str, calls: Sequence[CallState]) -> None:
        """Note that the archive's index has these calls. One that has changed meanwhile stays to be committed."""
        with self._transaction() as db:
            db.executemany(
                "UPDATE calls SET dirty = 0 WHERE conversation = ? AND facts = ?",
                [(call.conversation, _ENCODER.encode(call)) for call in calls],
            )
            db.execute("INSERT OR IGNORE INTO days VALUES (?)", (day,))

    def restore(self, day: str, calls: Iterable[tuple[CallState, int | None]]) -> None:
        """Take over a day of the archive's index, each call with its due time. What the queue knows stays."""
        with self._transaction() as db:
            for call, due in calls:
                self._restore_call(db, day, call, due)
            db.execute("INSERT OR IGNORE INTO days VALUES (?)", (day,))

    def restored(self) -> frozenset[str]:
        """The days that were taken over from the archive, or committed to it."""
        with self._connection() as db:
            return frozenset(day for (day,) in db.execute("SELECT day FROM days"))

    def erase(self, conversations: Iterable[str]) -> None:
        """Forget everything about these except that they are erased. The archive's index gets that too."""
        with self._transaction() as db:
            before = db.total_changes
            for conversation in conversations:
                facts = _ENCODER.encode(CallState(conversation=conversation, state="erased"))
                db.execute(
                    # What is erased already must not become dirty again, or each run would write its day anew.
                    "UPDATE calls SET state = 'erased', facts = ?, details = NULL, hint = NULL, due = NULL,"
                    " audio = '', dirty = 1 WHERE conversation = ? AND state <> 'erased'",
                    (facts, conversation),
                )
            changed = db.total_changes > before
        if changed:
            with suppress(Unavailable):  # the process that holds the file cleans it with its next commit
                self.clean()

    def clean(self) -> None:
        """Leave nothing of what was erased in free pages or in the write-ahead log. Raises ``Unavailable`` while
        another process holds the file."""
        with self._connection() as db:
            db.execute("VACUUM")
            if db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                hint = "Run turnkeeper erase on the archive again when it has ended."
                words = "another process reads the queue, so what it holds of erased calls is not overwritten yet"
                raise Unavailable(words, operation="erase", key=str(self.path), hint=hint)

    def is_first(self, chore: str, day: str) -> bool:
        """Whether a chore was not done yet on a day (ISO 8601). It counts as done from now on."""
        with self._transaction() as db:
            done = db.execute(
                "INSERT INTO chores VALUES (?1, ?2) ON CONFLICT DO UPDATE SET day = ?2 WHERE day <> ?2", (chore, day)
            )
        return done.rowcount > 0

    def close_window(self, name: str, start: str, stop: str) -> None:
        """Note that a window was listed to its end and that the platform adds no more to it."""
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO windows VALUES (?, ?, ?)", (name, start, stop))

    def window_closed(self, name: str, start: str, stop: str) -> bool:
        """Whether a window need not be listed again."""
        with self._connection() as db:
            query = "SELECT 1 FROM windows WHERE name = ? AND start = ? AND stop = ?"
            return db.execute(query, (name, start, stop)).fetchone() is not None

    def outstanding(self) -> list[Outstanding]:
        """Every conversation that failed at the last try, or that is archived and cannot be read in full."""
        with self._connection() as db:
            rows = db.execute(
                # Three searches, each by an index of its own, so that no other row is read.
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

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    def _add_conversation(self, db: sqlite3.Connection, one: NewConversation, now: int) -> int:
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
                    _day_of_call(one.call),
                    one.call.state,
                    _ENCODER.encode(one.call),
                    one.details,
                    hint,
                    now,
                ),
            )
            return 1
        known = _FACTS.decode(row[0])
        missing = one.listed is not None and _lists_more(known, one.listed)
        # The platform goes on listing what was erased here.
        if known.state == "erased":
            return 0
        if not ((one.call.ended_at and not known.ended_at) or missing):
            if row[1] and one.details and not known.generation:
                # It was taken over from the archive's index, which has no details: those of the listing save a request.
                db.execute(
                    "UPDATE calls SET details = ?, hint = ? WHERE conversation = ?",
                    (one.details, hint, one.call.conversation),
                )
            return 0
        facts = _ENCODER.encode(_with_newer_facts(known, one.call))
        db.execute(
            "UPDATE calls SET facts = ?, details = coalesce(?, details), hint = ?, due = ?, dirty = 1"
            " WHERE conversation = ?",
            (facts, one.details, hint, now, one.call.conversation),
        )
        return 0

    def _restore_call(self, db: sqlite3.Connection, day: str, call: CallState, due: int | None) -> None:
        row = db.execute("SELECT facts FROM calls WHERE conversation = ?", (call.conversation,)).fetchone()
        if row is None:
            db.execute(
                # Not dirty, since the index has it.
                "INSERT INTO calls (conversation, day, state, facts, due, audio) VALUES (?, ?, ?, ?, ?, ?)",
                (call.conversation, day, call.state, _ENCODER.encode(call), due, _audio_of(call)),
            )
            return
        known = _FACTS.decode(row[0])
        both = merge_calls(known, call)
        if both != known:
            # The index has another exporter's progress. Our own due time stays unless there is nothing left to do.
            is_done = due is None and both.state in ("done", "unread", "erased")
            db.execute(
                "UPDATE calls SET facts = ?, state = ?, due = CASE WHEN ? THEN NULL ELSE due END, audio = ?"
                " WHERE conversation = ?",
                (_ENCODER.encode(both), both.state, is_done, _audio_of(both), call.conversation),
            )


class GroupCommit:
    """The way of several tasks to one ledger: settlements that arrive while a commit is under way share the next one.

    A commit, and the thread for it, cost as much as many rows in it.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: list[Settlement] = []
        self._lock = anyio.Lock(fast_acquire=True)

    async def settle(self, settlement: Settlement) -> None:
        """Return once it is committed. Raises what the ledger raises."""
        self._waiting.append(settlement)
        async with self._lock:
            if settlement not in self._waiting:
                return  # the commit before took it along
            batch, self._waiting = self._waiting, []
            try:
                await anyio.to_thread.run_sync(self._ledger.settle, batch)
            except BaseException:
                # The settlements of the other tasks go with the next commit. Only this task gets the error.
                self._waiting[:0] = batch
                raise


def _due_conversation(row: tuple[bytes, str, int, bytes | None, bytes | None]) -> DueConversation:
    facts, day, tries, details, hint = row
    listed = None if hint is None else frozenset(_HINT.decode(hint))
    return DueConversation(_FACTS.decode(facts), day, tries, details, listed)


def _day_of_call(call: CallState) -> str:
    return call.started_at[:10] or "undated"


def _audio_of(call: CallState) -> str:
    """The state of the recordings: ``open`` while they may still come, ``unread``, ``settled``; empty where they were
    never asked for."""
    leg = next((leg for leg in call.legs if leg.id == AUDIO), None)
    if leg is None:
        return ""
    if leg.state == "unread":
        return "unread"
    return "open" if leg.state == "absent" and not leg.final else "settled"


def _lists_more(known: CallState, listed: frozenset[str]) -> bool:
    # A leg whose link or file was not ready is listed too. It has its next ask already.
    known_legs = {leg.id for leg in known.legs if leg.state in ("done", "unread", "failed") or _is_unready(leg)}
    return bool(known.legs) and WHOLE not in known_legs and not listed <= known_legs


def _is_unready(leg: LegState) -> bool:
    return leg.state == "absent" and leg.reason.startswith("not ready")


def _with_newer_facts(known: CallState, listed: CallState) -> CallState:
    """The newer facts of a listing, with the results so far."""
    return msgspec.structs.replace(
        listed,
        state=known.state,
        legs=known.legs,
        generation=known.generation,
        reason=known.reason,
        defects=known.defects,
    )
