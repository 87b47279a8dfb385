"""What reading must not fall below, on documents by another hand: ``python -m benchmarks.parse.floors [MB]``.

Prints every floor beside what was measured, and ends with 1 where one is missed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from statistics import median

from benchmarks.parse import small
from benchmarks.parse.foreign import Foreign
from benchmarks.parse.rounds import FOLDER, GO_TOKENS, IJSON, Ran, agree, go_built, rounds, run_one

BY_TIME = "turnkeeper turns, sorted by time"
AGAINST = {IJSON: 1.25, GO_TOKENS: 1.2}
"""How many times faster than these turns by time have to be."""
GOAL, AGAINST_MSGSPEC, MEGABYTES = 2.0, 1.5, 40
SIZE = 100
Measured = Mapping[Foreign, Mapping[str, list[Ran]]]


def documents(megabytes: int = SIZE) -> list[Foreign]:
    """Both shapes, compact and pretty."""
    return [Foreign(shape, megabytes * 1000, pretty) for shape in ("flat", "native") for pretty in (False, True)]


def check_foreign(names: list[str]) -> int:
    """Compare the contenders turn by turn on small documents. Returns how many."""
    small_ones = documents(4)
    for document in small_ones:
        path = document.write(FOLDER)
        agree({name: run_one(name, document.shape, path, "--digest").sums for name in names})
    return len(small_ones)


def measure(names: list[str], megabytes: int = SIZE) -> Measured:
    """Let the contenders take turns on each document."""
    return {one: rounds(names, one.shape, one.write(FOLDER)) for one in documents(megabytes)}


def table(measured: Measured) -> str:
    """Every floor with what was measured."""
    text = "### Floors on documents by another hand\n\n| | floor | measured | |\n| --- | ---: | ---: | --- |\n"
    for document, runs in measured.items():
        cpu = {name: median(one.cpu for one in found) for name, found in runs.items()}
        for rival, floor in AGAINST.items():
            if rival in cpu:
                ratio = cpu[rival] / cpu[BY_TIME]
                text += _line(f"{document.name}: by time, times {rival}", floor, ratio, ratio >= floor, ratio >= GOAL)
        peak = max(one.rss for one in runs[BY_TIME])
        text += _line(f"{document.name}: by time, peak MB", MEGABYTES, peak, peak < MEGABYTES)
    for shape in ("flat", "native"):
        column = small.column(shape, small.foreign(shape))
        ratio = column["read_turns"] / column[small.SAME]
        text += _line(f"{shape}, 35 KB: read_turns, times msgspec", AGAINST_MSGSPEC, ratio, ratio <= AGAINST_MSGSPEC)
    return text


def _line(name: str, floor: float, measured: float, holds: bool, goal: bool = False) -> str:
    verdict = ("ok, goal" if goal else "ok") if holds else "**NOT**"
    return f"| {name} | {floor:g} | {measured:.2f} | {verdict} |\n"


def main(megabytes: int = SIZE) -> int:
    """Only the floors, without the other tables."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    go = [name for name in go_built() if name == GO_TOKENS]
    for document in documents(1):
        (FOLDER / f"{document.shape}-tiny.json").write_bytes(document.write(FOLDER).read_bytes())
    names = [BY_TIME, "turnkeeper turns", IJSON, *go]
    print(f"{check_foreign(names)} documents checked turn by turn: all agree.\n")
    text = table(measure(names, megabytes))
    print(text)
    return 1 if re.search(r"\*\*NOT\*\*", text) else 0


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
