"""The token endpoint, under both of its addresses."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from turnkeeper.simulator.simulation import Simulation
from turnkeeper.simulator.tokens import OAuthRefusal, wrong_secret


class Login:
    """Hands out tokens."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def routes(self) -> list[Route]:
        """Single-host and gateway addresses."""
        return [Route(path, self.token, methods=["POST"]) for path in ("/oauth/token", "/login/oauth/token")]

    async def token(self, request: Request) -> Response:
        """POST: client credentials, by secret or by signed assertion."""
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        base = str(request.base_url).rstrip("/")
        audiences = (base, f"{base}/", f"{base}/oauth/token", f"{base}/login/oauth/token")
        try:
            if self._simulation.faults.on("wrong-region"):
                raise wrong_secret()
            grant = self._simulation.tokens.grant(request.headers.get("authorization", ""), form, audiences)
        except OAuthRefusal as refused:
            return JSONResponse(refused.body, refused.status)
        return JSONResponse(grant, headers={"Cache-Control": "no-store"})
