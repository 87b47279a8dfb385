"""What came of visits goes to the ledger together: whatever ended while one commit is under way shares the next one."""

from __future__ import annotations

import anyio
import anyio.to_thread

from turnkeeper.exporter.ledger import Ledger, Settlement

__all__ = ["GroupCommit"]


class GroupCommit:
    """Several tasks' way to one ledger. A commit and the thread for it cost as much as many rows in it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: list[Settlement] = []
        self._line = anyio.Lock(fast_acquire=True)

    async def settle(self, one: Settlement) -> None:
        """Returns when it is committed. Raises what the ledger raises."""
        self._waiting.append(one)
        async with self._line:
            if one not in self._waiting:
                return  # whoever was before us took it along
            batch, self._waiting = self._waiting, []
            try:
                await anyio.to_thread.run_sync(self._ledger.settle, batch)
            except BaseException:
                self._waiting[:0] = batch
                raise
