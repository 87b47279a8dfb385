"""What proves a listing: the shape of each answer, and the platform's own total held against what came."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from turnkeeper.errors import Unavailable
from turnkeeper.events import Noted
from turnkeeper.exporter.discovery import ListingResult, Unknown, discover_ids, discover_window, planned
from turnkeeper.exporter.windows import Window
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval

pytestmark = pytest.mark.anyio
DAY = Interval(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))
World = Any
Make = Callable[..., World]
NO_PROOF = [{}, {"status": "maintenance"}, {"conversations": None}, {"conversations": {}}, [], None, {"totalHits": 250}]
KNOWN = {"dataAvailabilityDate": "2026-11-20T00:00:00Z"}


def call(number: int, **more: Any) -> dict[str, Any]:
    start = DAY.start + timedelta(minutes=number)
    return {"conversationId": f"c-{number}", "conversationStart": start.isoformat(), "participants": []} | more


def json_of(value: Any, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, json=value)


class Day:
    """A platform with a day of calls; ``spoil`` may replace the page of a number and direction."""

    def __init__(
        self, calls: list[dict[str, Any]], spoil: Callable[[int, bool, Any], Any] = lambda *three: three[2]
    ) -> None:
        self.calls, self.spoil = calls, spoil

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if not request.url.path.endswith("/details/query"):
            return json_of({"code": "not.found", "message": "no"}, 404)
        asked = json.loads(request.content)
        number, descending = asked["paging"]["pageNumber"], asked["order"] == "desc"
        ordered = self.calls[::-1] if descending else self.calls
        listed = ordered[(number - 1) * 100 : number * 100]
        page = {"totalHits": len(self.calls)} | ({"conversations": listed} if listed else {})
        answer = self.spoil(number, descending, page)
        return answer if isinstance(answer, httpx2.Response) else json_of(answer)


async def listed(here: World, by: str = "query") -> tuple[list[str], ListingResult]:
    result = ListingResult()
    window = Window(DAY, by, settled=True)  # type: ignore[arg-type]
    found = discover_window(here.door, window, Filters(), listener=here.events.append, result=result)
    return [one.conversation async for one in found], result


def notes(here: World) -> list[str]:
    return [event.note for event in here.events if isinstance(event, Noted)]


async def test_a_whole_day_is_proven(world: Make) -> None:
    found, result = await listed(world(Day([call(n) for n in range(250)])))
    assert (len(found), result.distinct, result.missing, result.proven) == (250, 250, 0, True)


async def test_an_empty_day_is_proven_by_its_total(world: Make) -> None:
    found, result = await listed(world(Day([])))
    assert (found, result.proven) == ([], True)


@pytest.mark.parametrize("answer", NO_PROOF, ids=str)
async def test_an_answer_without_its_shape_is_asked_again_and_then_an_error(world: Make, answer: Any) -> None:
    """K8: the details query answers 200 with any JSON object that has no ``conversations``."""
    here = world(lambda _: json_of(answer))
    result = ListingResult()
    with pytest.raises(Unavailable, match=r"attempts .*maintenance"):
        async for _ in discover_window(here.door, Window(DAY, "query", settled=True), Filters(), result=result):
            pass
    assert not result.proven
    assert len(here.asked("/details/query")) == 8


async def test_a_maintenance_answer_that_passes_costs_nothing(world: Make) -> None:
    """K8: the same for a moment."""
    answers: list[Any] = [{}, {"status": "maintenance"}]
    here = world(Day([call(1)], lambda *three: answers.pop() if answers else three[2]))
    assert await listed(here) == (["c-1"], ListingResult(distinct=1, ended=True))


@pytest.mark.parametrize("status", [202, 206, 204])
async def test_another_success_is_no_page(world: Make, status: int) -> None:
    """K8: a 202 or 206 with an empty page."""
    here = world(Day([call(1)], lambda *_: json_of({"conversations": [], "totalHits": 0}, status)))
    with pytest.raises(Unavailable, match=str(status)):
        await listed(here)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_post_never_becomes_a_get_elsewhere(world: Make, status: int) -> None:
    """K8: a POST redirected to another origin that answers JSON."""
    away = httpx2.Response(status, headers={"Location": "https://elsewhere.example/page?sig=secret"})
    here = world(Day([], lambda *_: away))
    with pytest.raises(
        Unavailable, match=r"redirected to https://elsewhere.example/page\b|answered with 303"
    ) as caught:
        await listed(here)
    assert not here.asked("elsewhere.example")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("second", NO_PROOF, ids=str)
async def test_a_second_page_that_is_none_leaves_the_window_open(world: Make, second: Any) -> None:
    """K8: page 1 says 250, page 2 is ``{}``."""
    here = world(Day([call(n) for n in range(250)], lambda number, _, page: second if number == 2 else page))
    with pytest.raises(Unavailable):
        await listed(here)


@pytest.mark.parametrize("second", [{"conversations": []}, {"totalHits": 0}, {"conversations": [], "totalHits": 100}])
async def test_pages_that_hold_fewer_than_the_total_prove_nothing(world: Make, second: Any) -> None:
    """K8: ``totalHits`` of every page is held against what came."""
    here = world(Day([call(n) for n in range(250)], lambda number, down, page: page if number == 1 else second))
    found, result = await listed(here)
    assert len(found) == 200  # the first hundred from either end
    assert (result.missing, result.proven) == (50, False)
    assert "250 conversations" in notes(here)[-1]
    assert "gave 200" in notes(here)[-1]


async def test_a_page_that_comes_short_does_not_end_the_listing(world: Make) -> None:
    """K8: page 1 comes one short, as where one of a page may not be seen; the other end has it."""

    def short(number: int, down: bool, page: Any) -> Any:
        first = number == 1 and not down
        return page | {"conversations": page["conversations"][:37] + page["conversations"][38:]} if first else page

    found, result = await listed(world(Day([call(n) for n in range(300)], short)))
    assert (len(found), result.proven) == (300, True)


async def test_one_that_is_never_shown_leaves_the_day_open_and_is_said(world: Make) -> None:
    """K8: the sum of the distinct conversations is less than ``totalHits``."""

    def hidden(number: int, down: bool, page: Any) -> Any:
        return page | {"conversations": [one for one in page["conversations"] if one["conversationId"] != "c-7"]}

    here = world(Day([call(n) for n in range(120)], hidden))
    found, result = await listed(here)
    assert (len(found), result.missing, result.proven) == (119, 1, False)
    assert "stays open" in notes(here)[-1]


async def test_duplicates_are_counted_once(world: Make) -> None:
    """K8: a page that repeats one conversation hides another."""

    def twice(number: int, down: bool, page: Any) -> Any:
        return page | {"conversations": [*page["conversations"][:-1], page["conversations"][0]]}

    found, result = await listed(world(Day([call(n) for n in range(3)], twice)))
    assert (sorted(found), result.proven) == (["c-0", "c-1", "c-2"], True)


async def test_the_same_page_again_is_no_progress(world: Make) -> None:
    """K2: a page that repeats."""
    calls = [call(n) for n in range(300)]
    here = world(Day(calls, lambda number, down, page: page | {"conversations": calls[:100]}))
    with pytest.raises(Unavailable, match="same page"):
        await listed(here)
    assert len(here.asked("/details/query")) == 2


async def test_a_total_that_grows_is_followed(world: Make) -> None:
    calls = [call(n) for n in range(100)]

    def grow(number: int, down: bool, page: Any) -> Any:
        calls.extend(call(n) for n in range(len(calls), min(len(calls) + 60, 220)))
        return page | {"totalHits": len(calls)}

    found, result = await listed(world(Day(calls, grow)))
    assert (len(found), result.proven) == (220, True)


@pytest.mark.parametrize("total", ["250", -1, 2.5, 10**30, True, [250]], ids=str)
async def test_a_total_that_cannot_be_is_as_if_absent(world: Make, total: Any) -> None:
    """K8: a value that cannot be is as if absent."""
    found, result = await listed(world(lambda _: json_of({"conversations": [call(1)], "totalHits": total})))
    assert (found, result.proven) == (["c-1"], True)


ODD_IDS = ["../x", "a/b", "nul\0", "x" * 100_000, "", "..", "a..b", "é", None, ["a"]]


@pytest.mark.parametrize("odd", ODD_IDS, ids=lambda odd: repr(odd)[:12])
async def test_one_conversation_whose_id_is_none_is_refused_and_the_rest_go_on(world: Make, odd: Any) -> None:
    """K8: one conversation whose id is no id among 300."""
    calls = [call(n) for n in range(300)]
    calls[150] = call(150, conversationId=odd)
    here = world(Day(calls))
    found, result = await listed(here)
    assert len(found) == 299
    assert (result.distinct, result.missing, len(result.rejected), result.proven) == (300, 0, 1, False)
    said = [note for note in notes(here) if "refused" in note]
    assert len(said) == 1
    assert len(said[0]) < 250
    assert "\0" not in said[0]


@pytest.mark.parametrize("field", ["participantName", "note", "conversationId"])
@pytest.mark.parametrize("half", ["\\ud800", "x\\udfffy", "\\uD83D"])
async def test_half_a_character_in_a_page_costs_that_character(world: Make, field: str, half: str) -> None:
    """K8: one lone surrogate in one participantName: nothing archived, every run."""
    odd = call(2, participants=[{"participantId": "p", field: "HALF"}]) | {field: "HALF"}
    body = json.dumps({"conversations": [call(1), odd, call(3)], "totalHits": 3}).replace("HALF", half)
    found, result = await listed(world(lambda _: httpx2.Response(200, content=body.encode())))
    assert found == (["c-1", "c-3"] if field == "conversationId" else ["c-1", "c-2", "c-3"])
    assert (result.missing, len(result.rejected)) == (0, field == "conversationId")


@pytest.mark.parametrize("number", ["1e999", "9" * 6000, "-1e-999"])
async def test_a_number_that_cannot_be_costs_no_page(world: Make, number: str) -> None:
    """K8: the same for a number that nobody asked for."""
    body = json.dumps({"conversations": [call(1, mos="N"), call(2)], "totalHits": 2}).replace('"N"', number)
    found, result = await listed(world(lambda _: httpx2.Response(200, content=body.encode())))
    assert (found, result.proven) == (["c-1", "c-2"], True)


async def test_an_element_that_is_no_object_is_refused_too(world: Make) -> None:
    """K8: the same kind without any id."""
    here = world(Day([call(1), "text", 7, [], {"conversationStart": "2026-11-01T00:00:00Z"}, call(2)]))  # type: ignore[list-item]
    found, result = await listed(here)
    assert (found, len(result.rejected)) == (["c-1", "c-2"], 4)


@pytest.mark.parametrize("answer", [{}, {"conversations": {}}, {"status": "x"}, None], ids=str)
async def test_results_of_a_job_need_their_shape(world: Make, answer: Any) -> None:
    """K8: the same kind for a job's results."""
    here = world(Lake([answer] * 8))
    with pytest.raises(Unavailable):
        await listed(here, "jobs")


