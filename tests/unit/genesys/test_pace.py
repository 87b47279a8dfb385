from __future__ import annotations

import pytest

from turnkeeper.clock import ManualClock
from turnkeeper.genesys.pace import Pacer, is_tenant_limit

pytestmark = pytest.mark.anyio


class Server:
    """A window of so many requests, counted the way the platform counts."""

    def __init__(self, clock: ManualClock, allowed: int, window: float = 60.0) -> None:
        self.clock, self.allowed, self.window = clock, allowed, window
        self.began, self.count, self.refused = 0.0, 0, 0

    def ask(self) -> dict[str, str]:
        now = self.clock.monotonic()
        if now >= self.began + self.window:
            self.began, self.count = now, 0
        self.count += 1
        self.refused += self.count > self.allowed
        left = int(self.began + self.window - now)
        figures = {"count": self.count, "allowed": self.allowed, "reset": left}
        return {f"inin-ratelimit-{name}": str(value) for name, value in figures.items()}


@pytest.mark.parametrize("allowed", [1, 7, 300])
async def test_a_planned_client_never_meets_a_429(clock: ManualClock, allowed: int) -> None:
    pacer, server = Pacer(clock), Server(clock, allowed)
    for _ in range(3 * allowed + 2):
        await pacer.take()
        pacer.answered(server.ask())
        clock.advance(0.01)
    assert server.refused == 0
    assert clock.monotonic() < 4 * 63


async def test_requests_in_flight_count(clock: ManualClock) -> None:
    pacer, server = Pacer(clock), Server(clock, 10)
    await pacer.take()
    pacer.answered(server.ask())
    for _ in range(9):
        await pacer.take()
    assert pacer.remaining == 0
    assert not clock.slept
    for _ in range(9):
        pacer.answered(server.ask())
    await pacer.take()
    assert sum(clock.slept) > 59
    pacer.answered(server.ask())
    assert server.refused == 0


async def test_overtaking_answers_do_not_give_budget_back(clock: ManualClock) -> None:
    pacer, server = Pacer(clock), Server(clock, 5)
    for _ in range(4):
        await pacer.take()
    late = [server.ask() for _ in range(4)]
    for headers in reversed(late):
        pacer.answered(headers)
    assert pacer.remaining == 1


async def test_a_429_makes_everybody_wait(clock: ManualClock) -> None:
    pacer = Pacer(clock)
    pacer.block(7)
    await pacer.take()
    assert clock.slept == [7]


@pytest.mark.parametrize("headers", [{}, {"inin-ratelimit-count": "x"}, {"inin-ratelimit-allowed": "0"}])
async def test_senseless_headers_change_nothing(clock: ManualClock, headers: dict[str, str]) -> None:
    pacer = Pacer(clock)
    for _ in range(500):
        await pacer.take()
        pacer.answered(headers)
    assert pacer.remaining is None
    assert not clock.slept


async def test_lost_requests_are_counted(clock: ManualClock) -> None:
    pacer, server = Pacer(clock), Server(clock, 3)
    await pacer.take()
    pacer.answered(server.ask())
    await pacer.take()
    pacer.lost()
    assert pacer.remaining == 1


def test_the_tenants_limits_are_told_from_the_clients() -> None:
    assert is_tenant_limit("org.app.user.rate.per.minute")
    assert not is_tenant_limit("client.credentials.token.rate.per.minute")
