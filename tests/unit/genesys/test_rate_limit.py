"""The limiter in simulated time: it never oversteps, it never starves, and it wastes next to nothing."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.genesys.rate import Asking, Counted, Trouble

from turnkeeper.genesys.rate_limit import RateLimiter, is_tenant_limit

ALLOWED = st.sampled_from([1, 2, 3, 7, 20, 49, 50, 60, 100, 180, 300])
PLATFORMS = st.builds(
    Counted,
    allowed=ALLOWED,
    window=st.floats(8.0, 65.0),
    up=st.booleans(),
    aligned=st.booleans(),
    phase=st.floats(0, 60),
)


def figures(count: int, allowed: int, reset: int) -> dict[str, str]:
    told = {"count": count, "allowed": allowed, "reset": reset}
    return {f"inin-ratelimit-{name}": str(value) for name, value in told.items()}


def ask(pacer: RateLimiter, now: float, headers: dict[str, str]) -> None:
    assert pacer.wait(now) == 0
    pacer.answered(pacer.claim(now), headers, now)


def jitter(seed: int, most: float) -> random.Random:
    dice = random.Random(seed)
    return lambda: (dice.uniform(0, most), dice.uniform(0, most))  # type: ignore[return-value]


@settings(max_examples=120, deadline=None)
# An end that was assumed, because answers came without figures, once passed for the end that an answer said.
@example(Counted(allowed=2, window=21.0, up=False, aligned=True, phase=0.0), 1, 0.25, 2, True)  # noqa: FBT003
# A doubt was once forgotten at 60 s in a window of 60.5 s, whose rest is rounded down to 60.
@example(Counted(allowed=1, window=60.5, up=False, aligned=False, phase=0.0), 1, 0.25, 300, True)  # noqa: FBT003
@given(PLATFORMS, st.integers(1, 40), st.floats(0.001, 1.5), st.integers(0, 10**6), st.booleans())
def test_no_interleaving_of_answers_oversteps_the_limit(
    platform: Counted, workers: int, most: float, seed: int, troubled: bool
) -> None:
    """Once an answer has said what is allowed, nothing is sent that is refused. Before that nobody can know: where the
    first answers are lost, one request after the other goes out blind, and a limit of one refuses the second."""
    trouble = Trouble(lost=0.02, bare=0.1) if troubled else Trouble()
    asking = Asking(platform, [RateLimiter()], workers=workers, delay=jitter(seed, most), trouble=trouble, seed=seed)
    asking.run(4 * platform.window)
    assert platform.refused == asking.blind
    assert troubled or not asking.blind
    # Nobody waits longer than a window, its rounding, and the doubt about requests that were lost.
    assert asking.longest_wait < platform.window + 70 + 2 * most


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("window", [20.0, 60.0])
@pytest.mark.parametrize("workers", [4, 32])
def test_one_process_uses_nearly_all(up: bool, aligned: bool, window: float, workers: int) -> None:
    platform = Counted(300, window, up=up, aligned=aligned, phase=0.37)
    asking = Asking(platform, [RateLimiter()], workers=workers, delay=jitter(3, 0.08))
    asking.run(0.37 if aligned else 0.0)
    before = platform.count
    asking.run(3 * window + asking.now)
    assert platform.refused == 0
    assert (sum(platform.windows) + platform.count - before) / 900 >= 0.95


def test_a_lowered_limit_costs_no_more_than_what_is_under_way() -> None:
    platform = Counted(300, 20.0)
    asking = Asking(platform, [RateLimiter()], workers=16, delay=jitter(7, 0.5))
    asking.run(23)
    assert platform.count > 40
    platform.allowed, under_way = 40, asking.flying
    asking.run(120)
    assert 0 < platform.refused <= under_way
    assert platform.windows[-1] >= 36


def test_a_raised_limit_is_used_at_once() -> None:
    platform = Counted(50, 20.0)
    asking = Asking(platform, [RateLimiter()], delay=jitter(7, 0.05))
    asking.run(0.2)
    platform.allowed = 300
    asking.run(15)
    assert platform.count >= 299


def test_windows_roll_over_while_nobody_asks() -> None:
    platform, pacer = Counted(10, 20.0), RateLimiter()
    asking = Asking(platform, [pacer])
    asking.run(5)
    assert (platform.count, platform.refused) == (10, 0)
    asking.idle[0] = 0
    asking.run(500)
    asking.idle[0] = 8
    asking._send(0)
    asking.run(505)
    assert (platform.count, platform.refused) == (10, 0)


def test_without_headers_nothing_is_paced() -> None:
    pacer = RateLimiter()
    for _ in range(500):
        assert pacer.wait(0.0) == 0
        pacer.answered(pacer.claim(0.0), {}, 0.0)
    assert pacer.room(0.0) is None
    pacer.block(7.0, 0.0)
    assert pacer.wait(0.0) == 7


@pytest.mark.parametrize(
    "headers",
    [
        {"inin-ratelimit-count": "x"},
        figures(1, 0, 60),
        figures(10**23, 300, 60),
        figures(1, 10**23, 60),
        figures(1, 300, -5),
    ],
)
def test_senseless_headers_change_nothing(headers: dict[str, str]) -> None:
    """K8: rate-limit headers of 23 digits."""
    pacer = RateLimiter()
    pacer.answered(pacer.claim(0.0), headers, 0.0)
    assert pacer.room(0.0) is None
    assert pacer.wait(0.0) == 0


def test_one_request_finds_out_before_many_are_sent() -> None:
    pacer = RateLimiter()
    ticket = pacer.claim(0.0)
    assert pacer.wait(0.0) > 0
    # An error page of something in front of the platform says nothing about the limit.
    pacer.answered(ticket, {}, 0.1, 503)
    assert pacer.wait(0.1) == 0
    ticket = pacer.claim(0.1)
    assert pacer.wait(0.2) > 0
    # One that hangs does not hold up the rest for ever.
    assert pacer.wait(5.2) == 0
    pacer.answered(ticket, figures(1, 300, 60), 5.3)
    assert (pacer.room(5.3), pacer.wait(5.3)) == (299, 0)


def test_overtaking_answers_do_not_give_budget_back() -> None:
    pacer, platform = RateLimiter(), Counted(5)
    tickets = [pacer.claim(0.0) for _ in range(4)]
    late = [platform.ask(0.0) for _ in tickets]
    for ticket, headers in zip(tickets, reversed(late), strict=True):
        pacer.answered(ticket, headers, 0.1)
    assert pacer.room(0.1) == 1


def test_a_late_answer_of_the_old_window_does_not_fill_the_new_one() -> None:
    pacer, platform = RateLimiter(), Counted(5, 20.0)
    slow = pacer.claim(0.0)
    told = platform.ask(0.0)
    pacer.answered(slow, told, 0.1)
    for _ in range(3):
        pacer.answered(pacer.claim(0.2), platform.ask(0.2), 0.3)
    slow = pacer.claim(18.0)
    told = platform.ask(18.0)
    assert pacer.wait(21.5) == 0
    pacer.answered(slow, told, 21.6)
    assert pacer.room(21.6) == 5


def test_lost_requests_are_counted_until_the_platform_says_otherwise() -> None:
    pacer = RateLimiter()
    pacer.answered(pacer.claim(0.0), figures(1, 3, 60), 0.1)
    pacer.claim(0.2)
    pacer.lost(0.3)
    assert pacer.room(0.3) == 1
    pacer.answered(pacer.claim(0.4), figures(2, 3, 60), 0.5)
    assert pacer.room(0.5) == 1


def test_when_everything_is_lost_the_doubt_ends_with_the_window() -> None:
    trouble = Trouble()
    asking = Asking(Counted(10, 20.0), [RateLimiter()], trouble=trouble, delay=jitter(1, 0.1))
    asking.run(30)
    trouble.lost = 1.0
    asking.run(3600)
    assert asking.platform.refused == 0
    assert asking.longest_wait < 130
    assert sum(asking.platform.windows) > 100


def test_a_429_makes_everybody_wait() -> None:
    pacer = RateLimiter()
    ask(pacer, 0.0, figures(1, 300, 60))
    pacer.block(9.0, 1.0)
    assert pacer.wait(1.0) == 9


def test_the_tenants_limits_are_told_from_the_clients() -> None:
    assert is_tenant_limit("org.app.user.rate.per.minute")
    assert not is_tenant_limit("client.credentials.token.rate.per.minute")
