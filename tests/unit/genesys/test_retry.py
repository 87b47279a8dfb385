from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeeper.clock import ManualClock
from turnkeeper.errors import Denied, Throttled, Unavailable
from turnkeeper.events import Event, Retried
from turnkeeper.genesys.retry import RetryPolicy, retry_after
from turnkeeper.settings import RetrySettings

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


class Failing:
    def __init__(self, *errors: Exception) -> None:
        self.errors, self.asked = list(errors), 0

    async def __call__(self) -> str:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def patience(clock: ManualClock, events: list[Event] | None = None, **changes: float) -> RetryPolicy:
    return RetryPolicy(RetrySettings(**changes), clock, (events if events is not None else []).append)


async def test_back_off_is_full_jitter_doubling_to_a_cap(clock: ManualClock) -> None:
    for _ in range(40):
        with pytest.raises(Unavailable):
            await patience(clock, attempts=8, total_seconds=9999).run(Failing(*[Unavailable("x")] * 8), "there")
    rounds = [clock.slept[at : at + 7] for at in range(0, len(clock.slept), 7)]
    highest = [max(waits) for waits in zip(*rounds, strict=True)]
    assert all(top <= cap for top, cap in zip(highest, (1, 2, 4, 8, 16, 30, 30), strict=True))
    assert min(waits[5] for waits in rounds) < 8 < highest[5]


async def test_the_other_sides_wish_is_honoured_and_told(clock: ManualClock) -> None:
    events: list[Event] = []
    failing = Failing(Throttled("slow down", retry_after=17, limit_key="org.x"), Unavailable("x", retry_after=2))
    assert await patience(clock, events).run(failing, "https://api/x") == "done"
    assert clock.slept == [17, 2]
    assert isinstance(events[0], Retried)
    assert (events[0].wait, events[0].limit_key, events[0].where) == (17, "org.x", "https://api/x")


async def test_attempts_are_bounded_and_counted(clock: ManualClock) -> None:
    failing = Failing(*[Unavailable("500")] * 99)
    with pytest.raises(Unavailable, match="3 attempts"):
        await patience(clock, attempts=3).run(failing, "there")
    assert failing.asked == 3


async def test_a_wish_beyond_the_budget_is_not_waited_for(clock: ManualClock) -> None:
    with pytest.raises(Throttled) as caught:
        await patience(clock).run(Failing(Throttled("tomorrow", retry_after=86400)), "there")
    assert caught.value.retry_after == 86400
    assert not clock.slept


async def test_total_time_is_bounded_by_the_given_clock(clock: ManualClock) -> None:
    with pytest.raises(Throttled):
        await patience(clock, attempts=1000).run(Failing(*[Throttled("x", retry_after=50)] * 99), "there")
    assert sum(clock.slept) <= 300


async def test_what_is_not_retriable_passes_at_once(clock: ManualClock) -> None:
    failing = Failing(Denied("no"))
    with pytest.raises(Denied):
        await patience(clock).run(failing, "there")
    assert failing.asked == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Mon, 02 Nov 2026 09:00:30 GMT", 30.0),
        ("Mon, 02 Nov 2026 08:00:00 GMT", 0.0),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("9" * 5000, 366 * 86400.0),
        ("12.000", 12.0),
        ("0.5", 0.5),
        ("12.", None),
        ("1e3", None),
        ("nan", None),
        ("Mon, 02 Nov 99999999999999999999 09:00:30 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -1400", None),
        ("Mon, 01 Jan 0001 00:00:00 +1400", 0.0),
        ("Mon, 02 Nov 2026 09:00:30 -99999999999999999999", None),
        ("Mon, 99 Nov 2026 09:00:30 GMT", None),
    ],
)
def test_retry_after_in_seconds_and_as_a_date(text: str, seconds: float | None) -> None:
    """K2: ``Retry-After: 12.000`` is 12 s. K8: a year of 20 digits is as if absent."""
    assert retry_after({"retry-after": text}, NOW) == seconds


DATES = r"\A[A-Z][a-z]{2}, [0-9]{1,25} [A-Z][a-z]{2} [0-9]{1,25} [0-9:]{1,25} \S{1,25}\Z"


@given(st.text(max_size=80) | st.from_regex(DATES))
def test_any_text_is_a_wait_or_none(text: str) -> None:
    found = retry_after({"retry-after": text, "date": text[::-1]}, NOW)
    assert found is None or 0 <= found <= 366 * 86400


def test_a_date_is_measured_by_the_answers_own_clock() -> None:
    headers = {"retry-after": "Mon, 02 Nov 2026 10:00:30 GMT", "date": "Mon, 02 Nov 2026 10:00:00 GMT"}
    assert retry_after(headers, NOW) == 30.0
