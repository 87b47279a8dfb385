"""Batch requests: many recordings at once, in their original codec, each with a link of its own.

Only the client that submitted a batch can read it. A batch is not complete at once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from turnkeeper.simulator import api_errors
from turnkeeper.simulator.ids import IdKind
from turnkeeper.simulator.recording_files import ORIGINAL, ScriptRecording
from turnkeeper.simulator.recordings import PERMISSIONS, RecordingEndpoint
from turnkeeper.simulator.simulation import Simulation

Json = dict[str, Any]

_HOME = "/api/v2/recording/batchrequests"
_MAX_REQUESTS = 100
_GONE = {
    "recording-archived": "The recording is archived.",
    "recording-deleted": "The recording has been deleted.",
    "recording-restoring": "The recording is being restored.",
    "no-media": "The recording has no media.",
    "batch-error": "The recording could not be processed.",
}


@dataclass
class BatchRequest:
    """One batch: its client, the requested (conversation, recording) pairs, and how often it was read."""

    client: str
    wanted: list[tuple[str, str]]
    looks: int = field(default=0)


class BatchEndpoint:
    """Batch endpoints of one simulation."""

    def __init__(self, simulation: Simulation, endpoint: RecordingEndpoint) -> None:
        self._simulation = simulation
        self._endpoint = endpoint
        self._batches: list[BatchRequest] = []

    def routes(self) -> list[Route]:
        """Submit and read."""
        return [
            Route(_HOME, self.submit, methods=["POST"]),
            Route(f"{_HOME}/{{batch}}", self.read, methods=["GET"]),
        ]

    async def submit(self, request: Request) -> Response:
        """POST: up to a hundred conversations or recordings."""
        if self._simulation.faults.on("batch-missing"):
            raise api_errors.missing()
        if self._simulation.faults.on("denied-recordings"):
            raise api_errors.denied(*PERMISSIONS)
        wanted = _read_request(await request.body())
        self._batches.append(BatchRequest(self._client_of(request), wanted))
        batch = self._simulation.ids.make(IdKind.BATCH, len(self._batches) - 1)
        return JSONResponse({"id": batch, "selfUri": f"{_HOME}/{batch}"})

    async def read(self, request: Request) -> Response:
        """GET: the state of a batch. It is complete at the second read (batch-slow: later, or never)."""
        number = self._simulation.ids.index(IdKind.BATCH, request.path_params["batch"])
        if number is None or number >= len(self._batches) or self._batches[number].client != self._client_of(request):
            raise api_errors.missing(request.path_params["batch"])
        batch, name = self._batches[number], request.path_params["batch"]
        batch.looks += 1
        faults = self._simulation.faults
        slow = faults.argument("batch-slow", 1_000_000) if faults.on("batch-slow") else 1
        results = (
            [one for wanted in batch.wanted for one in self._request_results(*wanted)] if batch.looks > slow else []
        )
        failed = sum("errorMsg" in one for one in results)
        return JSONResponse(
            {
                "id": name,
                "jobId": name,
                "expectedResultCount": sum(self._expected_count(*one) for one in batch.wanted),
                "resultCount": len(results),
                "errorCount": failed,
                "status": "Completed" if batch.looks > slow else "InProgress",
                "results": results,
                "selfUri": f"{_HOME}/{name}",
            }
        )

    def _request_results(self, conversation: str, wanted: str) -> list[Json]:
        script = self._simulation.find(conversation)
        if script is None:
            return [{"conversationId": conversation, "errorMsg": "The conversation was not found."}]
        recordings = [recording for recording in self._simulation.recordings.of(script) if wanted in ("", recording.id)]
        # Sensitive recordings are left out of a batch where the client may not hear them.
        if self._simulation.recordings.sensitive(script):
            return []
        return [result for recording in recordings for result in self._tape_results(recording)]

    def _expected_count(self, conversation: str, wanted: str) -> int:
        """Return the number of results to expect. Sensitive recordings are counted, but no result comes for them."""
        script = self._simulation.find(conversation)
        recordings = self._simulation.recordings.of(script) if script else ()
        return sum(len(recording.keys) for recording in recordings if wanted in ("", recording.id)) or 1

    def _tape_results(self, recording: ScriptRecording) -> list[Json]:
        """One result per stored file; how the platform gives a recording kept as two files is not documented."""
        ids = {"conversationId": recording.script.id, "recordingId": recording.id}
        wrong = next((said for fault, said in _GONE.items() if self._simulation.faults.on(fault)), "")
        if wrong:
            return [ids | {"errorMsg": wrong}]
        recordings = self._simulation.recordings
        kinds = [recordings.content_type(recordings.path(recording, ORIGINAL, key)) for key in recording.keys]
        links = [self._endpoint.link(recording, ORIGINAL, key) for key in recording.keys]
        return [ids | {"resultUrl": link, "contentType": kind} for link, kind in zip(links, kinds, strict=True)]

    def _client_of(self, request: Request) -> str:
        bearer = request.headers.get("authorization", "").partition(" ")[2]
        return self._simulation.tokens.owner(bearer)


def _read_request(body: bytes) -> list[tuple[str, str]]:
    try:
        listed = json.loads(body)["batchDownloadRequestList"]
        wanted = [(str(one["conversationId"]), str(one.get("recordingId") or "")) for one in listed]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise api_errors.malformed("The request could not be understood by the server.") from None
    if not 1 <= len(wanted) <= _MAX_REQUESTS:
        raise api_errors.malformed(f"Between 1 and {_MAX_REQUESTS} requests are allowed in a batch.", "invalid.value")
    return wanted
