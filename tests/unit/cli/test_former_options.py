"""Names of options: one word for one thing across the verbs, and the old names of one release."""

from __future__ import annotations

import re

import pytest

from turnkeeper.cli.app import VERBS
from turnkeeper.cli.former_options import FORMER_OPTIONS, with_current_names
from turnkeeper.cli.help import PAGES

OPTION = re.compile(r"^│ [* ]{0,3}(?:[A-Z.]+ )?(--[a-z-]+)(?: --no-[a-z-]+)?(?: -\w)?(?: ([A-Z]+)(?:\.\.\.)?)? ", re.M)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["turns", "a", "--interaction", "c"], ["turns", "a", "--conversation", "c"]),
        (["clip", "a", "--interaction=c"], ["clip", "a", "--conversation=c"]),
        (["reread", "a", "--every"], ["reread", "a", "--all"]),
        (["doctor", "--to", "s3://calls"], ["doctor", "s3://calls"]),
        (["doctor", "--to=s3://calls", "--json"], ["doctor", "s3://calls", "--json"]),
    ],
)
def test_old_names_work_with_one_notice(given: list[str], meant: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert with_current_names(given) == meant
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    "given", [[], ["export", "--every", "15m"], ["get", "--to", "a"], ["turns", "--", "--interaction"]]
)
def test_names_of_today_are_left_alone(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert with_current_names(given) == given
    assert not capsys.readouterr().err


def test_an_option_takes_the_same_kind_of_value_wherever_it_is_offered() -> None:
    kinds: dict[str, set[str]] = {}
    for verb in VERBS:
        found = OPTION.findall((PAGES / f"{verb}.txt").read_text(encoding="utf-8"))
        assert found or verb == "completion", verb
        for option, kind in found:
            kinds.setdefault(option, set()).add(kind)
    differing = {option: seen for option, seen in kinds.items() if len(seen) > 1}
    # `verify --seed` is any word, so that a proof can quote it; `clip --start` is a second, `simulate --start` a day;
    # `turns --head` counts, as head(1) does, and `audit --head` names the file that holds the head of the chain;
    # `clip --second` may be an address.
    assert set(differing) <= {"--head", "--seed", "--start", "--second"}, differing
    assert not {old for _, old in FORMER_OPTIONS} & set(kinds) - {"--every", "--to"}
