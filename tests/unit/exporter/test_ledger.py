"""The queue: what a listing tells of a call that was taken over from the archive's index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from turnkeeper.archive.index import AUDIO, CallState, LegState
from turnkeeper.clock import ManualClock
from turnkeeper.errors import DiskFull
from turnkeeper.exporter.ledger import Due, Ledger, NewConversation, Settlement

DAY = "2026-10-05"
CALL = CallState(conversation="c", state="pending", started_at=f"{DAY}T10:00:00Z", ended_at=f"{DAY}T10:01:00Z")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite3", ManualClock())


def test_a_call_from_the_index_takes_over_what_the_listing_tells(ledger: Ledger) -> None:
    ledger.restore(DAY, [(CALL, 0)])
    assert ledger.add([NewConversation(CALL, b"{}", frozenset({"leg"}))]) == 0
    (taken,) = ledger.take(10)
    assert (taken.details, taken.listed) == (b"{}", frozenset({"leg"}))
    ledger.close()


def test_a_call_that_is_archived_needs_no_details_again(ledger: Ledger) -> None:
    done = CallState(conversation="c", state="done", generation=1, ended_at=CALL.ended_at)
    ledger.restore(DAY, [(done, 0)])
    ledger.add([NewConversation(CALL, b"{}")])
    (taken,) = ledger.take(10)
    assert taken.details is None
    ledger.close()


def test_what_is_due_is_told_apart_by_whether_anything_is_archived(ledger: Ledger) -> None:
    ledger.restore(
        DAY,
        [
            (CALL, 0),
            (CallState(conversation="later", state="absent"), 9_999_999_999_999),
            (CallState(conversation="more", state="done", generation=1), 9_999_999_999_998),
            (CallState(conversation="never", state="done", generation=1), None),
        ],
    )
    assert ledger.due() == Due(now=1, later=2, archived=1, next_ms=9_999_999_999_998)
    ledger.close()


def test_retry_brings_back_an_archived_call_of_which_another_leg_failed(ledger: Ledger) -> None:
    done = CallState(conversation="c", state="done", generation=1, legs=(LegState(id="second", state="absent"),))
    ledger.restore(DAY, [(done, 0), (CallState(conversation="sound", state="done", generation=1), None)])
    (taken,) = ledger.take(10)
    ledger.settle([Settlement(taken, done, None, failed=True)])
    assert ledger.take(10) == []
    assert ledger.retry() == 1
    (again,) = ledger.take(10)
    assert (again.call.conversation, again.tries) == ("c", 0)
    ledger.close()


def test_retry_asks_again_for_what_cannot_be_read(ledger: Ledger) -> None:
    """K8: a page of HTML in place of a transcript: what a person has mended need not wait for its turn."""
    unread = CallState(conversation="c", state="unread", generation=1)
    ledger.restore(DAY, [(unread, 9_999_999_999_999)])
    assert ledger.take(10) == []
    assert ledger.retry() == 1
    assert len(ledger.take(10)) == 1
    ledger.close()


def test_what_was_erased_is_not_tried_again(ledger: Ledger) -> None:
    ledger.restore(DAY, [(CALL, 0)])
    (taken,) = ledger.take(10)
    ledger.settle([Settlement(taken, CALL, None, failed=True)])
    ledger.erase(["c"])
    assert ledger.retry() == 0
    ledger.close()


def test_a_leg_that_was_left_open_and_has_no_turn_any_more_is_reopened(ledger: Ledger) -> None:
    def call(name: str, *legs: LegState) -> CallState:
        return CallState(conversation=name, state="done", generation=1, legs=legs)

    still_open = LegState(id=AUDIO, state="absent", next_ask="2026-10-05T11:00:00.000Z")
    ledger.restore(
        DAY,
        [
            (call("never asked"), None),
            (call("left open", still_open), None),
            (call("has its turn", still_open), 9_999_999_999_999),
            (call("final", LegState(id=AUDIO, state="absent", final=True)), None),
            (call("heard", LegState(id=AUDIO, state="done", final=True)), None),
        ],
    )
    assert ledger.reopen_audio() == 2
    assert {taken.call.conversation for taken in ledger.take(10)} == {"never asked", "left open"}
    ledger.close()


def test_the_index_hears_of_what_was_erased_elsewhere(ledger: Ledger) -> None:
    ledger.restore(DAY, [(CallState(conversation="c", state="done", generation=1), None)])
    assert ledger.dirty() == []
    ledger.erase(["c"])
    assert [call.state for day in ledger.dirty() for call in ledger.changes(day)] == ["erased"]
    ledger.close()


class Explained(Ledger):
    """Says how SQLite means to answer."""

    def plans(self, ask: Callable[[], object]) -> list[str]:
        """The plan of each statement that ``ask`` runs."""
        said: list[str] = []
        self._db.set_trace_callback(said.append)
        ask()
        self._db.set_trace_callback(None)
        asked = [one for one in said if not one.startswith(("BEGIN", "COMMIT"))]
        return [str(row[3]) for one in asked for row in self._db.execute(f"EXPLAIN QUERY PLAN {one}")]

    def limit(self) -> None:
        """Let the file grow no more, as on a full disk."""
        pages = self._db.execute("PRAGMA page_count").fetchone()[0]
        self._db.execute(f"PRAGMA max_page_count = {pages}")


def test_what_is_asked_often_is_answered_from_an_index(tmp_path: Path) -> None:
    """K6: with 200,000 waiting rows, due() took 2.2 s a second under the lock."""
    ledger = Explained(tmp_path / "ledger.sqlite3", ManualClock())
    ledger.restore(DAY, [(msgspec.structs.replace(CALL, conversation=f"c{n}"), n) for n in range(50)])
    asked = {
        "due": ledger.due,
        "next_due": ledger.next_due,
        "counts": ledger.counts,
        "dirty": ledger.dirty,
        "take": lambda: ledger.take(2),
        "renew": ledger.renew,
        "outstanding": ledger.outstanding,
        "reopen_audio": ledger.reopen_audio,
    }
    plans = {name: ledger.plans(ask) for name, ask in asked.items()}
    ledger.close()
    walked = {
        name: [step for step in plan if step.startswith("SCAN calls") and "USING" not in step]
        for name, plan in plans.items()
    }
    assert not any(walked.values()), walked
    # These two read nothing but the index.
    assert {step for step in plans["due"] if "calls" in step} == {
        "SEARCH calls USING COVERING INDEX calls_due (due<?)",
        "SEARCH calls USING COVERING INDEX calls_due (due>?)",
        "SEARCH calls USING COVERING INDEX calls_state (state=? AND due>?)",
    }
    assert plans["counts"] == ["SCAN calls USING COVERING INDEX calls_state"]


def test_a_full_disk_is_said_as_such(tmp_path: Path) -> None:
    """K6: a full disk under the ledger said "cannot rollback - no transaction is active", exit code 2."""
    ledger = Explained(tmp_path / "ledger.sqlite3", ManualClock())
    ledger.limit()
    big = [NewConversation(msgspec.structs.replace(CALL, conversation=f"c{n}"), b"d" * 9000) for n in range(50)]
    with pytest.raises(DiskFull, match="full") as caught:
        ledger.add(big)
    assert (caught.value.operation, caught.value.key) == ("write the ledger", str(ledger.path))
    assert ledger.counts() == {}
    ledger.close()


class Before(Ledger):
    """The version before blobs were kept apart."""

    steps = Ledger.steps[:2]

    def put(self, call: CallState, details: bytes) -> None:
        with self._transaction() as db:
            db.execute(
                "INSERT INTO calls (conversation, day, state, facts, details, due) VALUES (?, ?, ?, ?, ?, 0)",
                (call.conversation, DAY, call.state, msgspec.msgpack.encode(call), details),
            )


def test_a_ledger_of_the_version_before_is_brought_forward(tmp_path: Path) -> None:
    def call(name: str, *legs: LegState) -> CallState:
        return CallState(conversation=name, state="done", generation=1, legs=legs)

    old = Before(tmp_path / "ledger.sqlite3", ManualClock())
    old.put(CALL, b"{}")
    old.put(call("never asked"), b"")
    old.put(call("unread", LegState(id=AUDIO, state="unread", final=True)), b"")
    old.put(call("heard", LegState(id=AUDIO, state="done", final=True)), b"")
    old.close()
    ledger = Ledger(tmp_path / "ledger.sqlite3", ManualClock())
    assert [(one.call.conversation, one.unread_audio) for one in ledger.outstanding()] == [("unread", True)]
    assert ledger.reopen_audio() == 1
    assert {one.call.conversation: one.details for one in ledger.take(10)}["c"] == b"{}"
    ledger.close()