class Lake:
    """A job that is ready at once, and the answers of its results in turn."""

    def __init__(self, results: list[Any], state: Any = "FULFILLED", job: Any = "job-1") -> None:
        self.results, self.state, self.job = results, state, job

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if path.endswith("/results"):
            return json_of(self.results.pop(0) if len(self.results) > 1 else self.results[0])
        if request.method == "DELETE":
            return httpx2.Response(204)
        if request.method == "POST" and path.endswith("/details/jobs"):
            return json_of({"jobId": self.job}, 202)
        if path.endswith("/jobs/job-1"):
            return json_of(self.state if isinstance(self.state, dict) else {"state": self.state})
        return json_of({"code": "not.found", "message": "no"}, 404)


async def test_a_job_without_results_is_proven_by_the_lakes_date(world: Make) -> None:
    found, result = await listed(world(Lake([KNOWN])), "jobs")
    assert (found, result.proven) == ([], True)


@pytest.mark.parametrize("cursors", [["same"], ["a", "b", "a"], ["a", "b", "b"]])
async def test_a_cursor_that_leads_back_ends_with_an_error(world: Make, cursors: list[str]) -> None:
    """K2: a cursor of a job result that never changes."""
    pages = [KNOWN | {"conversations": [call(n)], "cursor": cursor} for n, cursor in enumerate(cursors)]
    here = world(Lake(pages))
    with pytest.raises(Unavailable, match=r"cursor|same page"):
        await listed(here, "jobs")
    assert len(here.asked("/results")) <= len(cursors) + 1


