"""An erasure reaches the queue: its rows, its free pages and its log, also beside an export that has it open."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest
from tests.residue import residue

from turnkeeper.archive.index import CallState, LegState
from turnkeeper.clock import ManualClock
from turnkeeper.erasure.erasable_archive import ErasableArchive as Archive
from turnkeeper.erasure.proof import QUEUES, Proof
from turnkeeper.exporter.ledger import Ledger, NewConversation
from turnkeeper.exporter.queue_erasure import erase_from_queue

CALL = CallState(
    conversation="call-1", state="pending", queues=("queue-of-it",), legs=(LegState(id="leg-of-it", state="absent"),)
)
DETAILS = b'{"ani":"tel:+4917012345678"}' * 1000
OTHER = CallState(conversation="call-2", state="pending", legs=(LegState(id="leg-of-another", state="absent"),))
TRACES = ("queue-of-it", "leg-of-it", "tel:+4917012345678")


@pytest.fixture
def proof(tmp_path: Path) -> Proof:
    archive = Archive(str(tmp_path / "archive"), clock=ManualClock())
    archive.prepare()
    return archive.erase(["call-1"])


def queue(path: Path) -> Ledger:
    """A queue that holds the call, and in pages that are free already what an earlier version deleted."""
    ledger = Ledger(path, ManualClock())
    ledger.add([NewConversation(CALL, DETAILS), NewConversation(OTHER)])
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA secure_delete = OFF")
    db.execute("UPDATE calls SET details = NULL")
    db.close()
    return ledger


def test_nothing_of_it_is_left_in_the_queue_beside_a_process_that_has_it_open(proof: Proof, tmp_path: Path) -> None:
    place = tmp_path / "state"
    place.mkdir()
    running = queue(place / "queue.sqlite3")
    assert set(residue([place], TRACES)) == set(TRACES)
    done = erase_from_queue("memory://", proof, ManualClock(), place / "queue.sqlite3")
    assert residue([place], TRACES) == {}
    assert QUEUES in proof.elsewhere
    assert done == msgspec.structs.replace(proof, elsewhere=done.elsewhere)
    assert "on other machines" in done.elsewhere[-1]
    assert [taken.call for taken in running.take(10)] == [OTHER]
    running.close()


def test_a_queue_that_cannot_be_cleaned_is_named_and_nothing_is_proven(proof: Proof, tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite3"
    queue(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 999")
    db.close()
    done = erase_from_queue("memory://", proof, ManualClock(), path)
    assert (done.proven, done.not_covered) == (False, (str(path),))


def test_where_no_export_ran_no_queue_is_made(proof: Proof, tmp_path: Path) -> None:
    done = erase_from_queue("memory://", proof, ManualClock(), tmp_path / "none.sqlite3")
    assert not (tmp_path / "none.sqlite3").exists()
    assert done.not_covered == ()
