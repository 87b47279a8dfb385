"""Batch requests: up to a hundred recordings at once in their original codec, for one request and a few looks.

The platform excludes sensitive recordings from a batch where the client may not hear them, without an error.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from turnkeeper.clock import Clock
from turnkeeper.errors import NotFound, NotReady
from turnkeeper.events import Listener, Waiting
from turnkeeper.genesys.api import Api, ApiCall, decoded
from turnkeeper.genesys.endpoints.conversations import is_id
from turnkeeper.genesys.redaction import plain
from turnkeeper.payloads.decode_json import LARGEST, not_the_platforms
from turnkeeper.spool import Spool

__all__ = ["MOST", "Delivered", "RecordingBatch", "RecordingBatches"]

MOST = 100
"""How many items one batch may have."""

_HOME = "/api/v2/recording/batchrequests"
_LOOKS = 4


@dataclass(frozen=True)
class Delivered:
    """One result: a presigned ``link`` (a secret), or the platform's ``reason`` why there is none."""

    link: str = field(default="", repr=False)
    reason: str = ""


@dataclass(frozen=True)
class RecordingBatch:
    """A finished batch: what came by (conversation, recording), one entry per file. ``asked`` is what it was asked for,
    with an empty recording for all of a conversation."""

    id: str
    asked: frozenset[tuple[str, str]]
    results: Mapping[tuple[str, str], tuple[Delivered, ...]]

    def covers(self, conversation: str, recordings: Collection[str]) -> bool:
        """Whether all of these recordings were asked for."""
        return (conversation, "") in self.asked or {(conversation, one) for one in recordings} <= self.asked

    def of(self, conversation: str, recording: str) -> tuple[Delivered, ...]:
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
        """Ask for (conversation, recording) pairs, at most ``MOST``; an empty recording means all of a conversation.

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
        """A finished batch read again, with links as fresh as the platform has them; None where it is gone."""
        results = await self._results(batch.id)
        return None if results is None else RecordingBatch(batch.id, batch.asked, results)

    async def _results(self, name: str) -> dict[tuple[str, str], tuple[Delivered, ...]] | None:
        """What a complete batch gave; None while it runs.

        A batch is its submitter's alone: another client of a pool is told that there is none, so it is asked for a few
        times at once; the pool takes the client with the most room, which is another one each time.
        """
        for _ in range(_LOOKS):
            try:
                return await self._api.read(ApiCall("recordings", f"{_HOME}/{name}", name, limit=LARGEST), _finished)
            except NotFound:
                continue
        return None

    async def _submit(self, items: Sequence[tuple[str, str]]) -> str:
        wanted = [
            {"conversationId": conversation} | ({"recordingId": recording} if recording else {})
            for conversation, recording in items
        ]
        asked = {"batchDownloadRequestList": wanted}
        call = ApiCall("recordings", _HOME, "batch", method="POST", json=asked, statuses=(200, 201, 202))
        return await self._api.read(call, _name)


def _name(body: Spool) -> str:
    """The id of a batch, which becomes part of an address."""
    found = decoded(body, "recordings", "batch")
    name = found.get("id") if isinstance(found, dict) else None
    if not isinstance(name, str) or not is_id(name):
        raise not_the_platforms("the answer to a batch request holds no id", "recordings", "batch")
    return name


def _finished(body: Spool) -> dict[tuple[str, str], tuple[Delivered, ...]] | None:
    """The results of a batch; None while it runs."""
    found = decoded(body, "recordings", "batch")
    status = found.get("status") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(status, str) or not status:
        raise not_the_platforms("the answer names no state of the batch", "recordings", "batch")
    if status.lower() != "completed":
        return None
    listed = found.get("results", [] if found.get("expectedResultCount") == 0 else None)
    if not isinstance(listed, list):
        raise not_the_platforms("a completed batch has no list of results", "recordings", "batch")
    return _results(listed)


def _results(listed: Sequence[object]) -> dict[tuple[str, str], tuple[Delivered, ...]]:
    results: dict[tuple[str, str], tuple[Delivered, ...]] = {}
    for one in listed:
        if isinstance(one, dict):
            key = (str(one.get("conversationId") or ""), str(one.get("recordingId") or ""))
            results[key] = (*results.get(key, ()), _delivered(one))
    return results


def _delivered(told: dict[str, object]) -> Delivered:
    link, reason = told.get("resultUrl"), told.get("errorMsg")
    if isinstance(link, str) and link.startswith(("https://", "http://")):
        return Delivered(link=link)
    return Delivered(reason=plain(reason, 200) if isinstance(reason, str) and reason else "the batch holds no address")
