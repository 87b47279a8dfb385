"""Discovery against the simulator over real sockets: what is found is the truth, whatever the platform does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import anyio
import pytest

from turnkeeper.errors import Denied, Misconfigured, Unavailable
from turnkeeper.events import Event, Noted
from turnkeeper.exporter.discovery import Discovered, Unknown, discover, discover_ids, planned
from turnkeeper.exporter.estimate import estimate_requests
from turnkeeper.genesys.client import Genesys
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval, moment_of
from turnkeeper.settings import PlatformSettings
from turnkeeper.simulator import Simulation, serve
from turnkeeper.simulator.document_store import DocumentPlace

pytestmark = pytest.mark.anyio
# A Thursday after the simulation's first days: Monday 2026-10-05 to Wednesday.
NOW = datetime(2026, 10, 8, 12, 0, tzinfo=UTC)
MONDAY = datetime(2026, 10, 5, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK = Interval(MONDAY, NOW)
ALL = Filters()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class SimulatedClock:
    """Lives by the simulation's frozen clock; sleeping moves it."""

    def __init__(self, simulation: Simulation) -> None:
        self._clock = simulation.clock

    def now(self) -> datetime:
        return moment_of(self._clock.epoch_ms())

    def monotonic(self) -> float:
        return self._clock.epoch_ms() / 1000

    async def sleep(self, seconds: float) -> None:
        self._clock.advance(round(max(seconds, 0) * 1000))
        await anyio.lowlevel.checkpoint()

    def advance(self, by: timedelta) -> None:
        self._clock.advance(round(by.total_seconds() * 1000))


@dataclass
class World:
    """One platform, one door, one clock, and what was told."""

    simulation: Simulation
    door: Genesys
    clock: SimulatedClock
    events: list[Event]

    async def found(self, interval: Interval = WEEK, wanted: Filters = ALL, **more: Any) -> list[Discovered]:
        found = discover(self.door, interval, wanted, clock=self.clock, listener=self.events.append, **more)
        async with aclosing(found):
            return [one async for one in found]

    def ids(self, interval: Interval = WEEK) -> set[str]:
        """The truth: who began in an interval."""
        began = self.simulation.schedule.began
        return {self.simulation.id_of(n) for n in range(self.simulation.total) if interval.holds(began(n))}

    def legs(self, conversation: str) -> set[str]:
        """The truth: which communications have a file by now."""
        script = self.simulation.find(conversation)
        assert script is not None
        ready = [leg for n, leg in enumerate(script.legs) if self.simulation.documents.ready(DocumentPlace(script, n))]
        return {script.parties[leg.party].communication for leg in ready}

    def count(self, kind: str) -> int:
        return self.simulation.counts.snapshot().get(kind, 0)

    @property
    def notes(self) -> list[str]:
        return [event.note for event in self.events if isinstance(event, Noted)]


@asynccontextmanager
async def world(*faults: str, now: datetime = NOW, **simulation: Any) -> AsyncIterator[World]:
    settings = {"conversations": 300, "rate_limit": 100_000, "now": now, "faults": frozenset(faults)}
    simulated = Simulation(**(settings | simulation))
    events: list[Event] = []
    with serve(simulated) as running:
        reach = PlatformSettings(
            client_id=running.client_id, client_secret=running.client_secret, base_url=running.base_url
        )
        clock = SimulatedClock(simulated)
        async with Genesys(reach, clock=clock, listener=events.append) as door:
            yield World(simulated, door, clock, events)


def named(found: Iterable[Discovered]) -> list[str]:
    return [one.conversation for one in found]


async def test_every_conversation_comes_once_with_its_own_bytes_and_what_is_listed() -> None:
    async with world() as here:
        found = await here.found()
        assert len(found) == len(set(named(found))) == 300
        assert set(named(found)) == here.ids()
        assert {one.conversation: one.listed for one in found} == {one: here.legs(one) for one in named(found)}
        for one in (found[0], found[120], found[-1]):
            with await here.door.details(one.conversation) as body, body.open() as reader:
                assert one.body == reader.read()
        # Three busy days and a quiet one: a page a hundred, and two of the search for each.
        assert here.door.requests - 3 == here.count("token") + here.count("details_query") + here.count("search")
        assert here.count("details_query") == 6
        assert here.count("search") <= 10


