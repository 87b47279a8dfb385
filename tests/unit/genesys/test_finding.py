"""Finding conversations where the platform is odd: pages that slide, elements that cannot be read, hostile ids."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from turnkeeper.clock import ManualClock
from turnkeeper.errors import Denied, Misconfigured, Unavailable
from turnkeeper.events import Noted
from turnkeeper.exporter.discovery import Discovered, Unknown, discover, discover_ids
from turnkeeper.exporter.windows import By
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval

pytestmark = pytest.mark.anyio
DAY = Interval(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))
SEARCH, QUERY, JOBS = "/transcripts/search", "/details/query", "/details/jobs"


def call(number: int, **more: Any) -> dict[str, Any]:
    start = DAY.start + timedelta(minutes=number)
    return {"conversationId": f"c-{number}", "conversationStart": start.isoformat(), "participants": []} | more


def page(found: list[dict[str, Any]], **more: Any) -> httpx2.Response:
    return httpx2.Response(200, json={"conversations": found} | more)


def refused(status: int) -> httpx2.Response:
    return httpx2.Response(status, json={"code": "some.code", "message": "no", "status": status})


class Finding:
    """A platform whose query gives the pages it is told to."""

    def __init__(self, *pages: httpx2.Response) -> None:
        self.pages = list(pages)
        self.rows: list[Any] = []
        self.total = 0
        self.search = 404

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if not request.url.path.endswith(SEARCH):
            return self.pages.pop(0)
        if self.search != 200:
            return refused(self.search)
        return httpx2.Response(200, json={"total": self.total, "results": self.rows.pop(0)})


async def all_of(world: Any, wanted: Filters | None = None, by: By = "auto") -> list[Discovered]:
    found = discover(world.door, DAY, wanted or Filters(), by=by, clock=world.clock, listener=world.events.append)
    return [one async for one in found]


Make = Callable[..., Any]


async def test_a_conversation_that_slides_to_the_next_page_comes_once(world: Make) -> None:
    first = [call(n) for n in range(100)]
    other_end = page([call(n) for n in range(101, 1, -1)], totalHits=102)
    here = world(Finding(page(first, totalHits=101), page([call(99), call(100)], totalHits=102), other_end))
    assert [one.conversation for one in await all_of(here)] == [f"c-{n}" for n in range(102)]


async def test_without_a_total_a_short_page_is_the_last(world: Make) -> None:
    here = world(Finding(page([call(n) for n in range(100)]), page([])))
    assert len(await all_of(here)) == 100
    assert len(here.asked(QUERY)) == 2


@pytest.mark.parametrize("nothing", [{"totalHits": 0}, {"conversations": None, "totalHits": 0}, {"conversations": []}])
async def test_nothing_is_said_in_many_ways(world: Make, nothing: dict[str, Any]) -> None:
    here = world(Finding(httpx2.Response(200, json=nothing)))
    assert await all_of(here) == []


async def test_an_element_that_cannot_be_read_is_still_a_conversation(world: Make) -> None:
    here = world(Finding(page([call(1, participants="none"), call(2)])))
    odd, plain = await all_of(here)
    assert (odd.conversation, plain.conversation) == ("c-1", "c-2")
    assert json.loads(odd.body)["participants"] == "none"


async def test_the_bytes_are_the_elements_own(world: Make) -> None:
    body = b'{ "conversations" :[ {"conversationId":"c-1",  "x":1.50,"conversationStart":"2026-11-01T01:00:00Z"} ]}'
    here = world(Finding(httpx2.Response(200, content=body)))
    (one,) = await all_of(here)
    assert one.body == b'{"conversationId":"c-1",  "x":1.50,"conversationStart":"2026-11-01T01:00:00Z"}'


async def test_the_body_of_a_query_names_every_filter(world: Make) -> None:
    here = world(Finding(page([])))
    wanted = Filters.from_options(queues=["q2", "q1"], media_types=["Voice"], directions=["inbound"], divisions=["d"])
    await all_of(here, wanted)
    asked = json.loads(here.asked(QUERY)[0].content)
    assert asked["interval"] == "2026-11-01T00:00:00.000Z/2026-11-02T00:00:00.000Z"
    assert asked["paging"] == {"pageSize": 100, "pageNumber": 1}
    values = [
        [(one["dimension"], one["value"]) for one in block["predicates"]]
        for block in asked["segmentFilters"] + asked["conversationFilters"]
    ]
    assert values == [
        [("queueId", "q1"), ("queueId", "q2")],
        [("mediaType", "voice")],
        [("originatingDirection", "inbound")],
        [("divisionId", "d")],
    ]


@pytest.mark.parametrize(
    "bad", [{"queues": ["a\x00b"]}, {"media_types": ["fax"]}, {"directions": ["sideways"]}, {"users": [""]}]
)
def test_a_filter_that_means_nothing_is_refused(bad: dict[str, list[str]]) -> None:
    with pytest.raises(Misconfigured):
        Filters.from_options(**bad)


async def test_a_gateway_without_the_query_says_what_to_do(world: Make) -> None:
    with pytest.raises(Misconfigured, match=r"--ids"):
        await all_of(world(Finding(refused(404))))


async def test_a_listing_with_a_hole_is_not_believed(world: Make) -> None:
    finding = Finding(page([call(1), call(2)]))
    finding.search, finding.total = 200, 2
    # The platform counts two pairs and shows one of them twice.
    finding.rows = [[{"conversationId": "c-1", "communicationId": "x"}] * 2]
    assert [one.listed for one in await all_of(world(finding))] == [None, None]


async def test_a_search_that_costs_more_than_it_saves_is_left_alone(world: Make) -> None:
    finding = Finding(page([call(1), call(1400)]))
    finding.search, finding.total, finding.rows = 200, 5000, [[]]
    here = world(finding)
    assert [one.listed for one in await all_of(here)] == [None, None]
    assert len(here.asked(SEARCH)) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 501])
async def test_a_search_that_is_refused_is_done_without(world: Make, status: int) -> None:
    finding = Finding(page([call(1)]))
    finding.search = status
    here = world(finding)
    assert [one.listed for one in await all_of(here)] == [None]


async def test_a_search_that_is_down_is_left_alone_for_ten_minutes(world: Make) -> None:
    finding = Finding(*(page([call(1)]) for _ in range(3)))
    finding.search = 503
    here = world(finding)
    assert [one.listed for one in await all_of(here)] == [None]
    asked = len(here.asked(SEARCH))
    assert [one.listed for one in await all_of(here)] == [None]
    assert len(here.asked(SEARCH)) == asked
    assert sum("does not answer" in event.note for event in here.events if isinstance(event, Noted)) == 1
    here.clock.advance(600)
    finding.search, finding.total = 200, 1
    finding.rows = [[{"conversationId": "c-1", "communicationId": "x"}]]
    assert [one.listed for one in await all_of(here)] == [frozenset({"x"})]


async def test_one_id_that_the_platform_refuses_does_not_cost_the_others(world: Make) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith(SEARCH):
            return refused(404)
        ids = request.url.params["id"].split(",")
        return refused(400) if "odd" in ids else page([call(int(one.removeprefix("c-"))) for one in ids])

    here = world(answer)
    ids = [f"c-{n}" for n in range(8)]
    found = [one async for one in discover_ids(here.door, [*ids[:3], "odd", *ids[3:]])]
    assert [one.conversation for one in found] == [*ids[:3], "odd", *ids[3:]]
    assert [one for one in found if isinstance(one, Unknown)] == [Unknown("odd")]


async def test_a_gateway_without_analytics_knows_no_id(world: Make) -> None:
    here = world(lambda _: refused(404))
    assert [one async for one in discover_ids(here.door, ["a", "b", "a"])] == [Unknown("a"), Unknown("b")]


async def test_a_permission_for_ids_that_is_missing_is_named(world: Make) -> None:
    here = world(lambda _: refused(403))
    with pytest.raises(Denied, match="analytics:conversationDetail:view"):
        await anext(discover_ids(here.door, ["a"]))


class Lake:
    """Jobs: their states in turn, then their pages."""

    def __init__(self, states: list[str], pages: list[httpx2.Response], job: str = "job-1") -> None:
        self.states, self.pages, self.job = states, pages, job
        self.deleted = 0

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if path.endswith("/availability"):
            return httpx2.Response(200, json={"dataAvailabilityDate": "2026-11-20T00:00:00Z"})
        if request.method == "DELETE":
            self.deleted += 1
            return httpx2.Response(204)
        if request.method == "POST":
            return httpx2.Response(202, json={"jobId": self.job}) if JOBS in path else refused(404)
        return (
            self.pages.pop(0) if path.endswith("/results") else httpx2.Response(200, json={"state": self.states.pop(0)})
        )


async def test_a_job_is_waited_for_ever_more_rarely_and_read_by_cursor(world: Make, clock: ManualClock) -> None:
    known = {"dataAvailabilityDate": "2026-11-20T00:00:00Z"}
    pages = [page([call(1)], cursor="next page", **known), page([call(1), call(2)], **known)]
    here = world(Lake(["QUEUED"] + ["PENDING"] * 6 + ["FULFILLED"], pages))
    assert [one.conversation for one in await all_of(here, by="jobs")] == ["c-1", "c-2"]
    assert clock.slept == [1, 2, 4, 8, 16, 30, 30]
    assert here.asked("/results")[1].url.params["cursor"] == "next page"


async def test_a_job_that_lasts_too_long_is_cancelled_and_said(world: Make) -> None:
    lake = Lake(["PENDING"] * 200, [])
    with pytest.raises(Unavailable, match="still PENDING after an hour"):
        await all_of(world(lake), by="jobs")
    assert lake.deleted == 1


@pytest.mark.parametrize("job", ["", "../../users", "a?b"])
async def test_a_job_with_a_hostile_id_becomes_no_address(world: Make, job: str) -> None:
    here = world(Lake([], [], job))
    with pytest.raises(Unavailable, match="names no job"):
        await all_of(here, by="jobs")


async def test_jobs_that_may_not_be_used_are_said_only_to_who_asked_for_them(world: Make) -> None:
    with pytest.raises(Denied, match="analytics:conversationDetail:view"):
        await all_of(world(lambda _: refused(403)), by="jobs")
    with pytest.raises(Misconfigured, match=r"--by jobs"):
        await all_of(world(lambda _: refused(404)), by="jobs")


async def test_a_directory_is_read_to_its_end_and_its_document_holds_names_only(world: Make) -> None:
    people = [{"id": f"u-{n:03}", "name": f"Person {n}", "email": f"p{n}@example.org"} for n in range(250)]
    order = [people[::-1], people]

    def answer(request: httpx2.Request) -> httpx2.Response:
        number = int(request.url.params["pageNumber"])
        assert request.url.params["state"] == "any"
        listed = order[0][(number - 1) * 100 : number * 100]
        return httpx2.Response(200, json={"entities": listed, "pageCount": 3})

    here = world(answer)
    first = await here.door.directory("users")
    assert (len(first.names), first.names["u-007"], len(here.asked("/users"))) == (250, "Person 7", 3)
    assert b"example.org" not in first.body
    here.clock.advance(86_400)
    order.pop(0)
    # Another order, and another address of somebody: the same names, the same bytes.
    people[0]["email"] = "moved@example.org"
    assert (await here.door.directory("users")).body == first.body
    assert len(here.asked("/users")) == 6