async def test_a_page_of_a_job_that_repeats_ends_with_an_error(world: Make) -> None:
    """K2: the cursors change, the page does not."""
    pages = [KNOWN | {"conversations": [call(1)], "cursor": f"cursor-{n}"} for n in range(9)]
    here = world(Lake(pages))
    with pytest.raises(Unavailable, match="same page"):
        await listed(here, "jobs")
    assert len(here.asked("/results")) == 2


async def test_a_job_without_a_state_is_asked_again(world: Make) -> None:
    """K8: the same kind for a job's state."""
    with pytest.raises(Unavailable, match="names no state"):
        await listed(world(Lake([KNOWN], state={})), "jobs")


@pytest.mark.parametrize("date", [None, "99999999999999999999-01-01T00:00:00Z", 7, "soon"], ids=str)
async def test_without_the_lakes_date_a_backfill_goes_by_query(world: Make, date: Any) -> None:
    """K8: the same kind for the availability date; a year of 20 digits is no date."""
    here = world(lambda _: json_of({"dataAvailabilityDate": date}))
    long = Interval(DAY.start - timedelta(days=40), DAY.end)
    assert {window.by for window in await planned(here.door, long, clock=here.clock)} == {"query"}


async def test_a_date_of_the_lake_that_cannot_be_costs_no_page(world: Make) -> None:
    """K8: a date with a year of 20 digits. How far the job reaches is unknown then, so the query is asked as well."""
    page = {"conversations": [call(1)], "dataAvailabilityDate": "99999999999999999999-01-01T00:00:00Z"}
    lake, day = Lake([page]), Day([call(1), call(2)])
    here = world(lambda request: (lake if "/jobs" in request.url.path else day)(request))
    found, _ = await listed(here, "jobs")
    assert sorted(set(found)) == ["c-1", "c-2"]


