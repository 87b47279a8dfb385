"""The sections of docs/faults.md that hostile platforms, stores and archives fill: written by trials, read by tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.hostile.attacks import ATTACKS, KINDS
from tests.hostile.damage import DAMAGES
from tests.hostile.damage_trial import VERBS
from tests.hostile.defects import OPEN
from tests.hostile.store_attacks import STORE_ATTACKS
from tests.hostile.trial import Trial

__all__ = ["ARCHIVE", "PAGE", "STORE", "damage_line", "rows", "sections", "verbs_on", "written"]

PAGE = Path(__file__).parents[2] / "docs/faults.md"
FIRST = "## A hostile platform"
STORE, ARCHIVE = "A hostile store", "A damaged archive"

_PLATFORM = """\
## A hostile platform

Here the server is broken, or is no platform at all. Each line breaks one kind of answer, for every request of that
kind, while `turnkeeper export` or `get` runs. *Afterwards* is the same command a day later against right answers. The
archive is then compared, turn by turn, with what the platform holds.

In none of these cases is there a stack trace, a secret in the output or in a file, an exit code 0 while something is
missing and not mentioned, a run that does not end, or a process with more than {largest} MB of memory.
"""
_STORE = """\
## A hostile store

Here a proxy between turnkeeper and a real object store breaks one kind of answer.
"""
_ARCHIVE = """\
## A damaged archive

Here one conversation of four is damaged, or the archive holds something that does not belong there. The cell of a
verb is its exit code; it is empty where the verb does not yet do what it should. No verb hangs, touches anything
outside the archive, or loses one of the other three conversations. What can be read is read.
"""


def rows(text: str, heading: str) -> list[str]:
    """The lines of one table, found by the heading above it."""
    after = text.partition(f"\n{heading}\n")[2].partition("\n#")[0]
    return [line for line in after.splitlines() if line.startswith("| ")][2:]


def sections(*, of_open: bool = False) -> dict[str, list[str]]:
    """heading -> names of the rows that belong under it, in order; ``of_open`` gives those that do not hold."""
    chosen = _is_open if of_open else _holds
    return {heading: [name for name in names if chosen(name)] for heading, names in _every().items()}


def _holds(name: str) -> bool:
    return name not in OPEN


def _is_open(name: str) -> bool:
    return name in OPEN or any(f"{verb}: {name}" in OPEN for verb in VERBS)


def _every() -> dict[str, list[str]]:
    found = {f"### {kind}": [one.name for one in ATTACKS if one.kind == kind] for kind in KINDS}
    found[f"## {STORE}"] = [one.name for one in STORE_ATTACKS]
    found[f"## {ARCHIVE}"] = [one.name for one in DAMAGES]
    return found


def verbs_on(damage: str, *, of_open: bool = False) -> list[str]:
    """The verbs that are tried on a damage: those that hold, or with ``of_open`` all."""
    return [verb for verb in VERBS if of_open or f"{verb}: {damage}" not in OPEN]


def damage_line(name: str, trials: Mapping[str, Trial]) -> str:
    """One damage: what verify says, and the exit code of every verb."""
    codes = (str(trials[verb].code) if verb in trials else "" for verb in VERBS)
    cells = [name, trials["verify"].cell, *codes]
    return "| " + " | ".join(cells) + " |"


def written(told: Mapping[str, Sequence[str]]) -> None:
    """Put the rows into the page, behind what stands there of other faults."""
    from tests.hostile.trial import LARGEST_MB

    before = PAGE.read_text().partition(f"\n{FIRST}\n")[0].rstrip() + "\n\n"
    parts = [_PLATFORM.format(largest=LARGEST_MB)]
    for heading, lines in told.items():
        head = "| attack | what you see | exit | afterwards |\n| --- | --- | --- | --- |\n"
        if heading == f"## {ARCHIVE}":
            head = f"| damage | what verify sees | {' | '.join(VERBS)} |\n| --- | --- |{' --- |' * len(VERBS)}\n"
        intro = {f"## {STORE}": _STORE, f"## {ARCHIVE}": _ARCHIVE}.get(heading, f"{heading}\n")
        parts.append(f"{intro}\n{head}{_joined(lines)}")
    PAGE.write_text(before + "\n".join(parts))


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