@pytest.mark.parametrize("faults", [("job-failed",), ("job-expired",), ("job-failed=2", "job-expired")])
async def test_jobs_find_the_same_and_are_started_again(faults: tuple[str, ...]) -> None:
    # One window of a job, so that its first page is not its last.
    past = NOW + timedelta(days=10)
    async with world(*faults, now=past, per_day=600, conversations=600) as here:
        by_query = await here.found(by="query")
        jobs = here.count("jobs")
        by_job = await here.found(by="jobs")
        assert {one.conversation: one.body for one in by_job} == {one.conversation: one.body for one in by_query}
        assert len(by_job) == 600
        assert here.count("jobs") > jobs
        assert any("start 1 of 4" in note for note in here.notes)


async def test_a_job_that_never_comes_is_given_up_with_the_mend() -> None:
    async with world("job-failed=99", now=NOW + timedelta(days=10)) as here:
        with pytest.raises(Unavailable, match=r"4 jobs failed or expired.*--by query"):
            await here.found(by="jobs")


@pytest.mark.parametrize(
    "fault", ["throttle", "throttle-bare", "server-error", "html-error", "token-expiry", "clock-skew"]
)
async def test_troubles_change_nothing(fault: str) -> None:
    async with world(fault) as here:
        found = await here.found()
        assert len(found) == 300
        assert set(named(found)) == here.ids()
        assert all(one.listed == here.legs(one.conversation) for one in found)


async def test_a_stale_watermark_sends_the_rest_to_the_query() -> None:
    async with world("stale-watermark=60") as here:
        windows = await planned(here.door, WEEK, by="jobs", clock=here.clock)
        # The lake reaches Tuesday midnight; Monday is too near to it.
        assert [window.by for window in windows] == ["query"] * 4
        assert set(named(await here.found(by="jobs"))) == here.ids()
    async with world("stale-watermark=36") as here:
        windows = await planned(here.door, WEEK, by="jobs", clock=here.clock)
        assert [window.by for window in windows] == ["jobs", "query", "query", "query"]
        assert [window.settled for window in windows] == [True, True, True, False]
        found = named(await here.found(by="jobs"))
        assert (set(found), len(found)) == (here.ids(), 300)


async def test_what_a_lake_loses_after_the_plan_is_asked_of_the_query() -> None:
    later = NOW + timedelta(days=10)
    async with world("stale-watermark=24", now=later) as here:
        asked = discover(here.door, WEEK, ALL, by="jobs", clock=here.clock)
        async with aclosing(asked):
            first = await anext(asked)
            # The lake falls behind while its results are read.
            here.simulation.clock.set(
                here.simulation.clock.epoch_ms() - round(timedelta(days=10).total_seconds() * 1000)
            )
            rest = [one async for one in asked]
        assert {first.conversation, *named(rest)} == here.ids()


async def test_an_open_conversation_is_visited_again_until_it_ends() -> None:
    noon = datetime(2026, 10, 6, 12, 0, tzinfo=UTC)
    async with world("live", now=noon, per_day=1440, conversations=2880) as here:
        day = Interval(noon - timedelta(hours=12), noon + timedelta(hours=12))
        (window,) = await planned(here.door, day, clock=here.clock)
        assert not window.settled
        first = await here.found(day)
        still = [one for one in first if one.open]
        assert still
        assert all(one.listed == frozenset() for one in still)
        here.clock.advance(timedelta(hours=12, minutes=16))
        again = [one async for one in discover_ids(here.door, named(still))]
        assert not any(isinstance(one, Discovered) and one.open for one in again)
        assert [one.conversation for one in again] == named(still)
        second = await here.found(day)
        assert set(named(first)) < set(named(second)) == here.ids(day)
        (window,) = await planned(here.door, day, clock=here.clock)
        assert window.settled


