"""The limiter in simulated time: it never oversteps, it never starves, and it wastes next to nothing."""

from __future__ import annotations

import os
import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.genesys.rate import Asking, Counted, Trouble

from turnkeeper.events import Event, Noted, silent
from turnkeeper.genesys.pace import Pacer, Shared, SharedFiles, is_tenant_limit
from turnkeeper.genesys.window import Window

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


def ask(pacer: Pacer, now: float, headers: dict[str, str]) -> None:
    assert pacer.wait(now) == 0
    pacer.answered(pacer.claim(now), headers, now)


def jitter(seed: int, most: float) -> random.Random:
    dice = random.Random(seed)
    return lambda: (dice.uniform(0, most), dice.uniform(0, most))  # type: ignore[return-value]


# An open defect, found by this property in one run of some twenty: where answers are lost and others come without their
# figures, a request can be sent that the platform refuses (and is sent again). What was found stands here as one that
# fails: whoever mends it takes the mark away. The search goes on at random, and may come upon it again.
@settings(max_examples=120, deadline=None)
@example(Counted(allowed=2, window=21.0, up=False, aligned=True, phase=0.0), 1, 0.25, 2, True).xfail(  # noqa: FBT003
    raises=AssertionError, reason="lost answers and bare ones together"
)
@given(PLATFORMS, st.integers(1, 40), st.floats(0.001, 1.5), st.integers(0, 10**6), st.booleans())
def test_no_interleaving_of_answers_oversteps_the_limit(
    platform: Counted, workers: int, most: float, seed: int, troubled: bool
) -> None:
    trouble = Trouble(lost=0.02, bare=0.1) if troubled else Trouble()
    asking = Asking(platform, [Pacer()], workers=workers, delay=jitter(seed, most), trouble=trouble, seed=seed)
    asking.run(4 * platform.window)
    assert platform.refused == 0
    # Nobody waits longer than a window, its rounding, and the doubt about requests that were lost.
    assert asking.longest_wait < platform.window + 63 + 2 * most


@settings(max_examples=40, deadline=None)
@given(PLATFORMS, st.integers(2, 3), st.integers(1, 12), st.floats(0.001, 0.9), st.integers(0, 10**6))
def test_processes_that_share_a_token_do_not_overstep_together(
    tmp_path_factory: pytest.TempPathFactory, platform: Counted, processes: int, workers: int, most: float, seed: int
) -> None:
    files = SharedFiles(tmp_path_factory.mktemp("pace"), silent)
    pacers = [Pacer(lambda: files.open("api", "token")) for _ in range(processes)]
    asking = Asking(platform, pacers, workers=workers, delay=jitter(seed, most), seed=seed)
    asking.run(4 * platform.window)
    assert platform.refused == 0
    for pacer in pacers:
        pacer.close()


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("window", [20.0, 60.0])
@pytest.mark.parametrize("workers", [4, 32])
def test_one_process_uses_nearly_all(up: bool, aligned: bool, window: float, workers: int) -> None:
    platform = Counted(300, window, up=up, aligned=aligned, phase=0.37)
    asking = Asking(platform, [Pacer()], workers=workers, delay=jitter(3, 0.08))
    asking.run(0.37 if aligned else 0.0)
    before = platform.count
    asking.run(3 * window + asking.now)
    assert platform.refused == 0
    assert (sum(platform.windows) + platform.count - before) / 900 >= 0.95


@pytest.mark.parametrize("up", [True, False])
def test_two_processes_use_nearly_all(up: bool, tmp_path: Path) -> None:
    platform = Counted(300, 20.0, up=up)
    files = SharedFiles(tmp_path, silent)
    asking = Asking(platform, [Pacer(lambda: files.open("api", "token")) for _ in range(2)], delay=jitter(5, 0.06))
    asking.run(60)
    assert platform.refused == 0
    assert (sum(platform.windows) + platform.count) / 900 >= 0.95


