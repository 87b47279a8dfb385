"""A row of the field table as something that can be run: what is provoked, what is right, and what comes now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.field.world import World

__all__ = ["CASES", "Case", "Verdict", "case", "judge"]


@dataclass(frozen=True)
class Verdict:
    """Whether what came is right, and what came, in a line."""

    ok: bool
    now: str


@dataclass(frozen=True)
class Case:
    """One provocation. ``owner`` is the part of the project whose fault a failure would be."""

    row: str
    name: str
    owner: str
    provoke: str
    right: str
    run: Callable[[World], Verdict]


CASES: list[Case] = []


def case(row: str, owner: str, provoke: str, right: str) -> Callable[[Callable[[World], Verdict]], None]:
    """Enter a function into the table under its own name."""

    def enter(run: Callable[[World], Verdict]) -> None:
        CASES.append(Case(row, run.__name__, owner, provoke, right, run))

    return enter


def judge(one: Case, world: World) -> Verdict:
    """Run a case. A trace of the stack on a terminal, or an answer that the case cannot use, is never right."""
    try:
        verdict = one.run(world)
    except Exception as cause:
        return _wrong(f"no answer that could be judged: {type(cause).__name__}: {str(cause)[:160]}")
    if any("Traceback" in ran.err for ran in world.ran):
        return _wrong(f"a traceback; {verdict.now}")
    return verdict


def _wrong(now: str) -> Verdict:
    return Verdict(ok=False, now=now)
