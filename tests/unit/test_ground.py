"""The ground everything stands on: errors, clock, settings, timeline, public names, layers."""

from __future__ import annotations

import inspect
import json
import os
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

import turnkeeper as tk
from turnkeeper import errors
from turnkeeper.atomic_file import write_atomically
from turnkeeper.audio.timeline import sample, span
from turnkeeper.cli.console import printable
from turnkeeper.clock import ManualClock, RemoteClock, rfc3339
from turnkeeper.settings import PlatformSettings, StoreSettings
from turnkeeper.simulator import Simulation, serve

TREE = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.TurnkeeperError)]


def test_every_public_name_loads_and_is_listed() -> None:
    assert tk.__all__ == sorted(tk.__all__)
    assert all(getattr(tk, name) is not None for name in tk.__all__)
    assert dir(tk) == tk.__all__
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = tk.nonsense  # type: ignore[attr-defined]


def test_each_error_says_what_to_do_next() -> None:
    rows = (errors.Fatal, errors.Retriable, errors.Skippable)
    for cls in TREE:
        if cls is not errors.TurnkeeperError:
            assert sum(issubclass(cls, row) for row in rows) == 1, cls


def test_the_tree_in_the_docstring_and_the_docs_is_the_tree() -> None:
    page = (Path(__file__).parents[2] / "docs/errors.md").read_text()
    for cls in TREE:
        assert cls.__name__ in (errors.__doc__ or "")
        assert f"`{cls.__name__}`" in page, cls
        assert f"| {cls.exit_code} |" in page.split(f"`{cls.__name__}`")[1].splitlines()[0], cls


def test_an_error_reads_as_one_line_with_its_mend() -> None:
    error = errors.Denied("no", operation="ask", key="x", hint="Mend it.")
    assert str(error) == "ask x: no. Mend it."
    assert error.facts() == {"error": "Denied", "message": "no", "operation": "ask", "key": "x", "hint": "Mend it."}


@given(st.integers(-(10**7), 10**9), st.sampled_from([1, 100, 8_000, 11_025, 16_000, 44_100, 48_000, 192_000]))
def test_samples_are_exact_half_up(ms: int, rate: int) -> None:
    exact = Fraction(ms * rate, 1000)
    assert sample(ms, rate) == (exact + Fraction(1, 2)).__floor__()


@given(st.lists(st.integers(0, 10**7), min_size=2, max_size=20), st.sampled_from([8_000, 11_025, 44_100, 48_000]))
def test_adjacent_spans_tile_the_whole(marks: list[int], rate: int) -> None:
    marks.sort()
    spans = [span(a, b, rate) for a, b in pairwise(marks)]
    assert sum(part.end - part.start for part in spans) == sample(marks[-1], rate) - sample(marks[0], rate)


def test_the_briefs_own_example() -> None:
    assert span(0, 290, 100).end == 29


@given(st.integers(-1000, 5000), st.integers(0, 5000), st.integers(0, 3000))
def test_spans_are_clamped_and_flagged_never_dropped(start: int, length: int, total: int) -> None:
    found = span(start, start + length, 1000, length=total)
    assert 0 <= found.start <= found.end <= total
    assert found.clipped_start == (found.start != start)
    assert found.clipped_end == (found.end != start + length)


def test_a_rate_below_one_is_refused() -> None:
    with pytest.raises(errors.Misconfigured, match="sample rate"):
        span(0, 1, 0)


def test_a_manual_clock_moves_only_by_sleeping() -> None:
    clock = ManualClock()
    start = clock.now()
    anyio.run(clock.sleep, 5)
    assert (clock.now() - start, clock.monotonic(), clock.slept) == (timedelta(seconds=5), 5.0, [5])


def test_a_remote_clock_lives_by_the_simulator() -> None:
    with serve(Simulation(now=datetime(2026, 10, 5, 9, 0, tzinfo=UTC)), port=0) as running:
        clock = RemoteClock(running.clock_url)
        start = clock.now()
        anyio.run(clock.sleep, 90)
        assert clock.now() - start == timedelta(seconds=90)


def test_stored_times_are_utc_with_z() -> None:
    assert rfc3339(datetime(2026, 1, 2, 3, 4, 5)) == "2026-01-02T03:04:05.000Z"  # noqa: DTZ001 - naive on purpose


def test_settings_come_from_the_environment_and_hide_secrets() -> None:
    settings = PlatformSettings.from_environment(
        {"GENESYS_CLIENT_ID": "me", "GENESYS_CLIENT_SECRET": "hush", "GENESYS_BASE_URL": "http://gateway/"}
    )
    assert (settings.client_id, settings.base_url) == ("me", "http://gateway")
    assert "hush" not in repr(settings)


@pytest.mark.parametrize("inline", [True, False])
def test_a_jwt_config_may_be_text_or_a_file(inline: bool, tmp_path: Path) -> None:
    config = json.dumps({"client_id": "c", "private_key": "-----BEGIN X-----\\nabc", "kid": "k", "expires_in": 60})
    path = tmp_path / "jwt.json"
    path.write_text(config)
    settings = PlatformSettings.from_environment({"GENESYS_JWT_CONFIG": config if inline else str(path)})
    assert settings.jwt is not None
    assert (settings.client_id, settings.jwt.kid, settings.jwt.expires_in) == ("c", "k", 60)
    assert "BEGIN" not in repr(settings) + repr(settings.jwt)
    assert settings.jwt.private_key == "-----BEGIN X-----\nabc"


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"GENESYS_API": "soap"}, "GENESYS_API"),
        ({"GENESYS_JWT_CONFIG": "{nonsense"}, "GENESYS_JWT_CONFIG"),
        ({"GENESYS_JWT_CONFIG": "{}"}, "GENESYS_JWT_CONFIG"),
        ({"GENESYS_PRIVATE_KEY": "/nowhere/key.pem"}, "GENESYS_PRIVATE_KEY"),
    ],
)
def test_a_wrong_variable_is_named(variables: dict[str, str], named: str) -> None:
    with pytest.raises(errors.Misconfigured, match=named):
        PlatformSettings.from_environment(variables)


def test_options_win_over_the_environment() -> None:
    store = StoreSettings.from_environment({"AWS_PROFILE": "a"})
    assert (store.but(profile="b").profile, store.but(profile=None).profile) == ("b", "a")


STEERING = "\x1b\x07\x08\r\x7f\x9b\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ud800"


@given(st.text(st.characters(codec=None) | st.sampled_from(STEERING)))
def test_what_reaches_a_terminal_cannot_steer_it(text: str) -> None:
    assert not set(printable(text)) & set(STEERING)


def test_a_file_that_lost_bytes_on_the_way_does_not_get_its_name(tmp_path: Path) -> None:
    """What --peaks, --alignment, --lhotse and --repair-ends say that they wrote is what the file holds."""
    out = tmp_path / "peaks.dat"
    out.write_bytes(b"earlier")

    def shortened() -> None:
        with write_atomically(out) as file:
            file.write(b"peaks!")
            file.flush()
            os.truncate(tmp_path / "peaks.dat.part", 3)

    with pytest.raises(errors.DiskFull, match="holds 3 bytes of the 6"):
        shortened()
    assert [path.name for path in tmp_path.iterdir()] == ["peaks.dat"]
    assert out.read_bytes() == b"earlier"
    with write_atomically(out) as file:
        file.write(b"whole")
    assert out.read_bytes() == b"whole"
