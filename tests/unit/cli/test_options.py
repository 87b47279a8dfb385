"""Options that could not mean anything are refused before any work is done, naming the option."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cyclopts import CycloptsError

from turnkeeper.cli.app import VERBS, command_line
from turnkeeper.cli.filter import Request, split_names
from turnkeeper.cli.options import PlatformOptions, TurnOptions, checked_count, platform_settings, selection
from turnkeeper.cli.selection_options import SelectionOptions
from turnkeeper.errors import Misconfigured
from turnkeeper.exporter.windows import range_of

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("seconds", [float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("option", ["after", "before"])
def test_a_time_that_is_no_number(option: str, seconds: float) -> None:
    """K3: --after inf|nan, --before -inf: "OverflowError … please report"."""
    with pytest.raises(Misconfigured, match=f"--{option}"):
        selection(TurnOptions(**{option: seconds}))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["", " ", ",", " , "])
@pytest.mark.parametrize("option", ["role", "conversation"])
def test_an_empty_name_chooses_nothing(option: str, value: str) -> None:
    """K1: --role "", --conversation "" (an empty variable) dropped the filter, and everything was printed."""
    with pytest.raises(Misconfigured, match=f"--{option}: is empty"):
        selection(TurnOptions(**{option: (value,)}))  # type: ignore[arg-type]
    with pytest.raises(Misconfigured, match=f"--{option}: is empty"):
        Request(**{option: [value]}).selection()  # type: ignore[arg-type]
    assert split_names(["agent,", "ivr"], "--role") == ["agent", "ivr"]


@pytest.mark.parametrize("option", ["queue", "user", "division", "media_type", "direction"])
def test_an_empty_filter_is_no_filter_for_everything(option: str) -> None:
    """K1: --queue "" exported everything."""
    with pytest.raises(Misconfigured, match="is empty"):
        SelectionOptions(**{option: ("",)}).filters()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "words",
    [
        {"last": "0d"},
        {"since": "2026-10-05", "until": "2026-10-05"},
        {"since": "2026-10-08", "until": "2026-10-05"},
        {"since": "2030-01-01"},
    ],
)
def test_an_empty_range_is_refused(words: dict[str, str]) -> None:
    """K1: --last 0d, --since X --until X: exit 0 with nothing looked for."""
    with pytest.raises(Misconfigured, match="range of time is empty"):
        range_of(NOW, **words)


@pytest.mark.parametrize("given", [{"wait": float("nan")}, {"wait": -1.0}, {"poll": 0.0}, {"poll": float("inf")}])
def test_a_wait_that_is_none(given: dict[str, float]) -> None:
    """K3: --wait nan, --poll 0 were accepted."""
    with pytest.raises(Misconfigured, match="no number of seconds"):
        platform_settings(PlatformOptions(**given))  # type: ignore[arg-type]


def test_no_wait_at_all_is_one() -> None:
    assert platform_settings(PlatformOptions(wait=0.0)).wait_seconds == 0


@pytest.mark.parametrize("count", [0, -3])
def test_nobody_at_work(count: int) -> None:
    """K3: --concurrency 0 and -3 were accepted."""
    with pytest.raises(Misconfigured, match="--concurrency"):
        checked_count(count, "--concurrency")


NUMBERS = [
    (verb, argument.name)
    for verb in VERBS
    for argument in command_line()[verb].assemble_argument_collection(parse_docstring=False)
    if any(kind in str(argument.hint) for kind in ("int", "float"))
]


NEEDED = {"audio": ("a.wav",), "clip": ("a.wav", "--out", "b.wav"), "status": ("a",)}


@pytest.mark.parametrize("number", ["inf", "-inf", "nan", "1e400", "9" * 20])
def test_no_option_takes_a_number_that_is_none(number: str) -> None:
    """K3: inf, nan, and what no float or no file's size reaches, for every number of every verb."""
    assert len(NUMBERS) > 40
    for verb, option in NUMBERS:
        words = [verb, *NEEDED.get(verb, ()), f"{option}={number}"]
        with pytest.raises(CycloptsError) as refused:
            command_line().parse_args(words, exit_on_error=False, print_error=False)
        assert option in str(refused.value), words
