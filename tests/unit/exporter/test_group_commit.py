"""What ended while one commit was under way is committed by the next one, all of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from turnkeeper.archive.index import CallState
from turnkeeper.clock import ManualClock
from turnkeeper.errors import DiskFull
from turnkeeper.exporter.ledger import GroupCommit, Ledger, NewConversation, Settlement

NAMES = [f"call-{number}" for number in range(30)]


class CountingLedger(Ledger):
    """Counts its commits; ``full`` refuses so many of them."""

    commits = 0
    full = 0

    def settle(self, settlements: Sequence[Settlement]) -> int:
        self.commits += 1
        if self.full:
            self.full -= 1
            raise DiskFull("no room", operation="write the ledger")
        return super().settle(settlements)


def taken(path: Path) -> tuple[CountingLedger, list[Settlement]]:
    ledger = CountingLedger(path / "ledger.sqlite3", ManualClock())
    ledger.add([NewConversation(CallState(conversation=name, state="pending")) for name in NAMES])
    return ledger, [
        Settlement(one, CallState(conversation=one.call.conversation, state="done"), None) for one in ledger.take(99)
    ]


def test_many_share_a_commit(tmp_path: Path) -> None:
    ledger, settlements = taken(tmp_path)

    async def all_of_them() -> None:
        commits = GroupCommit(ledger)
        async with anyio.create_task_group() as tasks:
            for one in settlements:
                tasks.start_soon(commits.settle, one)

    anyio.run(all_of_them)
    assert ledger.counts() == {"done": len(NAMES)}
    assert ledger.commits < len(NAMES) / 2
    ledger.close()


def test_what_could_not_be_committed_goes_with_the_next_one(tmp_path: Path) -> None:
    ledger, settlements = taken(tmp_path)
    ledger.full = 1

    async def one_after_the_other() -> None:
        commits = GroupCommit(ledger)
        with pytest.raises(DiskFull):
            await commits.settle(settlements[0])
        await commits.settle(settlements[1])

    anyio.run(one_after_the_other)
    assert ledger.counts() == {"done": 2, "pending": len(NAMES) - 2}
    ledger.close()


def test_a_lease_that_was_lost_is_not_settled(tmp_path: Path) -> None:
    ledger, settlements = taken(tmp_path)
    ledger.give_back(settlements[0].taken)
    assert ledger.settle(settlements) == len(NAMES) - 1
    assert ledger.counts() == {"done": len(NAMES) - 1, "pending": 1}
    ledger.close()
