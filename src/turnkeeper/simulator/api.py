"""The two ASGI applications: the API port with all endpoints, and the storage port."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from turnkeeper.simulator import api_errors
from turnkeeper.simulator.analytics import AnalyticsEndpoint
from turnkeeper.simulator.api_errors import ApiError
from turnkeeper.simulator.batches import BatchEndpoint
from turnkeeper.simulator.control import Control
from turnkeeper.simulator.directory import DirectoryEndpoint
from turnkeeper.simulator.login import Login
from turnkeeper.simulator.middleware import AccessMiddleware, DateMiddleware
from turnkeeper.simulator.recordings import RecordingEndpoint
from turnkeeper.simulator.search import SearchEndpoint
from turnkeeper.simulator.simulation import Simulation
from turnkeeper.simulator.storage import Storage
from turnkeeper.simulator.transcripts import TranscriptEndpoint


def api_app(simulation: Simulation, storage_url: str) -> ASGIApp:
    """Return the application of the API port. Its links point to ``storage_url``."""
    recordings = RecordingEndpoint(simulation, storage_url)
    endpoints = (
        Login(simulation),
        Control(simulation),
        AnalyticsEndpoint(simulation),
        TranscriptEndpoint(simulation, storage_url),
        recordings,
        BatchEndpoint(simulation, recordings),
        DirectoryEndpoint(simulation),
        SearchEndpoint(simulation),
    )
    routes = [route for endpoint in endpoints for route in endpoint.routes()]
    app = Starlette(routes=routes, exception_handlers={ApiError: _refusal_response, 404: _not_found, 405: _not_allowed})
    return DateMiddleware(AccessMiddleware(app, simulation), simulation, "api")


def storage_app(simulation: Simulation, other_url: str) -> ASGIApp:
    """Return the application of the storage port. ``other_url`` is the same port under another host name."""
    return DateMiddleware(Storage(simulation, other_url), simulation, "storage")


async def _refusal_response(request: Request, refusal: Exception) -> Response:
    if not isinstance(refusal, ApiError):
        raise refusal
    return refusal.response(request.scope.get("correlation", ""))


async def _not_found(request: Request, _: Exception) -> Response:
    return await _refusal_response(request, api_errors.missing())


async def _not_allowed(request: Request, _: Exception) -> Response:
    return await _refusal_response(
        request, ApiError(405, "method.not.allowed", "The method is not allowed on this resource.")
    )