@pytest.mark.parametrize(("depth", "jobs"), [(300, False), (200, False), (100, True)])
async def test_a_day_deeper_than_the_query_is_read_whole(depth: int, jobs: bool) -> None:
    later = NOW + timedelta(days=10)
    async with world(now=later, per_day=300, query_depth=depth) as here:
        found = named(await here.found(by="query"))
        assert (set(found), len(found)) == (here.ids(), 300)
        assert (here.count("jobs") > 0) == jobs


async def test_a_day_deeper_than_twice_the_query_waits_for_the_lake() -> None:
    async with world(now=datetime(2026, 10, 5, 23, tzinfo=UTC), per_day=300, query_depth=100) as here:
        with pytest.raises(Unavailable, match="300 conversations are more than the query can page"):
            await here.found(Interval(MONDAY, MONDAY + DAY))


async def test_neighbouring_ranges_share_nothing_though_the_query_matches_whole_days() -> None:
    async with world() as here:
        edges = [MONDAY + timedelta(hours=hours) for hours in (0, 7, 9, 17, 30, 84)]
        parts = [Interval(start, end) for start, end in pairwise(edges)]
        found = [named(await here.found(part)) for part in parts]
        assert [set(one) for one in found] == [here.ids(part) for part in parts]
        assert len({one for part in found for one in part}) == sum(len(part) for part in found) == 300


@pytest.mark.parametrize("by", ["query", "jobs"])
async def test_filters_choose_what_the_truth_says(by: str) -> None:
    async with world(now=NOW + timedelta(days=10)) as here:
        people = here.simulation.people
        queue, user = people.queues[1].id, people.users[3].id
        scripts = {script.id: script for script in map(here.simulation.script, range(300))}
        chosen = {
            "queue": (Filters(queues=(queue,)), lambda one: any(p.queue == queue for p in one.parties)),
            "two queues": (
                Filters(queues=(queue, people.queues[2].id)),
                lambda one: any(p.queue in (queue, people.queues[2].id) for p in one.parties),
            ),
            "user": (Filters(users=(user,)), lambda one: any(p.user == user for p in one.parties)),
            "both at once": (
                Filters(queues=(queue,), users=(user,)),
                lambda one: any(p.user == user and p.queue == queue for p in one.parties),
            ),
            "media": (Filters(media_types=("message",)), lambda one: one.media_type == "message"),
            "direction": (Filters(directions=("outbound",)), lambda one: one.direction == "outbound"),
            "division": (Filters(divisions=(people.division.id,)), lambda one: True),
            "no division": (Filters(divisions=(user,)), lambda one: False),
        }
        for name, (wanted, passes) in chosen.items():
            expected = {key for key, script in scripts.items() if passes(script)}
            assert set(named(await here.found(wanted=wanted, by=by))) == expected, name
            assert expected or name == "no division"


@pytest.mark.parametrize("fault", ["search-missing", "speech-missing"])
async def test_without_the_search_nothing_is_listed_and_it_is_said_once(fault: str) -> None:
    async with world(fault) as here:
        assert {one.listed for one in await here.found()} == {None}
        assert {one.listed for one in await here.found()} == {None}
        assert here.count("search") == 1
        assert sum("transcripts/search is not available here" in note for note in here.notes) == 1
        here.clock.advance(DAY)
        await here.found()
        assert here.count("search") == 2


async def test_what_is_older_than_sixty_days_is_not_searched() -> None:
    async with world(now=NOW + timedelta(days=70)) as here:
        assert {one.listed for one in await here.found()} == {None}
        assert here.count("search") == 0


async def test_a_late_transcript_is_listed_when_it_is_there() -> None:
    async with world() as here:
        late = {script.id for script in map(here.simulation.script, range(300)) if script.variant.lateness_ms}
        before = {one.conversation: one.listed for one in await here.found()}
        assert late
        assert all(before[one] == frozenset() for one in late)
        here.clock.advance(timedelta(days=3, seconds=1))
        after = {one.conversation: one.listed for one in await here.found()}
        assert all(after[one] for one in late)


