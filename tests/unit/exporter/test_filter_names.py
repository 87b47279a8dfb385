"""Names in filters, looked up in a directory that is a function."""

from __future__ import annotations

import json
from collections.abc import Mapping

import httpx2
import pytest

from turnkeeper.clock import ManualClock
from turnkeeper.errors import Misconfigured
from turnkeeper.events import Event
from turnkeeper.exporter.filter_names import resolve_names
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.filters import Filters
from turnkeeper.settings import PlatformSettings

pytestmark = pytest.mark.anyio
GONE = "6a5b4c3d-0000-4111-8222-333344445555"
QUEUES = {"q-1": "Billing", "q-2": "Billing Overflow", "q-3": "Rückfragen / EU", "q-4": "Twice", "q-5": "twice"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def door(names: Mapping[str, str] | None) -> Genesys:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/oauth/token":
            return httpx2.Response(200, json={"access_token": "t", "expires_in": 86_399})
        if names is None:
            return httpx2.Response(403, json={"code": "missing.permissions", "message": "no"})
        entities = [{"id": key, "name": name} for key, name in names.items()]
        return httpx2.Response(200, content=json.dumps({"entities": entities, "pageCount": 1}).encode())

    settings = PlatformSettings(client_id="id", client_secret="hush", region="us-east-1")
    return Genesys(settings, transport=httpx2.MockTransport(answer), clock=ManualClock())


async def ids(*queues: str, names: Mapping[str, str] | None = QUEUES) -> tuple[str, ...]:
    heard: list[Event] = []
    async with door(names) as platform:
        return (await resolve_names(platform, Filters.from_options(queues=queues), heard.append)).queues


async def test_a_name_is_looked_up() -> None:
    """K1: --queue Billing (a name)."""
    assert await ids("Billing") == ("q-1",)
    assert await ids("rückfragen / eu", "q-2") == ("q-2", "q-3")


async def test_a_name_that_nobody_has_is_refused_with_the_near_ones() -> None:
    """K1: --queue with a name that selects nothing."""
    with pytest.raises(Misconfigured, match=r"no queue has the name or id 'Biling'.*'Billing'"):
        await ids("Biling")
    with pytest.raises(Misconfigured, match=r"2 have the name 'TWICE'.*q-4, q-5"):
        await ids("TWICE")


async def test_a_deleted_queue_is_taken_by_its_id_and_noted() -> None:
    heard: list[Event] = []
    async with door(QUEUES) as platform:
        found = await resolve_names(platform, Filters.from_options(queues=[GONE]), heard.append)
    assert found.queues == (GONE,)
    assert any("deleted, or the id is mistyped" in getattr(one, "note", "") for one in heard)


async def test_without_the_directory_only_ids_are_taken() -> None:
    """K1: a name that cannot be looked up selects nothing silently."""
    assert await ids(GONE, names=None) == (GONE,)
    with pytest.raises(Misconfigured, match="cannot be looked up"):
        await ids("Billing", names=None)


async def test_users_too_and_divisions_by_id_alone() -> None:
    async with door({"u-1": "Ann Ko"}) as platform:
        found = await resolve_names(platform, Filters.from_options(users=["ann ko"], divisions=[GONE]), lambda _: None)
        assert (found.users, found.divisions) == (("u-1",), (GONE,))
        with pytest.raises(Misconfigured, match="no division's id"):
            await resolve_names(platform, Filters.from_options(divisions=["Home"]), lambda _: None)
