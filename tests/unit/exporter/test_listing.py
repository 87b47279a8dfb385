"""Windows that cannot be listed, or not in full: they stay open, the others go on, and the report names them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from tests.unit.exporter.test_worker import CALL, Here, Platform, exported

from turnkeeper.archive.index import CallState, Index
from turnkeeper.archive.index_entries import with_details
from turnkeeper.errors import Unavailable
from turnkeeper.exporter.engine import ExportSettings
from turnkeeper.exporter.feed import WindowBatch
from turnkeeper.exporter.ledger import Ledger, NewConversation, Outstanding
from turnkeeper.exporter.publication import Publication
from turnkeeper.exporter.range import Range
from turnkeeper.exporter.run import Run
from turnkeeper.exporter.run_report import Failure, RunReport
from turnkeeper.genesys.filters import Filters
from turnkeeper.genesys.interval import Interval
from turnkeeper.payloads.details import Details

pytestmark = pytest.mark.anyio
DAYS = [f"2026-10-0{day}T00:00:00.000Z" for day in range(1, 6)]
WINDOWS = list(itertools.pairwise(DAYS))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def here() -> Here:
    return Here(Platform({"a": True}, {"a"}))


@pytest.fixture
def ledger(here: Here, tmp_path: Path) -> Iterator[Ledger]:
    book = Ledger(tmp_path / "ledger.sqlite3", here.clock)
    yield book
    book.close()


async def listed(here: Here, ledger: Ledger, broken: Sequence[int], windows: int = 4) -> RunReport:
    """A run over so many windows, of which those with the numbers in ``broken`` never answer."""
    exporter = here.exporter(ledger)

    async def feed() -> AsyncGenerator[WindowBatch]:
        for number, (start, stop) in enumerate(WINDOWS[:windows]):
            if (start, stop) in exporter.left_out or ledger.window_closed("all", start, stop):
                continue
            yield WindowBatch(start, stop)
            if number in broken:
                raise Unavailable("the answer is no page", operation="details query")
            call = CallState(conversation=f"c{number}", state="pending")
            yield WindowBatch(start, stop, (NewConversation(call),))
            yield WindowBatch(start, stop, last=True, complete=True, found=1)

    exporter.listed_until = DAYS[-1]
    return await exported(exporter, feed)


async def test_one_window_that_fails_is_left_open_and_the_others_are_listed(here: Here, ledger: Ledger) -> None:
    """K8: 200 with any JSON object that has no conversations: the day is closed for ever."""
    report = await listed(here, ledger, [1])
    assert (report.ended, report.found, report.unlisted) == ("done", 3, 1)
    assert report.partial
    assert report.failures[-1].message.startswith(f"{DAYS[1]} to {DAYS[2]} was not listed")
    assert report.listed_until == DAYS[1]
    closed = [ledger.window_closed("all", *window) for window in WINDOWS]
    assert closed == [True, False, True, True]
    proofs = {
        window.start: (window.complete and window.proven, window.found)
        for window in Index(here.archive.store).windows()
    }
    assert proofs == {DAYS[0]: (True, 1), DAYS[2]: (True, 1), DAYS[3]: (True, 1)}
    again = await listed(here, ledger, [])
    assert (again.found, again.unlisted) == (1, 0)


@pytest.mark.parametrize(("broken", "windows"), [([0, 1, 2, 3], 4), ([1, 2], 4), ([0], 1)])
async def test_a_platform_that_is_down_ends_the_run(
    here: Here, ledger: Ledger, broken: list[int], windows: int
) -> None:
    with pytest.raises(Unavailable):
        await listed(here, ledger, broken, windows)


async def test_a_window_that_came_short_is_in_the_report(here: Here, ledger: Ledger) -> None:
    """K8: page 1 says 250, page 2 is {}: 100 taken, window closed."""

    async def feed() -> AsyncGenerator[WindowBatch]:
        yield WindowBatch(*WINDOWS[0], (NewConversation(CALL),))
        yield WindowBatch(*WINDOWS[0], last=True, missing=150)

    report = await exported(here.exporter(ledger), feed)
    assert (report.visited, report.unlisted, report.partial) == (1, 1, True)
    assert "150 conversations more" in report.failures[-1].message
    assert not ledger.window_closed("all", *WINDOWS[0])


class ById(Platform):
    """A platform that also answers questions by ids."""

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if "id" in request.url.params:
            return self._query()
        return super().__call__(request)


async def test_an_id_that_is_none_is_listed_and_the_rest_go_on(ledger: Ledger) -> None:
    """K8: one conversation whose id is no id among 300."""
    here = Here(ById({"a": True}, {"a"}))
    run = Run(here.door, here.archive, ledger, ExportSettings(), here.clock)
    report = await run.once(Range(ids=("../x", "c1", "a/b", "x" * 100_000)))
    assert (report.visited, report.done, report.refused) == (1, 1, 3)
    assert [len(one.conversation) <= 41 for one in report.failures] == [True] * 3
    assert {one.error for one in report.failures} == {"Refused"}


def test_what_stands_failed_counts_where_it_belongs_to_the_range() -> None:
    """K8: 3 while failures of this range are outstanding."""
    started = datetime(2026, 10, 1, 8, tzinfo=UTC)
    call = CallState(conversation="c1", state="failed", started_at="2026-10-01T08:00:00.000Z", queues=("q1",))
    one = Outstanding(call, None, failed=True, unread_audio=False)
    day = Interval(started, started + timedelta(hours=1))
    other = Interval(started + timedelta(hours=1), started + timedelta(hours=2))
    assert Range(day).concerns(one)
    assert not Range(other).concerns(one)
    assert Range(day, Filters(queues=("q1", "q2"))).concerns(one)
    assert not Range(day, Filters(queues=("q2",))).concerns(one)
    assert Range(ids=("c1",)).concerns(one)
    assert not Range(ids=("c2",)).concerns(one)
    assert Range().concerns(one)
    unread = Outstanding(call, None, failed=False, unread_audio=True)
    assert Range(day).concerns(unread)
    assert Range().concerns(unread)  # retry says what is outstanding


@pytest.mark.parametrize("end", [253_402_300_800_000, -(10**18), 10**30])
def test_a_time_outside_the_calendar_is_as_if_absent(end: int) -> None:
    """K8: conversation end in year 9999 with an offset: traceback, archive stuck."""
    call = with_details(CALL, Details(conversation="c1", start=end, end=end))
    assert (call.started_at, call.ended_at) == ("", "")


def test_a_report_with_anything_left_out_is_partial() -> None:
    assert not RunReport(done=1, absent=2, waiting=2).partial
    for name in ("failed", "unread", "refused", "unlisted", "outstanding_failed", "outstanding_unread"):
        assert RunReport(**{name: 1}).partial, name
    assert RunReport(outstanding_recordings=1, failures=[Failure(conversation="", error="", message="")]).partial


def test_a_conversation_that_fails_twice_in_a_run_is_listed_once_in_its_newest_words(
    here: Here, ledger: Ledger
) -> None:
    publication = Publication(here.door, here.archive, ledger, here.clock, every=60)
    for message in ("the connection broke", "the body kept breaking off"):
        publication.failed(Failure(conversation="a", error="Unavailable", message=message))
    assert [one.message for one in publication.report.failures] == ["the body kept breaking off"]
    publication.recovered("a")
    assert publication.report.failures == []