def test_the_file_is_opened_for_batches_not_for_each_request(tmp_path: Path) -> None:
    exchanges = 0

    class Counting(Shared):
        def exchange(self, window: Window, own: int, now: float, wanted: int) -> tuple[int, int]:
            nonlocal exchanges
            exchanges += 1
            return super().exchange(window, own, now, wanted)

    def share() -> Shared:
        assert SharedFiles(tmp_path, silent).open("api", "token") is not None
        counting = Counting(next(tmp_path.glob("*.sqlite3")), lambda cause: pytest.fail(str(cause)))
        assert counting.join()
        return counting

    asking = Asking(Counted(3000, 60.0), [Pacer(share) for _ in range(2)], delay=jitter(5, 0.06))
    asking.run(15)
    assert asking.answered > 2000
    assert exchanges < asking.answered / 5


def test_a_dead_process_takes_little_with_it(tmp_path: Path) -> None:
    platform = Counted(300, 20.0)
    files = SharedFiles(tmp_path, silent)
    pacers = [Pacer(lambda: files.open("api", "token")) for _ in range(2)]
    both = Asking(platform, pacers, delay=jitter(5, 0.06))
    both.run(3)
    both.idle[0] = -(10**6)
    both.run(60)
    assert platform.refused == 0
    assert platform.windows[-1] >= 270


@pytest.mark.parametrize("processes", [1, 2])
def test_a_lowered_limit_costs_no_more_than_what_is_under_way(processes: int, tmp_path: Path) -> None:
    platform = Counted(300, 20.0)
    files = SharedFiles(tmp_path, silent)
    pacers = [Pacer(lambda: files.open("api", "token")) for _ in range(processes)]
    asking = Asking(platform, pacers, workers=16, delay=jitter(7, 0.5))
    asking.run(23)
    assert platform.count > 40
    platform.allowed, under_way = 40, asking.flying
    asking.run(120)
    assert 0 < platform.refused <= under_way
    assert platform.windows[-1] >= 36


def test_a_raised_limit_is_used_at_once() -> None:
    platform = Counted(50, 20.0)
    asking = Asking(platform, [Pacer()], delay=jitter(7, 0.05))
    asking.run(0.2)
    platform.allowed = 300
    asking.run(15)
    assert platform.count >= 299


def test_windows_roll_over_while_nobody_asks() -> None:
    platform, pacer = Counted(10, 20.0), Pacer()
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
    pacer = Pacer()
    for _ in range(500):
        assert pacer.wait(0.0) == 0
        pacer.answered(pacer.claim(0.0), {}, 0.0)
    assert pacer.room(0.0) is None
    pacer.block(7.0, 0.0)
    assert pacer.wait(0.0) == 7


@pytest.mark.parametrize("headers", [{"inin-ratelimit-count": "x"}, figures(1, 0, 60)])
def test_senseless_headers_change_nothing(headers: dict[str, str]) -> None:
    pacer = Pacer()
    pacer.answered(pacer.claim(0.0), headers, 0.0)
    assert pacer.room(0.0) is None
    assert pacer.wait(0.0) == 0


def test_one_request_finds_out_before_many_are_sent() -> None:
    pacer = Pacer()
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
    pacer, platform = Pacer(), Counted(5)
    tickets = [pacer.claim(0.0) for _ in range(4)]
    late = [platform.ask(0.0) for _ in tickets]
    for ticket, headers in zip(tickets, reversed(late), strict=True):
        pacer.answered(ticket, headers, 0.1)
    assert pacer.room(0.1) == 1


def test_a_late_answer_of_the_old_window_does_not_fill_the_new_one() -> None:
    pacer, platform = Pacer(), Counted(5, 20.0)
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
    pacer = Pacer()
    pacer.answered(pacer.claim(0.0), figures(1, 3, 60), 0.1)
    pacer.claim(0.2)
    pacer.lost(0.3)
    assert pacer.room(0.3) == 1
    pacer.answered(pacer.claim(0.4), figures(2, 3, 60), 0.5)
    assert pacer.room(0.5) == 1