@pytest.mark.parametrize(
    "end", ["9999-12-31T23:59:59-14:00", "99999999999999999999-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"]
)
async def test_a_conversations_end_that_cannot_be_costs_nobody(world: Make, end: str) -> None:
    """K8: conversation end in year 9999 with an offset."""
    found, result = await listed(world(Day([call(1, conversationEnd=end), call(2)])))
    assert (found, result.proven) == (["c-1", "c-2"], True)


async def test_ids_that_the_platform_does_not_know_are_asked_one_by_one(world: Make) -> None:
    """K1: an id that nobody knows is said so, also where a platform leaves the list out."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/details"):
            if request.url.path.endswith("/conversations/details"):
                return json_of({})
            return json_of(call(2)) if "/c-2/" in request.url.path else json_of({"code": "not.found"}, 404)
        return json_of({"code": "not.found"}, 404)

    here = world(answer)
    found = [one async for one in discover_ids(here.door, ["c-1", "c-2"])]
    assert found[0] == Unknown("c-1")
    assert found[1].conversation == "c-2"


async def test_maintenance_is_not_taken_for_ids_that_are_unknown(world: Make) -> None:
    """K8: the same kind for the read by ids."""
    here = world(lambda _: json_of({"status": "maintenance"}))
    with pytest.raises(Unavailable):
        _ = [one async for one in discover_ids(here.door, ["c-1"])]


@pytest.mark.parametrize("answer", [{}, {"total": 5}, {"results": []}, {"total": -3, "results": []}, []], ids=str)
async def test_a_search_without_its_shape_lists_nothing_and_is_said(world: Make, answer: Any) -> None:
    """K8: the same kind for transcripts/search."""
    here = world(lambda _: json_of(answer))
    recent = Interval(here.clock.now() - timedelta(hours=1), here.clock.now())
    assert await here.door.listed(recent, 5) is None
    assert "does not answer" in notes(here)[-1]


async def test_a_search_whose_totals_do_not_get_smaller_ends(world: Make) -> None:
    """K2: no progress in the search: every half claims to hold more than the whole."""
    total = [2000]

    def answer(request: httpx2.Request) -> httpx2.Response:
        total[0] += 200
        return json_of({"total": total[0], "results": [{"conversationId": "a", "communicationId": "b"}]})

    here = world(answer)
    recent = Interval(here.clock.now() - timedelta(days=1), here.clock.now())
    assert await here.door.listed(recent, 1000) is None
    assert len(here.asked("/transcripts/search")) < 40
