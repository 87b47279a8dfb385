"""``/recording/batchrequests``: up to a hundred recordings at once in their original codec, for a few requests.

The platform excludes sensitive recordings from a batch where the client may not hear them, without an error.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from turnkeeper.clock import Clock
from turnkeeper.errors import NotFound, NotReady
from turnkeeper.events import Listener, Waiting
from turnkeeper.genesys.api import Api, ApiCall
from turnkeeper.payloads.decode_json import LARGEST
from turnkeeper.payloads.recording_batches import BatchFile, BatchResults, read_batch_id, read_batch_results

__all__ = ["MOST", "RecordingBatch", "RecordingBatches"]

MOST = 100
"""How many items one batch may have."""

_HOME = "/api/v2/recording/batchrequests"
_TRIES_PER_POLL = 4


@dataclass(frozen=True)
class RecordingBatch:
    """A finished batch. ``asked`` holds the (conversation, recording) pairs that it was requested for, with an empty
    recording for all of a conversation."""

    id: str
    asked: frozenset[tuple[str, str]]
    results: BatchResults

    def covers(self, conversation: str, recordings: Collection[str]) -> bool:
        """Whether all of these recordings were requested."""
        requested = {(conversation, recording) for recording in recordings}
        return (conversation, "") in self.asked or requested <= self.asked

    def of(self, conversation: str, recording: str) -> tuple[BatchFile, ...]:
        """The files of one recording, or why there are none; empty where the platform left it out."""
        return self.results.get((conversation, recording)) or self.results.get((conversation, ""), ())


class RecordingBatches:
    """Submits batches and waits for them."""

    def __init__(self, api: Api, clock: Clock, listener: Listener) -> None:
        self._api = api
        self._clock = clock
        self._listener = listener

    async def fetch(
        self, items: Sequence[tuple[str, str]], *, wait_seconds: float, poll_seconds: float, conversation: str = ""
    ) -> RecordingBatch:
        """Request (conversation, recording) pairs, at most ``MOST``; an empty recording means all of a conversation.

        Raises ``NotReady`` when the batch is not complete after ``wait_seconds``, ``Denied``, ``NotFound`` where the
        platform knows no batches, and what any request raises.
        """
        name = await self._submit(items)
        began = self._clock.monotonic()
        while True:
            results = await self._results(name)
            if results is not None:
                return RecordingBatch(name, frozenset(items), results)
            waited = self._clock.monotonic() - began
            if waited + poll_seconds > wait_seconds:
                raise NotReady(
                    f"the batch is still in progress after {waited:.0f} s",
                    operation="recordings",
                    key=conversation or name,
                    hint="Run it again later, or wait longer (--wait).",
                    retry_after=poll_seconds,
                )
            self._listener(Waiting(conversation=conversation, status="recordings in progress", wait=poll_seconds))
            await self._clock.sleep(poll_seconds)

    async def again(self, batch: RecordingBatch) -> RecordingBatch | None:
        """Read a finished batch again, with links as fresh as the platform has them; None where it is gone."""
        results = await self._results(batch.id)
        return None if results is None else RecordingBatch(batch.id, batch.asked, results)

    async def _results(self, name: str) -> BatchResults | None:
        """The results of a complete batch; None while it runs, or where it is gone.

        Only the client that submitted a batch can read it; any other client of a pool gets a 404. So a 404 is followed
        by another try: the pool chooses the client with the most room, which is a different one each time.
        """
        for _ in range(_TRIES_PER_POLL):
            try:
                call = ApiCall("recordings", f"{_HOME}/{name}", name, limit=LARGEST)
                return await self._api.read(call, read_batch_results)
            except NotFound:
                continue
        return None

    async def _submit(self, items: Sequence[tuple[str, str]]) -> str:
        requests = [
            {"conversationId": conversation} | ({"recordingId": recording} if recording else {})
            for conversation, recording in items
        ]
        json = {"batchDownloadRequestList": requests}
        call = ApiCall("recordings", _HOME, "batch", method="POST", json=json, statuses=(200, 201, 202))
        return await self._api.read(call, read_batch_id)
