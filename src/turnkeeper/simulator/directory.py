"""The endpoints for users, queues, wrap-up codes, organisation, token, scopes and limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from turnkeeper.simulator import api_errors
from turnkeeper.simulator.people import NamedEntity
from turnkeeper.simulator.simulation import Simulation

Json = dict[str, Any]

_SCOPES = ("analytics:readonly", "conversations:readonly", "recordings:readonly", "speech-and-text-analytics:readonly")
_PERMISSIONS = {
    "users": "directory:user:view",
    "queues": "routing:queue:view",
    "wrapupcodes": "routing:wrapupCode:view",
}


class EntityEndpoint:
    """One kind of entity: a paged list and a read by id."""

    def __init__(self, simulation: Simulation, home: str, entities: Sequence[NamedEntity]) -> None:
        self._simulation = simulation
        self._home = home
        self._entities = entities
        self._permission = _PERMISSIONS[home.rpartition("/")[2]]

    def routes(self) -> list[Route]:
        """The list and the single entity."""
        return [Route(self._home, self.list), Route(self._home + "/{id}", self.single)]

    async def list(self, request: Request) -> Response:
        """GET: a page of all entities, or of those with the given ids."""
        self._check_permission()
        query = request.query_params
        wanted = [one for text in query.getlist("id") for one in text.split(",") if one]
        found = [entity for entity in self._entities if not wanted or entity.id in wanted]
        try:
            size, number = int(query.get("pageSize", "25")), int(query.get("pageNumber", "1"))
        except ValueError:
            raise api_errors.malformed("pageSize and pageNumber must be numbers.", "invalid.value") from None
        if not 1 <= size <= 500 or number < 1:
            raise api_errors.malformed("pageSize must be between 1 and 500.", "invalid.value")
        page = found[(number - 1) * size : number * size]
        counts = {"pageSize": size, "pageNumber": number, "total": len(found), "pageCount": -(-len(found) // size)}
        return JSONResponse({"entities": [self._entity_json(entity) for entity in page]} | counts)

    async def single(self, request: Request) -> Response:
        """GET: one entity."""
        self._check_permission()
        wanted = request.path_params["id"]
        for entity in self._entities:
            if entity.id == wanted:
                return JSONResponse(self._entity_json(entity))
        raise api_errors.missing(wanted)

    def _check_permission(self) -> None:
        if self._simulation.faults.on("denied-users"):
            raise api_errors.denied(self._permission)

    def _entity_json(self, entity: NamedEntity) -> Json:
        division = self._simulation.people.division
        fields: Json = {"id": entity.id, "name": entity.name, "selfUri": f"{self._home}/{entity.id}"}
        fields["division"] = {"id": division.id, "name": division.name}
        if self._home.endswith("users"):
            fields |= {"state": "active", "version": 3}
        return fields


class DirectoryEndpoint:
    """All of these endpoints of one simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        people, calls = simulation.people, simulation.samples
        self._listings = [
            EntityEndpoint(simulation, "/api/v2/users", (*people.users, *(calls.users if calls else ()))),
            EntityEndpoint(simulation, "/api/v2/routing/queues", (*people.queues, *(calls.queues if calls else ()))),
            EntityEndpoint(simulation, "/api/v2/routing/wrapupcodes", people.wrapups),
        ]

    def routes(self) -> list[Route]:
        """The lists of entities, and the endpoints about token and organisation."""
        limits = "/api/v2/organizations/limits/namespaces/{namespace}"
        return [
            *(route for listing in self._listings for route in listing.routes()),
            Route("/api/v2/tokens/me", self.me),
            Route("/api/v2/organizations/me", self.organization),
            Route("/api/v2/oauth/scopes", self.scopes),
            Route(limits, self.limits),
            Route(limits + "/defaults", self.limits),
        ]

    async def me(self, _: Request) -> Response:
        """GET: the token's client and organisation."""
        organization = self._simulation.people.organization
        client = {"id": self._simulation.tokens.client_id, "name": "turnkeeper simulator"}
        return JSONResponse({"organization": {"id": organization.id, "name": organization.name}, "OAuthClient": client})

    async def organization(self, _: Request) -> Response:
        """GET: the organisation."""
        organization = self._simulation.people.organization
        more = {"thirdPartyOrgName": "harbourlane", "defaultLanguage": "en-US", "selfUri": "/api/v2/organizations/me"}
        return JSONResponse({"id": organization.id, "name": organization.name, "state": "active"} | more)

    async def scopes(self, _: Request) -> Response:
        """GET: the scopes there are."""
        entities = [{"id": scope, "description": scope} for scope in _SCOPES]
        return JSONResponse({"entities": entities, "total": len(entities), "pageSize": 25, "pageNumber": 1})

    async def limits(self, request: Request) -> Response:
        """GET: the limits of a namespace."""
        namespace = request.path_params["namespace"]
        if namespace != "client.credentials":
            raise api_errors.missing(namespace)
        limit = {"namespace": namespace, "key": "client.credentials.token.rate.per.minute"}
        entities = [limit | {"value": self._simulation.rate_limit}]
        return JSONResponse({"entities": entities, "total": 1, "pageSize": 25, "pageNumber": 1, "pageCount": 1})
