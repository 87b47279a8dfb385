"""Same seed, same bytes; ids without a table; every scenario at the front; days and indices."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, date, datetime

import pytest

from turnkeeper.simulator import Simulation
from turnkeeper.simulator.document_store import DocumentPlace
from turnkeeper.simulator.ids import IdKind, Ids
from turnkeeper.simulator.scenarios import SCENARIOS, choose_scenario

NOW = datetime(2026, 11, 2, tzinfo=UTC)


def everything(simulation: Simulation, index: int) -> bytes:
    script = simulation.script(index)
    places = [DocumentPlace(script), *(DocumentPlace(script, leg) for leg in range(len(script.legs)))]
    bodies = [simulation.documents.body(place) for place in places]
    content = b"".join(piece for body in bodies for piece in body.read(0, body.size))
    return content + json.dumps([simulation.detail(index), simulation.verdict(index)]).encode()


@pytest.mark.parametrize("index", range(40))
def test_same_seed_gives_same_bytes_in_any_order(index: int) -> None:
    first, second = Simulation(now=NOW, conversations=40), Simulation(now=NOW, conversations=10_000)
    second.script(39 - index)
    assert everything(first, index) == everything(second, index)
    assert everything(first, index) != everything(Simulation(seed=8, now=NOW), index)


def test_ids_are_read_back_and_strangers_refused() -> None:
    ids = Ids(7)
    for index in (0, 1, 199, 999_999, 2**40):
        text = ids.make(IdKind.COMMUNICATION, index, 3)
        assert ids.read(text) == (IdKind.COMMUNICATION, index, 3)
        assert ids.index(IdKind.CONVERSATION, text) is None
        assert Ids(8).read(text) is None
    for stranger in ("", "nonsense", "00000000-0000-4000-8000-000000000000", ids.make(IdKind.USER).upper()):
        assert ids.read(stranger) is None


def test_conversation_beyond_the_last_does_not_exist() -> None:
    simulation = Simulation(conversations=5)
    assert [simulation.index_of(simulation.id_of(n)) for n in range(6)] == [0, 1, 2, 3, 4, None]


@pytest.mark.parametrize("seed", [1, 7, 99])
def test_first_twenty_five_cover_every_scenario(seed: int) -> None:
    front = [choose_scenario(seed, index).scenario for index in range(25)]
    assert front[:3] == ["plain"] * 3
    assert set(front) == set(SCENARIOS)
    assert {choose_scenario(seed, n).lateness_ms for n in range(2000)} == {0, 60_000, 3_600_000, 259_200_000}
    assert len({choose_scenario(seed, n).breakage for n in range(2000)}) == 6


def test_conversations_begin_in_order_on_working_days() -> None:
    schedule = Simulation(conversations=2000).schedule
    began = [schedule.began(n) for n in range(2000)]
    assert began == sorted(set(began))
    moments = [datetime.fromtimestamp(ms / 1000, UTC) for ms in began]
    assert moments[0].date() == date(2026, 10, 5)
    assert all(moment.weekday() < 5 and 6 <= moment.hour < 18 for moment in moments)


@pytest.mark.parametrize("start", ["2026-10-05T06:00", "2026-10-07T06:00", "2026-10-10T06:00"])
def test_day_gives_exactly_the_indices_that_began_on_it(start: str) -> None:
    schedule = Simulation(conversations=900, start=datetime.fromisoformat(start)).schedule
    days = [datetime.fromtimestamp(schedule.began(n) / 1000, UTC).date() for n in range(900)]
    for day in sorted(set(days)):
        found = schedule.started_on(day, day)
        assert [n for n in range(900) if days[n] == day] == list(found)
    assert not schedule.started_on(date(2026, 10, 3), date(2026, 10, 4))
    assert len(schedule.started_on(date(2020, 1, 1), date(2030, 1, 1))) == 900


def test_internal_presences_never_overlap() -> None:
    simulation = Simulation()
    for index in range(200):
        inside = [span for p in simulation.script(index).parties if not p.external for span in p.spans]
        inside.sort()
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(inside))


def test_overtalk_and_negative_starts_are_there() -> None:
    simulation = Simulation(conversations=400)
    overlapping, negative = [], []
    for script in map(simulation.script, range(400)):
        timed = [(line.start, line.end) for line in script.lines if line.start is not None and line.end is not None]
        if any(a[1] > b[0] for a, b in itertools.pairwise(timed)):
            overlapping.append(script.scenario)
        if timed and timed[0][0] < 0:
            negative.append(script.scenario)
            assert -52 <= timed[0][0] <= -37
    assert "overtalk" in overlapping
    assert set(overlapping) <= {"overtalk"}
    assert set(negative) == {"negative-start"}