def test_when_everything_is_lost_the_doubt_ends_with_the_window() -> None:
    trouble = Trouble()
    asking = Asking(Counted(10, 20.0), [Pacer()], trouble=trouble, delay=jitter(1, 0.1))
    asking.run(30)
    trouble.lost = 1.0
    asking.run(3600)
    assert asking.platform.refused == 0
    assert asking.longest_wait < 130
    assert sum(asking.platform.windows) > 100


def test_a_429_makes_everybody_wait_in_every_process(tmp_path: Path) -> None:
    files = SharedFiles(tmp_path, silent)
    one, other = (Pacer(lambda: files.open("api", "token")) for _ in range(2))
    ask(one, 0.0, figures(1, 300, 60))
    ask(other, 0.0, figures(2, 300, 60))
    one.block(9.0, 1.0)
    assert one.wait(1.0) == 9
    other.wait(1.0)
    assert other.wait(1.0) == 9


def test_the_file_holds_no_token_and_goes_with_the_last_holder(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "pace"
    files = SharedFiles(folder, silent)
    one, other = files.open("https://api", "secret-bearer"), files.open("https://api", "secret-bearer")
    assert one is not None
    assert other is not None
    held = [path for path in folder.iterdir() if path.suffix == ".sqlite3"]
    assert len(held) == 1
    assert not [path for path in folder.iterdir() if b"secret-bearer" in path.read_bytes() + path.name.encode()]
    one.close()
    assert held[0].exists()
    other.close()
    assert not list(folder.iterdir())


def test_a_file_from_before_the_machine_started_again_is_not_believed(tmp_path: Path) -> None:
    files = SharedFiles(tmp_path, silent)
    before, after = (Pacer(lambda: files.open("api", "token")) for _ in range(2))
    ask(before, 9e6, figures(300, 300, 60))
    ask(after, 5.0, figures(1, 300, 60))
    assert after.wait(5.0) == 0
    assert after.room(5.0) == 299


def test_one_file_per_token(tmp_path: Path) -> None:
    files = SharedFiles(tmp_path, silent)
    shared = [files.open(server, bearer) for server, bearer in (("a", "1"), ("a", "2"), ("b", "1"))]
    assert len({path.stem for path in tmp_path.glob("*.sqlite3")}) == 3
    for one in shared:
        assert one is not None
        one.close()


def test_files_of_tokens_long_dead_are_swept(tmp_path: Path) -> None:
    old, young = tmp_path / "old.sqlite3", tmp_path / "young.sqlite3"
    for path in (old, young):
        path.write_bytes(b"")
    os.utime(old, (0, 0))
    SharedFiles(tmp_path, silent).open("a", "b")
    assert (old.exists(), young.exists()) == (False, True)


def test_a_folder_that_cannot_be_used_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told: list[Event] = []
    files = SharedFiles(tmp_path / "file" / "pace", told.append)
    pacers = [Pacer(lambda: files.open("api", "token")) for _ in range(3)]
    for pacer in pacers:
        ask(pacer, 0.0, figures(1, 3, 60))
    assert [pacer.wait(0.0) for pacer in pacers] == [0, 0, 0]
    assert len(told) == 1
    assert isinstance(told[0], Noted)
    assert "XDG_STATE_HOME" in told[0].note


def test_a_file_that_breaks_is_said_and_done_without(tmp_path: Path) -> None:
    told: list[Event] = []
    files = SharedFiles(tmp_path, told.append)
    pacer = Pacer(lambda: files.open("api", "token"))
    ask(pacer, 0.0, figures(1, 300, 60))
    with sqlite3.connect(next(tmp_path.glob("*.sqlite3"))) as other:
        other.execute("DROP TABLE holders")
    assert pacer.wait(0.1) == 0
    assert len(told) == 1
    pacer.close()


def test_no_folder_means_alone_and_says_nothing() -> None:
    told: list[Event] = []
    assert SharedFiles(None, told.append).open("a", "b") is None
    assert not told


def test_the_tenants_limits_are_told_from_the_clients() -> None:
    assert is_tenant_limit("org.app.user.rate.per.minute")
    assert not is_tenant_limit("client.credentials.token.rate.per.minute")