async def test_the_search_halves_what_it_cannot_page_and_leaves_what_is_not_worth_it() -> None:
    async with world(per_day=1500, conversations=1500) as here:
        listed = await here.door.listed(Interval(MONDAY, MONDAY + DAY), worth=1000)
        assert listed is not None
        assert listed.complete
        assert {one: listed.of(one) for one in here.ids()} == {one: here.legs(one) for one in here.ids()}
        # 16 pages, and one thrown away for each halving.
        assert here.count("search") < 16 + 4 + 4
        asked = here.count("search")
        assert await here.door.listed(Interval(MONDAY, MONDAY + DAY), worth=15) is None
        assert here.count("search") == asked + 1


async def test_ids_come_in_their_order_a_hundred_a_request() -> None:
    async with world() as here:
        ids = [here.simulation.id_of(n) for n in range(249, -1, -1)]
        stranger = "00000000-0000-4000-8000-000000000000"
        found = [one async for one in discover_ids(here.door, [*ids[:10], stranger, *ids, ids[0]])]
        assert [one.conversation for one in found] == [*ids[:10], stranger, *ids[10:]]
        assert found[10] == Unknown(stranger)
        assert here.count("details") == 3
        assert all(one.listed == here.legs(one.conversation) for one in found if isinstance(one, Discovered))
        with pytest.raises(Misconfigured):
            await anext(discover_ids(here.door, ["../users"]))


async def test_a_job_that_nobody_reads_to_its_end_is_cancelled() -> None:
    async with world(now=NOW + timedelta(days=10), per_day=600, conversations=600) as here:
        asked = discover(here.door, WEEK, ALL, by="jobs", clock=here.clock)
        async with aclosing(asked):
            await anext(asked)
        before = here.count("jobs")
        # Availability, submission, three looks, one page, and the farewell.
        assert before == 7
        found = discover(here.door, WEEK, ALL, by="jobs", clock=here.clock)
        async with aclosing(found):
            assert len([one async for one in found]) == 600
        assert here.count("jobs") - before == 1 + 1 + 3 + 3


async def test_the_directory_is_read_once_a_day() -> None:
    async with world() as here:
        people = here.simulation.people
        first = await here.door.directory("users")
        assert first.names == {one.id: one.name for one in people.users}
        assert (await here.door.directory("queues")).names == {one.id: one.name for one in people.queues}
        assert (await here.door.directory("wrapups")).names == {one.id: one.name for one in people.wrapups}
        assert await here.door.directory("users") is first
        assert here.count("users") == 1
        here.clock.advance(DAY)
        again = await here.door.directory("users")
        assert (again.body, again is first) == (first.body, False)
        assert here.count("users") == 2


async def test_a_directory_that_may_not_be_read_is_a_note() -> None:
    async with world("denied-users") as here:
        listing = await here.door.directory("users")
        assert (dict(listing.names), listing.body) == ({}, b"")
        assert "missing.permissions" in listing.note


async def test_an_estimate_comes_near_and_costs_little() -> None:
    async with world(conversations=720) as here:
        days = Interval(MONDAY, MONDAY + 3 * DAY)
        told = await estimate_requests(here.door, days, ALL, clock=here.clock)
        spent = here.count("details_query") + here.count("search")
        assert spent <= 5
        assert told.conversations == len(here.ids(days)) == 432
        found = await here.found(days)
        truth = sum(len(one.listed or ()) for one in found)
        assert abs(told.transcript_requests - truth) <= truth / 10
        needed = here.count("details_query") + here.count("search") - spent
        assert abs(told.discovery_requests - needed) <= needed / 2
        assert told.hours(300) == told.requests / 18_000


async def test_an_estimate_of_nothing_is_nothing() -> None:
    async with world() as here:
        told = await estimate_requests(here.door, Interval(MONDAY - DAY, MONDAY), ALL, clock=here.clock)
        assert (told.conversations, told.transcript_requests) == (0, 0)


async def test_a_missing_permission_is_named() -> None:
    async with world("token-dead") as here:
        with pytest.raises(Denied):
            await here.found()
