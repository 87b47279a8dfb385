"""The one line of a long run."""

from __future__ import annotations

import io

from turnkeeper.cli.run_progress import RunProgress
from turnkeeper.events import Noted, Paged


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_report_takes_its_line_away_at_the_end() -> None:
    out = Terminal()
    pulse = RunProgress(out)
    for done in range(4):
        pulse(Paged(done=done, calls=3))
    assert out.getvalue().endswith("\r\x1b[K")


def test_a_short_report_says_nothing_where_nobody_watches() -> None:
    out = io.StringIO()
    pulse = RunProgress(out)
    for done in range(4):
        pulse(Paged(done=done, calls=3))
    assert not out.getvalue()


def test_what_a_terminal_would_obey_is_spelled_out() -> None:
    out = io.StringIO()
    RunProgress(out)(Noted(note="\x1b[2Jgone"))
    assert out.getvalue() == "\\x1b[2Jgone\n"
