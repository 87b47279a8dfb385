"""The endpoints that list a conversation's recordings, with and without links to their media."""

from __future__ import annotations

import itertools
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from turnkeeper.simulator import api_errors
from turnkeeper.simulator.clock import iso
from turnkeeper.simulator.ids import IdKind
from turnkeeper.simulator.recording_files import FORMATS, ScriptRecording
from turnkeeper.simulator.samples import RecordingPause
from turnkeeper.simulator.script import Script
from turnkeeper.simulator.simulation import Simulation

Json = dict[str, Any]

PERMISSIONS = tuple(f"recording:{kind}:view" for kind in (
    "recording", "recordingSegment", "snippetRecording", "screenRecording",
))  # fmt: skip
_HOME = "/api/v2/conversations/{conversation}"
_STATES = {
    "recording-archived": "ARCHIVED",
    "recording-deleted": "DELETED",
    "recording-restoring": "RESTORING",
}


class RecordingEndpoint:
    """Recording endpoints of one simulation; links point at its storage port."""

    def __init__(self, simulation: Simulation, storage_url: str) -> None:
        self._simulation = simulation
        self._storage_url = storage_url
        self._annotations = itertools.count(1)

    def routes(self) -> list[Route]:
        """Lists and single reads, with media and without."""
        return [
            Route(f"{_HOME}/recordings", self.recordings),
            Route(f"{_HOME}/recordings/{{recording}}", self.recording),
            Route(f"{_HOME}/recordingmetadata", self.metadata),
            Route(f"{_HOME}/recordingmetadata/{{recording}}", self.single_metadata),
        ]

    async def recordings(self, request: Request) -> Response:
        """GET: all recordings with links to their media; 202 and no body while they are transcoded."""
        script, kind = self._find_script(request), _requested_format(request)
        if self._is_transcoding(f"{script.id}/{kind}"):
            return Response(status_code=202)
        listed = [
            self._recording_json(recording) | self._media_json(recording, kind)
            for recording in self._simulation.recordings.of(script)
        ]
        return JSONResponse(listed + self._message_recordings(script))

    async def recording(self, request: Request) -> Response:
        """GET: one recording with links to its media."""
        recording, kind = self._find_tape(request), _requested_format(request)
        if self._is_transcoding(f"{recording.id}/{kind}"):
            return Response(status_code=202)
        return JSONResponse(self._recording_json(recording) | self._media_json(recording, kind))

    async def metadata(self, request: Request) -> Response:
        """GET: all recordings without media; nothing is transcoded for it."""
        script = self._find_script(request)
        listed = [
            self._recording_json(recording) | self._restoration_limits()
            for recording in self._simulation.recordings.of(script)
        ]
        return JSONResponse(listed + self._message_recordings(script))

    async def single_metadata(self, request: Request) -> Response:
        """GET: one recording without media."""
        return JSONResponse(self._recording_json(self._find_tape(request)) | self._restoration_limits())

    def _is_transcoding(self, resource: str) -> bool:
        faults = self._simulation.faults
        return faults.on("transcoding-forever") or faults.strikes("transcoding", resource, default=2)

    def _find_script(self, request: Request) -> Script:
        if self._simulation.faults.on("denied-recordings"):
            raise api_errors.denied(*PERMISSIONS)
        conversation = request.path_params["conversation"]
        script = self._simulation.find(conversation)
        if script is None:
            raise api_errors.missing(conversation)
        return script

    def _find_tape(self, request: Request) -> ScriptRecording:
        wanted = request.path_params["recording"]
        for recording in self._simulation.recordings.of(self._find_script(request)):
            if recording.id == wanted:
                return recording
        raise api_errors.missing(wanted)

    def _recording_json(self, recording: ScriptRecording) -> Json:
        script, faults = recording.script, self._simulation.faults
        state = next((state for fault, state in _STATES.items() if faults.on(fault)), "AVAILABLE")
        home = f"/api/v2/conversations/{script.id}/recordings/{recording.id}"
        listed: Json = {
            "id": recording.id,
            "conversationId": script.id,
            "startTime": iso(script.began + recording.start_ms),
            # Null when there is no playable media: the one place where this platform writes nulls.
            "endTime": None if faults.on("no-media") else iso(script.began + recording.end_ms),
            "media": "audio",
            "mediaSubtype": "Trunk",
            "annotations": [self._annotation_json(recording, one) for one in recording.breaks if one.annotated],
            "fileState": state,
            "sessionId": recording.session,
            "selfUri": home,
        }
        if state == "ARCHIVED":
            # An archived recording has no session id until its media are restored.
            del listed["sessionId"]
            listed |= {"archiveDate": iso(script.ended + 86_400_000), "archiveMedium": "CLOUDARCHIVE"}
        return listed

    def _media_json(self, recording: ScriptRecording, kind: str) -> Json:
        """Return the fields of the list with media. They are null if there are no media."""
        faults = self._simulation.faults
        if faults.on("no-media") or any(faults.on(fault) for fault in _STATES):
            return {"mediaUris": None, "outputDurationMs": None, "users": []}
        uris = {key: {"mediaUri": self.link(recording, kind, key), "waveformData": []} for key in recording.keys}
        return {
            "mediaUris": uris,
            "estimatedTranscodeTimeMs": 4_000,
            "actualTranscodeTimeMs": 2_900,
            "outputDurationMs": recording.duration_ms,
            "recordingFileRole": "CUSTOMER_EXPERIENCE",
            "users": [],
        }

    def link(self, recording: ScriptRecording, kind: str, key: str) -> str:
        """A fresh presigned link to one file of a recording."""
        simulation = self._simulation
        path = simulation.recordings.path(recording, kind, key)
        dead = simulation.faults.on("dead-link") or simulation.faults.strikes("expired-media-link", path)
        return self._storage_url + simulation.links.issue(path, "expired" if dead else None)

    def _annotation_json(self, recording: ScriptRecording, one: RecordingPause) -> Json:
        """Return a pause with its several positions: with and without earlier pauses, and in the recording itself."""
        paused = sum(other.end - other.start for other in recording.breaks if other.cut and other.start < one.start)
        real, lasting = one.start - recording.start_ms, one.end - one.start
        heard = 0 if one.cut else lasting
        return {
            # A new id at every request, as the platform gives.
            "id": self._simulation.ids.make(IdKind.CORRELATION, next(self._annotations), 1),
            "type": "hold" if one.reason == "Hold" else "pause",
            "reason": one.reason,
            "location": real - paused,
            "durationMs": lasting,
            "absoluteLocation": real - paused,
            "absoluteDurationMs": lasting,
            "realtimeLocation": real,
            "recordingLocation": real - paused,
            "recordingDurationMs": heard,
        }

    def _restoration_limits(self) -> Json:
        """Deprecated: always 10,000, and no limit is enforced."""
        most = {"maxAllowedRestorationsForOrg": 10_000, "remainingRestorationsAllowedForOrg": 10_000}
        return {"region": "us-east-1"} | most

    def _message_recordings(self, script: Script) -> list[Json]:
        """A digital conversation has a recording too, of its messages: there is nothing to hear."""
        if script.media_type == "voice" or not script.legs:
            return []
        recording = self._simulation.ids.make(IdKind.RECORDING, script.index, script.legs[0].party)
        listed = {"id": recording, "conversationId": script.id, "media": "messaging", "fileState": "AVAILABLE"}
        return [listed | {"startTime": iso(script.began), "endTime": iso(script.ended), "messagingTranscript": []}]


def _requested_format(request: Request) -> str:
    """The format asked for; ``mediaFormats`` overrides ``formatId``."""
    query = request.query_params
    listed = [one for one in query.get("mediaFormats", "").split(",") if one]
    wanted = (listed or [query.get("formatId", "WEBM")])[0]
    if any(one not in FORMATS for one in (wanted, *listed)) or not query.get("maxWaitMs", "0").isdigit():
        raise api_errors.malformed(f"Unknown media format: {wanted}", "invalid.value")
    return wanted
