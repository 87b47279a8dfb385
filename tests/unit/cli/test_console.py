"""What a person reads of a run: lengths of time, waiting, a link that expired."""

from __future__ import annotations

import pytest

from turnkeeper.cli.console import event_listener, format_duration, printable
from turnkeeper.events import Noted, Renewed, Waiting


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.6, "1 min 00 s"),
        (130, "2 min 10 s"),
        (3 * 3600 + 300, "3 h 05 min"),
        (50 * 3600, "50 h 00 min"),
        (1313.6 * 3600, "54 days"),
        (4000 * 86_400, "4,000 days"),
    ],
)
def test_lengths_of_time_are_said_as_a_person_says_them(seconds: float, said: str) -> None:
    assert format_duration(seconds) == said


def test_waiting_is_said_once_for_each_thing_that_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    hear = event_listener()
    for status in ("pending", "pending", "pending", "recordings transcoding", "recordings transcoding"):
        hear(Waiting(conversation="c", status=status, wait=5.0))
    hear(Noted(note="done"))
    assert capsys.readouterr().err.splitlines() == [
        "not ready (pending); asking again every 5 s",
        "not ready (recordings transcoding); asking again every 5 s",
        "done",
    ]


def test_a_link_that_expired_is_called_that(capsys: pytest.CaptureFixture[str]) -> None:
    event_listener()(Renewed(what="link", reason="403 AccessDenied"))
    assert capsys.readouterr().err == "download link expired (403 AccessDenied); a new one was asked for\n"


@pytest.mark.parametrize(
    "name",
    [
        "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0930\u094d\u200d\u092f",
        "\u05e9\u05dc\u05d5\u05dd (ABC)\u200f",
        "a\tb\nc",
    ],
    ids=["Persian joiner", "Hindi joiner", "Hebrew mark", "tab and line break"],
)
def test_the_writing_of_other_scripts_stays_whole(name: str) -> None:
    assert printable(name) == name


def test_a_name_that_reorders_the_line_is_escaped() -> None:
    assert printable("gpj\u202e.exe\u2066") == "gpj\\u202e.exe\\u2066"
