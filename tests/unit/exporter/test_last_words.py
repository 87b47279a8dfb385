"""What is said at the end of an export: what is not there yet, and what may still be added, each by its name."""

from __future__ import annotations

import pytest

from turnkeeper.cli.bulk_run import conclude_run
from turnkeeper.exporter.run_report import Failure, RunReport

DUE = "2026-10-05T10:05:00.000Z"


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (RunReport(done=8), ""),
        (RunReport(waiting=1, next_due=DUE), f"1 has no transcript yet: run it again, from {DUE} on\n"),
        (RunReport(waiting=1200, next_due=DUE), f"1,200 have no transcript yet: run it again, from {DUE} on\n"),
        (
            RunReport(done=8, completing=8, next_due=DUE),
            f"8 archived, another leg or a recording may still come: run it again, from {DUE} on\n",
        ),
        (RunReport(empty=2), "2 without any turn: the platform gave a transcript that holds none\n"),
        (RunReport(waiting=3), "3 have no transcript yet: run it again\n"),
    ],
)
def test_what_may_still_come_is_said_once(report: RunReport, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert conclude_run(report, quiet=False) == 0
    assert capsys.readouterr().err == said


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    assert conclude_run(RunReport(waiting=3, completing=2), quiet=True) == 0
    assert capsys.readouterr().err == ""


FETCHED = "turnkeeper get ID --audio --to the archive fetches it again."
EARLIER = Failure(conversation="c1", error="LinkExpired", message="dead", earlier=True, due=DUE)


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (
            RunReport(outstanding_failed=1, failures=[EARLIER]),
            (
                f"1 failed in an earlier run and not since: LinkExpired: dead\n  turnkeeper retry tries them now;"
                f" the next is due at {DUE}.\n"
            ),
        ),
        (
            RunReport(outstanding_recordings=2),
            f"2 with a recording that cannot be read (listed as unreadable)\n  {FETCHED}\n",
        ),
        (
            RunReport(unlisted=1, failures=[Failure(conversation="", error="Unavailable", message="a to b: no sum")]),
            "Unavailable: a to b: no sum\n",
        ),
    ],
)
def test_what_stands_from_earlier_runs_is_said_and_ends_with_3(
    report: RunReport, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """K8: run 1 exit 3 (one failed), the same command again."""
    assert conclude_run(report, quiet=False) == 3
    assert capsys.readouterr().err == said
