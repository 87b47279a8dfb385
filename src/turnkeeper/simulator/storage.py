"""The storage port: serves bodies for presigned URLs, or S3's XML errors.

A request with a bearer token is refused and counted, because the client has leaked its token.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from turnkeeper.simulator.bodies import BytesBody, SimulatedBody
from turnkeeper.simulator.clock import iso
from turnkeeper.simulator.delivery import ByteSpan, Delivery, DeliveryOptions, span_of
from turnkeeper.simulator.simulation import Simulation

_MOVED = "/moved"
_HTML = "<!DOCTYPE html><html><body><h1>Please sign in to the proxy</h1></body></html>"
_CUTS = ("cut-body", "cut-body-changed", "no-range")


class Storage:
    """The ASGI application of the storage port."""

    def __init__(self, simulation: Simulation, other_url: str) -> None:
        self._simulation = simulation
        self._other_url = other_url
        self._cut: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            await self._respond(Request(scope))(scope, receive, send)

    def _respond(self, request: Request) -> ASGIApp:
        path, query = request.url.path, dict(request.query_params)
        self._simulation.counts.count("storage")
        refused = self._link_refusal(request, path, query)
        if refused is not None:
            return refused
        if self._simulation.faults.on("redirect") and not path.startswith(_MOVED):
            return RedirectResponse(self._other_url + self._simulation.links.issue(_MOVED + path), 302)
        return self._deliver_document(request, path.removeprefix(_MOVED))

    def _link_refusal(self, request: Request, path: str, query: Mapping[str, str]) -> Response | None:
        links = self._simulation.links
        if "authorization" in request.headers:
            self._simulation.counts.count("authorization_on_storage")
            return _xml_error(400, "InvalidArgument", "Only one auth mechanism allowed")
        if not links.genuine(path, query):
            return _xml_error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        doom = links.doom(query)
        if doom == "gone":
            return Response(status_code=410)
        if doom == "expired-token":
            return _xml_error(400, "ExpiredToken", "The provided token has expired.")
        if links.expired(query):
            return self._expired_link(query)
        return None

    def _expired_link(self, query: Mapping[str, str]) -> Response:
        links, now = self._simulation.links, self._simulation.clock.epoch_ms()
        times = {
            "X-Amz-Expires": query["X-Amz-Expires"],
            "Expires": iso(links.expiry_ms(query)),
            "ServerTime": iso(now),
        }
        return _xml_error(403, "AccessDenied", "Request has expired", times)

    def _deliver_document(self, request: Request, path: str) -> ASGIApp:
        documents, faults = self._simulation.documents, self._simulation.faults
        audio = self._simulation.recordings.body(path)
        if audio is not None:
            return self._deliver_audio(request, path, audio)
        place = documents.place(path)
        if place is None or not documents.ready(place):
            return _xml_error(404, "NoSuchKey", "The specified key does not exist.")
        if faults.spoils("html-body", path):
            return HTMLResponse(_HTML)
        if faults.spoils("empty-body", path):
            return Response(b"", media_type="application/json")
        body = self._body_after_cut(path, documents.body(place))
        encoding = "gzip" if faults.on("gzip") and isinstance(body, BytesBody) else None
        if encoding and isinstance(body, BytesBody):
            body = BytesBody(gzip.compress(body.content, mtime=0))
        ranges = not faults.on("no-range")
        span = span_of(request.headers, body) if ranges else ByteSpan(200, 0, body.size)
        return Delivery(body, span, DeliveryOptions(ranges, self._is_cut(path), faults.on("slow-drip"), encoding))

    def _deliver_audio(self, request: Request, path: str, audio: SimulatedBody) -> ASGIApp:
        """Deliver a recording's file: whole, by range, or cut short."""
        ranges = not self._simulation.faults.on("no-range")
        span = span_of(request.headers, audio) if ranges else ByteSpan(200, 0, audio.size)
        kind = self._simulation.recordings.content_type(path)
        manner = DeliveryOptions(ranges, self._is_cut(path), self._simulation.faults.on("slow-drip"), content_type=kind)
        return Delivery(audio, span, manner)

    def _body_after_cut(self, path: str, body: SimulatedBody) -> SimulatedBody:
        """Return the body. After a cut, cut-body-changed changes it: the same JSON with white space appended."""
        if path in self._cut and self._simulation.faults.on("cut-body-changed") and isinstance(body, BytesBody):
            return BytesBody(body.content + b"\n")
        return body

    def _is_cut(self, path: str) -> bool:
        # Evaluate all of them, because each one counts this delivery.
        struck = [fault for fault in _CUTS if self._simulation.faults.strikes(fault, path)]
        if struck:
            self._cut.add(path)
        return bool(struck)


def _xml_error(status: int, code: str, message: str, more: Mapping[str, str] | None = None) -> Response:
    inner = {"Code": code, "Message": message} | dict(more or {})
    inner |= {"RequestId": "SIMULATED0000001", "HostId": "c2ltdWxhdGVk"}
    elements = "".join(f"<{name}>{value}</{name}>" for name, value in inner.items())
    content = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{elements}</Error>'
    return Response(content, status, media_type="application/xml")
