"""The endpoints for transcripts in both dialects: transcripturl(s), and the media document."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from turnkeeper.simulator import api_errors, media
from turnkeeper.simulator.document_store import DocumentPlace
from turnkeeper.simulator.ids import IdKind
from turnkeeper.simulator.script import Script
from turnkeeper.simulator.simulation import Simulation

_STA = "/api/v2/speechandtextanalytics/conversations/{conversation}"
_PERMISSIONS = ("recording:recording:view", "speechAndTextAnalytics:data:view")
_LINK_FAULTS = (("expired-link", "expired"), ("expired-token-link", "expired-token"), ("gone-link", "gone"))


class TranscriptEndpoint:
    """Transcript endpoints of one simulation; links point at its storage port."""

    def __init__(self, simulation: Simulation, storage_url: str) -> None:
        self._simulation = simulation
        self._storage_url = storage_url

    def routes(self) -> list[Route]:
        """Speech and media."""
        leg = _STA + "/communications/{communication}"
        return [
            Route(leg + "/transcripturl", self.url),
            Route(leg + "/transcripturls", self.urls),
            Route(_STA, self.metrics),
            Route(_STA + "/summaries", self.insights),
            Route(_STA + "/sentiments", self.insights),
            Route(media.address("{conversation}"), self.media),
        ]

    async def url(self, request: Request) -> Response:
        """One presigned URL."""
        return JSONResponse({"url": self._presigned_link(self._find_speech(request))})

    async def urls(self, request: Request) -> Response:
        """One presigned URL per recording segment of one communication."""
        place = self._find_speech(request)
        script = place.script
        recording = self._simulation.ids.make(IdKind.RECORDING, script.index, script.legs[place.leg or 0].party)
        home = f"/api/v2/conversations/{script.id}"
        segment = {
            "recording": {"id": recording, "selfUri": f"{home}/recordings/{recording}"},
            "url": self._presigned_link(place),
        }
        return JSONResponse(
            {
                "conversation": {"id": script.id, "selfUri": home},
                "communicationId": request.path_params["communication"],
                "urls": [segment],
            }
        )

    async def insights(self, request: Request) -> Response:
        """Summaries and reasons of sentiments. There are none, which the platform answers with 404."""
        raise api_errors.missing(self._find_script(request).id)

    async def metrics(self, request: Request) -> Response:
        """Conversation-level results."""
        script = self._find_script(request)
        shares = {
            "agentDurationPercentage": 42.0,
            "customerDurationPercentage": 38.5,
            "silenceDurationPercentage": 12.0,
        }
        return JSONResponse(
            {
                "conversation": {"id": script.id, "selfUri": f"/api/v2/conversations/{script.id}"},
                "sentimentScore": float(script.index * 17 % 200 - 100),
                "sentimentTrendClass": "NoChange",
                "participantMetrics": shares | {"overtalkCount": script.index % 4},
            }
        )

    async def media(self, request: Request) -> Response:
        """The media document: inline, by link, or not yet."""
        faults = self._simulation.faults
        if faults.on("media-missing"):
            raise api_errors.missing()
        script = self._find_script(request)
        status = self._media_status(script)
        if status != "completed":
            return _json_response(media.head(script, status))
        place = DocumentPlace(script)
        if faults.on("bearer-leak-bait"):
            return RedirectResponse(self._presigned_link(place), 302)
        if faults.strikes("empty-first", script.id):
            return _json_response(media.head(script) | {"participants": media.participants(script), "transcript": []})
        return self._media_response(place)

    def _media_response(self, place: DocumentPlace) -> Response:
        script, documents = place.script, self._simulation.documents
        giant = self._simulation.giant
        if self._simulation.faults.on("legacy") and (giant is None or giant.script.index != script.index):
            return _raw_response(documents.spoiled(place, media.legacy(script)))
        if documents.linked(script):
            return _json_response(media.head(script) | {"downloadUrl": self._presigned_link(place)})
        return _raw_response(documents.spoiled(place, media.document(script)))

    def _media_status(self, script: Script) -> str:
        """Return the status of the media document, by the clock or by the number of requests."""
        faults, clock = self._simulation.faults, self._simulation.clock
        if faults.on("forever-processing"):
            return "processing"
        asked = faults.nth("not-ready", script.id)
        if 1 <= asked <= faults.argument("not-ready", 2):
            return "queued" if asked == 1 else "processing"
        left = self._simulation.documents.ready_at(DocumentPlace(script)) - clock.epoch_ms()
        if left <= 0:
            return "completed"
        return "queued" if left > script.variant.lateness_ms // 2 else "processing"

    def _find_speech(self, request: Request) -> DocumentPlace:
        """The document a speech request means, once it is ready."""
        faults = self._simulation.faults
        if faults.on("speech-missing"):
            raise api_errors.missing()
        communication = request.path_params["communication"]
        script = self._find_script(request)
        leg = script.leg_of(communication)
        if leg is None or faults.on("forever-processing"):
            raise api_errors.missing(communication)
        place = DocumentPlace(script, leg)
        if not self._simulation.documents.ready(place) or faults.strikes("not-ready", communication, default=2):
            raise api_errors.missing(communication)
        return place

    def _find_script(self, request: Request) -> Script:
        if self._simulation.faults.on("denied"):
            raise api_errors.denied(*_PERMISSIONS)
        conversation = request.path_params["conversation"]
        script = self._simulation.find(conversation)
        if script is None or not script.legs:
            raise api_errors.missing(conversation)
        return script

    def _presigned_link(self, place: DocumentPlace) -> str:
        path = self._simulation.documents.path(place)
        return self._storage_url + self._simulation.links.issue(path, self._link_fault(path))

    def _link_fault(self, path: str) -> str | None:
        faults = self._simulation.faults
        if faults.on("dead-link"):
            return "expired"
        return next((doom for fault, doom in _LINK_FAULTS if faults.strikes(fault, path)), None)


def _json_response(document: Any) -> Response:
    return JSONResponse(document)


def _raw_response(content: bytes) -> Response:
    # Not a JSON response, because some of these bytes are corrupt on purpose.
    return Response(content, media_type="application/json")
